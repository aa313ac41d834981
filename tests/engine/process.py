"""A simulated client: its clock, its loop and its keeper, which stand still when the computer does.

It carries out what the real ``step`` decides and sends what the real ``Agenda`` plans, as loop.py and keeper.py do.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.task import Task
from identsync.core.limiter import Memory
from identsync.engine import events as ev
from identsync.engine.agenda import Agenda
from identsync.engine.integration import Outcome, Role
from identsync.engine.state import NEVER, new_state
from identsync.store.limiter import Fence

if TYPE_CHECKING:
    from engine.simulator import Simulation


SPIN = 300


class Timer:
    """Rings once at a true time; not while its process stands still."""

    def __init__(self, process: "Process", ring: Callable[[], None], *, loop: bool) -> None:
        self.process = process
        self.ring = ring
        self.loop = loop
        self.at = NEVER
        self.number = 0

    def arm(self, at: int) -> None:
        self.number += 1
        self.at = at
        if at < NEVER:
            self.process.sim.at(at, partial(self.fire, self.number))

    def fire(self, number: int) -> None:
        if number == self.number:
            self.process.when_awake(lambda: number == self.number and self._ring(), loop=self.loop)

    def _ring(self) -> None:
        self.at = NEVER
        self.ring()


class Process:
    """One client process. ``troubles`` are the spans of true time in which it was not well."""

    def __init__(self, sim: "Simulation", name: str, role: Role, branch: int, proto: int, seed: int) -> None:
        self.sim = sim
        self.name = name
        self.role = role
        self.branch = branch
        self.proto = proto
        self.specs = sim.specs(branch, proto)
        self.state = new_state(name, sim.acts_as(role), branch, self.specs, policy=sim.policy, seed=seed)
        self.born = sim.time
        self.died = NEVER
        self.alive = True
        self.skew = sim.random.randrange(1, 10_000_000)
        self.pace = 1_000 + sim.random.randint(-sim.world.pace, sim.world.pace)
        self.frozen_until = 0  # the whole process
        self.blocked_at = self.blocked_until = 0  # its event loop only
        self.sick_until = 0  # its network loses most
        self.troubles: list[tuple[int, int]] = []
        self.poisoned = ""  # a kind whose runs here hang for ever and hear nothing
        self.lacked: list[tuple[str, int, int]] = []  # kind and span of what its computer had not what it takes to run
        self.doubt = 0  # the last time something stood between its keeper and the database
        self.listening: tuple[int, ...] = ()
        self.tasks: dict[tuple[int, Fence], Task] = {}
        self.asking = False
        self.sleep = NEVER
        self._decided = self._decided_at = 0
        self._inbox: deque[Any] = deque()
        self._timer = Timer(self, lambda: self.take(ev.Woke()), loop=True)
        self._keeper = Timer(self, self.serve, loop=sim.loop_renews)
        self.agenda = Agenda(name, int(role), [slot.spec for slot in self.state.slots], sim.policy.answer_ms)
        self._memory = Memory(len(self.state.slots))
        for i in range(len(self.state.slots)):
            self._memory.set(i, NEVER)

    def start(self) -> None:
        self.take(ev.Started())

    # -- its clock: monotonic, from anywhere, at its own pace, counting while the computer sleeps

    def local(self) -> int:
        return self.skew + self.sim.time * self.pace // 1_000

    def true(self, local: int) -> int:
        return NEVER if local >= NEVER else -((self.skew - local) * 1_000 // self.pace)

    # -- standing still

    def when_awake(self, work: Callable[[], Any], *, loop: bool) -> None:
        """Call ``work`` unless the process is dead; later while it, or its loop, stands still."""
        if not self.alive:
            return
        until = max(self.frozen_until, self.blocked_until if loop else 0)
        if until > self.sim.time:
            self.sim.at(until, lambda: self.when_awake(work, loop=loop))
        else:
            work()

    def freeze(self, ms: int) -> None:
        self.frozen_until = max(self.frozen_until, self.sim.time + ms)
        self.doubt = max(self.doubt, self.frozen_until)
        self.trouble(ms)

    def suspend(self, ms: int) -> None:
        """The computer sleeps: the clock goes on, the timers of the system do not."""
        self.freeze(ms)
        for timer in (self._timer, self._keeper):
            timer.arm(min(NEVER, timer.at + ms))

    def poison(self, kind: str) -> None:
        self.poisoned = kind
        self.trouble(NEVER)

    def lack(self, kind: str) -> None:
        """Lack what a kind needs from now on, or have all again."""
        if self.lacked and self.lacked[-1][2] == NEVER:
            *before, (kind, since, _) = self.lacked
            self.lacked = [*before, (kind, since, self.sim.time)]
        else:
            self.lacked.append((kind, self.sim.time, NEVER))

    def lacks(self, kind: str) -> bool:
        return any(each == kind and until == NEVER for each, _, until in self.lacked)

    def block(self, ms: int) -> None:
        if self.blocked_until <= self.sim.time:
            self.blocked_at = self.sim.time
        self.blocked_until = max(self.blocked_until, self.sim.time + ms)
        self.trouble(ms)

    def sicken(self, ms: int) -> None:
        self.sick_until = self.sim.time + ms
        self.trouble(ms)

    def trouble(self, ms: int) -> None:
        self.troubles.append((self.sim.time, self.sim.time + ms))

    def kill(self) -> None:
        self.alive = False
        self.died = self.sim.time
        for task in self.tasks.values():
            task.rollback()

    def leave(self) -> None:
        self.trouble(NEVER)
        self.post(ev.Stopping(3_000))

    # -- its loop

    def post(self, event: Any) -> None:
        """From another thread to the loop."""
        self._inbox.append(event)
        self.when_awake(self._drain, loop=True)

    def take(self, event: Any) -> None:
        self._inbox.append(event)
        self._drain()

    def _drain(self) -> None:
        while self._inbox and self.alive:
            self.state, actions = self.sim.step(self.state, self._inbox.popleft(), self.local())
            for action in actions:
                _CARRY_OUT[type(action)](self, action)
            self.sim.watch.stepped(self)
        self._spin()
        if self.alive:
            remembered = self._memory.next() if len(self._memory) else None
            at = min(self.sleep, NEVER if remembered is None else remembered)
            self._timer.arm(max(self.true(at), self.sim.time))
            self.serve()

    def _spin(self) -> None:
        """A client that decides for ever while no time passes is a violation, and the end of it here."""
        self._decided = self._decided + 1 if self._decided_at == self.sim.time else 0
        self._decided_at = self.sim.time
        if self._decided == SPIN:
            self.sim.watch.violation(f"{self.name} decides {SPIN} times at one instant")
            self.kill()

    # -- its keeper: one statement at a time

    def serve(self) -> None:
        if self.asking or not self.alive:
            return
        job = self.agenda.next(self.local())
        if isinstance(job, int):
            self._keeper.arm(self.true(job))
            return
        self.asking = True
        self.sim.link.send(self, job)

    def answered(self, events: tuple[Any, ...]) -> None:
        self.asking = False
        for event in events:
            self.post(event)
        self.serve()

    # -- actions

    def put(self, action: Any) -> None:
        self.agenda.put(action, self.local())

    def start_run(self, action: ev.StartRun) -> None:
        self.agenda.hold(action)
        self.sim.watch.started(self, action.slot, action.fence.number)
        key = (action.slot, action.fence)
        self.tasks[key] = Task(self, *key)

    def cancel_run(self, action: ev.CancelRun) -> None:
        task = self.tasks.get((action.slot, action.fence))
        if task is not None:
            self.sim.watch.cancelled(self, task, action.reason)
            task.cancel(action.reason)

    def abandon_run(self, action: ev.AbandonRun) -> None:
        task = self.tasks.get((action.slot, action.fence))
        if task is not None:
            task.abandoned = True

    def ended(self, task: Task, outcome: Outcome) -> None:
        del self.tasks[task.slot, task.fence]
        self.take(ev.RunEnded(task.slot, task.fence, outcome))

    def stopped(self, _: ev.Stopped) -> None:
        self.alive = False
        self.died = self.sim.time
        for task in self.tasks.values():
            task.rollback()

    def remember(self, action: ev.Remember) -> None:
        self._memory.set(action.slot, action.due)

    def sleep_until(self, action: ev.SleepUntil) -> None:
        self.sleep = action.at

    def listen(self, action: ev.Listen) -> None:
        self.listening = action.scopes

    def ring(self, action: ev.Ring) -> None:
        self.sim.ring(action.scopes)


_CARRY_OUT: dict[type, Callable[[Process, Any], None]] = {
    ev.Turn: Process.put,
    ev.LeaveSeats: Process.put,
    ev.DropRun: lambda process, action: process.agenda.drop(action),
    ev.StartRun: Process.start_run,
    ev.CancelRun: Process.cancel_run,
    ev.AbandonRun: Process.abandon_run,
    ev.Listen: Process.listen,
    ev.Ring: Process.ring,
    ev.Remember: Process.remember,
    ev.SleepUntil: Process.sleep_until,
    ev.Stopped: Process.stopped,
}
