"""The worklist: who waits for a call back, by what was done about it; taken, called, decided in one tap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from identsync.clinic.clock import DAY, minute_now, to_ms
from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.errors import AskPerson
from identsync.integrations.telephony import missed, page_callers
from identsync.integrations.telephony import page_words as words
from identsync.integrations.telephony.page_corner import of_branch
from identsync.store.tables import phone_event, phone_missed

SHOWN, MOST_SHOWN = 100, 2_000
DONE = 60
HOURS = (0, 1_440)
_m = phone_missed.c


def _(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Group:
    """Entries under one heading: the newest ones, ``total`` = how many there are."""

    name: str
    title: str
    rows: Sequence[dict[str, Any]]
    total: int


SETTLED: Mapping[str, tuple[str, str]] = {
    "reached": (_("дозвонились"), "ok"),
    "came": (_("сам перезвонил"), "ok"),
    "closed": (_("решено"), "idle"),
}
"""How an entry ended: its word, the kind of its chip."""
EVENTS: Mapping[str, str] = {
    "missed": _("пропущен звонок"),
    "taken": _("взято в работу"),
    "left": _("оставлено"),
    "tried": _("перезванивали, не дозвонились"),
    "reached": _("дозвонились"),
    "came": _("сам перезвонил"),
    "closed": _("решено"),
    "note": _("заметка"),
    "again": _("звонил снова"),
}


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the groups, and one entry in detail with its history."""
    every = query.get("all") == "1" or context.branch is None
    here = [] if every else of_branch(context, _m.branch_id)
    wanted, zones = pages.number(query.get("missed")), pages.zones(context, context.branch)
    most = min(max(pages.number(query.get("show")) or SHOWN, 1), MOST_SHOWN)
    with context.store.read() as connection:
        groups = _groups(connection, context, here, zones, most)
        one = None if wanted is None else _one(connection, context, wanted, zones)
    people, silent = pages.names(
        context, [row["patient_id"] for group in groups for row in group.rows] + ([one["patient_id"]] if one else [])
    )
    return {
        "groups": groups,
        "waiting": sum(group.total for group in groups if group.name != "done"),
        "more": most * 4 if most < MOST_SHOWN and any(_is_cut(group) for group in groups) else None,
        "one": one and one | page_callers.of(context, one, zones),
        "people": people,
        "silent": silent,
        "settled": SETTLED,
        "events": EVENTS,
        "me": words.who(context),
    }


def count(connection: Connection, context: PageContext) -> int:
    """Return how many wait whom nobody has taken, at most 999."""
    waits = _m.state.in_(missed.OPEN), _m.taken_by.is_(None), *of_branch(context, _m.branch_id)
    few = select(_m.id).where(*waits).limit(words.ATTENTION_MOST).subquery()
    return int(connection.execute(select(func.count()).select_from(few)).scalar() or 0)


# -- what people do ---------------------------------------------------------------------------------------------------


def take(context: PageContext, form: Mapping[str, str]) -> str:
    """Take an entry, so that nobody else calls the same person."""
    _do(context, lambda connection: missed.take(connection, _id(form), words.who(context), context.now_ms))
    return _("Взято: другие видят, что это у вас")


def leave(context: PageContext, form: Mapping[str, str]) -> str:
    """Give an entry back."""
    _do(context, lambda connection: missed.leave(connection, _id(form), words.who(context), context.now_ms))
    return _("Оставлено: его может взять любой")


def close(context: PageContext, form: Mapping[str, str]) -> str:
    """Say what came of it."""
    outcome = form.get("outcome", "")
    if outcome not in words.OUTCOMES:
        raise AskPerson(_("Такого итога нет"))
    note = form.get("note", "")
    _do(
        context,
        lambda connection: missed.close(connection, _id(form), outcome, note, words.who(context), context.now_ms),
    )
    return f"{_('Решено')}: {words.OUTCOMES[outcome]}"


