"""N3's reference books as the room keeps them: which there are, whether a code is in one, when to fetch one again.

No list of codes stands in the program: books come from N3's terminology service (``wire.terms``) and are cached with
their version. Where a book has not come yet its codes are not judged, and ``Books.lacking`` says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from identsync.errors import AskPerson, IdentsyncError, SuspiciousChange
from identsync.spans import DAY_MS

SHRINK = 2
"""A new version with less than one in so many of the old codes is not believed."""

Oids = tuple[str, ...]
"""A kind of book: its identifiers, the first that N3 has counts; editions of the contract name different ones."""

AID: Oids = ("1.2.643.2.69.1.1.1.16",)
OUTCOME: Oids = ("1.2.643.2.69.1.1.1.17",)
PLACE: Oids = ("1.2.643.2.69.1.1.1.18",)
VISIT_PURPOSE: Oids = ("1.2.643.2.69.1.1.1.19",)
PAYMENT: Oids = ("1.2.643.2.69.1.1.1.32",)
CASE: Oids = ("1.2.643.2.69.1.1.1.35",)
CONFIDENTIALITY: Oids = ("1.2.643.2.69.1.1.1.90", "1.2.643.5.1.13.2.7.1.9")
RESULT: Oids = ("1.2.643.5.1.13.2.1.1.688",)
PURPOSE: Oids = ("1.2.643.5.1.13.2.1.1.106",)
VISIT_TYPE: Oids = ("1.2.643.5.1.13.13.11.1007",)
ROLE: Oids = ("1.2.643.5.1.13.2.7.1.30",)
RELATION: Oids = ("1.2.643.5.1.13.2.7.1.15",)
PAPER: Oids = ("1.2.643.2.69.1.1.1.6",)
POSITION: Oids = ("1.2.643.5.1.13.2.1.1.607", "1.2.643.5.1.13.13.11.1002")
SPECIALITY: Oids = ("1.2.643.5.1.13.2.1.1.181", "1.2.643.5.1.13.13.11.1066")
DIAGNOSIS: Oids = ("1.2.643.5.1.13.13.11.1005",)  # МКБ-10
SERVICE: Oids = ("1.2.643.5.1.13.13.11.1070",)  # the nomenclature of services
DOCUMENT: Oids = ("1.2.643.2.69.1.1.1.195",)
ORGANISATION: Oids = ("1.2.643.2.69.1.1.1.64",)  # idLPU and name

SHARED = (PAPER, POSITION, SPECIALITY, ORGANISATION)
NEEDED: Mapping[str, tuple[Oids, ...]] = {
    "case": (
        AID, OUTCOME, PLACE, VISIT_PURPOSE, PAYMENT, CASE, CONFIDENTIALITY, RESULT, PURPOSE, VISIT_TYPE, ROLE, RELATION,
        DIAGNOSIS, SERVICE, *SHARED,
    ),
    "document": (DOCUMENT, *SHARED),
}  # fmt: skip
"""Kinds of books by the route of an organisation."""


@dataclass(frozen=True, slots=True)
class Book:
    """A version of a book: names by code; ``fetched_ms`` is when N3 last said that it is the newest."""

    oid: str
    version: str
    fetched_ms: int
    codes: Mapping[str, str]


class Books:
    """The books that are at hand, by kind."""

    def __init__(self, books: Iterable[Book] = ()) -> None:
        self._books = {book.oid: book for book in books if book.codes}

    def of(self, kind: Oids) -> Book | None:
        """Return the book of a kind, None where none has come yet."""
        return next((self._books[oid] for oid in kind if oid in self._books), None)

    def refusal(self, kind: Oids, code: int | str) -> str:
        """Return the identifier of the book that does not have a code; '' where it has, or nobody knows."""
        book = self.of(kind)
        return book.oid if book is not None and str(code) not in book.codes else ""

    def lacking(self, route: str) -> list[str]:
        """Return the identifiers of the books of a route whose codes nobody checks so far."""
        return [kind[0] for kind in NEEDED[route] if self.of(kind) is None]


class Terms(Protocol):
    """Who knows the books: :class:`identsync.integrations.egisz.wire.terms.Terms`."""

    async def version(self, oid: str) -> str | None:
        """Return the newest version of a book, None where there is no such book."""
        ...

    async def book(self, oid: str, now_ms: int) -> Book | None:
        """Return the newest version with its codes, None where there is no such book."""
        ...


@dataclass(frozen=True, slots=True)
class Trouble:
    """A book that did not come: the old version, if there is one, stays in use."""

    oid: str
    error: IdentsyncError


async def refresh(
    terms: Terms, held: Mapping[str, Book], route: str, now_ms: int, after_ms: int = DAY_MS
) -> tuple[list[Book], list[Trouble]]:
    """Ask for the books of a route that are older than ``after_ms``; give those to write down, and what went wrong.

    One book's trouble costs no other; a refused key ends it, for the others would be refused, too.
    """
    news: list[Book] = []
    troubles: list[Trouble] = []
    for kind in NEEDED[route]:
        try:
            book = await _newest(terms, held, kind, now_ms, after_ms)
        except IdentsyncError as error:
            troubles.append(Trouble(kind[0], error))
            if isinstance(error, AskPerson) and not isinstance(error, SuspiciousChange):
                break
            continue
        if book is not None and book is not held.get(book.oid):
            news.append(book)
    return news, troubles


async def _newest(terms: Terms, held: Mapping[str, Book], kind: Oids, now_ms: int, after_ms: int) -> Book | None:
    old = next((held[oid] for oid in kind if oid in held), None)
    if old is not None and 0 <= now_ms - old.fetched_ms < after_ms:
        return old
    if old is not None and old.version and await terms.version(old.oid) == old.version:
        return replace(old, fetched_ms=now_ms)
    return await _fetched(terms, (old.oid, *kind) if old is not None else kind, old, now_ms)


async def _fetched(terms: Terms, oids: Sequence[str], old: Book | None, now_ms: int) -> Book | None:
    for oid in dict.fromkeys(oids):
        book = await terms.book(oid, now_ms)
        if book is None or not book.codes:
            continue
        if old is not None and oid == old.oid and len(book.codes) * SHRINK < len(old.codes):
            raise SuspiciousChange(len(old.codes), len(book.codes))
        return book
    if old is not None:
        raise SuspiciousChange(len(old.codes), 0)
    return None
