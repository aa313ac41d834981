"""A source that is wrong in every way and runs that end at any point, around the real flow and a real store."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from identsync.engine.clock import monotonic_ms
from identsync.engine.integration import Outcome, Task
from identsync.engine.run import Run
from identsync.engine.worker import Worker
from identsync.errors import Unavailable
from identsync.flows.flaw import Flaw
from identsync.flows.intake import Periods, Row, Window, fingerprint, intake
from identsync.store import Store
from identsync.store.limiter import Fence
from identsync.store.tables import intake_cursor, intake_reject, lead, task_slot

KIND, SCOPE = "leads/world", 0
HOUR = 3_600_000
DAY = 24 * HOUR


class Killed(BaseException):
    """The process ends here."""


class World:
    """The other side: rows by time, listed by inclusive periods, limit and offset; bad rows among them."""

    def __init__(self, *, newest_first: bool = False) -> None:
        self.rows: list[tuple[int, int, Any]] = []
        self.newest_first = newest_first
        self.asked: list[tuple[Window, int, int]] = []
        self.before_answer: Callable[[int], None] = lambda _n: None
        self.repeat_page = False
        self.ignore_limit = False

    def add(self, at_ms: int, row: Any) -> None:
        self.rows.append((at_ms // 1000 * 1000, len(self.rows), row))

    def lead(self, identity: str, at_ms: int) -> None:
        self.add(at_ms, {"id": identity, "at": at_ms // 1000 * 1000})

    async def fetch(self, window: Window, limit: int, offset: int) -> object:
        self.asked.append((window, limit, offset))
        self.before_answer(len(self.asked))
        low, high = window.start_ms // 1000 * 1000, window.end_ms // 1000 * 1000  # the wire has whole seconds
        found = [
            row
            for at, _number, row in sorted(self.rows, key=lambda r: r[:2], reverse=self.newest_first)
            if low <= at <= high
        ]
        if self.repeat_page:
            offset = 0
        return found if self.ignore_limit or not limit else found[offset : offset + limit]

    def parse(self, raw: object) -> Row[str] | list[Flaw]:
        if not isinstance(raw, dict) or "id" not in raw:
            return [Flaw("not a row"), Flaw("and nothing in {place}", {"place": "it"})]
        return Row(fingerprint(raw["id"]), raw["at"], raw["id"])

    def known(self, connection: Connection, keys: Sequence[str]) -> Collection[str]:
        return connection.execute(select(lead.c.key).where(lead.c.key.in_(keys))).scalars().all()

    async def enrich(self, rows: Sequence[Row[str]]) -> Sequence[Row[str]]:
        return rows

    def store(self, connection: Connection, rows: Sequence[Row[str]]) -> None:
        columns = {"site": "world", "received_ms": 0, "phone": "", "utm": "{}", "patients": 0, "state": "new"}
        values = [columns | {"key": row.key, "external_id": row.value, "made_ms": row.at_ms} for row in rows]
        connection.execute(insert(lead), values)


class FragileRun(Run):
    """A run that can be killed around its n-th write, or lose its fence before it."""

    end: tuple[str, int] | None = None
    writes = 0

    async def write(self, fn: Callable[[Connection], Any]) -> Any:
        self.writes += 1
        how = self.end[0] if self.end and self.end[1] == self.writes else None
        if how == "before":
            raise Killed
        if how == "stale":
            take(self.store)
        result = await super().write(self._failing(fn) if how == "inside" else fn)
        if how == "after":
            raise Killed
        return result

    def _failing(self, fn: Callable[[Connection], Any]) -> Callable[[Connection], Any]:
        def work(connection: Connection) -> Any:
            fn(connection)
            raise Killed

        return work


def take(store: Store) -> Fence:
    """Take the task over, as a claim does."""
    slot = task_slot.c.kind == KIND, task_slot.c.scope == SCOPE
    with store.write() as connection:
        number = connection.execute(select(task_slot.c.fence).where(*slot)).scalar()
        if number is None:
            values = {"kind": KIND, "scope": SCOPE, "eligible_ms": 0, "stamp_ms": 0, "fence": 1, "holder": "holder-1"}
            values["started_ms"] = 1
            connection.execute(insert(task_slot).values(values))
            return Fence(KIND, SCOPE, 1, "holder-1", 1)
        holder = f"holder-{number + 1}"
        connection.execute(task_slot.update().where(*slot).values(fence=number + 1, holder=holder))
        return Fence(KIND, SCOPE, number + 1, holder, 1)


def run_once(
    store: Store,
    world: World,
    periods: Periods,
    now_ms: int,
    *,
    end: tuple[str, int] | None = None,
    lose: int | None = None,
) -> tuple[Outcome, FragileRun]:
    """Run the intake once at ``now_ms``; ``lose`` = the answer of that page never arrives."""
    worker = Worker()
    task = Task(KIND, SCOPE, 1000, 1000, 1000, None)  # type: ignore[arg-type]
    offset = now_ms - monotonic_ms()
    run = FragileRun(
        task,
        take(store),
        store=store,
        clinic=None,
        worker=worker,
        channels=None,  # type: ignore[arg-type]
        clock_offset_ms=offset,
        log=None,  # type: ignore[arg-type]
    )
    run.end = end
    world.asked.clear()
    world.before_answer = lambda n: _lost() if n == lose else None
    try:
        return asyncio.run(intake(run, KIND, world, periods)), run
    finally:
        assert worker.close()


def _lost() -> None:
    raise Unavailable("lost")


def stored(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(select(lead.c.external_id)).scalars())


def rejected(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(select(intake_reject.c.raw)).scalars())


def cursor_of(store: Store) -> int | None:
    with store.read() as connection:
        return connection.execute(select(intake_cursor.c.cursor_ms)).scalar()
