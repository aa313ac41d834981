"""Whoever wants several rows of the outbox takes them in one order: nobody waits for another in a circle.

The database is asked who waits, so both sides stand where they would meet. SQLite has one writer at a time.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Select, select

from identsync.errors import Unavailable
from identsync.flows import outbox_book as book
from identsync.flows import receipts as heard
from identsync.flows.outbox import Draft
from identsync.flows.sending import Accepted, Fate, Receipt
from identsync.store import Store
from identsync.store.tables import outbox

from .outbox_world import HOUR, STREAM, World
from .waiting import meet

NOW = 1_000_000


def row(key: str) -> Select[Any]:
    return select(outbox.c.id).where(outbox.c.key == key)


def planned(store: Store, *keys: str) -> dict[str, int]:
    """Rows of a lot; what was planned last is due first."""
    drafts = [Draft(key=key, due_ms=NOW - at, until_ms=NOW + HOUR, lot=3) for at, key in enumerate(keys)]
    with store.write() as connection:
        return book.plan(connection, STREAM, 7, drafts, NOW)


def states(store: Store) -> dict[str, str]:
    with store.read() as connection:
        return {row.key: row.state for row in connection.execute(select(outbox))}


def of_lot(store: Store, what: Callable[..., int]) -> Callable[[], int]:
    def click() -> int:
        with store.write() as connection:
            return what(connection, book.in_line(connection, STREAM, 3), NOW)

    return click


def taken(store: Store, keys: str) -> dict[str, book.Taken]:
    """Rows that are on their way."""
    with store.write() as connection:
        rows = {row.key: row for row in book.due(connection, STREAM, 7, NOW, 99)}
        every = {key: book.Taken(rows[key], "channel", "x", f"token {key}") for key in keys}
        book.take(connection, list(every.values()), 1, NOW)
    return every


@pytest.mark.postgresql
@pytest.mark.parametrize(("what", "after"), [(book.hold, "held"), (book.cancel, "cancelled")])
def test_a_person_who_stops_a_lot_and_the_run_that_sends_it_both_come_through(
    postgres_store: Store, what: Callable[..., int], after: str
) -> None:
    planned(postgres_store, *"abcd")
    world = World(engine=postgres_store.engine, batch=9, look=9, skipped={"d"})
    clicked, outcome = meet(postgres_store, row("a"), of_lot(postgres_store, what), lambda: asyncio.run(world.run()))
    assert clicked == 4
    assert not isinstance(outcome, Unavailable)
    assert (world.rests, world.street) == ([], {})
    assert states(postgres_store) == dict.fromkeys("abcd", after)


@pytest.mark.postgresql
def test_two_people_who_stop_and_release_a_lot_both_come_through(postgres_store: Store) -> None:
    planned(postgres_store, *"abcd")
    with postgres_store.write() as connection:
        book.hold(connection, book.in_line(connection, STREAM, 3), NOW)
        connection.execute(outbox.update().where(outbox.c.key == "a").values(reason="moved behind the others"))

    def free() -> int:
        with postgres_store.write() as connection:
            return book.free(connection, STREAM, 3, 9, NOW, NOW)

    told = meet(postgres_store, row("a"), free, of_lot(postgres_store, book.cancel))
    assert told[0] == 4
    assert not isinstance(told[1], Unavailable)


@pytest.mark.postgresql
@pytest.mark.parametrize("keys", ["abc", "a"])
def test_a_receipt_that_meets_the_answer_it_belongs_to_is_not_lost(postgres_store: Store, keys: str) -> None:
    """Pushed receipts come while their rows are settled, in whatever order."""
    planned(postgres_store, *keys)
    rows = taken(postgres_store, keys)

    def settle() -> None:
        with postgres_store.write() as connection:
            book.settle(connection, [(rows[key], Accepted(f"id {key}"), NOW) for key in keys], NOW)

    def receive() -> int:
        receipts = [Receipt(Fate.DELIVERED, f"id {key}", f"token {key}") for key in reversed(keys)]
        with postgres_store.write() as connection:
            return heard.receive(connection, STREAM, "channel", receipts, NOW)

    assert meet(postgres_store, row("a"), settle, receive) == [None, len(keys)]
    assert states(postgres_store) == dict.fromkeys(keys, "delivered")
