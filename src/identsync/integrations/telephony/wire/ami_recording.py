"""Where Asterisk's recordings lie: a folder or an address that the clinic shares, never a path that is told."""

import asyncio
import re
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from identsync.errors import IdentsyncError, Unavailable, Unexpected
from identsync.flows.http import Http
from identsync.integrations.telephony.call import Audio
from identsync.language import _

VARIABLE = "MIXMONITOR_FILENAME"
LARGEST = 200 * 1024 * 1024  # bytes: three hours of 16-bit WAV
SOON_MS = 60_000
MEDIA = {
    ".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".flac": "audio/flac",
    ".m4a": "audio/mp4", ".gsm": "audio/gsm", ".g722": "audio/G722", ".ulaw": "audio/basic", ".wav49": "audio/wav",
}  # fmt: skip
PAGES = (b"<html", b"<!doc", b"<?xml")
_DATED = re.compile(r"[/\\](\d{4})[/\\](\d\d)[/\\](\d\d)[/\\][^/\\]+$")
_REFERENCE = re.compile(r"(\d{4})(\d\d)(\d\d)/([^/\\:*?\"<>|]{1,250})")


def reference(path: str, start_ms: int) -> str:
    """Return how a recording is asked for, day and file name; '' where Asterisk's path is not to be trusted."""
    name = re.split(r"[/\\]", path)[-1]
    dated = _DATED.search(path)
    day = "".join(dated.groups()) if dated else _day(start_ms)
    told = f"{day}/{name}"
    return told if _parts(told) is not None else ""


async def fetch(template: str, asked: str) -> Audio:
    """Read a recording from the clinic's folder or address; Unavailable where today's is not there yet."""
    parts = _parts(asked)
    if parts is None:
        raise Unexpected(_("такой записи нет"))
    is_web = template.startswith(("http://", "https://"))
    names = [parts["file"], _stem(parts["file"]) + ".mp3"]  # what was compressed after the call
    for name in dict.fromkeys(names):
        filled = {**parts, "file": quote(name) if is_web else name}
        content = await (_download(_filled(template, filled)) if is_web else _from_folder(template, filled))
        if content is not None:
            return Audio(MEDIA[Path(name).suffix.lower()], content)
    if parts["yyyy"] + parts["mm"] + parts["dd"] == _day(None):
        raise Unavailable(_("запись ещё не готова"), sent=False, after_ms=SOON_MS)
    raise Unexpected(_("такой записи нет: файл не найден"))


def _parts(asked: str) -> dict[str, str] | None:
    """Return what fills a template; None for what is no reference of ours, or would leave the folder."""
    found = _REFERENCE.fullmatch(asked)
    if found is None or not found[4].isprintable() or found[4].startswith("."):
        return None
    if Path(found[4]).suffix.lower() not in MEDIA:
        return None
    return {"yyyy": found[1], "mm": found[2], "dd": found[3], "file": found[4]}


def _filled(template: str, parts: dict[str, str]) -> str:
    for name, value in parts.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _day(at_ms: int | None) -> str:
    """Return a moment, None = now, as a day of this computer's zone: the PBX stands in the same town."""
    moment = datetime.now().astimezone() if at_ms is None else datetime.fromtimestamp(at_ms / 1000).astimezone()
    return moment.strftime("%Y%m%d")


async def _download(url: str) -> bytes | None:
    async with Http(pool=1) as http:
        reply = await http.ask("GET", url, passing=(404,), max_bytes=LARGEST, deadline=120.0)
    if reply.status == 404 or not reply.body:
        return None
    if reply.html or reply.body.lstrip()[:5].lower() in PAGES:  # where a person is to log in
        raise Unexpected(_("вместо записи пришло что-то другое ({what})", what="HTML"))
    return reply.body


async def _from_folder(template: str, parts: dict[str, str]) -> bytes | None:
    root = template.partition("{")[0]
    path = Path(_filled(template, parts))
    try:
        return await asyncio.to_thread(_read, Path(root), path)
    except OSError as error:
        words = _("папка с записями недоступна ({cause})", cause=type(error).__name__)
        raise Unavailable(words, sent=False, after_ms=SOON_MS) from None


def _read(root: Path, path: Path) -> bytes | None:
    """Read a file inside the folder, wherever links lead; None where there is none."""
    if not root.is_dir():
        root = root.parent  # the template goes on in the middle of a name
        if not root.is_dir():
            raise NotADirectoryError
    if not path.is_file():
        return None
    if not path.resolve().is_relative_to(root.resolve()):
        raise _outside()
    if path.stat().st_size > LARGEST:
        raise Unexpected(_("запись больше {n} МБ", n=LARGEST // (1024 * 1024)))
    return path.read_bytes()


def _outside() -> IdentsyncError:
    return Unexpected(_("запись лежит вне папки с записями"))
