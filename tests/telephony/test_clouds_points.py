"""UIS's points: the pace they allow, whatever the answers say of them."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from identsync.integrations.telephony.wire.uis_points import Points

USUAL = 2.0


def limits(minute: tuple[int, int, int], day: tuple[int, int, int] = (10**9, 10**9, 40_000)) -> dict[str, int]:
    told: dict[str, int] = {}
    for period, (limit, left, reset) in (("minute", minute), ("day", day)):
        told |= {f"{period}_limit": limit, f"{period}_remaining": left, f"{period}_reset": reset}
    return told


def test_before_the_first_answer_and_with_plenty_the_pace_is_the_usual_one() -> None:
    points = Points()
    assert points.wait_s(0.0, USUAL) == USUAL
    points.told(limits((150, 140, 30)), 0.0)
    assert points.wait_s(0.0, USUAL) == USUAL


def test_what_is_left_is_spread_over_the_time_to_the_reset() -> None:
    points = Points()
    points.told(limits((100, 22, 48)), 0.0)
    assert points.wait_s(0.0, USUAL) == 49 / 12
    points.told(limits((100, 20, 46)), 2.0)  # a question costs two
    assert points.wait_s(2.0, USUAL) == 47 * 2 / 10


def test_at_the_last_tenth_it_waits_for_the_reset() -> None:
    points = Points()
    points.told(limits((100, 10, 48)), 0.0)
    assert points.wait_s(0.0, USUAL) == 49
    assert points.wait_s(50.0, USUAL) == USUAL


def test_the_scarcer_of_minute_and_day_rules() -> None:
    points = Points()
    points.told(limits((150, 149, 52), (750, 175, 39_999)), 0.0)
    assert points.wait_s(0.0, USUAL) == 400.0


def test_questions_that_cost_nothing_may_be_asked_as_usual() -> None:
    points = Points()
    for at in (0.0, 2.0):
        points.told(limits((100, 12, 50 - int(at))), at)
    assert points.wait_s(2.0, USUAL) == USUAL


def test_a_full_purse_after_the_reset_is_no_negative_cost() -> None:
    points = Points()
    points.told(limits((100, 12, 1)), 0.0)
    points.told(limits((100, 99, 60)), 2.0)
    assert points.wait_s(2.0, USUAL) == USUAL


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from([f"{p}_{w}" for p in ("minute", "day") for w in ("limit", "remaining", "reset")]),
            st.integers(-(10**30), 10**30) | st.floats() | st.text() | st.none() | st.lists(st.integers()),
        ),
        max_size=5,
    ),
    st.floats(0, 1e6),
)
def test_whatever_is_told_the_pace_is_never_faster_nor_longer_than_two_days(
    answers: list[dict[str, Any]], now: float
) -> None:
    points = Points()
    for answer in answers:
        points.told(answer, now)
        assert USUAL <= points.wait_s(now, USUAL) <= 2 * 86_400 * 10**31
        assert points.after_ms(now) >= 1_000


@given(st.integers(1, 1_000), st.integers(1, 20), st.integers(1, 60))
def test_a_poll_that_obeys_never_takes_the_last_tenth(limit: int, cost: int, reset: int) -> None:
    points, left, now = Points(), limit, 0.0
    points.told(limits((limit, left, reset), (10**9, 10**9, 86_400)), now)
    asked = 0
    while (now := now + points.wait_s(now, 0.01)) < reset and asked < 5_000:
        left, asked = left - cost, asked + 1
        points.told(limits((limit, left, max(0, round(reset - now))), (10**9, 10**9, 86_400)), now)
    assert left >= limit * 0.1 - cost or asked <= 1
