"""What shares a turn, and what does not wait for one."""

from typing import Any

import pytest

from engine.test_step import DB, One, fence
from identsync.engine import events as ev
from identsync.engine.integration import Outcome, Status
from identsync.engine.state import Spec
from identsync.store.limiter import Claim, Denied, SlotDue

MINUTE = 60_000
FAST, SLOW = Spec("fast", 1, MINUTE // 4, 10_000, 30_000), Spec("slow", 1, MINUTE, 10_000, 30_000)


def holder(*due: int, specs: list[Spec] | None = None) -> One:
    """A client that holds its seat and knows its slots due in so many ms."""
    specs = specs or [FAST, SLOW]
    one = One(specs=specs).take(ev.Started())
    return one.seated(*(SlotDue(spec.kind, 1, DB + ms, False, False) for spec, ms in zip(specs, due, strict=True)))


def later(one: One, ms: int) -> ev.Turn | None:
    """The turn that is sent ``ms`` from now, if any; nothing is sent before."""
    end = one.now + ms
    while True:
        wake = min(one.only(ev.SleepUntil).at, *(slot.told for slot in one.state.slots))
        if wake > end:
            one.now = end
            return None
        one.take(ev.Woke(), after=wake - one.now)
        if turns := one.all(ev.Turn):
            assert one.now == end, "sent too early"
            return turns[0]


def test_a_lone_claim_waits_its_slack_and_is_a_statement_of_its_own() -> None:
    turn = later(holder(3_000, 50_000), 4_000)
    assert turn is not None
    assert (turn.seats, turn.finishes, [ask.slot for ask in turn.claims]) == ((), (), [0])


def test_what_is_due_goes_along_and_what_is_not_stays() -> None:
    turn = later(holder(3_000, 2_000), 4_000)
    assert turn is not None
    assert [ask.slot for ask in turn.claims] == [1, 0]
    turn = later(holder(3_000, 4_001), 4_000)
    assert turn is not None
    assert [ask.slot for ask in turn.claims] == [0]


def test_a_seat_is_renewed_along_from_a_quarter_of_its_lease() -> None:
    assert later(holder(6_400, 50_000), 7_400).seats == ()  # type: ignore[union-attr]
    assert len(later(holder(6_500, 50_000), 7_500).seats) == 1  # type: ignore[union-attr]


def test_and_alone_by_a_third() -> None:
    one = holder(50_000, 50_000)
    wake = one.only(ev.SleepUntil).at
    assert 8_500 <= wake - one.now <= 10_000
    turn = later(one, wake - one.now)
    assert turn is not None
    assert (len(turn.seats), turn.claims) == (1, ())


def run_of(one: One, slot: int = 0, due_ms: int = DB - 500) -> One:
    """A run of that slot has just been granted."""
    claim = Claim(True, 1, DB + 10_000, DB, due_ms=due_ms)
    return one.take(ev.Claimed(slot, one.state.slots[slot].request, one.now - 2, claim), after=2)


def test_an_end_waits_a_second_for_company() -> None:
    one = run_of(holder(-9_000, 50_000)).take(ev.RunEnded(0, fence(FAST), Outcome()), after=100)
    assert one.all(ev.Turn) == []
    turn = later(one, 1_000)
    assert turn is not None
    assert (len(turn.finishes), turn.claims) == (1, ())


def test_an_end_goes_along_with_a_claim() -> None:
    one = run_of(holder(-9_000, 100, specs=[SLOW, FAST])).take(ev.RunEnded(0, fence(SLOW), Outcome()), after=500)
    turn = later(one, 598)  # the second task's second is over
    assert turn is not None
    assert ([end.slot for end in turn.finishes], [ask.slot for ask in turn.claims]) == ([0], [1])


@pytest.mark.parametrize(
    "outcome", [Outcome(Status.LOST), Outcome(Status.RELEASED), Outcome(Status.LATER, retry_ms=2_000)]
)
def test_an_end_that_others_wait_for_goes_at_once(outcome: Outcome) -> None:
    one = run_of(holder(-9_000, 50_000)).take(ev.RunEnded(0, fence(FAST), outcome), after=100)
    assert len(one.only(ev.Turn).finishes) == 1


def test_so_does_one_that_a_person_waits_for() -> None:
    one = holder(14_000, 50_000).take(ev.Poked("fast", 1))
    assert len(one.only(ev.Turn).claims) == 1
    assert len(run_of(one).take(ev.RunEnded(0, fence(FAST), Outcome()), after=100).only(ev.Turn).finishes) == 1


def test_so_does_one_right_before_the_next_instant() -> None:
    """Told after the instant, the end would skip it."""
    one = run_of(holder(-9_000, 50_000), due_ms=DB - 13_500).take(ev.RunEnded(0, fence(FAST), Outcome()), after=100)
    assert len(one.only(ev.Turn).finishes) == 1


def test_so_do_all_when_the_client_stops() -> None:
    one = run_of(holder(-9_000, 50_000)).take(ev.RunEnded(0, fence(FAST), Outcome()), after=100)
    assert len(one.take(ev.Stopping(3_000)).only(ev.Turn).finishes) == 1


def test_an_end_never_waits_into_the_end_of_its_trust() -> None:
    one = run_of(holder(-9_000, 50_000)).take(ev.RunEnded(0, fence(FAST), Outcome()), after=3_900)
    turn = later(one, 96)  # half the lease is left
    assert turn is not None
    assert len(turn.finishes) == 1


def test_a_locked_row_is_asked_again_soon_and_by_itself() -> None:
    one = holder(-9_000, 50_000)
    one.take(ev.Claimed(0, one.state.slots[0].request, one.now, Claim(False, 0, 0, 0, why=Denied.BUSY)))
    wait = one.only(ev.SleepUntil).at - one.now
    assert 0 < min(wait, one.state.slots[0].told - one.now) <= 250


def test_more_ends_than_a_turn_holds_are_two_turns() -> None:
    specs = [Spec(f"t{i}", 1, MINUTE, 10_000, 30_000) for i in range(10)]
    one = One(specs=specs, max_runs=10).take(ev.Started()).seated()
    for slot in range(10):
        one.granted(slot)
    for slot in range(10):
        one.take(ev.RunEnded(slot, fence(specs[slot]), Outcome()))
    one.take(ev.Woke(), after=1_000)
    first, second = one.all(ev.Turn)
    assert [len(first.finishes), len(second.finishes)] == [8, 2]


def test_a_run_that_has_ended_leaves_room_for_the_next() -> None:
    specs = [Spec(f"t{i}", 1, MINUTE, 10_000, 30_000) for i in range(2)]
    one = One(specs=specs, max_runs=1).take(ev.Started()).seated().granted(0)
    one.take(ev.RunEnded(0, fence(specs[0]), Outcome()))
    assert [[end.slot for end in one.only(ev.Turn).finishes], one.only(ev.AskClaim).slot] == [[0], 1]


def follower(overdue: int, **reply: Any) -> One:
    """A follower that sees a slot due for so many ms, and another that is not due."""
    one = One(specs=[FAST, SLOW]).take(ev.Started())
    slots = SlotDue("fast", 1, DB - overdue, False, False), SlotDue("slow", 1, DB + 9_000, False, False)
    return one.seated(*slots, granted=False, **reply)


def test_what_a_dead_client_left_waits_for_nothing() -> None:
    one = One(specs=[FAST]).take(ev.Started()).seated(SlotDue("fast", 1, DB + 2_000, False, True))
    turn = later(one, 2_000)
    assert turn is not None
    assert [ask.slot for ask in turn.claims] == [0]


def test_a_slot_that_the_holder_neglects_is_adopted_by_the_follower_that_sees_it() -> None:
    """The holder's runs ignore their cancellation, or it is too old for the slot: nobody else would ask."""
    one = follower(60_001)
    assert [ask.slot for ask in one.only(ev.Turn).claims] == [0]
    one = run_of(one).take(ev.RunEnded(0, fence(FAST), Outcome()), after=100).take(ev.Woke(), after=1_000)
    one.take(ev.Finished(0, fence(FAST), True))
    assert 0 < one.state.slots[0].told - one.now <= 15_000  # and from then on in time
    wait = Claim(False, 5, DB + 8_000, DB, why=Denied.WAIT)  # until somebody else runs it
    one.take(ev.Woke(), after=one.state.slots[0].told - one.now)
    one.take(ev.Claimed(0, one.state.slots[0].request, one.now, wait)).take(ev.Woke(), after=20_000)
    assert one.all(ev.AskClaim) == []


def test_but_not_one_that_is_only_late() -> None:
    assert follower(60_000).all(ev.Turn) == []


def test_and_one_that_the_holder_has_never_heard_of() -> None:
    """It is older, or set up otherwise: the row is missing, so no news tell of it."""
    one = One(specs=[FAST]).take(ev.Started()).seated(granted=False)
    began = one.now
    while not one.all(ev.AskClaim):
        one.take(ev.Woke(), after=one.only(ev.SleepUntil).at - one.now)
        if one.all(ev.AskSeat):
            one.seated(granted=False)
    assert 60_000 <= one.now - began <= 100_000


def test_and_one_out_of_reach_since_the_clock_of_the_database_was_set_back() -> None:
    """Once in twice its interval: the database grants it by its stamp."""
    one = follower(-1_500_000)
    assert later(one, 31_000).claims[0].slot == 0  # type: ignore[union-attr]


def test_a_seat_that_is_held_and_to_be_asked_for_at_once_is() -> None:
    """The first in its branch's line found the network's seat free, and then its branch's."""
    one = One(specs=[FAST, Spec("net", 0, MINUTE, 10_000, 30_000)]).take(ev.Started()).seated(granted=False)
    one.seated(scope=0)
    one.take(ev.Rang(1)).seated()
    assert [ask.scope for ask in one.all(ev.AskSeat)] == [0]
    assert all(turn.seats or turn.finishes or turn.claims for turn in one.all(ev.Turn))
    assert one.only(ev.SleepUntil).at > one.now


def test_a_client_too_old_for_a_slot_never_asks_again() -> None:
    one = holder(-9_000, 50_000)
    one.take(ev.Claimed(0, one.state.slots[0].request, one.now, Claim(False, 5, DB - 3, DB, why=Denied.PROTO)))
    one.take(ev.Woke(), after=10_000).seated(SlotDue("fast", 1, DB - 90_000, False, False))
    assert one.take(ev.Woke(), after=9_000).all(ev.AskClaim) == []
