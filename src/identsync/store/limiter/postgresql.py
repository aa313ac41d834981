"""The limiter on PostgreSQL: every operation is one statement in autocommit, with the clock read once in it."""

# ruff: noqa: S608 (only names of our own tables and the clock are put into these texts; values are parameters)

from collections.abc import Mapping
from typing import Any, ClassVar

from identsync.store.limiter import law
from identsync.store.limiter.dialect import Dialect, marks

CLOCK = "(extract(epoch from clock_timestamp())*1000)::bigint"
_NOW = "WITH n AS MATERIALIZED (SELECT {clock} AS now)"


def _law(text: str) -> str:
    return text.replace("{now}", "n.now")


CLAIM = _law(f"""{_NOW}, u AS (
UPDATE {{slot}} SET {law.CLAIM_SET}
 FROM n WHERE {law.SLOT} AND {law.GRANTABLE}
 RETURNING fence, eligible_ms, n.now, attempt, started_ms)
SELECT 1, fence, eligible_ms, now, attempt, started_ms, 0, 0, 0 FROM u
UNION ALL
SELECT 0, fence, eligible_ms, n.now, attempt, started_ms, paused, min_proto, {law.BLOCKED}
 FROM {{slot}}, n WHERE {law.SLOT} AND NOT EXISTS (SELECT 1 FROM u)""")

SEED = _law(f"""{_NOW}
INSERT INTO {{slot}} (kind, scope, eligible_ms, stamp_ms, min_proto) SELECT :kind, :scope, n.now, n.now, :proto FROM n
 ON CONFLICT DO NOTHING""")

# The presence written here is not visible to the SELECT beside it: our own row comes from RETURNING.
SEAT = _law(f"""{_NOW}, p AS (
INSERT INTO {{presence}} AS e (scope, client, role, seen_ms) SELECT :scope, :client, :role, n.now FROM n
 ON CONFLICT (scope, client) DO UPDATE SET role=excluded.role, seen_ms=excluded.seen_ms
 RETURNING e.client, e.role, e.seen_ms), u AS (
UPDATE {{slot}} SET {law.SEAT_SET}
 FROM n WHERE {law.SEAT_SLOT} AND {law.SEAT_GRANTABLE}
 RETURNING fence, eligible_ms, n.now)
SELECT 0, :client, 1, fence, eligible_ms, now FROM u
UNION ALL SELECT 0, COALESCE(holder, ''), 0, fence, eligible_ms, n.now FROM {{slot}}, n
 WHERE {law.SEAT_SLOT} AND NOT EXISTS (SELECT 1 FROM u)
UNION ALL SELECT 1, client, role, seen_ms, 0, 0 FROM p
UNION ALL SELECT 1, client, role, seen_ms, 0, 0 FROM {{presence}}, n WHERE {law.SEEN} AND client<>:client
UNION ALL SELECT 2, kind, eligible_ms, paused, CASE WHEN holder IS NULL THEN 0 ELSE 1 END, 0
 FROM {{slot}} WHERE scope=:scope AND kind<>'seat'""")

STARTED = """INSERT INTO {run} (kind, scope, fence, holder, role, due_ms, started_ms, outcome)
 VALUES (:kind, :scope, :fence, :holder, :role, :due, :started, 'running') ON CONFLICT DO NOTHING"""

RENEW = _law(f"""{_NOW}
UPDATE {{slot}} SET {law.RENEW_SET} FROM n WHERE {law.RENEWABLE} RETURNING eligible_ms-n.now""")

_JOURNAL = law.JOURNAL_SET.replace("{now}", "u.now")
_ENDED = f""", j AS (UPDATE {{run}} SET {_JOURNAL} FROM u WHERE {law.JOURNAL_ROW})
SELECT now FROM u"""
FINISH = _law(f"""{_NOW}, u AS (
UPDATE {{slot}} SET {law.FINISH_SET} FROM n WHERE {law.OURS} RETURNING n.now){_ENDED}""")
RELEASE = _law(f"""{_NOW}, u AS (
UPDATE {{slot}} SET {law.RELEASE_SET} FROM n WHERE {law.OURS} RETURNING n.now){_ENDED}""")

LEAVE = _law(f"""{_NOW}, u AS (
UPDATE {{slot}} SET holder=NULL, eligible_ms=n.now, stamp_ms=n.now FROM n WHERE {law.SEAT_SLOT} AND holder=:client)
DELETE FROM {{presence}} WHERE scope=:scope AND client=:client""")

FORGET = _law(f"""{_NOW}
DELETE FROM {{presence}} USING n WHERE scope=:scope AND (seen_ms<n.now-20*:ttl OR seen_ms>n.now+20*:ttl)""")


# In ON CONFLICT only the rejected row is in sight: its stamp is this statement's clock.
def _conflict(text: str) -> str:
    for column in ("tat_ms", "stamp_ms"):
        text = text.replace(column, f"r.{column}")
    return text.replace("{now}", "excluded.stamp_ms")


PERMITS = _law(f"""{_NOW}, u AS (
INSERT INTO {{rate}} AS r (channel, scope, tat_ms, stamp_ms) SELECT :channel, :scope, n.now-:back+:cost, n.now FROM n
 ON CONFLICT (channel, scope) DO UPDATE SET tat_ms={_conflict(law.FIRST)}+:cost, stamp_ms=excluded.stamp_ms
 WHERE {_conflict(law.NEAR)}
 RETURNING tat_ms-:cost AS first, stamp_ms)
SELECT 1, first, stamp_ms FROM u
UNION ALL SELECT 0, {law.FIRST}, n.now FROM {{rate}}, n WHERE {law.RATE_SLOT} AND NOT EXISTS (SELECT 1 FROM u)""")
POSTPONE = _law(f"""{_NOW}
INSERT INTO {{rate}} AS r (channel, scope, tat_ms, stamp_ms) SELECT :channel, :scope, n.now+:after, n.now FROM n
 ON CONFLICT (channel, scope) DO UPDATE SET tat_ms={_conflict(law.POSTPONED)}, stamp_ms=excluded.stamp_ms""")
GIVE_BACK = f"UPDATE {{rate}} SET tat_ms=:used WHERE {law.UNUSED} RETURNING 1"

DONE = f"SELECT 1 FROM {{run}} WHERE {law.JOURNAL_ROW} AND outcome=:outcome"

# The row stays locked until the effect's transaction ends; a claim waits for it, or finds it taken and is denied.
FENCE = f"SELECT 1 FROM {{slot}} WHERE {law.OURS} FOR NO KEY UPDATE"


class PostgreSQL(Dialect):
    """Statements for psycopg."""

    name = "postgresql"
    power = "(1::bigint<<LEAST(attempt,16))"
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

    def _compile(self, text: str) -> Any:
        return marks(text.replace("%", "%%"), "%({})s")
