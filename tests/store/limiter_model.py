"""The limiter as plain Python on dicts: what the statements of every database must answer, one call after another."""

from dataclasses import asdict, dataclass, field

from identsync.store import Claim, Denied, Fence, Present, SeatReply, SlotDue
from identsync.store.limiter import ClaimAsk, Ending, SeatAsk, TurnReply, due_at, next_due

Key = tuple[str, int]


@dataclass
class Slot:
    eligible: int
    stamp: int
    min_proto: int
    fence: int = 0
    holder: str | None = None
    request: str | None = None
    started: int | None = None
    finished: int | None = None
    attempt: int = 0
    last_ok: int | None = None
    error: str | None = None
    paused: int = 0

    def due(self, now: int, horizon: int) -> bool:
        return self.eligible <= now or self.stamp > now + horizon


@dataclass
class Model:
    now: int
    slots: dict[Key, Slot] = field(default_factory=dict)
    seats: dict[int, Slot] = field(default_factory=dict)
    presence: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    rates: dict[Key, tuple[int, int]] = field(default_factory=dict)
    runs: dict[tuple[str, int, int], str] = field(default_factory=dict)
    holders: dict[tuple[str, int, int], tuple[str, int]] = field(default_factory=dict)  # and when they started

    def seen(self, scope: int, ttl: int) -> list[Present]:
        fresh = [
            Present(client, role, at)
            for (s, client), (role, at) in self.presence.items()
            if s == scope and self.now - ttl < at <= self.now + ttl
        ]
        return sorted(fresh, key=lambda p: (p.role, p.client))

    def admitted(self, scope: int, role: int, ttl: int) -> bool:
        return role == 0 or (role == 1 and all(p.role for p in self.seen(scope, ttl)))

    def claim(self, kind, scope, *, holder, role, lease_ms, interval_ms, request, presence_ttl_ms, proto=1) -> Claim:
        slot = self.slots.setdefault((kind, scope), Slot(self.now, self.now, proto))
        admitted = self.admitted(scope, role, presence_ttl_ms)
        again = slot.holder == holder and slot.request == request
        due = slot.due(self.now, max(interval_ms, lease_ms))
        if again or (due and not slot.paused and slot.min_proto <= proto and admitted):
            if not again:
                slot.fence, slot.attempt, slot.started = slot.fence + 1, slot.attempt + 1, self.now
            slot.holder, slot.request, slot.min_proto = holder, request, max(proto, slot.min_proto)
            slot.eligible, slot.stamp = self.now + lease_ms, self.now
            due_ms = due_at(kind, scope, interval_ms, slot.started)
            self.runs.setdefault((kind, scope, slot.fence), "running")
            self.holders[kind, scope, slot.fence] = holder, slot.started
            return Claim(True, slot.fence, slot.eligible, self.now, slot.attempt, slot.started, due_ms)
        if slot.paused:
            why = Denied.PAUSED
        elif slot.min_proto > proto:
            why = Denied.PROTO
        else:
            why = Denied.ROLE if not admitted else Denied.WAIT
        return Claim(False, slot.fence, slot.eligible, self.now, slot.attempt, slot.started or 0, why=why)

    def held(self, fence: Fence) -> Slot | None:
        slot = self.slots.get((fence.kind, fence.scope))
        ours = fence.number, fence.holder, fence.started_ms
        return slot if slot and (slot.fence, slot.holder, slot.started) == ours else None

    def renew(self, fence: Fence, lease_ms: int) -> int | None:
        slot = self.held(fence)
        if slot is None or slot.eligible <= self.now:
            return None
        slot.eligible, slot.stamp = self.now + lease_ms, self.now
        return lease_ms

    def _end(self, slot: Slot, fence: Fence, outcome: str) -> None:
        slot.holder = slot.request = None
        slot.finished = slot.stamp = self.now
        self.runs[fence.kind, fence.scope, fence.number] = outcome

    def done(self, fence: Fence, outcome: str) -> bool:
        """Was it ended so by an earlier try?"""
        run = (fence.kind, fence.scope, fence.number)
        return self.holders.get(run) == (fence.holder, fence.started_ms) and self.runs.get(run) == outcome

    def finish(self, fence: Fence, *, interval_ms, outcome, counts, note, retry_ms=None) -> bool:
        slot = self.held(fence)
        if slot is None:
            return self.done(fence, outcome)
        self._end(slot, fence, outcome)
        slot.error = None if outcome == "ok" else note
        grid = next_due(fence.kind, fence.scope, interval_ms, self.now)
        slot.eligible = grid
        if outcome in ("ok", "partial"):
            slot.attempt, slot.last_ok = 0, self.now
        elif outcome != "ask":
            slot.eligible = min(grid, self.now + 1000 * 2 ** min(slot.attempt, 16))
        if retry_ms is not None:
            slot.eligible = self.now + retry_ms
        return True

    def release(self, fence: Fence, outcome: str = "released") -> bool:
        slot = self.held(fence)
        if slot is None:
            return self.done(fence, outcome)
        self._end(slot, fence, outcome)
        slot.eligible, slot.attempt = self.now, max(0, slot.attempt - 1)
        return True

    def seat(self, scope: int, client: str, role: int, *, lease_ms: int, presence_ttl_ms: int) -> SeatReply:
        yields = {c for (s, c), (r, _) in self.presence.items() if s == scope and r > role}
        self.presence[scope, client] = (role, self.now)
        slot = self.seats.setdefault(scope, Slot(self.now, self.now, 1))
        free = slot.holder in (None, client) or slot.due(self.now, lease_ms) or slot.holder in yields
        granted = free and self.admitted(scope, role, presence_ttl_ms)
        if granted:
            if slot.holder != client:
                slot.fence, slot.started = slot.fence + 1, self.now
            slot.holder, slot.eligible, slot.stamp = client, self.now + lease_ms, self.now
        slots = tuple(
            SlotDue(kind, s, x.eligible, bool(x.paused), x.holder is not None)
            for (kind, s), x in sorted(self.slots.items(), key=lambda item: item[0][::-1])
            if s == scope or (s == 0 and not x.paused and x.eligible < self.now - 2 * lease_ms)
        )
        present = tuple(self.seen(scope, presence_ttl_ms))
        lately = self.now - 72 * lease_ms
        crowd = 0 if granted else sum(s == scope and seen > lately for (s, _), (_, seen) in self.presence.items())
        return SeatReply(granted, slot.fence, slot.eligible, self.now, present, slots, slot.holder, crowd)

    def turn(self, client: str, role: int, *, seats=(), endings=(), renewals=(), claims=()) -> TurnReply:
        """One moment, the seats before the rest; what is not seeded yet is seeded, and asked for in a second turn."""
        new = [ask for ask in claims if (ask.kind, ask.scope) not in self.slots]
        new_seats = [ask for ask in seats if ask.scope not in self.seats]
        answers = {id(ask): self._seat(ask, client, role) for ask in seats if ask not in new_seats}
        ended = tuple(self.end(each) for each in endings)
        renewed = tuple(self.renew(each.fence, each.lease_ms) for each in renewals)
        answers |= {id(ask): self._claim(ask, client, role) for ask in claims if ask not in new}
        self.slots |= {(ask.kind, ask.scope): Slot(self.now, self.now, ask.proto) for ask in new}
        answers |= {id(ask): self._seat(ask, client, role) for ask in new_seats}
        answers |= {id(ask): self._claim(ask, client, role) for ask in new}
        return TurnReply(tuple(answers[id(s)] for s in seats), ended, renewed, tuple(answers[id(c)] for c in claims))

    def _seat(self, ask: SeatAsk, client: str, role: int) -> SeatReply:
        return self.seat(ask.scope, client, role, lease_ms=ask.lease_ms, presence_ttl_ms=ask.presence_ttl_ms)

    def _claim(self, ask: ClaimAsk, client: str, role: int) -> Claim:
        return self.claim(**asdict(ask), holder=client, role=role)

    def end(self, ending: Ending) -> bool:
        if ending.release:
            return self.release(ending.fence, outcome=ending.outcome)
        p = asdict(ending) | {"fence": ending.fence}
        del p["release"]
        return self.finish(**p)

    def leave(self, client: str, scopes) -> None:
        for scope in scopes:
            slot = self.seats.get(scope)
            if slot and slot.holder == client:
                slot.holder, slot.eligible, slot.stamp = None, self.now, self.now
            self.presence.pop((scope, client), None)

    def run_now(self, kind: str, scope: int) -> bool:
        slot = self.slots.get((kind, scope))
        if slot is None or slot.paused or (slot.holder is not None and slot.eligible > self.now):
            return False
        slot.eligible = slot.stamp = self.now
        return True

    def permits(self, channel: str, scope: int, n: int, *, period_ms: int, burst: int) -> int:
        tat, stamp = self.rates.get((channel, scope), (0, 0))
        if stamp > self.now + 10_000:  # the clock was set back, and the row goes back with it
            tat -= stamp - self.now
        first = max(tat, self.now - (burst - 1) * period_ms)
        wait = first + (n - 1) * period_ms - self.now
        if wait > 0:
            return wait
        self.rates[channel, scope] = (first + n * period_ms, self.now)
        return 0
