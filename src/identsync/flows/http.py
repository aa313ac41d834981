"""The one door to the outside over HTTP: everything is capped, every call ends, every failure says what happens next.

========================================  ==========================================================================
what came                                 what is raised
========================================  ==========================================================================
no connection, no name, bad certificate   ``Unavailable(sent=False)``: nothing has left this computer
lost answer, total deadline, 408, 5xx     ``Unavailable``; ``sent`` says whether the request may have arrived
429                                       ``Limited`` with the server's Retry-After
401, 403                                  ``Refused``; the plain-text reason is kept in ``raw``
other 4xx                                 ``Unexpected`` for a GET; an ``Answer`` for a POST: the body was not liked
a redirect other than 307                 ``Unexpected``: 301 and 302 would lose the body, so nobody follows them
200 with HTML, half a JSON, no JSON       ``Unexpected`` with the beginning of the answer in ``raw``
an answer longer than the cap             ``Unexpected``; the rest is never read
========================================  ==========================================================================

Messages name the method and the host, never a path, a query, a key or a body. No other module imports httpx.
"""

import asyncio
import functools
import json
import logging
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self

import orjson

from identsync.errors import Limited, Refused, Unavailable, Unexpected
from identsync.language import _

if TYPE_CHECKING:
    import ssl

    import httpx

DEADLINE = 45.0  # seconds for a whole call, the usual timeout of an IDENT service
CONNECT = 15.0
MAX_ANSWER = 8 * 1024 * 1024
MAX_REDIRECTS = 3
MAX_RETRY_AFTER_MS = 24 * 3600 * 1000
RAW = 2000  # characters of an answer that are kept for people
JSON_TYPE = "application/json; charset=utf-8"
GET_ATTEMPTS = 3
POOL = 8

HTML = ("<!doctype html", "<html")

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


@dataclass(slots=True)
class _Call:
    """One request on its way: where it goes, what it carries, whether its first byte has left."""

    method: str
    url: "httpx.URL"
    headers: dict[str, str]
    pieces: Pieces | None
    max_bytes: int
    sent: bool = False
    keyless: bool = False  # a redirect led to another origin: the key stays at home

    def words(self, text: str) -> str:
        return f"{self.method} {self.url.host}: {text}"

    def unexpected(self, text: str, raw: str = "") -> Unexpected:
        hint = _("Проверьте адрес (url) в настройках: он пишется без имени метода.")
        return Unexpected(self.words(text), hint=hint, raw=raw)

    async def trace(self, event: str, info: object) -> None:  # noqa: ARG002
        self.sent = self.sent or event.endswith("send_request_headers.started")


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body[: RAW * 4].decode("utf-8", "replace").strip()[:RAW]

    @property
    def html(self) -> bool:
        return "text/html" in self.headers.get("content-type", "") or self.text[:64].lower().startswith(HTML)


