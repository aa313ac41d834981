"""The limiter on SQL Server. These batches have never run on a real SQL Server; `identsync doctor --database` will.

Each operation is one batch, one round trip and one result set. OUTPUT always goes INTO a table variable (error 334
where somebody adds a trigger). SET NOCOUNT ON sticks to the connection, so rows answer, never a row count; @@ROWCOUNT
inside the batch still counts. READ COMMITTED is pinned: under SNAPSHOT a loser would get error 3960. A lock that is
not free after two seconds is error 1222: denied. No MERGE, no range scan with update locks.
"""

# ruff: noqa: S608 (only names of our own tables and the clock are put into these texts; values are parameters)

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from identsync.store.limiter import law
from identsync.store.limiter.dialect import Dialect, Parameters, Row, marks

CLOCK = "DATEDIFF_BIG(MILLISECOND,'19700101',SYSUTCDATETIME())"

_HEAD = "SET NOCOUNT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCK_TIMEOUT 2000;"
_ATOMIC = "SET XACT_ABORT ON;"
_TYPES = {
    "kind": "varchar(64)",
    "channel": "varchar(64)",
    "client": "varchar(64)",
    "holder": "varchar(64)",
    "request": "varchar(64)",
    "outcome": "varchar(16)",
    "counts": "varchar(max)",
    "note": "nvarchar(400)",
    "error": "nvarchar(400)",
}


def _batch(names: str, body: str, head: str = _HEAD) -> str:
    """Make a batch: each parameter is sent once, into a variable of its column's type; the clock is read once."""
    variables = names.split()
    declared = ", ".join(f"@{name} {_TYPES.get(name, 'bigint')}" for name in variables)
    assigned = " ".join(f"SET @{name}=?;" for name in variables)
    text = marks(body.replace("{now}", "@now"), "@{}")
    return f"{head}\nDECLARE @now bigint, {declared};\n{assigned}\nSET @now={{clock}};\n{text}"


def _parameters(text: str) -> list[str]:
    return [part.split("=?")[0] for part in text.split("SET @")[1:] if "=?;" in part]


CLAIM = _batch(
    "kind scope holder role lease horizon request ttl proto",
    f"""IF NOT EXISTS (SELECT 1 FROM {{slot}} WHERE {law.SLOT} AND {law.GRANTABLE})
  SELECT 0, fence, eligible_ms, @now, attempt, started_ms, paused, min_proto, {law.BLOCKED}
   FROM {{slot}} WHERE {law.SLOT};
ELSE BEGIN
  DECLARE @r TABLE (fence bigint, eligible_ms bigint, attempt int, started_ms bigint);
  UPDATE {{slot}} WITH (ROWLOCK) SET {law.CLAIM_SET}
   OUTPUT inserted.fence, inserted.eligible_ms, inserted.attempt, inserted.started_ms INTO @r
   WHERE {law.SLOT} AND {law.GRANTABLE};
  SELECT CASE WHEN r.fence IS NULL THEN 0 ELSE 1 END, COALESCE(r.fence, t.fence),
    COALESCE(r.eligible_ms, t.eligible_ms), @now, COALESCE(r.attempt, t.attempt), COALESCE(r.started_ms, t.started_ms),
    t.paused, t.min_proto, {law.BLOCKED}
   FROM {{slot}} t LEFT JOIN @r r ON 1=1 WHERE t.kind=@kind AND t.scope=@scope;
END""",
)

SEED = _batch(
    "kind scope proto",
    f"""INSERT INTO {{slot}} (kind, scope, eligible_ms, stamp_ms, min_proto)
 SELECT @kind, @scope, @now, @now, @proto WHERE NOT EXISTS (SELECT 1 FROM {{slot}} WHERE {law.SLOT});""",
)

