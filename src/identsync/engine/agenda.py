"""What the keeper sends next and what the answers mean: no thread, no connection, no clock of its own.

Leases of runs are *standing orders*: renewed each third of the lease, before anything else that waits, or along with a
turn that is sent anyway from a quarter on. An exception is answered as a failure, never guessed.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from identsync.engine.events import (
    AskClaim,
    AskSeat,
    Claimed,
    ClaimFailed,
    DropRun,
    Event,
    Finished,
    FinishFailed,
    FinishRun,
    LeaseLost,
    LeaveSeats,
    Left,
    Renewed,
    RenewFailed,
    SeatAnswered,
    SeatFailed,
    StartRun,
    Turn,
)
from identsync.engine.integration import Outcome
from identsync.engine.state import NEVER, Spec
from identsync.store.limiter import ClaimAsk, Ending, Fence, Renewal, SeatAsk, TurnReply
from identsync.store.limiter.records import LOCKED, Remaining

_MOST = 8  # renewals of a turn
_LOCKED_MS = 200  # a row that was locked is asked for again after this
Key: TypeAlias = tuple[int, Fence]  # slot, run
Reply: TypeAlias = TurnReply | None


class Asked(Protocol):
    """The part of Limiter that jobs need."""

    def turn(
        self,
        client: str,
        role: int,
        *,
        seats: Sequence[SeatAsk] = ...,
        endings: Sequence[Ending] = ...,
        renewals: Sequence[Renewal] = ...,
        claims: Sequence[ClaimAsk] = ...,
    ) -> TurnReply:
        """Say all of it in one statement."""

    def leave(self, client: str, scopes: Sequence[int]) -> None:
        """Give up seats and presence."""


@dataclass(slots=True)
class Order:
    """A lease to be renewed each ``every`` ms, next at ``at``, until local time ``until``."""

    slot: int
    fence: Fence
    lease_ms: int
    every: int
    until: int
    at: int

    @property
    def key(self) -> Key:
        """The run it is for."""
        return self.slot, self.fence


@dataclass(frozen=True, slots=True)
class Who:
    """The client that asks, and its slots."""

    client: str
    role: int
    specs: Sequence[Spec]


@dataclass(frozen=True, slots=True)
class Job:
    """One statement: what the step wants, and the renewals that ride along."""

    who: Who
    action: Turn | LeaveSeats
    orders: tuple[Order, ...] = ()

    def perform(self, limiter: Asked) -> Reply:
        """Send it; blocks. None is the answer to a leave."""
        who, turn = self.who, self.action
        if isinstance(turn, LeaveSeats):
            limiter.leave(who.client, turn.scopes)
            return None
        return limiter.turn(
            who.client,
            who.role,
            seats=[SeatAsk(ask.scope, ask.lease_ms, ask.ttl_ms) for ask in turn.seats],
            endings=[self._ending(end) for end in turn.finishes],
            renewals=[Renewal(order.fence, order.lease_ms) for order in self.orders],
            claims=[self._claim(ask) for ask in turn.claims],
        )

    def parts(self) -> "list[Job]":
        """Return its items as jobs of their own, so that one that cannot be said takes no other along."""
        turn = self.action
        if isinstance(turn, LeaveSeats):
            return [self]
        turns = [Turn(seats=(ask,)) for ask in turn.seats] + [Turn(finishes=(end,)) for end in turn.finishes]
        turns += [Turn(claims=(ask,)) for ask in turn.claims]
        return [Job(self.who, Turn(), (order,)) for order in self.orders] + [Job(self.who, each) for each in turns]

    def bare(self, error: BaseException) -> "Job | None":
        """Return a lone end without counts and note, where those may be what could not be said; else None."""
        match self.action:
            case Turn(finishes=(FinishRun(outcome=Outcome(note=note, counts=counts) as outcome) as end,)) if (
                note or counts
            ):
                said = replace(outcome, counts={}, note=f"the outcome could not be written: {type(error).__name__}")
                if said.note == note:
                    return None
                return Job(self.who, Turn(finishes=(FinishRun(end.slot, end.fence, said, end.release),)))
        return None

    def _ending(self, end: FinishRun) -> Ending:
        outcome, spec = end.outcome, self.who.specs[end.slot]
        return Ending(
            end.fence, spec.interval_ms, str(outcome.status), outcome.counts, outcome.note, outcome.retry_ms,
            end.release,
        )  # fmt: skip

    def _claim(self, ask: AskClaim) -> ClaimAsk:
        spec = self.who.specs[ask.slot]
        return ClaimAsk(spec.kind, spec.scope, spec.lease_ms, spec.interval_ms, ask.request, ask.ttl_ms, spec.proto)


class Agenda:
    """A client's queue of statements and its standing orders; times are local monotonic ms."""

    def __init__(self, client: str, role: int, specs: Sequence[Spec], answer_ms: int) -> None:
        self.who = Who(client, int(role), specs)
        self._answer_ms = answer_ms
        self._queue: deque[tuple[int, Turn | LeaveSeats]] = deque()  # when the step gives it up, what it wants
        self._orders: dict[Key, Order] = {}

    def put(self, action: Turn | LeaveSeats, now: int) -> None:
        """Queue what the step wants; each item is answered by an event."""
        self._queue.append((now + self._answer_ms, action))

    def hold(self, action: StartRun) -> None:
        """Renew the run's lease from now on."""
        first = action.sent + action.every_ms
        order = Order(action.slot, action.fence, action.lease_ms, action.every_ms, action.renew_until, first)
        self._orders[order.key] = order

    def drop(self, action: DropRun) -> None:
        """Renew no more."""
        self._orders.pop((action.slot, action.fence), None)

    def next(self, now: int) -> Job | int:
        """Return the next statement and forget it, or the time of the next renewal (NEVER for none)."""
        while self._queue and self._queue[0][0] <= now:
            self._queue.popleft()
        for key in [key for key, order in self._orders.items() if order.until <= now]:
            del self._orders[key]
        renewal = min((order.at for order in self._orders.values()), default=NEVER)
        action: Turn | LeaveSeats = Turn()
        if self._queue and (renewal > now or isinstance(self._queue[0][1], Turn)):
            action = self._queue.popleft()[1]
        elif renewal > now:
            return renewal
        return Job(self.who, action, self._riding(action, now) if isinstance(action, Turn) else ())

    def _riding(self, turn: Turn, now: int) -> tuple[Order, ...]:
        """Return the renewals that are due or nearly due, but none of a slot that the turn has already."""
        touched = {end.slot for end in turn.finishes} | {ask.slot for ask in turn.claims}
        near = [o for o in self._orders.values() if o.at - o.every // 4 <= now and o.slot not in touched]
        first = {order.slot: order for order in sorted(near, key=lambda order: (order.at, order.slot))}
        return tuple(first.values())[:_MOST]

    # -- what came of it

    def answered(self, job: Job, reply: Reply, sent: int, now: int) -> tuple[Event, ...]:
        """Return the answers as events: renewals, then seats, finishes, claims in the turn's order."""
        turn = job.action
        if isinstance(turn, LeaveSeats) or reply is None:
            return (Left(),)
        renewals = zip(job.orders, reply.renewals, strict=True)
        ends = zip(turn.finishes, reply.endings, strict=True)
        return (
            *(self._renewed(order, remaining, sent, now) for order, remaining in renewals),
            *(SeatAnswered(a.scope, a.sequence, sent, r) for a, r in zip(turn.seats, reply.seats, strict=True)),
            *(self._finished(end, written) for end, written in ends),
            *(Claimed(a.slot, a.request, sent, c) for a, c in zip(turn.claims, reply.claims, strict=True)),
        )

    def failed(self, job: Job, now: int) -> tuple[Event, ...]:
        """Return the failure of each item: whether the statement took effect is not known."""
        turn = job.action
        if isinstance(turn, LeaveSeats):
            return (Left(),)
        for order in job.orders:
            order.at = now + max(1, order.every // 2)
        items: tuple[AskSeat | FinishRun | AskClaim, ...] = (*turn.seats, *turn.finishes, *turn.claims)
        return (*(RenewFailed(*order.key) for order in job.orders), *(_failure(item) for item in items))

    def _renewed(self, order: Order, remaining: Remaining, sent: int, now: int) -> Event:
        if remaining is LOCKED:
            order.at = now + min(_LOCKED_MS, max(1, order.every // 2))
            return RenewFailed(*order.key)
        order.at = sent + order.every
        if remaining is None:
            self._orders.pop(order.key, None)
            return LeaseLost(*order.key)
        return Renewed(*order.key, sent, remaining)

    def _finished(self, end: FinishRun, written: bool | None) -> Event:
        if written is None:
            return FinishFailed(end.slot, end.fence)
        self._orders.pop((end.slot, end.fence), None)
        return Finished(end.slot, end.fence, written)


def _failure(item: AskSeat | FinishRun | AskClaim) -> Event:
    match item:
        case AskSeat():
            return SeatFailed(item.scope, item.sequence)
        case FinishRun():
            return FinishFailed(item.slot, item.fence)
    return ClaimFailed(item.slot, item.request)
