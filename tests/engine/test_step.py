"""The pure step by itself: one client, answers made by hand."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identsync.engine import events as ev
from identsync.engine.integration import Outcome, Role, Status
from identsync.engine.seat import rank_of, spacing
from identsync.engine.state import NEVER, Policy, Spec, State, new_state
from identsync.engine.step import step
from identsync.store.limiter import Claim, Denied, Fence, Present, SeatReply, SlotDue

DB = 1_700_000_000_000
SPECS = [
    Spec("a", 1, 60_000, 10_000, 30_000),
    Spec("b", 1, 60_000, 10_000, 30_000),
    Spec("n", 0, 60_000, 10_000, 30_000),
]
ME = "m"


def fence(spec: Spec = SPECS[0], number: int = 1) -> Fence:
    """What ``One.granted`` gives that client."""
    return Fence(spec.kind, spec.scope, number, ME, 0)


ONE = fence()


class One:
    """One client under test: ``take`` an event at a local time, look at the actions by type."""

    def __init__(self, role: Role = Role.ADMINISTRATOR, specs: list[Spec] = SPECS, **policy: Any) -> None:
        self.state: State = new_state(ME, role, 1, specs, policy=Policy(seat_lease_ms=30_000, **policy), seed=1)
        self.now = 1_000
        self.actions: tuple[Any, ...] = ()

    def take(self, event: Any, *, after: int = 0) -> "One":
        self.now += after
        self.state, self.actions = step(self.state, event, self.now)
        return self

    def only(self, kind: type) -> Any:
        found = self.all(kind)
        assert len(found) == 1, self.actions
        return found[0]

    def all(self, kind: type) -> list[Any]:
        turns = [action for action in self.actions if isinstance(action, ev.Turn)]
        items = [item for turn in turns for item in (*turn.seats, *turn.finishes, *turn.claims)]
        return [action for action in (*self.actions, *items) if isinstance(action, kind)]

    def seated(self, *slots: SlotDue, scope: int = 1, granted: bool = True, **reply: Any) -> "One":
        sequence = next(seat.sequence for seat in self.state.seats if seat.scope == scope)
        fields = {"present": (Present(ME, 0, DB),), "holder": ME if granted else "h", **reply}
        answer = SeatReply(granted, 1, DB + 30_000, DB, slots=slots, **fields)
        return self.take(ev.SeatAnswered(scope, sequence, self.now - 5, answer), after=5)

    def granted(self, slot: int = 0, number: int = 1, remaining: int = 10_000, started_ms: int = 0) -> "One":
        request = self.state.slots[slot].request
        claim = Claim(True, number, DB + remaining, DB, started_ms=started_ms, due_ms=DB - 7_000)
        return self.take(ev.Claimed(slot, request, self.now - 3, claim), after=3)


def asked(one: One) -> set[int]:
    return {ask.slot for ask in one.all(ev.AskClaim)}


def running() -> One:
    one = One(specs=SPECS[:1]).take(ev.Started()).seated().granted()
    assert one.only(ev.StartRun).fence.number == 1
    return one


def test_a_start_asks_for_the_branch_then_for_its_tasks_and_the_network() -> None:
    one = One().take(ev.Started())
    assert one.only(ev.AskSeat).scope == 1
    one.seated()
    assert asked(one) == {0, 1}
    assert one.only(ev.AskSeat).scope == 0
    one.seated(scope=0)
    assert asked(one) == {2}


def test_a_doctor_decides_nothing() -> None:
    one = One(Role.DOCTOR).take(ev.Started()).take(ev.Poked("a", 1)).take(ev.Woke(), after=NEVER >> 8)
    assert one.state.slots == ()
    assert [type(a) for a in one.actions] == [ev.SleepUntil]


def test_a_director_yields_where_an_administrator_is_present() -> None:
    one = One(Role.DIRECTOR).take(ev.Started()).seated(present=(Present("a", 0, DB - 1_000), Present(ME, 1, DB)))
    assert one.only(ev.LeaveSeats).scopes == (1, 0)
    assert asked(one) == set()
    assert one.only(ev.SleepUntil).at > one.now + 100_000


@pytest.mark.parametrize(("crowd", "leases"), [(2, 6), (4, 7), (10, 16), (400, 49)])
def test_a_director_works_where_the_administrators_are_gone_for_longer_than_any_of_them_sleeps(
    crowd: int, leases: int
) -> None:
    one = One(Role.DIRECTOR).take(ev.Started())
    assert one.only(ev.AskSeat).ttl_ms == 49 * 30_000  # of a line that it does not know yet
    gone = Present("a", 0, DB - leases * 30_000)
    one.seated(granted=False, crowd=crowd, present=(gone, Present(ME, 1, DB)))
    one.take(ev.Woke(), after=leases * 45_000)
    assert one.only(ev.AskSeat).ttl_ms == leases * 30_000
    one.seated(present=(gone, Present(ME, 1, DB)))
    assert asked(one) == {0, 1}


@pytest.mark.parametrize(
    ("slot", "due"),
    [
        (SlotDue("a", 1, DB + 9_000, False, False), 9_000),
        (SlotDue("a", 1, DB + 9_000, False, True), 9_000),
        (SlotDue("a", 1, DB + 9_000, True, False), None),
        (SlotDue("a", 1, DB + 9_000_000, False, False), 120_000),  # the database's clock was set back
        (SlotDue("a", 1, DB - 4_005, False, False), -4_005),
    ],
)
def test_news_of_a_slot_arm_the_memory(slot: SlotDue, due: int | None) -> None:
    one = One(specs=SPECS[:1]).take(ev.Started()).seated(slot)
    told = one.state.slots[0].due
    assert told == (NEVER if due is None else one.now + due)
    assert asked(one) == ({0} if due is not None and due <= 0 else set())


@pytest.mark.parametrize(
    ("claim", "low", "high"),
    [
        (Claim(False, 5, DB + 8_000, DB, why=Denied.WAIT), 8_000, 8_250),
        (Claim(False, 5, DB - 3, DB, why=Denied.RACED), 50, 250),
        (Claim(False, 0, 0, 0, why=Denied.BUSY), 50, 250),
        (Claim(False, 5, DB - 3, DB, why=Denied.ROLE), 30_000, 30_000),
        (Claim(False, 5, DB - 3, DB, why=Denied.PAUSED), NEVER, NEVER),
        (Claim(False, 5, DB - 3, DB, why=Denied.PROTO), NEVER, NEVER),
    ],
)
def test_a_denied_claim_rearms_from_the_winners_row(claim: Claim, low: int, high: int) -> None:
    one = One(specs=SPECS[:1]).take(ev.Started()).seated()
    one.take(ev.Claimed(0, one.state.slots[0].request, one.now, claim))
    due = one.state.slots[0].due
    assert low <= (due if due == NEVER else due - one.now) <= high


def test_stale_denials_do_not_become_a_busy_loop() -> None:
    one = One(specs=SPECS[:1]).take(ev.Started()).seated()
    waits = []
    for _ in range(6):
        claim = Claim(False, 5, DB - 3, DB, why=Denied.RACED)
        one.take(ev.Claimed(0, one.state.slots[0].request, one.now, claim))
        waits.append(one.state.slots[0].due - one.now)
        one.take(ev.Woke(), after=waits[-1])
    assert [wait <= 250 for wait in waits] == [True, True, True, False, False, False]


def test_a_lost_answer_is_asked_for_under_the_same_request() -> None:
    one = One(specs=SPECS[:1]).take(ev.Started()).seated()
    request = one.only(ev.AskClaim).request
    one.take(ev.ClaimFailed(0, request)).take(ev.Woke(), after=1_000)
    assert one.only(ev.AskClaim).request == request
    assert one.granted().only(ev.StartRun)
    first = ev.Claimed(0, request, one.now, Claim(True, 1, DB + 10_000, DB, due_ms=DB - 7_000))
    assert one.take(first).all(ev.StartRun) == []  # the first answer after all


def test_a_late_grant_is_given_back() -> None:
    one = One(specs=SPECS[:1]).take(ev.Started()).seated()
    request = one.state.slots[0].request
    one.take(ev.Claimed(0, request, one.now - 20_000, Claim(True, 1, DB + 10_000, DB, due_ms=DB)))
    assert one.all(ev.StartRun) == []
    assert one.only(ev.FinishRun).release


def test_a_grant_of_a_restored_database_is_run_though_its_fence_is_lower() -> None:
    one = One(specs=SPECS[:1]).take(ev.Started()).seated().granted(number=5_000)
    one.take(ev.RunEnded(0, fence(number=5_000), Outcome())).take(ev.Finished(0, fence(number=5_000), True))
    one.take(ev.Woke(), after=60_000).seated()
    assert asked(one) == {0}
    assert one.granted(number=4_281).only(ev.StartRun).fence.number == 4_281


def test_an_abandoned_task_of_before_a_restore_ends_no_run_that_got_its_fence_again() -> None:
    one = One(specs=SPECS[:1], cancel_grace_ms=5_000).take(ev.Started()).seated().granted(number=5, started_ms=DB)
    old = one.only(ev.StartRun).fence
    one.take(ev.Renewed(0, old, one.now, 60_000)).take(ev.Woke(), after=30_000).take(ev.Woke(), after=5_000)
    assert one.only(ev.AbandonRun).fence == old
    one.take(ev.Woke(), after=1_000).take(ev.Finished(0, old, False))  # the database is restored: it knows no such run
    one.take(ev.Woke(), after=60_000).seated()
    new = one.granted(number=5, started_ms=DB + 90_000).only(ev.StartRun).fence
    one.take(ev.RunEnded(0, old, Outcome()))
    one.take(ev.Woke(), after=2_000)
    assert one.all(ev.FinishRun) == []
    assert (one.state.slots[0].abandoned, one.state.slots[0].run.fence) == (0, new)  # type: ignore[union-attr]
    for late in (ev.LeaseLost(0, old), ev.Finished(0, old, True), ev.FinishFailed(0, old)):
        assert one.take(late).all(ev.CancelRun) == []
        assert one.state.slots[0].run is not None


def test_a_doubled_grant_starts_nothing_and_gives_nothing_back() -> None:
    one = One(specs=SPECS[:1]).take(ev.Started()).seated()
    request = one.state.slots[0].request
    again = ev.Claimed(0, request, one.now, Claim(True, 7, DB + 10_000, DB, due_ms=DB))
    one.take(again).only(ev.StartRun)
    assert one.take(again).all(ev.StartRun) == one.all(ev.FinishRun) == []
    one.take(ev.RunEnded(0, fence(number=7), Outcome())).take(ev.Finished(0, fence(number=7), True))
    assert one.take(again).all(ev.StartRun) == one.all(ev.FinishRun) == []


def test_trust_counts_from_before_the_request() -> None:
    one = One(specs=SPECS[:1]).take(ev.Started()).seated()
    sent = one.now
    one.take(ev.Claimed(0, one.state.slots[0].request, sent, Claim(True, 1, DB + 10_000, DB, due_ms=DB)), after=4_000)
    assert one.state.slots[0].run is not None
    assert one.state.slots[0].run.trusted_until == sent + 10_000 - 1_000
    assert one.take(ev.Woke(), after=4_999).all(ev.CancelRun) == []
    assert one.take(ev.Woke(), after=1).only(ev.CancelRun).reason is Status.LOST


def test_a_failed_renewal_is_not_ownership_and_a_late_one_shrinks_nothing() -> None:
    one = running()
    one.take(ev.Renewed(0, ONE, one.now, 10_000), after=100)
    until = one.state.slots[0].run.trusted_until  # type: ignore[union-attr]
    one.take(ev.RenewFailed(0, ONE), after=1_000).take(ev.Renewed(0, ONE, one.now - 5_000, 10_000))
    assert one.state.slots[0].run.trusted_until == until  # type: ignore[union-attr]


def test_a_lost_lease_cancels_and_writes_no_outcome_of_its_own() -> None:
    one = running().take(ev.LeaseLost(0, ONE))
    assert (one.only(ev.CancelRun).reason, one.only(ev.DropRun).fence) == (Status.LOST, ONE)
    one.take(ev.RunEnded(0, ONE, Outcome(Status.LOST)))
    assert one.only(ev.FinishRun).release


def test_the_deadline_cancels_then_abandons_and_the_slot_goes_on() -> None:
    one = running()
    one.take(ev.Renewed(0, ONE, one.now, 60_000)).take(ev.Woke(), after=30_000)
    assert one.only(ev.CancelRun).reason is Status.LATE
    one.take(ev.Woke(), after=5_000)
    assert one.only(ev.AbandonRun).fence.number == 1
    one.take(ev.Woke(), after=1_000)
    assert one.only(ev.FinishRun).outcome.status is Status.LATE
    one.take(ev.Finished(0, ONE, True))
    assert (one.state.slots[0].run, one.state.slots[0].abandoned) == (None, 1)
    assert one.take(ev.RunEnded(0, ONE, Outcome())).state.slots[0].abandoned == 0


def test_after_a_finish_the_next_grid_instant_is_due() -> None:
    one = running().take(ev.RunEnded(0, ONE, Outcome()), after=500)
    one.take(ev.Finished(0, ONE, True), after=2)
    assert one.state.slots[0].due == one.now - 502 - 7_000 + 60_000


UNABLE = Outcome(Status.ASK, elsewhere=True)


def unable() -> One:
    """Who holds the seat, and lacks what its task needs."""
    one = running().take(ev.RunEnded(0, ONE, UNABLE))
    assert one.only(ev.FinishRun).outcome.retry_ms < -60_000  # to the others it is long overdue
    one.take(ev.Finished(0, ONE, True), after=2)
    assert one.only(ev.Ring).scopes == (1,)
    return one


def test_what_this_computer_cannot_do_is_left_to_others_as_long_as_they_do_it() -> None:
    one = unable()
    for _ in range(20):  # another client runs it, minute by minute
        one.take(ev.Woke(), after=10_000).seated(SlotDue("a", 1, DB + 20_000, False, False))
        assert asked(one) == set()
    assert one.only(ev.SleepUntil).at < one.now + 30_000  # the seat is kept


def test_it_is_tried_again_where_nobody_does_it() -> None:
    one = unable()
    for _ in range(3):
        one.take(ev.Woke(), after=19_000).seated()
        assert asked(one) == set()
    assert asked(one.take(ev.Woke(), after=10_000)) == {0}
    fence = one.granted(number=2).only(ev.StartRun).fence
    one.take(ev.RunEnded(0, fence, Outcome())).take(ev.Finished(0, fence, True))  # the secret is there
    one.take(ev.Woke(), after=20_000).seated().take(ev.Woke(), after=20_000).seated()
    assert asked(one.take(ev.Woke(), after=20_000)) == {0}


def test_it_is_tried_at_once_where_a_person_wants_it_here() -> None:
    assert asked(unable().take(ev.Poked("a", 1))) == {0}


def test_the_next_in_line_sees_at_once_what_its_leader_cannot_do_for_the_network() -> None:
    one = One().take(ev.Started()).seated(granted=False)
    one.seated(granted=False, scope=0)
    one.take(ev.Rang(1))
    assert {ask.scope for ask in one.all(ev.AskSeat)} == {0, 1}
    one.seated(SlotDue("n", 0, DB - 61_000, False, False), granted=False, scope=0)
    assert asked(one) == {2}


def test_a_finish_is_repeated_until_it_is_answered() -> None:
    one = running().take(ev.RunEnded(0, ONE, Outcome()))
    for _ in range(5):
        one.take(ev.FinishFailed(0, ONE))
        assert one.all(ev.FinishRun) == []
        one.take(ev.Woke(), after=100_000)
        assert one.only(ev.FinishRun).fence.number == 1


def test_a_poke_asks_without_the_seat() -> None:
    one = One().take(ev.Started()).seated(granted=False)
    assert asked(one) == set()
    assert asked(one.take(ev.Poked("b", 1))) == {1}
    assert asked(one.take(ev.Poked("unknown", 1))) == set()


def test_a_batch_and_the_runs_at_once_are_limited() -> None:
    specs = [Spec(f"t{i}", 1, 60_000, 10_000, 30_000) for i in range(20)]
    one = One(specs=specs, max_runs=10).take(ev.Started()).seated()
    assert len(asked(one)) == 8
    for slot in range(8):
        one.granted(slot)
    assert sum(slot.asked > 0 for slot in one.state.slots) == 2
    assert sum(slot.run is not None for slot in one.state.slots) == 8


def test_a_stop_releases_then_leaves_then_ends() -> None:
    one = running().take(ev.Stopping(6_000))
    assert one.all(ev.CancelRun) == []
    assert one.take(ev.Woke(), after=1_000).only(ev.CancelRun).reason is Status.RELEASED
    assert one.take(ev.RunEnded(0, ONE, Outcome(Status.RELEASED))).only(ev.FinishRun).release
    assert one.take(ev.Finished(0, ONE, True)).only(ev.LeaveSeats).scopes == (1,)
    assert one.take(ev.Left()).only(ev.Stopped)
    claim = Claim(True, 9, DB + 10_000, DB)
    assert (
        one.take(ev.Claimed(0, "m-9", one.now, claim)).only(ev.FinishRun).fence.number == 9
    )  # never kept by a dead client


def test_a_stop_ends_with_its_grace_whatever_happens() -> None:
    one = running().take(ev.Stopping(3_000))
    assert one.take(ev.Woke(), after=1_600).only(ev.LeaveSeats)
    assert one.take(ev.Woke(), after=1_400).only(ev.Stopped)


def reply(*present: Present, holder: str = "h") -> SeatReply:
    return SeatReply(False, 1, DB + 30_000, DB, present, (), holder)


@pytest.mark.parametrize(
    ("present", "rank"),
    [
        ([], 1),
        ([Present("h", 0, DB)], 1),  # the holder is not in line
        ([Present("h", 0, DB), Present("a", 0, DB)], 2),
        ([Present("h", 0, DB), Present("a", 0, DB - 60_000)], 1),  # first in line, and silent: dead
        ([Present("h", 0, DB), Present("z", 1, DB)], 1),  # directors come after
        ([Present("a", 0, DB), Present("b", 0, DB - 60_000), Present("c", 0, DB - 80_000)], 4),
    ],
)
def test_rank(present: list[Present], rank: int) -> None:
    assert rank_of(reply(*present), ME, Role.ADMINISTRATOR, 30_000, 960_000) == rank


def test_followers_sleep_longer_with_their_rank_and_never_beyond_the_cap() -> None:
    assert [spacing(30_000, rank, 960_000) for rank in (1, 2, 3, 6, 40)] == [30_000, 60_000, 120_000, 960_000, 960_000]


CLAIMS = st.builds(
    lambda granted, fence, remaining, why: Claim(granted, fence, DB + remaining, DB, due_ms=DB, why=why),
    st.booleans(), st.integers(1, 6), st.integers(-10, 90_000), st.sampled_from([None, *Denied]),
)  # fmt: skip
SLOTS = st.integers(0, 2)
RUNS = st.builds(lambda slot, number: (slot, fence(SPECS[slot], number)), SLOTS, st.integers(1, 6))
REQUESTS = st.integers(1, 8).map(lambda n: f"{ME}-{n}")
AGO = st.integers(0, 40_000)
REPLIES = st.builds(
    lambda granted, remaining, role, age, due, paused: SeatReply(
        granted, 1, DB + remaining, DB, (Present("a", role, DB - age), Present(ME, 0, DB)),
        (SlotDue("a", 1, DB + due, paused, False),), "a",
    ),
    st.booleans(), st.integers(-9, 60_000), st.integers(0, 1), AGO, st.integers(-9, 90_000), st.booleans(),
)  # fmt: skip
EVENTS = st.one_of(
    st.just(ev.Started()), st.just(ev.Woke()), st.just(ev.Left()), st.builds(ev.Rang, st.integers(0, 1)),
    st.builds(ev.SeatFailed, st.integers(0, 1), st.integers(1, 4)),
    st.tuples(st.integers(0, 1), st.integers(1, 4), AGO, REPLIES), st.tuples(SLOTS, REQUESTS, AGO, CLAIMS),
    st.builds(ev.ClaimFailed, SLOTS, REQUESTS),
    st.builds(lambda run, *rest: (*run, *rest), RUNS, AGO, st.integers(1, 10_000)),
    RUNS.map(lambda run: ev.RenewFailed(*run)), RUNS.map(lambda run: ev.LeaseLost(*run)),
    st.builds(lambda run, status: ev.RunEnded(*run, Outcome(status)), RUNS, st.sampled_from(Status)),
    st.builds(lambda run, written: ev.Finished(*run, written), RUNS, st.booleans()),
    RUNS.map(lambda run: ev.FinishFailed(*run)),
    st.builds(ev.Poked, st.sampled_from("abn"), st.integers(0, 1)), st.builds(ev.Stopping, st.integers(0, 9_000)),
)  # fmt: skip


def timed(event: Any, now: int) -> Any:
    match event:
        case (scope, sequence, ago, SeatReply() as answer):
            return ev.SeatAnswered(scope, sequence, now - ago, answer)
        case (slot, request, ago, Claim() as claim):
            return ev.Claimed(slot, request, now - ago, claim)
        case (slot, run, ago, remaining):
            return ev.Renewed(slot, run, now - ago, remaining)
    return event


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([Role.ADMINISTRATOR, Role.DIRECTOR]),
    st.lists(st.tuples(st.integers(0, 40_000), EVENTS), max_size=40),
)
def test_any_order_of_events_keeps_the_rules(role: Role, script: list[tuple[int, Any]]) -> None:
    """No answer, however late, doubled or foreign, starts a fence twice, two runs of a slot, or one past its trust."""
    one = One(role)
    fences: dict[int, int] = {}
    for after, event in script:
        before, repr_before = one.state, repr(one.state)
        one.take(timed(event, one.now + after), after=after)
        assert repr(before) == repr_before  # pure: the old state is untouched
        assert step(before, timed(event, one.now), one.now)[1] == one.actions
        stopping = before.stop_at != NEVER
        for start in one.all(ev.StartRun):
            run = one.state.slots[start.slot].run
            assert run is not None
            assert run.trusted_until > one.now
            assert start.fence.number > fences.get(start.slot, 0)
            assert before.slots[start.slot].run is None
            assert not stopping
            fences[start.slot] = start.fence.number
        for turn in one.all(ev.Turn):
            touched = [item.slot for item in (*turn.finishes, *turn.claims)]
            assert len(set(touched)) == len(touched) <= 16
        assert not (stopping and (one.all(ev.AskSeat) or one.all(ev.AskClaim)))
        if isinstance(event, ev.Woke) and not before.stopped:  # time alone never stands still
            assert one.only(ev.SleepUntil).at > one.now
