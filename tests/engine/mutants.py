"""Broken engines and databases, each against one rule of the limiter's sheet; the simulator must find every one."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace as altered

from engine.model import Database, Row
from engine.simulator import Simulation, Step
from engine.world import QUIET, World
from identsync.engine import events as ev
from identsync.engine.draft import Draft
from identsync.engine.integration import Role
from identsync.engine.state import NEVER, State, margin
from identsync.engine.step import step
from identsync.store.limiter import Claim, Denied, Fence

Stepped = tuple[State, tuple[Any, ...]]

# -- engines --------------------------------------------------------------------------------------------------------


def exception_is_ownership(state: State, event: Any, now: int) -> Stepped:
    if isinstance(event, ev.RenewFailed):
        event = ev.Renewed(event.slot, event.fence, now, 3_000)
    return step(state, event, now)


def trust_from_the_answer(state: State, event: Any, now: int) -> Stepped:
    if isinstance(event, ev.Claimed | ev.Renewed):
        event = altered(event, sent=now)
    return step(state, event, now)


def lease_trusted_to_its_end(state: State, event: Any, now: int) -> Stepped:
    if isinstance(event, ev.Claimed | ev.Renewed):
        event = altered(event, sent=event.sent + margin(state.slots[event.slot].spec.lease_ms))
    return step(state, event, now)


def lost_lease_ignored(state: State, event: Any, now: int) -> Stepped:
    if isinstance(event, ev.LeaseLost):
        event = ev.Renewed(event.slot, event.fence, now, 3_000)
    return step(state, event, now)


def time_never_up(state: State, event: Any, now: int) -> Stepped:
    """No deadline: a hung task is renewed for ever."""
    state, actions = step(state, event, now)
    slots = [altered(s, run=s.run and altered(s.run, deadline=NEVER)) for s in state.slots]
    actions = tuple(altered(a, renew_until=NEVER) if isinstance(a, ev.StartRun) else a for a in actions)
    return altered(state, slots=tuple(slots)), actions


def no_back_off(state: State, event: Any, now: int) -> Stepped:
    state, actions = step(state, event, now)
    if isinstance(event, ev.SeatFailed):
        seats = [altered(s, look_at=now) if s.scope == event.scope else s for s in state.seats]
        state, actions = altered(state, seats=tuple(seats)), (*actions, ev.SleepUntil(now))
    return state, actions


def losers_keep_their_own_time(state: State, event: Any, now: int) -> Stepped:
    """Rule 6: who is denied asks again an interval later, whatever the winner's row says."""
    if isinstance(event, ev.Claimed) and not event.claim.granted and event.claim.why is Denied.WAIT:
        later = event.claim.now_ms + state.slots[event.slot].spec.interval_ms
        event = altered(event, claim=replace(event.claim, eligible_ms=later))
    if isinstance(event, ev.SeatAnswered):
        event = altered(event, reply=replace(event.reply, slots=()))
        slots = tuple(slot if slot.known or event.reply.granted else altered(slot, due=0) for slot in state.slots)
        state = altered(state, slots=slots)  # nor is a slot missed that was never heard of
    return step(state, event, now)


def a_lower_fence_is_a_doubled_answer(state: State, event: Any, now: int) -> Stepped:
    """What a restored database grants is dropped, until its fences have come to where they were."""
    if isinstance(event, ev.Claimed) and event.claim.granted and event.claim.fence <= state.slots[event.slot].fence:
        event = ev.Woke()
    return step(state, event, now)


def no_jitter(state: State, event: Any, now: int) -> Stepped:
    """Who starts together stays together."""
    with patch.object(Draft, "jitter", lambda _, low, __: low):
        return step(state, event, now)


def everybody_asks(state: State, event: Any, now: int) -> Stepped:
    """Who has no seat asks as well."""
    slots = tuple(altered(slot, poked=True, due=now if slot.due == NEVER else slot.due) for slot in state.slots)
    state, actions = step(altered(state, slots=slots), event, now)
    return state, actions


def an_end_is_known_by_its_number(state: State, event: Any, now: int) -> Stepped:
    """The end of a task is that of the run which has its fence's number now."""
    if isinstance(event, ev.RunEnded):
        run = state.slots[event.slot].run
        if run is not None and run.fence.number == event.fence.number:
            event = altered(event, fence=run.fence)
    return step(state, event, now)


def who_cannot_keeps_the_slot(state: State, event: Any, now: int) -> Stepped:
    """What one computer cannot do is nobody's: its client goes on asking for it, as it holds the seat."""
    if isinstance(event, ev.RunEnded):
        event = altered(event, outcome=replace(event.outcome, elsewhere=False))
    return step(state, event, now)


def who_cannot_asks_on(state: State, event: Any, now: int) -> Stepped:
    """It is handed on, and taken again by who could not do it."""
    state, actions = step(state, event, now)
    return altered(state, slots=tuple(altered(slot, unable_until=0) for slot in state.slots)), actions


# -- databases ------------------------------------------------------------------------------------------------------


