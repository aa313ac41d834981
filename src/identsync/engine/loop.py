"""The engine of a client: carries out what ``step`` decides, in the event loop, with one timer and two threads."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from identsync.core.limiter import Memory
from identsync.engine import events as ev
from identsync.engine.bell import Bell, bell_for
from identsync.engine.clock import monotonic_ms
from identsync.engine.ending import ending, with_counts
from identsync.engine.integration import Outcome, Role, Status, Task
from identsync.engine.journal import journal_task
from identsync.engine.keeper import Keeper
from identsync.engine.live import Live
from identsync.engine.permits import Channels
from identsync.engine.run import Run
from identsync.engine.snapshot import Snapshot, snapshot
from identsync.engine.state import NEVER, Policy, Spec, State, new_state
from identsync.engine.step import step
from identsync.engine.worker import Worker
from identsync.spans import HOUR_MS
from identsync.store.clients import new_id

if TYPE_CHECKING:
    from identsync.clinic.source import ClinicSource
    from identsync.store import Denied, Fence, Store


class Engine:
    """One client's engine: contends for its branch's seat and runs the tasks the limiter grants it.

    ``tasks`` may hold those of other branches: only this branch's and the network's are taken. A doctor's client has
    no tasks, no threads and no connection. Used from one event loop; ``start`` and ``stop`` once.
    """

    def __init__(
        self, *, store: "Store", clinic: "ClinicSource", tasks: Sequence[Task], role: Role, branch: int,
        policy: Policy | None = None, client: str | None = None,
    ) -> None:  # fmt: skip
        self.store = store
        self.clinic = clinic
        self.role = role
        self.branch = branch
        self.client = client or new_id()
        every = [*tasks, *([] if any(t.kind == "journal" for t in tasks) else [journal_task()])]
        mine = [] if role is Role.DOCTOR else [t for t in every if t.scope in (branch, 0)]
        self.tasks: tuple[Task, ...] = tuple(mine)
        specs = [Spec(t.kind, t.scope, t.interval_ms, t.lease_ms, t.deadline_ms, t.proto) for t in mine]
        seed = int.from_bytes(secrets.token_bytes(8), "little")
        self.state: State = new_state(self.client, role, branch, specs, policy=policy, seed=seed)
        self.worker = Worker()
        self.bell = bell_for(store, lambda scope: self.take(ev.Rang(scope)))
        self.keeper = Keeper(
            store.limiter, self.client, role, specs, self.post, self.state.policy.answer_ms, self.bell.ring
        )
        self.channels = Channels(self.keeper.ask)
        self.live: dict[tuple[int, Fence], Live] = {}
        self.outcomes: dict[str, int] = {}
        self.abandoned = 0
        self.listening = asyncio.Event()  # set while the bell of the next seat in line is heard
        self._inbox: deque[ev.Event] = deque()
        self._draining = False
        self._memory = Memory(len(mine))
        self._sleep_until = NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._listeners: list[Callable[[ev.Event], None]] = []
        self._log = structlog.get_logger("identsync.engine").bind(client=self.client[:8])
        for i in range(len(mine)):
            self._memory.set(i, NEVER)

    # -- for the client around it

    async def start(self) -> None:
        """Start the threads and ask for the seat; returns at once."""
        if not self.tasks:
            return
        self.open_without_seat()
        self.take(ev.Started())
        self._log.info("engine started", role=self.role.name, branch=self.branch, tasks=len(self.tasks))

    async def stop(self, timeout: float = 5.0) -> None:
        """Hand over and end: seats are given up at once, runs may end or are cancelled and released (seconds)."""
        if self._loop is None:
            return
        for live in self.live.values():
            live.run.stopping.set()
        self.take(ev.Stopping(int(timeout * 1000)))
        await self._stopped.wait()
        if self._timer is not None:
            self._timer.cancel()
        self.bell.close()
        await asyncio.to_thread(self.keeper.close, 2.0)
        self.bell.close()
        await asyncio.to_thread(self.worker.close, 0.5)
        self._loop = None
        self._log.info("engine stopped", abandoned=self.abandoned)

    def poke(self, kind: str, scope: int) -> None:
        """Ask for a task now, with or without the seat; from any thread. Does nothing for a task not known here."""
        self.post(ev.Poked(kind, scope))

    async def run_once(self, kind: str, scope: int) -> "Outcome | Denied":
        """Run one task here now, under the limiter (engine.once); the engine need not be started."""
        from identsync.engine.once import run_once

        return await run_once(self, kind, scope)

    def is_due(self, kind: str, scope: int) -> bool:
        """Say, from memory alone, whether this client would ask the limiter for that task now."""
        i = self.state.index.get((kind, scope))
        return i is not None and self._memory.check_at(i, monotonic_ms())

    def snapshot(self) -> Snapshot:
        """Return what this client knows, for the console and ``identsync status``."""
        return snapshot(self.state, self.tasks, {key: live.since for key, live in self.live.items()}, monotonic_ms())

    def stuck(self) -> Exception | None:
        """Return why the limiter has answered nothing for some time; None where it answers. For any thread."""
        return self.keeper.stuck()

    def listen(self, listener: Callable[[ev.Event], None]) -> Callable[[], None]:
        """Call ``listener(event)`` after each step, in the loop's thread; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # -- events

    def post(self, *events: ev.Event) -> None:
        """Hand events over from any thread."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        self._inbox.extend(events)
        try:
            loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # closed in between
            return

    def take(self, event: ev.Event) -> None:
        """Let ``step`` decide on an event, and carry out its actions; in the loop's thread only.

        What the keeper found while the loop was busy comes first: a timer must not overtake a renewal.
        """
        self._inbox.append(event)
        self._drain()

    def _drain(self) -> None:
        if self._draining:
            return
        self._draining = True
        try:
            while self._inbox:
                self._decide(self._inbox.popleft())
        finally:
            self._draining = False
        self._arm()

    def _decide(self, event: ev.Event) -> None:
        before = self.state.listening
        self.state, actions = step(self.state, event, monotonic_ms())
        for action in actions:
            _CARRY_OUT[type(action)](self, action)
        if isinstance(event, ev.SeatAnswered) and () != before == self.state.listening and not self.bell.scopes:
            self._listen(ev.Listen(before))  # the bell broke, or could not be opened; the database answers again
        for listener in tuple(self._listeners):
            listener(event)

    @property
    def is_open(self) -> bool:
        """Whether the threads run."""
        return self._loop is not None

    def open_without_seat(self) -> None:
        """Start the threads only: the engine asks for what it is poked for and contends for no seat."""
        self._loop = asyncio.get_running_loop()
        self.keeper.start()

    def _arm(self) -> None:
        at = min(self._sleep_until, self._memory.next() or NEVER) if len(self._memory) else self._sleep_until
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at < NEVER and self._loop is not None:
            wait = min(max(0, at - monotonic_ms()), HOUR_MS)
            self._timer = self._loop.call_later(wait / 1000, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.take(ev.Woke())

    # -- actions

    def _start_run(self, action: ev.StartRun) -> None:
        self.keeper.hold(action)
        task, fence = self.tasks[action.slot], action.fence
        worker = Worker("identsync-live") if task.live else self.worker
        run = Run(
            task, fence, store=self.store, clinic=self.clinic, worker=worker,
            channels=self.channels, clock_offset_ms=action.database_ms - action.sent,
            log=self._log.bind(kind=task.kind, scope=task.scope, fence=fence.number),
        )  # fmt: skip
        live = Live(run, monotonic_ms(), worker)
        self.live[action.slot, fence] = live
        assert self._loop is not None
        name = f"{task.kind}:{task.scope}:{fence.number}"
        live.task = self._loop.create_task(self._perform(action.slot, fence, live), name=name)

    async def _perform(self, slot: int, fence: "Fence", live: Live) -> None:
        try:
            outcome = await ending(live.run, live.run.log)
        except asyncio.CancelledError:
            reason = live.reason or Status.FAILED
            note = "" if live.reason else "the task cancelled itself"
            outcome = with_counts(Outcome(reason, note=note), live.run.counts)
        if not live.abandoned:
            await live.free_worker(self.state.policy.cancel_grace_ms * 0.0008)
        self._ended(slot, fence, live, outcome)

    def _ended(self, slot: int, fence: "Fence", live: Live, outcome: Outcome) -> None:
        self.live.pop((slot, fence), None)
        live.run.lost = True
        if live.worker is not self.worker:
            live.worker.close(0)
        status = str(outcome.status)
        self.outcomes[status] = self.outcomes.get(status, 0) + 1
        if self._loop is not None:
            self.take(ev.RunEnded(slot, fence, outcome))
        live.run.log.info("run ended", outcome=status, ms=monotonic_ms() - live.since, counts=dict(outcome.counts))

    def _cancel_run(self, action: ev.CancelRun) -> None:
        live = self.live.get((action.slot, action.fence))
        if live is not None and live.task is not None:
            live.cancel(action.reason)

    def _abandon_run(self, action: ev.AbandonRun) -> None:
        self.abandoned += 1
        live = self.live.get((action.slot, action.fence))
        if live is not None:
            live.abandon()

    def _remember(self, action: ev.Remember) -> None:
        self._memory.set(action.slot, action.due)

    def _sleep(self, action: ev.SleepUntil) -> None:
        self._sleep_until = action.at

    def _listen(self, action: ev.Listen) -> None:
        self.listening.clear()
        if not action.scopes:
            self.bell.close()
            return
        opened = self.keeper.ask(lambda _: self.bell.connect(action.scopes))
        opened.add_done_callback(lambda done: self._opened(done, action.scopes))

    def _opened(self, done: "asyncio.Future[None]", scopes: tuple[int, ...]) -> None:
        error = done.exception()
        if error is not None:
            self._log.warning("there is no bell", error=type(error).__name__)
        elif scopes == self.state.listening and not self._stopped.is_set():
            try:
                self.bell.listen(scopes)
                self.listening.set()
            except NotImplementedError:  # Windows' standard loop cannot watch a socket
                self.bell.close()
                self.bell = Bell(self.store, lambda _: None)
        elif not self.state.listening:  # it is no longer next in line, since before the connection was there
            self.bell.close()

    def _end(self, _: ev.Stopped) -> None:
        self._stopped.set()


_CARRY_OUT: dict[type, Callable[[Engine, Any], None]] = {
    ev.Turn: lambda engine, action: engine.keeper.send(action),
    ev.LeaveSeats: lambda engine, action: engine.keeper.send(action),
    ev.Ring: lambda engine, action: engine.keeper.ring(action.scopes),
    ev.DropRun: lambda engine, action: engine.keeper.drop(action),
    ev.StartRun: Engine._start_run,
    ev.CancelRun: Engine._cancel_run,
    ev.AbandonRun: Engine._abandon_run,
    ev.Listen: Engine._listen,
    ev.Remember: Engine._remember,
    ev.SleepUntil: Engine._sleep,
    ev.Stopped: Engine._end,
}
