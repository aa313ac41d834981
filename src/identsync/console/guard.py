"""What stands before every page: the Host header, the password, the origin of a POST, the answer's headers.

A page on 127.0.0.1 is reached by every site open in the same browser. So a foreign name in ``Host`` is refused (DNS
rebinding), a POST needs our own origin and the token of the page it came from, and no other site may frame, embed, read
or even ask for anything: it may only lead a person here.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from identsync.console.troubles import note
from identsync.errors import IdentsyncError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SOURCES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "media-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def policy(more: Mapping[str, str] = MappingProxyType({})) -> str:
    """Write the Content-Security-Policy with ``more`` sources by directive beside the console's own."""
    every = {**SOURCES, **{name: f"{SOURCES.get(name, '')} {sources}".strip() for name, sources in more.items()}}
    return "; ".join(f"{name} {sources}" for name, sources in every.items())


POLICY = policy()
HEADERS = {
    "content-security-policy": POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
OPEN_PATHS = ("/healthz",)
HERE_PATHS = ("/metrics",)  # answered to this computer only
CALLERS = 1024  # addresses whose wrong passwords are remembered
WAITING = 32  # wrong passwords that may wait at one time


def is_loopback(host: str) -> bool:
    """Tell whether an address, or the name localhost, is this computer's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """Return the name of a Host header without its port, in lower case: '[::1]:80' -> '::1'."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


class Token:
    """What a POST must bring: the keyed hash of the visitor's random cookie; the key lives as long as the process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, visitor: str) -> str:
        """Return the token of a visitor."""
        return hmac.new(self._key, visitor.encode(), hashlib.sha256).hexdigest()

    def fits(self, visitor: str, token: str) -> bool:
        """Compare in constant time; an empty visitor never fits."""
        return bool(visitor) and hmac.compare_digest(self.of(visitor).encode(), token.encode())


@dataclass(slots=True)
class Knocks:
    """Wrong passwords of one address: each costs twice the time of the one before, one after another."""

    wrong: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Password:
    """Basic auth with one password and any name; the name says who acts."""

    def __init__(
        self,
        password: Callable[[], str],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        slowest: float = 8.0,
    ) -> None:
        self._password = password
        self._digest: bytes | None = None
        self._sleep = sleep
        self._slowest = slowest
        self._knocks: OrderedDict[str, Knocks] = OrderedDict()
        self._waiting = 0

    async def admit(self, address: str, authorization: str) -> str | HTTPStatus:
        """Return the name of who may pass, else 401, or 429 where too many wrong ones wait."""
        knocks = self._of(address)
        if knocks.wrong and self._waiting >= WAITING:
            return HTTPStatus.TOO_MANY_REQUESTS
        self._waiting += 1
        try:
            async with knocks.turn:
                if knocks.wrong and authorization:
                    await self._sleep(min(0.25 * 2 ** min(knocks.wrong, 10), self._slowest))
                return await self._judge(knocks, authorization)
        finally:
            self._waiting -= 1

    async def _judge(self, knocks: Knocks, authorization: str) -> str | HTTPStatus:
        if self._digest is None:
            try:
                password = await asyncio.to_thread(self._password)
            except IdentsyncError:  # the secret's place is empty: nobody gets in until it is filled
                return HTTPStatus.SERVICE_UNAVAILABLE
            self._digest = hashlib.sha256(password.encode()).digest()
        name, password = _credentials(authorization)
        right = hmac.compare_digest(hashlib.sha256(password.encode()).digest(), self._digest)
        if right and name:
            knocks.wrong = 0
            return name
        if authorization:
            knocks.wrong += 1
        return HTTPStatus.UNAUTHORIZED

    def _of(self, address: str) -> Knocks:
        knocks = self._knocks.setdefault(address, Knocks())
        self._knocks.move_to_end(address)
        while len(self._knocks) > CALLERS:
            self._knocks.popitem(last=False)
        return knocks


def _credentials(authorization: str) -> tuple[str, str]:
    scheme, _space, coded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _colon, password = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    seen = "".join(letter for letter in name if letter.isprintable())  # it stands in the database and before people
    return seen.strip()[:60], password


class Guard:
    """ASGI: lets a request through to ``app`` or answers it itself, in a few plain words."""

    def __init__(
        self, app: App, *, names: Collection[str], addresses: bool, password: Password | None, user: str,
    ) -> None:  # fmt: skip
        self._app = app
        self._names = {host_name(name) for name in names}
        self._addresses = addresses  # a bare IP address in Host is fine: rebinding needs a name
        self._password = password
        self._user = user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refuse(scope, headers) or await self._authenticate(scope, headers)
        if refusal is not None:
            await _answer(send, refusal, self._password is not None)
            return
        try:
            await self._app(scope, receive, _with_headers(send))
        except Exception as error:  # answered already; the web server itself would tell the error's text
            note(error, page="")

    def _refuse(self, scope: Scope, headers: MutableMapping[str, str]) -> HTTPStatus | None:
        if not self._knows(host_name(headers.get("host", ""))):
            return HTTPStatus.MISDIRECTED_REQUEST
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return HTTPStatus.METHOD_NOT_ALLOWED
        if scope["path"] in HERE_PATHS and not is_loopback((scope.get("client") or ("", 0))[0]):
            return HTTPStatus.NOT_FOUND
        if not (_same_origin(headers) if scope["method"] == "POST" else _is_ours_or_a_link(headers)):
            return HTTPStatus.FORBIDDEN
        return None

    def _knows(self, name: str) -> bool:
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._addresses or address.is_loopback

    async def _authenticate(self, scope: Scope, headers: MutableMapping[str, str]) -> HTTPStatus | None:
        scope.setdefault("state", {})["user"] = self._user
        if self._password is None or scope["path"] in OPEN_PATHS:
            return None
        address = (scope.get("client") or ("", 0))[0]
        admitted = await self._password.admit(address, headers.get("authorization", ""))
        if isinstance(admitted, HTTPStatus):
            return admitted
        scope["state"]["user"] = admitted
        return None


def _same_origin(headers: MutableMapping[str, str]) -> bool:
    """Tell whether the request is our own page's, as the browser says; a program that says nothing has the token."""
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()


def _is_ours_or_a_link(headers: MutableMapping[str, str]) -> bool:
    """Tell whether no other site asks behind a person's back: each stream it opens would keep the database at work."""
    if headers.get("sec-fetch-site", "none") in {"same-origin", "none"}:
        return True
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _value in message["headers"]}
            message["headers"] = [*message["headers"], *_missing(given)]
        await send(message)

    return sending


