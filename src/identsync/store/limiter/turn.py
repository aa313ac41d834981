"""A turn in and out: what is asked as rows of values, what the database answers as records."""

import json
from collections.abc import Iterable, Sequence

from identsync.store.limiter import law
from identsync.store.limiter.dialect import (
    CLAIM_ROW,
    ENDING_ROW,
    PRESENT_ROW,
    RENEWAL_ROW,
    SEAT_ROW,
    SLOT_ROW,
    Row,
    Turn,
)
from identsync.store.limiter.grid import phase_ms
from identsync.store.limiter.records import (
    LOCKED,
    Claim,
    ClaimAsk,
    Denied,
    Ending,
    Present,
    Remaining,
    Renewal,
    SeatAsk,
    SeatReply,
    SlotDue,
    TurnReply,
)

SEAT = "seat"
GOOD = frozenset({"ok", "partial"})  # outcomes that count as a success
WAITING = frozenset({"ask"})  # a person must act: the back-off would only nag the other side
NOTE = 400
SEATS, ASKS = 2, 8  # the most of each in one turn
_ENDED = {law.STALE: False, law.WRITTEN: True, law.UNKNOWN: None}
BUSY = Claim(False, 0, 0, 0, why=Denied.BUSY)
RACED = Claim(False, 0, 0, 0, why=Denied.RACED)


def check(
    client: str,
    seats: Sequence[SeatAsk],
    endings: Sequence[Ending],
    renewals: Sequence[Renewal],
    claims: Sequence[ClaimAsk],
) -> None:
    """Raise ValueError for too many asks, two on one slot, another client's fence, a kind not of 1-64 ASCII letters."""
    if len(seats) > SEATS or len(endings) > ASKS or len(renewals) > ASKS or len(claims) > ASKS:
        raise ValueError("too many asks in one turn")
    fences = [each.fence for each in endings]
    fences += [each.fence for each in renewals]
    for fence in fences:
        if fence.holder != client:
            raise ValueError("a fence of another client")
    slots = [(each.kind, each.scope) for each in claims]
    slots += [(fence.kind, fence.scope) for fence in fences]
    for kind, _ in slots:
        if not (kind.isascii() and 0 < len(kind) <= 64):
            raise ValueError(f"not a kind: {kind!r}")
    slots += [(SEAT, each.scope) for each in seats]
    if len(slots) > 1 and len(set(slots)) < len(slots):
        raise ValueError("two asks on the same slot in one turn")


def seat_row(ask: SeatAsk) -> Row:
    """Values of law.SEAT_ASK."""
    return (ask.scope, ask.lease_ms, ask.presence_ttl_ms)


def ending_row(ending: Ending, jitter: float) -> Row:
    """Values of law.ENDING_ASK; ``jitter`` 0..1 makes a back-off 20 % shorter to 20 % longer."""
    fence, good = ending.fence, ending.outcome in GOOD and not ending.release
    if ending.release:
        mode = 3
    elif ending.retry_ms is not None:
        mode = 2
    else:
        mode = int(not good and ending.outcome not in WAITING)
    journal = (ending.outcome, json.dumps(dict(ending.counts)), _cut(ending.note))
    phase = phase_ms(fence.kind, fence.scope, ending.interval_ms)
    wait = (ending.retry_ms or 0, ending.interval_ms, phase, 800 + round(400 * jitter))
    return (fence.kind, fence.scope, fence.number, fence.started_ms, *journal, int(good), mode, *wait)


def renewal_row(renewal: Renewal) -> Row:
    """Values of law.RENEWAL_ASK."""
    fence = renewal.fence
    return (fence.kind, fence.scope, fence.number, fence.started_ms, renewal.lease_ms)


def claim_row(ask: ClaimAsk) -> Row:
    """Values of law.CLAIM_ASK."""
    horizon = max(ask.interval_ms, ask.lease_ms)
    phase = phase_ms(ask.kind, ask.scope, ask.interval_ms)
    return (
        ask.kind, ask.scope, ask.request, ask.lease_ms, horizon, ask.presence_ttl_ms, ask.proto, ask.interval_ms, phase,
    )  # fmt: skip


