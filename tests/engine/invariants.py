"""The judge: what must hold at every grant, at every step of a client, and in the journal at the end.

Clocks that are turned. The times of a slot are the database's, so a clock set *back* serves instants again: a slot may
then run once more for each time the clock was set back, never more. A clock set *forward* ends leases early: until its
next renewal a holder may trust a lease that the database has already given on; the fence keeps its writes out. Nothing
else is excused.

A database that is restored from a backup forgets: fences, protocols and who is there go back to what they were, and the
journal with them. Until its next renewal a holder may trust a lease that the database no longer knows. Where the clock
was set back besides, rows come back from the future, and one that is out of reach is asked for once in a horizon.

A slot that the seat's holder cannot run (it is too old, its runs hang, its computer lacks something) is adopted by a
follower when it looks next, so it may wait for the longest sleep of a follower on top.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from engine.model import SEAT, Entry, Row, Writing
from engine.world import BASE_MS, POLICY, SEAT_LEASE_MS
from identsync.demo.checker import Effect, Grid, JournalRow, Life, check
from identsync.engine.integration import Role, Status
from identsync.engine.seat import horizon
from identsync.engine.state import NEVER, Spec, margin
from identsync.store.limiter import Claim, Fence
from identsync.store.limiter.grid import phase_ms

if TYPE_CHECKING:
    from engine.process import Process
    from engine.simulator import Simulation
    from engine.task import Task

# An administrator well for so long is known to the database: its longest sleep, and an ask that was lost.
KNOWN_MS = POLICY.backoff_cap_ms * 3 // 2 + POLICY.answer_ms + 2 * SEAT_LEASE_MS
TAKEOVER_MS = 4 * SEAT_LEASE_MS  # what a change of hands may cost beside the slot's own lease
SETTLED_MS = 45_000  # so long after the last fault every interval is served
LAST_MS = 8_000  # a run that began before these has ended
QUIET_MS = 20_000  # the end of the calm
HASTE = 40  # statements of one client in one second
Slot = tuple[str, int]


class Watch:
    """Collects violations of one simulation."""

    def __init__(self, sim: "Simulation") -> None:
        self.sim = sim
        self.violations: list[str] = []
        self.turns: list[tuple[int, int]] = []  # true time, by how much
        self.restores: list[int] = []
        self.closures: list[tuple[int, int]] = []  # the database did not answer
        self.pauses: defaultdict[Slot, list[tuple[int, int]]] = defaultdict(list)
        self.pokes: defaultdict[Slot, list[int]] = defaultdict(list)
        self._fences: dict[Slot, tuple[int, str]] = {}
        self._highest: dict[Slot, int] = {}  # before a restore too
        self._protos: dict[Slot, int] = {}
        self._stamps: defaultdict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
        self._quiet: tuple[int, int] = (0, 0)  # statements and grants when the last seconds began
        self._asks: dict[str, tuple[int, int]] = {}
        self._crowd: Counter[int] = Counter()  # statements in each tenth of a second of the last seconds
        sim.db.granted, sim.db.seen = self.granted, self.seen
        sim.db.ended, sim.db.written = self.ended, self.written

    def violation(self, text: str) -> None:
        self.violations.append(f"seed {self.sim.seed} t={self.sim.time} {text}")

    # -- what happens

    def closed(self, since: int, until: int) -> None:
        self.closures.append((since, until))

    def turned(self, ms: int) -> None:
        self.turns.append((self.sim.time, ms))

    def restored(self, since: int) -> None:
        """The database is what it was at ``since``: whatever has run meanwhile, the journal does not know it."""
        rows = self.sim.db.rows
        self.restores.append(self.sim.time)
        self.closed(since, self.sim.time)
        self._fences = {slot: (row.fence, row.holder or "") for slot, row in rows.items() if slot[0] != SEAT}
        self._protos = {slot: row.proto for slot, row in rows.items()}

    def poked(self, kind: str, scope: int) -> None:
        self.pokes[kind, scope].append(self.sim.time)

    def paused(self, kind: str, scope: int, paused: bool) -> None:
        spans = self.pauses[kind, scope]
        if paused:
            spans.append((self.sim.time, NEVER))
        elif spans:
            spans[-1] = (spans[-1][0], self.sim.time)

    def seen(self, client: str, role: int, scope: int, ttl: int) -> None:
        if role == Role.ADMINISTRATOR:
            self._stamps[scope][client] = (self.sim.time, ttl)

    def gone(self, client: str, scopes: tuple[int, ...]) -> None:
        for scope in scopes:
            self._stamps[scope].pop(client, None)

    def asked(self, process: "Process") -> None:
        if self._quiet[0]:
            self._crowd[self.sim.time // 100] += 1
        second, asks = self._asks.get(process.name, (0, 0))
        now = self.sim.time // 1_000
        asks = asks + 1 if now == second else 1
        self._asks[process.name] = (now, asks)
        if asks == HASTE:
            self.violation(f"{process.name} asks {asks} times in a second")

    # -- at every grant

    def granted(self, holder: str, role: int, kind: str, scope: int, proto: int, claim: Claim) -> None:
        where = f"{kind}/{scope} fence {claim.fence}"
        fence, owner = self._fences.get((kind, scope), (0, ""))
        if (claim.fence, holder) != (fence, owner) and claim.fence != fence + 1:
            self.violation(f"{holder} is granted {where} after fence {fence} of {owner}")
        if claim.fence == fence:
            return
        self._fences[kind, scope] = (claim.fence, holder)
        self._highest[kind, scope] = max(claim.fence, self._highest.get((kind, scope), 0))
        if self.sim.db.rows[kind, scope].paused:
            self.violation(f"{holder} is granted {where}, which is paused")
        if proto < self._protos.setdefault((kind, scope), proto):
            self.violation(f"{holder} of protocol {proto} is granted {where} of a newer protocol")
        self._protos[kind, scope] = proto
        if role == Role.DOCTOR:
            self.violation(f"a doctor is granted {where}")
        if role == Role.DIRECTOR:
            self._director(scope, where)
        self._alone(holder, kind, scope, claim.fence)

    def _director(self, scope: int, where: str) -> None:
        now = self.sim.time
        for client, (at, ttl) in self._stamps[scope].items():
            if now - ttl < at and not self._turned_since(at):
                self.violation(f"a director is granted {where}: administrator {client} was seen {now - at} ms ago")
        if self._disturbed_since(now - KNOWN_MS):
            return
        for other in self.sim.of_branch(scope, Role.ADMINISTRATOR):
            if self.well_since(other) < now - KNOWN_MS:
                self.violation(f"a director is granted {where}: administrator {other.name} is at work")

    def _alone(self, holder: str, kind: str, scope: int, fence: int) -> None:
        for other in self.sim.processes:
            if not other.alive or scope not in (0, other.branch):
                continue
            if (older := self._trusted(other, (kind, scope))) and older < fence:
                self.violation(f"{holder} is granted {kind}/{scope} {fence} while {other.name} trusts {older}")

    # -- at every end and every write

    def ended(self, fence: Fence) -> None:
        """A run is ended by its own task alone, or because that ignores its cancellation."""
        for process in self.sim.processes:
            if process.name == fence.holder and process.alive:
                going = [task for task in process.tasks.values() if task.fence == fence and not task.abandoned]
                if going:
                    self.violation(
                        f"{process.name} ends {fence.kind}/{fence.scope} {fence.number}, which is still at work"
                    )

    def written(self, writing: Writing, row: Row) -> None:
        if (writing.fence, writing.started) != (row.fence, row.started):
            where = f"{writing.kind}/{writing.scope} {writing.fence}"
            self.violation(f"a stale write of {where}: the row is of another run, {row.fence}")

    # -- at every step of a client

    def started(self, process: "Process", slot: int, fence: int) -> None:
        if process.role is Role.DOCTOR:
            self.violation(f"doctor {process.name} starts a run")
        spec = process.state.slots[slot].spec
        if self._highest.get((spec.kind, spec.scope), 0) < fence:
            self.violation(f"{process.name} starts {spec.kind}/{spec.scope} under fence {fence}, never granted")

    def stepped(self, process: "Process") -> None:
        """Whoever trusts a lease holds the newest fence, at any moment."""
        for slot in process.state.slots:
            if slot.run is not None:
                key = (slot.spec.kind, slot.spec.scope)
                fence, row = self._trusted(process, key), self.sim.db.rows.get(key)
                newest = row.fence if row else 0
                if fence and fence < newest:
                    self.violation(f"{process.name} trusts {key} {fence}, newest is {newest}")

    def cancelled(self, process: "Process", task: "Task", reason: Status) -> None:
        """A lease is lost only where something stood between the keeper and the database; a busy loop does not."""
        heard = process.blocked_at if process.blocked_until + 1_000 > self.sim.time else self.sim.time
        since = heard - task.spec.lease_ms - 1_000
        run = process.state.slots[task.slot].run
        over = run is not None and process.local() >= run.deadline  # renewed no more, as a busy loop may hear too late
        if reason is Status.LOST and not over and process.doubt < since and not self._disturbed_since(since):
            self.violation(
                f"{process.name} lost {task.spec.kind}/{task.spec.scope} {task.fence.number} without a cause"
            )

    def _trusted(self, process: "Process", key: Slot) -> int:
        """The fence under which the process runs that slot's task now and trusts its lease; 0 = none."""
        i = process.state.index.get(key)
        run = process.state.slots[i].run if i is not None else None
        if run is None or run.outcome is not None or run.reason is not None or process.local() >= run.trusted_until:
            return 0
        lease = process.state.slots[i].spec.lease_ms if i is not None else 0
        confirmed = process.true(run.trusted_until - lease + margin(lease))
        return 0 if self._turned_since(confirmed) else run.fence.number

    # -- who was well when

    def _turned_since(self, at: int) -> bool:
        turned = bool(self.turns) and self.turns[-1][0] >= at
        return turned or (bool(self.restores) and self.restores[-1] >= at)

    def _disturbed_since(self, at: int) -> bool:
        return self._turned_since(at) or (bool(self.closures) and self.closures[-1][1] > at)

    def well_since(self, process: "Process") -> int:
        return max((until for _, until in process.troubles), default=process.born)

    def lives(self, slot: Slot, since: int) -> list[Life]:
        """The spans in which a client that can run the slot's task was well, and the database too, from ``since``."""
        end = self.sim.time
        newest = max((p.proto for p in self.sim.processes), default=0)
        found = []
        for process in self.sim.processes:
            if process.role is Role.DOCTOR or process.proto < newest or self._barred(process, slot):
                continue
            lacked = ((since, until) for kind, since, until in process.lacked if kind == slot[0])
            bad = [*process.troubles, *lacked, *self.closures, *((at, at) for at, _ in self.turns)]
            for a, b in _without(max(since, process.born), min(end, process.died), bad):
                found.append(Life(int(process.role), process.branch, BASE_MS + a, BASE_MS + b))
        return found

    def _barred(self, process: "Process", slot: Slot) -> bool:
        """A director keeps away for the sake of an administrator that cannot run the task itself."""
        kind, scope = slot
        others = [p for p in self.sim.processes if p.role is Role.ADMINISTRATOR and scope in (0, p.branch)]
        lacking = any(each == kind for p in others for each, *_ in p.lacked)
        old = any(p.branch == process.branch and p.proto < process.proto for p in others)
        return process.role is Role.DIRECTOR and (lacking or old)

    # -- what it costs

    def last_seconds(self) -> None:
        """From here to the end nothing happens but work."""
        self._quiet = (self.sim.db.statements, len(self.sim.db.journal))

    def _cost(self) -> Iterator[str]:
        """Work costs a few statements a run and a few a seat, and nothing for those who wait."""
        statements, runs = self._quiet
        asked, ran = self.sim.db.statements - statements, len(self.sim.db.journal) - runs
        seats = 1 + self.sim.world.branches
        alive = sum(p.alive for p in self.sim.processes)
        looks = alive * QUIET_MS // POLICY.backoff_cap_ms
        most = max(self._crowd.values(), default=0)
        if most > 12 * seats + alive // 4:
            yield f"a stampede: {most} statements of {alive} clients within 100 ms"
        if asked > 4 * ran + 6 * seats * QUIET_MS // SEAT_LEASE_MS + looks:
            yield f"{asked} statements for {ran} runs in the last {QUIET_MS} ms"

    # -- at the end

    def judge(self) -> list[str]:
        """All violations, those of the journal too."""
        slots: defaultdict[Slot, list[Entry]] = defaultdict(list)
        for entry in self.sim.db.journal.values():
            slots[entry.kind, entry.scope].append(entry)
        for slot, entries in slots.items():
            for text in self._served_twice(slot, entries):
                self.violation(text)
        for text in (*self._checked(), *self._cost()):
            self.violation(text)
        return self.violations

    def _served_twice(self, slot: Slot, entries: list[Entry]) -> Iterator[str]:
        good = [entry for entry in entries if entry.outcome in ("ok", "partial")]
        for one, two in pairwise(good):
            if one.due >= two.due and not self._again(slot, one, two):
                yield f"{slot}: fences {one.fence} and {two.fence} both served {one.due - BASE_MS}"

    def _again(self, slot: Slot, one: Entry, two: Entry) -> bool:
        """Somebody wanted it again: a person, the run itself, or the clock that was set back."""
        back = any(ms < 0 and one.at < at <= two.at for at, ms in self.turns)
        return back or one.retry is not None or any(one.at < at <= two.at for at in self.pokes[slot])

    def _checked(self) -> Iterator[str]:
        """What the checker of real journals says of this one."""
        sim = self.sim
        rows, effects = self.journal(), [Effect(e.kind, e.scope, e.fence, e.newest) for e in sim.db.effects]
        calm = (sim.world.seconds - sim.world.calm) * 1_000
        everywhere = {spec for branch in range(1, sim.world.branches + 1) for spec in sim.specs(branch, 1)}
        newest = {slot: fence for slot, (fence, _) in self._fences.items()}
        grids = {(s.kind, s.scope): _grid(s) for s in everywhere}
        handed_on = {key for key, entry in sim.db.journal.items() if entry.retry is not None and entry.retry < 0}
        neglected = self.turns or sim.world.old or sim.world.poison
        served = calm if neglected else sim.time - LAST_MS  # until then no interval is missed
        span = {"since_ms": BASE_MS + calm + SETTLED_MS, "until_ms": BASE_MS + served}
        yield from _lines(check(rows, grids, effects=effects, newest=newest, **span).faults(), ("double",))
        for spec in everywhere:
            slot = (spec.kind, spec.scope)
            mine = [row for row in rows if (row.kind, row.scope) == slot and (*slot, row.fence) not in handed_on]
            slack = spec.deadline_ms + 4_000 + TAKEOVER_MS * (1 if spec.scope else 2)
            slack += POLICY.backoff_cap_ms if sim.world.old or sim.world.poison or sim.world.lack else 0
            slack += horizon(spec) if self.turns and self.restores else 0
            since = calm + 2 * KNOWN_MS // 3 if spec.scope in sim.deserted else 0
            verdict = check(mine, {slot: _grid(spec)}, lives=self._unpaused(slot, since), slack_ms=slack)
            yield from _lines(verdict.faults(), ("double", "roles"))

    def _unpaused(self, slot: Slot, since: int) -> list[Life]:
        pauses = [(BASE_MS + a, BASE_MS + b if b < NEVER else NEVER) for a, b in self.pauses[slot]]
        here = [life for life in self.lives(slot, since) if slot[1] in (0, life.branch)]
        return [
            Life(life.role, life.branch, a, b)
            for life in here
            for a, b in _without(life.since_ms, life.until_ms, pauses)
        ]

    def journal(self) -> list[JournalRow]:
        """The journal as the checker reads it, in true time."""
        return [
            JournalRow(
                e.kind, e.scope, e.fence, e.holder, BASE_MS + e.at, None if e.ended is None else BASE_MS + e.ended,
                e.outcome, e.role,
            )
            for e in self.sim.db.journal.values()
        ]  # fmt: skip


def _grid(spec: Spec) -> Grid:
    return Grid(phase_ms(spec.kind, spec.scope, spec.interval_ms), spec.interval_ms, spec.lease_ms)


def _lines(faults: list[str], but: tuple[str, ...]) -> Iterator[str]:
    yield from (line for line in faults if not line.startswith(but))


def _without(since: int, until: int, bad: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What is left of a span."""
    for a, b in sorted(bad):
        if a > since and a < until:
            yield since, min(a, until)
        since = max(since, b)
        if since >= until:
            return
    yield since, until