def _missing(given: Collection[bytes]) -> Iterable[tuple[bytes, bytes]]:
    headers = {**HEADERS, "cache-control": "no-store"}
    return [(name.encode(), value.encode()) for name, value in headers.items() if name.encode() not in given]


WORDS = {
    HTTPStatus.MISDIRECTED_REQUEST: "Этот адрес не принадлежит identsync. "
    "Откройте страницу по адресу, который показала программа.\n"
    "This name is not identsync's: open the page by the address the program printed.",
    HTTPStatus.UNAUTHORIZED: "Нужен пароль. Имя - любое: по нему видно, кто взял заявку.\n"
    "A password is needed. Any name will do: it says who acts.",
    HTTPStatus.TOO_MANY_REQUESTS: "Слишком много неверных паролей. Подождите минуту.\n"
    "Too many wrong passwords: wait a minute.",
    HTTPStatus.FORBIDDEN: "Запрос пришёл не с этой страницы.\nThe request did not come from this page.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Так обращаться к этой странице нельзя.\nThis page does not answer such requests.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Пароль консоли не найден. Чего не хватает, скажет команда identsync check.\n"
    "The console's password is missing: run identsync check.",
    HTTPStatus.NOT_FOUND: "Такой страницы нет.\nThere is no such page.",
}


async def _answer(send: Send, status: HTTPStatus, asks: bool) -> None:
    body = WORDS[status].encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        *_missing(()),
    ]
    if status == HTTPStatus.UNAUTHORIZED and asks:
        headers.append((b"www-authenticate", b'Basic realm="identsync", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
