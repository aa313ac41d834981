"""Wall clocks against datetime's own answers."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from identsync.clinic.clock import DAY, minute_now, to_ms, zone_table
from identsync.demo.clinic.generate import ZONES

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
HARD = ["Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "America/Scoresbysund", "America/Havana", "Asia/Beirut"]
DAYS = st.integers(14_000, 24_000)  # 2008 to 2035


def wall(day: int, minute: int) -> datetime:
    return EPOCH + timedelta(days=day, minutes=minute)


def truth(zone: str, day: int, minute: int) -> tuple[bool, int]:
    """Say whether a wall minute exists, and its offset (first one where it happens twice)."""
    at = wall(day, minute).replace(tzinfo=ZoneInfo(zone))
    offset = at.utcoffset()
    assert offset is not None
    back = at.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    return back == wall(day, minute), offset // timedelta(minutes=1)


@settings(deadline=None)  # 1,440 minutes an example
@given(st.sampled_from([*HARD, *ZONES]), DAYS)
@example("Europe/Berlin", 20_541)  # 29 March 2026: 23 hours
@example("Europe/Berlin", 20_751)  # 25 October 2026: 25 hours
@example("America/Scoresbysund", 19_812)  # a gap over midnight: both days miss a part
@example("America/Scoresbysund", 19_813)
@example("Europe/Moscow", 16_369)  # 26 October 2014: the last change of clocks in Russia
@example("Asia/Beirut", 20_540)  # midnight itself does not exist
def test_zone_table_agrees_with_datetime_in_every_minute(zone: str, day: int) -> None:
    before, switch, after, gap = zone_table(zone, day, 1)
    for minute in range(DAY):
        exists, offset = truth(zone, day, minute)
        assert exists is not (switch <= minute < switch + gap)
        if exists:
            assert offset == (before if minute < switch else after)


@given(st.sampled_from([*HARD, *ZONES]), st.integers(1_200_000_000_000, 2_000_000_000_000))
def test_minute_now_is_the_clock_on_the_wall(zone: str, at_ms: int) -> None:
    seen = datetime.fromtimestamp(at_ms // 1000, ZoneInfo(zone)).replace(tzinfo=None)
    assert minute_now(zone, at_ms) == (seen - EPOCH) // timedelta(minutes=1)


@given(st.sampled_from([*HARD, *ZONES]), DAYS, st.integers(0, DAY - 1))
def test_to_ms_and_back(zone: str, day: int, minute: int) -> None:
    there = day * DAY + minute
    back = minute_now(zone, to_ms(zone, there))
    exists, _ = truth(zone, day, minute)
    assert (back == there) is exists


def test_a_table_is_the_callers_own() -> None:
    table = zone_table("Europe/Moscow", 20_600, 3)
    table[0] = 99
    assert list(zone_table("Europe/Moscow", 20_600, 3)) == [180, 1440, 180, 0] * 3


def test_unknown_zone() -> None:
    with pytest.raises(KeyError):  # ZoneInfoNotFoundError
        zone_table("Europe/Nowhere", 20_600, 1)