def unseeded(turn: Turn, rows: Iterable[Row]) -> tuple[list[int], list[int]]:
    """Numbers of the seats and of the claims that no row answers: their slots are not there yet."""
    seats, claims = list(range(len(turn.seats))), list(range(len(turn.claims)))
    for row in rows:
        if row[0] == CLAIM_ROW:
            claims.remove(row[1])
        elif row[0] == SEAT_ROW:
            seats.remove(row[1])
    return seats, claims


def again(turn: Turn, seats: Sequence[int], claims: Sequence[int]) -> Turn:
    """Make a turn of these seats and claims of ``turn`` alone."""
    some = ([turn.seats[i] for i in seats], [turn.claims[i] for i in claims])
    return Turn(turn.client, turn.role, some[0], [], [], some[1])


def merged(rows: Iterable[Row], more: Iterable[Row], seats: Sequence[int], claims: Sequence[int]) -> list[Row]:
    """Rows of a turn and those that answer ``again`` of it, which replace the first ones."""
    kept = [row for row in rows if row[0] > SLOT_ROW or row[1] not in seats]
    return kept + [(row[0], (claims if row[0] == CLAIM_ROW else seats)[row[1]], *row[2:]) for row in more]


def reply(turn: Turn, rows: Iterable[Row]) -> TurnReply:
    """Read the rows of a turn; a claim that no row answers was seeded by another client just now."""
    endings: list[bool | None] = [False] * len(turn.endings)
    renewals: list[Remaining] = [None] * len(turn.renewals)
    claims = [RACED] * len(turn.claims)
    listed: list[Row] = []
    for row in rows:
        tag, i = row[0], row[1]
        if tag == CLAIM_ROW:
            claims[i] = _claim(turn.claims[i], row)
        elif tag == ENDING_ROW:
            endings[i] = _ENDED[row[3]]
        elif tag == RENEWAL_ROW:
            renewals[i] = row[4] if row[3] == law.WRITTEN else LOCKED if row[3] == law.UNKNOWN else None
        else:
            listed.append(row)
    seats = tuple([_seat(turn, [row for row in listed if row[1] == i]) for i in range(len(turn.seats))])
    return TurnReply(seats, tuple(endings), tuple(renewals), tuple(claims))


def locked(turn: Turn) -> TurnReply:
    """Answer a turn of claims, an ending or a renewal that met a lock."""
    renewals: tuple[Remaining, ...] = (LOCKED,) * len(turn.renewals)
    return TurnReply((), (None,) * len(turn.endings), renewals, (BUSY,) * len(turn.claims))


def _cut(note: str) -> str:
    """Cut to what nvarchar(400) holds: UTF-16 units, so an emoji counts as two; PostgreSQL holds no NUL."""
    return note.replace("\0", "").encode("utf-16-le", "replace")[: 2 * NOTE].decode("utf-16-le", "ignore")


def _claim(asked: Row, row: Row) -> Claim:
    granted, fence, eligible, now, attempt, started, paused, min_proto, blocked = row[3:12]
    if granted == law.WRITTEN:
        due = started - (started - asked[8]) % asked[7]
        return Claim(True, fence, eligible, now, attempt, started, due)
    if granted == law.UNKNOWN:
        return BUSY
    if paused:
        why = Denied.PAUSED
    elif min_proto > asked[6]:
        why = Denied.PROTO
    elif blocked:
        why = Denied.ROLE
    else:
        why = Denied.WAIT if eligible > now else Denied.RACED
    return Claim(False, fence, eligible, now, attempt, started or 0, why=why)


def _seat(turn: Turn, rows: Sequence[Row]) -> SeatReply:
    seat = next((row for row in rows if row[0] == SEAT_ROW), None)
    if seat is None:
        return SeatReply(False, 0, 0, 0)
    holder, granted, fence, eligible, now, others = seat[2:8]
    present = [Present(row[2], row[3], row[4]) for row in rows if row[0] == PRESENT_ROW]
    present.append(Present(turn.client, turn.role, now))
    present.sort(key=lambda p: (p.role, p.client))
    slots = [SlotDue(row[2], row[6], row[3], bool(row[4]), bool(row[5])) for row in rows if row[0] == SLOT_ROW]
    slots.sort(key=lambda slot: (slot.scope, slot.kind))  # the database gives them in any order
    crowd = 0 if granted else others + 1
    return SeatReply(bool(granted), fence, eligible, now, tuple(present), tuple(slots), holder or None, crowd)
