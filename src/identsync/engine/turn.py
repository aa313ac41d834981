"""What goes into the next turn, and when: one statement carries all that a client has to tell the limiter.

Each wish has a *soft* time, from which it may be sent, and a *hard* time, at which it must. Once one is hard, all that
are soft go along. So a lone claim is one statement, and a busy seat's claims, ends and renewals share theirs.
"""

from collections.abc import Iterator
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


class Wishes(NamedTuple):
    """All that a client wants to say; no claims where there is no room: what makes room is an event of its own."""

    seats: list[Wish]
    ends: list[Wish]
    claims: list[Wish]
    room: int  # for so many claims

    def hard(self) -> int:
        """Return when the first must go."""
        return min((wish.hard for wishes in (self.seats, self.ends, self.claims) for wish in wishes), default=NEVER)


def compose(d: Draft) -> int:
    """Send what must go now, with all that may; remember what is due later; return when to look again."""
    wishes, wake = _wishes(d), NEVER
    if wishes.hard() <= d.now:
        _send(d, wishes)
        wishes, wake = _wishes(d), d.now + d.old.policy.answer_ms
    _remember(d, wishes.claims)
    return min(wake, wishes.hard())


# -- wishes ---------------------------------------------------------------------------------------------------------


def _wishes(d: Draft) -> Wishes:
    stopping = d.get("stop_at") != NEVER
    asking = running = 0
    ends: list[Wish] = []
    claims: list[Wish] = []
    held = {each.scope for each in d.seats if d.holds(each.scope)}
    for at, slot in enumerate(d.slots):
        run = slot.run
        if slot.asked:
            asking += 1
        elif run is None:
            if slot.due < NEVER and not stopping and _may(d, slot, held):
                due = runs.due(d, slot)
                claims.append(Wish(due, due + runs.slack(d, slot), at))
        elif run.outcome is None:
            running += 1
        elif not run.finishing:
            ends.append(Wish(run.finish_at, run.finish_at + (0 if stopping else runs.patience(d, slot, run)), at))
    room = max(0, min(d.old.policy.batch - asking, d.old.policy.max_runs - running - asking))
    seats = list(_seats(d)) if d.get("started") and not stopping else []
    return Wishes(seats, ends, claims if room else [], room)


def _seats(d: Draft) -> Iterator[Wish]:
    for at, each in enumerate(d.seats):
        if not each.asked and seat.is_watched(d, each):
            yield Wish(min(each.soft_at, each.look_at) if each.fence else each.look_at, each.look_at, at)


def _may(d: Draft, slot: Slot, held: set[int]) -> bool:
    """Say whether this client is to ask for the slot: it holds the seat, was poked, or may have won unheard."""
    if slot.abandoned >= d.old.policy.max_abandoned or d.old.role is Role.DOCTOR:
        return False
    mine = not slot.newer and (slot.adopted or slot.spec.scope in held)
    return mine or slot.poked or slot.request != ""


# -- sending --------------------------------------------------------------------------------------------------------


def _send(d: Draft, wishes: Wishes) -> None:
    seats, ends, claims = _soft(d, wishes.seats), _soft(d, wishes.ends), _soft(d, wishes.claims)[: wishes.room]
    for first in range(0, max(len(ends), len(claims), 1), MOST):
        part = slice(first, first + MOST)
        asks = tuple(_ask_seat(d, d.seats[at]) for at in seats) if not first else ()
        finishes = tuple(_finish(d, at) for at in ends[part])
        d.act(Turn(asks, finishes, tuple(_claim(d, at) for at in claims[part])))


def _soft(d: Draft, wishes: list[Wish]) -> list[int]:
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


def _remember(d: Draft, claims: list[Wish]) -> None:
    """Tell the memory of the core when each slot is to be asked for at the latest."""
    able = {wish.at: wish.hard for wish in claims}
    for at, slot in enumerate(d.slots):
        due = able.get(at, NEVER)
        if due != slot.told:
            d.slot(at, told=due)
            d.act(Remember(at, due))
