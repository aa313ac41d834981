"""The outbox's books: every thing that must not happen twice is a row, and its state says what is certain.

::

    held -> planned -> submitting -> accepted -> delivered | failed | expired
                    -> skipped       -> failed                     (refused at once)
                    -> cancelled     -> planned                    (certainly not done)
                                     -> unknown -> accepted ...    (found) | planned, failed (a person decided)

A row is committed as *submitting* before the first byte goes out, together with a token of that attempt. A person's
decision names the state it was made on (``changed_ms``), so that two of them, or one and a run, do not undo each other.
Whoever changes several rows in one transaction locks them by their ids first, the lowest first (``outbox_rows.lock``).
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Update, and_, bindparam, insert, select, update

from identsync.errors import AskPerson, Unexpected
from identsync.flows.outbox_rows import ANSWER, ID, OPEN, change, said
from identsync.flows.receipts import claim_early
from identsync.flows.sending import Accepted, Lost, NotTaken, Refused, Verdict
from identsync.store.lists import among, plan_anew, portions, write_many
from identsync.store.tables import outbox, outbox_event
from identsync.store.texts import fitting

FINAL = ("delivered", "failed", "expired", "skipped", "cancelled")


def _(text: str) -> str:
    return text


DIED = _("программа остановилась во время отправки")
TOO_LATE = _("не отправлено вовремя")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is to be done once: its business key (64 characters at most), when, until when, how urgent (0 first).

    ``state`` may also be 'held' (waits until it is released) or 'skipped' (never: ``reason`` says why).
    """

    key: str
    due_ms: int
    until_ms: int
    rank: int = 5
    state: str = "planned"
    reason: str = ""
    lot: int | None = None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row that is due."""

    id: int
    key: str
    due_ms: int
    until_ms: int
    attempts: int
    lot: int | None
    address: str | None
    changed_ms: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A row to be committed as submitting: by which channel, to whom, under which token."""

    row: Row
    channel: str
    address: str
    token: str


def token() -> str:
    """Make the token of one attempt: 32 hex digits."""
    return secrets.token_hex(16)


def plan(connection: Connection, stream: str, scope: int, drafts: Sequence[Draft], now_ms: int) -> dict[str, int]:
    """Write down what is not there yet by its key; give the ids of the new rows by key."""
    new = {draft.key: draft for draft in drafts}
    for key in written(connection, stream, list(new)):
        del new[key]
    if not new:
        return {}
    common = {"stream": stream, "scope": scope, "made_ms": now_ms, "changed_ms": now_ms}
    write_many(connection, outbox, [common | _columns(draft) for draft in new.values()])
    return written(connection, stream, list(new))


def written(connection: Connection, stream: str, keys: Sequence[str]) -> dict[str, int]:
    """Give the ids of the rows that are there, by key.

    The keys alone are asked for: a database that has no statistics of a young table would rather read all of a stream.
    """
    plan_anew(connection, len(keys))
    ids: dict[str, int] = {}
    for some in portions(keys):
        rows = connection.execute(_WRITTEN.where(among(connection, outbox.c.key, some)))
        ids.update((key, number) for key, number, of in rows if of == stream)
    return ids


def due(connection: Connection, stream: str, scope: int, now_ms: int, most: int) -> list[Row]:
    """Give up to ``most`` planned rows whose time has come, the urgent and old ones first."""
    o = outbox.c
    columns = (o.id, o.key, o.due_ms, o.until_ms, o.attempts, o.lot, o.address, o.changed_ms)
    here = o.stream == stream, o.scope == scope, o.state == "planned", o.due_ms <= now_ms
    rows = connection.execute(select(*columns).where(*here).order_by(o.rank, o.due_ms, o.id).limit(most))
    return [Row(*row) for row in rows]


def next_due(connection: Connection, stream: str, scope: int) -> int | None:
    """Tell when the next planned row is due, epoch ms; None: there is none."""
    o = outbox.c
    here = o.stream == stream, o.scope == scope, o.state == "planned"
    found: int | None = connection.execute(select(o.due_ms).where(*here).order_by(o.due_ms).limit(1)).scalar()
    return found


def has_dead(connection: Connection, stream: str, scope: int, fence: int) -> bool:
    """Tell whether an earlier run died with rows in its hands."""
    return connection.execute(select(outbox.c.id).where(*_dead(stream, scope, fence)).limit(1)).first() is not None


def bury(connection: Connection, stream: str, scope: int, fence: int, now_ms: int) -> int:
    """Make the rows that an earlier run had in its hands unknown; give their number."""
    values = {"state": "unknown", "reason": DIED, "changed_ms": now_ms}
    dead = connection.execute(select(outbox.c.id).where(*_dead(stream, scope, fence))).scalars().all()
    return change(connection, dead, ("submitting",), values)


