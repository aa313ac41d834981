"""The limiter on SQL Server. These batches have never run on a real SQL Server; `identsync doctor --database` will.

Each operation is one batch, one round trip and one result set. OUTPUT always goes INTO a table variable (error 334
where somebody adds a trigger). SET NOCOUNT ON sticks to the connection, so rows answer, never a row count.
READ COMMITTED is pinned: under SNAPSHOT a loser would get error 3960. No MERGE, no range scan with update locks.
"""

# ruff: noqa: S608 (only names of our own tables and the clock are put into these texts; values are parameters)

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from identsync.store.limiter import law
from identsync.store.limiter.dialect import Dialect, Parameters, Row, Turn, marks
from identsync.store.limiter.mssql_turn import Shape, answered, batch, columns, shape, sizes, text, values

CLOCK = "DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME())"
_LOOKS = 200  # of one statement that waits for a free seat: a minute
_LOCKS = "SET LOCK_TIMEOUT 2000;"
_CROWD = "SET LOCK_TIMEOUT 100;"  # a channel's row is asked for by many: who meets a lock comes again by itself


def _batch(names: str, body: str, locks: str = _LOCKS) -> str:
    variables = [(name, name) for name in names.split()]
    return batch(variables, f"{locks}\n{marks(body, '@{}')}")


def _parameters(text: str) -> list[str]:
    return [part.split("=?")[0] for part in text.split("SET @")[1:] if "=?;" in part]


SEED = _batch(
    "kind scope proto",
    f"""INSERT INTO {{slot}} (kind, scope, eligible_ms, stamp_ms, min_proto)
 SELECT @kind, @scope, @now, @now, @proto WHERE NOT EXISTS (SELECT 1 FROM {{slot}} WHERE {law.SLOT});""",
)

_RINGS = f"""FROM {{slot}} s WITH (NOLOCK) WHERE s.kind='seat' AND s.scope IN ({{scopes}}) AND (s.holder IS NULL
  OR EXISTS (SELECT 1 FROM {{slot}} WITH (NOLOCK) WHERE scope IN (s.scope, 0) AND kind<>'seat' AND {law.HANDED_ON}))"""
BELL = f"""SET NOCOUNT ON;
DECLARE @looks int={{looks}}, @now bigint={CLOCK};
WHILE @looks>0 AND NOT EXISTS (SELECT 1 {_RINGS})
BEGIN
 SET @looks=@looks-1;
 WAITFOR DELAY '00:00:00.300';
 SET @now={CLOCK};
END;
SELECT s.scope {_RINGS};""".replace("{now}", "@now")
"""The bell: lasts until it rings, or a minute. What it reads dirty is a hint, the next turn decides."""


def bell(names: Mapping[str, str], scopes: Iterable[int]) -> str:
    """Spell the statement that waits until one of these seats is given up, or a task of it; its rows are the scopes."""
    return BELL.format(slot=names["slot"], scopes=",".join(str(int(scope)) for scope in scopes), looks=_LOOKS)


LEAVE = _batch(
    "scope client",
    f"""UPDATE {{slot}} WITH (ROWLOCK) SET holder=NULL, eligible_ms=@now, stamp_ms=@now
 WHERE {law.SEAT_SLOT} AND holder=@client;
DELETE FROM {{presence}} WITH (ROWLOCK) WHERE scope=@scope AND client=@client;""",
)
FORGET = _batch(
    "scope ttl",
    "DELETE FROM {presence} WHERE scope=@scope AND (seen_ms<@now-20*@ttl OR seen_ms>@now+20*@ttl);",
)

_RATE_SEED = f"""IF NOT EXISTS (SELECT 1 FROM {{rate}} WHERE {law.RATE_SLOT})
  INSERT INTO {{rate}} (channel, scope, tat_ms, stamp_ms) VALUES (@channel, @scope, 0, 0);"""
PERMITS = _batch(
    "channel scope cost back ahead",
    f"""{_RATE_SEED}
DECLARE @r TABLE (first_ms bigint);
UPDATE {{rate}} WITH (ROWLOCK) SET tat_ms={law.FIRST}+@cost, stamp_ms=@now OUTPUT inserted.tat_ms-@cost INTO @r
 WHERE {law.RATE_SLOT} AND {law.NEAR};
IF EXISTS (SELECT 1 FROM @r) SELECT 1, first_ms, @now FROM @r;
ELSE SELECT 0, {law.FIRST}, @now FROM {{rate}} WHERE {law.RATE_SLOT};""",
    _CROWD,
)
POSTPONE = _batch(
    "channel scope after",
    f"""{_RATE_SEED}
UPDATE {{rate}} WITH (ROWLOCK) SET tat_ms={law.POSTPONED}, stamp_ms=@now WHERE {law.RATE_SLOT};""",
)
GIVE_BACK = _batch(
    "channel scope taken used",
    f"""DECLARE @r TABLE (tat_ms bigint);
UPDATE {{rate}} WITH (ROWLOCK) SET tat_ms=@used OUTPUT inserted.tat_ms INTO @r WHERE {law.UNUSED};
SELECT 1 FROM @r;""",
)

# NOCOUNT is set back: the store's other statements on this connection do count rows. Before the answer, since what
# stands behind it may never run where only the answer is read.
FENCE = f"""SET NOCOUNT ON;
DECLARE @r TABLE (fence bigint);
UPDATE {{slot}} WITH (ROWLOCK) SET fence=fence OUTPUT inserted.fence INTO @r WHERE {law.OURS};
SET NOCOUNT OFF;
SELECT fence FROM @r;"""


class SQLServer(Dialect):
    """Statements for pyodbc."""

    name = "mssql"
    power = "POWER(CAST(2 AS bigint),CASE WHEN attempt>16 THEN 16 ELSE attempt END)"
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
        self._turns: dict[Shape, tuple[str, list[str]]] = {}

    def _compile(self, text: str) -> tuple[str, list[str]]:
        return text, _parameters(text)

    def run(self, cursor: Any, statement: str, p: Parameters) -> list[Row]:
        """Run one batch; values go by position, in the order in which the batch takes them."""
        compiled, names = self._texts[statement]
        return self._rows(cursor, compiled, names, [p[name] for name in names])

    def turn(self, cursor: Any, turn: Turn) -> list[Row]:
        """All of the turn in one batch."""
        form = shape(turn)
        if form not in self._turns:
            self._turns[form] = self._named(text(form)), columns(form)
        return answered(turn, self._rows(cursor, *self._turns[form], values(turn)))

    def _rows(self, cursor: Any, text: str, names: list[str], values: list[Any]) -> list[Row]:
        cursor.setinputsizes(sizes(names, values))
        cursor.execute(text, values)
        return cursor.fetchall() if cursor.description else []
