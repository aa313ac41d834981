"""What one statement carries, in which order it is answered, and what becomes of an item that cannot be said."""

import asyncio

import pytest

from engine.test_engine import engine, fine, finishes, journal, task
from identsync.engine import events as ev
from identsync.engine.agenda import Agenda, Job
from identsync.engine.integration import Outcome
from identsync.engine.run import Run
from identsync.engine.state import NEVER, Spec
from identsync.store import Store
from identsync.store.limiter import Claim, Fence, SeatReply, TurnReply
from identsync.store.limiter.records import LOCKED

SPECS = [Spec(f"t{i}", 1, 60_000, 12_000, 30_000) for i in range(12)]
FENCES = [Fence(spec.kind, 1, 1, "m", 0) for spec in SPECS]
SEAT = SeatReply(True, 1, 30_000, 0)


def agenda(*held: int, sent: int = 0) -> Agenda:
    """Orders for the runs of these slots, fence 1, renewed each 4 s from ``sent`` on."""
    made = Agenda("m", 0, SPECS, answer_ms=8_000)
    for slot in held:
        made.hold(ev.StartRun(slot, FENCES[slot], 12_000, 4_000, 1_000_000, 0, sent))
    return made


def job(made: Agenda, now: int) -> Job:
    found = made.next(now)
    assert isinstance(found, Job)
    return found


def end(slot: int) -> ev.FinishRun:
    return ev.FinishRun(slot, FENCES[slot], Outcome())


def renewed(found: Job) -> list[int]:
    return [order.slot for order in found.orders]


def test_a_renewal_goes_alone_when_it_is_due() -> None:
    made = agenda(0)
    assert made.next(3_999) == 4_000
    found = job(made, 4_000)
    assert (found.action, renewed(found)) == (ev.Turn(), [0])
    assert made.answered(found, TurnReply(renewals=(12_000,)), 4_000, 4_002) == (
        ev.Renewed(0, FENCES[0], 4_000, 12_000),
    )
    assert made.next(4_002) == 8_000


def test_it_goes_along_with_a_turn_from_a_quarter_of_the_lease() -> None:
    for now, along in ((2_999, []), (3_000, [0])):
        made = agenda(0)
        made.put(ev.Turn(claims=(ev.AskClaim(3, "m-1", 1),)), now)
        assert renewed(job(made, now)) == along


def test_but_never_with_the_end_of_its_own_run() -> None:
    made = agenda(0, 1)
    made.put(ev.Turn(finishes=(end(0),)), 4_000)
    found = job(made, 4_000)
    assert renewed(found) == [1]
    made.answered(found, TurnReply(endings=(True,), renewals=(12_000,)), 4_000, 4_001)
    assert made.next(4_001) == 8_000  # the ended run is renewed no more


def test_renewals_that_are_due_come_before_everything_but_their_turn() -> None:
    made = agenda(0)
    made.put(ev.LeaveSeats((1,)), 4_000)
    assert renewed(job(made, 4_000)) == [0]


def test_more_than_eight_renewals_are_two_statements() -> None:
    made = agenda(*range(10))
    first = job(made, 4_000)
    made.answered(first, TurnReply(renewals=(12_000,) * 8), 4_000, 4_001)
    assert [len(first.orders), len(job(made, 4_001).orders)] == [8, 2]


def test_answers_come_in_the_order_of_their_age() -> None:
    made = agenda(5)
    turn = ev.Turn((ev.AskSeat(1, 1, 9, 9),), (end(0),), (ev.AskClaim(1, "m-1", 9),))
    made.put(turn, 4_000)
    reply = TurnReply((SEAT,), (True,), (12_000,), (Claim(True, 3, 9, 0),))
    events = made.answered(job(made, 4_000), reply, 4_000, 4_001)
    assert [type(event) for event in events] == [ev.Renewed, ev.SeatAnswered, ev.Finished, ev.Claimed]


def test_a_lost_turn_is_the_failure_of_each_item_and_nothing_is_forgotten() -> None:
    made = agenda(5)
    made.put(ev.Turn((ev.AskSeat(1, 1, 9, 9),), (end(0),), (ev.AskClaim(1, "m-1", 9),)), 4_000)
    events = made.failed(job(made, 4_000), 5_000)
    assert events == (
        ev.RenewFailed(5, FENCES[5]),
        ev.SeatFailed(1, 1),
        ev.FinishFailed(0, FENCES[0]),
        ev.ClaimFailed(1, "m-1"),
    )
    assert renewed(job(made, 7_000)) == [5]  # half the usual wait


def test_a_locked_row_is_no_answer_and_asked_again_soon() -> None:
    made = agenda(5)
    made.put(ev.Turn(finishes=(end(0),)), 4_000)
    events = made.answered(job(made, 4_000), TurnReply(endings=(None,), renewals=(LOCKED,)), 4_000, 4_001)
    assert events == (ev.RenewFailed(5, FENCES[5]), ev.FinishFailed(0, FENCES[0]))
    assert made.next(4_001) == 4_201


def test_a_lost_lease_and_a_run_given_up_are_renewed_no_more() -> None:
    made = agenda(0, 1)
    assert ev.LeaseLost(0, FENCES[0]) in made.answered(
        job(made, 4_000), TurnReply(renewals=(None, 12_000)), 4_000, 4_001
    )
    made.drop(ev.DropRun(1, FENCES[1]))
    assert made.next(10_000) == NEVER


def test_what_the_step_has_given_up_is_not_sent() -> None:
    made = agenda()
    made.put(ev.Turn(finishes=(end(0),)), 0)
    assert made.next(8_000) == NEVER


@pytest.mark.parametrize("outcome", [Outcome(counts={"odd": {1}}), Outcome(note="nul \0")])  # type: ignore[dict-item]
async def test_an_outcome_that_cannot_be_written_costs_nobody_else_anything(store: Store, outcome: Outcome) -> None:
    """It ends without its counts and note, and the seat and the task beside it never notice."""
    together = asyncio.Barrier(2)

    async def odd(run: Run) -> Outcome:
        await together.wait()
        return outcome

    async def beside(run: Run) -> Outcome:
        await together.wait()
        return await fine(run)

    async with engine(store, task(odd), task(beside, "test/two")) as client:
        ends = {e.slot: e.written async for e in finishes(client, 2)}
    assert ends == {0: True, 1: True}
    assert [journal(store, kind)[0].outcome for kind in ("test/one", "test/two")] == ["ok", "ok"]
