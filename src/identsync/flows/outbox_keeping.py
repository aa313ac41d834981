"""What is forgotten of the outbox: rows that have ended, and whose key cannot come again.

A row stays while it is open and while nobody knows what became of it: a person has still to say so. It stays until it
is no longer good for sending (``until_ms``), for whoever planned it may plan it again until then, and its key is all
that keeps him from it. And it stays as long as the room keeps its lot.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, or_, select, update

from identsync.flows.outbox_book import FINAL
from identsync.flows.outbox_rows import lock
from identsync.store.keeping import named_go
from identsync.store.lists import IN, among
from identsync.store.tables import outbox, outbox_event

PORTION = IN
"""Rows of one transaction, each with what belongs to it in several tables."""
ENDED = (*FINAL, "accepted")
"""States after which only the other side may have a word left, and that for days, not for years."""


@dataclass(slots=True)
class Walk:
    """Goes through the rows made before an instant, the oldest first, and finds the ended ones of some streams.

    The database is asked by time alone, and what it gives is sorted out here: asked for streams and states too, SQLite
    would rather read a whole stream for each portion. ``at`` is (made_ms, id) of the row that was looked at last.
    """

    streams: Collection[str]
    before_ms: int
    kept: Collection[int] = ()  # lots whose rows stay
    at: tuple[int, int] = (0, 0)
    more: bool = True  # the last portion was full

    def step(self, connection: Connection) -> list[int]:
        """Look at the next ``PORTION`` rows and give the ids of those to be had, locked."""
        o, (made_ms, id) = outbox.c, self.at
        further = o.made_ms >= made_ms, or_(o.made_ms > made_ms, o.id > id), o.made_ms < self.before_ms
        rows = connection.execute(select(*_LOOKED).where(*further).order_by(o.made_ms, o.id).limit(PORTION)).all()
        self.more = len(rows) == PORTION
        if rows:
            self.at = rows[-1].made_ms, rows[-1].id
        ids = sorted(row.id for row in rows if self._is_old(row))
        if not ids:
            return []
        lock(connection, ids)
        again = connection.execute(select(*_LOOKED).where(among(connection, o.id, ids)))
        return sorted(row.id for row in again if self._is_old(row))

    def _is_old(self, row: Any) -> bool:
        ended = row.stream in self.streams and row.state in ENDED and row.lot not in self.kept
        return ended and max(row.changed_ms, row.until_ms) < self.before_ms


_LOOKED = tuple(outbox.c[name] for name in ("id", "made_ms", "stream", "state", "lot", "changed_ms", "until_ms"))


def erase(connection: Connection, ids: Sequence[int], beside: Sequence[Table]) -> None:
    """Delete rows with their history, and what a room keeps ``beside`` them, by ``outbox_id``."""
    for table, column in [*((each, each.c.outbox_id) for each in (*beside, outbox_event)), (outbox, outbox.c.id)]:
        named_go(connection, table, column, ids)


def empty(connection: Connection, ids: Sequence[int]) -> None:
    """Leave of rows what is counted: to whom they went is no longer told, nor what was answered."""
    mine = among(connection, outbox.c.id, ids)
    connection.execute(update(outbox).where(mine).values(address=None, answer=None))
