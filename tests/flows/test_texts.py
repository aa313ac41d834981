"""Whatever comes from outside is written down: a text that its column did not take would come again with every try.

PostgreSQL takes no NUL, no database half of a character, and SQL Server counts some characters twice (tests/tsql.py).
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select

from identsync.flows.mirror_book import Book
from identsync.flows.mirror_book import Row as Item
from identsync.integrations.egisz import contracts, exchange
from identsync.integrations.egisz.case import Fate, Reply
from identsync.integrations.egisz.reference import Book as Reference
from identsync.integrations.geocoding import books as places
from identsync.integrations.leads import states
from identsync.integrations.messaging import books as messages
from identsync.integrations.messaging import bulk, consent, replies, rules
from identsync.integrations.messaging.message import Balance, Kind, Medium
from identsync.integrations.messaging.message import Reply as Heard
from identsync.integrations.telephony import books as calls
from identsync.integrations.telephony import missed
from identsync.store import Store
from identsync.store.tables import egisz_contract, lead, message_reply, metadata, phone_missed
from identsync.store.texts import cut, fitting, printable

STRANGE = "a\0b\ud800" + "😀" * 600
FITS = "ab\ufffd😀"


@given(st.text(st.characters(codec=None), max_size=30), st.integers(0, 40))
def test_a_text_is_cut_to_units_and_never_through_a_character(text: str, units: int) -> None:
    kept = fitting(text, units)
    assert len(kept.encode("utf-16-le")) <= 2 * units
    assert printable(text).startswith(kept)
    rest = printable(text)[len(kept) : len(kept) + 1]
    assert not rest or len((kept + rest).encode("utf-16-le")) > 2 * units
    assert cut(kept, units) == kept


def _exchange(connection: Connection) -> None:
    async def reply() -> Reply:
        return Reply(Fate.LATER, words=STRANGE, request=STRANGE, answer=STRANGE)

    entries: list[exchange.Entry] = []
    asyncio.run(exchange.told(reply(), entries, None, "add", 1))
    exchange.write(connection, "org", entries)


def _contract(connection: Connection) -> None:
    values = {"organisation": "org", "service": "Pix", "wsdl": b"", "hash": "", "version": "", "fetched_ms": 1}
    connection.execute(insert(egisz_contract).values(values))
    contracts._update(connection, "org", {"Pix": STRANGE}, {})
    contracts.keep(connection, "org", [Reference("1.2", STRANGE, 1, {"1": STRANGE.replace("\ud800", "")})])


def _place(connection: Connection) -> None:
    rows = [Item(1, 1, "rejected", label=STRANGE, answer=STRANGE)]
    book = Book("geocoding/places", 0)
    places.Places(1, 1).save(connection, book, rows, [], 1, book.confirmed)
    places.fix(connection, 1, places.Fix(STRANGE, None, None), by="", now_ms=1)


def _messages(connection: Connection) -> None:
    messages.looked(connection, "sms", 1, balance=Balance(None, STRANGE), problem=fitting(STRANGE, 400))
    said = [Heard(STRANGE, STRANGE, STRANGE, 1, STRANGE), Heard("2", "x", "y", 1), Heard("2", "x", "y", 1)]
    for _twice in range(2):
        replies.take(connection, "sms", Medium.SMS, said, 1)
    assert connection.execute(select(func.count()).select_from(message_reply)).scalar() == 2
    for medium in Medium:
        assert consent.stop(connection, medium, STRANGE, source="reply", now_ms=1)
        assert not consent.stop(connection, medium, STRANGE, source="reply", now_ms=1)


def _names(connection: Connection) -> None:
    template = rules.Template(name=STRANGE, medium=Medium.SMS, kind=Kind.SERVICE, text="Здравствуйте")
    made = rules.save_template(connection, template, by="", now_ms=1)
    bulk.save(connection, bulk.Campaign(name=STRANGE, template_id=made), by="", now_ms=1)


def _missed_call(connection: Connection) -> None:
    calls.heard(connection, "line", 1, STRANGE)
    values: dict[str, Any] = {
        column.name: 1 if column.type.python_type is int else "x" for column in phone_missed.c if not column.nullable
    }
    connection.execute(insert(phone_missed).values(values | {"state": "waiting"}))
    missed.note(connection, 1, STRANGE, "", 2)
    missed.close(connection, 1, "booked", STRANGE, "", 2)


def _lead(connection: Connection) -> None:
    values: dict[str, Any] = {"id": 1, "site": "s", "key": "k", "external_id": "1", "made_ms": 0, "received_ms": 0}
    connection.execute(insert(lead).values(values | {"phone": "", "utm": "", "patients": 0, "state": "new"}))
    states.move(connection, 1, states.Seen("new", None), "work", by="", now_ms=1, note=STRANGE)


WRITERS = [_exchange, _contract, _place, _messages, _names, _missed_call, _lead]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__.strip("_"))
def test_what_comes_from_outside_is_written_down(store: Store, write: Callable[[Connection], None]) -> None:
    with store.write() as connection:
        write(connection)
    kept = [text for text in _all_texts(store) if "😀" in text]
    assert kept
    assert [text[:4] for text in kept if not text.startswith(("ab😀", FITS))] == []


def _all_texts(store: Store) -> list[str]:
    with store.read() as connection:
        rows = [row for table in metadata.sorted_tables for row in connection.execute(select(table))]
    return [value for row in rows for value in row if isinstance(value, str)]
