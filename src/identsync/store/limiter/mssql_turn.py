"""The batch of a turn on SQL Server: one block an ask, each with a short transaction of its own.

A block that meets a lock (1222) or loses a deadlock (1205) costs only its own answer. Every value is sent once, into a
variable of its column's type. Slots are looked up by their whole key, one row a statement, and a denied claim takes no
update lock. OUTPUT always goes INTO a table variable (else error 334 where somebody adds a trigger); what changed is
read from there, never from a row count. A table variable is not rolled back, hence the order of the statements.
The server keeps a plan for each text and types of its values: so blocks are counted up to 1, 4 or 8, the spare ones
about a slot that is never there, and each value has its column's type whatever it is.
"""

# ruff: noqa: S608 (only names of our own tables and the clock are put into these texts; values are parameters)

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from identsync.store.limiter import law
from identsync.store.limiter.dialect import (
    CLAIM_ROW,
    ENDING_ROW,
    PRESENT_ROW,
    RENEWAL_ROW,
    SEAT_ROW,
    SLOT_ROW,
    Row,
    Turn,
    padded,
    replaced,
    rounded,
)

Shape = tuple[int, int, int, int, int]  # seats, endings, renewals, claims; role
TYPES = {
    **dict.fromkeys(("kind", "channel", "client", "holder", "request"), "varchar(64)"),
    "outcome": "varchar(16)",
    "counts": "varchar(max)",
    "note": "nvarchar(400)",
}
VARCHAR, WVARCHAR, BIGINT, LONGEST = 12, -9, -5, 8000  # ODBC's numbers; the longest varchar that is not (max)
SIZES = {
    **dict.fromkeys(("kind", "channel", "client", "holder", "request"), (VARCHAR, 64, 0)),
    "outcome": (VARCHAR, 16, 0),
    "note": (WVARCHAR, 400, 0),
}
HEAD = "SET NOCOUNT ON; SET XACT_ABORT ON; SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"
_LOCKS = "SET LOCK_TIMEOUT 50;"  # ms that one ask may wait for its row
_OUT3 = "@out (tag, item, name, v1, v2, v3)"
_OUT4 = "@out (tag, item, name, v1, v2, v3, v4)"
_OUT5 = "@out (tag, item, name, v1, v2, v3, v4, v5)"
_OUT9 = "@out (tag, item, name, v1, v2, v3, v4, v5, v6, v7, v8, v9)"
_TABLES = """DECLARE @out TABLE (tag int, item int, name varchar(64), v1 bigint, v2 bigint, v3 bigint, v4 bigint,
  v5 bigint, v6 bigint, v7 bigint, v8 bigint, v9 bigint);
DECLARE @won TABLE (part int, item int, fence bigint, eligible_ms bigint, attempt int, started_ms bigint);"""
_WON = "FROM @won WHERE part={part} AND item=:i"

_SEAT = f"""IF EXISTS (SELECT 1 FROM {{presence}} WHERE scope=:scope AND client=:client)
 UPDATE {{presence}} WITH (ROWLOCK) SET role=:role, seen_ms=@now WHERE scope=:scope AND client=:client;
ELSE
 INSERT INTO {{presence}} (scope, client, role, seen_ms) VALUES (:scope, :client, :role, @now);
INSERT INTO {_OUT3}
 SELECT {PRESENT_ROW}, :i, client, role, seen_ms, 0 FROM {{presence}} WITH (NOLOCK) WHERE {law.SEEN};
INSERT INTO {_OUT4}
 SELECT {SLOT_ROW}, :i, kind, eligible_ms, paused, {law.HELD}, scope FROM {{slot}} WITH (NOLOCK) WHERE {law.LISTED};
IF EXISTS (SELECT 1 FROM {{slot}} WHERE {law.SEAT_SLOT} AND {law.SEAT_GRANTABLE})
 UPDATE {{slot}} WITH (ROWLOCK) SET {law.SEAT_SET}
  OUTPUT {SEAT_ROW}, :i, inserted.fence, inserted.eligible_ms INTO @won (part, item, fence, eligible_ms)
  WHERE {law.SEAT_SLOT} AND {law.SEAT_GRANTABLE};
IF EXISTS (SELECT 1 {_WON})
 INSERT INTO {_OUT4} SELECT {SEAT_ROW}, :i, :client, 1, fence, eligible_ms, @now {_WON};
ELSE
 INSERT INTO {_OUT5}
  SELECT {SEAT_ROW}, :i, COALESCE(holder, ''), 0, fence, eligible_ms, @now, {law.CROWD}
   FROM {{slot}} WHERE {law.SEAT_SLOT};"""
