"""What the strictest of servers demand of a calendar object (RFC 4791, 4.1 and 5.3.2.1; facts/calendar.md A2, A3)."""

import re
from datetime import UTC, datetime

_LONGEST_LINE = 75
_UTC = re.compile(r"\d{8}T\d{6}Z")
_ONCE = ("UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY")
_NEVER = ("ORGANIZER", "ATTENDEE", "METHOD")  # they make servers send mail; METHOD has no place in a stored object


class BadObject(Exception):
    """The object is refused: ``status``, the precondition that failed, why."""

    def __init__(self, precondition: str, why: str, status: int = 403) -> None:
        super().__init__(why)
        self.status = status
        self.precondition = precondition


def checked(body: bytes) -> str:
    """Return the UID of an object that a strict server takes; raise :class:`BadObject` for any other."""
    fields = _fields(_lines(body))
    for name in _NEVER:
        if name in fields:
            raise BadObject("valid-calendar-object-resource", f"{name} is not allowed")
    for name in _ONCE:
        if len(fields.get(name, ())) != 1 or not fields[name][0]:
            raise BadObject("valid-calendar-object-resource", f"exactly one {name} is needed")
    start, end = moment(fields["DTSTART"][0]), moment(fields["DTEND"][0])
    if start is None or end is None or end <= start:
        raise BadObject("valid-calendar-data", "DTSTART and DTEND: UTC, the end after the start")
    return fields["UID"][0]


def span(body: bytes) -> tuple[datetime, datetime] | None:
    """Return start and end of an object, None where it has none that can be read."""
    found = {name: value for name, _, value in (line.partition(":") for line in body.decode().splitlines())}
    start, end = moment(found.get("DTSTART", "")), moment(found.get("DTEND", ""))
    return None if start is None or end is None else (start, end)


def uid_of(body: bytes) -> str:
    """Return the UID of whatever a person has put there, '' where it has none."""
    found = re.search(rb"^UID:(.*?)\r?$", body, re.MULTILINE)
    return found[1].decode(errors="replace") if found else ""


def _lines(body: bytes) -> list[str]:
    if not body.endswith(b"\r\n") or b"\n" in body.replace(b"\r\n", b""):
        raise BadObject("valid-calendar-data", "lines end with CRLF", 400)
    try:
        raw = [line.decode() for line in body.split(b"\r\n")]
    except UnicodeDecodeError:
        raise BadObject("valid-calendar-data", "a line is no UTF-8 by itself", 400) from None
    if any(len(line.encode()) > _LONGEST_LINE for line in raw):
        raise BadObject("valid-calendar-data", "a line is longer than 75 octets", 400)
    return "\n".join(raw).replace("\n ", "").rstrip("\n").split("\n")


def _fields(lines: list[str]) -> dict[str, list[str]]:
    """Return the properties of the only VEVENT."""
    if lines[0] != "BEGIN:VCALENDAR" or lines[-1] != "END:VCALENDAR" or "VERSION:2.0" not in lines:
        raise BadObject("valid-calendar-data", "not a VCALENDAR of version 2.0", 400)
    if lines.count("BEGIN:VEVENT") != 1 or lines.count("END:VEVENT") != 1:
        raise BadObject("valid-calendar-object-resource", "exactly one VEVENT is needed")
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadObject("valid-calendar-data", "a line without a colon", 400)
        fields.setdefault(name.partition(";")[0].upper(), []).append(value)
    return fields


def moment(text: str) -> datetime | None:
    """Return a moment spelled in UTC, None for any other spelling."""
    if not _UTC.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
