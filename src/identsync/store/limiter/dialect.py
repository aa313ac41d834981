"""What the limiter asks of a database: each operation one round trip, answered with rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

from identsync.store.limiter import law

Parameters = Mapping[str, Any]
Row = Sequence[Any]

# The first column of a turn's rows says what the row answers, the second which ask of that part (0 = the first).
SEAT_ROW, PRESENT_ROW, SLOT_ROW, ENDING_ROW, RENEWAL_ROW, CLAIM_ROW = range(6)

_MARK = re.compile(r"(?<![:\w]):([a-z_]+)")


@dataclass(slots=True)
class Turn:
    """All that a client says at once; each ask is a row of the values that law.py names (SEAT_ASK and so on)."""

    client: str
    role: int
    seats: Sequence[Row]
    endings: Sequence[Row]
    renewals: Sequence[Row]
    claims: Sequence[Row]

    def __len__(self) -> int:
        return len(self.seats) + len(self.endings) + len(self.renewals) + len(self.claims)


class Dialect:
    """The statements of one database with the names of the tables put in; operations run them on a DBAPI cursor.

    ``turn`` answers rows that begin with a tag and the number of the ask; columns after those named are padding:
    (SEAT_ROW, i, holder or '', granted, fence, eligible, now), (PRESENT_ROW, i, client, role, seen) of others,
    (SLOT_ROW, i, kind, eligible, paused, held, scope), (ENDING_ROW, i, '', STALE | WRITTEN | UNKNOWN),
    (RENEWAL_ROW, i, '', the same, remaining),
    (CLAIM_ROW, i, '', granted, fence, eligible, now, attempt, started, paused, min_proto, blocked).
    No row for a seat or a claim: the slot is not seeded yet. No row for an ending or a renewal: stale.
    ``permits``: (granted, first, now) or None = another client's seed is not yet in sight. ``give_back``: (1,) or None.
    """

    name = ""
    statements: ClassVar[Mapping[str, str]]
    power = ""

    def __init__(self, clock: str, tables: Mapping[str, str]) -> None:
        self._names = {"clock": clock, "power": self.power, **tables}
        self._texts = {key: self._compile(self._named(text)) for key, text in self.statements.items()}

    def _named(self, text: str) -> str:
        return text.format(**self._names)

    def _compile(self, text: str) -> Any:
        """Put the driver's parameter marks in place of ``:name``."""
        raise NotImplementedError

    def cursor(self, connection: Any) -> Any:
        """Open the one cursor of a limiter's connection."""
        return connection.cursor()

    def run(self, cursor: Any, statement: str, p: Parameters) -> list[Row]:
        """Run one statement; its rows, none for a statement without."""
        cursor.execute(self._texts[statement], p)
        return cursor.fetchall() if cursor.description else []

    def one(self, cursor: Any, statement: str, p: Parameters) -> Row | None:
        """Run one statement; its first row."""
        rows = self.run(cursor, statement, p)
        return rows[0] if rows else None

    def turn(self, cursor: Any, turn: Turn) -> list[Row]:
        """Seats, endings, renewals and claims at once; a turn of several asks never waits for a row's lock."""
        raise NotImplementedError

    def leave(self, cursor: Any, p: Parameters) -> None:
        """Give up seat and presence in a scope."""
        self.run(cursor, "leave", p)

    def permits(self, cursor: Any, p: Parameters) -> Row | None:
        """Take permits of a channel."""
        return self.one(cursor, "permits", p)

    def postpone(self, cursor: Any, p: Parameters) -> None:
        """Put off a channel's next permit."""
        self.run(cursor, "postpone", p)


def rounded(rows: Sequence[Row]) -> int:
    """Round the number of asks up to 1, 4 or 8: so there are few texts, and few plans on the server."""
    return len(rows) if len(rows) < 2 else 4 if len(rows) < 5 else 8


def padded(ask: Sequence[str], rows: Sequence[Row]) -> list[Any]:
    """Give the values of the asks, then of the spare ones: about a slot that is never there."""
    spare = tuple("" if name in law.STRINGS else 1 for name in ask)
    return [*chain.from_iterable(rows), *(spare * (rounded(rows) - len(rows)))]


def marks(text: str, form: str) -> str:
    """Replace ``:name`` by ``form`` with the name in it (a cast's ``::`` stays)."""
    return _MARK.sub(lambda match: form.format(match[1]), text)


def replaced(text: str, names: Mapping[str, str]) -> str:
    """Put ``names[name]`` in place of every ``:name`` (a cast's ``::`` stays)."""
    return _MARK.sub(lambda match: names[match[1]], text)


def numbered(text: str, form: str) -> tuple[str, list[str]]:
    """Replace ``:name`` by ``form`` with the number of the name in it, from 1; the names in that order."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return form.format(names.index(match[1]) + 1)

    return _MARK.sub(number, text), names