def take(connection: Connection, taken: Sequence[Taken], fence: int, now_ms: int) -> set[int]:
    """Commit rows as submitting; give the ids of those that nobody has changed meanwhile: only they may go out."""
    if not taken:
        return set()
    values = [
        {
            "of_id": each.row.id,
            "of_changed": each.row.changed_ms,
            "now": now_ms,
            "fence": fence,
            "channel": each.channel,
            "address": each.address,
            "token": each.token,
        }
        for each in taken
    ]
    tokens = {each.token: each.row.id for each in taken}
    if _executed(connection, _TAKE, values) == len(values):  # some drivers count the last row alone: then ask
        return set(tokens.values())
    good: set[int] = set()
    for ids in portions(tokens.values()):
        rows = connection.execute(select(outbox.c.id, outbox.c.token).where(outbox.c.id.in_(ids)))
        good.update(number for number, mark in rows if tokens.get(mark) == number)
    return good


def postpone(connection: Connection, rows: Iterable[tuple[Row, int, str]], now_ms: int) -> None:
    """Move rows that nobody has changed to a later time (row, due ms, reason)."""
    _moved(connection, [_values(row, now_ms, "planned", due, reason) for row, due, reason in rows])


def skip(connection: Connection, rows: Iterable[tuple[Row, str]], now_ms: int) -> None:
    """Give rows up that nobody has changed, with the reason."""
    _moved(connection, [_values(row, now_ms, "skipped", row.due_ms, reason) for row, reason in rows])


def settle(connection: Connection, ended: Sequence[tuple[Taken, Verdict, int]], now_ms: int) -> None:
    """Write down how attempts ended (with the time of a next one for ``NotTaken``); each only on its own token."""
    if not ended:
        return
    _executed(connection, _SETTLE, [_ended(taken, verdict, due, now_ms) for taken, verdict, due in ended])
    told = [(taken.channel, fitting(v.provider_id, ID)) for taken, v, _due in ended if isinstance(v, Accepted)]
    accepted = {(channel, number) for channel, number in told if number}
    if accepted:
        claim_early(connection, accepted, now_ms)


def release(connection: Connection, taken: Sequence[Taken], now_ms: int) -> None:
    """Take back rows of which no byte went out: they are as they were before."""
    if taken:
        _executed(connection, _RELEASE, [{"of_id": t.row.id, "of_token": t.token, "now": now_ms} for t in taken])


class Changed(AskPerson):
    """The row is no longer as the person saw it; nothing was written."""

    key = "error.changed"


DECISIONS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "cancel": (OPEN, "cancelled"),
    "again": (("unknown", "failed", "expired", "skipped", "cancelled"), "planned"),
    "leave": (("unknown",), "failed"),
    "was sent": (("unknown",), "accepted"),
}
"""What a person may decide: in which states, and what the row becomes. ``again`` is the only way back out."""


def decide(
    connection: Connection, row_id: int, seen_ms: int, decision: str, by: str, now_ms: int, *, until_ms: int = 0
) -> None:
    """Do what a person decided on a row as it was at ``seen_ms``; raises Changed where it is another by now.

    ``again`` is due at once and good until ``until_ms``.
    """
    if decision not in DECISIONS:
        raise Unexpected(f"no decision {decision!r}")
    states, state = DECISIONS[decision]
    at = max(now_ms, seen_ms + 1)
    values: dict[str, Any] = {"state": state, "changed_ms": at}
    if decision == "again":
        values |= {"due_ms": now_ms, "until_ms": until_ms, "reason": None, "answer": None, "provider_id": None}
    if decision == "leave":
        values["reason"] = _("человек решил не отправлять снова")
    seen = outbox.c.id == row_id, outbox.c.changed_ms == seen_ms, outbox.c.state.in_(states)
    if connection.execute(update(outbox).where(*seen).values(values)).rowcount == 0:
        raise Changed(f"row {row_id}")
    note(connection, row_id, state, by, now_ms)


def in_line(
    connection: Connection, stream: str, lot: int, states: Sequence[str] = OPEN, most: int | None = None
) -> Sequence[int]:
    """Give the ids of (at most so many) open rows of a lot, those first that would go out first."""
    o = outbox.c
    here = o.stream == stream, o.lot == lot, o.state.in_(states)
    line = select(o.id).where(*here).order_by(o.state.desc(), o.rank, o.due_ms, o.id)  # planned before held
    return connection.execute(line.limit(most)).scalars().all()


def hold(connection: Connection, ids: Sequence[int], now_ms: int) -> int:
    """Hold those of the rows that are planned; give their number."""
    return change(connection, ids, ("planned",), {"state": "held", "changed_ms": now_ms})


