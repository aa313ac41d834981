"""An outbox and the street outside it, small enough for thousands of runs: real SQLite, faults on demand."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from identsync.engine.integration import Outcome
from identsync.errors import AskPerson, Limited, Unavailable, Unexpected
from identsync.flows.outbox import Draft, Ready, Row, Skip, Wait, outbox, plan
from identsync.flows.sending import Accepted, Lost, NotTaken, Refused, Verdict
from identsync.flows.verdict import Patience
from identsync.store.tables import outbox as table
from identsync.store.tables import outbox_event, outbox_receipt

from .memory import database
from .mirror_world import Died, WorldRun

STREAM = "room/out"
HOUR = 3_600_000
DONE = ("lost, done", "cut off, done", "garbage, done", "dies after", "defect, done")
HANGS = ("hangs, done", "hangs, not done")
NOT_DONE = (
    "lost, not done", "cut off, not done", "garbage, not done", "dies before", "no connection", "limited", "not taken",
    "refused", "asks",
)  # fmt: skip


@dataclass
class World:
    """``street`` is what the other side took: provider's id -> business key."""

    street: dict[str, str] = field(default_factory=dict)
    faults: list[str | None] = field(default_factory=list)
    now: int = 1_000_000
    fence: int = 0
    writes: int = 0
    dies_at_write: tuple[int, bool] | None = None
    stale_at_write: int | None = None
    silent_at_writes: dict[int, bool] = field(default_factory=dict)  # numbers, and whether they are committed
    look: int = 3
    batch: int = 2
    window: int = 2
    skipped: set[str] = field(default_factory=set)  # keys whose visit was cancelled
    waits: dict[str, int] = field(default_factory=dict)  # keys that are not to go before a time
    meanwhile: Any = None  # called once, between the reading of a batch and its announcing
    submits: int = 0
    runs: list[WorldRun] = field(default_factory=list)
    engine: Any = None  # None: a database in memory of its own
    rests: list[float] = field(default_factory=list)  # seconds between the tries of writes
    announced: list[str] = field(default_factory=list)
    settled: list[tuple[str, Verdict]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.engine is None:
            self.engine = database(self, [table, outbox_event, outbox_receipt])

    def plan(self, *keys: str, **how: Any) -> dict[str, int]:
        drafts = [Draft(**{"key": key, "due_ms": self.now, "until_ms": self.now + HOUR} | how) for key in keys]
        with self.engine.begin() as connection:
            return plan(connection, STREAM, 7, drafts, self.now)

    def go(self, **options: Any) -> Outcome:
        return asyncio.run(self.run(**options))

    async def run(self, **options: Any) -> Outcome:
        self.fence += 1
        run = WorldRun(self, self.fence)
        self.runs.append(run)
        return await self.under(run, **options)

    async def under(self, run: Any, **options: Any) -> Outcome:
        return await outbox(run, STREAM, self, **{"patience": Patience(100, 1000), "rest": self.rest} | options)

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.rests.append(seconds)
        self.now += int(1000 * seconds)

    async def prepare(self, rows: Sequence[Row]) -> list[Any]:
        await asyncio.sleep(0)
        decided = [self._decided(row) for row in rows]
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return decided

    def _decided(self, row: Row) -> Any:
        if row.key in self.skipped:
            return Skip(row, "gone")
        until = self.waits.get(row.key, 0)
        return Wait(row, until, "early") if until > self.now else Ready(row, "channel", f"to {row.key}", row.key)

    async def submit(self, ready: Ready[str]) -> Verdict:
        await asyncio.sleep(0)
        self.submits += 1
        fault = self.faults.pop(0) if self.faults else None
        number = f"id {len(self.street)}"
        if fault is None or fault in (*DONE, HANGS[0]):
            self.street[number] = ready.row.key
        if fault in HANGS:
            await asyncio.get_running_loop().create_future()
        return self.fate(fault, number)

    def fate(self, fault: str | None, number: str) -> Verdict:
        match fault:
            case None:
                return Accepted(number)
            case "lost, done" | "lost, not done":
                return Lost("lost")
            case "cut off, done" | "cut off, not done":
                raise Unavailable("lost", sent=True)
            case "garbage, done" | "garbage, not done":
                raise Unexpected("garbage", raw="<html>")
            case "no connection":
                raise Unavailable("down", sent=False)
            case "limited":
                raise Limited("slow", after_ms=300)
            case "not taken":
                return NotTaken("queue full", 200)
            case "refused":
                return Refused("no such number")
            case "asks":
                raise AskPerson("no money")
            case "dies before" | "dies after":
                raise Died
        raise ZeroDivisionError(fault)

    def announce(self, connection: Any, taken: Sequence[Ready[str]]) -> None:
        self.announced += [ready.row.key for ready in taken]

    def settle(self, connection: Any, ended: Sequence[tuple[Ready[str], Verdict]]) -> None:
        self.settled += [(ready.row.key, verdict) for ready, verdict in ended]

    def rows(self) -> dict[str, Any]:
        with self.engine.connect() as connection:
            return {row.key: row for row in connection.execute(select(table))}

    def states(self) -> dict[str, str]:
        return {key: row.state for key, row in self.rows().items()}

    @property
    def effects(self) -> Counter[str]:
        return Counter(self.street.values())
