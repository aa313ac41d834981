"""The limiter on SQLite: in process, so a denied ask is a SELECT that takes no write lock; the UPDATE alone decides.

julianday('now') has one value within one step of a statement. RETURNING needs SQLite 3.35.
"""

# ruff: noqa: S608 (only names of our own tables and the clock are put into these texts; values are parameters)

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any, ClassVar

from identsync.store.limiter import law
from identsync.store.limiter.dialect import (
    CLAIM_ROW,
    ENDING_ROW,
    PRESENT_ROW,
    RENEWAL_ROW,
    SEAT_ROW,
    SLOT_ROW,
    Dialect,
    Parameters,
    Row,
    Turn,
)

CLOCK = "CAST(ROUND((julianday('now')-2440587.5)*86400000.0) AS INTEGER)"


def _law(text: str) -> str:
    return text.replace("{now}", "{clock}")


LOOK = _law(f"""SELECT CASE WHEN {law.GRANTABLE} THEN 1 ELSE 0 END, fence, eligible_ms, {{clock}}, attempt, started_ms,
  paused, min_proto, {law.BLOCKED} FROM {{slot}} WHERE {law.SLOT}""")
CLAIM = _law(f"""UPDATE {{slot}} SET {law.CLAIM_SET} WHERE {law.SLOT} AND {law.GRANTABLE}
 RETURNING {law.WRITTEN}, fence, eligible_ms, stamp_ms, attempt, started_ms, 0, 0, 0""")
RUNNING = f"""INSERT INTO {{run}} ({law.JOURNAL})
 SELECT kind, scope, fence, holder, :role, {law.GRID_INSTANT}, started_ms, 'running' FROM {{slot}} WHERE {law.SLOT}
 ON CONFLICT DO NOTHING"""
SEED = """INSERT INTO {slot} (kind, scope, eligible_ms, stamp_ms, min_proto)
 VALUES (:kind, :scope, {clock}, {clock}, :proto) ON CONFLICT DO NOTHING"""

PRESENT = """INSERT INTO {presence} (scope, client, role, seen_ms) VALUES (:scope, :client, :role, {clock})
 ON CONFLICT (scope, client) DO UPDATE SET role=excluded.role, seen_ms=excluded.seen_ms"""
SEAT = _law(f"UPDATE {{slot}} SET {law.SEAT_SET} WHERE {law.SEAT_SLOT} AND {law.SEAT_GRANTABLE} RETURNING 1")
SEAT_LOOK = _law(f"""SELECT {SEAT_ROW}, :i, COALESCE(holder, ''), :granted, fence, eligible_ms, {{clock}},
 CASE :granted WHEN 1 THEN 0 ELSE {law.CROWD} END
 FROM {{slot}} WHERE {law.SEAT_SLOT}
UNION ALL SELECT {PRESENT_ROW}, :i, client, role, seen_ms, 0, 0, 0 FROM {{presence}} WHERE {law.SEEN}
UNION ALL SELECT {SLOT_ROW}, :i, kind, eligible_ms, paused, {law.HELD}, scope, 0 FROM {{slot}} WHERE {law.LISTED}""")

RENEW = _law(f"UPDATE {{slot}} SET {law.RENEW_SET} WHERE {law.RENEWABLE} RETURNING eligible_ms-stamp_ms")
END = _law(f"UPDATE {{slot}} SET {law.ENDING_SET} WHERE {law.OURS} RETURNING 1")
JOURNAL = _law(f"UPDATE {{run}} SET {law.JOURNAL_SET} WHERE {law.JOURNAL_ROW}")
DONE = f"SELECT 1 WHERE {law.DONE}"

LEAVE_SEAT = """UPDATE {slot} SET holder=NULL, eligible_ms={clock}, stamp_ms={clock}
 WHERE kind='seat' AND scope=:scope AND holder=:client"""
LEAVE = "DELETE FROM {presence} WHERE scope=:scope AND client=:client"
FORGET = """DELETE FROM {presence}
 WHERE scope=:scope AND (seen_ms<{clock}-20*:ttl OR seen_ms>{clock}+20*:ttl)"""

RATE_SEED = """INSERT INTO {rate} (channel, scope, tat_ms, stamp_ms) VALUES (:channel, :scope, 0, 0)
 ON CONFLICT DO NOTHING"""
RATE_LOOK = _law(f"""SELECT 0, {law.FIRST}, {{clock}}, CASE WHEN {law.NEAR} THEN 1 ELSE 0 END
 FROM {{rate}} WHERE {law.RATE_SLOT}""")
PERMITS = _law(f"""UPDATE {{rate}} SET tat_ms={law.FIRST}+:cost, stamp_ms={{clock}} WHERE {law.RATE_SLOT} AND {law.NEAR}
 RETURNING 1, tat_ms-:cost, stamp_ms""")
