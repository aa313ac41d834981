"""What Google demands of the body of an event (source: the v3 reference, resource Events; facts/calendar.md A8)."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from identsync.demo.google.reply import Refusal, invalid

_ID = re.compile(r"[0-9a-v]{5,1024}")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?")
_ENUMS = {
    "status": {"confirmed", "tentative", "cancelled"},
    "transparency": {"opaque", "transparent"},
    "visibility": {"default", "public", "private", "confidential"},
}
_TEXTS = {"summary", "description", "location", "colorId", "iCalUID", "id", "recurringEventId", "eventType"}
_IGNORED = {"kind", "etag", "htmlLink", "created", "updated", "creator", "organizer"}  # read only: taken, not kept
_OTHERS = {"start", "end", "reminders", "extendedProperties", "sequence", "attendees", "recurrence", "source"}


def checked(body: Any) -> dict[str, Any]:
    """Return the writable fields of a body; Refusal (400) where Google would not take it."""
    if not isinstance(body, dict):
        raise Refusal(400, "parseError", "Parse Error")
    for key in body.keys() - _TEXTS - _ENUMS.keys() - _IGNORED - _OTHERS:
        raise invalid(f"Unknown name {key[:40]!r}", key[:40])
    event = {key: value for key, value in body.items() if key not in _IGNORED and value is not None}
    for key in event.keys() & _TEXTS:
        if not isinstance(event[key], str):
            raise invalid(f"Invalid value for: {key}", key)
    for key, values in _ENUMS.items():
        if key in event and event[key] not in values:
            raise invalid(f"Invalid value for: {key}", key)
    _identity(event)
    _times(event)
    _reminders(event.get("reminders", {}))
    _properties(event.get("extendedProperties", {}))
    return event


def at_ms(value: Mapping[str, Any], zone: str) -> int:
    """Return the moment of a start or an end, epoch milliseconds; a whole day begins at midnight of ``zone``."""
    if "date" in value:
        midnight = datetime.combine(date.fromisoformat(value["date"]), datetime.min.time(), ZoneInfo(zone))
        return int(midnight.timestamp() * 1000)
    moment = datetime.fromisoformat(value["dateTime"])
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(value["timeZone"]))
    return int(moment.timestamp() * 1000)


def rendered(value: Mapping[str, Any], zone: str) -> dict[str, str]:
    """Return a start or an end as Google gives it back: in the calendar's zone, with an offset and a zone's name."""
    if "date" in value:
        return {"date": value["date"]}
    moment = datetime.fromtimestamp(at_ms(value, zone) / 1000, UTC).astimezone(ZoneInfo(zone))
    spelled = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"dateTime": spelled, "timeZone": value.get("timeZone", zone)}


def known_zone(zone: Any) -> bool:
    """Say whether it is the name of a time zone."""
    try:
        return isinstance(zone, str) and bool(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        return False


def _identity(event: Mapping[str, Any]) -> None:
    if "id" in event and not _ID.fullmatch(event["id"]):
        raise invalid("Invalid resource id value.", "id")
    if "id" in event and "iCalUID" in event:
        raise invalid("Both id and iCalUID are given.", "iCalUID")
    if "sequence" in event and (isinstance(event["sequence"], bool) or not isinstance(event["sequence"], int)):
        raise invalid("Invalid value for: sequence", "sequence")


def _times(event: Mapping[str, Any]) -> None:
    for key in ("start", "end"):
        if key not in event:
            raise Refusal(400, "required", f"Missing {key} time.", location=key)
        _time(event[key], key)
    start, end = event["start"], event["end"]
    if ("date" in start) != ("date" in end):
        raise invalid("Start and end times must either both be date or both be dateTime.")
    if at_ms(end, "UTC") < at_ms(start, "UTC"):
        raise Refusal(400, "timeRangeEmpty", "The specified time range is empty.", domain="calendar", location="end")


def _time(value: Any, key: str) -> None:
    if not isinstance(value, dict) or value.keys() - {"date", "dateTime", "timeZone"}:
        raise invalid(f"Invalid {key} time.", key)
    if "timeZone" in value and not known_zone(value["timeZone"]):
        raise invalid("Invalid time zone definition for start or end time.", key)
    if ("date" in value) == ("dateTime" in value):
        raise invalid(f"Invalid {key} time.", key)
    try:
        if "date" in value:
            date.fromisoformat(value["date"])
            return
        match = _DATE_TIME.fullmatch(value["dateTime"])
        if match is None:
            raise invalid(f"Invalid {key} time.", key)
        datetime.fromisoformat(value["dateTime"])
    except (ValueError, TypeError):
        raise invalid(f"Invalid {key} time.", key) from None
    if match[2] is None and "timeZone" not in value:
        raise invalid(f"Missing time zone definition for {key} time.", key)


def _reminders(reminders: Any) -> None:
    if not isinstance(reminders, dict) or reminders.keys() - {"useDefault", "overrides"}:
        raise invalid("Invalid value for: reminders", "reminders")
    if not isinstance(reminders.get("useDefault", True), bool):
        raise invalid("Invalid value for: useDefault", "reminders.useDefault")
    if reminders.get("useDefault", True) and reminders.get("overrides"):
        raise Refusal(400, "cannotUseDefaultRemindersAndSpecifyOverride", domain="calendar")


def _properties(properties: Any) -> None:
    if not isinstance(properties, dict) or properties.keys() - {"private", "shared"}:
        raise invalid("Invalid value for: extendedProperties", "extendedProperties")
    for pairs in properties.values():
        if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
            raise invalid("Invalid value for: extendedProperties", "extendedProperties")
        if any(len(key) > 44 or len(value) > 1024 for key, value in pairs.items()):
            raise invalid("The extended property is too long.", "extendedProperties")