def _newest(fence: Fence, row: Row) -> Fence:
    """The fence of whoever has the slot now."""
    return replace(fence, number=row.fence, holder=row.holder or "", started_ms=row.started)


class ClientsClock(Database):
    """Rule 1: the asking client's own wall clock decides."""

    who = ""

    @property
    def now(self) -> int:
        wall = random.Random(self.who).randrange(-4_000, 4_000) if self.who else 0
        return self.time + self.offset + wall

    def claim(self, kind: str, scope: int, holder: str, *rest: Any) -> Claim:
        self.who = holder
        claim = super().claim(kind, scope, holder, *rest)
        self.who = ""
        return claim


class ExcludedWhileRunning(Database):
    """Rule 2: the slot is free again when the run ends, not when it is next due."""

    def end(self, row: Row, *rest: Any) -> bool:
        row.eligible = self.now
        return super().end(row, *rest)


class NeedsReaper(Database):
    """Rule 3: only a finish frees a slot; who died keeps it."""

    def due(self, row: Row, horizon: int) -> bool:
        return super().due(row, horizon) and row.holder is None


class SameFenceAfterCrash(Database):
    """Rule 4: a slot taken over keeps its fence."""

    def claim(self, kind: str, scope: int, holder: str, *rest: Any) -> Claim:
        row = self.row(kind, scope)
        if row.holder not in (None, holder) and row.lock is None and row.eligible <= self.now and not row.paused:
            row.fence -= 1
        return super().claim(kind, scope, holder, *rest)


class RenewalWithoutFence(Database):
    """Rule 4: whoever renews is believed."""

    def renew(self, fence: Fence, lease: int) -> int | None:
        row = self.row(fence.kind, fence.scope)
        if row.lock is None and row.holder is not None:
            return super().renew(_newest(fence, row), lease)
        return super().renew(fence, lease)


class FinishWithoutFence(Database):
    """Rule 4: a zombie's finish frees its successor's slot."""

    def end(self, *rest: Any) -> bool:
        self.loose = False
        return super().end(*rest)

    def finish(self, *rest: Any) -> bool:
        self.loose = True
        written = super().finish(*rest)
        self.loose = False
        return written

    loose = False

    def ours(self, fence: Fence) -> Row | None:
        row = self.row(fence.kind, fence.scope)
        loose = self.loose and row.holder is not None and row.lock is None
        return row if loose else super().ours(fence)


class EffectWithoutFence(Database):
    """Rule 4: a write is not guarded."""

    def write(self, fence: Fence) -> Any:
        row = self.row(fence.kind, fence.scope)
        if row.holder is None or row.lock is not None:
            return super().write(fence)
        writing = super().write(_newest(fence, row))
        writing.fence, writing.started = fence.number, fence.started_ms
        return writing


class EffectByNumber(Database):
    """A write is guarded by the fence's number alone, which a restored database gives the same client again."""

    def write(self, fence: Fence) -> Any:
        row = self.row(fence.kind, fence.scope)
        same = (row.fence, row.holder) == (fence.number, fence.holder)
        writing = super().write(_newest(fence, row) if same else fence)
        if writing is not None:
            writing.started = fence.started_ms
        return writing


class LateHeartbeat(Database):
    """Rule 7: a claim leases nothing, the first renewal would."""

    def claim(self, kind: str, scope: int, holder: str, *rest: Any) -> Claim:
        claim = super().claim(kind, scope, holder, *rest)
        if claim.granted:
            self.row(kind, scope).eligible = self.now
        return claim


class LooksThenWrites(Database):
    """Rule 8: the look and the update are two statements; the row may change between them."""

    def due(self, row: Row, horizon: int) -> bool:
        return super().due(row, horizon) or self.now - row.started < 12


class OldCopiesClaim(Database):
    """Rule 11: the protocol of the row is not looked at."""

    def denied(self, row: Row, scope: int, role: int, horizon: int, ttl: int, proto: int) -> Any:
        return super().denied(row, scope, role, horizon, ttl, max(proto, row.proto))


class PauseIgnored(Database):
    def denied(self, row: Row, *rest: Any) -> Any:
        paused, row.paused = row.paused, False
        why = super().denied(row, *rest)
        row.paused = paused
        return why


class ClockSetBackStalls(Database):
    """A row of the future is believed."""

    def due(self, row: Row, horizon: int) -> bool:
        return row.eligible <= self.now


class EverybodyAdmitted(Database):
    """The role is not looked at."""

    def admitted(self, scope: int, role: int, ttl: int) -> bool:
        return True


class DirectorsAdmitted(Database):
    """A director never minds administrators."""

    def admitted(self, scope: int, role: int, ttl: int) -> bool:
        return role < Role.DOCTOR


class DoctorsAsk(Simulation):
    """A doctor's client has tasks."""

    def acts_as(self, role: Role) -> Role:
        return Role.ADMINISTRATOR if role is Role.DOCTOR else role


