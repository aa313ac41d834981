"""The log: every message, newest first, what became of it and why; one in detail with its history."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from identsync.clinic.clock import DAY, to_ms
from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.integrations.messaging import page_drafts
from identsync.integrations.messaging import page_words as words
from identsync.store.lists import portions
from identsync.store.tables import message, message_file, message_rule, message_template, outbox, outbox_event

SHOWN = 100
MOST_SHOWN = 2_000
REASONED = 5_000
"""Of so many of the newest that were not sent the reasons are counted."""
RECENT = 20_000
"""Among so many of the newest it is looked first: an index of a state would have a year of messages sorted."""
EPOCH = date(1970, 1, 1).toordinal()


def _(text: str) -> str:
    return text


GROUPS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "": (_("Все"), ()),
    "ahead": (_("Ждут"), ("planned", "held")),
    "way": (_("В пути"), ("submitting", "accepted")),
    "delivered": (_("Доставлены"), ("delivered",)),
    "failed": (_("Не доставлены"), ("failed", "expired")),
    "unknown": (_("Неизвестно"), ("unknown",)),
    "skipped": (_("Не отправлены"), ("skipped",)),
    "cancelled": (_("Отменены"), ("cancelled",)),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address asks for; numbers and names of channels only, nobody's data."""

    state: str
    channel: str
    day: int | None
    patient: int | None
    reason: str
    lot: int | None
    message: int | None
    shown: int

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Choice":
        """Read the address; what makes no sense is left out."""
        state = query.get("state", "")
        shown = min(max(pages.number(query.get("show")) or SHOWN, 1), MOST_SHOWN)
        return cls(
            state=state if state in GROUPS else "",
            channel=query.get("channel", ""),
            day=_day(query.get("day", "")),
            patient=pages.number(query.get("patient")),
            reason=query.get("why", ""),
            lot=pages.number(query.get("lot")),
            message=pages.number(query.get("message")),
            shown=shown,
        )

    @property
    def is_wide(self) -> bool:
        """Whether what is asked for may be most of a year's messages."""
        few = self.day is not None or self.patient is not None or self.lot is not None or bool(self.reason)
        return not few and bool(self.channel or self.state)

    @property
    def day_written(self) -> str:
        """The day as a field of the form has it."""
        return "" if self.day is None else date.fromordinal(self.day + EPOCH).isoformat()


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return rows, filters, today's sums, the reasons of what was not sent, one message in detail."""
    choice, zones = Choice.of(query), pages.zones(context)
    where = partial(_where, choice=choice, zone=zones[0])
    with context.store.read() as connection:
        found = listed(connection, where, choice.shown + 1, wide=choice.is_wide)
        detail = None if choice.message is None else one(connection, choice.message)
        today = _today(connection, context, zones[0])
        reasons = _reasons(connection, where, wide=choice.is_wide) if choice.state == "skipped" else []
    rows = [_shown(row, zones) for row in found[: choice.shown]]
    shown = [row["patient_id"] for row in rows] + ([detail["patient_id"]] if detail else [])
    people, silent = pages.names(context, [*shown, choice.patient])
    return {
        "choice": choice,
        "groups": [(name, title) for name, (title, _states) in GROUPS.items()],
        "rows": rows,
        "more": choice.shown * 4 if len(found) > choice.shown < MOST_SHOWN else None,
        "people": people,
        "silent": silent,
        "channels": pages.titles(context.settings, [choice.channel] if choice.channel else []),
        "today": today,
        "looked_for": page_drafts.found(context, "find-log") if query.get("find") else None,
        "reasons": reasons,
        "one": detail and detail | {"zone": zones.get(detail["branch_id"] or 0, zones[0])},
    }


def one(connection: Connection, outbox_id: int) -> dict[str, Any] | None:
    """Return a message with all that is known of it: texts, files, history."""
    columns = (*outbox.c, *(column for column in message.c if column.name != "outbox_id"))
    asked = select(*columns, message_template.c.name.label("template"), message_rule.c.name.label("rule"))
    row = connection.execute(_joined(asked).where(outbox.c.id == outbox_id, _ours())).first()
    if row is None:
        return None
    e, f = outbox_event.c, message_file.c
    events = select(outbox_event).where(e.outbox_id == outbox_id).order_by(e.id.desc()).limit(50)
    files = select(f.name, f.media_type, func.length(f.content).label("size")).where(f.outbox_id == outbox_id)
    return dict(row._mapping) | {
        "shown": words.state_of(row.state, row.reason),
        "erased": words.is_erased(row),
        "history": [dict(event._mapping) for event in connection.execute(events)],
        "files": [dict(file._mapping) for file in connection.execute(files.order_by(f.id))],
    }


_LISTED = (
    outbox.c.id,
    outbox.c.state,
    outbox.c.due_ms,
    outbox.c.channel,
    outbox.c.address,
    outbox.c.reason,
    outbox.c.answer,
    outbox.c.made_ms,
    outbox.c.submitted_ms,
    outbox.c.changed_ms,
    outbox.c.attempts,
    message.c.medium,
    message.c.kind,
    message.c.purpose,
    message.c.patient_id,
    message.c.branch_id,
    message.c.subject,
    func.substring(message.c.text, 1, 200).label("text"),
    message.c.parts,
    message.c.kopecks,
)


