"""A small network whose calendars go to a real server: runs of the real task under the real limiter, one at a time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from servers import USER
from sqlalchemy import create_engine, text, update

from claimed import run_now
from identsync.clinic.source import ClinicSource
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.engine.integration import Outcome
from identsync.engine.run import Run
from identsync.integrations.calendar import INTEGRATION, books
from identsync.integrations.calendar.books import Link
from identsync.integrations.calendar.chosen import wish_of
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wanted import read
from identsync.store import Store, open_store
from identsync.store.tables import calendar_link, mirror_item

NAME = "there"


def generated(path: Any, today: int, *, branches: int = 2, doctors: int = 2, days: int = 8) -> None:
    """Make a clinic's file, a third of its time taken: each event is a request; ``today`` counts days since 1970."""
    engine = create_engine(f"sqlite:///{path}")
    size = GeneratorSettings(branches=branches, doctors=doctors, days=days, seed=7, first_day=today - 2, fill=0.3)
    generate(engine, size)
    engine.dispose()


@pytest.fixture(scope="session")
def one_branch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clinic of one branch around today in a file, to be copied."""
    path = tmp_path_factory.mktemp("one-branch") / "clinic.db"
    generated(path, time.time_ns() // 86_400_000_000_000, branches=1)
    return path


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
            connection.execute(update(mirror_item).values(retry_ms=None))
            connection.execute(update(calendar_link).values(looked_ms=None))

    async def go(self, scope: int = 1, before: Callable[[Run], None] | None = None) -> Outcome:
        """Run the task of a branch once, now, as an engine would."""
        (task,) = [t for t in INTEGRATION.tasks({NAME: self.destination}, self.clinic.branches()) if t.scope == scope]
        return await run_now(self.store, self.clinic, task, before)


@contextmanager
def opened(clinic: Path, store_url: str, server: str, **more: Any) -> Iterator[Network]:
    """Open a network over a clinic's file; its calendars go to a CalDAV server by the clinic's account.

    The account's password is in TEST_CALENDAR; ``more`` are settings other than the usual ones.
    """
    usual: dict[str, Any] = {"rate": 1000.0, "days": 2, "back_days": 1}
    account: dict[str, Any] = {"url": server.rstrip("/"), "user": USER, "password": "env:TEST_CALENDAR"}
    engine, store = create_engine(f"sqlite:///{clinic}"), open_store(store_url)
    yield Network(store, ClinicSource(engine), engine, CalendarDestination(kind="caldav", **account | usual | more))
    store.close()
    engine.dispose()


def visit(sql: Callable[..., None], id_: int, branch: int, doctor: int, minute: int) -> None:
    """Book half an hour; ``sql`` is that of a Network or of a World."""
    sql(
        "INSERT INTO clinic_appointment (appointment_id, branch_id, doctor_id, kind, start_minute, length_minutes) "
        "VALUES (:id, :b, :d, 0, :at, 30)",
        id=id_, b=branch, d=doctor, at=minute,
    )  # fmt: skip
