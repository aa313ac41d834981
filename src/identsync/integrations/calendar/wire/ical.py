"""Our events as iCalendar (RFC 5545): one object per event for CalDAV, one for all of a published feed; and back.

No CLASS: Nextcloud hides what is private from whom a calendar is shared with, who may be the doctor himself. No
ORGANIZER and no ATTENDEE: they make servers send mail.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from identsync.integrations.calendar.event import Event, Name
from identsync.integrations.calendar.text import clean

LONGEST = 1 << 20
"""Bytes of an object that are looked at; ours have about a thousand."""
_FOLD = 75
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = (datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_FIRST_MS = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
_HEAD = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//identsync//calendar//RU\r\n"
_TAIL = "END:VCALENDAR\r\n"


def dump(name: Name, event: Event) -> bytes:
    """Write ``event`` under ``name`` as one VCALENDAR with one VEVENT, in UTF-8 with CRLF, folded at 75 octets.

    Texts are cleaned on the way. Raises ValueError where its times are no whole seconds of the years 1..9999, or its
    end is not after its start.
    """
    return f"{_HEAD}{_vevent(str(name), event, '')}{_TAIL}".encode()


def feed(events: Iterable[Event], *, name: str, cancelled: Iterable[Event] = (), minutes: int = 15) -> Iterator[bytes]:
    """Write a calendar called ``name`` to subscribe to, piece by piece; readers are asked to come every ``minutes``.

    ``cancelled`` events stand in it as such: readers that merge would keep them otherwise. Errors as in :func:`dump`.
    """
    title = _line(f"X-WR-CALNAME:{_escape(name)}")
    every = f"REFRESH-INTERVAL;VALUE=DURATION:PT{minutes}M\r\nX-PUBLISHED-TTL:PT{minutes}M\r\n"
    yield f"{_HEAD}CALSCALE:GREGORIAN\r\nMETHOD:PUBLISH\r\n{title}\r\n{every}".encode()
    for event in events:
        yield _vevent(event.name, event, "").encode()
    for event in cancelled:
        yield _vevent(event.name, event, "STATUS:CANCELLED\r\n").encode()
    yield _TAIL.encode()


def _vevent(uid: str, event: Event, status: str) -> str:
    if event.start_ms >= event.end_ms:
        raise ValueError("an event ends before it starts")
    location = f"{_line('LOCATION:' + _escape(event.location))}\r\n" if event.location else ""
    description = f"{_line('DESCRIPTION:' + _escape(event.description))}\r\n" if event.description else ""
    changed = min(max(event.changed_ms, 0), _LAST_MS) // 1000 * 1000
    return (
        f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:{_utc(changed)}\r\nDTSTART:{_utc(event.start_ms)}\r\n"
        f"DTEND:{_utc(event.end_ms)}\r\n{_line('SUMMARY:' + _escape(event.summary))}\r\n{description}{location}"
        f"{status}TRANSP:{'TRANSPARENT' if event.free else 'OPAQUE'}\r\nEND:VEVENT\r\n"
    )


@lru_cache(maxsize=4096)  # a clinic's appointments begin where others end
def _utc(ms: int) -> str:
    if ms % 1000 or not _FIRST_MS <= ms <= _LAST_MS:
        raise ValueError("a time that is no whole second of the years 1..9999")
    return (_EPOCH + timedelta(seconds=ms // 1000)).isoformat()[:19].replace("-", "").replace(":", "") + "Z"


def _escape(text: str) -> str:
    text = clean(text).replace("\\", "\\\\").replace(";", "\\;")
    return text.replace(",", "\\,").replace("\n", "\\n")


def _line(text: str) -> str:
    if 4 * len(text) <= _FOLD or (text.isascii() and len(text) <= _FOLD):
        return text
    line = text.encode()
    return text if len(line) <= _FOLD else b"\r\n ".join(_folds(line)).decode()


def _folds(line: bytes) -> Iterator[bytes]:
    """Cut where neither a UTF-8 character nor an escape is split: some readers take each piece for itself."""
    start, room = 0, _FOLD
    while len(line) - start > room:
        end = start + room
        while line[end] & 0xC0 == 0x80:
            end -= 1
        slashes = end
        while slashes > start and line[slashes - 1] == 0x5C:
            slashes -= 1
        end -= (end - slashes) % 2
        yield line[start:end]
        start, room = end, _FOLD - 1  # the blank before a piece counts
    yield line[start:]


_LINE = re.compile(r'([A-Z0-9-]++)((?:;[^":]*+(?:"[^"]*+"[^":]*+)*+)?+):(.*)', re.IGNORECASE | re.ASCII | re.DOTALL)
_ZONE = re.compile(r';TZID="?([^":;,]++)', re.IGNORECASE)
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(Z?)", re.ASCII)
_DURATION = re.compile(r"\+?P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)
_OURS = re.compile(r"([0-9a-v]{32})(?:-g[0-9]+)?", re.ASCII)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SERIES = {"RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"}
_READ = {"UID", "DTSTAMP", "DTSTART", "DTEND", "DURATION", "SUMMARY", "DESCRIPTION", "LOCATION", "STATUS", "TRANSP"}
_Fields = dict[str, tuple[str, str]]  # parameters, value


def parse(data: bytes) -> Event | None:
    """Read what a server holds of an event; None where there is none, or none that can be as we wrote it.

    That is: damaged or over :data:`LONGEST`, several events, a series, cancelled or tentative, whole days, no end, no
    known zone. What servers and other programs add (alarms, their own properties, other zones, folding, order) is
    overlooked: two events are equal where people see the same.
    """
    if len(data) > LONGEST or (fields := _fields(data)) is None:
        return None
    start, uid = _time(fields.get("DTSTART")), fields.get("UID", ("", ""))[1].strip()
    end = None if start is None else _end(fields, start)
    status = fields.get("STATUS", ("", ""))[1].strip().upper()
    if start is None or end is None or start >= end or status not in ("", "CONFIRMED"):
        return None
    ours = _OURS.fullmatch(uid)
    summary, description, location = (_text(fields.get(one)) for one in ("SUMMARY", "DESCRIPTION", "LOCATION"))
    free = fields.get("TRANSP", ("", ""))[1].strip().upper() == "TRANSPARENT"
    changed = max(0, _time(fields.get("DTSTAMP")) or 0)
    return Event(ours[1] if ours else uid, start, end, summary, description, location, free, changed)


def _fields(data: bytes) -> _Fields | None:
    """Give the properties that are read of the only VEVENT, not of what lies in it or beside it."""
    fields: _Fields = {}
    path: list[str] = []
    events = 0
    for line in _lines(data):
        if (found := _LINE.fullmatch(line)) is None:
            continue
        name, parameters, value = found[1].upper(), found[2], found[3]
        if name == "BEGIN":
            path.append(value.strip().upper())
            events += path == ["VCALENDAR", "VEVENT"]
        elif name == "END":
            if not path or path.pop() != value.strip().upper():
                return None
        elif path == ["VCALENDAR", "VEVENT"]:
            if name in _SERIES or (name in fields and name in _READ):
                return None
            fields[name] = parameters, value
    return fields if events == 1 and not path else None


def _lines(data: bytes) -> list[str]:
    """Unfold before decoding: some servers fold within a character."""
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.replace(b"\n ", b"").replace(b"\n\t", b"").decode(errors="replace").split("\n")


def _end(fields: _Fields, start: int) -> int | None:
    duration, end = fields.get("DURATION"), fields.get("DTEND")
    if duration is None:
        return _time(end)
    found = _DURATION.fullmatch(duration[1].strip().upper())
    if end is not None or found is None or len(duration[1]) > 30:
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return start + ((weeks * 7 + days) * 86_400 + hours * 3600 + minutes * 60 + seconds) * 1000


def _time(field: tuple[str, str] | None) -> int | None:
    """Give the epoch milliseconds of a UTC time, or of one in a zone that we know too."""
    found = _TIME.fullmatch(field[1].strip().upper()) if field else None
    if field is None or found is None:
        return None
    zone = _ZONE.search(field[0])
    try:
        if not found[7] and zone is None:
            return None  # floats with its reader's clock
        there = UTC if found[7] or zone is None else ZoneInfo(zone[1])
        year, month, day, hour, minute, second = map(int, found.groups()[:6])
        at = datetime(year, month, day, hour, minute, second, tzinfo=there)
        return (at - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError, OSError, ZoneInfoNotFoundError):
        return None


def _text(field: tuple[str, str] | None) -> str:
    text = field[1] if field else ""
    return _ESCAPED.sub(_unescaped, text).strip() if "\\" in text else text.strip()


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found[1] in "nN" else found[1]
