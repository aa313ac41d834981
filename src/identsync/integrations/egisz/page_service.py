"""The contract and the reference books of each organisation: what was read when, what has changed since."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError, Problem
from identsync.integrations.egisz import reference
from identsync.integrations.egisz.page_setup import Judged
from identsync.integrations.egisz.rules_table import of_one
from identsync.spans import DAY_MS
from identsync.store.tables import egisz_book, egisz_contract

OLD_MS = 3 * DAY_MS
"""A book that N3 has not confirmed for so long is old: they are asked for once a day."""
AGAIN_MS = 20_000
"""Here who mends the clinic's views looks whether he has: they are checked more often."""


def _(text: str) -> str:
    return text


GENERATIONS: Mapping[str, str] = {
    "2016": _("2016 года, без документов"),
    "EMK": _("EMK: документы без вида"),
    "EMK5": _("EMK5, 2022 года"),
    "2026": _("2026 года"),
    "?": _("неизвестное"),
}
BOOKS: Mapping[reference.Oids, str] = {
    reference.AID: _("виды помощи"),
    reference.OUTCOME: _("результаты обращения"),
    reference.PLACE: _("места посещения"),
    reference.VISIT_PURPOSE: _("цели посещения"),
    reference.PAYMENT: _("источники оплаты"),
    reference.CASE: _("типы случая"),
    reference.CONFIDENTIALITY: _("уровни конфиденциальности"),
    reference.RESULT: _("результаты случая"),
    reference.PURPOSE: _("цели обращения"),
    reference.VISIT_TYPE: _("первичный или повторный"),
    reference.ROLE: _("роли врача"),
    reference.RELATION: _("родство"),
    reference.PAPER: _("виды документов личности"),
    reference.POSITION: _("должности"),
    reference.SPECIALITY: _("специальности"),
    reference.DIAGNOSIS: _("МКБ-10"),
    reference.SERVICE: _("номенклатура услуг"),
    reference.DOCUMENT: _("виды медицинских документов"),
    reference.ORGANISATION: _("медицинские организации"),
}
"""What the kinds of books are called."""
_generations: dict[tuple[str, str], str] = {}


def view(context: PageContext, judged: Mapping[str, Judged], problems: Sequence[Problem]) -> dict[str, Any]:
    """Return for each organisation what N3's book says of it, its services' contract and its books."""
    with context.store.read() as connection:
        contracts = _contracts(connection)
        books = _books(connection)
    return {
        "problems": problems,
        "of_one": of_one,
        "parts": [
            {
                "name": name,
                "title": each.title or name,
                "route": each.route,
                "terms": each.terms is not None,
                "judged": judged[name],
                "contracts": contracts.get(name, []),
                "generation": _generation(context, contracts.get(name, [])),
                "books": _listed(books.get(name, {}), each.route, context.now_ms),
            }
            for name, each in (context.settings or {}).items()
        ],
        "generations": GENERATIONS,
    }


def drifted(connection: Connection) -> int:
    """Return at how many organisations the contract is another than the one that is used."""
    c = egisz_contract.c
    asked = select(func.count(func.distinct(c.organisation))).where(c.drift.is_not(None))
    return int(connection.execute(asked).scalar() or 0)


def _contracts(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    c, found = egisz_contract.c, dict[str, list[dict[str, Any]]]()
    columns = (c.organisation, c.service, c.hash, c.version, c.fetched_ms, c.drift)
    size = func.length(c.wsdl).label("size")
    for row in connection.execute(select(*columns, size).order_by(c.organisation, c.service)):
        found.setdefault(row.organisation, []).append(dict(row._mapping))
    return found


def _generation(context: PageContext, kept: list[dict[str, Any]]) -> str:
    """Return the edition of a contract: read from its bytes once, for that takes long."""
    hashes = {each["service"]: each["hash"] for each in kept}
    if set(hashes) != {"Pix", "EMK"}:
        return ""
    known = hashes["Pix"], hashes["EMK"]
    if known not in _generations:
        _generations[known] = _read(context, kept[0]["organisation"])
    return _generations[known]


def _read(context: PageContext, organisation: str) -> str:
    from identsync.integrations.egisz.wire.contract import Contract

    c = egisz_contract.c
    with context.store.read() as connection:
        asked = select(c.service, c.wsdl).where(c.organisation == organisation)
        wsdl = {row.service: bytes(row.wsdl) for row in connection.execute(asked)}
    try:
        return str(Contract(pix=wsdl["Pix"], emk=wsdl["EMK"]).generation)
    except (IdentsyncError, KeyError):
        return "?"


def _books(connection: Connection) -> dict[str, dict[str, Any]]:
    b, found = egisz_book.c, dict[str, dict[str, Any]]()
    columns = (b.organisation, b.oid, b.version, b.fetched_ms)
    for row in connection.execute(select(*columns)):
        found.setdefault(row.organisation, {})[row.oid] = row
    return found


def _listed(held: Mapping[str, Any], route: str, now_ms: int) -> list[dict[str, Any]]:
    listed = []
    for kind in reference.NEEDED[route]:
        row = next((held[oid] for oid in kind if oid in held), None)
        listed.append(
            {
                "name": BOOKS[kind],
                "oid": row.oid if row else kind[0],
                "version": row.version if row else "",
                "fetched_ms": row.fetched_ms if row else None,
                "is_old": row is not None and now_ms - row.fetched_ms > OLD_MS,
            }
        )
    return listed
