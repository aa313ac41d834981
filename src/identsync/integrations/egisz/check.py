"""``identsync check``: the clinic's relations of cases, each organisation's services, what N3's book says of it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from identsync.errors import IdentsyncError, Problem
from identsync.integrations.egisz import contracts, reference
from identsync.integrations.egisz.case import Fate
from identsync.integrations.egisz.reference import Books
from identsync.integrations.egisz.rules import Rules
from identsync.integrations.egisz.rules_table import Missing
from identsync.integrations.egisz.wire import n3, terms
from identsync.language import _

if TYPE_CHECKING:
    from identsync.integrations.egisz.settings import Organisation


async def check(settings: Mapping[str, "Organisation"], context: Any) -> list[Problem]:
    """Try everything once; returns what is wrong, never raises for an organisation's fault."""
    problems: list[Problem] = []
    if context.clinic is not None:
        problems += context.clinic.case_problems()
    for name, one in settings.items():
        problems += await _try(f"egisz.{name}", one)
    return problems


async def _try(where: str, one: "Organisation") -> list[Problem]:
    try:
        wsdl = await contracts.fetched(one)
        contract = contracts.made(wsdl["Pix"], wsdl["EMK"])
        problems = [Problem(where, words) for words in contract.differences()]
        async with n3.open(one, contract, _at_once) as line:
            for endpoint in contracts.SERVICES.values():
                reply = await line.version(endpoint)
                if reply.fate is not Fate.TAKEN:
                    words = reply.words or "; ".join(each.words for each in reply.complaints)
                    problems.append(Problem(where, f"{endpoint}: {words}"))
        return problems + await _terms(where, one)
    except IdentsyncError as error:
        return [Problem(where, str(error), error.hint)]


async def _terms(where: str, one: "Organisation") -> list[Problem]:
    """Ask for one book that every organisation needs, and what N3's book of organisations says of this one."""
    if one.terms is None:
        return []
    async with terms.open(one, _at_once) as service:
        papers = await service.book(reference.PAPER[0], 0)
        organisations = [await service.book(oid, 0) for oid in reference.ORGANISATION]
    lacking = [] if papers is not None else [Problem(where, f"{reference.PAPER[0]}: {_('такого справочника нет')}")]
    rules = Rules(one, Books(book for book in organisations if book is not None), datetime.now(UTC))
    return lacking + [Problem(f"{where}.{line.who}", _told(line), _(line.mend)) for line in rules.of_organisation()]


def _told(line: Missing) -> str:
    return _(line.what, **dict(line.fields))


async def _at_once() -> None:
    """Wait for nothing: a few questions are no pace."""
