"""A simulated run of a task: it writes now and then, ends, fails, hangs, hears of its cancellation or does not."""

from typing import TYPE_CHECKING

from engine.model import Writing
from identsync.engine.integration import Outcome, Status
from identsync.store.limiter import Fence

if TYPE_CHECKING:
    from engine.process import Process

_FOREVER_MS = 10_000_000


class Task:
    """The task's function for one run; its writes go through the fence even when nobody told it to stop."""

    def __init__(self, process: "Process", slot: int, fence: Fence) -> None:
        self.process = process
        self.slot = slot
        self.fence = fence
        self.spec = process.state.slots[slot].spec
        self.reason: Status | None = None
        self.over = self.abandoned = False
        self.writing: Writing | None = None
        sim = process.sim
        chance = sim.random
        poisoned = self.spec.kind == process.poisoned
        self.stubborn = poisoned or chance.random() < sim.rate("stubborn")
        hangs = poisoned or chance.random() < sim.rate("hang")
        length = (
            _FOREVER_MS
            if poisoned or (hangs and not self.stubborn)
            else 20_000
            if hangs
            else min(4_000, int(chance.expovariate(1 / sim.work_ms)) + 5)
        )
        for _ in range(sim.writes):
            sim.at(sim.time + chance.randrange(min(length, 20_000)), self.write)
        sim.at(sim.time + length, self.finish)

    def finish(self) -> None:
        self.process.when_awake(self._finish, loop=True)

    def _finish(self) -> None:
        if self.reason is None or self.stubborn:
            lacking = self.process.lacks(self.spec.kind)
            self.end(Outcome(Status.ASK, elsewhere=True) if lacking else self.process.sim.outcome())

    def cancel(self, reason: Status) -> None:
        if not self.stubborn:
            self.reason = reason
            self.process.sim.at(
                self.process.sim.time + self.process.sim.random.randrange(300),
                lambda: self.process.when_awake(lambda: self.end(Outcome(reason)), loop=True),
            )

    def end(self, outcome: Outcome) -> None:
        if not self.over:
            self.over = True
            self.process.ended(self, outcome)

    # -- its writes

    def write(self) -> None:
        self.process.when_awake(self._write, loop=False)

    def _write(self) -> None:
        sim = self.process.sim
        if self.over or self.writing is not None or not sim.answers():
            return
        self.writing = sim.db.write(self.fence)
        if self.writing is None:
            self.process.when_awake(lambda: self.end(Outcome(Status.LOST)), loop=True)
            return
        slow = sim.random.random() < sim.rate("slow")
        length = sim.random.randrange(200, 4_000) if slow else sim.random.randrange(1, 30)
        sim.at(sim.time + length, lambda: self.process.when_awake(self._commit, loop=False))

    def _commit(self) -> None:
        if self.writing is not None:
            if self.process.sim.answers():
                self.process.sim.db.commit(self.writing)
            self.rollback()

    def rollback(self) -> None:
        if self.writing is not None:
            self.process.sim.db.rollback(self.writing)
            self.writing = None