class Http:
    """A client for calls to the outside; use it as an async context manager and keep it for all calls of a run."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        """Open the pool; nothing is connected before the first call."""
        import httpx

        _quiet()
        limits = httpx.Limits(max_connections=POOL, max_keepalive_connections=POOL, keepalive_expiry=30)
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

        reply: _Reply | None = None
        call = _Call("GET", _target("GET", url, params), dict(headers or {}), None, max_bytes)
        async with _Deadline(call, deadline):
            async for attempt in stamina.retry_context(on=_passing, attempts=attempts, timeout=deadline):
                with attempt:
                    reply = await self._exchange(call)
        assert reply is not None
        return _json(call, reply)

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
        call = _Call("POST", _target("POST", url), dict(headers or {}), chunks, max_answer)
        async with _Deadline(call, deadline):
            if gzip:
                packed = _gzip(chunks())
                call.pieces = lambda: iter((memoryview(packed),))
                call.headers["Content-Encoding"] = "gzip"
            call.headers["Content-Type"] = content_type
            call.headers["Content-Length"] = str(sum(piece.nbytes for piece in call.pieces()))  # type: ignore[misc]
            reply = await self._exchange(call)
        if reply.status < 300 and reply.html:
            raise call.unexpected(_("вместо ответа службы пришла веб-страница"), reply.text)
        return Answer(reply.status, reply.text)

    async def _exchange(self, call: _Call) -> _Reply:
        """Send, follow 307 only, and raise for every status that is not an answer to the question."""
        for _hop in range(MAX_REDIRECTS + 1):
            reply = await self._send(call)
            if reply.status != 307:
                _raise_for(call, reply)
                return reply
            _follow(call, reply)
        raise call.unexpected(_("перенаправлений больше {n}", n=MAX_REDIRECTS))

    async def _send(self, call: _Call) -> _Reply:
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
                return _Reply(response.status_code, response.headers, await _read(call, response))
            finally:
                await response.aclose()
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError) as error:
            words = _("такой запрос невозможен: адрес или ключ с недопустимыми знаками ({cause})", cause=_cause(error))
            raise call.unexpected(words) from None
        except httpx.HTTPError as error:
            words = _("ответ потерян") if call.sent else _("нет связи")
            raise Unavailable(call.words(f"{words} ({_cause(error)})"), sent=call.sent) from None


def _target(method: str, url: str, params: Mapping[str, str] | None = None) -> "httpx.URL":
    import httpx

    try:
        return httpx.URL(url, params=params) if params else httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError):
        raise Unexpected(_("{method}: адрес в настройках не похож на адрес", method=method)) from None


@functools.cache
def _system_tls() -> "ssl.SSLContext":
    import ssl

    return ssl.create_default_context()  # the system's own certificates, so that a clinic's own authority is trusted


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


async def _read(call: _Call, response: "httpx.Response") -> bytes:
    """Read at most the cap, counted after unpacking: a small answer may unpack to gigabytes."""
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"identity", "gzip", "x-gzip", "deflate"}:
        raise call.unexpected(_("ответ в кодировке, о которой не просили"))
    unpack = zlib.decompressobj(47) if coding != "identity" else None
    parts: list[bytes] = []
    left = call.max_bytes
    async for piece in response.aiter_raw():
        try:
            plain = unpack.decompress(piece, left + 1) if unpack else piece
        except zlib.error:
            raise call.unexpected(_("сжатый ответ повреждён")) from None
        parts.append(plain)
        left -= len(plain)
        if left < 0:
            return _cut(call, response.status_code, b"".join(parts))
    return b"".join(parts)


def _cut(call: _Call, status: int, body: bytes) -> bytes:
    if status >= 300 or call.method == "POST":
        return body[: call.max_bytes]  # only the beginning matters: it is a reason for people
    raw = body[:RAW].decode("utf-8", "replace")
    raise call.unexpected(_("ответ длиннее {n} байт", n=call.max_bytes), raw)


def _follow(call: _Call, reply: _Reply) -> None:
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
    call.url = target
    call.sent = False  # whoever answered 307 has not taken the body


def _origin(url: "httpx.URL") -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _upgrade(old: "httpx.URL", new: "httpx.URL") -> bool:
    return _origin(old) == ("http", new.host, 80) and _origin(new) == ("https", old.host, 443)


def _raise_for(call: _Call, reply: _Reply) -> None:
    """Raise for every status that ends the call; 2xx, and a POST's 4xx about its body, pass."""
    status, text, after = reply.status, reply.text, _retry_after(reply.headers)
    if status in {401, 403}:
        raise _refused(call, status, text)
    if status == 429:
        raise Limited(call.words(_("просят обращаться реже (429)")), after_ms=after, raw=text)
    if status >= 500 or status == 408:
        words = call.words(_("сервер сейчас не работает ({status})", status=status))
        raise Unavailable(words, sent=True, after_ms=after, raw=text)
    if status < 200 or 300 <= status < 400:
        raise call.unexpected(_("перенаправление {status}, а допустимо только 307", status=status), text)
    if status >= 400 and call.method != "POST":
        raise call.unexpected(_("запрос не принят ({status})", status=status), text)


def _refused(call: _Call, status: int, text: str) -> Refused:
    words = call.words(_("в доступе отказано ({status})", status=status))
    if call.keyless:
        words += ": " + _("перенаправили на другой сервер, а туда ключ не посылается")
    return Refused(words, hint=_("Проверьте ключ в настройках и права на той стороне."), raw=text)


def _retry_after(headers: Mapping[str, str]) -> int | None:
    """Milliseconds of Retry-After (seconds or an HTTP date), at most a day; None where it says nothing usable."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if value.isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0, min(int(seconds * 1000), MAX_RETRY_AFTER_MS))


def _json(call: _Call, reply: _Reply) -> Any:
    if reply.status != 200:
        raise call.unexpected(_("ответ {status} вместо 200", status=reply.status), reply.text)
    body = reply.body.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return _forgiving(call, reply, body)


def _forgiving(call: _Call, reply: _Reply, body: bytes) -> Any:
    """Read what orjson refuses for half an emoji or a byte of another code page: a bad row must not cost the page."""
    try:
        return json.loads(body.decode("utf-8", "replace"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        words = _("вместо данных пришла веб-страница") if reply.html else _("вместо данных не JSON или его обрывок")
        raise call.unexpected(words, reply.text) from None


def _no_number(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are no JSON
