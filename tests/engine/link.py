"""The way of a statement to the database and of its answer back: slow, lost before or after the commit, doubled."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from engine.model import TornError
from identsync.store.limiter.records import LOCKED

if TYPE_CHECKING:
    from engine.process import Process
    from engine.simulator import Simulation

TRIES = 3  # the limiter itself asks again on a fresh connection, so a statement may be carried out twice


class Link:
    """Carries a keeper's jobs; what a dead or standing process had sent is carried out all the same."""

    def __init__(self, sim: "Simulation") -> None:
        self.sim = sim

    def send(self, process: "Process", job: Any) -> None:
        self._try(process, job, process.local(), TRIES)

    def _try(self, process: "Process", job: Any, sent: int, left: int) -> None:
        self.sim.watch.asked(process)
        self.sim.at(self._travelled(process), lambda: self._execute(process, job, sent, left - 1))

    def _execute(self, process: "Process", job: Any, sent: int, left: int) -> None:
        sim = self.sim
        lost = self._lost(process)
        reply, done = None, False
        if sim.answers() and lost != "before":
            sim.db.tear = sim.random.randrange(3) if sim.random.random() < sim.rate("torn") else None
            with suppress(TornError):
                reply, done = job.perform(sim.db), True
        if not done or lost or (reply is not None and LOCKED in reply.renewals):
            process.doubt = max(process.doubt, sim.time)
        epoch = sim.epoch

        def returned() -> None:
            if done and not lost and epoch == sim.epoch:
                self._answer(process, process.agenda.answered(job, reply, sent, process.local()))
            elif left and sim.random.random() < 0.5:
                self._try(process, job, sent, left)
            else:
                process.answered(process.agenda.failed(job, process.local()))

        sim.at(self._travelled(process), lambda: process.when_awake(returned, loop=sim.loop_renews))

    def _answer(self, process: "Process", events: tuple[Any, ...]) -> None:
        process.answered(events)
        if self.sim.random.random() < self.sim.rate("double"):
            for event in events:
                self.sim.at(self.sim.time + self.latency() * 20, lambda event=event: process.post(event))

    def _travelled(self, process: "Process") -> int:
        latency = self.latency()
        if latency >= 200:
            process.doubt = max(process.doubt, self.sim.time + latency)
        return self.sim.time + latency

    def _lost(self, process: "Process") -> str:
        rate = 0.7 if self.sim.time < process.sick_until else self.sim.rate("lose")
        return self.sim.random.choice(("before", "after")) if self.sim.random.random() < rate else ""

    def latency(self) -> int:
        chance, slow = self.sim.random, self.sim.rate("slow")
        if slow and chance.random() < slow:
            return chance.randrange(2_500, 11_000) if chance.random() < 0.05 else chance.randrange(200, 2_500)
        return chance.randrange(1, 15)
