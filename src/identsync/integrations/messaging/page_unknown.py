"""The worklist of messages of which nobody knows whether they went out, and what people decide on them and others."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.flows.outbox_book import DECISIONS, Changed, decide
from identsync.integrations.messaging import page_log, reasons
from identsync.integrations.messaging import page_words as words
from identsync.spans import DAY_MS
from identsync.store.tables import message, outbox, outbox_event

SHOWN = 150
"""Rows at once: as many as one form may carry."""
GOOD_FOR_MS = DAY_MS
SOON_MS = 600_000


def _(text: str) -> str:
    return text


SAID = {
    "again": _("Отправим снова"),
    "leave": _("Больше не отправляем"),
    "was sent": _("Записано: ушло"),
    "cancel": _("Отменено, не уйдёт"),
}


def view(context: PageContext, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return the unknown ones, newest first, with what the other side has said of them."""
    zones = pages.zones(context)
    with context.store.read() as connection:
        found = page_log.listed(connection, lambda o: page_log.of_states(o, "unknown"), SHOWN)
        total = count(connection)
    rows = [dict(row._mapping) | _evidence(row, zones) for row in found]
    people, silent = pages.names(context, [row["patient_id"] for row in rows])
    channels = pages.titles(context.settings, {row["channel"] for row in rows if row["channel"]})
    return {"rows": rows, "total": total, "people": people, "silent": silent, "channels": channels}


def count(connection: Connection) -> int:
    """Return how many wait for a decision, at most 999."""
    o = outbox.c
    few = (
        select(o.id).where(o.stream.in_(words.STREAMS), o.scope == 0, o.state == "unknown").limit(words.ATTENTION_MOST)
    )
    return int(connection.execute(select(func.count()).select_from(few.subquery())).scalar() or 0)


def _evidence(row: Any, zones: Mapping[int, str]) -> dict[str, Any]:
    absent = row.reason == reasons.ABSENT
    return {"absent": absent, "zone": zones.get(row.branch_id or 0, zones[0]), "shown": words.state_of(row.state, None)}


# -- what people do ---------------------------------------------------------------------------------------------------


def decide_one(context: PageContext, form: Mapping[str, str]) -> str:
    """Do what a person decided on one message as he saw it."""
    row_id, seen, decision = pages.number(form.get("id")), pages.number(form.get("seen")), form.get("decision", "")
    if row_id is None or seen is None or decision not in DECISIONS:
        raise IdentsyncError(_("Такого сообщения нет"))
    try:
        context.store.change(lambda connection: _decide(connection, context, row_id, seen, decision))
    except Changed:
        raise _changed(context, row_id) from None
    return SAID[decision]


def decide_many(context: PageContext, form: Mapping[str, str]) -> str:
    """Do the same with all that are ticked (``id-5``: its ``changed_ms``); what has changed meanwhile is left alone."""
    decision = form.get("decision", "")
    ticked = [(pages.number(name[3:]), pages.number(seen)) for name, seen in form.items() if name.startswith("id-")]
    if decision not in DECISIONS or not ticked:
        raise IdentsyncError(_("Ничего не отмечено"), hint=_("Отметьте строки галочкой или клавишей V."))
    done = sum(
        _try(context, row_id, seen, decision) for row_id, seen in ticked if row_id is not None and seen is not None
    )
    if done < len(ticked):
        left = f"{_('Решено не всё, остальные уже изменились')}: {len(ticked) - done}"
        raise IdentsyncError(left, hint=_("На странице уже новое состояние: решите ещё раз."))
    return f"{SAID[decision]}: {done}"


def _try(context: PageContext, row_id: int, seen: int, decision: str) -> bool:
    try:
        context.store.change(lambda connection: _decide(connection, context, row_id, seen, decision))
    except Changed:
        return False
    return True


def _decide(connection: Connection, context: PageContext, row_id: int, seen: int, decision: str) -> None:
    known = connection.execute(
        select(outbox.c.until_ms)
        .join_from(outbox, message, message.c.outbox_id == outbox.c.id)
        .where(outbox.c.id == row_id)
    ).first()
    if known is None:
        raise IdentsyncError(_("Такого сообщения нет"))
    # What still makes sense then is read again right before it is sent: a visit that is over is not reminded of.
    until = known.until_ms if known.until_ms > context.now_ms + SOON_MS else context.now_ms + GOOD_FOR_MS
    decide(connection, row_id, seen, decision, words.who(context), context.now_ms, until_ms=until)


def _changed(context: PageContext, row_id: int) -> IdentsyncError:
    """Say what the message has become and, where a person did that, who."""
    with context.store.read() as connection:
        state = connection.execute(select(outbox.c.state).where(outbox.c.id == row_id)).scalar()
        e = outbox_event.c
        last = select(e.by, e.state).where(e.outbox_id == row_id).order_by(e.id.desc()).limit(1)
        event = connection.execute(last).first()
    if state is None:
        return IdentsyncError(_("Такого сообщения нет"))
    by = event.by if event is not None and event.state == state else ""
    told = (
        f"{_('Пока вы смотрели, сообщение изменил другой сотрудник')}: {by}"
        if by
        else _("Пока вы смотрели, сообщение изменилось")
    )
    return IdentsyncError(told, hint=_("На странице уже новое состояние: решите ещё раз."))