# The list of slots is a hint, so it is read without locks: a slot in somebody's transaction must not hold up the seat.
SEAT = _batch(
    "scope client role lease horizon ttl",
    f"""UPDATE {{presence}} WITH (ROWLOCK) SET role=@role, seen_ms=@now WHERE scope=@scope AND client=@client;
IF @@ROWCOUNT=0 INSERT INTO {{presence}} (scope, client, role, seen_ms) VALUES (@scope, @client, @role, @now);
DECLARE @r TABLE (fence bigint);
UPDATE {{slot}} WITH (ROWLOCK) SET {law.SEAT_SET}
 OUTPUT inserted.fence INTO @r
 WHERE {law.SEAT_SLOT} AND {law.SEAT_GRANTABLE};
SELECT 0 AS tag, COALESCE(holder, '') AS name, CASE WHEN EXISTS (SELECT 1 FROM @r) THEN 1 ELSE 0 END AS a,
  fence AS b, eligible_ms AS c, @now AS d
 FROM {{slot}} WHERE {law.SEAT_SLOT}
UNION ALL SELECT 1, client, role, seen_ms, 0, 0 FROM {{presence}} WITH (NOLOCK) WHERE {law.SEEN}
UNION ALL SELECT 2, kind, eligible_ms, paused, CASE WHEN holder IS NULL THEN 0 ELSE 1 END, 0
 FROM {{slot}} WITH (NOLOCK) WHERE scope=@scope AND kind<>'seat';""",
)

STARTED = _batch(
    "kind scope fence holder role due started",
    f"""INSERT INTO {{run}} (kind, scope, fence, holder, role, due_ms, started_ms, outcome)
 SELECT @kind, @scope, @fence, @holder, @role, @due, @started, 'running'
 WHERE NOT EXISTS (SELECT 1 FROM {{run}} WHERE {law.JOURNAL_ROW});""",
)

RENEW = _batch(
    "kind scope fence holder lease",
    f"""DECLARE @r TABLE (remaining bigint);
UPDATE {{slot}} WITH (ROWLOCK) SET {law.RENEW_SET} OUTPUT inserted.eligible_ms-@now INTO @r WHERE {law.RENEWABLE};
SELECT remaining FROM @r;""",
)

_ENDED = f"""DECLARE @r TABLE (ended bigint);
BEGIN TRANSACTION;
UPDATE {{slot}} WITH (ROWLOCK) SET {{ending}} OUTPUT @now INTO @r WHERE {law.OURS};
IF EXISTS (SELECT 1 FROM @r) UPDATE {{run}} WITH (ROWLOCK) SET {law.JOURNAL_SET} WHERE {law.JOURNAL_ROW};
COMMIT TRANSACTION;
SELECT ended FROM @r;"""
FINISH = _batch(
    "kind scope fence holder outcome counts note error good mode retry phase interval base jitter",
    _ENDED.replace("{ending}", law.FINISH_SET),
    f"{_HEAD} {_ATOMIC}",
)
RELEASE = _batch(
    "kind scope fence holder outcome counts note", _ENDED.replace("{ending}", law.RELEASE_SET), f"{_HEAD} {_ATOMIC}"
)

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
SELECT CASE WHEN r.first_ms IS NULL THEN 0 ELSE 1 END, COALESCE(r.first_ms, {law.FIRST}), @now
 FROM {{rate}} t LEFT JOIN @r r ON 1=1 WHERE t.channel=@channel AND t.scope=@scope;""",
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

DONE = _batch("kind scope fence outcome", f"SELECT 1 FROM {{run}} WHERE {law.JOURNAL_ROW} AND outcome=@outcome;")

# NOCOUNT is set back: the store's other statements on this connection do count rows.
FENCE = f"""SET NOCOUNT ON;
DECLARE @r TABLE (fence bigint);
UPDATE {{slot}} WITH (ROWLOCK) SET fence=fence OUTPUT inserted.fence INTO @r WHERE {law.OURS};
SELECT fence FROM @r;
SET NOCOUNT OFF;"""


class SQLServer(Dialect):
    """Statements for pyodbc."""

    name = "mssql"
    power = "POWER(CAST(2 AS bigint),CASE WHEN attempt>16 THEN 16 ELSE attempt END)"
    statements: ClassVar[Mapping[str, str]] = {
        "claim": CLAIM,
        "seed": SEED,
        "seat": SEAT,
        "started": STARTED,
        "renew": RENEW,
        "finish": FINISH,
        "release": RELEASE,
        "leave": LEAVE,
        "forget": FORGET,
        "permits": PERMITS,
        "postpone": POSTPONE,
        "give_back": GIVE_BACK,
        "done": DONE,
    }

    def _compile(self, text: str) -> tuple[str, list[str]]:
        return text, _parameters(text)

    def run(self, cursor: Any, statement: str, p: Parameters) -> list[Row]:
        """Run one batch; values go by position, in the order in which the batch takes them."""
        text, names = self._texts[statement]
        values: Sequence[Any] = [p[name] for name in names]
        cursor.execute(text, values)
        return cursor.fetchall() if cursor.description else []