def cancel(connection: Connection, ids: Sequence[int], now_ms: int) -> int:
    """Cancel those of the rows that have not gone out; give their number."""
    return change(connection, ids, OPEN, {"state": "cancelled", "changed_ms": now_ms})


def free(connection: Connection, stream: str, lot: int, most: int, due_ms: int, now_ms: int) -> int:
    """Release up to ``most`` held rows of a lot, the first planned first; give their number."""
    o = outbox.c
    here = o.stream == stream, o.lot == lot, o.state == "held"
    ids = connection.execute(select(o.id).where(*here).order_by(o.id).limit(most)).scalars().all()
    return change(connection, ids, ("held",), {"state": "planned", "due_ms": due_ms, "changed_ms": now_ms})


def note(connection: Connection, row_id: int, state: str, by: str, now_ms: int, text: str = "") -> None:
    """Write to a row's history; ``by`` '' = the engine."""
    values = {"outbox_id": row_id, "at_ms": now_ms, "state": state}
    values |= {"by": fitting(by, 100), "note": fitting(text, ANSWER)}
    connection.execute(insert(outbox_event).values(values))


def _dead(stream: str, scope: int, fence: int) -> tuple[ColumnElement[bool], ...]:
    o = outbox.c
    return o.stream == stream, o.scope == scope, o.state == "submitting", o.fence != fence


def _executed(connection: Connection, statement: Update, values: Sequence[dict[str, Any]]) -> int:
    """Execute a statement for each row, the lowest id first; give how many it changed, as far as the driver tells."""
    return connection.execute(statement, sorted(values, key=itemgetter("of_id"))).rowcount


def _columns(draft: Draft) -> dict[str, Any]:
    return {
        "key": draft.key,
        "state": draft.state,
        "due_ms": draft.due_ms,
        "until_ms": draft.until_ms,
        "rank": draft.rank,
        "reason": draft.reason or None,
        "lot": draft.lot,
        "address": draft.address,
    }


def _values(row: Row, now_ms: int, state: str, due_ms: int, reason: str) -> dict[str, Any]:
    seen = {"of_id": row.id, "of_changed": row.changed_ms}
    return {**seen, "state": state, "due": due_ms, "reason": reason or None, "now": max(now_ms, row.changed_ms + 1)}


def _moved(connection: Connection, values: Sequence[dict[str, Any]]) -> None:
    if values:
        _executed(connection, _MOVE, values)


def _ended(taken: Taken, verdict: Verdict, due_ms: int, now_ms: int) -> dict[str, Any]:
    values: dict[str, Any] = {"of_id": taken.row.id, "of_token": taken.token, "now": now_ms}
    values |= {"provider": None, "reason": None, "answer": None, "due": taken.row.due_ms}
    match verdict:
        case Accepted(provider_id):
            return values | {"state": "accepted", "provider": fitting(provider_id, ID) or None}
        case Refused(reason, answer):
            return values | {"state": "failed"} | said(reason, answer)
        case NotTaken(reason, _after, answer):
            return values | {"state": "planned", "due": due_ms} | said(reason, answer)
        case Lost(reason, answer):
            return values | {"state": "unknown"} | said(reason, answer)


_WRITTEN = select(outbox.c.key, outbox.c.id, outbox.c.stream)
_mine = and_(outbox.c.id == bindparam("of_id"), outbox.c.token == bindparam("of_token"))
_unchanged = and_(
    outbox.c.id == bindparam("of_id"), outbox.c.state == "planned", outbox.c.changed_ms == bindparam("of_changed")
)
_TAKE = (
    update(outbox)
    .where(_unchanged)
    .values(
        state="submitting",
        fence=bindparam("fence"),
        channel=bindparam("channel"),
        address=bindparam("address"),
        token=bindparam("token"),
        attempts=outbox.c.attempts + 1,
        submitted_ms=bindparam("now"),
        changed_ms=bindparam("now"),
        provider_id=None,
        reason=None,
        answer=None,
    )
)
_MOVE = (
    update(outbox)
    .where(_unchanged)
    .values(state=bindparam("state"), due_ms=bindparam("due"), reason=bindparam("reason"), changed_ms=bindparam("now"))
)
_SETTLE = (
    update(outbox)
    .where(_mine, outbox.c.state == "submitting")
    .values(
        state=bindparam("state"),
        provider_id=bindparam("provider"),
        reason=bindparam("reason"),
        answer=bindparam("answer"),
        due_ms=bindparam("due"),
        changed_ms=bindparam("now"),
    )
)
_RELEASE = (
    update(outbox)
    .where(_mine, outbox.c.state == "submitting")
    .values(state="planned", attempts=outbox.c.attempts - 1, changed_ms=bindparam("now"))
)
