"""What the PBXs over HTTP share: one request each, its answer decoded, a recording fetched, what a PBX cannot do.

A request that failed says by its error whether it may have arrived (``flows/http.py``); an answer that makes no sense
is ``Unexpected``. For a click-to-call both are *lost*, never "not taken". Nothing is asked twice by itself. Of an
answer only its shape and the PBX's own words are kept: the rest are people's numbers and names.
"""

import re
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit

from identsync.errors import IdentsyncError, Unavailable, Unexpected
from identsync.flows.answer import Reply, shape, titled
from identsync.flows.coding import dumps
from identsync.flows.flaw import Flaw
from identsync.flows.http import Http
from identsync.flows.intake import Window
from identsync.flows.sending import Verdict
from identsync.integrations.telephony.call import Audio, Call, Command, Permit, Told
from identsync.integrations.telephony.settings import Line
from identsync.language import _
from identsync.values import secret

FORM = "application/x-www-form-urlencoded"
JSON = "application/json; charset=UTF-8"
MAX_ANSWER = 16 * 1024 * 1024
MAX_AUDIO = 64 * 1024 * 1024  # an hour of stereo telephone sound
MAX_HOPS = 4
RAW = 300
MOVED = (301, 302, 303, 307, 308)
NO_SOUND = (404, 410, 425)
NOT_READY_MS = 60_000
PERSONAL = re.compile(r"\S+@\S+|\+?\d(?:[\s()-]*\d){4,}")
SOUNDS = (b"RIFF", "audio/wav"), (b"ID3", "audio/mpeg"), (b"OggS", "audio/ogg"), (b"fLaC", "audio/flac")


