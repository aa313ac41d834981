"""The limiter on SQLite: in process, so a denied ask is a SELECT that takes no write lock; the UPDATE alone decides.

julianday('now') has one value within one step of a statement. RETURNING needs SQLite 3.35.
"""

# ruff: noqa: S608 (only names of our own tables and the clock are put into these texts; values are parameters)

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from identsync.store.limiter import law
from identsync.store.limiter.dialect import Dialect, Parameters, Row

CLOCK = "CAST(ROUND((julianday('now')-2440587.5)*86400000.0) AS INTEGER)"


def _law(text: str) -> str:
    return text.replace("{now}", "{clock}")


LOOK = _law(f"""SELECT CASE WHEN {law.GRANTABLE} THEN 1 ELSE 0 END, fence, eligible_ms, {{clock}}, attempt, started_ms,
  paused, min_proto, {law.BLOCKED} FROM {{slot}} WHERE {law.SLOT}""")
CLAIM = _law(f"""UPDATE {{slot}} SET {law.CLAIM_SET} WHERE {law.SLOT} AND {law.GRANTABLE}
 RETURNING 1, fence, eligible_ms, stamp_ms, attempt, started_ms, 0, 0, 0""")
SEED = """INSERT INTO {slot} (kind, scope, eligible_ms, stamp_ms, min_proto)
 VALUES (:kind, :scope, {clock}, {clock}, :proto) ON CONFLICT DO NOTHING"""

PRESENT = """INSERT INTO {presence} (scope, client, role, seen_ms) VALUES (:scope, :client, :role, {clock})
 ON CONFLICT (scope, client) DO UPDATE SET role=excluded.role, seen_ms=excluded.seen_ms"""
SEAT = _law(f"UPDATE {{slot}} SET {law.SEAT_SET} WHERE {law.SEAT_SLOT} AND {law.SEAT_GRANTABLE} RETURNING 1")
SEAT_LOOK = _law(f"""SELECT 0, COALESCE(holder, ''), :granted, fence, eligible_ms, {{clock}}
 FROM {{slot}} WHERE {law.SEAT_SLOT}
UNION ALL SELECT 1, client, role, seen_ms, 0, 0 FROM {{presence}} WHERE {law.SEEN}
UNION ALL SELECT 2, kind, eligible_ms, paused, CASE WHEN holder IS NULL THEN 0 ELSE 1 END, 0
 FROM {{slot}} WHERE scope=:scope AND kind<>'seat'""")

STARTED = """INSERT INTO {run} (kind, scope, fence, holder, role, due_ms, started_ms, outcome)
 VALUES (:kind, :scope, :fence, :holder, :role, :due, :started, 'running') ON CONFLICT DO NOTHING"""
RENEW = _law(f"UPDATE {{slot}} SET {law.RENEW_SET} WHERE {law.RENEWABLE} RETURNING eligible_ms-stamp_ms")
FINISH = _law(f"UPDATE {{slot}} SET {law.FINISH_SET} WHERE {law.OURS} RETURNING finished_ms")
RELEASE = _law(f"UPDATE {{slot}} SET {law.RELEASE_SET} WHERE {law.OURS} RETURNING finished_ms")
JOURNAL = _law(f"UPDATE {{run}} SET {law.JOURNAL_SET} WHERE {law.JOURNAL_ROW}")

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

DONE = f"SELECT 1 FROM {{run}} WHERE {law.JOURNAL_ROW} AND outcome=:outcome"

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
        "started": STARTED,
        "renew": RENEW,
        "finish": FINISH,
        "release": RELEASE,
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

    def claim(self, cursor: Any, p: Parameters) -> Row | None:
        """Look without a lock first; a race lost at the UPDATE is answered with the winner's row."""
        row = self.one(cursor, "look", p)
        if row is None or not row[0]:
            return row
        won = self.one(cursor, "claim", p)
        if won is not None:
            return won
        row = self.one(cursor, "look", p)
        return row and (0, *row[1:])

    def seat(self, cursor: Any, p: Parameters) -> list[Row]:
        """Stamp, claim and look in one transaction."""
        with _immediate(cursor):
            self.run(cursor, "present", p)
            granted = len(self.run(cursor, "seat", p))
            return self.run(cursor, "seat_look", {**p, "granted": granted})

    def finish(self, cursor: Any, p: Parameters) -> Row | None:
        """End the slot's run and its journal row in one transaction."""
        return self._end(cursor, "finish", p)

    def release(self, cursor: Any, p: Parameters) -> Row | None:
        """Hand over the slot's run and its journal row in one transaction."""
        return self._end(cursor, "release", p)

    def _end(self, cursor: Any, statement: str, p: Parameters) -> Row | None:
        with _immediate(cursor):
            row = self.one(cursor, statement, p)
            if row is not None:
                self.run(cursor, "journal", p)
            return row

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


@contextmanager
def _immediate(cursor: Any) -> Iterator[None]:
    cursor.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if cursor.connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")