class LostReplyCostsALease(Database):
    """The same request again is a new claim: who did not hear that it won waits for the end of its own lease."""

    def claim(self, kind: str, scope: int, holder: str, role: int, lease: int, interval: int, *rest: Any) -> Claim:
        self.row(kind, scope).request = None
        return super().claim(kind, scope, holder, role, lease, interval, *rest)


class LoopRenews(Simulation):
    """Rule 5: leases are renewed by the loop that runs the tasks."""

    loop_renews = True


@dataclass(frozen=True)
class Mutant:
    """What is broken, in which world, and what the simulator says of it."""

    says: str
    step: Step = step
    db: Callable[[], Database] = Database
    world: World | None = None  # None = the seed's own
    simulation: type[Simulation] = Simulation

    def violations(self, seed: int) -> list[str]:
        """Return what the simulator finds, of the kind it should find."""
        found = self.simulation(seed, self.world, self.step, self.db).run()
        return [text for text in found if self.says in text]


HARSH = replace(World(), restore=0.0, kill=0.02, pause=0.03, restart=0.03, lose=0.1, slow=0.1, hang=0.1, jump=0.0)
TURNED = replace(World(), jump=0.1)
SICK = replace(World(), branches=1, clients=10, deserted=0.0, sicken=0.15, hang=0.3, lack=0.0)
HURRIED = replace(SICK, sicken=0.8, hang=0.8, pace=90)
RESTORED = replace(QUIET, branches=1, clients=1, seconds=200, restore=0.1, roles=(Role.ADMINISTRATOR,))
LACKING = replace(QUIET, branches=1, clients=6, seconds=200, calm=180, lack=0.1, roles=(Role.ADMINISTRATOR,))
ABANDONED = replace(RESTORED, stubborn=0.5, hang=0.5, seconds=260)
TOGETHER = replace(QUIET, branches=1, clients=120, start_ms=20, roles=(Role.ADMINISTRATOR,))
MUTANTS: Mapping[str, Mutant] = {
    "exception_is_ownership": Mutant("trusts", exception_is_ownership, world=replace(SICK, lose=0.2)),
    "trust_from_the_answer": Mutant("trusts", trust_from_the_answer, world=replace(HARSH, slow=0.3, hang=0.3)),
    "lease_trusted_to_its_end": Mutant("trusts", lease_trusted_to_its_end, world=HURRIED),
    "lost_lease_ignored": Mutant("trusts", lost_lease_ignored, world=replace(SICK, jump=0.2)),
    "time_never_up": Mutant("starved", time_never_up, world=replace(HARSH, hang=0.5)),
    "no_back_off": Mutant("times in a second", no_back_off, world=replace(HARSH, slow=0.0)),
    "losers_keep_their_own_time": Mutant("starved", losers_keep_their_own_time, world=replace(SICK, kill=0.05)),
    "a_lower_fence_is_a_doubled_answer": Mutant("missed", a_lower_fence_is_a_doubled_answer, world=RESTORED),
    "an_end_is_known_by_its_number": Mutant("is still at work", an_end_is_known_by_its_number, world=ABANDONED),
    "who_cannot_keeps_the_slot": Mutant("missed", who_cannot_keeps_the_slot, world=LACKING),
    "who_cannot_asks_on": Mutant("missed", who_cannot_asks_on, world=LACKING),
    "effect_by_number": Mutant("of another run", db=EffectByNumber, world=ABANDONED),
    "loop_renews": Mutant("without a cause", simulation=LoopRenews, world=replace(QUIET, block=0.1, hang=0.3)),
    "no_jitter": Mutant("stampede", no_jitter, world=TOGETHER),
    "everybody_asks": Mutant("statements for", everybody_asks, world=replace(QUIET, clients=24)),
    "clients_clock": Mutant("trusts", db=ClientsClock, world=HARSH),
    "excluded_while_running": Mutant("both served", db=ExcludedWhileRunning),
    "needs_reaper": Mutant("starved", db=NeedsReaper),
    "same_fence_after_crash": Mutant("is granted", db=SameFenceAfterCrash),
    "renewal_without_fence": Mutant("trusts", db=RenewalWithoutFence, world=replace(TURNED, hang=0.3)),
    "finish_without_fence": Mutant("overlapping", db=FinishWithoutFence, world=HARSH),
    "effect_without_fence": Mutant("stale", db=EffectWithoutFence, world=replace(SICK, pause=0.1)),
    "late_heartbeat": Mutant("trusts", db=LateHeartbeat),
    "looks_then_writes": Mutant("trusts", db=LooksThenWrites, step=everybody_asks),
    "old_copies_claim": Mutant("protocol", db=OldCopiesClaim, world=replace(World(), old=0.4)),
    "pause_ignored": Mutant("paused", db=PauseIgnored, world=replace(World(), hold=0.2)),
    "clock_set_back_stalls": Mutant("starved", db=ClockSetBackStalls, world=TURNED),
    "directors_admitted": Mutant("a director", db=DirectorsAdmitted),
    "doctors_admitted": Mutant("a doctor", db=EverybodyAdmitted, simulation=DoctorsAsk),
}
