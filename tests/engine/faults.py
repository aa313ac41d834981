"""What the world does to clients and database, once a second, by the rates of the seed's world."""

from typing import TYPE_CHECKING

from engine.model import Backup
from identsync.engine import events as ev
from identsync.engine.integration import Role

if TYPE_CHECKING:
    from engine.process import Process
    from engine.simulator import Simulation

BACKUP_MS = 10_000
_CLIENT = ("kill", "leave", "pause", "suspend", "block", "sicken", "poison", "lack")


class Faults:
    """Everything bad, and the persons who press buttons."""

    def __init__(self, sim: "Simulation") -> None:
        self.sim = sim
        self.backups: list[Backup] = []

    def second(self) -> None:
        sim, world, chance = self.sim, self.sim.world, self.sim.random
        if world.restore and sim.time % BACKUP_MS < 1_000:
            self.backups.append(sim.db.backup())
        for what in ("restart", "read_only", "jump", "desert", "poke", "hold", "restore"):
            if chance.random() < getattr(world, what):
                getattr(self, what)()
        rates = [getattr(world, what) for what in _CLIENT]
        if not any(rates):
            return
        names, weights = [*_CLIENT, ""], [*rates, max(0.0, 1 - sum(rates))]
        for process in [p for p in sim.processes if p.alive]:
            (what,) = chance.choices(names, weights)
            if what:
                getattr(self, what)(process)

    # -- the database

    def restart(self) -> None:
        """Connections fail, what is under way is lost, answers after the commit too."""
        sim = self.sim
        sim.epoch += 1
        sim.db.restart()
        sim.closed(sim.random.randrange(100, 12_000))

    def read_only(self) -> None:
        """A fail-over: connections live, nothing can be written."""
        self.sim.closed(self.sim.random.randrange(500, 8_000))

    def restore(self) -> None:
        """The database is lost; somebody puts a backup in its place: every number goes back to what it was then."""
        sim = self.sim
        if self.backups:
            backup = sim.random.choice(self.backups)
            sim.db.restart()
            sim.db.restore(backup)
            sim.watch.restored(since=backup[0])
            self.restart()

    def jump(self) -> None:
        """Somebody sets the clock of the database server."""
        far = self.sim.random.choice((2_000, 30_000, 3_600_000))
        self.sim.turn(self.sim.random.choice((-1, 1)) * self.sim.random.randrange(500, far))

    # -- clients

    def kill(self, process: "Process") -> None:
        process.kill()
        self._replace(process)

    def leave(self, process: "Process") -> None:
        process.leave()
        self._replace(process)

    def pause(self, process: "Process") -> None:
        process.freeze(self.sim.random.randrange(100, 15_000))

    def suspend(self, process: "Process") -> None:
        process.suspend(self.sim.random.randrange(1_000, 40_000))

    def block(self, process: "Process") -> None:
        process.block(self.sim.random.randrange(100, 9_000))

    def sicken(self, process: "Process") -> None:
        process.sicken(self.sim.random.randrange(1_000, 20_000))

    def poison(self, process: "Process") -> None:
        process.poison(self.sim.random.choice([spec.kind for spec in process.specs]))

    def lack(self, process: "Process") -> None:
        """A secret goes, or a library, on one computer; or somebody brings it back."""
        process.lack(self.sim.random.choice([spec.kind for spec in process.specs]))

    def _replace(self, process: "Process") -> None:
        self.sim.at(self.sim.time + self.sim.random.randrange(20_000), lambda: self.sim.join(process.branch))

    def desert(self) -> None:
        """A branch loses all its administrators, and gains one again."""
        sim = self.sim
        branch = sim.random.randint(1, sim.world.branches)
        for process in sim.of_branch(branch, Role.ADMINISTRATOR):
            sim.random.choice((process.kill, process.leave))()
        sim.at(sim.time + sim.random.randrange(5_000, 40_000), lambda: self._regain(branch))

    def _regain(self, branch: int) -> None:
        if not (self.sim.calm and branch in self.sim.deserted):
            self.sim.join(branch, Role.ADMINISTRATOR)

    # -- persons

    def _slot(self) -> tuple[str, int]:
        chance = self.sim.random
        spec = chance.choice(self.sim.specs(chance.randint(1, self.sim.world.branches), 1))
        return spec.kind, spec.scope

    def poke(self) -> None:
        """A person wants a task to run now, at any client that shows the button."""
        kind, scope = self._slot()
        self.sim.watch.poked(kind, scope)
        if self.sim.answers():
            self.sim.db.run_now(kind, scope)
        alive = [p for p in self.sim.processes if p.alive and scope in (0, p.branch)]
        if alive:
            self.sim.random.choice(alive).post(ev.Poked(kind, scope))

    def hold(self) -> None:
        """A person pauses a task, and lets it run again."""
        kind, scope = self._slot()
        if self.sim.answers() and not self.sim.db.row(kind, scope).paused:
            self.sim.pause(kind, scope, True)
            self.sim.at(self.sim.time + self.sim.random.randrange(1_000, 20_000), lambda: self._let(kind, scope))

    def _let(self, kind: str, scope: int) -> None:
        if self.sim.db.row(kind, scope).paused:
            self.sim.pause(kind, scope, False)

    # -- the calm

    def mend(self) -> None:
        """The database answers, nobody stands still, each branch has somebody who may run its tasks."""
        sim = self.sim
        sim.calm = True
        sim.down_until = min(sim.down_until, sim.time)
        for (kind, scope), row in list(sim.db.rows.items()):
            if row.paused:
                sim.pause(kind, scope, False)
        for process in sim.processes:
            for name in ("frozen_until", "blocked_until", "sick_until"):
                setattr(process, name, min(getattr(process, name), sim.time))
            process.troubles = [(a, b if b > 1 << 60 else min(b, sim.time)) for a, b in process.troubles]
        for branch in range(1, sim.world.branches + 1):
            self._people(branch)

    def _people(self, branch: int) -> None:
        sim = self.sim
        if branch not in sim.deserted:
            sim.join(branch, Role.ADMINISTRATOR)
            return
        for process in sim.of_branch(branch, Role.ADMINISTRATOR):
            sim.random.choice((process.kill, process.leave))()
        sim.join(branch, Role.DIRECTOR)
