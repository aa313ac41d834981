"""How a doctor grants access to his Google account: in a browser on this computer, or with a code on another device.

The browser is the way to go (``Loopback``: RFC 8252, and PKCE of RFC 7636). Google's list of scopes that device codes
are given for ("OAuth 2.0 for TV and Limited-Input Device Applications", Allowed scopes) names sign-in, two scopes of
Drive and two of YouTube, none of Calendar: with ``calendar.app.created`` the ``Device`` flow ends in ``invalid_scope``.
It is here for the day Google changes its list; nothing chooses it by itself. For a doctor who is elsewhere, the address
that his browser could not open after consent can be given to ``Loopback.take``.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import h11

from identsync.errors import Refused, Unavailable, Unexpected
from identsync.flows.answer import Reply
from identsync.integrations.calendar.wire.google import SCOPE
from identsync.integrations.calendar.wire.google_access import (
    GOOGLE,
    App,
    Endpoints,
    Grant,
    ask_tokens,
    code_of,
    error_of,
    grant_of,
    object_of,
    post_form,
)
from identsync.language import _

if TYPE_CHECKING:
    from identsync.flows.http import Http

_MOST_HEAD = 16_384  # bytes of a request to the loopback address
_HEAD_WITHIN = 10.0  # seconds for it
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_STEP = 5.0  # seconds that slow_down adds (RFC 8628)
_PAGE = (
    "<!doctype html><meta charset=utf-8><title>identsync</title><p style='font:1.4rem sans-serif;margin:3rem'>{}</p>"
)
_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    ("Connection", "close"),
]


class Loopback:
    """One consent in a browser: open ``url`` there, then await ``grant``. An async context manager: it listens.

    On 127.0.0.1 and a port of the system's choice; the first request with the right ``state`` is the answer, all others
    are told that they are not meant.
    """

    def __init__(self, http: "Http", app: App, *, scope: str = SCOPE, endpoints: Endpoints = GOOGLE) -> None:
        self._http = http
        self._app = app
        self._scope = scope
        self._endpoints = endpoints
        self._state = secrets.token_urlsafe(24)
        self._verifier = secrets.token_urlsafe(48)
        self._code: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._host = ""

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_MOST_HEAD)
        self._host = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Listen no more; a page that is being answered is answered to its end."""
        self._server.close()
        if self._tasks:
            _done, late = await asyncio.wait(self._tasks, timeout=1.0)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if not self._code.cancel() and not self._code.cancelled():
            self._code.exception()  # looked at: nobody has to await the answer

    @property
    def url(self) -> str:
        """The page of Google where the person consents; holds nothing secret."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self._verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": self._app.id,
            "redirect_uri": self._back,
            "response_type": "code",
            "scope": self._scope,
            "state": self._state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "access_type": "offline",
            "prompt": "consent",  # otherwise a second consent gives no refresh token
        }
        return f"{self._endpoints.consent}?{urlencode(query)}"

    async def grant(self, deadline: float = 600.0) -> Grant:
        """Wait for the person's answer, at most ``deadline`` seconds, and change its code for tokens."""
        try:
            code = await asyncio.wait_for(asyncio.shield(self._code), deadline)
        except TimeoutError:
            raise Unavailable(_("на странице Google никто не ответил"), sent=False) from None
        self._server.close()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": self._verifier,
            "redirect_uri": self._back,
        }
        return grant_of(await ask_tokens(self._http, self._endpoints, self._app, form), self._scope)

    def take(self, address: str) -> bool:
        """Take the address to which Google sent the browser back; False where it is not this consent's answer."""
        try:
            query = parse_qs(urlsplit(address.strip()).query)
        except ValueError:
            return False
        if not hmac.compare_digest(query.get("state", [""])[0].encode(), self._state.encode()) or self._code.done():
            return False
        if code := query.get("code", [""])[0]:
            self._code.set_result(code)
        else:
            reply = Reply(403, {}, b"")
            error = query.get("error", [""])[0]
            self._code.set_exception(error_of(error if error.isascii() and error.isidentifier() else "?", reply))
        return True

    @property
    def _back(self) -> str:
        return f"http://{self._host}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, TimeoutError, h11.ProtocolError):
                async with asyncio.timeout(_HEAD_WITHIN):
                    await self._answer(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_HEAD)
        while (request := http.next_event()) is h11.NEED_DATA:
            http.receive_data(await reader.read(4096))
        if not isinstance(request, h11.Request):
            return
        status, words = self._judge(request)
        page = _PAGE.format(words).encode()
        head = h11.Response(status_code=status, headers=[*_HEADERS, ("Content-Length", str(len(page)))])
        for event in (head, h11.Data(data=page), h11.EndOfMessage()):
            writer.write(http.send(event) or b"")
        await writer.drain()

    def _judge(self, request: h11.Request) -> tuple[int, str]:
        headers = dict(request.headers)
        url = urlsplit(request.target.decode("latin-1"))
        if request.method != b"GET" or url.path != "/" or headers.get(b"host") != self._host.encode():
            return 404, _("Здесь ничего нет.")
        if not self.take(request.target.decode("latin-1")):
            return 400, _("Это ответ не на тот запрос. Вернитесь в identsync и начните заново.")
        return 200, _("Ответ получен. Эту страницу можно закрыть и вернуться в identsync.")


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a person types on another device: ``user_code`` at ``page``, within ``lifetime`` seconds."""

    user_code: str
    page: str
    lifetime: float
    interval: float
    device_code: str = field(repr=False)


class Device:
    """Consent with a code on another device (RFC 8628); Google does not offer it for Calendar, see above."""

    def __init__(
        self,
        http: "Http",
        app: App,
        *,
        scope: str = SCOPE,
        endpoints: Endpoints = GOOGLE,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = http
        self._app = app
        self._scope = scope
        self._endpoints = endpoints
        self._pause = pause

    async def begin(self) -> DeviceCode:
        """Ask for a code."""
        reply = await post_form(self._http, self._endpoints.device, self._app, {"scope": self._scope})
        if reply.status != 200:
            raise error_of(code_of(reply), reply)
        told = object_of(reply)
        page = told.get("verification_url", told.get("verification_uri"))
        try:
            lifetime, interval = float(told["expires_in"]), float(told.get("interval", _STEP))
            return DeviceCode(str(told["user_code"]), str(page), lifetime, interval, str(told["device_code"]))
        except (KeyError, TypeError, ValueError):
            raise Unexpected(_("вместо ответа Google о доступе пришло что-то другое")) from None

    async def grant(self, code: DeviceCode) -> Grant:
        """Ask at Google's pace until the person has answered; Refused where the code's time is over."""
        form = {"grant_type": _DEVICE_GRANT, "device_code": code.device_code}
        waited, interval = 0.0, code.interval
        while waited < code.lifetime:
            await self._pause(interval)
            waited += interval
            reply = await post_form(self._http, self._endpoints.token, self._app, form)
            error = "" if reply.status == 200 else code_of(reply)
            if error == "":
                return grant_of(object_of(reply), self._scope)
            if error == "slow_down":
                interval += _STEP
            elif error != "authorization_pending":
                raise _ended() if error == "expired_token" else error_of(error, reply)
        raise _ended()


def _ended() -> Refused:
    return Refused(_("время кода вышло"), hint=_("Начните заново и введите новый код сразу."))
