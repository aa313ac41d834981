"""An event as Google Calendar v3 spells it, and back (source: facts/calendar.md, A8).

Ids are ours: Google takes 5 to 1024 characters of base32hex (``0-9a-v``). A name of 32 of them is its own id; a later
generation gets ``g2``, ``g3``... behind it, which is within the alphabet and can be told apart by the length alone.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from identsync.core.columns import digest
from identsync.integrations.calendar.event import Event, Found, Name

VERSION = "1"  # of what stands in extendedProperties.private
_ID = re.compile(r"([0-9a-v]{32})(?:g([2-9]|[1-9][0-9]{1,5}))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
# What a person can do to an event that others see and our Event cannot say: such an event is never equal to ours.
_ADDED = ("recurrence", "recurringEventId", "attendees", "conferenceData", "hangoutLink", "attachments", "gadget")


def id_of(name: Name) -> str:
    """Return the id of a name."""
    return name.name if name.generation == 1 else f"{name.name}g{name.generation}"


def name_of(identity: object) -> Name | None:
    """Return the name of an id; None where it is none of ours."""
    match = _ID.fullmatch(identity) if isinstance(identity, str) else None
    return None if match is None else Name(match[1], int(match[2] or 1))


def spelled(event: Event) -> dict[str, Any]:
    """Return the whole body of an event without its id: what a PUT leaves out, Google forgets.

    No attendees (they get mail), no ``sequence`` (too low a one is refused), no personal data outside the texts.
    """
    return {
        "start": {"dateTime": moment(event.start_ms)},
        "end": {"dateTime": moment(event.end_ms)},
        "summary": event.summary,
        "description": event.description,
        "location": event.location,
        "status": "confirmed",  # said, so that a tombstone comes back to life
        "transparency": "transparent" if event.free else "opaque",
        "visibility": "private",
        "reminders": {"useDefault": False},
        "extendedProperties": {"private": {"h": fingerprint(event), "v": VERSION}},
    }


def fingerprint(event: Event) -> str:
    """Return 16 hex digits of what people see of an event: tells, after a loss of our tables, what was last sent."""
    seen = [event.start_ms, event.end_ms, event.summary, event.description, event.location, event.free]
    return f"{digest(orjson.dumps(seen)) & (1 << 64) - 1:016x}"


def found(item: Mapping[str, Any]) -> Found:
    """Read an event resource; whatever a person made of it is an event that is not equal, never an error."""
    etag = item.get("etag")
    cancelled = item.get("status") == "cancelled"
    return Found(etag if isinstance(etag, str) else None, None if cancelled else _event(item), cancelled)


def moment(at_ms: int) -> str:
    """Spell a moment in UTC, whole seconds."""
    return f"{(_EPOCH + timedelta(seconds=at_ms // 1000)).replace(tzinfo=None).isoformat()}Z"


def _event(item: Mapping[str, Any]) -> Event | None:
    name = name_of(item.get("id"))
    if name is None or any(item.get(key) for key in _ADDED) or not _as_made(item):
        return None
    start, end = _moment(item.get("start")), _moment(item.get("end"))
    texts = [_text(item.get(key)) for key in ("summary", "description", "location")]
    if start is None or end is None or None in texts:
        return None
    summary, description, location = (text or "" for text in texts)
    return Event(name.name, start, end, summary, description, location, free=item.get("transparency") == "transparent")


def _as_made(item: Mapping[str, Any]) -> bool:
    """Say whether the fields that have one right value have it; Google leaves out what is the default."""
    return (
        item.get("status", "confirmed") == "confirmed"
        and item.get("visibility") == "private"
        and item.get("eventType", "default") == "default"
        and not item.get("endTimeUnspecified")
    )


def _text(value: object) -> str | None:
    if value is None:
        return ""
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else None


def _moment(value: object) -> int | None:
    """Milliseconds of a start or an end; None for a whole day, a time without a zone, a zone nobody knows."""
    if not isinstance(value, Mapping) or not isinstance(spelling := value.get("dateTime"), str):
        return None
    try:
        at = datetime.fromisoformat(spelling)
        if at.tzinfo is None:
            at = at.replace(tzinfo=ZoneInfo(str(value["timeZone"])))
        return (at - _EPOCH) // _MS
    except (ValueError, KeyError, OverflowError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return None
