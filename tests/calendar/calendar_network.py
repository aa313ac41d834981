"""A small network whose calendars go to a real server: runs of the real task under the real limiter, one at a time."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import create_engine, text, update

from identsync.clinic.source import ClinicSource
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.engine.clock import monotonic_ms
from identsync.engine.ending import ending
from identsync.engine.integration import Outcome
from identsync.engine.permits import Channels
from identsync.engine.run import Run
from identsync.engine.worker import Worker
from identsync.integrations.calendar import INTEGRATION, books
from identsync.integrations.calendar.books import Link
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.task import wish_of
from identsync.integrations.calendar.wanted import read
from identsync.store import Fence, Store
from identsync.store.tables import task_slot

NAME = "there"


def generated(path: Any, today: int, *, branches: int = 2, doctors: int = 2, days: int = 8) -> None:
    """Make a clinic's file; ``today`` counts days since 1970."""
    engine = create_engine(f"sqlite:///{path}")
    size = GeneratorSettings(branches=branches, doctors=doctors, days=days, seed=7, first_day=today - 2)
    generate(engine, size)
    engine.dispose()


@dataclass
class Network:
    """One client's view; ``destination`` is where its calendars go."""

    store: Store
    clinic: ClinicSource
    engine: Any
    destination: CalendarDestination

    def sql(self, statement: str, **values: Any) -> None:
        """Change the clinic."""
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)

    def ask(self, statement: str) -> list[Any]:
        """Ask the clinic."""
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement)))

    def links(self) -> dict[int, Link]:
        """Return the doctors' links."""
        with self.store.read() as connection:
            return books.links(connection, NAME)

    def wanted(self, scope: int = 1) -> dict[str, Any]:
        """Return the events that the calendars of a branch shall hold, by name."""
        with self.store.read() as connection:
            key = books.find_key(connection) or b""
        doctors = [link.doctor for link in self.links().values() if link.scope == scope and link.state == "on"]
        found = read(self.clinic, wish_of(self.destination), scope, key, doctors, self.now_ms())
        return {event.name: event for event in found.events(found.columns.keys).values()}

    def now_ms(self) -> int:
        """Tell the database's time."""
        return int(self.store.now_ms())

    def forget_patience(self) -> None:
        """Let what waits for a later try be tried by the next run, and every calendar be looked at."""
        with self.store.write() as connection:
            connection.execute(text("UPDATE mirror_item SET retry_ms=NULL"))
            connection.execute(text("UPDATE calendar_link SET looked_ms=NULL"))

    async def go(self, scope: int = 1, before: Callable[[Run], None] | None = None) -> Outcome:
        """Run the task of a branch once, now, as an engine would."""
        (task,) = [t for t in INTEGRATION.tasks({NAME: self.destination}, self.clinic.branches()) if t.scope == scope]
        limiter, holder = self.store.limiter(), secrets.token_hex(8)
        with self.store.write() as connection:
            connection.execute(update(task_slot).where(task_slot.c.kind == task.kind).values(eligible_ms=0))
        claim = limiter.claim(
            task.kind, task.scope, holder=holder, role=0, lease_ms=600_000, interval_ms=task.interval_ms,
            request=secrets.token_hex(8), presence_ttl_ms=60_000,
        )  # fmt: skip
        assert claim.granted, claim
        fence, worker = Fence(task.kind, task.scope, claim.fence, holder), Worker()

        async def permits(work: Callable[[Any], Any]) -> Any:
            return work(limiter)

        run = Run(
            task, fence, store=self.store, clinic=self.clinic, worker=worker, channels=Channels(permits),
            clock_offset_ms=claim.now_ms - monotonic_ms(), log=structlog.get_logger(),
        )  # fmt: skip
        if before is not None:
            before(run)
        try:
            outcome = await ending(run, run.log)
        finally:
            worker.close()
        limiter.finish(fence, interval_ms=task.interval_ms, outcome=outcome.status, counts=outcome.counts, note="")
        return outcome
