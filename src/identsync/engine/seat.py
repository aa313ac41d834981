"""The seat: who of a branch's clients bothers to ask, and when the others look again (facts: limiter.md B6).

A follower sleeps until the end of the winner's lease plus a spacing that doubles with its rank, at most a lease for
each who is there: so the first follower takes over within a lease and thousands of others cost next to nothing.
Administrators rank before directors. A slot that the holder neglects (it is too old for it or has never heard of it,
its runs hang, or its computer lacks what the task needs) is adopted by the follower that sees it, without the seat.
"""

from identsync.engine.draft import Draft
from identsync.engine.events import LeaveSeats, Listen, Rang, SeatAnswered, SeatFailed
from identsync.engine.integration import Role
from identsync.engine.state import NEVER, Seat, Spec, margin, presence
from identsync.store.limiter import SeatReply, SlotDue

_QUICK = 4  # stale answers in a row that are asked again at once
_AFAR = 8  # leases between two looks of a client that only watches
_HEIRS = 2  # followers that are punctual without a bell
_LISTENERS = 3  # followers that listen for it: two may die, or the dead be taken for living, before the third looks


def spacing(lease_ms: int, rank: int, cap_ms: int) -> int:
    """Return how often a follower of that rank looks, ms: lease * 2^(rank-1), at most ``cap_ms``."""
    return min(cap_ms, lease_ms << min(max(rank, 1) - 1, 24))


def patience(lease_ms: int, crowd: int, cap_ms: int) -> int:
    """Return the longest time between two looks of a follower, ms: of all of them together about one a lease.

    So where few are in line even the last one sees soon that all before it have gone home.
    """
    return min(cap_ms, lease_ms * crowd) if crowd else cap_ms


def rank_of(reply: SeatReply, client: str, role: Role, lease_ms: int, cap_ms: int) -> int:
    """Return this client's place among the followers, 1 = first in line; the dead in line are not counted.

    A client in line is taken for dead when it has not looked for one and a half times its spacing. Taking a sleeper
    for dead costs a few more looks and nothing else.
    """
    mine = (int(role), client)
    ahead = sorted((p.role, p.client, p.seen_ms) for p in reply.present if (p.role, p.client) < mine)
    holder = reply.holder
    rank = 1
    for _, other, seen in ahead:
        alive = reply.now_ms - seen <= spacing(lease_ms, rank, cap_ms) * 3 // 2 + 1_000
        if other != holder and alive:
            rank += 1
    return rank


def administrator_age(reply: SeatReply) -> int | None:
    """Return how long ago an administrator was seen in the seat's scope, ms, or None for never."""
    ages = [reply.now_ms - p.seen_ms for p in reply.present if p.role == Role.ADMINISTRATOR]
    return max(0, min(ages)) if ages else None


def answered(d: Draft, event: SeatAnswered) -> None:
    """Take in the answer to the newest ask for a seat; others are late or doubled and dropped."""
    seat = d.seat_of(event.scope)
    if seat is None or not seat.asked or seat.sequence != event.sequence:
        return
    reply = event.reply
    if not reply.granted and reply.now_ms == 0:  # the row stayed locked: no answer at all
        failed(d, SeatFailed(event.scope, event.sequence))
        return
    seat = d.seat(event.scope, asked=0, failures=0, ttl_ms=_ttl(d, seat, reply))
    barred = _barred(d, seat, reply)
    if reply.granted and barred:
        _yield(d, seat, barred)
    elif reply.granted:
        _won(d, seat, event)
    else:
        _denied(d, seat, reply, barred)
    _news(d, seat, reply, barred=barred > 0)