POSTPONE = _law(f"""UPDATE {{rate}} SET tat_ms={law.POSTPONED}, stamp_ms={{clock}} WHERE {law.RATE_SLOT}""")
GIVE_BACK = f"UPDATE {{rate}} SET tat_ms=:used WHERE {law.UNUSED} RETURNING 1"

# Inside BEGIN IMMEDIATE nobody else writes, so looking is locking.
FENCE = f"SELECT 1 FROM {{slot}} WHERE {law.OURS}"


class SQLite(Dialect):
    """Statements for the sqlite3 module, connection in autocommit (``isolation_level=None``)."""

    name = "sqlite"
    power = "(1<<MIN(attempt,16))"
    statements: ClassVar[Mapping[str, str]] = {
        "look": LOOK,
        "claim": CLAIM,
        "seed": SEED,
        "present": PRESENT,
        "seat": SEAT,
        "seat_look": SEAT_LOOK,
        "running": RUNNING,
        "renew": RENEW,
        "end": END,
        "journal": JOURNAL,
        "leave_seat": LEAVE_SEAT,
        "leave": LEAVE,
        "forget": FORGET,
        "rate_seed": RATE_SEED,
        "rate_look": RATE_LOOK,
        "permits": PERMITS,
        "postpone": POSTPONE,
        "give_back": GIVE_BACK,
        "done": DONE,
    }

    def _compile(self, text: str) -> Any:
        return text

    def turn(self, cursor: Any, turn: Turn) -> list[Row]:
        """Look at the claims without a lock first; all that writes is one transaction, the seats before the rest."""
        seats, endings, renewals, claims = _parameters(turn)
        looks = [self.one(cursor, "look", p) for p in claims]
        due = [look is not None and bool(look[0]) for look in looks]
        rows: list[Row] = []
        if any(due) or len(turn) > len(claims):
            with _immediate(cursor):
                rows += chain.from_iterable(self._seat(cursor, p) for p in seats)
                rows += [(ENDING_ROW, p["i"], "", self._end(cursor, p)) for p in endings]
                rows += [(RENEWAL_ROW, p["i"], "", *self._renew(cursor, p)) for p in renewals]
                looks = [self._claim(cursor, p) if d else r for p, d, r in zip(claims, due, looks, strict=True)]
        return rows + [(CLAIM_ROW, i, "", *look) for i, look in enumerate(looks) if look is not None]

    def _seat(self, cursor: Any, p: Parameters) -> list[Row]:
        self.run(cursor, "present", p)
        granted = len(self.run(cursor, "seat", p))
        return self.run(cursor, "seat_look", {**p, "granted": granted})

    def _end(self, cursor: Any, p: Parameters) -> int:
        if self.one(cursor, "end", p) is None:
            return law.STALE if self.one(cursor, "done", p) is None else law.WRITTEN
        self.run(cursor, "journal", p)
        return law.WRITTEN

    def _renew(self, cursor: Any, p: Parameters) -> Row:
        row = self.one(cursor, "renew", p)
        return (law.STALE, 0) if row is None else (law.WRITTEN, row[0])

    def _claim(self, cursor: Any, p: Parameters) -> Row | None:
        """Take it with its journal row; a race lost since the look is answered with the winner's row."""
        won = self.one(cursor, "claim", p)
        if won is None:
            row = self.one(cursor, "look", p)
            return row and (0, *row[1:])
        self.run(cursor, "running", p)
        return won

    def leave(self, cursor: Any, p: Parameters) -> None:
        """Give up seat and presence in one transaction."""
        with _immediate(cursor):
            self.run(cursor, "leave_seat", p)
            self.run(cursor, "leave", p)

    def permits(self, cursor: Any, p: Parameters) -> Row | None:
        """Look without a lock first, as a claim does."""
        row = self.one(cursor, "rate_look", p)
        if row is None:
            self.run(cursor, "rate_seed", p)
        elif not row[3]:
            return row
        return self.one(cursor, "permits", p) or self.one(cursor, "rate_look", p)

    def postpone(self, cursor: Any, p: Parameters) -> None:
        """Seed the channel where nobody has asked it yet."""
        self.run(cursor, "rate_seed", p)
        self.run(cursor, "postpone", p)


def _parameters(turn: Turn) -> Iterator[list[dict[str, Any]]]:
    common = {"client": turn.client, "holder": turn.client, "role": turn.role}
    asks = ((law.SEAT_ASK, turn.seats), (law.ENDING_ASK, turn.endings), (law.RENEWAL_ASK, turn.renewals))
    for names, rows in (*asks, (law.CLAIM_ASK, turn.claims)):
        yield [common | {"i": i} | dict(zip(names, row, strict=True)) for i, row in enumerate(rows)]


@contextmanager
def _immediate(cursor: Any) -> Iterator[None]:
    cursor.execute("BEGIN IMMEDIATE")
    try:
        yield
        cursor.execute("COMMIT")  # may fail, as on a full disk, and leave the transaction open
    except BaseException:
        if cursor.connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise
