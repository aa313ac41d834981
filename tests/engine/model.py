"""The limiter as a dict: what store/limiter/law.py says in SQL, in plain Python, with a clock that a test may turn."""

from dataclasses import dataclass, field

from identsync.store.limiter import Claim, Denied, Present, SeatReply, SlotDue
from identsync.store.limiter.grid import due_at, next_due

SEAT = "seat"
GOOD = ("ok", "partial", "ask")


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
    finished: int | None = None
    ended: int | None = None


@dataclass(slots=True)
class Effect:
    """A write under a fence: what the newest fence was when it committed."""

    kind: str
    scope: int
    fence: int
    newest: int
    at: int


@dataclass
class Database:
    """Slots, seats, presence and the journal; ``time`` is true virtual time, ``offset`` what its clock is off by."""

    time: int = 0
    offset: int = 1_700_000_000_000
    rows: dict[tuple[str, int], Row] = field(default_factory=dict)
    presence: dict[int, dict[str, tuple[int, int]]] = field(default_factory=dict)
    journal: dict[tuple[str, int, int], Entry] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    statements: int = 0

    @property
    def now(self) -> int:
        return self.time + self.offset

    def seat(self, scope: int, client: str, role: int, lease: int, ttl: int) -> SeatReply:
        self.statements += 1
        present = self.presence.setdefault(scope, {})
        present[client] = (role, self.now)
        row = self.rows.setdefault((SEAT, scope), Row())
        holder = present.get(row.holder or "", (0, 0))
        free = row.holder in (client, None) or self._due(row, lease) or holder[0] > role
        granted = free and self._admitted(scope, role, ttl)
        if granted:
            if row.holder != client:
                row.fence, row.started, row.holder = row.fence + 1, self.now, client
            row.eligible, row.stamp = self.now + lease, self.now
        fresh = [Present(c, r, seen) for c, (r, seen) in present.items() if abs(self.now - seen) < ttl]
        slots = [
            SlotDue(k, s, r.eligible, r.paused, r.holder is not None) for (k, s), r in self.rows.items() if s == scope
        ]
        slots = [s for s in slots if s.kind != SEAT]
        return SeatReply(granted, row.fence, row.eligible, self.now, tuple(fresh), tuple(slots), row.holder)

    def claim(
        self, kind: str, scope: int, holder: str, role: int, lease: int, interval: int, request: str, ttl: int
    ) -> Claim:
        self.statements += 1
        row = self.rows.setdefault((kind, scope), Row())
        again = row.holder == holder and row.request == request
        admitted = self._admitted(scope, role, ttl)
        if not again and not (self._due(row, max(interval, lease)) and not row.paused and admitted):
            why = Denied.PAUSED if row.paused else Denied.WAIT if admitted else Denied.ROLE
            why = Denied.RACED if why is Denied.WAIT and row.eligible <= self.now else why
            return Claim(False, row.fence, row.eligible, self.now, why=why)
        if not again:
            row.fence, row.attempt, row.started = row.fence + 1, row.attempt + 1, self.now
        row.holder, row.request, row.eligible, row.stamp = holder, request, self.now + lease, self.now
        due = due_at(kind, scope, interval, row.started)
        entry = Entry(kind, scope, row.fence, holder, role, due, row.started, self.time)
        self.journal.setdefault((kind, scope, row.fence), entry)
        return Claim(True, row.fence, row.eligible, self.now, row.attempt, row.started, due)

    def renew(self, kind: str, scope: int, fence: int, holder: str, lease: int) -> int | None:
        self.statements += 1
        row = self._ours(kind, scope, fence, holder)
        if row is None or row.eligible <= self.now:
            return None
        row.eligible, row.stamp = self.now + lease, self.now
        return lease

    def finish(self, kind: str, scope: int, fence: int, holder: str, interval: int, outcome: str) -> bool:
        row = self._ours(kind, scope, fence, holder)
        if row is None:
            self.statements += 1
            return self._was(kind, scope, fence, outcome)
        grid = next_due(kind, scope, interval, self.now)
        backoff = self.now + (1_000 << row.attempt)
        row.eligible = grid if outcome in GOOD else min(grid, backoff)
        row.attempt = 0 if outcome in GOOD[:2] else row.attempt
        return self._end(row, (kind, scope, fence), outcome)

    def release(self, kind: str, scope: int, fence: int, holder: str, outcome: str) -> bool:
        row = self._ours(kind, scope, fence, holder)
        if row is None:
            self.statements += 1
            return self._was(kind, scope, fence, outcome)
        row.eligible, row.attempt = self.now, max(0, row.attempt - 1)
        return self._end(row, (kind, scope, fence), outcome)

    def leave(self, client: str, scopes: tuple[int, ...]) -> None:
        self.statements += 1
        for scope in scopes:
            self.presence.get(scope, {}).pop(client, None)
            row = self.rows.get((SEAT, scope))
            if row is not None and row.holder == client:
                row.holder, row.eligible, row.stamp = None, self.now, self.now

    def write(self, kind: str, scope: int, fence: int, holder: str) -> bool:
        """An effect: committed only under the newest fence."""
        row = self._ours(kind, scope, fence, holder)
        if row is not None:
            self.effects.append(Effect(kind, scope, fence, row.fence, self.time))
        return row is not None

    def _due(self, row: Row, horizon: int) -> bool:
        return row.eligible <= self.now or row.stamp > self.now + horizon

    def _admitted(self, scope: int, role: int, ttl: int) -> bool:
        seen = [at for r, at in self.presence.get(scope, {}).values() if r == 0 and abs(self.now - at) < ttl]
        return role == 0 or (role == 1 and not seen)

    def _ours(self, kind: str, scope: int, fence: int, holder: str) -> Row | None:
        row = self.rows.get((kind, scope))
        return row if row is not None and row.fence == fence and row.holder == holder else None

    def _was(self, kind: str, scope: int, fence: int, outcome: str) -> bool:
        entry = self.journal.get((kind, scope, fence))
        return entry is not None and entry.outcome == outcome

    def _end(self, row: Row, key: tuple[str, int, int], outcome: str) -> bool:
        self.statements += 1
        row.holder = row.request = None
        row.stamp = self.now
        entry = self.journal[key]
        entry.outcome, entry.finished, entry.ended = outcome, self.now, self.time
        return True
