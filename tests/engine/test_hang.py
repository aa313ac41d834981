"""A task whose write hangs inside its transaction: its row is locked (on SQLite all), its client lives on."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from engine.test_engine import engine, fine, heard, journal, task
from identsync.engine import events as ev
from identsync.engine.integration import Outcome
from identsync.engine.run import Run
from identsync.engine.state import Policy
from identsync.store import Store
from identsync.store.tables import task_slot

POLICY = Policy(seat_lease_ms=900, cancel_grace_ms=500, finish_grace_ms=100, error_base_ms=50)


class Hanging:
    """A task that writes once and then hangs in its transaction until it is let go."""

    def __init__(self) -> None:
        self.inside, self.let_go = threading.Event(), threading.Event()
        self.ended: list[str] = []

    async def run(self, run: Run) -> Outcome:
        if not self.inside.is_set():
            await run.write(self.hang)
        return Outcome()

    def hang(self, connection: Connection) -> None:
        connection.execute(insert(task_slot).values(kind="effect", scope=1, eligible_ms=0, stamp_ms=0))
        self.inside.set()
        self.let_go.wait(30)
        try:
            connection.execute(insert(task_slot).values(kind="late effect", scope=1, eligible_ms=0, stamp_ms=0))
            self.ended.append("written")
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.let_go.set()


def slots(store: Store) -> set[str]:
    with store.read() as connection:
        return set(connection.execute(select(task_slot.c.kind)).scalars())


async def test_it_is_cancelled_its_row_freed_and_its_effects_never_commit(store: Store, hanging: Hanging) -> None:
    """The next run begins in spite of it, and what it wrote, and goes on to write, is undone."""
    async with engine(store, task(hanging.run, lease=1_000, deadline=400), policy=POLICY) as client:
        end = await heard(client, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
        assert end.written
        assert journal(store)[0].outcome in ("late", "lost")
        hanging.let_go.set()
        await heard(client, lambda e: isinstance(e, ev.Claimed) and e.claim.granted)
    assert hanging.ended != ["written"]
    assert not {"effect", "late effect"} & slots(store)


@pytest.mark.postgresql
async def test_the_keeper_goes_on_beside_it(clone: Any, hanging: Hanging) -> None:
    """On PostgreSQL only the row is locked: the seat is renewed, other tasks are claimed and end, all the while."""
    from identsync.store import open_store

    store = open_store(clone("postgresql"))
    tasks = (task(hanging.run, lease=30_000), task(fine, "test/two", interval=200))
    async with engine(store, *tasks, policy=POLICY) as client:
        await heard(client, lambda e: isinstance(e, ev.Claimed) and e.slot == 0)
        assert hanging.inside.wait(5)
        for _ in range(6):
            answer = await heard(client, lambda e: isinstance(e, ev.SeatAnswered) and e.scope == 1, timeout=1)
            assert answer.reply.granted
        assert len(journal(store, "test/two")) >= 6
        assert hanging.ended == []
        hanging.let_go.set()
        await heard(client, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
    store.close()
