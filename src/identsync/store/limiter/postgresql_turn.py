"""The statement of a turn on PostgreSQL, made of the parts that the turn has.

What is asked stands in it as VALUES, in rows of 1, 4 or 8, the spare ones about a slot that is never there: so there
are few texts, and each is planned once in a connection's life. In a turn of several asks each row is first locked with
SKIP LOCKED, so nothing is ever waited for; a single ask needs no such step and waits for its row at most as long as
``lock_timeout``. Correctness rests on neither: it is the UPDATE's own predicate that decides, which PostgreSQL
evaluates on the row's newest version. All parts see the database as it was before the turn.
"""

# ruff: noqa: S608 (only names of our own tables and the clock are put into these texts; values are parameters)

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from identsync.store.limiter import law
from identsync.store.limiter.dialect import (
    CLAIM_ROW,
    ENDING_ROW,
    PRESENT_ROW,
    RENEWAL_ROW,
    SEAT_ROW,
    SLOT_ROW,
    Turn,
    padded,
    replaced,
    rounded,
)

NOW = "WITH n AS MATERIALIZED (SELECT {clock} AS now)"
Shape = tuple[int, int, int, int, int, bool]  # rows of seats, endings, renewals, claims; role; one ask alone


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a turn. Several asks are the relation ``letter`` with columns ``letter_name``.

    ``change``: what its UPDATE, the CTE ``letter``u, sets; ``keys``: what that returns besides where there are several
    asks; ``answers``: columns and source of each SELECT. ``{rest}`` = asks whose row the UPDATE did not change,
    ``{asks}`` = the relation, if there is one.
    """

    letter: str
    ask: tuple[str, ...]
    where: str
    change: str
    keys: str
    returning: str
    after: str
    answers: tuple[tuple[str, str], ...]


CLAIM = Part(
    "c",
    law.CLAIM_ASK,
    f"{law.SLOT} AND {law.GRANTABLE}",
    law.CLAIM_SET,
    ":i, :kind, :scope, :phase, :interval",
    "fence, eligible_ms, n.now, attempt, started_ms",
    f"""cj AS (INSERT INTO {{run}} ({law.JOURNAL})
 SELECT :kind, :scope, fence, :holder, :role, {law.GRID_INSTANT}, started_ms, 'running' FROM cu
 ON CONFLICT DO NOTHING)""",
    (
        (f"{CLAIM_ROW}|:i|''|{law.WRITTEN}|fence|eligible_ms|now|attempt|started_ms", "cu"),
        (
            f"{CLAIM_ROW}|:i|''|{{denied}}|fence|eligible_ms|n.now|attempt|started_ms|paused|min_proto|{law.BLOCKED}",
            f"{{slot}}, n{{asks}} WHERE {law.SLOT} AND {{rest}}",
        ),
    ),
)
# The presence written here is not visible to the SELECT beside it: the asker knows its own.
SEAT = Part(
    "s",
    law.SEAT_ASK,
    f"{law.SEAT_SLOT} AND {law.SEAT_GRANTABLE}",
    law.SEAT_SET,
    ":i",
    "fence, eligible_ms, n.now",
    """sp AS (INSERT INTO {presence} (scope, client, role, seen_ms) SELECT :scope, :client, :role, n.now FROM n{asks}
 ON CONFLICT (scope, client) DO UPDATE SET role=excluded.role, seen_ms=excluded.seen_ms)""",
    (
        (f"{SEAT_ROW}|:i|:client|1|fence|eligible_ms|now", "su"),
        (
            f"{SEAT_ROW}|:i|COALESCE(holder, '')|0|fence|eligible_ms|n.now|{law.CROWD}",
            f"{{slot}}, n{{asks}} WHERE {law.SEAT_SLOT} AND {{rest}}",
        ),
        (f"{PRESENT_ROW}|:i|client|role|seen_ms", f"{{presence}}, n{{asks}} WHERE {law.SEEN}"),
        (
            f"{SLOT_ROW}|:i|kind|eligible_ms|paused|{law.HELD}|scope",
            f"{{slot}}, n{{asks}} WHERE {law.LISTED}",
        ),
    ),
)
ENDING = Part(
    "e",
    law.ENDING_ASK,
    law.OURS,
    law.ENDING_SET,
    ":i, :kind, :scope, :fence, :outcome, :counts, :note",
    "n.now",
    f"ej AS (UPDATE {{run}} SET {law.JOURNAL_SET.replace('{now}', 'eu.now')} FROM eu WHERE {law.JOURNAL_ROW})",
    (
        (f"{ENDING_ROW}|:i|''|{law.WRITTEN}", "eu"),
        (
            f"{ENDING_ROW}|:i|''|CASE WHEN {law.OURS} THEN {law.UNKNOWN} WHEN {law.DONE} THEN {law.WRITTEN}"
            f" ELSE {law.STALE} END",
            f"{{slot}}{{asks}} WHERE {law.SLOT} AND {{rest}}",
        ),
    ),
)
RENEWAL = Part(
    "r",
    law.RENEWAL_ASK,
    law.RENEWABLE,
    law.RENEW_SET,
    ":i",
    "eligible_ms-n.now AS remaining",
    "",
    (
        (f"{RENEWAL_ROW}|:i|''|{law.WRITTEN}|remaining", "ru"),
        (f"{RENEWAL_ROW}|:i|''|{law.UNKNOWN}", f"{{slot}}, n{{asks}} WHERE {law.RENEWABLE} AND {{rest}}"),
    ),
)
PARTS = (SEAT, ENDING, RENEWAL, CLAIM)


def shape(turn: Turn) -> Shape:
    """Tell which text the turn needs."""
    endings, renewals, claims = rounded(turn.endings), rounded(turn.renewals), rounded(turn.claims)
    return len(turn.seats), endings, renewals, claims, turn.role, len(turn) == 1


def values(turn: Turn) -> list[Any]:
    """Give the values of ``$1``, ``$2`` and so on."""
    found: list[Any] = [turn.client]
    for row in turn.seats:
        found += row
    for part, rows in ((ENDING, turn.endings), (RENEWAL, turn.renewals), (CLAIM, turn.claims)):
        found += padded(part.ask, rows)
    return found


def text(form: Shape) -> str:
    """Compose the statement of such a turn; clock and names of tables stay to be put in."""
    *arities, role, alone = form
    numbers = count(2)
    ctes, selects = [NOW], []
    for part, arity in zip(PARTS, arities, strict=True):
        if arity:
            shared = {"holder": "$1::text", "client": "$1::text", "role": str(role)}
            rows = [[_cast(name, next(numbers)) for name in part.ask] for _ in range(arity)]
            # One row needs no relation: its values stand where they are used.
            names = dict(zip(part.ask, rows[0], strict=True)) | {"i": "0"}
            if arity > 1:
                names = {name: f"{part.letter}_{name}" for name in ("i", *part.ask)}
                ctes.append(_asks(part, rows))
            ctes += [replaced(cte, names | shared) for cte in _changes(part, arity, alone=alone)]
            for columns, source in _answers(part, arity, alone=alone):
                selects.append((replaced(columns, names | shared), replaced(source, names | shared)))
    return (",\n".join(ctes) + "\n" + "\nUNION ALL ".join(_padded(selects))).replace("{now}", "n.now")


def _asks(part: Part, rows: Sequence[Sequence[str]]) -> str:
    columns = ", ".join(f"{part.letter}_{name}" for name in ("i", *part.ask))
    lines = ",\n".join(f" ({i}, {', '.join(row)})" for i, row in enumerate(rows))
    return f"{part.letter} ({columns}) AS NOT MATERIALIZED (VALUES\n{lines})"


def _changes(part: Part, arity: int, *, alone: bool) -> Iterator[str]:
    """The locking step, the UPDATE, what follows from it."""
    one = part.letter
    asks, columns = ("", "1") if arity == 1 else (f", {one}", f"{one}.*")
    if not alone:
        yield f"""{one}l AS MATERIALIZED (SELECT {columns} FROM {{slot}} AS slot, n{asks} WHERE {part.where}
 FOR NO KEY UPDATE OF slot SKIP LOCKED)"""
        asks = f", {one}l"
    yield f"""{one}u AS (UPDATE {{slot}} SET {part.change}
 FROM n{asks} WHERE {part.where}
 RETURNING {part.returning if arity == 1 else f"{part.keys}, {part.returning}"})"""
    if part.after:
        yield part.after.replace("{asks}", "" if arity == 1 else f", {one}")


def _cast(name: str, number: int) -> str:
    return f"${number}::{'text' if name in law.STRINGS else 'bigint'}"


def _answers(part: Part, arity: int, *, alone: bool) -> Iterator[tuple[str, str]]:
    one = part.letter
    asks, same = ("", "") if arity == 1 else (f", {one}", f" u WHERE u.{one}_i={one}.{one}_i")
    # Not ours although it may be: another client holds the row, or changed it just now.
    denied = "0" if alone else f"CASE WHEN {part.where} THEN {law.UNKNOWN} ELSE 0 END"
    rest = f"NOT EXISTS (SELECT 1 FROM {one}u{same})"
    for columns, source in part.answers:
        yield columns.replace("{denied}", denied), source.replace("{asks}", asks).replace("{rest}", rest)


def _padded(selects: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Give every SELECT as many columns as the widest has."""
    lists = [columns.split("|") for columns, _ in selects]
    width = max(map(len, lists))
    for columns, (_, source) in zip(lists, selects, strict=True):
        yield f"SELECT {', '.join(columns + ['0'] * (width - len(columns)))} FROM {source}"
