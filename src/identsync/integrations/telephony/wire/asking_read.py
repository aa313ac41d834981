"""Reading a row of a PBX: whatever stands in a field, it ends in a value or in nothing, and never costs the row.

What real PBXs do: numbers where texts belong and the other way round, ``null``, empty texts, "0000-00-00", seconds as
"12", one thing where a list belongs.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from identsync.store.texts import printable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_MS, LATEST_MS = 946_684_800_000, 4_102_444_800_000  # 2000 to 2100: a time beyond is none
MOSCOW = "Europe/Moscow"
LOCAL = ""  # this computer's zone
LONGEST_S = 7 * 86_400  # of a talk or a wait


def text(row: Mapping[str, Any], *names: str, cut: int = 200) -> str:
    """Return the first of the fields that is a text or a number, stripped and cut; '' where none is."""
    for name in names:
        if value := _plain(row.get(name))[:cut]:
            return value
    return ""


def texts(value: object, cut: int = 500) -> tuple[str, ...]:
    """Return the texts of a list, or of the one value that came in its place, each once."""
    rows = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(said[:cut] for row in rows if (said := _plain(row))))


def rows(value: object) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list, or the one object that came in its place; what else is there is skipped."""
    for row in value if isinstance(value, list) else [value]:
        if isinstance(row, dict):
            yield row


def whole(row: Mapping[str, Any], *names: str) -> int | None:
    """Return the first whole number among the fields, spelled as a number or as a text."""
    for name in names:
        value = row.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        try:
            return int(float(value)) if isinstance(value, float) else int(value)
        except (ValueError, OverflowError):
            continue
    return None


def seconds_ms(row: Mapping[str, Any], *names: str) -> int:
    """Return a length in seconds as milliseconds, 0 where there is none or it is no length of a call."""
    found = whole(row, *names)
    return found * 1000 if found is not None and 0 <= found <= LONGEST_S else 0


def flag(row: Mapping[str, Any], name: str) -> bool | None:
    """Return a yes or no, spelled true, 1, "1" or "true"; None where it is neither."""
    value = row.get(name)
    spelled = str(value).strip().lower() if isinstance(value, bool | int | str) else ""
    return {"true": True, "1": True, "false": False, "0": False}.get(spelled)


def unix_ms(row: Mapping[str, Any], *names: str) -> int | None:
    """Return the first moment among the fields, whole seconds since 1970, as milliseconds; 0 and nonsense are none."""
    for name in names:
        found = whole(row, name)
        if found is not None and EARLIEST_MS <= found * 1000 < LATEST_MS:
            return found * 1000
    return None


def moment_ms(row: Mapping[str, Any], name: str, zone: str = MOSCOW) -> int | None:
    """Return a moment, ISO 8601 with 'T' or a space; one without an offset is the wall clock of ``zone``.

    ``LOCAL`` = this computer's.
    """
    said = _plain(row.get(name))
    try:
        moment = datetime.fromisoformat(said)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone_of(zone)) if zone else moment.astimezone()
        ms = round((moment - EPOCH) / timedelta(milliseconds=1))
    except (ValueError, OverflowError, OSError):  # the last: Windows knows no local time before 1970
        return None
    return ms if EARLIEST_MS <= ms < LATEST_MS else None


def spelled(at_ms: int, zone: str = MOSCOW, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Spell a moment by the wall clock of ``zone``."""
    return (EPOCH + timedelta(milliseconds=at_ms)).astimezone(zone_of(zone)).strftime(form)


@cache
def zone_of(name: str) -> ZoneInfo:
    """Return a zone by its name; Moscow's for a name nobody knows."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(MOSCOW)


def _plain(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    try:
        return printable(str(value)).strip()
    except ValueError:  # a whole number of more digits than Python spells
        return ""