Columns = Any
Where = Callable[[Columns], Sequence[ColumnElement[bool]]]
"""What is true of rows, said of the columns of the outbox or of its newest rows."""


def listed(connection: Connection, where: Where, most: int, *, wide: bool = False) -> Sequence[Any]:
    """Return the newest rows of which ``where`` is true, as lists show them; ``wide``: it may be true of most."""
    ids = connection.execute(_newest(where, most, recent=True)).scalars().all() if wide else ()
    if len(ids) < most:
        ids = connection.execute(_newest(where, most)).scalars().all()
    asked = select(*_LISTED, message_template.c.name.label("template"), message_rule.c.name.label("rule"))
    found = dict[int, Any]()
    for some in portions(ids):
        rows = connection.execute(_joined(asked).where(outbox.c.id.in_(some)))
        found.update((row.id, row) for row in rows)
    return [found[number] for number in ids if number in found]


def _newest(where: Where, most: int, *, recent: bool = False) -> Select[Any]:
    """Ask for the numbers alone first: sorting whole rows of a year costs more than reading some of them."""
    o: Columns = outbox.c
    if recent:
        columns = o.id, o.stream, o.scope, o.state, o.channel, o.lot, o.reason, o.made_ms
        o = select(*columns).where(_ours()).order_by(o.id.desc()).limit(RECENT).subquery().c
    return select(o.id).where(o.stream.like("messaging/%"), *where(o)).order_by(o.id.desc()).limit(most)


def _joined(asked: Select[Any]) -> Select[Any]:
    return (
        asked.select_from(outbox)
        .outerjoin(message, message.c.outbox_id == outbox.c.id)
        .outerjoin(message_template, message_template.c.id == message.c.template_id)
        .outerjoin(message_rule, message_rule.c.id == message.c.rule_id)
    )


def _ours() -> ColumnElement[bool]:
    # No index is of use to LIKE, and none shall be: the newest rows are at the table's end.
    return outbox.c.stream.like("messaging/%")


def of_states(o: Columns, *states: str) -> list[ColumnElement[bool]]:
    """Return what is true of the rows in these states, as the index has it."""
    return [o.stream.in_(words.STREAMS), o.scope == 0, o.state.in_(states)]


def _where(o: Columns, choice: Choice, zone: str) -> list[ColumnElement[bool]]:
    found = list[ColumnElement[bool]]()
    if states := GROUPS[choice.state][1]:
        found += of_states(o, *states)
    if choice.channel:
        found.append(o.channel == choice.channel)
    if choice.patient is not None:
        found.append(o.id.in_(select(message.c.outbox_id).where(message.c.patient_id == choice.patient)))
    if choice.lot is not None:
        found.append(o.lot == choice.lot)
    if choice.reason and choice.state == "skipped":
        found.append(o.reason == choice.reason)
    if choice.day is not None:
        found += [o.made_ms >= to_ms(zone, choice.day * DAY), o.made_ms < to_ms(zone, (choice.day + 1) * DAY)]
    return found


def _shown(row: Any, zones: Mapping[int, str]) -> dict[str, Any]:
    known = dict(row._mapping)
    return known | {
        "shown": words.state_of(row.state, row.reason),
        "erased": words.is_erased(row),
        "zone": zones.get(row.branch_id or 0, zones[0]),
        "at_ms": row.submitted_ms or (row.due_ms if row.state in ("planned", "held") else row.changed_ms),
    }


def _today(connection: Connection, context: PageContext, zone: str) -> dict[str, int]:
    """Return how many messages were planned today, by group of states, and what they cost in kopecks."""
    began = to_ms(zone, pages.day_of(zone, context.now_ms) * DAY)
    asked = select(outbox.c.state, func.count(), func.coalesce(func.sum(message.c.kopecks), 0))
    asked = asked.outerjoin_from(outbox, message, message.c.outbox_id == outbox.c.id)
    rows = connection.execute(asked.where(_ours(), outbox.c.made_ms >= began).group_by(outbox.c.state)).all()
    by_state = {state: count for state, count, _kopecks in rows}
    sums = {name: sum(by_state.get(state, 0) for state in states) for name, (_title, states) in GROUPS.items() if name}
    spent = sum(
        int(kopecks) for state, _count, kopecks in rows if state not in ("skipped", "cancelled", "planned", "held")
    )
    return sums | {"all": sum(by_state.values()), "kopecks": spent}


def _reasons(connection: Connection, where: Where, *, wide: bool) -> list[tuple[str, int]]:
    """Return why messages were not sent lately and how often, the commonest first."""
    for recent in (True, False) if wide else (False,):
        newest, n = _newest(where, REASONED, recent=recent).subquery(), func.count().label("n")
        asked = select(func.coalesce(outbox.c.reason, ""), n).join(newest, newest.c.id == outbox.c.id)
        rows = connection.execute(asked.group_by(outbox.c.reason).order_by(n.desc()).limit(20)).all()
        if rows:
            return [(reason, count) for reason, count in rows]
    return []


def _day(text: str) -> int | None:
    try:
        return date.fromisoformat(text).toordinal() - EPOCH if len(text) == 10 else None
    except ValueError:
        return None
