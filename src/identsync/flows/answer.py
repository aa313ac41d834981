"""Reading an answer from outside: capped, unpacked, judged, decoded. Whatever comes, it ends in a value or an error.

========================================  ==========================================================================
what came                                 what is raised
========================================  ==========================================================================
408, 5xx                                  ``Unavailable``
429                                       ``Limited`` with the server's Retry-After
401, 403                                  ``Refused``; the plain-text reason is kept in ``raw``
other 4xx                                 ``Unexpected`` for a GET; nothing for a POST: the body was not liked
a redirect other than 307                 ``Unexpected``: 301 and 302 would lose the body, so nobody follows them
200 with HTML, half a JSON, no JSON       ``Unexpected`` with the beginning of the answer in ``raw``
an answer longer than the cap             ``Unexpected``; the rest is never read
========================================  ==========================================================================
"""

import re
import time
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from identsync.errors import Limited, Refused, Unavailable, Unexpected
from identsync.flows.coding import loads
from identsync.language import keyed as _

MAX_RETRY_AFTER_MS = 24 * 3600 * 1000
RAW = 2000  # characters of an answer that are kept for people
HTML = ("<!doctype html", "<html")
_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)


@dataclass(slots=True, kw_only=True)
class Asked:
    """What an answer is judged by: method and host of the request, the cap of its answer, whether the key was sent."""

    method: str
    host: str
    max_bytes: int
    keyless: bool = False  # a redirect led to another origin: the key stays at home

    def words(self, text: str) -> str:
        """Return a sentence with the method and the host before it; never a path, a query, a key or a body."""
        return _("{where}: {what}", where=f"{self.method} {self.host}", what=text)

    def unexpected(self, text: str, raw: str = "") -> Unexpected:
        """Return the error of an answer, or of an address, that is not what was agreed."""
        hint = _("Проверьте адрес (url) в настройках: он пишется без имени метода.")
        return Unexpected(self.words(text), hint=hint, raw=raw)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read: its status, headers and body, at most the cap."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The beginning of the body, for people."""
        return self.body[: RAW * 4].decode("utf-8", "replace").strip()[:RAW]

    @property
    def json(self) -> Any:
        """The body's JSON, as ``coding.py`` reads it; ValueError where it is none."""
        return loads(self.body)

    @property
    def html(self) -> bool:
        """Whether it is a web page, whatever its status says."""
        return "text/html" in self.headers.get("content-type", "") or self.text[:64].lower().startswith(HTML)


async def read(call: Asked, status: int, headers: Mapping[str, str], body: AsyncIterator[bytes]) -> Reply:
    """Read at most the cap, counted after unpacking: a small answer may unpack to gigabytes."""
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in {"identity", "gzip", "x-gzip", "deflate"}:
        raise call.unexpected(_("ответ в кодировке, о которой не просили"))
    unpack = zlib.decompressobj(47) if coding != "identity" else None
    parts: list[bytes] = []
    left = call.max_bytes
    async for piece in body:
        try:
            plain = unpack.decompress(piece, left + 1) if unpack else piece
        except zlib.error:
            raise call.unexpected(_("сжатый ответ повреждён")) from None
        parts.append(plain)
        left -= len(plain)
        if left < 0:
            return Reply(status, headers, _cut(call, status, b"".join(parts)))
    return Reply(status, headers, b"".join(parts))


def _cut(call: Asked, status: int, body: bytes) -> bytes:
    if status >= 300 or call.method == "POST":
        return body[: call.max_bytes]  # only the beginning matters: it is a reason for people
    raw = body[:RAW].decode("utf-8", "replace")
    raise call.unexpected(_("ответ длиннее {n} байт", n=call.max_bytes), raw)


def judge(call: Asked, reply: Reply) -> None:
    """Raise for every status that ends the call; 2xx, 307, and a POST's 4xx about its body, pass."""
    status, text, after = reply.status, reply.text, retry_after(reply.headers)
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


def _refused(call: Asked, status: int, text: str) -> Refused:
    words = call.words(_("в доступе отказано ({status})", status=status))
    if call.keyless:
        words += ": " + _("перенаправили на другой сервер, а туда ключ не посылается")
    return Refused(words, hint=_("Проверьте ключ в настройках и права на той стороне."), raw=text)


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Return the milliseconds of Retry-After (seconds or a date), at most a day; None where it says nothing usable."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value) if value.isdigit() else parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0, min(int(seconds * 1000), MAX_RETRY_AFTER_MS))


def decoded(call: Asked, reply: Reply) -> Any:
    """Return the JSON of a 200; Unexpected for anything else."""
    if reply.status != 200:
        raise call.unexpected(_("ответ {status} вместо 200", status=reply.status), reply.text)
    try:
        return reply.json
    except ValueError:
        words = _("вместо данных пришла веб-страница") if reply.html else _("вместо данных не JSON или его обрывок")
        raise call.unexpected(words, reply.text) from None


def titled(page: str) -> str:
    """Return the title of a web page that came instead of an answer."""
    found = _TITLE.search(page)
    return f"HTML: {found[1].strip()[:100]}" if found else "HTML"


def shape(answer: Any, depth: int = 3) -> Any:
    """Return JSON without its texts, which may be a person's: names, numbers, how it is nested; cut."""
    if isinstance(answer, dict) and depth:
        return {str(name)[:40]: shape(value, depth - 1) for name, value in list(answer.items())[:20]}
    if isinstance(answer, list) and depth:
        return [shape(value, depth - 1) for value in answer[:3]]
    return answer if answer is None or isinstance(answer, bool | int | float) else "…"
