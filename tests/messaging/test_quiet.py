"""Quiet hours on the branch's clock, also where clocks change; the policy of a branch and of the network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.clinic.clock import minute_now, to_ms
from identsync.integrations.messaging.quiet import (
    Policy,
    day_began,
    permitted,
    policies,
    policy,
    save_policy,
    tomorrow,
)
from identsync.store import Store

from .small_clinic import DAY, MOSCOW, OMSK, at

USUAL = Policy()


def test_usual_hours() -> None:
    assert permitted(MOSCOW, to_ms(MOSCOW, at(9)), USUAL) == to_ms(MOSCOW, at(9))
    assert permitted(MOSCOW, to_ms(MOSCOW, at(20, 59)) + 59_999, USUAL) == to_ms(MOSCOW, at(20, 59)) + 59_999
    assert permitted(MOSCOW, to_ms(MOSCOW, at(21)), USUAL) == to_ms(MOSCOW, at(9, day=1))
    assert permitted(MOSCOW, to_ms(MOSCOW, at(8, 59)), USUAL) == to_ms(MOSCOW, at(9))


def test_it_is_the_branch_that_sleeps() -> None:
    evening = to_ms(MOSCOW, at(19))  # 22:00 in Omsk
    assert permitted(MOSCOW, evening, USUAL) == evening
    assert permitted(OMSK, evening, USUAL) == to_ms(OMSK, at(9, day=1))


def test_the_day_and_the_next() -> None:
    assert day_began(OMSK, to_ms(OMSK, at(23, 59))) == to_ms(OMSK, at(0))
    assert tomorrow(OMSK, to_ms(OMSK, at(12)), USUAL) == to_ms(OMSK, at(9, day=1))


hours = st.builds(Policy, st.integers(0, 1440), st.integers(0, 1440))
zones = st.sampled_from((MOSCOW, OMSK, "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"))
BERLIN = to_ms("UTC", (DAY - 35) * 1440)  # a day after clocks went back in Berlin
SWITCHES = [to_ms("UTC", day * 1440) for day in (20_540, 20_547, 20_750, 20_757, 20_730, 20_548)]
moments = st.sampled_from([BERLIN, *SWITCHES]).flatmap(lambda near: st.integers(near - 172_800_000, near + 172_800_000))


@given(zones, moments, hours)
def test_the_next_permitted_moment_is_not_quiet_and_nothing_between_was_free(
    zone: str, now: int, policy: Policy
) -> None:
    if policy.quiet_until - policy.quiet_from in (1440, -1440):
        return  # all day: nothing is ever permitted, and the settings do not offer it
    found = permitted(zone, now, policy)
    assert found >= now
    assert not policy.is_quiet(minute_now(zone, found))
    if found > now:
        for instant in range(now, found - 60_000, 7 * 60_000):
            assert policy.is_quiet(minute_now(zone, instant))


def test_a_branch_s_own_policy_counts_before_the_network_s(store: Store) -> None:
    with store.write() as connection:
        assert policy(connection, 5) == USUAL
        save_policy(connection, 0, Policy(1200, 600, 2, True), by="Вера", now_ms=1)
        save_policy(connection, 5, Policy(1300, 500), by="Вера", now_ms=1)
        save_policy(connection, 5, Policy(1310, 500), by="Вера", now_ms=2)
    with store.read() as connection:
        assert policies(connection) == {0: Policy(1200, 600, 2, True), 5: Policy(1310, 500)}
        assert policy(connection, 7) == Policy(1200, 600, 2, True)
    with store.write() as connection, pytest.raises(ValueError, match="minutes"):
        save_policy(connection, 0, Policy(2000, 0), by="", now_ms=3)
