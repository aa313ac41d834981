"""The engine's decisions: a pure function of what a client knows, what happened, and its own clock.

Terms, and why this is safe: ``identsync.engine``. An exception is never ownership: it extends no trust window. Times
of the database are used as differences within one reply and never compared with the client's.
"""

from collections.abc import Callable
from typing import Any

from identsync.engine import runs, seat, turn
from identsync.engine.draft import Draft
from identsync.engine.events import (
    Action,
    Claimed,
    ClaimFailed,
    Event,
    Finished,
    FinishFailed,
    LeaseLost,
    LeaveSeats,
    Left,
    Poked,
    Rang,
    Renewed,
    RenewFailed,
    RunEnded,
    SeatAnswered,
    SeatFailed,
    SleepUntil,
    Started,
    Stopped,
    Stopping,
    Woke,
)
from identsync.engine.state import NEVER, State

_LEAVE_MS = 500  # how long after their cancellation runs may keep the seats of a client that stops


def step(state: State, event: Event, now: int) -> tuple[State, tuple[Action, ...]]:
    """Return what the client knows after ``event`` at local monotonic ``now`` (ms), and what it does next.

    Pure: the same arguments give the same answer; ``state`` is not changed. Each action is answered by an event,
    sooner, later, twice or never; all of these are safe.
    """
    if state.stopped and not isinstance(event, Claimed | RunEnded):
        return state, ()
    d = Draft(state, now, woken=isinstance(event, Woke))
    _HANDLERS[type(event)](d, event)
    _advance(d)
    return d.freeze(), tuple(d.actions)


# -- a person, the end ----------------------------------------------------------------------------------------------


def _poked(d: Draft, event: Poked) -> None:
    i = d.old.index.get((event.kind, event.scope))
    if i is not None and d.slots[i].run is None and not d.slots[i].asked:
        d.slot(i, due=d.now, poked=True, stale=0)


def _stopping(d: Draft, event: Stopping) -> None:
    if d.get("stop_at") == NEVER:
        finish_ms = min(d.old.policy.finish_grace_ms, event.grace_ms // 3)
        d.set(stop_at=d.now + event.grace_ms, finish_until=d.now + finish_ms)


def _left(d: Draft, _: Left) -> None:
    if d.get("leaving") == 1:
        d.set(leaving=2)


def _started(d: Draft, _: Started) -> None:
    d.set(started=True)
    for each in d.seats:
        d.seat(each.scope, look_at=d.now)


def _nothing(_: Draft, __: Any) -> None:
    return


_HANDLERS: dict[type, Callable[[Draft, Any], None]] = {
    Started: _started,
    Woke: _nothing,
    SeatAnswered: seat.answered,
    SeatFailed: seat.failed,
    Rang: seat.rang,
    Claimed: runs.claimed,
    ClaimFailed: runs.claim_failed,
    Renewed: runs.renewed,
    RenewFailed: _nothing,
    LeaseLost: runs.lease_lost,
    RunEnded: runs.run_ended,
    Finished: runs.finished,
    FinishFailed: runs.finish_failed,
    Poked: _poked,
    Left: _left,
    Stopping: _stopping,
}

# -- what time itself decides ---------------------------------------------------------------------------------------


def _advance(d: Draft) -> None:
    stopping = d.get("stop_at") != NEVER
    wake = NEVER
    if d.get("started") and not stopping:
        wake = seat.advance(d)
    for i in range(len(d.slots)):
        wake = min(wake, runs.watch(d, i))
    wake = min(wake, turn.compose(d))
    if stopping:
        wake = min(wake, _end(d))
    d.act(SleepUntil(wake))


def _end(d: Draft) -> int:
    """Leave the seats once the runs are over, so that who takes them finds every slot free; then stop.

    Neither waits for ever: seats are left soon after the runs were cancelled, and the grace ends it all.
    """
    stop_at: int = d.get("stop_at")
    leave_at: int = min(stop_at, d.get("finish_until") + _LEAVE_MS)
    busy = any(slot.run is not None or slot.asked for slot in d.slots)
    if d.get("leaving") == 0 and (not busy or d.now >= leave_at):
        _leave(d)
    over = d.now >= stop_at or (not busy and d.get("leaving") == 2)
    if over and not d.get("stopped"):
        d.set(stopped=True)
        d.act(Stopped())
    return NEVER if over else stop_at if d.get("leaving") else leave_at


def _leave(d: Draft) -> None:
    for each in d.seats:
        d.seat(each.scope, fence=0, trusted_until=0, asked=0)
    if d.old.started and d.seats:
        d.set(leaving=1)
        d.act(LeaveSeats(tuple(each.scope for each in d.seats)))
    else:
        d.set(leaving=2)
