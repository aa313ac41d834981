"""The mirror's books: a person and a run that write them at the same moment; what the other side says."""

from array import array
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from identsync.core.columns import Columns
from identsync.flows import mirror_book as book
from identsync.flows.mirror_book import DOUBT, Book, Row
from identsync.store import Store
from identsync.store.tables import mirror_item

from .waiting import Going, meet, waits

STREAM, SCOPE = "room/there", 7


def with_(columns: Columns, *keys: int) -> Columns:
    return columns.with_(array("q", keys), array("q", [10 + key for key in keys]), array("q", []))


FIRST = with_(Columns(), 1, 2, 3)
MORE = with_(FIRST, 4)


def save(store: Store, columns: Columns, before: Columns, *rows: Row) -> Columns:
    with store.write() as connection:
        return book.save(connection, Book(STREAM, SCOPE, columns), rows, [], 1, before)


def digests(store: Store) -> dict[int, int | None]:
    with store.read() as connection:
        found = book.confirmed(connection, STREAM, SCOPE)
    return {key: found.get(key) for key in found.keys}


def run(store: Store) -> Callable[[], Columns]:
    """A run writes that a fourth item has arrived."""
    return lambda: save(store, MORE, FIRST, Row(4, 14, "confirmed"))


def again(store: Store) -> Callable[[], None]:
    """A person has everything sent again."""

    def click() -> None:
        with store.write() as connection:
            book.send_again(connection, STREAM, SCOPE)

    return click


def doubt(store: Store) -> Callable[[], int]:
    """A person has one item sent again."""

    def click() -> int:
        with store.write() as connection:
            return book.doubt(connection, STREAM, SCOPE, [1, 77])

    return click


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("first", "second", "there"),
    [
        (run, again, {1: DOUBT, 2: DOUBT, 3: DOUBT, 4: DOUBT}),
        (again, run, {1: DOUBT, 2: DOUBT, 3: DOUBT, 4: 14}),
        (run, doubt, {1: DOUBT, 2: 12, 3: 13, 4: 14}),
        (doubt, run, {1: DOUBT, 2: 12, 3: 13, 4: 14}),
    ],
)
def test_neither_a_click_nor_a_confirmation_is_lost_where_both_are_written_at_once(
    postgres_store: Store, monkeypatch: pytest.MonkeyPatch, first: Any, second: Any, there: dict[int, int]
) -> None:
    """The second comes after the first has read the columns, and before it has written them."""
    store, updated = postgres_store, book.updated
    save(store, FIRST, Columns(), *(Row(key, 10 + key, "confirmed") for key in (1, 2, 3)))
    others: list[Going] = []

    def updated_slowly(columns: Columns, changes: Any) -> Columns:
        if not others:
            others.append(Going(second(store)))
            waits(store, 1, *others)
        return updated(columns, changes)

    monkeypatch.setattr(book, "updated", updated_slowly)
    first(store)()
    assert not isinstance(others[0].end(), Exception)
    assert digests(store) == there


@pytest.mark.postgresql
def test_a_click_and_a_run_that_want_the_same_items_both_come_through(postgres_store: Store) -> None:
    store = postgres_store
    rows = [Row(key, 10 + key, "later", 1, 99) for key in (1, 2, 3)]
    save(store, FIRST, Columns(), *rows)
    of_key = select(mirror_item.c.key).where(mirror_item.c.key == 1)
    told = meet(store, of_key, again(store), lambda: save(store, FIRST, FIRST, *reversed(rows)))
    assert [each for each in told if isinstance(each, Exception)] == []
    assert digests(store) == dict.fromkeys((1, 2, 3), DOUBT)


def test_sending_again_lets_everything_be_tried_at_once(store: Store) -> None:
    save(store, FIRST, Columns(), Row(1, 11, "later", 3, 99), Row(2, 12, "confirmed"))
    with store.write() as connection:
        connection.execute(update(mirror_item).where(mirror_item.c.key == 2).values(retry_ms=5))
    again(store)()
    with store.read() as connection:
        tries = connection.execute(select(mirror_item.c.attempts, mirror_item.c.retry_ms)).all()
    assert set(map(tuple, tries)) == {(0, None)}
    assert digests(store) == dict.fromkeys((1, 2, 3), DOUBT)


def test_nothing_is_doubted_of_a_stream_that_has_sent_nothing(store: Store) -> None:
    again(store)()
    assert doubt(store)() == 0
    assert digests(store) == {}


def test_whatever_the_other_side_says_is_written_down(store: Store) -> None:
    """An answer that its column did not take would stop the mirror for good: it is the same at the next try."""
    strange = "a\0b\ud800" + "😀" * 300
    save(store, FIRST, Columns(), Row(1, 11, "rejected", label=strange, answer=strange))
    with store.read() as connection:
        label, answer = connection.execute(select(mirror_item.c.label, mirror_item.c.answer)).one()
    assert (label[:3], answer[:3]) == ("ab\ufffd", "ab\ufffd")
    assert (len(label.encode("utf-16-le")), len(answer.encode("utf-16-le"))) == (2 * 199, 2 * 399)
