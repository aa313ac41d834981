"""The lines: what each PBX can do for the clinic and what not, whether it is heard, what to do where it is not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.integrations.telephony import page_words as words
from identsync.integrations.telephony.books import stream_of
from identsync.integrations.telephony.lines import abilities
from identsync.spans import DAY_MS
from identsync.store.tables import phone_call, phone_line, phone_seat, task_slot

DEAF_MS = 60_000
"""A line whose task nobody has gone on with for so long has nobody who listens."""
SEATS = 300
_c = phone_call.c


def _(text: str) -> str:
    return text


ABLE: Mapping[str, tuple[str, str]] = {
    "live": (_("кто звонит, видно сразу"), _("кто звонит, не видно")),
    "click": (_("звонок в один щелчок"), _("звонить по щелчку нельзя")),
    "history": (_("история звонков"), _("истории нет")),
    "recordings": (_("записи разговоров"), _("записей нет")),
}
"""What a PBX may be able to do: how it is said where it can, and where it cannot."""


def view(context: PageContext, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return each line of the settings with what is known of it, and who sits at which phone."""
    settings: Mapping[str, Any] = context.settings or {}
    with context.store.read() as connection:
        known = {row.line: row for row in connection.execute(select(phone_line))}
        calls, slots = _calls(connection, context.now_ms), _slots(connection)
        seats = connection.execute(select(phone_seat).order_by(phone_seat.c.line, phone_seat.c.extension).limit(SEATS))
        phones = [dict(row._mapping) for row in seats]
    lines = []
    for name, line in settings.items():
        mine = [slot for slot in slots if slot.kind in (stream_of(name), f"{stream_of(name)}.history")]
        told = _line(context, name, line, known.get(name), mine)
        lines.append(told | {"calls": calls[name], "slots": [slot for slot in mine if _is_troubled(slot)]})
    return {"lines": lines, "able": ABLE, "phones": phones, "zone_here": pages.zones(context, context.branch)[0]}


def troubled(connection: Connection, context: PageContext) -> int:
    """Return how many lines are not heard because of something a person can put right."""
    named = list(context.settings or {})
    asked = select(func.count()).where(phone_line.c.line.in_(named), phone_line.c.problem.is_not(None))
    return int(connection.execute(asked).scalar() or 0)


def _line(context: PageContext, name: str, line: Any, row: Any, slots: Sequence[Any]) -> dict[str, Any]:
    able = abilities(line)
    return {
        "name": name,
        "title": line.title or name,
        "kind": words.KINDS.get(line.kind, line.kind),
        "branch": line.branch,
        "hours": line.hours,
        "keep": line.keep,
        "remember": line.remember,
        "able": {each: getattr(able, each) for each in ABLE},
        "words": able.words,
        "problem": row.problem if row is not None else None,
        "state": _state(able, row, attended=_is_attended(context, name, slots)),
        "listening_ms": row.listening_ms if row is not None else None,
        "heard_ms": row.heard_ms if row is not None else None,
        "history_ms": row.history_ms if row is not None else None,
    }


def _state(able: Any, row: Any, *, attended: bool) -> tuple[str, str]:
    """Return the kind of the chip and its word."""
    if row is None or (row.heard_ms is None and row.problem is None and row.history_ms is None):
        return "idle", _("ещё не спрашивали")
    if row.problem is not None:
        return "bad", _("не работает")
    if not able.live:
        return "ok", _("работает")
    if row.listening_ms is None or not attended:
        return "warn", _("звонков сейчас никто не слышит")
    return "ok", _("слышим звонки")


def _calls(connection: Connection, now_ms: int) -> Counter[str]:
    """Count the calls of a day here: grouped by line, SQLite would look through all there ever were."""
    return Counter(connection.execute(select(_c.line).where(_c.start_ms >= now_ms - DAY_MS)).scalars())


def _slots(connection: Connection) -> Sequence[Any]:
    t = task_slot.c
    asked = select(t.kind, t.eligible_ms, t.last_error, t.paused, t.attempt)
    return connection.execute(asked.where(t.kind.like("telephony/%"))).all()


def _is_attended(context: PageContext, name: str, slots: Sequence[Any]) -> bool:
    """Tell whether some client goes on with the line's task: its lease lies ahead, or ended a moment ago."""
    return any(slot.kind == stream_of(name) and slot.eligible_ms >= context.now_ms - DEAF_MS for slot in slots)


def _is_troubled(slot: Any) -> bool:
    return bool(slot.last_error and (slot.attempt or slot.paused))