def failed(d: Draft, event: SeatFailed) -> None:
    """Ask again later: soon while the seat is held, else with growing waits."""
    seat = d.seat_of(event.scope)
    if seat is not None and seat.asked and seat.sequence == event.sequence:
        failures = seat.failures + 1
        wait = d.backoff(failures)
        if seat.fence:
            wait = min(wait, seat.lease_ms // 6)
        d.seat(event.scope, asked=0, failures=failures, look_at=d.now + wait)


def rang(d: Draft, event: Rang) -> None:
    """Look at once when a seat was given up; the first follower before the second, to spare the database.

    With the branch's the network's: whoever gave up the one had the other, or cannot do a task of it.
    """
    seat = d.seat_of(event.scope)
    if seat is None or seat.fence or seat.asked or not is_open(d, seat) or not 0 < seat.rank <= _LISTENERS:
        return
    look = d.now + (seat.rank - 1) * 150
    for each in d.seats if seat.scope == d.seats[0].scope else (seat,):
        if not each.fence:
            d.seat(each.scope, look_at=min(each.look_at, look))


def is_open(d: Draft, seat: Seat) -> bool:
    """Say whether this client contends for the seat now: for the network's only as the holder of its branch's."""
    first = d.seats[0]
    return seat.scope == first.scope or d.holds(first.scope)


def is_watched(d: Draft, seat: Seat) -> bool:
    """Say whether this client looks at the seat, too.

    At the network's look, now and then, the first in the branch's line, and who adopted a slot: all before it in line
    may be too old to run the network's tasks.
    """
    return is_open(d, seat) or 0 < d.seats[0].rank <= _HEIRS or any(slot.adopted for slot in d.slots)


def advance(d: Draft) -> int:
    """Give up what can no longer be trusted or waited for; return when to look again. Asks are the turn's."""
    for position in range(len(d.seats)):
        seat = d.seats[position]
        if seat.fence and d.now >= seat.trusted_until:
            seat = _lost(d, seat)
        if seat.asked and d.now >= seat.asked + d.old.policy.answer_ms:
            failed(d, SeatFailed(seat.scope, seat.sequence))
    wake = min((_watched(d, each) for each in d.seats), default=NEVER)
    heard = tuple(s.scope for s in d.seats if not s.fence and 0 < s.rank <= _LISTENERS and is_open(d, s))
    if heard != d.old.listening:
        d.set(listening=heard)
        d.act(Listen(heard))
    return wake


def _watched(d: Draft, seat: Seat) -> int:
    """Return when the seat's trust or the patience for an answer ends."""
    wake = seat.asked + d.old.policy.answer_ms if seat.asked and is_watched(d, seat) else NEVER
    return min(wake, seat.trusted_until) if seat.fence else wake


def _won(d: Draft, seat: Seat, event: SeatAnswered) -> None:
    reply = event.reply
    remaining = reply.eligible_ms - reply.now_ms
    trusted = event.sent + remaining - margin(seat.lease_ms)
    third = seat.lease_ms // 3
    look = event.sent + third - d.jitter(0, max(1, third // 8))
    d.seat(
        seat.scope, fence=reply.fence, trusted_until=trusted, soft_at=event.sent + seat.lease_ms // 4,
        look_at=max(look, d.now + 50), rank=0, stale=0, free_at=d.now + remaining,
    )  # fmt: skip
    if not seat.fence:
        _enter(d, seat.scope)


def _enter(d: Draft, scope: int) -> None:
    """A seat was just won: slots that the database does not know yet are due, the network's seat is worth a look."""
    for i, slot in enumerate(d.slots):
        if slot.spec.scope == scope and not slot.known and not slot.request and slot.run is None:
            d.slot(i, due=d.now)
    for seat in d.seats[1:]:
        if seat.scope != scope and not seat.asked:
            d.seat(seat.scope, look_at=d.now)


def _denied(d: Draft, seat: Seat, reply: SeatReply, barred: int) -> None:
    if seat.fence:
        seat = _lost(d, seat)
    cap = patience(seat.lease_ms, reply.crowd, d.old.policy.backoff_cap_ms)
    remaining = min(reply.eligible_ms - reply.now_ms, 2 * seat.lease_ms)  # more = the database's clock was set back
    rank = rank_of(reply, d.old.client, d.old.role, seat.lease_ms, cap)
    if remaining > 0:
        gap = spacing(seat.lease_ms, rank, cap)
        late = gap // 8 if rank <= _HEIRS else gap // 2  # thousands that started together must not stay together
        wait = min(cap, remaining + gap - seat.lease_ms) + d.jitter(0, max(1, late))
        stale = 0
    elif barred:
        wait, stale, rank = barred + d.jitter(0, seat.lease_ms // 4), 0, 0
    else:  # free all the same: the answer is older than the winner, or the row was locked
        stale = seat.stale + 1
        wait = d.jitter(50, 250) if stale <= _QUICK else seat.lease_ms + d.jitter(0, seat.lease_ms // 4)
    if not is_open(d, seat):
        wait = max(wait, min(d.old.policy.backoff_cap_ms, _AFAR * seat.lease_ms))
    d.seat(seat.scope, look_at=d.now + max(1, wait), rank=rank, stale=stale, free_at=d.now + max(0, remaining))


def _ttl(d: Draft, seat: Seat, reply: SeatReply) -> int:
    """Return how long others count as there: to a director, administrators as long as any in the line may sleep."""
    if d.old.role is not Role.DIRECTOR or reply.granted or d.old.policy.presence_ttl_ms:
        return seat.ttl_ms
    return presence(seat.lease_ms, patience(seat.lease_ms, reply.crowd, d.old.policy.backoff_cap_ms))


def _barred(d: Draft, seat: Seat, reply: SeatReply) -> int:
    """Return for how long a director must keep away because an administrator is at work, ms; 0 = it need not."""
    if d.old.role is not Role.DIRECTOR:
        return 0
    age = administrator_age(reply)
    return 0 if age is None or age >= seat.ttl_ms else max(seat.lease_ms, seat.ttl_ms - age)


def _yield(d: Draft, seat: Seat, barred: int) -> None:
    scopes = (seat.scope,) if seat.scope != d.seats[0].scope else tuple(s.scope for s in d.seats)
    for scope in scopes:
        d.seat(scope, fence=0, trusted_until=0, asked=0)
    d.act(LeaveSeats(scopes))
    d.seat(seat.scope, look_at=d.now + barred + d.jitter(0, seat.lease_ms // 4), rank=0, stale=0)


def _lost(d: Draft, seat: Seat) -> Seat:
    """Forget the seat; with the branch's the network's goes too, given up so that its next holder need not wait."""
    first = d.seats[0]
    if seat.scope == first.scope:
        held = [s for s in d.seats[1:] if s.fence or s.asked]
        for other in held:
            d.seat(other.scope, fence=0, trusted_until=0, asked=0)
        if held:
            d.act(LeaveSeats(tuple(s.scope for s in held)))
    return d.seat(seat.scope, fence=0, trusted_until=0)


def _news(d: Draft, seat: Seat, reply: SeatReply, *, barred: bool) -> None:
    """Re-arm from what the seat's answer tells of the slots: run now, pause, other clients' runs, what nobody runs."""
    for news in reply.slots:
        i = d.old.index.get((news.kind, news.scope))
        if i is None:
            continue
        _rearm(d, i, news, d.now + news.eligible_ms - reply.now_ms)
        if not barred and not d.holds(news.scope) and _is_neglected(d, seat, i, news, reply.now_ms):
            d.slot(i, adopted=True)
    if not reply.granted and not barred:
        _adopt_unheard_of(d, seat, {(news.kind, news.scope) for news in reply.slots})


def _adopt_unheard_of(d: Draft, seat: Seat, heard_of: set[tuple[str, int]]) -> None:
    """Adopt slots that have no row for as long: the holder, an older program maybe, has no such task."""
    for i, slot in enumerate(d.slots):
        spec = slot.spec
        if spec.scope != seat.scope or slot.known or slot.request or (spec.kind, spec.scope) in heard_of:
            continue
        if not slot.due:
            d.slot(i, due=d.now + neglect(seat))
        elif slot.due <= d.now:
            d.slot(i, adopted=True)


def _is_neglected(d: Draft, seat: Seat, i: int, news: SlotDue, now_ms: int) -> bool:
    """Say whether a slot is long overdue, or out of reach since the database's clock was set back."""
    overdue = now_ms - news.eligible_ms
    return not news.paused and (overdue > neglect(seat) or -overdue > horizon(d.slots[i].spec))


def neglect(seat: Seat) -> int:
    """Return how long overdue a slot of the seat is taken for neglected, ms."""
    return 2 * seat.lease_ms


def horizon(spec: Spec) -> int:
    """Return the longest a slot is left alone, ms: a later due time means that the database's clock was set back."""
    return 2 * max(spec.interval_ms, spec.lease_ms)


def _rearm(d: Draft, i: int, news: SlotDue, due: int) -> None:
    slot = d.slots[i]
    if slot.run is not None or slot.asked or slot.request:
        return  # what this client is about to hear itself is newer
    longest = d.now + horizon(slot.spec)
    if due > longest:  # asked for all the same, once in a horizon: the next news must not put it off again
        due = slot.due if slot.known and slot.due <= longest else longest
    due = NEVER if news.paused else due
    if slot.poked:
        due = min(due, slot.due)
    if not slot.known or due != slot.due or news.held != slot.leased:
        d.slot(i, known=True, due=due, leased=news.held)
