"""The limiter on PostgreSQL: every operation is one statement in autocommit, with the clock read once in it."""

# ruff: noqa: S608 (only names of our own tables and the clock are put into these texts; values are parameters)

from collections.abc import Mapping
from typing import Any, ClassVar

from identsync.store.limiter import law
from identsync.store.limiter.dialect import Dialect, Parameters, Row, Turn, numbered
from identsync.store.limiter.postgresql_turn import NOW, Shape, shape, text, values

CLOCK = "(extract(epoch from clock_timestamp())*1000)::bigint"


def _law(text: str) -> str:
    return text.replace("{now}", "n.now")


SEED = _law(f"""{NOW}
INSERT INTO {{slot}} (kind, scope, eligible_ms, stamp_ms, min_proto) SELECT :kind, :scope, n.now, n.now, :proto FROM n
 ON CONFLICT DO NOTHING""")

LEAVE = _law(f"""{NOW}, u AS (
UPDATE {{slot}} SET holder=NULL, eligible_ms=n.now, stamp_ms=n.now FROM n WHERE {law.SEAT_SLOT} AND holder=:client)
DELETE FROM {{presence}} WHERE scope=:scope AND client=:client""")

FORGET = _law(f"""{NOW}
DELETE FROM {{presence}} USING n WHERE scope=:scope AND (seen_ms<n.now-20*:ttl OR seen_ms>n.now+20*:ttl)""")


# In ON CONFLICT only the rejected row is in sight: its stamp is this statement's clock.
def _conflict(text: str) -> str:
    for column in ("tat_ms", "stamp_ms"):
        text = text.replace(column, f"r.{column}")
    return text.replace("{now}", "excluded.stamp_ms")


PERMITS = _law(f"""{NOW}, u AS (
INSERT INTO {{rate}} AS r (channel, scope, tat_ms, stamp_ms) SELECT :channel, :scope, n.now-:back+:cost, n.now FROM n
 ON CONFLICT (channel, scope) DO UPDATE SET tat_ms={_conflict(law.FIRST)}+:cost, stamp_ms=excluded.stamp_ms
 WHERE {_conflict(law.NEAR)}
 RETURNING tat_ms-:cost AS first, stamp_ms)
SELECT 1, first, stamp_ms FROM u
UNION ALL SELECT 0, {law.FIRST}, n.now FROM {{rate}}, n WHERE {law.RATE_SLOT} AND NOT EXISTS (SELECT 1 FROM u)""")
POSTPONE = _law(f"""{NOW}
INSERT INTO {{rate}} AS r (channel, scope, tat_ms, stamp_ms) SELECT :channel, :scope, n.now+:after, n.now FROM n
 ON CONFLICT (channel, scope) DO UPDATE SET tat_ms={_conflict(law.POSTPONED)}, stamp_ms=excluded.stamp_ms""")
GIVE_BACK = f"UPDATE {{rate}} SET tat_ms=:used WHERE {law.UNUSED} RETURNING 1"

# The row stays locked until the effect's transaction ends; a claim waits for it, or finds it taken and is denied.
FENCE = f"SELECT 1 FROM {{slot}} WHERE {law.OURS} FOR NO KEY UPDATE"


class PostgreSQL(Dialect):
    """Statements for psycopg: its raw cursor takes ``$1``, so that no text is parsed again."""

    name = "postgresql"
    power = "(1::bigint<<LEAST(attempt,16))"
    statements: ClassVar[Mapping[str, str]] = {
        "seed": SEED,
        "leave": LEAVE,
        "forget": FORGET,
        "permits": PERMITS,
        "postpone": POSTPONE,
        "give_back": GIVE_BACK,
    }

    def __init__(self, clock: str, tables: Mapping[str, str]) -> None:
        super().__init__(clock, tables)
        self._turns: dict[Shape, bytes] = {}

    def _compile(self, text: str) -> tuple[bytes, list[str]]:
        statement, names = numbered(text, "${}")
        return statement.encode(), names

    def cursor(self, connection: Any) -> Any:
        """Open a raw cursor; every whole number goes as int8, so that one text is one prepared statement."""
        import psycopg
        from psycopg.types.numeric import Int8BinaryDumper

        connection.adapters.register_dumper(int, Int8BinaryDumper)
        cursor = psycopg.RawCursor(connection)
        cursor.format = psycopg.pq.Format.BINARY
        return cursor

    def run(self, cursor: Any, statement: str, p: Parameters) -> list[Row]:
        """Run one statement; values go by number."""
        compiled, names = self._texts[statement]
        cursor.execute(compiled, [p[name] for name in names])
        rows: list[Row] = cursor.fetchall() if cursor.description else []
        return rows

    def turn(self, cursor: Any, turn: Turn) -> list[Row]:
        """All of the turn in one statement."""
        form = shape(turn)
        statement = self._turns.get(form)
        if statement is None:
            statement = self._turns[form] = self._named(text(form)).encode()
        cursor.execute(statement, values(turn))
        rows: list[Row] = cursor.fetchall()
        return rows
