"""Slots, seats and the journal as people see them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal_column, or_, select, update

from identsync.spans import DAY_MS
from identsync.store import keeping
from identsync.store.keeping import first_go, oldest_go
from identsync.store.limiter import SEAT, Present
from identsync.store.tables import client, intake_reject, outbox_receipt, presence, run_log, task_slot

if TYPE_CHECKING:
    from identsync.store.store import Store

T = TypeVar("T")
_NEAR_MS = 600_000


@dataclass(frozen=True, slots=True)
class SlotView:
    """A task of one scope: ``holder`` (client id) runs it now if ``running``, next due at ``eligible_ms`` otherwise."""

    kind: str
    scope: int
    eligible_ms: int
    fence: int
    holder: str | None
    running: bool
    started_ms: int | None
    finished_ms: int | None
    attempt: int
    last_ok_ms: int | None
    last_error: str | None
    paused: bool
    min_proto: int  # clients that know the task by a smaller ``Task.proto`` leave it alone


@dataclass(frozen=True, slots=True)
class SeatView:
    """A scope's seat: who holds it until ``eligible_ms`` (None = free), who is present; fence 1 = its first holder.

    ``stamp_ms`` is when the seat was last taken, renewed or given up; ``since_ms`` when its holder took it.
    """

    scope: int
    fence: int
    holder: str | None
    since_ms: int | None
    eligible_ms: int
    present: tuple[Present, ...]
    stamp_ms: int


@dataclass(frozen=True, slots=True)
class RunView:
    """A run of the journal; ``outcome`` is 'died' where its client ended without a word."""

    kind: str
    scope: int
    fence: int
    holder: str
    role: int
    due_ms: int
    started_ms: int
    finished_ms: int | None
    outcome: str
    counts: dict[str, int]
    note: str | None


def overview(connection: Connection) -> list[SlotView]:
    """Every task slot that was ever asked for, ordered by kind and scope."""
    t, running = task_slot.c, _running(connection).label("running")
    fields = (t.kind, t.scope, t.eligible_ms, t.fence, t.holder, running, t.started_ms, t.finished_ms, t.attempt)
    query = select(*fields, t.last_ok_ms, t.last_error, t.paused, t.min_proto).where(t.kind != SEAT)
    rows = (row._asdict() for row in connection.execute(query.order_by(t.kind, t.scope)))
    return [SlotView(**row | {"running": bool(row["running"]), "paused": bool(row["paused"])}) for row in rows]


def seats(connection: Connection, *, presence_ttl_ms: int = 120_000) -> list[SeatView]:
    """Every seat, ordered by scope, with the clients seen within ``presence_ttl_ms``; administrators first."""
    now, t, p = clock(connection), task_slot.c, presence.c
    seen = select(p.scope, p.client, p.role, p.seen_ms).where(p.seen_ms > now - presence_ttl_ms)
    present: dict[int, list[Present]] = {}
    for scope, who, role, seen_ms in connection.execute(seen.order_by(p.role, p.client)):
        present.setdefault(scope, []).append(Present(who, role, seen_ms))
    fields = (t.scope, t.fence, t.holder, t.started_ms, t.eligible_ms, t.stamp_ms, _running(connection))
    query = select(*fields).where(t.kind == SEAT).order_by(t.scope)
    found = []
    for scope, fence, holder, since, eligible, stamp, held in connection.execute(query):
        led_by, taken = (holder, since) if held else (None, None)
        found.append(SeatView(scope, fence, led_by, taken, eligible, tuple(present.get(scope, ())), stamp))
    return found


def administrators_seen(connection: Connection) -> dict[int, int]:
    """Return by scope when an administrator's client last gave a sign of life; those that left in order are gone."""
    seen = select(presence.c.scope, func.max(presence.c.seen_ms)).where(presence.c.role == 0)
    return {scope: int(seen_ms) for scope, seen_ms in connection.execute(seen.group_by(presence.c.scope))}


def forerunner(connection: Connection, scope: int, holder: str, since_ms: int) -> Present | None:
    """Return the client that ran the scope's tasks before ``holder`` did, and when; None = none in ten minutes."""
    r = run_log.c
    earlier = select(r.holder, r.role, r.started_ms).where(r.scope == scope, r.holder != holder)
    near = r.started_ms.between(since_ms - _NEAR_MS, since_ms)  # the journal is long, and its index is by time
    row = connection.execute(earlier.where(near).order_by(r.started_ms.desc()).limit(1)).first()
    return None if row is None else Present(*row)


