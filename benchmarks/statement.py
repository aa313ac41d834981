"""The limiter's statements on a real database, beside the bare driver: a one-row UPDATE by key, and SELECT 1.

A granted check writes two rows, the slot's and the journal's, so a third floor writes two rows by key in one statement.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from benchmarks.harness import OURS, Result, Work, measure
from benchmarks.round import databases
from identsync.store import Fence, Store, open_store
from identsync.store.limiter import ClaimAsk, Ending, Limiter, SeatAsk

HOUR = 3_600_000
SEAT = SeatAsk(0, HOUR, HOUR)
GROUP, ENDED = 6, 2  # slots of a turn: two runs end, four slots are claimed; and the seat
ITEMS = GROUP + 1


class Case:
    """A migrated store with ``count`` slots, and the bare driver's connection beside the limiter's."""

    def __init__(self, url: str, count: int) -> None:
        self.store: Store = open_store(url)
        self.store.migrate()
        self.limiter: Limiter = self.store.limiter()
        self.scopes = range(1, count + 1)
        self.ask = 0
        self.held: dict[int, Fence] = {}
        self.engine = create_engine(url)
        self.lite = self.engine.dialect.name == "sqlite"
        raw: Any = self.engine.raw_connection().driver_connection
        self.raw = raw
        if self.lite:
            self.raw.isolation_level = None
            self.raw.execute("PRAGMA synchronous=NORMAL")
        else:
            self.raw.autocommit = True
        self.cursor = self.raw.cursor()
        self.schema = "" if self.lite else "identsync."
        self.mark = "?" if self.lite else "%s"
        self.limiter.turn("b", 0, seats=[SEAT])
        self.claims()

    def claim(self, scope: int) -> ClaimAsk:
        """Ask for a slot under a new request."""
        return ClaimAsk("bench", scope, HOUR, HOUR, f"{self.ask}-{scope}", HOUR)

    def claims(self) -> None:
        """Ask for each slot once: granted where the slot is due, else denied."""
        self.ask += 1
        for scope in self.scopes:
            self.limiter.turn("b", 0, claims=[self.claim(scope)])

    def due(self) -> None:
        """Make every slot due again."""
        self.cursor.execute(f"UPDATE {self.schema}task_slot SET eligible_ms = 0, holder = NULL")
        self.cursor.execute(f"DELETE FROM {self.schema}run_log WHERE holder = 'floor'")

    def running(self) -> None:
        """Make every slot due, and start the runs that the turns will end."""
        self.due()
        self.ask += 1
        for scope in self.scopes:
            if scope % GROUP < ENDED:
                [claim] = self.limiter.turn("b", 0, claims=[self.claim(scope)]).claims
                self.held[scope] = Fence.of("bench", scope, claim, "b")

    def turns(self) -> None:
        """End two runs, claim four slots and renew the seat, in one turn; for all slots."""
        self.ask += 1
        for first in self.scopes[::GROUP]:
            group = range(first, first + GROUP)
            ended = [scope for scope in group if scope % GROUP < ENDED]
            endings = [Ending(self.held[s], HOUR, "ok", {"sent": 1}, "") for s in ended]
            claims = [self.claim(scope) for scope in group if scope not in ended]
            self.limiter.turn("b", 0, seats=[SEAT], endings=endings, claims=claims)

    def ends(self) -> None:
        """End the runs, one statement each."""
        for fence in self.held.values():
            self.limiter.turn("b", 0, endings=[Ending(fence, HOUR, "ok", {}, "")])

    def update(self, scopes: range) -> None:
        """Do what the driver alone needs for one row by its key."""
        statement = (
            f"UPDATE {self.schema}task_slot SET fence = fence + 1 WHERE kind = {self.mark} AND scope = {self.mark}"
        )
        for scope in scopes:
            self.cursor.execute(statement, ("bench", scope))

    def write_two(self) -> None:
        """Do what the driver alone needs to change a slot and write a row of the journal, committed together."""
        change = f"UPDATE {self.schema}task_slot SET fence = fence + 1 WHERE kind = {self.mark} AND scope = {self.mark}"
        insert = f"INSERT INTO {self.schema}run_log (kind, scope, fence, holder, role, due_ms, started_ms, outcome) "
        values = f"('bench', {self.mark}, {self.mark}, 'floor', 0, 0, 0, 'running')"
        self.ask += 1
        for scope in self.scopes:
            if self.lite:
                self.cursor.execute("BEGIN IMMEDIATE")
                self.cursor.execute(change, ("bench", scope))
                self.cursor.execute(f"{insert} VALUES {values}", (scope, -self.ask))
                self.cursor.execute("COMMIT")
            else:
                both = f"WITH u AS ({change}) {insert} VALUES {values}"
                self.cursor.execute(both, ("bench", scope, scope, -self.ask))

    def select(self) -> None:
        """Go there and back."""
        for _ in self.scopes:
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
    """Claim a few hundred slots, one statement each, granted and denied; then say it in turns."""
    count, runs = (24, 3) if quick else (60, 41)
    with databases() as urls, tempfile.TemporaryDirectory() as folder:
        apart = {"sqlite": f"sqlite:///{Path(folder) / 'engine.db'}"}
        for dialect, url in (urls | apart).items():
            with contextlib.closing(Case(url, count)) as case:
                yield from _measured(case, dialect, count, runs)


def _measured(case: Case, dialect: str, count: int, runs: int) -> Iterator[Result]:
    floors: dict[str, Work] = {
        "floor:update by key": lambda: case.update(case.scopes),
        "floor:update + insert": case.write_two,
        "floor:select 1": case.select,
    }
    for name, prepare in (("granted", case.due), ("denied", lambda: None)):
        contenders = {OURS: case.claims, **floors}
        yield from measure("statement", f"{name}, {dialect}", contenders, items=count, runs=runs, prepare=prepare)
    case.running()
    runs_ended = len(case.held)
    bare = {"floor:update by key": lambda: case.update(range(1, runs_ended + 1))}
    yield from measure(
        "statement", f"ended, {dialect}", {OURS: case.ends, **bare}, items=runs_ended, runs=runs, prepare=case.running
    )
    items = count // GROUP * ITEMS
    bare = {"floor:update by key": lambda: case.update(range(1, items + 1))}
    title = f"turn of 4 claims, 2 endings, a seat; an item, {dialect}"
    yield from measure("statement", title, {OURS: case.turns, **bare}, items=items, runs=runs, prepare=case.running)
