"""Clients of all roles around one database, in virtual time, by a seed: ``Simulation(seed).run()`` says what broke.

The real ``step`` decides; this file carries out its actions as loop.py and keeper.py do: one statement at a time in
each client's keeper, renewals first, answers back to a loop that may be blocked. The world kills, pauses, blocks and
restarts clients, loses requests and replies, repeats answers, stops the database and turns its clock.

    cd tests && python -m engine.simulator SEED [SEED...]     # replays seeds, prints their violations
"""

import heapq
import random
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from engine.model import Database, Entry
from identsync.core.limiter import Memory
from identsync.engine import events as ev
from identsync.engine.integration import Outcome, Role, Status
from identsync.engine.state import NEVER, Policy, Spec, State, new_state
from identsync.engine.step import step as real_step

Step = Callable[[State, Any, int], tuple[State, tuple[Any, ...]]]
POLICY = Policy(
    seat_lease_ms=3_000, error_cap_ms=4_000, answer_ms=8_000, cancel_grace_ms=1_500, finish_grace_ms=500,
    backoff_cap_ms=60_000,
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """What is simulated; probabilities per second of virtual time and client, or per statement."""

    branches: int = 3
    clients: int = 14
    seconds: int = 240
    calm: int = 60  # nothing bad happens in the last seconds
    kill: float = 0.004
    leave: float = 0.004
    pause: float = 0.004
    block: float = 0.004
    lose: float = 0.02
    double: float = 0.02
    slow: float = 0.01
    outage: float = 0.005
    jump: float = 0.0
    stubborn: float = 0.02
    hang: float = 0.02
    roles: tuple[Role, ...] = (Role.ADMINISTRATOR, Role.ADMINISTRATOR, Role.DIRECTOR, Role.DOCTOR)


def specs(branch: int) -> list[Spec]:
    """The tasks of a client: two of its branch, one of the network."""
    return [
        Spec("quick", branch, 5_000, 3_000, 8_000),
        Spec("slow", branch, 20_000, 4_000, 10_000),
        Spec("network", 0, 10_000, 3_000, 8_000),
    ]


@dataclass(slots=True)
class Client:
    """A process: its state, its loop (timer, inbox), its keeper (queue, standing orders), the tasks that run in it."""

    name: str
    role: Role
    branch: int
    state: State
    born: int
    skew: int
    memory: Memory
    alive: bool = True
    frozen_until: int = 0  # the whole process
    blocked_until: int = 0  # its event loop only
    sleep: int = NEVER
    timer: int = 0
    inbox: deque[Any] = field(default_factory=deque)
    queue: deque[tuple[Callable[[], Any], Any]] = field(default_factory=deque)
    asking: bool = False
    orders: dict[tuple[int, int], ev.StartRun] = field(default_factory=dict)
    running: dict[tuple[int, int], str] = field(default_factory=dict)  # "runs", "cancelled", "stubborn"
    stirred: int = 0  # when it was last killed, frozen, blocked or without database


class Simulation:
    """One seed's run. ``violations`` says what invariant broke, when and where."""

    def __init__(self, seed: int, world: World | None = None, step: Step = real_step) -> None:
        self.seed = seed
        self.world = world or World()
        self.step = step
        self.random = random.Random(seed)
        self.db = Database()
        self.clients: list[Client] = []
        self.violations: list[str] = []
        self.down_until = 0
        self.disturbed = 0  # the last time the database was down or its clock was turned
        self.turned = -1
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._names = 0

    # -- virtual time

    def at(self, time: int, work: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (max(time, self.db.time), self._number, work))

    def run(self) -> list[str]:
        world = self.world
        for i in range(world.clients):
            self.at(self.random.randrange(3_000), lambda i=i: self.join(i % world.branches + 1))
        for second in range(3, world.seconds - world.calm):
            self.at(second * 1_000, self.mischief)
        self.at((world.seconds - world.calm) * 1_000, self.mend)
        while self._events and self._events[0][0] <= world.seconds * 1_000:
            time, _, work = heapq.heappop(self._events)
            self.db.time = time
            work()
        self.check_journal()
        return self.violations

    def violation(self, text: str) -> None:
        self.violations.append(f"seed {self.seed} t={self.db.time} {text}")

    # -- clients

    def join(self, branch: int, role: Role | None = None) -> Client:
        self._names += 1
        role = self.random.choice(self.world.roles) if role is None else role
        name = f"{self.random.getrandbits(32):08x}{self._names:04d}"
        state = new_state(name, role, branch, specs(branch), policy=POLICY, seed=self.random.getrandbits(64))
        skew = self.random.randrange(1, 10_000_000)
        client = Client(name, role, branch, state, self.db.time, skew, Memory(len(state.slots)), stirred=self.db.time)
        for i in range(len(state.slots)):
            client.memory.set(i, NEVER)
        self.clients.append(client)
        self.take(client, ev.Started())
        return client

    def local(self, client: Client) -> int:
        return self.db.time + client.skew

    def when_awake(self, client: Client, work: Callable[[], None], *, loop: bool) -> None:
        """Call ``work`` unless the process is dead; later while it, or its loop, stands still."""
        if not client.alive:
            return
        until = max(client.frozen_until, client.blocked_until if loop else 0)
        if until > self.db.time:
            self.at(until, lambda: self.when_awake(client, work, loop=loop))
        else:
            work()

    def post(self, client: Client, event: Any) -> None:
        """From the keeper to the loop."""
        client.inbox.append(event)
        self.when_awake(client, lambda: self.drain(client), loop=True)

    def take(self, client: Client, event: Any) -> None:
        client.inbox.append(event)
        self.drain(client)

    def drain(self, client: Client) -> None:
        while client.inbox and client.alive:
            client.state, actions = self.step(client.state, client.inbox.popleft(), self.local(client))
            for action in actions:
                getattr(self, f"on_{type(action).__name__}")(client, action)
            self.check_trust(client)
        self.arm(client)

    def arm(self, client: Client) -> None:
        remembered = client.memory.next() if len(client.memory) else None
        at = min(client.sleep, NEVER if remembered is None else remembered)
        client.timer += 1
        turn = client.timer
        if at < NEVER:
            self.at(at - client.skew, lambda: self.wake(client, turn))

    def wake(self, client: Client, turn: int) -> None:
        if turn == client.timer:
            self.when_awake(client, lambda: turn == client.timer and self.take(client, ev.Woke()), loop=True)

    # -- actions of the loop

    def on_Remember(self, client: Client, action: ev.Remember) -> None:  # noqa: N802
        client.memory.set(action.slot, action.due)

    def on_SleepUntil(self, client: Client, action: ev.SleepUntil) -> None:  # noqa: N802
        client.sleep = action.at

    def on_Listen(self, client: Client, action: ev.Listen) -> None:  # noqa: N802
        return

    def on_Stopped(self, client: Client, action: ev.Stopped) -> None:  # noqa: N802
        client.alive = False

    def on_AskSeat(self, client: Client, action: ev.AskSeat) -> None:  # noqa: N802
        def work() -> Any:
            reply = self.db.seat(action.scope, client.name, int(client.role), action.lease_ms, action.ttl_ms)
            return lambda sent: ev.SeatAnswered(action.scope, action.sequence, sent, reply)

        self.ask(client, work, ev.SeatFailed(action.scope, action.sequence))

    def on_AskClaims(self, client: Client, action: ev.AskClaims) -> None:  # noqa: N802
        for ask in action.asks:
            self.ask(client, lambda ask=ask: self.claim(client, ask), ev.ClaimFailed(ask.slot, ask.request))

    def on_FinishRun(self, client: Client, action: ev.FinishRun) -> None:  # noqa: N802
        spec, outcome = client.state.slots[action.slot].spec, str(action.outcome.status)

        def work() -> Any:
            key = (spec.kind, spec.scope, action.fence, client.name)
            if action.release:
                written = self.db.release(*key, outcome)
            else:
                written = self.db.finish(*key, spec.interval_ms, outcome)

            def answer(sent: int) -> Any:
                client.orders.pop((action.slot, action.fence), None)
                return ev.Finished(action.slot, action.fence, written)

            return answer

        self.ask(client, work, ev.FinishFailed(action.slot, action.fence))

    def on_LeaveSeats(self, client: Client, action: ev.LeaveSeats) -> None:  # noqa: N802
        def work() -> Any:
            self.db.leave(client.name, action.scopes)
            return lambda sent: ev.Left()

        self.ask(client, work, ev.Left())

    def on_DropRun(self, client: Client, action: ev.DropRun) -> None:  # noqa: N802
        client.orders.pop((action.slot, action.fence), None)

    def on_StartRun(self, client: Client, action: ev.StartRun) -> None:  # noqa: N802
        key = (action.slot, action.fence)
        client.orders[key] = action
        self.order(client, key, action.sent + action.every_ms - client.skew)
        hang = self.random.random() < self.world.hang
        length = 60_000 if hang else int(self.random.expovariate(1 / 700)) + 5
        client.running[key] = "stubborn" if self.random.random() < self.world.stubborn else "runs"
        for _ in range(2):
            self.at(self.db.time + self.random.randrange(length), lambda: self.write(client, key))
        self.at(self.db.time + length, lambda: self.end(client, key, None))

    def on_CancelRun(self, client: Client, action: ev.CancelRun) -> None:  # noqa: N802
        key = (action.slot, action.fence)
        if client.running.get(key) == "runs":
            client.running[key] = "cancelled"
            self.at(self.db.time + self.random.randrange(300), lambda: self.end(client, key, action.reason))

    def on_AbandonRun(self, client: Client, action: ev.AbandonRun) -> None:  # noqa: N802
        return

    # -- tasks

    def write(self, client: Client, key: tuple[int, int]) -> None:
        def work() -> None:
            if key in client.running and self.db.time >= self.down_until:
                spec = client.state.slots[key[0]].spec
                self.db.write(spec.kind, spec.scope, key[1], client.name)

        self.when_awake(client, work, loop=True)

    def end(self, client: Client, key: tuple[int, int], reason: Status | None) -> None:
        def work() -> None:
            state = client.running.get(key)
            if state is None or (state == "cancelled") != (reason is not None):
                return
            del client.running[key]
            status = reason or self.random.choice([Status.OK] * 8 + [Status.FAILED, Status.LATER])
            self.take(client, ev.RunEnded(*key, Outcome(status)))

        self.when_awake(client, work, loop=True)

    # -- the keeper: one statement at a time, renewals first

    def ask(self, client: Client, work: Callable[[], Any], failure: Any, *, first: bool = False) -> None:
        (client.queue.appendleft if first else client.queue.append)((work, failure))
        self.serve(client)

    def serve(self, client: Client) -> None:
        if client.asking or not client.queue or not client.alive:
            return
        work, failure = client.queue.popleft()
        client.asking = True
        sent = self.local(client)
        there, back = self.latency(), self.latency()
        lost = self.random.random() < self.world.lose and self.db.time < (self.world.seconds - self.world.calm) * 1_000
        self.at(self.db.time + there, lambda: self.execute(client, work, failure, sent, back, lost))

    def execute(self, client: Client, work: Callable[[], Any], failure: Any, sent: int, back: int, lost: bool) -> None:
        """The statement reaches the database: it may be down, the reply may be lost after the commit."""
        down = self.db.time < self.down_until
        answer = None if down or (lost and self.random.random() < 0.5) else work()
        good = answer is not None and not lost

        def reply() -> None:
            client.asking = False
            event = answer(sent) if good else failure
            self.post(client, event)
            if good and self.random.random() < self.world.double:
                self.at(self.db.time + self.latency() * 20, lambda: self.post(client, event))
            self.serve(client)

        self.at(self.db.time + back, lambda: self.when_awake(client, reply, loop=False))

    def latency(self) -> int:
        slow = self.random.random() < self.world.slow
        return self.random.randrange(200, 2_500) if slow else self.random.randrange(1, 15)

    def order(self, client: Client, key: tuple[int, int], at: int) -> None:
        self.at(at, lambda: self.when_awake(client, lambda: self.renew(client, key), loop=False))

    def renew(self, client: Client, key: tuple[int, int]) -> None:
        order = client.orders.get(key)
        if order is None or self.local(client) >= order.renew_until:
            client.orders.pop(key, None)
            return
        spec = client.state.slots[key[0]].spec

        def work() -> Any:
            left = self.db.renew(spec.kind, spec.scope, key[1], client.name, spec.lease_ms)
            return lambda sent: ev.LeaseLost(*key) if left is None else ev.Renewed(*key, sent, left)

        self.ask(client, work, ev.RenewFailed(*key), first=True)
        self.order(client, key, self.db.time + order.every_ms)

    # -- what the world does to them

    def mischief(self) -> None:
        world, now = self.world, self.db.time
        if self.random.random() < world.outage:
            self.down_until = now + self.random.randrange(500, 12_000)
            self.disturbed = self.down_until
        if self.random.random() < world.jump:
            self.db.offset += self.random.choice([-1, 1]) * self.random.randrange(1_000, 3_600_000)
            self.disturbed = self.turned = now
        for client in [c for c in self.clients if c.alive]:
            self.trouble(client)

    def trouble(self, client: Client) -> None:
        world, now = self.world, self.db.time
        fates = {"kill": world.kill, "leave": world.leave, "pause": world.pause, "block": world.block}
        calm = max(0.0, 1 - sum(fates.values()))
        (what,) = self.random.choices([*fates, ""], [*fates.values(), calm])
        if not what:
            return
        client.stirred = now
        if what == "kill":
            client.alive = False
        elif what == "leave":
            self.post(client, ev.Stopping(3_000))
        elif what == "pause":
            client.frozen_until = now + self.random.randrange(100, 15_000)
        else:
            client.blocked_until = now + self.random.randrange(100, 9_000)
        if what in ("kill", "leave"):
            self.at(now + self.random.randrange(20_000), lambda: self.join(client.branch))

    def mend(self) -> None:
        """The calm begins: the database is up, every branch has an administrator, nobody stands still."""
        self.down_until = min(self.down_until, self.db.time)
        for client in self.clients:
            client.frozen_until = min(client.frozen_until, self.db.time)
            client.blocked_until = min(client.blocked_until, self.db.time)
        for branch in range(1, self.world.branches + 1):
            self.join(branch, Role.ADMINISTRATOR)

    # -- the invariants

    def claim(self, client: Client, ask: ev.ClaimAsk) -> Any:
        spec = client.state.slots[ask.slot].spec
        before = self.db.journal.keys()
        known = len(before)
        claim = self.db.claim(
            spec.kind,
            spec.scope,
            client.name,
            int(client.role),
            spec.lease_ms,
            spec.interval_ms,
            ask.request,
            ask.ttl_ms,
        )
        if len(self.db.journal) > known:
            self.check_grant(client, spec, claim.fence)
        return lambda sent: ev.Claimed(ask.slot, ask.request, sent, claim)

    def check_grant(self, client: Client, spec: Spec, fence: int) -> None:
        where = f"{spec.kind}/{spec.scope} fence {fence}"
        if client.role is Role.DOCTOR:
            self.violation(f"a doctor runs {where}")
        if client.role is Role.DIRECTOR and spec.scope and (other := self.administrator(spec.scope)):
            self.violation(f"a director runs {where}, administrator {other.name} is at work")
        if self.db.time - self.turned < 10_000 and self.turned >= 0:
            return  # a database clock set forward only shortens leases: the fence covers that, trust cannot
        for other in self.clients:
            i = other.state.index.get((spec.kind, spec.scope))
            run = other.state.slots[i].run if i is not None and other.alive else None
            busy = run is not None and run.fence < fence and run.outcome is None and run.reason is None
            if busy and run is not None and self.local(other) < run.trusted_until:
                self.violation(f"{client.name} is granted {where} while {other.name} trusts fence {run.fence}")

    def check_trust(self, client: Client) -> None:
        """Whoever trusts a lease holds the newest fence, at any moment."""
        if self.db.time - self.turned < 10_000 and self.turned >= 0:
            return
        for slot in client.state.slots:
            run = slot.run
            if run is None or run.reason is not None or run.outcome is not None:
                continue
            newest = self.db.rows[slot.spec.kind, slot.spec.scope].fence
            if run.fence < newest and self.local(client) < run.trusted_until:
                self.violation(
                    f"{client.name} trusts {slot.spec.kind}/{slot.spec.scope} {run.fence}, newest is {newest}"
                )

    def administrator(self, branch: int) -> Client | None:
        """An administrator that has been well for so long that the database must know of it."""
        since = self.db.time - 30 * (POLICY.seat_lease_ms or 0)
        if self.disturbed > since:
            return None
        well = [c for c in self.clients if c.alive and c.branch == branch and c.role is Role.ADMINISTRATOR]
        return next((c for c in well if max(c.stirred, c.born, c.frozen_until, c.blocked_until) < since), None)

    def check_journal(self) -> None:
        slots: dict[tuple[str, int], list[Entry]] = {}
        for entry in self.db.journal.values():
            slots.setdefault((entry.kind, entry.scope), []).append(entry)
        for effect in self.db.effects:
            if effect.fence != effect.newest:
                self.violation(f"stale effect {effect}")
        for branch in range(1, self.world.branches + 1):
            for spec in specs(branch):
                self.check_slot(spec, slots.get((spec.kind, spec.scope), []))

    def check_slot(self, spec: Spec, entries: list[Entry]) -> None:
        name = f"{spec.kind}/{spec.scope}"
        if [e.fence for e in entries] != list(range(1, len(entries) + 1)):
            self.violation(f"{name}: fences {[e.fence for e in entries]}")
        good = [e for e in entries if e.outcome == "ok"]
        for one, two in pairwise(good):
            if one.due == two.due and self.turned < 0:
                self.violation(f"{name}: fences {one.fence} and {two.fence} both served {one.due}")
        calm = (self.world.seconds - self.world.calm) * 1_000
        instants = [calm + 25_000, *(e.at for e in entries if e.at > calm + 25_000), self.world.seconds * 1_000]
        slack = spec.interval_ms + spec.deadline_ms + 2 * spec.lease_ms + 2_000
        for one, two in pairwise(instants):
            if two - one > slack:
                self.violation(f"{name}: no run for {two - one} ms in the calm")


def seat_asks(db: Database) -> int:
    """Statements so far, for the cost of a fleet."""
    return db.statements


def replay(seeds: Sequence[int], world: World | None = None) -> list[str]:
    """Run seeds and return all their violations."""
    return [text for seed in seeds for text in Simulation(seed, world).run()]


if __name__ == "__main__":
    print("\n".join(replay([int(seed) for seed in sys.argv[1:]])) or "no violation")
