"""What of the calendars waits for a person, and when the page must be drawn again: both are asked every second.

So neither reads events: what was not taken is known from the counts of the newest run, and the brake's weights lie in
rows of their own.
"""

from collections import Counter
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from identsync.engine.integration import PageContext
from identsync.flows.mirror_book import is_part
from identsync.store.tables import calendar_link, mirror_stream, run_log, task_slot

ROOM = "calendar/"
BEHIND = "calendar0"  # the first name behind all that begin with the room's
STEP_MS, REST_MS = 5_000, 60_000  # how often the page is drawn anew while something runs, and otherwise


def version(context: PageContext) -> str:
    """Return what changes with every run, link and decision; with the minute, and more often while something runs."""
    slot, link, stream = task_slot.c, calendar_link.c, mirror_stream.c
    runs = select(func.count(slot.holder), func.sum(slot.fence), func.sum(slot.paused), func.max(slot.finished_ms))
    links = select(func.count(), func.max(link.changed_ms))
    brakes = _weights(func.count(stream.asked_weight), func.count(stream.approved_weight))
    with context.store.read() as connection:
        running, *rest = connection.execute(runs.where(slot.kind >= ROOM, slot.kind < BEHIND)).one()
        parts = [running, *rest, *connection.execute(links).one(), *connection.execute(brakes).one()]
    parts.append(context.now_ms // (STEP_MS if running else REST_MS))
    return ".".join(str(part or 0) for part in parts)


def waiting(context: PageContext) -> Counter[tuple[str, int]]:
    """Count by (destination, branch) what waits for a person, of the destinations in the settings."""
    found: Counter[tuple[str, int]] = Counter()
    with context.store.read() as connection:
        _add_refused(connection, found)
        _add_brakes(connection, found)
        _add_rejected(connection, found)
    known = context.settings or {}
    return Counter({place: count for place, count in found.items() if place[0] in known})


def _add_refused(connection: Connection, found: Counter[tuple[str, int]]) -> None:
    link = calendar_link.c
    refused = select(link.destination, link.scope, func.count()).where(link.state == "refused")
    for name, scope, count in connection.execute(refused.group_by(link.destination, link.scope)):
        found[name, scope] += count


def _add_brakes(connection: Connection, found: Counter[tuple[str, int]]) -> None:
    stream = mirror_stream.c
    asked = _weights(stream.stream, stream.scope).where(
        stream.asked_weight.is_not(None), stream.approved_weight.is_(None)
    )
    stopped = set()  # a branch is one, whatever of it shrank; each doctor who waits alone is another
    for name, scope in connection.execute(asked):
        place, _colon, weight = name.removeprefix(ROOM).partition(":")
        stopped.add((place, scope, weight if is_part(weight) else ""))
    found.update((place, scope) for place, scope, _part in stopped)


def _weights(*columns: ColumnElement[Any]) -> Select[Any]:
    """Select from the rows of weights alone: the others hold the columns of whole branches."""
    stream = mirror_stream.c.stream
    return select(*columns).where(stream >= ROOM, stream < BEHIND, stream.like("%:%"))


def _add_rejected(connection: Connection, found: Counter[tuple[str, int]]) -> None:
    """Add one for each branch whose newest ended run was left with events that the other side does not take."""
    run, slot = run_log.c, task_slot.c
    newest = or_(run.fence == slot.fence, run.fence == slot.fence - 1)
    same = and_(run.kind == slot.kind, run.scope == slot.scope, newest)
    ended = select(run.kind, run.scope, run.fence, run.counts).join_from(task_slot, run_log, same)
    ended = ended.where(slot.kind >= ROOM, slot.kind < BEHIND, run.finished_ms.is_not(None))
    last = {(kind, scope): counts for kind, scope, _fence, counts in connection.execute(ended.order_by(run.fence))}
    for (kind, scope), counts in last.items():
        if '"rejected"' in counts and orjson.loads(counts).get("rejected"):
            found[kind.removeprefix(ROOM), scope] += 1
