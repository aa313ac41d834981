"""Many rows at once are the rows that were given, on every database."""

import pytest
from sqlalchemy import select

from identsync.store import Store
from identsync.store.lists import among, plan_anew, write_many
from identsync.store.tables import message_stop, outbox


@pytest.mark.parametrize("number", [0, 1, 700])
def test_what_is_written_is_there(store: Store, number: int) -> None:
    rows = [
        {"medium": "sms", "address": f"Ж'\"\\ {i}\n\U0001f600", "source": "{}", "at_ms": 2**62 + i}
        for i in range(number)
    ]
    with store.write() as connection:
        write_many(connection, message_stop, rows)
    with store.read() as connection:
        there = connection.execute(select(message_stop).order_by(message_stop.c.at_ms)).mappings().all()
    assert [dict(row) for row in there] == rows


def test_columns_that_are_not_named_have_their_defaults_and_none_is_null(store: Store) -> None:
    common = {"stream": "s", "scope": 0, "state": "planned", "due_ms": 1, "until_ms": 2, "rank": 3, "lot": None}
    rows = [common | {"key": f"{i:064}", "made_ms": 1, "changed_ms": 1} for i in range(100)]
    with store.write() as connection:
        write_many(connection, outbox, rows)
        plan_anew(connection, 100)
        found = connection.execute(select(outbox).where(among(connection, outbox.c.key, [f"{7:064}", "x"]))).all()
        assert connection.execute(select(outbox).where(among(connection, outbox.c.key, []))).all() == []
    assert [(row.attempts, row.lot, row.id is not None) for row in found] == [(0, None, True)]
