"""The one door to the outside over HTTP: everything is capped, every call ends, every failure says what happens next.

No connection, no name, a bad certificate: ``Unavailable(sent=False)``, nothing has left this computer. A lost answer,
or the total deadline: ``Unavailable``; ``sent`` says whether the request may have arrived. What an answer that came is
worth stands in ``answer.py``. No other module imports httpx.
"""

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from identsync.errors import Unavailable, Unexpected, Untrusted
from identsync.flows.answer import Asked, Reply, decoded, judge, read
from identsync.language import keyed as _

if TYPE_CHECKING:
    import ssl

    import httpx

DEADLINE = 45.0  # seconds for a whole call, the usual timeout of an IDENT service
CONNECT = 15.0
MAX_ANSWER = 8 * 1024 * 1024
MAX_REDIRECTS = 3
JSON_TYPE = "application/json; charset=utf-8"
GET_ATTEMPTS = 3
POOL = 8

Pieces = Callable[[], Iterator[memoryview]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a POST was answered: the status (2xx, or a 4xx that is about the body) and the beginning of the text."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        """True where the other side has taken the body."""
        return 200 <= self.status < 300


@dataclass(slots=True, kw_only=True)
class _Call(Asked):
    """One request on its way: where it goes, what it carries, whether its first byte has left."""

    url: "httpx.URL"
    headers: dict[str, str]
    pieces: Pieces | None = None
    passing: Collection[int] = ()  # statuses that are answers to the question, whatever judge() would say
    sent: bool = False

    @classmethod
    def to(cls, method: str, url: "httpx.URL", headers: Mapping[str, str] | None, max_bytes: int) -> "_Call":
        return cls(method=method, host=url.host, max_bytes=max_bytes, url=url, headers=dict(headers or {}))

    async def trace(self, event: str, info: object) -> None:  # noqa: ARG002
        self.sent = self.sent or event.endswith("send_request_headers.started")


class Http:
    """A client for calls to the outside; use it as an async context manager and keep it for all calls of a run."""

    def __init__(self, pool: int = POOL) -> None:
        self._pool = pool
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        """Open the pool; nothing is connected before the first call."""
        import httpx

        _quiet()
        limits = httpx.Limits(max_connections=self._pool, max_keepalive_connections=self._pool, keepalive_expiry=30)
        direct = {"all://127.0.0.1": None, "all://localhost": None, "all://[::1]": None}  # never through a proxy
        # Only the total deadline of a call counts; a limit per read would let a slow server hold us for ever.
        timeout = httpx.Timeout(None, connect=CONNECT)
        headers = {"User-Agent": "identsync/0.1", "Accept-Encoding": "gzip"}
        self._client = httpx.AsyncClient(
            verify=_system_tls(), limits=limits, mounts=direct, timeout=timeout, headers=headers, follow_redirects=False
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def get_json(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        max_bytes: int = MAX_ANSWER,
        deadline: float = DEADLINE,
        attempts: int = GET_ATTEMPTS,
    ) -> Any:
        """Return the decoded JSON of a GET; what passes by itself is tried again within ``deadline`` seconds."""
        import stamina

        reply: Reply | None = None
        call = _Call.to("GET", _target("GET", url, params), headers, max_bytes)
        async with _Deadline(call, deadline):
            async for attempt in stamina.retry_context(on=_passing, attempts=attempts, timeout=deadline):
                with attempt:
                    reply = await self._exchange(call)
        assert reply is not None
        return decoded(call, reply)

    async def post_chunks(
        self,
        url: str,
        headers: Mapping[str, str] | None,
        chunks: Pieces,
        *,
        gzip: bool = False,
        content_type: str = JSON_TYPE,
        max_answer: int = 65536,
        deadline: float = DEADLINE,
    ) -> Answer:
        """Send a body made of ``chunks()`` (called once to count, once per send; buffers may be reused); never retried.

        With ``gzip`` the body is compressed whole before the first byte leaves (a timetable shrinks 23 times).
        """
        call = _Call.to("POST", _target("POST", url), headers, max_answer)
        call.pieces = chunks
        async with _Deadline(call, deadline):
            if gzip:
                packed = _gzip(chunks())
                call.pieces = lambda: iter((memoryview(packed),))
                call.headers["Content-Encoding"] = "gzip"
            call.headers["Content-Type"] = content_type
            call.headers["Content-Length"] = str(sum(piece.nbytes for piece in call.pieces()))
            reply = await self._exchange(call)
        if reply.status < 300 and reply.html:
            raise call.unexpected(_("вместо ответа службы пришла веб-страница"), reply.text)
        return Answer(reply.status, reply.text)

    async def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        passing: Collection[int] = (),
        max_bytes: int = MAX_ANSWER,
        deadline: float = DEADLINE,
    ) -> Reply:
        """Send one request of any method, never retried; give its answer if it is 2xx or ``passing``.

        For protocols whose questions are answered by a status: 404, 409, 412 of WebDAV and REST; a redirect that is
        ``passing`` (other than 307) is not followed. Every other status raises as ``answer.py`` says.
        """
        call = _Call.to(method, _target(method, url), headers, max_bytes)
        call.passing = passing
        if body:
            call.pieces = lambda: iter((memoryview(body),))
            call.headers["Content-Length"] = str(len(body))
        async with _Deadline(call, deadline):
            return await self._exchange(call)

    async def _exchange(self, call: _Call) -> Reply:
        """Send, follow 307 only, and raise for every status that is not an answer to the question."""
        for _hop in range(MAX_REDIRECTS + 1):
            reply = await self._send(call)
            if reply.status in call.passing:
                return reply
            if reply.status != 307:
                judge(call, reply)
                return reply
            _follow(call, reply)
        raise call.unexpected(_("перенаправлений больше {n}", n=MAX_REDIRECTS))

    async def _send(self, call: _Call) -> Reply:
        import httpx

        if self._client is None:
            raise RuntimeError("Http is used outside its 'async with'")
        content = _stream(call.pieces) if call.pieces else None
        try:
            request = self._client.build_request(
                call.method, call.url, headers=call.headers, content=content, extensions={"trace": call.trace}
            )
            response = await self._client.send(request, stream=True)
            try:
                return await read(call, response.status_code, response.headers, response.aiter_raw())
            finally:
                await response.aclose()
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError) as error:
            words = _("такой запрос невозможен: адрес или ключ с недопустимыми знаками ({cause})", cause=_cause(error))
            raise call.unexpected(words) from None
        except httpx.HTTPError as error:
            raise _unavailable(call, error) from None


def _target(method: str, url: str, params: Mapping[str, str] | None = None) -> "httpx.URL":
    import httpx

    try:
        return httpx.URL(url, params=params) if params else httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError):
        raise Unexpected(_("{method}: адрес в настройках не похож на адрес", method=method)) from None


@functools.cache
def _system_tls() -> "ssl.SSLContext":
    from identsync.flows import trust

    return trust.system()


def _quiet() -> None:
    # httpx writes whole URLs at INFO, httpcore headers at DEBUG: keys and queries must not reach a log.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _Deadline:
    """``asyncio.timeout`` that ends in ``Unavailable`` with what is known of the call."""

    def __init__(self, call: _Call, seconds: float) -> None:
        self._call = call
        self._seconds = seconds
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *exc: Any) -> None:
        try:
            await self._timeout.__aexit__(*exc)
        except TimeoutError:
            words = self._call.words(_("нет полного ответа за {n:g} с", n=self._seconds))
            raise Unavailable(words, sent=self._call.sent) from None


def _passing(error: Exception) -> bool:
    """Say whether a second try soon may help: not where the server named a time."""
    return isinstance(error, Unavailable) and error.after_ms is None


def _unavailable(call: _Call, error: Exception) -> Unavailable:
    from identsync.flows.trust import is_untrusted, reason

    kind = Untrusted if not call.sent and is_untrusted(error) else Unavailable
    known = None if call.sent else reason(error)
    words = _("ответ потерян") if call.sent else _("нет связи")
    usual = _("проверьте адрес в настройках, интернет и брандмауэр; если там перерыв, подождите")
    code, hint = known or (_cause(error), usual)
    return kind(call.words(_("{what} ({code})", what=words, code=code)), sent=call.sent, hint=hint)


def _cause(error: BaseException) -> str:
    """Name the kind of failure, with its text where only the system speaks: others may repeat an address or a key."""
    name = type(error).__name__
    return f"{name}: {str(error)[:150]}" if name == "ConnectError" else name


async def _stream(pieces: Pieces) -> AsyncIterator[bytes]:
    for piece in pieces():
        yield piece.cast("B")  # type: ignore[misc]  # h11 copies what it is given, so a reused buffer is safe


def _gzip(pieces: Iterator[memoryview]) -> bytes:
    from isal import isal_zlib

    packer = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    return b"".join([packer.compress(piece) for piece in pieces] + [packer.flush()])


def _follow(call: _Call, reply: Reply) -> None:
    """Turn the call to the place a 307 names: same method and body, the key stays with its origin."""
    import httpx

    try:
        target = call.url.join(reply.headers["location"])
    except (KeyError, httpx.InvalidURL):
        raise call.unexpected(_("перенаправление 307 в никуда")) from None
    if target.scheme not in {"http", "https"} or (call.url.scheme == "https" and target.scheme == "http"):
        raise call.unexpected(_("перенаправление 307 на незащищённый адрес"))
    if _origin(target) != _origin(call.url) and not _upgrade(call.url, target):
        content = {"content-type", "content-length", "content-encoding"}
        call.headers = {name: value for name, value in call.headers.items() if name.lower() in content}
        call.keyless = True
    call.url, call.host = target, target.host
    call.sent = False  # whoever answered 307 has not taken the body


def _origin(url: "httpx.URL") -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _upgrade(old: "httpx.URL", new: "httpx.URL") -> bool:
    return _origin(old) == ("http", new.host, 80) and _origin(new) == ("https", old.host, 443)