def note(context: PageContext, form: Mapping[str, str]) -> str:
    """Write a note to an entry."""
    text = form.get("note", "")
    _do(context, lambda connection: missed.note(connection, _id(form), text, words.who(context), context.now_ms))
    return _("Заметка записана")


def _do(context: PageContext, work: Any) -> None:
    try:
        context.store.change(work)
    except missed.Changed as changed:
        raise words.conflict(changed) from None


def _id(form: Mapping[str, str]) -> int:
    found = pages.number(form.get("id"))
    if found is None:
        raise AskPerson(_("Такого звонка нет"))
    return found


# -- what is read -----------------------------------------------------------------------------------------------------


def _groups(
    connection: Connection, context: PageContext, here: Sequence[ColumnElement[bool]], zones: Mapping[int, str],
    most: int,
) -> list[Group]:  # fmt: skip
    """Return the groups that have entries; of very many those who came last, for these can still be helped."""

    def group(name: str, title: str, where: Sequence[ColumnElement[bool]], order: Any, most: int = most) -> Group:
        asked = select(phone_missed).where(*where, *here).order_by(*order).limit(most)
        rows = [_shown(context, row, zones) for row in connection.execute(asked)]
        total = len(rows)
        if total == most:
            total = connection.execute(select(func.count()).select_from(phone_missed).where(*where, *here)).scalar_one()
        return Group(name, title, rows[::-1] if name in ("waiting", "tried") else rows, total)

    free, today = _m.taken_by.is_(None), to_ms(zones[0], minute_now(zones[0], context.now_ms) // DAY * DAY)
    taken = _m.state.in_(missed.OPEN), _m.taken_by.is_not(None)
    over = _m.state.in_(tuple(SETTLED)), _m.closed_ms >= today
    mine = case((_m.taken_by == words.who(context), 0), else_=1)
    found = [
        group("waiting", _("Никто не перезвонил"), (_m.state == "waiting", free), (_m.first_ms.desc(),)),
        group("tried", _("Пробовали, не дозвонились"), (_m.state == "tried", free), (_m.last_ms.desc(),)),
        group("taken", _("В работе"), taken, (mine, _m.taken_ms)),
        group("done", _("Сегодня решено"), over, (_m.closed_ms.desc(),), DONE),
    ]
    return [each for each in found if each.rows]


def _is_cut(group: Group) -> bool:
    return group.name != "done" and group.total > len(group.rows)


def _shown(context: PageContext, row: Any, zones: Mapping[int, str]) -> dict[str, Any]:
    known, zone = dict(row._mapping), zones.get(row.branch_id, zones[0])
    hours = _hours(context, row.branch_id)
    until = row.closed_ms or context.now_ms
    minute = minute_now(zone, context.now_ms) % DAY
    return known | {
        "zone": zone,
        "waited_ms": missed.waited_ms(row.first_ms, until, zone, hours),
        "open_now": hours[0] <= minute < hours[1],
        "mine": row.taken_by == words.who(context),
    }


def _hours(context: PageContext, branch: int) -> tuple[int, int]:
    """Return when calls to a branch are answered: its line's hours, or those of a line of the whole network."""
    settings: Mapping[str, Any] = context.settings or {}
    ranked = sorted(settings.values(), key=lambda line: (line.branch != branch, line.branch != 0))
    return ranked[0].open_minutes if ranked else HOURS


def _one(connection: Connection, context: PageContext, wanted: int, zones: Mapping[int, str]) -> dict[str, Any] | None:
    row = connection.execute(select(phone_missed).where(_m.id == wanted)).first()
    if row is None:
        return None
    e = phone_event.c
    events = select(phone_event).where(e.missed_id == wanted).order_by(e.id.desc()).limit(50)
    shown = _shown(context, row, zones)
    known = page_callers.known(connection, shown | {"id": 0})
    return shown | known | {"history": connection.execute(events).all()}
