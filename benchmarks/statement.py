"""The limiter's statement on a real database, beside the bare driver: a one-row UPDATE by key, and SELECT 1."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from benchmarks.harness import OURS, Result, Work, measure
from benchmarks.round import databases
from identsync.store import Store, open_store

HOUR = 3_600_000


class Case:
    """A migrated store with ``count`` slots, and the bare driver's connection beside the limiter's."""

    def __init__(self, url: str, count: int) -> None:
        self.store: Store = open_store(url)
        self.store.migrate()
        self.limiter = self.store.limiter()
        self.count = count
        self.ask = 0
        self.engine = create_engine(url)
        self.lite = self.engine.dialect.name == "sqlite"
        self.raw: Any = self.engine.raw_connection().driver_connection
        if self.lite:
            self.raw.isolation_level = None
            self.raw.execute("PRAGMA synchronous=NORMAL")
        else:
            self.raw.autocommit = True
        self.cursor = self.raw.cursor()
        self.table = "task_slot" if self.lite else "identsync.task_slot"
        self.claims()

    def claims(self) -> None:
        """Ask for each slot once: granted where the slot is due, else denied."""
        self.ask += 1
        for scope in range(1, self.count + 1):
            self.limiter.claim("bench", scope, holder="b", role=0, lease_ms=HOUR, interval_ms=HOUR,
                               request=f"{self.ask}-{scope}", presence_ttl_ms=HOUR)  # fmt: skip

    def due(self) -> None:
        """Make every slot due again."""
        self.cursor.execute(f"UPDATE {self.table} SET eligible_ms = 0, holder = NULL")

    def update(self) -> None:
        """Do what the driver alone needs for one row by its key."""
        mark = "?" if self.lite else "%s"
        statement = f"UPDATE {self.table} SET fence = fence + 1 WHERE kind = {mark} AND scope = {mark}"
        for scope in range(1, self.count + 1):
            self.cursor.execute(statement, ("bench", scope))

    def select(self) -> None:
        """Go there and back."""
        for _ in range(self.count):
            self.cursor.execute("SELECT 1")
            self.cursor.fetchall()

    def close(self) -> None:
        """Give everything back."""
        self.limiter.close()
        self.cursor.close()
        self.raw.close()
        self.engine.dispose()
        self.store.close()


def run(*, quick: bool) -> Iterator[Result]:
    """Claim a few hundred slots, one statement each, granted and denied."""
    count = 200 if quick else 1000
    with databases() as urls, tempfile.TemporaryDirectory() as folder:
        apart = {"sqlite": f"sqlite:///{Path(folder) / 'engine.db'}"}
        for dialect, url in (urls | apart).items():
            with contextlib.closing(Case(url, count)) as case:
                floors: dict[str, Work] = {"floor:update by key": case.update, "floor:select 1": case.select}
                for name, prepare in (("granted", case.due), ("denied", lambda: None)):
                    contenders = {OURS: case.claims, **floors}
                    yield from measure("statement", f"{name}, {dialect}", contenders, items=count, prepare=prepare)
