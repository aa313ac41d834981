"""What holds up everything at once: N3 knows the organisation otherwise, the clinic's database gives too little."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError, Problem
from identsync.integrations.egisz import contracts, reference
from identsync.integrations.egisz.reference import Books
from identsync.integrations.egisz.rules import Rules
from identsync.integrations.egisz.rules_table import WHERE, Missing
from identsync.integrations.egisz.settings import Organisation
from identsync.store.tables import egisz_book

PAUSE_MS = 300_000
"""The clinic's relations are looked at no more often: a sample of each is read."""


def _(text: str) -> str:
    return text


SENTENCES = (
    _("нет такого представления"),
    _("нет такого столбца"),
    _("в некоторых строках NULL"),
    _("создайте его: identsync clinic views"),
    _("проверьте права и сам запрос"),
)
"""What ``case_problems`` says most, for the other language."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An organisation by N3's book of them: ``state`` is unread, wrong, unnamed (only its number is there) or good."""

    state: str
    lines: tuple[Missing, ...] = ()

    @property
    def told(self) -> list[dict[str, Any]]:
        """The lines as the page shows them."""
        return [{"missing": line, "where": WHERE[line.where]} for line in self.lines]


_judged: dict[tuple[str, str, str, str, int], Judged] = {}
_checked: dict[str, tuple[Any, int, Sequence[Problem]]] = {}


def organisations(connection: Connection, settings: Mapping[str, Organisation]) -> dict[str, Judged]:
    """Return what N3's book says of each organisation, judged anew where the book or the settings changed."""
    b = egisz_book.c
    asked = select(b.organisation, b.oid, b.version, b.fetched_ms).where(b.oid.in_(reference.ORGANISATION))
    held = {row.organisation: row for row in connection.execute(asked)}
    found: dict[str, Judged] = {}
    for name, one in settings.items():
        row = held.get(name)
        if row is None:
            found[name] = Judged("unread")
            continue
        key = name, one.lpu, one.frmo_name, row.version, row.fetched_ms
        if key not in _judged:
            _judged.clear() if len(_judged) > 100 else None
            _judged[key] = _judge(connection, name, one, row.oid)
        found[name] = _judged[key]
    return found


def _judge(connection: Connection, name: str, one: Organisation, oid: str) -> Judged:
    books = Books(contracts.books(connection, name, only=(oid,)).values())
    if books.of(reference.ORGANISATION) is None:
        return Judged("unread")
    lines = Rules(one, books, datetime.now(UTC)).of_organisation()
    if lines:
        return Judged("wrong", tuple(lines))
    return Judged("good" if one.frmo_name else "unnamed")


def clinic_problems(context: PageContext, pause_ms: int) -> Sequence[Problem]:
    """Return what the clinic's relations of cases lack; nothing where its database does not answer."""
    if not context.settings:
        return ()
    clinic, at_ms, problems = _checked.get("clinic", (None, 0, ()))
    if clinic is context.clinic and 0 <= context.now_ms - at_ms < pause_ms:
        return problems
    try:
        problems = tuple(context.clinic.case_problems())
    except (SQLAlchemyError, IdentsyncError):
        return ()
    _checked["clinic"] = context.clinic, context.now_ms, problems
    return problems
