"""A clinic's engine and the street outside it, small enough for thousands of runs: real SQLite, faults on demand."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, select

from identsync.core.columns import Columns
from identsync.engine.integration import Outcome
from identsync.errors import Limited, Refused, StaleFence, Unavailable, Unexpected, Untrusted
from identsync.flows.mirror import Brake, Confirmed, Item, Later, Patience, Rejected, Together, Unknown, Verdict, mirror
from identsync.store.tables import mirror_item, mirror_stream

from .memory import database

STREAM = "room/there"
FAULTS = (
    "lost answer", "lost request", "no connection", "limited", "garbage, done", "garbage, not done", "refused",
    "rejected", "later", "unknown, done", "unknown, not done", "dies before", "dies after", "defect",
)  # fmt: skip


class Died(BaseException):
    """The process is gone."""


@dataclass
class World:
    """``desired`` is what the clinic says, ``street`` what the other side has; ``faults`` are used up one by one."""

    desired: dict[int, int] = field(default_factory=dict)
    street: dict[int, int] = field(default_factory=dict)
    faults: list[str | None] = field(default_factory=list)
    now: int = 1_000_000
    fence: int = 0
    calls: list[tuple[str, int]] = field(default_factory=list)
    writes: int = 0
    dies_at_write: tuple[int, bool] | None = None  # number of the write, and whether it is committed first
    stale_at_write: int | None = None
    silent_at_writes: dict[int, bool] = field(default_factory=dict)  # numbers, and whether they are committed
    rests: list[float] = field(default_factory=list)  # seconds between the tries of writes

    def __post_init__(self) -> None:
        self.engine = database(self, [mirror_item, mirror_stream])

    def go(self, **options: Any) -> Outcome:
        """One run, in a loop of its own."""
        return asyncio.run(self.run(**options))

    async def run(self, *, removing: bool = True, together: int = 0, weight: Any = None, **options: Any) -> Outcome:
        self.fence += 1
        run = WorldRun(self, self.fence)
        return await mirror(
            run,  # type: ignore[arg-type]
            STREAM,
            Columns.from_rows(self.desired.items()),
            weight=len(self.desired) if weight is None else weight,
            make=self.make,
            deliver=Together(self.deliver_some, together) if together else self.deliver,
            remove=self.remove if removing else None,
            **{"brake": Brake(0.99, 1000), "patience": Patience(100, 1000, 5000), "rest": self.rest} | options,
        )

    async def rest(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.rests.append(seconds)
        self.now += int(1000 * seconds)

    async def make(self, keys: Any) -> list[Item]:
        return [Item(key, self.desired[key], f"item {key}", b"%d" % self.desired[key]) for key in keys]

    async def deliver(self, item: Item) -> Verdict:
        await asyncio.sleep(0)
        self.calls.append(("deliver", item.key))
        return self.fate(lambda: self.street.__setitem__(item.key, item.digest))

    async def deliver_some(self, items: Any) -> list[Verdict]:
        await asyncio.sleep(0)
        self.calls.append(("request", len(items)))
        verdict = self.fate(lambda: self.street.update({item.key: item.digest for item in items}))
        return [verdict for _each in items]

    async def remove(self, item: Item) -> Verdict:
        assert item.key not in self.desired
        self.calls.append(("remove", item.key))
        return self.fate(lambda: self.street.pop(item.key, None))

    def fate(self, effect: Callable[[], object]) -> Verdict:
        fault = self.faults.pop(0) if self.faults else None
        if fault in {None, "lost answer", "garbage, done", "unknown, done", "dies after", "defect"}:
            effect()
        match fault:
            case None:
                return Confirmed("ok")
            case "lost answer" | "lost request":
                raise Unavailable("lost", sent=True)
            case "no connection":
                raise Unavailable("down", sent=False)
            case "limited":
                raise Limited("slow", after_ms=300)
            case "garbage, done" | "garbage, not done":
                raise Unexpected("garbage", raw="<html>")
            case "untrusted":
                raise Untrusted("no such authority", sent=False)
            case "refused":
                raise Refused("who are you", raw="no such key")
            case "rejected":
                return Rejected("not like this")
            case "later":
                return Later("not now", 200)
            case "unknown, done" | "unknown, not done":
                return Unknown("who knows")
            case "dies before" | "dies after":
                raise Died
        raise ZeroDivisionError(fault)

    def rows(self) -> dict[int, Any]:
        with self.engine.connect() as connection:
            return {row.key: row for row in connection.execute(select(mirror_item))}

    def streams(self) -> dict[str, Any]:
        with self.engine.connect() as connection:
            return {row.stream: row for row in connection.execute(select(mirror_stream))}


@dataclass
class WorldRun:
    """What a flow needs of a run."""

    world: Any
    number: int
    scope: int = 7
    lost: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    log: Any = field(default_factory=lambda: SimpleNamespace(warning=lambda *_, **__: None))

    @property
    def fence(self) -> Any:
        return SimpleNamespace(number=self.number)

    @property
    def task(self) -> Any:
        return SimpleNamespace(interval_ms=60_000)

    async def read(self, fn: Callable[[Connection], Any]) -> Any:
        await asyncio.sleep(0)
        with self.world.engine.connect() as connection:
            return fn(connection)

    async def write(self, fn: Callable[[Connection], Any], *, aside: bool = False) -> Any:
        await asyncio.sleep(0)
        world = self.world
        world.writes += 1
        if world.stale_at_write == world.writes:
            world.fence += 1
        number, committed = world.dies_at_write or (0, False)
        if world.writes == number and not committed:
            raise Died
        if world.fence != self.number:
            raise StaleFence("taken over")
        heard = world.silent_at_writes.get(world.writes)
        if heard is False:
            raise Unavailable("the connection is lost")
        with world.engine.begin() as connection:
            result = fn(connection)
        if world.writes == number:
            raise Died
        if heard:
            raise Unavailable("the connection is lost")
        return result

    def progress(self, **counts: int) -> None:
        self.counts |= counts

    def now_ms(self) -> int:
        return self.world.now
