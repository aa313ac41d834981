"""The mirror's items as rows of the register: ``sent`` is what N3 has, ``tried`` what may have arrived."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update

from identsync.core.columns import Columns
from identsync.flows import mirror_book
from identsync.flows.mirror_book import DOUBT, GONE, Book, Row
from identsync.integrations.egisz import exchange, opened
from identsync.integrations.egisz.case import Complaint
from identsync.integrations.egisz.kept import complaints_text
from identsync.integrations.egisz.opened import Opened
from identsync.integrations.egisz.register import NOTHING, What
from identsync.store.tables import egisz_item

FAILED = ("later", "unknown", "rejected")
item = egisz_item.c


class Items(mirror_book.Shelf):
    """What of one kind is to be sent, or taken back, now: of ``offered`` keys, and all that is to be cancelled.

    ``opening`` are those of them that shall be open cases, ``opened`` what N3 has of such. ``said`` are N3's complaints
    by key and ``warned`` the keys that it took with some, until they are written down;
    ``entries`` are exchanges, written in the same transaction as what they ended in.
    """

    def __init__(
        self, stream: str, organisation: str, what: What, offered: Collection[int], opening: Collection[int] = ()
    ) -> None:
        super().__init__(stream, 0)
        self.organisation, self.what = organisation, what
        self.ids: dict[int, int] = {}
        self.there: set[int] = set()  # N3 has them in some state, for certain
        self.met: set[int] = set()  # N3 has said that it has them, whatever is in it
        self.said: dict[int, Sequence[Complaint]] = {}
        self.warned: set[int] = set()
        self.entries: list[exchange.Entry] = []
        self.opened: dict[int, Opened] = {}
        self._opening = frozenset(opening)
        self._offered = offered if isinstance(offered, set | frozenset) else set(offered)

    def load(self, connection: Connection, _refresh_before_ms: int | None = None) -> Book:
        """Read what stands between N3 and what is wanted."""
        book = mirror_book.weighed(connection, self.stream, 0)
        columns = (
            item.key,
            item.id,
            item.state,
            item.wanted,
            item.sent,
            item.tried,
            item.attempts,
            item.retry_ms,
            item.steps,
        )
        leaving = and_(item.wanted.is_(None), item.state.in_(("cancelling", *FAILED)))
        own = select(*columns).where(item.organisation == self.organisation, item.what == self.what)
        known: list[tuple[int, int]] = []
        for key, number, state, wanted, sent, tried, attempts, retry_ms, steps in connection.execute(
            own.where(or_(item.wanted.is_not(None), leaving))
        ):
            if wanted is not None and key not in self._offered:
                continue
            self.ids[key] = number
            if sent is not None:
                self.there.add(key)
            if tried is not None or sent is not None:
                known.append((key, DOUBT if tried is not None else sent))
                if (there := opened.read(steps)) is not None:
                    self.opened[key] = there
            if state in FAILED:
                book.rows[key] = Row(key, GONE if wanted is None else wanted, state, attempts, retry_ms)
        book.confirmed = Columns.from_rows(known)
        return book

    def save(
        self, connection: Connection, book: Book, rows: Sequence[Row], removed: Sequence[int], now_ms: int,
        before: Columns,  # noqa: ARG002  rows hold the truth here, there is nothing to merge
    ) -> Columns:  # fmt: skip
        """Write these rows alone, with the exchanges that led to them."""
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for row in rows:
            values = self._values(book, row)
            groups.setdefault(tuple(values), []).append(values)
        for key in removed:
            groups.setdefault(("removed",), []).append({"of_id": self.ids[key], **_CANCELLED})
        for some in groups.values():
            _write(connection, some, now_ms)
        exchange.write(connection, self.organisation, self.entries)
        return book.confirmed

    def saved(self) -> None:
        """Forget what is written down."""
        self.entries.clear()
        self.said.clear()

    def _values(self, book: Book, row: Row) -> dict[str, Any]:
        doubtful = book.confirmed.get(row.key) == DOUBT
        values: dict[str, Any] = {"of_id": self.ids[row.key], "state": row.state, "attempts": row.attempts}
        values |= {"retry_ms": row.retry_ms, "tried": row.digest if doubtful else None}
        if row.state == "confirmed":
            values |= {"state": "warned" if row.key in self.warned else "taken", "sent": row.digest, "taken_ms": None}
            self.there.add(row.key)
        elif row.key in self.met:
            values["tried"] = row.digest
        if row.key in self._opening:  # it may be open there from now on
            self.opened.setdefault(row.key, Opened())
        values["steps"] = opened.text(self.opened.get(row.key))
        if row.key in self.said:
            values["complaints"] = complaints_text(self.said[row.key])
        return values


_CANCELLED: Mapping[str, Any] = {
    "state": "cancelled", "sent": None, "tried": None, "attempts": 0, "retry_ms": None, "complaints": NOTHING,
    "steps": None,
}  # fmt: skip


def _write(connection: Connection, rows: Sequence[dict[str, Any]], now_ms: int) -> None:
    written: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name not in ("of_id", "taken_ms")}
    if "taken_ms" in rows[0]:
        written["taken_ms"] = func.coalesce(item.taken_ms, now_ms)
    change = update(egisz_item).where(item.id == bindparam("of_id")).values(written | {"changed_ms": now_ms})
    bound = [{name: value for name, value in row.items() if name != "taken_ms"} for row in rows]
    connection.execute(change, bound)
