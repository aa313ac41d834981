"""A whole network in virtual time, nothing broken but the holders of seats, who are killed: what does it cost?

40 branches of 30 tasks, all clients administrators (a doctor's client asks nothing at all, a director's less).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from engine.model import SEAT
from engine.simulator import Simulation
from engine.world import QUIET
from identsync.engine.integration import Role
from identsync.engine.state import Policy, Spec
from identsync.store.limiter.grid import next_due

BRANCHES = 40
MIX = ((15_000, 6), (30_000, 5), (60_000, 7), (300_000, 4), (900_000, 4), (3_600_000, 4))  # interval, how many tasks
LEASE_MS = 30_000
KILL_MS = 600_000  # each branch's holder is killed so often
MINUTE = 60_000


def due_a_minute(branches: int = BRANCHES) -> float:
    """How many slots of the mix are due in a minute."""
    return branches * sum(MINUTE / interval * count for interval, count in MIX)


class Silent:
    """Judges nothing."""

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


@dataclass
class Figures:
    """What was seen since the warm-up; times in ms."""

    minutes: float = 0.0
    statements: int = 0
    runs: int = 0
    lateness: list[int] = field(default_factory=list)
    takeovers: list[int] = field(default_factory=list)


class Fleet(Simulation):
    """``clients`` spread over the branches; ``measure`` runs the clock."""

    writes = 0

    def __init__(self, clients: int, seed: int = 1, policy: Policy | None = None) -> None:
        self._specs = {branch: _specs(branch) for branch in range(1, BRANCHES + 1)}
        super().__init__(seed, replace(QUIET, branches=BRANCHES, clients=clients, roles=(Role.ADMINISTRATOR,)))
        self.policy = policy or Policy()
        self.watch = Silent()  # type: ignore[assignment]
        self.db.granted = self._granted
        self.figures = Figures()
        self.lost: dict[int, int] = {}  # branches without holder, since when
        self._names: dict[str, Any] = {}

    def specs(self, branch: int, _: int) -> list[Spec]:
        return self._specs[branch]

    def measure(self, warm: int, calm: int, deadly: int) -> Figures:
        """Return the figures of two spans of minutes after a warm-up: nobody dies in the first, holders in the second.

        Lateness is that of the first span, takeovers are the second's, statements are counted in both.
        """
        for i in range(self.world.clients):
            self.at(self.random.randrange(MINUTE), lambda i=i: self.join(i % BRANCHES + 1))
        self.until(warm * MINUTE)
        before, since = self.db.statements, self.time
        self.until((warm + calm) * MINUTE)
        self.figures.lateness = list(self._lateness(since))
        for branch in range(1, BRANCHES + 1):
            self.at(self.time + self.random.randrange(KILL_MS), lambda branch=branch: self._kill(branch))
        self.until((warm + calm + deadly) * MINUTE)
        self.figures.minutes, self.figures.statements = calm + deadly, self.db.statements - before
        self.figures.runs = sum(entry.at > since for entry in self.db.journal.values())
        return self.figures

    def join(self, branch: int, role: Role | None = None) -> Any:
        process = super().join(branch, role)
        self._names[process.name] = process
        return process

    def _kill(self, branch: int) -> None:
        """The holder dies where another could take over; a new client comes a minute later."""
        holder = self._names.get(self.db.row(SEAT, branch).holder or "")
        if holder is not None and holder.alive and len(self.of_branch(branch, Role.ADMINISTRATOR)) > 1:
            holder.kill()
            self.processes.remove(holder)
            self.lost[branch] = self.time
            self.at(self.time + MINUTE, lambda: self.join(branch))
        self.at(self.time + KILL_MS, lambda: self._kill(branch))

    def _granted(self, _: str, __: int, ___: str, scope: int, *____: object) -> None:
        if scope in self.lost:
            self.figures.takeovers.append(self.time - self.lost.pop(scope))

    def _lateness(self, since: int) -> Iterator[int]:
        """How long after its instant of the grid each run began; a run that died has not served its instant."""
        intervals = {(spec.kind, spec.scope): spec.interval_ms for specs in self._specs.values() for spec in specs}
        due: dict[tuple[str, int], int] = {}
        for entry in self.db.journal.values():
            slot = (entry.kind, entry.scope)
            if entry.at > since and slot in due:
                yield entry.started - due[slot]
            if entry.ended is not None:
                due[slot] = next_due(*slot, intervals[slot], self.db.offset + entry.ended)


def _specs(branch: int) -> list[Spec]:
    kinds = [interval for interval, count in MIX for _ in range(count)]
    return [Spec(f"task{i:02}", branch, interval, LEASE_MS, 2 * LEASE_MS) for i, interval in enumerate(kinds)]
