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


def zone_table(zone: str, first_day: int, days: int) -> "array[int]":
    """Give ``days`` rows of 4 int64 for the core's payload: offset, switch, offset after it, gap.

    Offsets are minutes east of UTC. ``switch`` is the wall minute of the day from which the second offset holds (1440 =
    none on this day; where clocks go back, the first minute that is no longer ambiguous); ``gap`` is how many wall
    minutes from there on do not exist.
    """
    return array("q", _zone_table(zone, first_day, days))


@lru_cache(maxsize=512)
def _zone_table(zone: str, first_day: int, days: int) -> "array[int]":
    table = array("q")
    for day in range(first_day, first_day + days):
        table.extend(_zone_day(zone, day))
    return table


@lru_cache(maxsize=16_384)
def _zone_day(zone: str, day: int) -> tuple[int, int, int, int]:
    wall = day * DAY
    # A gap may reach over midnight, so the search begins before the day does.
    low = wall - _offset_of_wall(zone, wall) - 180
    high = wall + DAY - _offset_of_wall(zone, wall + DAY) - 1
    before, after = _offset_at(zone, low), _offset_at(zone, high)
    if before == after:
        return before, DAY, before, 0
    while high - low > 1:  # the first minute of the new offset lies in (low, high]
        middle = (low + high) // 2
        if _offset_at(zone, middle) == before:
            low = middle
        else:
            high = middle
    switch = high + before - wall
    end = switch + max(0, after - before)  # of the minutes that do not exist
    if end <= 0:
        return after, DAY, after, 0
    if switch >= DAY:
        return before, DAY, before, 0
    switch = max(0, switch)
    return before, switch, after, min(end, DAY) - switch


def _offset_at(zone: str, minute: int) -> int:
    at = (_EPOCH_UTC + minute * _MINUTE).astimezone(_zone(zone))
    return _minutes(at.utcoffset())


def _offset_of_wall(zone: str, minute: int) -> int:
    at = (_EPOCH + minute * _MINUTE).replace(tzinfo=_zone(zone))
    return _minutes(at.utcoffset())


def _minutes(offset: timedelta | None) -> int:
    return 0 if offset is None else offset // _MINUTE
