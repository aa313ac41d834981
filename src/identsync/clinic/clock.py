"""Wall clocks of branches: minutes since 1970-01-01 00:00 by the rules of a time zone, and back.

A wall minute that happens twice (clocks put back) means its first time; one that never happens (clocks put forward)
means the instant as many minutes after the switch as it lies after the switch on the wall.
"""

from array import array
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = 1440
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock has no offset
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def minute_now(zone: str, at_ms: int) -> int:
    """Give the wall minute of ``zone`` (IANA name) at ``at_ms``, epoch milliseconds UTC."""
    minute = at_ms // 60_000
    return minute + _offset_at(zone, minute)


def to_ms(zone: str, minute: int) -> int:
    """Give the epoch milliseconds UTC of a wall ``minute`` of ``zone``."""
    return (minute - _offset_of_wall(zone, minute)) * 60_000


def zone_table(zone: str, first_day: int, days: int) -> array[int]:
    """Give ``days`` x 4 int64 for the core's payload: offset, switch minute of the day, offset after, gap.

    Offsets are minutes east of UTC. ``switch`` is the minute of the day, by the clock before it, at which the
    clock is changed (1440 = not on this day); ``gap`` is how many wall minutes from there on do not exist (0 when
    clocks go back).
    """
    return array("q", _zone_table(zone, first_day, days))


@lru_cache(maxsize=512)
def _zone_table(zone: str, first_day: int, days: int) -> array[int]:
    table = array("q")
    for day in range(first_day, first_day + days):
        table.extend(_zone_day(zone, day))
    return table


@lru_cache(maxsize=16_384)
def _zone_day(zone: str, day: int) -> tuple[int, int, int, int]:
    wall = day * DAY
    low = wall - _offset_of_wall(zone, wall)
    high = wall + DAY - _offset_of_wall(zone, wall + DAY)
    before, after = _offset_at(zone, low), _offset_at(zone, high - 1)
    if before == after:
        return before, DAY, before, 0
    while high - low > 1:  # the first minute of the new offset lies in (low, high]
        middle = (low + high) // 2
        if _offset_at(zone, middle) == before:
            low = middle
        else:
            high = middle
    return before, high + before - wall, after, max(0, after - before)


def _offset_at(zone: str, minute: int) -> int:
    at = (_EPOCH_UTC + minute * _MINUTE).astimezone(_zone(zone))
    return _minutes(at.utcoffset())


def _offset_of_wall(zone: str, minute: int) -> int:
    at = (_EPOCH + minute * _MINUTE).replace(tzinfo=_zone(zone))
    return _minutes(at.utcoffset())


def _minutes(offset: timedelta | None) -> int:
    return 0 if offset is None else offset // _MINUTE
