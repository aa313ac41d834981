"""What goes into the next turn, and when: one statement carries all that a client has to tell the limiter.

Each wish has a *soft* time, from which it may be sent, and a *hard* time, at which it must. Once one is hard, all that
are soft go along. So a lone claim is one statement, and a busy seat's claims, ends and renewals share theirs.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from identsync.engine import runs, seat
from identsync.engine.draft import Draft
from identsync.engine.events import AskClaim, AskSeat, FinishRun, Remember, Turn
from identsync.engine.integration import Role
from identsync.engine.state import NEVER, Seat, Slot

MOST = 8  # finishes, and claims, of one turn (Limiter.turn)


class Wish(NamedTuple):
    """Something to be sent: not before ``soft``, not after ``hard``; ``at`` is its position among seats or slots."""

    soft: int
    hard: int
    at: int


def compose(d: Draft) -> int:
    """Send what must go now, with all that may; remember what is due later; return when to look again."""
    wake = NEVER
    if _next(d) <= d.now:
        _send(d)
        wake = d.now + d.old.policy.answer_ms
    _remember(d)
    return min(wake, _next(d))


def may(d: Draft, slot: Slot) -> bool:
    """Say whether this client is to ask for the slot: it holds the seat, was poked, or may have won unheard."""
    if slot.abandoned >= d.old.policy.max_abandoned or d.old.role is Role.DOCTOR:
        return False
    mine = not slot.newer and (slot.adopted or d.holds(slot.spec.scope))
    return mine or slot.poked or slot.request != ""


# -- wishes ---------------------------------------------------------------------------------------------------------


def _stopping(d: Draft) -> bool:
    return bool(d.get("stop_at") != NEVER)


def _seats(d: Draft) -> Iterator[Wish]:
    if not d.get("started") or _stopping(d):
        return
    for at, each in enumerate(d.seats):
        if not each.asked and seat.is_watched(d, each):
            yield Wish(each.soft_at if each.fence else each.look_at, each.look_at, at)


def _ends(d: Draft) -> Iterator[Wish]:
    for at, slot in enumerate(d.slots):
        run = slot.run
        if run is not None and run.outcome is not None and not run.finishing:
            patience = 0 if _stopping(d) else runs.patience(d, slot, run)
            yield Wish(run.finish_at, run.finish_at + patience, at)


def _claims(d: Draft) -> Iterator[Wish]:
    if _stopping(d):
        return
    for at, slot in enumerate(d.slots):
        if slot.due < NEVER and slot.run is None and not slot.asked and may(d, slot):
            yield Wish(slot.due, slot.due + runs.slack(d, slot), at)


def _room(d: Draft) -> int:
    policy = d.old.policy
    asking = sum(1 for slot in d.slots if slot.asked)
    running = sum(1 for slot in d.slots if slot.run is not None and slot.run.outcome is None)
    return max(0, min(policy.batch - asking, policy.max_runs - running - asking))


def _next(d: Draft) -> int:
    """Return the next hard time; claims without room have none: what makes room is an event of its own."""
    claims = _claims(d) if _room(d) else ()
    return min((wish.hard for wish in (*_seats(d), *_ends(d), *claims)), default=NEVER)


# -- sending --------------------------------------------------------------------------------------------------------


def _send(d: Draft) -> None:
    seats, ends, claims = _soft(d, _seats(d)), _soft(d, _ends(d)), _soft(d, _claims(d))[: _room(d)]
    for first in range(0, max(len(ends), len(claims), 1), MOST):
        part = slice(first, first + MOST)
        asks = tuple(_ask_seat(d, d.seats[at]) for at in seats) if not first else ()
        finishes = tuple(_finish(d, at) for at in ends[part])
        d.act(Turn(asks, finishes, tuple(_claim(d, at) for at in claims[part])))


def _soft(d: Draft, wishes: Iterable[Wish]) -> list[int]:
    """Return what may be sent now, the oldest first."""
    return [wish.at for wish in sorted(wishes) if wish.soft <= d.now]


def _ask_seat(d: Draft, each: Seat) -> AskSeat:
    each = d.seat(each.scope, asked=d.now, sequence=each.sequence + 1)
    return AskSeat(each.scope, each.sequence, each.lease_ms, each.ttl_ms)


def _finish(d: Draft, at: int) -> FinishRun:
    run = d.run(at, finishing=d.now)
    assert run.outcome is not None
    return FinishRun(at, run.fence, run.outcome, release=run.outcome.status in runs.GIVEN_BACK)


def _claim(d: Draft, at: int) -> AskClaim:
    slot = d.slots[at]
    if not slot.request:
        asks = d.get("asks") + 1
        d.set(asks=asks)
        slot = d.slot(at, request=f"{d.old.client}-{asks}", first_asked=d.now)
    d.slot(at, asked=d.now)
    scope = d.seat_of(slot.spec.scope)
    return AskClaim(at, slot.request, scope.ttl_ms if scope else d.seats[0].ttl_ms)


def _remember(d: Draft) -> None:
    """Tell the memory of the core when each slot is to be asked for at the latest."""
    able = {wish.at: wish.hard for wish in _claims(d)} if _room(d) else {}
    for at in range(len(d.slots)):
        due = able.get(at, NEVER)
        if due != d.slots[at].told:
            d.slot(at, told=due)
            d.act(Remember(at, due))
