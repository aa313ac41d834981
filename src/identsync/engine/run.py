"""A run as its task sees it: the database, the clinic and the permits, all under the run's fence."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from identsync.engine.clock import monotonic_ms
from identsync.engine.permits import PATIENCE_MS, SPAN_MS, Channels, Permits
from identsync.engine.worker import Worker
from identsync.errors import StaleFence
from identsync.store.sever import sever

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from identsync.clinic.source import ClinicSource
    from identsync.engine.channel import Channel
    from identsync.engine.integration import Task
    from identsync.store import Store
    from identsync.store.limiter import Fence

T = TypeVar("T")


class Run:
    """One run of a task, handed to ``Task.run``.

    Its methods are coroutines; the functions given to them run in the engine's one database thread and must not keep
    the connection. Once the run has lost its lease every method raises StaleFence: let it pass.
    """

    def __init__(
        self, task: "Task", fence: "Fence", *, store: "Store", clinic: "ClinicSource", worker: "Worker",
        channels: Channels, clock_offset_ms: int, log: Any,
    ) -> None:  # fmt: skip
        self.task = task
        self.fence = fence
        self.store = store
        self.clinic = clinic
        self.log = log  # structlog, bound to kind, scope and fence; give it ids only
        self.counts: dict[str, int] = {}
        self.lost = False
        self.stopping = asyncio.Event()  # the client ends: a live run comes to its end now
        self._worker = worker
        self._channels = channels
        self._offset_ms = clock_offset_ms
        self._raw: Any = None  # the DBAPI connection of the call in the database thread

    @property
    def kind(self) -> str:
        """The task's kind, 'room/destination'."""
        return self.task.kind

    @property
    def scope(self) -> int:
        """The branch the run is for; 0 = the whole network."""
        return self.task.scope

    async def read(self, fn: "Callable[[Connection], T]") -> T:
        """Return ``fn(connection)``, called in the database thread in a read transaction on the engine's tables."""
        return await self._blocking(lambda: self._within(self.store.read(), fn))

    async def write(self, fn: "Callable[[Connection], T]", *, aside: bool = False) -> T:
        """Return ``fn(connection)``, called in a transaction that commits only under this run's fence.

        Raises StaleFence, with nothing written, where another client holds the task now. Keep it short: it holds the
        task's row, and on SQLite the only write lock there is. ``aside`` is for a cancelled run, which has seconds: it
        does not wait for the calls of other runs in the database thread, only for its own.
        """
        if not aside or self._worker.busy_with(self):
            return await self._blocking(lambda: self._within(self.store.write(self.fence), fn))
        self._check()
        worker = Worker("identsync-aside")
        try:
            return await worker.call(lambda: self._within(self.store.write(self.fence), fn), self)
        finally:
            worker.close(0)

    async def clinic_read(self, fn: "Callable[[ClinicSource], T]") -> T:
        """Return ``fn(clinic)``, called in the database thread."""
        return await self._blocking(lambda: fn(self.clinic))

    def permits(self, channel: "Channel", *, need: int | None = None, patience_ms: int = PATIENCE_MS) -> Permits:
        """Give this run's part of an outside service's channel, shared by all clients: ``async with``, then ``take``.

        ``need`` is how many permits the run has use for (None = not known yet). Where the next one is further away
        than ``patience_ms``, ``take`` raises Limited, which ends the run as Later and tries again when there are some.
        """
        span = min(SPAN_MS, self.task.lease_ms)
        return self._channels.open(channel, need=need, patience_ms=patience_ms, span_ms=span, check=self._check)

    def progress(self, **counts: int) -> None:
        """Set counts of this run (the newest value counts); the journal gets them even where the run fails."""
        self.counts.update(counts)

    def now_ms(self) -> int:
        """UTC epoch milliseconds on the engine's clock: the database's, as told with the claim of this run."""
        return monotonic_ms() + self._offset_ms

    def sever(self) -> None:
        """Break the database connection of a call that hangs: its transaction is undone, its row free. Blocks."""
        raw, self._raw = self._raw, None
        if raw is not None:
            sever(raw)

    def _within(self, transaction: "AbstractContextManager[Connection]", fn: "Callable[[Connection], T]") -> T:
        with transaction as connection:
            self._raw = connection.connection.dbapi_connection
            try:
                return fn(connection)
            finally:
                self._raw = None

    async def _blocking(self, work: Callable[[], T]) -> T:
        self._check()
        return await self._worker.call(work, self)

    def _check(self) -> None:
        if self.lost:
            raise StaleFence(f"{self.kind} {self.scope}: fence {self.fence.number} was given up")
