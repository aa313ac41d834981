"""The contract and the reference books of an organisation as they are kept: read once, compared at every look."""

import asyncio
import contextlib
import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from identsync.errors import AskPerson, Unexpected
from identsync.flows.http import Http
from identsync.integrations.egisz.reference import Book
from identsync.integrations.egisz.wire.contract import Contract, Endpoint
from identsync.integrations.egisz.wire.contract_fetch import fetch
from identsync.language import _
from identsync.store.tables import egisz_book, egisz_contract
from identsync.store.texts import fitting

if TYPE_CHECKING:
    from identsync.engine.run import Run
    from identsync.integrations.egisz.settings import Organisation

SERVICES: Mapping[str, Endpoint] = {"Pix": Endpoint.PIX, "EMK": Endpoint.EMK}
HINT = _("сверьте с N3, что изменилось, и прочитайте контракт заново на странице ЕГИСЗ")
_codes = msgspec.json.Decoder(dict[str, str]).decode


@dataclass(frozen=True, slots=True)
class Kept:
    """One service's contract as it was read."""

    wsdl: bytes
    hash: str
    version: str
    drift: str | None


def kept(connection: Connection, organisation: str) -> dict[str, Kept]:
    """Return what is kept of an organisation's services, by service."""
    c = egisz_contract.c
    rows = select(c.service, c.wsdl, c.hash, c.version, c.drift).where(c.organisation == organisation)
    return {service: Kept(bytes(wsdl), *rest) for service, wsdl, *rest in connection.execute(rows)}


async def at_hand(run: "Run", organisation: str, settings: "Organisation") -> Contract:
    """Return the contract that messages are built from, read from the services where it never was.

    AskPerson where what the services say now is not what was read.
    """
    known = await run.read(lambda connection: kept(connection, organisation))
    if not known.keys() >= SERVICES.keys():
        wsdl = await fetched(settings)
        contract = await asyncio.to_thread(made, wsdl["Pix"], wsdl["EMK"])
        await run.write(lambda connection: _save(connection, organisation, wsdl, run.now_ms()))
        return contract
    drift = next((each.drift for each in known.values() if each.drift), None)
    if drift:
        raise AskPerson(_("контракт N3 изменился: {drift}", drift=drift), hint=HINT)
    return await asyncio.to_thread(made, known["Pix"].wsdl, known["EMK"].wsdl)


async def fetched(settings: "Organisation") -> dict[str, bytes]:
    """Read the two WSDLs from the services themselves."""
    async with Http(pool=1) as http:
        return {name: await fetch(http, f"{settings.url}/{endpoint}") for name, endpoint in SERVICES.items()}


@functools.lru_cache(maxsize=8)
def made(pix: bytes, emk: bytes) -> Contract:
    """Return the contract of these bytes: reading one takes a third of a second."""
    return Contract(pix=pix, emk=emk)


async def compare(run: "Run", organisation: str, settings: "Organisation", versions: Mapping[str, str]) -> None:
    """Write down the versions, and in words what differs from what was read; AskPerson where something does."""
    known = await run.read(lambda connection: kept(connection, organisation))
    now = await fetched(settings)
    drift = await asyncio.to_thread(differences, known, now)
    await run.write(lambda connection: _update(connection, organisation, versions, drift))
    if drift:
        words = "; ".join(dict.fromkeys(drift.values()))
        raise AskPerson(_("контракт N3 изменился: {drift}", drift=words[:400]), hint=HINT)


def differences(known: Mapping[str, Kept], now: Mapping[str, bytes]) -> dict[str, str]:
    """Return, by service, what its description says now that it did not say when it was read."""
    changed = [name for name, wsdl in now.items() if name in known and _hash(wsdl) != known[name].hash]
    if not changed:
        return {}
    try:
        before = set(made(known["Pix"].wsdl, known["EMK"].wsdl).differences())
        told = [each for each in made(now["Pix"], now["EMK"]).differences() if each not in before]
    except Unexpected as error:
        told = [str(error)]
    words = "; ".join(told) or _("описание службы другое, известные поля прежние")
    return dict.fromkeys(changed, fitting(words, 400))


def _save(connection: Connection, organisation: str, wsdl: Mapping[str, bytes], now_ms: int) -> None:
    connection.execute(delete(egisz_contract).where(egisz_contract.c.organisation == organisation))
    values = [
        {"organisation": organisation, "service": service, "wsdl": content, "hash": _hash(content)}
        for service, content in wsdl.items()
    ]
    with contextlib.suppress(IntegrityError), connection.begin_nested():  # the other task has read it in this moment
        connection.execute(insert(egisz_contract).values(version="", fetched_ms=now_ms), values)


def _update(connection: Connection, organisation: str, versions: Mapping[str, str], drift: Mapping[str, str]) -> None:
    c = egisz_contract.c
    for service, version in versions.items():
        here = c.organisation == organisation, c.service == service
        change = update(egisz_contract).where(*here)
        connection.execute(change.values(version=fitting(version, 100), drift=drift.get(service)))


def _hash(wsdl: bytes) -> str:
    return hashlib.sha256(wsdl).hexdigest()


# -- reference books --------------------------------------------------------------------------------------------------


def books(connection: Connection, organisation: str, only: Sequence[str] = ()) -> dict[str, Book]:
    """Return the reference books that are kept, by identifier; ``only`` these, where some are named."""
    b = egisz_book.c
    asked = select(b.oid, b.version, b.fetched_ms, b.codes).where(b.organisation == organisation)
    rows = connection.execute(asked.where(b.oid.in_(only)) if only else asked)
    return {oid: Book(oid, version, fetched, _read(bytes(codes))) for oid, version, fetched, codes in rows}


def keep(connection: Connection, organisation: str, news: Iterable[Book]) -> None:
    """Put these books in place of the ones that are kept."""
    b = egisz_book.c
    for book in news:
        connection.execute(delete(egisz_book).where(b.organisation == organisation, b.oid == book.oid))
        values = {"organisation": organisation, "oid": book.oid, "version": fitting(book.version, 60)}
        codes = msgspec.json.encode(dict(book.codes))
        connection.execute(insert(egisz_book).values(values | {"fetched_ms": book.fetched_ms, "codes": codes}))


@functools.lru_cache(maxsize=64)
def _read(codes: bytes) -> dict[str, str]:
    return _codes(codes)