class Asking:
    """A PBX over HTTP without its words; ``base`` is its usual address. What is not overridden it cannot do."""

    base = ""

    def __init__(self, line: Line, permit: Permit) -> None:
        self.line = line
        self.address = line.url or self.base
        self.key = ""
        self._permit = permit
        self._http = Http()

    async def __aenter__(self) -> Self:
        """Read the key and open the pool; nothing is connected."""
        self.key = secret(self.line.password or "")
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._http.__aexit__(kind, error, trace)

    async def listen(self, told: Told) -> None:
        """Never asked: this PBX tells of calls only to those it can call into."""
        raise NotImplementedError

    async def dial(self, command: Command) -> Verdict:
        """Never asked: this PBX starts no calls."""
        raise NotImplementedError

    async def fetch(self, window: Window, limit: int, offset: int) -> object:
        """Never asked: this PBX has no history."""
        raise NotImplementedError

    def parse(self, raw: object) -> Call | list[Flaw]:
        """Never asked: this PBX has no history."""
        raise NotImplementedError

    async def recording(self, reference: str) -> Audio:
        """Never asked: this PBX gives no recordings."""
        raise NotImplementedError

    async def get(
        self, path: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """GET once; give the JSON of the answer, whatever it is."""
        query = f"?{urlencode(params)}" if params else ""
        return self.decoded(await self.reply("GET", f"{self.address}{path}{query}", headers))

    async def form(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Any:
        """POST a form; give the JSON of the answer, whatever it is."""
        body = urlencode(fields, errors="replace").encode()
        url, content = f"{self.address}{path}", {"Content-Type": FORM}
        return self.decoded(await self.reply("POST", url, {**content, **(headers or {})}, body))

    async def json(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Any:
        """POST JSON to a path; give the JSON of the answer, whatever it is."""
        return await self.post_json(f"{self.address}{path}", body, headers)

    async def post_json(self, url: str, body: object, headers: Mapping[str, str] | None = None) -> Any:
        """POST JSON to any address; give the JSON of the answer, whatever it is."""
        content = {"Content-Type": JSON, **(headers or {})}
        return self.decoded(await self.reply("POST", url, content, dumps(body)))

    async def reply(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        passing: Collection[int] = (),
        max_bytes: int = MAX_ANSWER,
    ) -> Reply:
        """Send one request to any address, never again; every status that is no answer raises as flows/answer.py says.

        2xx, a POST's 4xx other than 401, 403, 408, 429, and what is ``passing`` are answers.
        """
        await self._permit()
        deadline = self.line.timeout / 1000
        try:
            return await self._http.ask(
                method, url, headers, body, passing=passing, max_bytes=max_bytes, deadline=deadline
            )
        except IdentsyncError as error:
            error.raw = self.discreet(error.raw)
            raise

    def decoded(self, reply: Reply) -> Any:
        """Return the JSON of an answer; Unexpected for a web page, half a JSON, nothing."""
        try:
            return reply.json
        except ValueError:
            raise nonsense(titled(reply.text) if reply.html else len(reply.body)) from None

    async def audio(self, url: str, headers: Mapping[str, str] | None = None) -> Audio:
        """GET a recording; ``headers`` (a key) go to its own origin alone, redirects of any kind are followed.

        404 and 410 are Unexpected (it is gone), 202, 204 and 425 Unavailable: it is not ready yet.
        """
        for _hop in range(MAX_HOPS):
            reply = await self.reply("GET", url, headers, passing=(*MOVED, *NO_SOUND), max_bytes=MAX_AUDIO)
            if reply.status not in MOVED:
                return heard(reply)
            target = safe_link(reply.headers.get("location", ""), url)
            headers = headers if origin(target) == origin(url) else None
            url = target
        raise Unexpected(_("запись отсылают с адреса на адрес без конца"))

    def discreet(self, text: str) -> str:
        """Return a PBX's words without our key, numbers and addresses of people, cut."""
        for ours in (self.key, self.line.user or ""):
            text = text.replace(ours, "***") if ours else text
        return masked(text)[:RAW]


def heard(reply: Reply) -> Audio:
    """Return the recording an answer carries; Unavailable where it is not ready, Unexpected where there is none."""
    if reply.status in {202, 204, 425} or (reply.status == 200 and not reply.body):
        raise not_ready()
    if reply.status != 200:
        raise Unexpected(_("записи разговора у АТС нет: её не вели или уже удалили ({status})", status=reply.status))
    if len(reply.body) >= MAX_AUDIO:
        raise Unexpected(_("запись длиннее {n} МБ", n=MAX_AUDIO >> 20))
    told = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    media = sound(reply.body, told)
    if not media:
        raise Unexpected(_("вместо записи пришло что-то другое ({what})", what=told[:60] or "?"))
    return Audio(media, reply.body)


def sound(content: bytes, told: str) -> str:
    """Return the media type of a recording by its first bytes, else as told; '' where it is no sound."""
    if not content or content.lstrip()[:1] in (b"{", b"<", b"["):
        return ""
    for start, media in SOUNDS:
        if content.startswith(start):
            return media
    if content[0] == 0xFF and content[1:2] and content[1] & 0xE0 == 0xE0:
        return "audio/mpeg"
    return told if told.startswith("audio/") else ""


def not_ready() -> Unavailable:
    """Return the error of a recording that the PBX is still writing: ask again in a minute."""
    return Unavailable(_("запись ещё не готова"), sent=True, after_ms=NOT_READY_MS)


def link_of(text: str, source: str) -> str:
    """Return an http or https link, whole or relative to ``source``; '' where the text is none."""
    try:
        link = urljoin(source, text) if text else ""
        parts = urlsplit(link)
        is_link = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, a port that is no number
        return ""
    return link if is_link else ""


def safe_link(text: str, source: str) -> str:
    """Return a link to follow from ``source``; Unexpected where it is none, or leads from https to http."""
    link = link_of(text, source)
    if not link:
        raise Unexpected(_("вместо ссылки на запись пришло что-то другое"))
    if source.startswith("https:") and link.startswith("http:"):
        raise Unexpected(_("запись отдают по незащищённому адресу"))
    return link


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of an address; an address that is none has an origin of its own."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return url, None, None


def nonsense(answer: object) -> Unexpected:
    """Return the error of an answer that is not what the protocol promises: a web page, bytes counted, or JSON."""
    said = answer if isinstance(answer, str) else str(shape(answer))
    return Unexpected(_("АТС ответила не по протоколу"), raw=masked(said)[:RAW])


def object_of(answer: Any) -> dict[str, Any]:
    """Return an answer that is an object; raises Unexpected for anything else."""
    if not isinstance(answer, dict):
        raise nonsense(answer)
    return answer


def rows_of(answer: Any) -> list[Any]:
    """Return an answer that is a list; raises Unexpected for anything else."""
    if not isinstance(answer, list):
        raise nonsense(answer)
    return answer


def masked(text: str) -> str:
    """Return words with telephone numbers and mail addresses struck out."""
    return PERSONAL.sub("***", text)


def digits(number: str) -> str:
    """Return a number as PBXs take it: digits alone."""
    return "".join(character for character in number if character.isdecimal() and character.isascii())