_SEAT_BUSY = f"""INSERT INTO {_OUT5}
  SELECT {SEAT_ROW}, :i, COALESCE(holder, ''), 0, fence, eligible_ms, @now, {law.CROWD}
   FROM {{slot}} WITH (NOLOCK) WHERE {law.SEAT_SLOT};"""

_ENDING = f"""BEGIN TRANSACTION;
UPDATE {{slot}} WITH (ROWLOCK) SET {law.ENDING_SET}
 OUTPUT {ENDING_ROW}, :i INTO @won (part, item)
 WHERE {law.OURS};
IF EXISTS (SELECT 1 {_WON})
 UPDATE {{run}} WITH (ROWLOCK) SET {law.JOURNAL_SET} WHERE {law.JOURNAL_ROW};
COMMIT TRANSACTION;
INSERT INTO @out (tag, item, v1)
 SELECT {ENDING_ROW}, :i, CASE WHEN EXISTS (SELECT 1 {_WON}) OR {law.DONE} THEN {law.WRITTEN} ELSE {law.STALE} END;"""

_RENEWAL = f"""UPDATE {{slot}} WITH (ROWLOCK) SET {law.RENEW_SET}
 OUTPUT {RENEWAL_ROW}, :i, inserted.eligible_ms INTO @won (part, item, eligible_ms)
 WHERE {law.RENEWABLE};
INSERT INTO @out (tag, item, v1, v2) SELECT {RENEWAL_ROW}, :i, {law.WRITTEN}, eligible_ms-@now {_WON};"""

_CLAIM = f"""IF EXISTS (SELECT 1 FROM {{slot}} WHERE {law.SLOT} AND {law.GRANTABLE})
BEGIN
 BEGIN TRANSACTION;
 UPDATE {{slot}} WITH (ROWLOCK) SET {law.CLAIM_SET}
  OUTPUT {CLAIM_ROW}, :i, inserted.fence, inserted.eligible_ms, inserted.attempt, inserted.started_ms
   INTO @won (part, item, fence, eligible_ms, attempt, started_ms)
  WHERE {law.SLOT} AND {law.GRANTABLE};
 INSERT INTO {{run}} ({law.JOURNAL})
  SELECT :kind, :scope, fence, :holder, :role, {law.GRID_INSTANT}, started_ms, 'running'
   FROM @won w WHERE part={{part}} AND item=:i
   AND NOT EXISTS (SELECT 1 FROM {{run}} r WHERE r.kind=:kind AND r.scope=:scope AND r.fence=w.fence);
 COMMIT TRANSACTION;
END;
IF EXISTS (SELECT 1 {_WON})
 INSERT INTO {_OUT9} SELECT {CLAIM_ROW}, :i, '', {law.WRITTEN}, fence, eligible_ms, @now, attempt, started_ms, 0, 0, 0
  {_WON};
ELSE
 INSERT INTO {_OUT9} SELECT {CLAIM_ROW}, :i, '', 0, fence, eligible_ms, @now, attempt, started_ms, paused, min_proto,
   {law.BLOCKED}
  FROM {{slot}} WHERE {law.SLOT};"""


def _busy(part: int) -> str:
    return f"INSERT INTO @out (tag, item, v1) VALUES ({part}, :i, {law.UNKNOWN});"


