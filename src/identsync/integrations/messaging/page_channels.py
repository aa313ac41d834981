"""The channels: money, trouble, when they were last looked at, how many of today's messages failed."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, String, func, literal_column, select

from identsync.clinic.clock import DAY, to_ms
from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.integrations.messaging import books
from identsync.integrations.messaging import page_words as words
from identsync.spans import DAY_MS
from identsync.store.tables import message_channel, outbox, task_slot

BAD = ("failed", "expired")
ENDED = ("delivered", *BAD)
MANY_FAILED = 20
"""Per cent of today's ended messages that failed: from there on it is shown in red."""
FEW = 10
"""So many must have ended before a share says anything."""

_CHANNEL = func.coalesce(outbox.c.channel, literal_column("''", String))
"""The channel, but not by the index of what gateways call its messages: SQLite would group all there ever were."""


def view(context: PageContext, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return each channel of the settings with what is known of it."""
    zone = pages.zones(context)[0]
    began = to_ms(zone, pages.day_of(zone, context.now_ms) * DAY)
    settings = context.settings or {}
    with context.store.read() as connection:
        known, today, slots = books.channels(connection), _today(connection, began), _slots(connection)
    lines = [_line(name, channel, known.get(name), today.get(name, {}), slots) for name, channel in settings.items()]
    return {"lines": lines, "zone": zone}


def troubled(connection: Connection, context: PageContext) -> int:
    """Return how many channels rest until a person has acted."""
    c, named = message_channel.c, list(context.settings or {})
    asked = select(func.count()).where(c.channel.in_(named), c.problem.is_not(None), c.problem != "")
    return int(connection.execute(asked).scalar() or 0)


def _line(name: str, channel: Any, known: Any, states: Mapping[str, int], slots: Mapping[str, Any]) -> dict[str, Any]:
    ended, bad = sum(states.get(state, 0) for state in ENDED), sum(states.get(state, 0) for state in BAD)
    kopecks = known.balance_kopecks if known else None
    return {
        "name": name,
        "title": channel.title or name,
        "medium": channel.medium,
        "gateway": words.GATEWAYS.get(channel.kind, channel.kind),
        "sender": channel.sender,
        "price": channel.price,
        "kopecks": kopecks,
        "balance_words": known.balance_words if known else None,
        "low": kopecks is not None and kopecks < channel.low_balance * 100,
        "low_balance": channel.low_balance,
        "problem": (known.problem or "") if known else "",
        "looked_ms": known.looked_ms if known else None,
        "went": sum(states.values()),
        "ended": ended,
        "bad": bad,
        "share": round(100 * bad / ended) if ended else None,
        "alarming": ended >= FEW and 100 * bad >= MANY_FAILED * ended,
        "unknown": states.get("unknown", 0),
        "slots": [slots[kind] for kind in (f"messaging/{channel.medium}.send", f"messaging/{name}") if kind in slots],
    }


def _today(connection: Connection, began: int) -> dict[str, dict[str, int]]:
    """Return how many messages went out by each channel since ``began``, by state."""
    o, found = outbox.c, dict[str, dict[str, int]]()
    # By the time they were planned, which has an index; what was planned long before is not counted.
    here = o.stream.like("messaging/%"), o.made_ms >= began - 2 * DAY_MS, o.submitted_ms >= began
    asked = select(_CHANNEL, o.state, func.count()).where(*here).group_by(_CHANNEL, o.state)
    for channel, state, count in connection.execute(asked):
        found.setdefault(channel, {})[state] = count
    return found


def _slots(connection: Connection) -> dict[str, Any]:
    t = task_slot.c
    asked = select(t.kind, t.last_ok_ms, t.last_error, t.paused, t.attempt).where(
        t.kind.like("messaging/%"), t.scope == 0
    )
    return {row.kind: dict(row._mapping) for row in connection.execute(asked)}