def run_now(connection: Connection, kind: str, scope: int) -> bool:
    """Make a slot due now; False if it is running, paused or not there."""
    now = clock(connection)
    idle = or_(task_slot.c.holder.is_(None), task_slot.c.eligible_ms <= now)
    where = and_(_slot(kind, scope), idle, task_slot.c.paused == 0)
    return bool(connection.execute(update(task_slot).where(where).values(eligible_ms=now, stamp_ms=now)).rowcount)


def order(store: "Store", kind: str, scope: int, change: Callable[[Connection], T]) -> T:
    """Make a slot due and do in the same transaction what a person orders; gives what ``change`` returned.

    The slot comes first, for a run has locked its own before it writes. See ``Store.change``.
    """

    def both(connection: Connection) -> T:
        run_now(connection, kind, scope)
        return change(connection)

    return store.change(both)


def pause(connection: Connection, kind: str, scope: int, paused: bool) -> bool:
    """Pause a slot (a run that is going on ends as usual) or let it run again; False if it is not there."""
    return bool(connection.execute(update(task_slot).where(_slot(kind, scope)).values(paused=int(paused))).rowcount)


def journal(connection: Connection, limit: int, kind: str | None = None) -> list[RunView]:
    """List runs, the newest first. One without an end, whose slot went on without it, is shown as 'died'."""
    r, t = run_log.c, task_slot.c
    alive = and_(t.kind == r.kind, t.scope == r.scope, t.fence == r.fence, _running(connection) == 1)
    fields = (r.kind, r.scope, r.fence, r.holder, r.role, r.due_ms, r.started_ms, r.finished_ms)
    query = select(*fields, r.outcome, r.counts, r.note, t.fence.label("alive")).join_from(
        run_log, task_slot, alive, isouter=True
    )
    if kind is not None:
        query = query.where(r.kind == kind)
    rows = connection.execute(query.order_by(r.started_ms.desc(), r.fence.desc()).limit(limit))
    return [_run(row._asdict()) for row in rows]


def trim(connection: Connection, days: int) -> int:
    """Delete a portion of the runs older than ``days``, the oldest first; how many went, fewer = these were all."""
    return oldest_go(connection, run_log, run_log.c.started_ms, clock(connection) - days * DAY_MS)


def trim_clients(connection: Connection, days: int) -> int:
    """Delete a portion of the clients not seen for ``days``; how many went, fewer = these were all."""
    before = clock(connection) - days * DAY_MS
    unseen = oldest_go(connection, presence, presence.c.seen_ms, before)
    if unseen >= keeping.PORTION:
        return unseen
    gone = client.c.client.not_in(select(presence.c.client))
    return oldest_go(connection, client, client.c.started_ms, before, gone)


def trim_receipts(connection: Connection, before_ms: int) -> int:
    """Delete a portion of the receipts that came before then, be they of nobody; how many went."""
    r = outbox_receipt.c
    return first_go(connection, outbox_receipt, r.id, r.received_ms, before_ms)


def trim_rejects(connection: Connection, before_ms: int) -> int:
    """Delete a portion of the bad rows that came before then and that a person has dealt with; how many went."""
    done = intake_reject.c.state == "done"
    return oldest_go(connection, intake_reject, intake_reject.c.received_ms, before_ms, done)


def clock(connection: Connection) -> ColumnElement[int]:
    """Give the database's clock, epoch milliseconds, as an expression for statements on ``connection``."""
    return literal_column(connection.get_execution_options()["identsync_clock"])


def _slot(kind: str, scope: int) -> ColumnElement[bool]:
    return and_(task_slot.c.kind == kind, task_slot.c.scope == scope)


def _running(connection: Connection) -> ColumnElement[int]:
    held = and_(task_slot.c.holder.is_not(None), task_slot.c.eligible_ms > clock(connection))
    return case((held, 1), else_=0)


def _run(row: dict[str, Any]) -> RunView:
    died = row.pop("alive") is None and row["outcome"] == "running"
    return RunView(**row | {"counts": json.loads(row["counts"]), "outcome": "died" if died else row["outcome"]})
