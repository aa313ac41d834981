"""The limiter as a dict: what store/limiter/law.py says in SQL, in plain Python, with a clock that a test may turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.world import BASE_MS
from identsync.store.limiter import (
    Claim,
    ClaimAsk,
    Denied,
    Ending,
    Fence,
    Present,
    Renewal,
    SeatAsk,
    SeatReply,
    SlotDue,
    TurnReply,
)
from identsync.store.limiter.grid import due_at, next_due
from identsync.store.limiter.records import LOCKED, Remaining

SEAT = "seat"
GOOD = ("ok", "partial")
IDLE_MS = 5_000  # the server ends a transaction in which nothing happens for so long
Key = tuple[str, int]


@dataclass(slots=True)
class Row:
    eligible: int = 0
    stamp: int = 0
    fence: int = 0
    holder: str | None = None
    request: str | None = None
    started: int = 0
    attempt: int = 0
    paused: bool = False
    proto: int = 1
    lock: "Writing | None" = None


@dataclass(slots=True)
class Entry:
    """A row of the journal, and what the simulator saw beside it (``at``, ``ended``: true virtual time)."""

    kind: str
    scope: int
    fence: int
    holder: str
    role: int
    due: int
    started: int
    at: int
    outcome: str = "running"
    retry: int | None = None
    ended: int | None = None


@dataclass(slots=True)
class Effect:
    """A write under a fence: what the newest fence was when it committed."""

    kind: str
    scope: int
    fence: int
    newest: int
    at: int


@dataclass(slots=True, eq=False)
class Writing:
    """An open transaction of a task's write; it holds the slot's row."""

    kind: str
    scope: int
    fence: int
    started: int
    since: int
    open: bool = True


Presence = dict[int, dict[str, tuple[int, int]]]
Backup = tuple[int, dict[Key, Row], Presence, dict[tuple[str, int, int], Entry]]


class TornError(Exception):
    """The connection broke between two items of a turn."""


def _nothing(*_: object) -> None:
    return


@dataclass
class Database:
    """Slots, seats, presence and the journal; ``time`` is true virtual time, ``offset`` what its clock is off by.

    ``granted``, ``seen`` and ``gone`` hear of what is answered: (client, role, kind, scope, proto,
    claim), (client, role, scope, ttl), (client, scopes); ``ended`` and ``written`` of what is committed: (fence),
    (writing, row).
    """

    time: int = 0
    offset: int = BASE_MS
    rows: dict[Key, Row] = field(default_factory=dict)
    slots: dict[int, dict[str, Row]] = field(default_factory=dict)
    presence: Presence = field(default_factory=dict)
    journal: dict[tuple[str, int, int], Entry] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    writings: set[Writing] = field(default_factory=set)
    statements: int = 0
    tear: int | None = None  # the next turn breaks after so many items (SQL Server: each is its own transaction)
    granted: Callable[..., None] = _nothing
    seen: Callable[..., None] = _nothing
    gone: Callable[..., None] = _nothing
    ended: Callable[..., None] = _nothing
    written: Callable[..., None] = _nothing

    @property
    def now(self) -> int:
        return self.time + self.offset

    # -- the limiter's operations

    def turn(
        self, client: str, role: int, *, seats: Sequence[SeatAsk] = (), endings: Sequence[Ending] = (),
        renewals: Sequence[Renewal] = (), claims: Sequence[ClaimAsk] = (),
    ) -> TurnReply:  # fmt: skip
        """All of it in one statement; a row that is held costs only its own answer."""
        self.statements += 1
        return TurnReply(
            tuple(self._item(self.seat, a.scope, client, role, a.lease_ms, a.presence_ttl_ms) for a in seats),
            tuple(self._item(self.ending, each) for each in endings),
            tuple(self._item(self.renewal, each) for each in renewals),
            tuple(self._item(self.asked, client, role, each) for each in claims),
        )

    def _item(self, work: Callable[..., Any], *asked: Any) -> Any:
        if self.tear is not None:
            self.tear -= 1
            if self.tear < 0:
                raise TornError
        return work(*asked)

    def ending(self, end: Ending) -> bool | None:
        if self.held(end.fence):
            return None
        if end.release:
            return self.release(end.fence, end.outcome)
        return self.finish(end.fence, end.interval_ms, end.outcome, end.retry_ms)

    def renewal(self, renewal: Renewal) -> Remaining:
        return LOCKED if self.held(renewal.fence) else self.renew(renewal.fence, renewal.lease_ms)

    def asked(self, client: str, role: int, ask: ClaimAsk) -> Claim:
        if self.locked(self.row(ask.kind, ask.scope)):
            return Claim(False, 0, 0, 0, why=Denied.BUSY)
        key = (ask.kind, ask.scope, client, role)
        return self.claim(*key, ask.lease_ms, ask.interval_ms, ask.request, ask.presence_ttl_ms, ask.proto)

    def seat(self, scope: int, client: str, role: int, lease: int, ttl: int) -> SeatReply:
        present = self.presence.setdefault(scope, {})
        present.pop(client, None)
        present[client] = (role, self.now)
        self.seen(client, role, scope, ttl)
        row = self.row(SEAT, scope)
        holder = present.get(row.holder or "", (0, 0))
        free = row.holder in (client, None) or self.due(row, lease) or holder[0] > role
        granted = free and self.admitted(scope, role, ttl)
        if granted:
            if row.holder != client:
                row.fence, row.started, row.holder = row.fence + 1, self.now, client
            row.eligible, row.stamp = self.now + lease, self.now
        fresh = tuple(Present(c, r, seen) for c, (r, seen) in present.items() if abs(self.now - seen) < ttl)
        slots = tuple(
            SlotDue(kind, place, r.eligible, r.paused, r.holder is not None)
            for place in {scope, 0}
            for kind, r in self.slots.get(place, {}).items()
            if kind != SEAT and (place == scope or (not r.paused and r.eligible < self.now - 2 * lease))
        )
        crowd = 0 if granted else sum(self.now - seen < 72 * lease for _, seen in present.values())
        return SeatReply(granted, row.fence, row.eligible, self.now, fresh, slots, row.holder, crowd)

    def claim(
        self, kind: str, scope: int, holder: str, role: int, lease: int, interval: int, request: str, ttl: int,
        proto: int = 1,
    ) -> Claim:  # fmt: skip
        row = self.row(kind, scope)
        again = row.holder == holder and row.request == request
        if not again and (why := self.denied(row, scope, role, max(interval, lease), ttl, proto)):
            return Claim(False, row.fence, row.eligible, self.now, why=why)
        if not again:
            row.fence, row.attempt, row.started = row.fence + 1, row.attempt + 1, self.now
        row.holder, row.request, row.eligible, row.stamp = holder, request, self.now + lease, self.now
        row.proto = max(row.proto, proto)
        due = due_at(kind, scope, interval, row.started)
        entry = Entry(kind, scope, row.fence, holder, role, due, row.started, self.time)
        self.journal.setdefault((kind, scope, row.fence), entry)
        claim = Claim(True, row.fence, row.eligible, self.now, row.attempt, row.started, due)
        self.granted(holder, role, kind, scope, proto, claim)
        return claim

    def denied(self, row: Row, scope: int, role: int, horizon: int, ttl: int, proto: int) -> Denied | None:
        if row.paused:
            return Denied.PAUSED
        if row.proto > proto:
            return Denied.PROTO
        if not self.admitted(scope, role, ttl):
            return Denied.ROLE
        if self.due(row, horizon):
            return None
        return Denied.WAIT if row.eligible > self.now else Denied.RACED

    def renew(self, fence: Fence, lease: int) -> int | None:
        row = self.ours(fence)
        if row is None or row.eligible <= self.now:
            return None
        row.eligible, row.stamp = self.now + lease, self.now
        return lease

    def finish(self, fence: Fence, interval: int, outcome: str, retry: int | None = None) -> bool:
        row = self.ours(fence)
        if row is None:
            return self.was(fence, outcome)
        grid = next_due(fence.kind, fence.scope, interval, self.now)
        backoff = self.now + (1_000 << min(row.attempt, 16))
        row.eligible = grid if outcome in (*GOOD, "ask") else min(grid, backoff)
        if retry is not None:
            row.eligible = self.now + retry
        row.attempt = 0 if outcome in GOOD else row.attempt
        return self.end(row, fence, outcome, retry)

    def release(self, fence: Fence, outcome: str) -> bool:
        row = self.ours(fence)
        if row is None:
            return self.was(fence, outcome)
        row.eligible, row.attempt = self.now, max(0, row.attempt - 1)
        return self.end(row, fence, outcome, None)

    def leave(self, client: str, scopes: tuple[int, ...]) -> None:
        self.statements += len(scopes)
        self.gone(client, scopes)
        for scope in scopes:
            self.presence.get(scope, {}).pop(client, None)
            row = self.rows.get((SEAT, scope))
            if row is not None and row.holder == client:
                row.holder, row.eligible, row.stamp = None, self.now, self.now

    # -- tasks' writes: the row is held from the look at the fence to the commit

    def write(self, fence: Fence) -> "Writing | None":
        """Begin a write; None = the fence is stale, or another write holds the row."""
        row = self.ours(fence)
        if row is None or self.locked(row):
            return None
        row.lock = Writing(fence.kind, fence.scope, fence.number, fence.started_ms, self.time)
        self.writings.add(row.lock)
        return row.lock

    def commit(self, writing: Writing) -> None:
        if writing.open:
            row = self.rows[writing.kind, writing.scope]
            self.effects.append(Effect(writing.kind, writing.scope, writing.fence, row.fence, self.time))
            self.written(writing, row)
        self.rollback(writing)

    def rollback(self, writing: Writing) -> None:
        writing.open = False
        self.writings.discard(writing)
        row = self.rows.get((writing.kind, writing.scope))
        if row is not None and row.lock is writing:
            row.lock = None

    def restart(self) -> None:
        """Connections fail and what was not committed is lost."""
        for writing in list(self.writings):
            self.rollback(writing)

    # -- its administrator

    def backup(self) -> Backup:
        """Return a copy of all that is committed."""
        rows = {key: replace(row, lock=None) for key, row in self.rows.items()}
        journal = {key: replace(entry) for key, entry in self.journal.items()}
        return self.time, rows, {scope: dict(present) for scope, present in self.presence.items()}, journal

    def restore(self, backup: Backup) -> None:
        """Go back to a copy; what persons have paused they pause again."""
        held = [key for key, row in self.rows.items() if row.paused]
        _, rows, presence, journal = backup
        self.rows, self.slots = {}, {}
        self.presence = {scope: dict(present) for scope, present in presence.items()}
        self.journal = {key: replace(entry) for key, entry in journal.items()}
        for (kind, scope), row in rows.items():
            self.rows[kind, scope] = self.slots.setdefault(scope, {})[kind] = replace(row, paused=False)
        for key in held:
            self.row(*key).paused = True

    # -- persons

    def run_now(self, kind: str, scope: int) -> bool:
        row = self.rows.get((kind, scope))
        if row is None or row.paused or (row.holder is not None and row.eligible > self.now):
            return False
        row.eligible = row.stamp = self.now
        return True

    def pause(self, kind: str, scope: int, paused: bool) -> None:
        self.row(kind, scope).paused = paused

    # -- the law

    def row(self, kind: str, scope: int) -> Row:
        row = self.rows.get((kind, scope))
        if row is None:
            row = self.rows[kind, scope] = Row()
            self.slots.setdefault(scope, {})[kind] = row
        return row

    def locked(self, row: Row) -> bool:
        if row.lock is not None and self.time - row.lock.since > IDLE_MS:
            self.rollback(row.lock)
        return row.lock is not None

    def due(self, row: Row, horizon: int) -> bool:
        return row.eligible <= self.now or row.stamp > self.now + horizon

    def admitted(self, scope: int, role: int, ttl: int) -> bool:
        if role:
            seen = self.presence.get(scope, {}).values()
            return role == 1 and not any(r == 0 and abs(self.now - at) < ttl for r, at in seen)
        return True

    def ours(self, fence: Fence) -> Row | None:
        """The row, if it is that run's."""
        row = self.rows.get((fence.kind, fence.scope))
        if row is None or (row.fence, row.holder, row.started) != (fence.number, fence.holder, fence.started_ms):
            return None
        return row

    def held(self, fence: Fence) -> bool:
        row = self.ours(fence)
        return row is not None and self.locked(row)

    def was(self, fence: Fence, outcome: str) -> bool:
        entry = self.journal.get((fence.kind, fence.scope, fence.number))
        return entry is not None and (entry.started, entry.outcome) == (fence.started_ms, outcome)

    def end(self, row: Row, fence: Fence, outcome: str, retry: int | None) -> bool:
        row.holder = row.request = None
        row.stamp = self.now
        entry = self.journal[fence.kind, fence.scope, fence.number]
        entry.outcome, entry.retry, entry.ended = outcome, retry, self.time
        self.ended(fence)
        return True
