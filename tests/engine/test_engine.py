"""A real engine on a real database, with tasks that behave and tasks that do not."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import select

from identsync.engine import events as ev
from identsync.engine.integration import Outcome, Role, Status, Task
from identsync.engine.loop import Engine, new_loop
from identsync.engine.run import Run
from identsync.engine.state import Policy
from identsync.errors import AskPerson, Later, StaleFence
from identsync.store import Store, open_store
from identsync.store.tables import run_log, task_slot

QUICK = Policy(seat_lease_ms=900, cancel_grace_ms=250, finish_grace_ms=100, error_base_ms=50)
Work = Callable[[Run], Awaitable[Outcome]]


def task(work: Work, kind: str = "test/one", *, interval: int = 60_000, lease: int = 2_000, deadline: int = 30_000) -> Task:
    return Task(kind, 1, interval, lease, deadline, work)


@asynccontextmanager
async def engine(store: Store, *tasks: Task, role: Role = Role.ADMINISTRATOR, policy: Policy = QUICK) -> AsyncIterator[Engine]:
    made = Engine(store=store, clinic=None, tasks=tasks, role=role, branch=1, policy=policy)  # type: ignore[arg-type]
    await made.start()
    try:
        yield made
    finally:
        await made.stop(0.5)


async def heard(engine: Engine, wanted: Callable[[ev.Event], bool], timeout: float = 10) -> ev.Event:
    """Wait for an event that the engine has taken in."""
    future: asyncio.Future[ev.Event] = asyncio.get_running_loop().create_future()

    def listen(event: ev.Event) -> None:
        if wanted(event) and not future.done():
            future.set_result(event)

    end = engine.listen(listen)
    try:
        return await asyncio.wait_for(future, timeout)
    finally:
        end()


def journal(store: Store, kind: str = "test/one") -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(run_log).where(run_log.c.kind == kind).order_by(run_log.c.fence)))


async def fine(run: Run) -> Outcome:
    run.progress(seen=3)
    return Outcome(counts={"written": 2})


async def test_a_task_runs_once_and_is_journaled(store: Store) -> None:
    async with engine(store, task(fine)) as client:
        end = await heard(client, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
        assert end.written
    (row,) = journal(store)
    assert (row.outcome, row.counts, row.role, row.holder) == ("ok", '{"seen": 3, "written": 2}', 0, client.client)
    assert row.due_ms <= row.started_ms <= row.finished_ms
