"""What is forgotten of the outbox: rows that have ended, and whose key cannot come again.

A row stays while it is open and while nobody knows what became of it: a person has still to say so. It stays until it
is no longer good for sending (``until_ms``), for whoever planned it may plan it again until then, and its key is all
that keeps him from it. And it stays as long as the room has use for it (``more``).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, or_, select, update

from identsync.flows.outbox_book import FINAL
from identsync.flows.outbox_rows import lock
from identsync.store.lists import IN, among
from identsync.store.tables import outbox, outbox_event

PORTION = IN
"""Rows of one transaction, each with what belongs to it in several tables."""
ENDED = (*FINAL, "accepted")
"""States after which only the other side may have a word left, and that for days, not for years."""


@dataclass(slots=True)
class Walk:
    """Goes through the ended rows of some streams made before an instant, the oldest first, and none of them twice.

    ``at`` is (made_ms, id) of the row that was looked at last. Rows that have ended, but long after they were made,
    are passed over.
    """

    streams: Sequence[str]
    before_ms: int
    more: Sequence[ColumnElement[bool]] = ()
    at: tuple[int, int] = (0, 0)

    def step(self, connection: Connection) -> list[int]:
        """Lock the next rows, ``PORTION`` at most, and give their ids: those that are still to be had."""
        o, (made_ms, id) = outbox.c, self.at
        further = o.made_ms >= made_ms, or_(o.made_ms > made_ms, o.id > id)
        asked = select(o.id, o.made_ms).where(*further, *self._old()).order_by(o.made_ms, o.id).limit(PORTION)
        rows = connection.execute(asked).all()
        if not rows:
            return []
        self.at = rows[-1].made_ms, rows[-1].id
        ids = sorted(row.id for row in rows)
        lock(connection, ids)
        still = select(o.id).where(among(connection, o.id, ids), *self._old())
        return list(connection.execute(still.order_by(o.id)).scalars())

    def _old(self) -> tuple[ColumnElement[bool], ...]:
        o, before = outbox.c, self.before_ms
        old = and_(o.made_ms < before, o.changed_ms < before, o.until_ms < before)
        return o.stream.in_(self.streams), o.state.in_(ENDED), old, *self.more


def erase(connection: Connection, ids: Collection[int], beside: Sequence[Table]) -> None:
    """Delete rows with their history, and what a room keeps ``beside`` them, by ``outbox_id``."""
    for table, column in [*((each, each.c.outbox_id) for each in (*beside, outbox_event)), (outbox, outbox.c.id)]:
        if ids:
            connection.execute(delete(table).where(among(connection, column, list(ids))))


def empty(connection: Connection, ids: Collection[int]) -> None:
    """Leave of rows what is counted: to whom they went is no longer told, nor what was answered."""
    if ids:
        mine = among(connection, outbox.c.id, list(ids))
        connection.execute(update(outbox).where(mine).values(address=None, answer=None))
