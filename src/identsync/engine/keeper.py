"""The lease keeper: a thread with its own limiter connection that sends what the agenda says, one statement at a time.

Neither a busy event loop nor a long read of the clinic costs a lease.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from identsync.engine.agenda import Agenda, Job
from identsync.engine.clock import monotonic_ms
from identsync.engine.events import Claimed, DropRun, Event, LeaveSeats, RenewFailed, StartRun, Turn
from identsync.engine.integration import Role
from identsync.engine.state import Spec
from identsync.errors import Unavailable
from identsync.language import _
from identsync.store import idle
from identsync.store.limiter import Denied, Limiter

T = TypeVar("T")
STUCK_MS = 20_000
"""A database that is away for less is no news."""
log = structlog.get_logger("identsync.engine")


class Post(Protocol):
    """Hands events over to the loop, in their order."""

    def __call__(self, *events: Event) -> None:
        """Post them."""


@dataclass(frozen=True, slots=True)
class _Errand:
    work: Callable[[Limiter], object]
    failed: Callable[[BaseException], None]


class Keeper:
    """Carries out a client's limiter statements in one thread, in order, renewals first."""

    def __init__(
        self,
        limiter: Callable[[], Limiter],
        client: str,
        role: Role,
        specs: Sequence[Spec],
        post: Post,
        answer_ms: int,
        bell: Callable[[tuple[int, ...]], None] = lambda _: None,
    ) -> None:
        self._open_limiter = limiter
        self._limiter: Limiter | None = None
        self._post = post
        self._bell = bell
        self._specs = specs
        self._agenda = Agenda(client, role, specs, answer_ms)
        self._errands: deque[_Errand] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="identsync-keeper", daemon=True)
        names = ("turn", "seat", "claim", "granted", "renew", "renew_failed", "finish", "failed")
        self.counts = dict.fromkeys(names, 0)
        self._failing: tuple[int, Exception] | None = None  # since when no statement succeeds (monotonic ms), and why

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout: float = 5.0) -> bool:
        """End the thread after the queued statements; False where it did not end in time (seconds)."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- orders, from the loop's thread

    def send(self, action: Turn | LeaveSeats) -> None:
        """Queue a statement; each of its items is answered by an event, or given up by the step."""
        with self._changed:
            self._agenda.put(action, monotonic_ms())
            self._changed.notify()

    def hold(self, action: StartRun) -> None:
        """Renew the run's lease from now on."""
        with self._changed:
            self._agenda.hold(action)
            self._changed.notify()

    def drop(self, action: DropRun) -> None:
        """Renew no more."""
        with self._changed:
            self._agenda.drop(action)

    def ring(self, scopes: tuple[int, ...]) -> None:
        """Ring the bell of these seats."""
        with self._changed:
            self._errands.append(_Errand(lambda _: self._tell(scopes), lambda _: None))
            self._changed.notify()

    def ask(self, work: Callable[[Limiter], T]) -> "asyncio.Future[T]":
        """Queue ``work(limiter)`` and return a future of the running loop with its result."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if not future.done():
                future.set_exception(error) if error is not None else future.set_result(result)  # type: ignore[arg-type]

        def perform(limiter: Limiter) -> None:
            loop.call_soon_threadsafe(settle, work(limiter), None)

        with self._changed:
            self._errands.append(_Errand(perform, lambda error: _quietly(loop, settle, None, error)))
            self._changed.notify()
        return future

    def stuck(self) -> Exception | None:
        """Return why no statement has succeeded for ``STUCK_MS``; None where they do. For any thread."""
        failing = self._failing
        return failing[1] if failing and monotonic_ms() - failing[0] >= STUCK_MS else None

    # -- the thread

    def _work(self) -> None:
        while (jobs := self._next()) is not None:
            for job in jobs:
                self._perform(job) if isinstance(job, Job) else self._run(job)
            if not jobs and self._limiter is not None:
                self._limiter.close()  # the next statement opens it again
        if self._limiter is not None:
            self._limiter.close()

    def _next(self) -> list[Job | _Errand] | None:
        """Wait for something to do: a statement of the agenda and an errand take turns; None = closed.

        Nothing: so long was there nothing to do that the connection is better closed, as the store's idle ones are.
        """
        with self._changed:
            while True:
                now = monotonic_ms()
                job = self._agenda.next(now)
                jobs: list[Job | _Errand] = [job] if isinstance(job, Job) else []
                if self._errands:
                    jobs.append(self._errands.popleft())
                if jobs:
                    return jobs
                if self._closed:
                    return None
                assert isinstance(job, int)
                wait = (job - now) / 1000
                if not self._changed.wait(min(wait, idle.IDLE_S)) and wait > idle.IDLE_S:
                    return []

    def _run(self, errand: _Errand) -> None:
        try:
            errand.work(self._connection())
        except BaseException as error:
            errand.failed(error)

    def _perform(self, job: Job) -> None:
        sent = monotonic_ms()
        self.counts["turn"] += 1
        try:
            reply = job.perform(self._connection())
        except Exception as error:
            self._failed(job, error)
            return
        self._failing = None
        with self._changed:
            events = self._agenda.answered(job, reply, sent, monotonic_ms())
        self._count(job, events)
        self._tell_of_newer(events)
        self._post(*events)
        if isinstance(job.action, LeaveSeats):
            self._tell(job.action.scopes)

    def _failed(self, job: Job, error: Exception) -> None:
        """Answer a failure. A mistake, unlike a database that is away, is one item's: the others go by themselves."""
        told = {"why": str(error)} if isinstance(error, Unavailable) else {}  # codes only, it quotes nothing
        log.warning("the limiter did not answer", error=type(error).__name__, **told)
        again = [] if isinstance(error, Unavailable) else self._apart(job, error)
        if again:
            for each in again:
                self._perform(each)
            return
        self._failing = self._failing[0] if self._failing else monotonic_ms(), error
        with self._changed:
            events = self._agenda.failed(job, monotonic_ms())
        self.counts["failed"] += 1
        self._count(job, events)
        self._post(*events)

    def _apart(self, job: Job, error: Exception) -> list[Job]:
        parts = job.parts()
        bare = job.bare(error) if len(parts) == 1 else None
        return parts if len(parts) > 1 else [bare] if bare else []

    def _connection(self) -> Limiter:
        if self._limiter is None:
            self._limiter = self._open_limiter()
        return self._limiter

    def _count(self, job: Job, events: Sequence[Event]) -> None:
        if isinstance(job.action, Turn):
            self.counts["seat"] += len(job.action.seats)
            self.counts["claim"] += len(job.action.claims)
            self.counts["finish"] += len(job.action.finishes)
        failed = sum(isinstance(event, RenewFailed) for event in events)
        self.counts["renew_failed"] += failed
        self.counts["renew"] += len(job.orders) - failed
        self.counts["granted"] += sum(isinstance(event, Claimed) and event.claim.granted for event in events)

    def _tell_of_newer(self, events: Sequence[Event]) -> None:
        """Say which tasks are denied to this program because it is too old; once each, for it never asks again."""
        for event in events:
            if isinstance(event, Claimed) and event.claim.why is Denied.PROTO:
                spec = self._specs[event.slot]
                hint = _("обновите эту программу")
                log.warning("the task is left to newer programs", kind=spec.kind, scope=spec.scope, hint=hint)

    def _tell(self, scopes: tuple[int, ...]) -> None:
        try:
            self._bell(scopes)
        except Exception as error:
            log.warning("the bell could not be rung", error=type(error).__name__)


def _quietly(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, *args)
