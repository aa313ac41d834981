"""Clients of all roles around one database, in virtual time, by a seed: ``Simulation(seed).run()`` says what broke.

The real ``step`` and the real ``Agenda`` decide; process.py carries out, link.py loses answers, model.py is the
database, faults.py the world, invariants.py the judge.

    cd tests && python -m engine.simulator SEED [SEED...]     # replays seeds, prints their violations
"""

import heapq
import random
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from engine import world as worlds
from engine.faults import Faults
from engine.invariants import QUIET_MS, Watch
from engine.link import Link
from engine.model import Database
from engine.process import Process
from engine.world import World, drawn
from identsync.engine import events as ev
from identsync.engine.integration import Outcome, Role, Status
from identsync.engine.state import Policy, Spec, State
from identsync.engine.step import step as real_step

Step = Callable[[State, Any, int], tuple[State, tuple[Any, ...]]]


class Simulation:
    """One seed's run."""

    writes = 2  # of a task
    loop_renews = False  # the keeper is a thread of its own
    work_ms = 700  # a task's usual length

    def __init__(
        self, seed: int, world: World | None = None, step: Step = real_step, db: Callable[[], Database] = Database
    ) -> None:
        self.seed = seed
        self.world = world or drawn(seed)
        self.step = step
        self.policy: Policy = worlds.POLICY
        self.random = random.Random(seed)
        self.db = db()
        self.processes: list[Process] = []
        self.link = Link(self)
        self.faults = Faults(self)
        self.watch = Watch(self)
        self.db.gone = self.gone
        self.calm = False
        self.epoch = 0  # of the database's process: another one answers no statement of the last
        self.down_until = 0
        self.deserted = {b for b in range(1, self.world.branches + 1) if self.random.random() < self.world.deserted}
        self.steps = 0
        self._events: list[tuple[int, int, Callable[[], Any]]] = []

    # -- virtual time

    @property
    def time(self) -> int:
        return self.db.time

    def at(self, time: int, work: Callable[[], Any]) -> None:
        self.steps += 1
        heapq.heappush(self._events, (time if time > self.db.time else self.db.time, self.steps, work))

    def run(self) -> list[str]:
        world = self.world
        for i in range(world.clients):
            self.at(self.random.randrange(world.start_ms), lambda i=i: self.join(i % world.branches + 1))
        for second in range(3, world.seconds - world.calm):
            self.at(second * 1_000, self.faults.second)
        self.at((world.seconds - world.calm) * 1_000, self.faults.mend)
        self.at(world.seconds * 1_000 - QUIET_MS, self.watch.last_seconds)
        self.until(world.seconds * 1_000)
        return self.watch.judge()

    def until(self, end: int) -> None:
        events, db = self._events, self.db
        while events and events[0][0] <= end:
            db.time, _, work = heapq.heappop(events)
            work()
        db.time = end

    # -- what the parts ask each other

    def specs(self, branch: int, proto: int) -> list[Spec]:
        return worlds.specs(branch, proto)

    def join(self, branch: int, role: Role | None = None) -> Process:
        role = self.random.choice(self.world.roles) if role is None else role
        proto = 1 if self.random.random() < self.world.old and not self.calm else 2
        name = f"{self.random.getrandbits(32):08x}{len(self.processes):04d}"
        process = Process(self, name, role, branch, proto, self.random.getrandbits(64))
        self.processes.append(process)
        process.start()
        return process

    def of_branch(self, branch: int, role: Role) -> list[Process]:
        return [p for p in self.processes if p.alive and p.branch == branch and p.role is role]

    def acts_as(self, role: Role) -> Role:
        return role

    def rate(self, name: str) -> float:
        return 0.0 if self.calm else getattr(self.world, name)

    def outcome(self) -> Outcome:
        draw = self.random.random()
        if draw < self.rate("fail"):
            return Outcome(self.random.choice((Status.FAILED, Status.LATER, Status.PARTIAL, Status.ASK)))
        retry = self.random.randrange(200, 3_000) if draw > 1 - self.rate("retry") else None
        return Outcome(Status.OK if self.random.random() < 0.5 or retry is None else Status.LATER, retry_ms=retry)

    def answers(self) -> bool:
        return self.db.time >= self.down_until

    def closed(self, ms: int) -> None:
        self.down_until = max(self.down_until, self.time + ms)
        self.watch.closed(self.time, self.down_until)

    def turn(self, ms: int) -> None:
        self.db.offset += ms
        self.watch.turned(ms)

    def gone(self, client: str, scopes: tuple[int, ...]) -> None:
        """Seats were given up."""
        self.watch.gone(client, scopes)
        self.ring(scopes)

    def ring(self, scopes: tuple[int, ...]) -> None:
        """The bell rings for most of those who listen."""
        for process in self.processes:
            for scope in set(scopes).intersection(process.listening) if process.alive else ():
                if self.random.random() < 0.9:
                    self.at(self.time + self.link.latency(), partial(process.post, ev.Rang(scope)))

    def pause(self, kind: str, scope: int, paused: bool) -> None:
        self.db.pause(kind, scope, paused)
        self.watch.paused(kind, scope, paused)


def replay(seeds: Sequence[int], world: World | None = None) -> list[str]:
    """Run seeds and return all their violations."""
    return [text for seed in seeds for text in Simulation(seed, world).run()]


if __name__ == "__main__":
    print("\n".join(replay([int(seed) for seed in sys.argv[1:]])) or "no violation")