# part, letter of its variables, what it asks, what it does, what it answers where the row is locked
_PARTS = (
    (SEAT_ROW, "s", law.SEAT_ASK, _SEAT, _SEAT_BUSY),
    (ENDING_ROW, "e", law.ENDING_ASK, _ENDING, _busy(ENDING_ROW)),
    (RENEWAL_ROW, "r", law.RENEWAL_ASK, _RENEWAL, _busy(RENEWAL_ROW)),
    (CLAIM_ROW, "c", law.CLAIM_ASK, _CLAIM, _busy(CLAIM_ROW)),
)


def shape(turn: Turn) -> Shape:
    """Tell which text the turn needs: asks in blocks of 1, 4 or 8, so that there are few plans."""
    return len(turn.seats), rounded(turn.endings), rounded(turn.renewals), rounded(turn.claims), turn.role


def values(turn: Turn) -> list[Any]:
    """Give the values in the order in which the batch takes them."""
    asks = ((law.ENDING_ASK, turn.endings), (law.RENEWAL_ASK, turn.renewals), (law.CLAIM_ASK, turn.claims))
    return [turn.client, *chain(*turn.seats), *chain(*(padded(ask, rows) for ask, rows in asks))]


def columns(form: Shape) -> list[str]:
    """Give the columns of these values."""
    asks = (ask * count for (_part, _letter, ask, *_texts), count in zip(_PARTS, form[:4], strict=True))
    return ["client", *chain(*asks)]


def sizes(names: Sequence[str], given: Sequence[Any]) -> list[tuple[int, int, int]]:
    """Give ODBC's type, size and digits of each value, which pyodbc would else reckon from the value: a plan for each.

    What is longer than a varchar holds goes as varchar(max).
    """
    return [_size(name, value) for name, value in zip(names, given, strict=True)]


def _size(name: str, value: Any) -> tuple[int, int, int]:
    if name == "counts":
        return VARCHAR, LONGEST if len(value) <= LONGEST else 0, 0
    return SIZES.get(name, (BIGINT, 0, 0))


def answered(turn: Turn, rows: Iterable[Row]) -> list[Row]:
    """Leave out what answers spare asks: each ending has an answer."""
    return [row for row in rows if row[0] != ENDING_ROW or row[1] < len(turn.endings)]


def text(form: Shape) -> str:
    """Compose the batch of such a turn; clock and names of tables stay to be put in."""
    *counts, role = form
    variables, blocks = [("client", "client")], []
    for (part, letter, ask, work, busy), asks in zip(_PARTS, counts, strict=True):
        for i in range(asks):
            names = {name: f"@{letter}{i}_{name}" for name in ask}
            variables += [(f"{letter}{i}_{name}", name) for name in ask]
            names |= {"i": str(i), "client": "@client", "holder": "@client", "role": str(role)}
            blocks.append(_block(replaced(work.replace("{part}", str(part)), names), replaced(busy, names)))
    return batch(variables, "\n".join([_LOCKS, _TABLES, *blocks, "SELECT * FROM @out;"]))


def batch(variables: list[tuple[str, str]], body: str) -> str:
    """Make a batch: pairs of a variable and the column whose type it has, each sent once; then the body."""
    declared = ", ".join(f"@{variable} {TYPES.get(column, 'bigint')}" for variable, column in variables)
    assigned = " ".join(f"SET @{variable}=?;" for variable, _ in variables)
    text = f"{HEAD}\nDECLARE @now bigint, {declared};\n{assigned}\nSET @now={{clock}};\n{body}"
    return text.replace("{now}", "@now")


def _block(work: str, busy: str) -> str:
    return f"""BEGIN TRY
SET @now={{clock}};
{work}
END TRY
BEGIN CATCH
IF XACT_STATE()<>0 ROLLBACK TRANSACTION;
IF ERROR_NUMBER() NOT IN (1222, 1205) THROW;
{busy}
END CATCH;"""
