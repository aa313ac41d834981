"""What the limiter asks of a database: each operation one round trip, answered with rows."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

Parameters = Mapping[str, Any]
Row = Sequence[Any]

_MARK = re.compile(r"(?<![:\w]):([a-z_]+)")


class Dialect:
    """The statements of one database with the names of the tables put in; operations run them on a DBAPI cursor.

    ``claim``: (granted, fence, eligible, now, attempt, started, paused, min_proto, role_blocked) or None = no such row.
    ``seat``: rows (0, holder or '', granted, fence, eligible, now), (1, client, role, seen, 0, 0),
    (2, kind, eligible, paused, held, 0); no row of tag 0 = not seeded yet.
    ``renew``: (remaining,) or None. ``finish`` and ``release``: (now,) or None = stale. ``permits``:
    (granted, first, now) or None = another client's seed is not yet in sight. ``give_back``: (1,) or None.
    """

    name = ""
    statements: ClassVar[Mapping[str, str]]
    power = ""

    def __init__(self, clock: str, tables: Mapping[str, str]) -> None:
        names = {"clock": clock, "power": self.power, **tables}
        self._texts = {key: self._compile(text.format(**names)) for key, text in self.statements.items()}

    def _compile(self, text: str) -> Any:
        """Put the driver's parameter marks in place of ``:name``."""
        raise NotImplementedError

    def run(self, cursor: Any, statement: str, p: Parameters) -> list[Row]:
        """Run one statement; its rows, none for a statement without."""
        cursor.execute(self._texts[statement], p)
        return cursor.fetchall() if cursor.description else []

    def one(self, cursor: Any, statement: str, p: Parameters) -> Row | None:
        """Run one statement; its first row."""
        rows = self.run(cursor, statement, p)
        return rows[0] if rows else None

    def claim(self, cursor: Any, p: Parameters) -> Row | None:
        """Ask for a slot."""
        return self.one(cursor, "claim", p)

    def seat(self, cursor: Any, p: Parameters) -> list[Row]:
        """Stamp presence, claim or renew the seat, list who is there and what is due."""
        return self.run(cursor, "seat", p)

    def finish(self, cursor: Any, p: Parameters) -> Row | None:
        """End a run and its journal row together."""
        return self.one(cursor, "finish", p)

    def release(self, cursor: Any, p: Parameters) -> Row | None:
        """Hand a run over, with its journal row."""
        return self.one(cursor, "release", p)

    def leave(self, cursor: Any, p: Parameters) -> None:
        """Give up seat and presence in a scope."""
        self.run(cursor, "leave", p)

    def permits(self, cursor: Any, p: Parameters) -> Row | None:
        """Take permits of a channel."""
        return self.one(cursor, "permits", p)

    def postpone(self, cursor: Any, p: Parameters) -> None:
        """Put off a channel's next permit."""
        self.run(cursor, "postpone", p)


def marks(text: str, form: str) -> str:
    """Replace ``:name`` by ``form`` with the name in it (a cast's ``::`` stays)."""
    return _MARK.sub(lambda match: form.format(match[1]), text)
