"""The register: cases and documents by state, what is late, what keeps them from being sent, one in detail."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.integrations.egisz import page_case, page_choice, page_lacks
from identsync.integrations.egisz import page_words as words
from identsync.integrations.egisz.deadline import overdue, overdue_before
from identsync.integrations.egisz.kept import complaints_of
from identsync.integrations.egisz.page_choice import MOST_SHOWN, TABS, Choice
from identsync.integrations.egisz.rules_table import line, of_one
from identsync.store.lists import portions
from identsync.store.tables import egisz_item


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return tabs with counts, rows, what they lack gathered into lines, what is late, one row in detail."""
    choice, settings = Choice.of(query), context.settings or {}
    frame = words.clinic_of(context, ())
    zones = words.zones_of(settings, frame)
    before = {name: overdue_before(context.now_ms, zones[name], each.deadline_days) for name, each in settings.items()}
    where = page_choice.narrowed(choice, frame.zone(choice.branch or 0), before)
    with context.store.read() as connection:
        counts = _counts(connection, where)
        state = choice.state or _first(counts)
        lacks = page_lacks.lacks(connection, where, choice.lack) if state == "missing" else page_lacks.Lacks((), None)
        found = _listed(connection, [*where, *page_choice.of_tab(state)], choice.shown + 1, lacks.items)
        detail = None if choice.item is None else page_case.one(connection, choice.item)
        late = overdue(connection, settings, zones, context.now_ms)
    rows = found[: choice.shown]
    shown = words.clinic_of(context, {row.patient_id for row in [*rows, *([detail["row"]] if detail else [])]})
    return {
        "choice": choice,
        "state": state,
        "tabs": [(name, title, counts[name]) for name, (title, _states) in TABS.items()],
        "filters": page_choice.options(context.settings, frame),
        "rows": [_shown(row, shown, before) for row in rows],
        "more": choice.shown * 4 if len(found) > choice.shown < MOST_SHOWN else None,
        "lacks": lacks,
        "named": lambda one: page_lacks.named(one, frame.doctors),
        "late": late,
        "clinic": shown,
        "orgs": pages.titles(context.settings),
        "what": words.WHAT,
        "line": line,
        "sentence": of_one,
        "one": detail and page_case.shown(detail, shown, before),
    }


def counts_of(connection: Connection) -> dict[str, int]:
    """Return how many rows each tab has when nothing is filtered."""
    return _counts(connection, page_choice.narrowed(Choice.of({}), "UTC", {}))


def _counts(connection: Connection, where: Sequence[ColumnElement[bool]]) -> dict[str, int]:
    i = egisz_item.c
    asked = select(i.state, func.count(), func.count(i.number)).where(*where).group_by(i.state)
    counts = Counter(dict.fromkeys(TABS, 0))
    for state, every, numbered in connection.execute(asked):
        counts[page_choice.tab_of(state, has_number=False)] += every
        if state in TABS["registered"][1]:
            counts[state] -= numbered
            counts["registered"] += numbered
    return counts


def _first(counts: Mapping[str, int]) -> str:
    """Return the tab shown first: where a person has to do something, else what N3 took."""
    waiting = ("rejected", "unknown", "missing", "signing", "ready")
    return next((name for name in waiting if counts[name]), "taken" if counts["taken"] else "missing")


_LISTED = (
    egisz_item.c.id,
    egisz_item.c.organisation,
    egisz_item.c.what,
    egisz_item.c.branch_id,
    egisz_item.c.doctor_id,
    egisz_item.c.patient_id,
    egisz_item.c.at_ms,
    egisz_item.c.state,
    egisz_item.c.missing,
    egisz_item.c.complaints,
    egisz_item.c.number,
    egisz_item.c.taken_ms,
    egisz_item.c.retry_ms,
    egisz_item.c.attempts,
    egisz_item.c.changed_ms,
    egisz_item.c.is_open,
    egisz_item.c.steps,
)


def _listed(
    connection: Connection, where: Sequence[ColumnElement[bool]], most: int, only: Sequence[int] | None
) -> list[Any]:
    """Return the oldest rows first: they wait longest."""
    i = egisz_item.c
    if only is not None:
        return [row for some in portions(sorted(only)[:most]) for row in connection.execute(_by_ids(some))]
    # The numbers alone first: sorting whole rows of a year costs more than reading some of them.
    ids = connection.execute(select(i.id).where(*where).order_by(i.at_ms, i.id).limit(most)).scalars().all()
    return [row for some in portions(ids) for row in connection.execute(_by_ids(some))]


def _by_ids(ids: Sequence[int]) -> Any:
    i = egisz_item.c
    return select(*_LISTED).where(i.id.in_(ids)).order_by(i.at_ms, i.id)


def _shown(row: Any, clinic: words.Clinic, before: Mapping[str, int]) -> dict[str, Any]:
    return dict(row._mapping) | {
        "shown": words.state_of(row.what, row.state, row.number),
        "zone": clinic.zone(row.branch_id),
        "lines": page_case.lines_of(row),
        "said": complaints_of(row.complaints),
        "late": page_case.is_late(row, before),
    }
