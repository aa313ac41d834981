"""Page "ЕГИСЗ": the register of cases and documents, and the contract and reference books they are sent by."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from identsync.engine.integration import Alarm, Page, PageContext
from identsync.integrations.egisz import page_actions, page_export, page_register, page_service, page_setup
from identsync.integrations.egisz import page_words as words
from identsync.integrations.egisz.deadline import Overdue, overdue
from identsync.spans import MINUTE_MS
from identsync.store.tables import egisz_book, egisz_contract, egisz_exchange, egisz_item


def _(text: str) -> str:
    return text


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what the part of the page shows that the address names (``tab``)."""
    tab = "service" if query.get("tab") == "service" else ""
    settings = context.settings or {}
    with context.store.read() as connection:
        drifted = page_service.drifted(connection)
        judged = page_setup.organisations(connection, settings)
    wrong = [name for name, each in judged.items() if each.lines]
    problems = page_setup.clinic_problems(context, page_service.AGAIN_MS if tab else page_setup.PAUSE_MS)
    given = {"tab": tab, "drifted": drifted, "wrong": wrong, "unread": len(problems), "set_up": bool(settings)}
    return given | (page_service.view(context, judged, problems) if tab else page_register.view(context, query))


def version(context: PageContext) -> str:
    """Return what changes with every row, exchange, contract and book, and by the minute, for what becomes late."""
    columns = (
        func.max(egisz_item.c.changed_ms),
        func.max(egisz_item.c.id),
        func.max(egisz_exchange.c.id),
        func.max(egisz_contract.c.fetched_ms),
        func.count(egisz_contract.c.drift),
        func.count(egisz_contract.c.hash),
        func.max(egisz_book.c.fetched_ms),
    )
    with context.store.read() as connection:
        parts = [connection.execute(select(column)).scalar() for column in columns]
    return ".".join(str(part or 0) for part in [*parts, context.now_ms // MINUTE_MS // 10])


def attention(context: PageContext) -> int:
    """Return how many things of the settings' organisations wait for a person, and what is wrong at N3.

    Things are not ready, refused, unknown, gone.
    """
    i, settings = egisz_item.c, context.settings or {}
    waiting = i.state.in_(("missing", "rejected"))
    gone = (i.state == "gone") & (i.what == "case")  # a document cannot be taken back
    unsure = (i.state == "unknown") & (i.what == "document")
    with context.store.read() as connection:
        found = select(i.id).where(i.organisation.in_(list(settings)), waiting | gone | unsure)
        few = found.limit(words.ATTENTION_MOST).subquery()
        count = int(connection.execute(select(func.count()).select_from(few)).scalar() or 0)
        judged = page_setup.organisations(connection, settings)
        wrong = sum(bool(each.lines) for each in judged.values())
        return min(count + page_service.drifted(connection) + wrong, words.ATTENTION_MOST)


def alarm(context: PageContext) -> Alarm | None:
    """Return what the overview says of cases that N3 should have by now; None where nothing is late."""
    late = overdue_now(context)
    if not late.count or late.oldest_ms is None:
        return None
    return Alarm(
        _("{n} случай N3 не подтвердил в срок|{n} случая N3 не подтвердил в срок|{n} случаев N3 не подтвердил в срок"),
        late.count,
        since_ms=late.oldest_ms,
        query="late=1",
    )


def overdue_now(context: PageContext) -> Overdue:
    """Return how many cases are late at the organisations of the settings."""
    settings = context.settings or {}
    zones = words.zones_of(settings, words.clinic_of(context, ()))
    with context.store.read() as connection:
        return overdue(connection, settings, zones, context.now_ms)


PAGES = (
    Page(
        "egisz",
        _("ЕГИСЗ"),
        "egisz/egisz.html",
        view,
        version,
        {
            "resend": page_actions.resend,
            "arrived": page_actions.arrived,
            "not_arrived": page_actions.not_arrived,
            "number": page_actions.number,
            "cancel": page_actions.cancel,
            "reread": page_actions.reread,
        },
        attention,
        data={"export": page_export.export},
        alarm=alarm,
    ),
)
