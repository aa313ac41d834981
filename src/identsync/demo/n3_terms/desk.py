"""The state of the stand-in: its books and their versions, the faults it is told to make, what it was asked."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from identsync.demo.misdeeds import Misdeeds
from identsync.demo.n3_terms.editions import EDITIONS

TOKEN = "00000000-0000-4000-8000-000000000003"  # noqa: S105  it opens nothing but this
Kind = Literal[
    "drop",  # closes the connection without an answer
    "hang",  # never answers
    "fail",  # answers `status`
    "html",  # answers with a web page
    "half",  # answers with half of the JSON
    "long",  # answers with more than anybody reads
    "say",  # answers `status` and `body` as it stands
]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One fault: ``what`` is a part of the address or of the body, such as an OID; '' = any."""

    kind: Kind
    what: str = ""
    times: int | None = 1
    skip: int = 0
    share: float = 1.0
    status: int = 503
    body: str = ""


@dataclass
class Desk:
    """Use under ``lock``. ``locked``: asks for the token; ``page``: rows a page, 0 = all; ``bare``: no Parameters."""

    seed: int = 1
    locked: bool = False
    page: int = 0
    bare: bool = False
    passports: bool = True
    stuck: bool = False  # gives the first page again, whatever page is asked for
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.faults: Misdeeds[Fault] = Misdeeds(self.seed)
        self.clear()

    def clear(self) -> None:
        """Begin anew: the books of the program, version 1 each, no faults, no counts."""
        self.faults.clear()
        self.counts.clear()
        self.locked = self.bare = self.stuck = False
        self.passports, self.page = True, 0
        self.rows: dict[str, list[Any]] = {
            oid: [{"code": code, "display": name} for code, name in codes.items()] for oid, codes in EDITIONS.items()
        }
        self.versions: dict[str, int] = dict.fromkeys(self.rows, 1)

    def publish(self, oid: str, rows: list[Any]) -> None:
        """Publish a new version of a book: rows as they stand in an answer."""
        self.rows[oid] = rows
        self.versions[oid] = self.versions.get(oid, 0) + 1

    def withdraw(self, oid: str) -> None:
        """Have a book no more."""
        self.rows.pop(oid, None)
        self.versions.pop(oid, None)

    def passport(self, oid: str) -> dict[str, Any]:
        """Answer a search for a book; what is not there is an empty answer."""
        empty = {"type": "searchset", "resourceType": "Bundle"}
        if oid not in self.rows:
            return empty
        resource = {"url": f"urn:oid:{oid}", "version": str(self.versions[oid]), "resourceType": "ValueSet"}
        return empty | {"entry": [{"resource": resource}]}

    def expansion(self, oid: str, offset: int) -> dict[str, Any] | None:
        """Answer $expand."""
        if oid not in self.rows:
            return None
        rows, offset = self.rows[oid], 0 if self.stuck else offset
        held: dict[str, Any] = {"contains": rows[offset : offset + self.page] if self.page else rows}
        if self.page:
            held |= {"total": len(rows), "offset": offset}
        resource = {"resourceType": "ValueSet", "url": f"urn:oid:{oid}", "expansion": held}
        if self.bare:
            return resource
        return {"resourceType": "Parameters", "parameter": [{"name": "return", "resource": resource}]}

    def found(self, oid: str, code: str) -> dict[str, Any] | None:
        """Answer $lookup."""
        row = next((row for row in self.rows.get(oid, ()) if isinstance(row, dict) and row.get("code") == code), None)
        if row is None:
            return None
        told = [{"name": "name", "valueString": oid}, {"name": "display", "valueString": row["display"]}]
        return {"resourceType": "Parameters", "parameter": told}
