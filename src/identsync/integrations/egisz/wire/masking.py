"""A request and its answer for people: structure, codes and ids stay; the token, people and free words do not.

What stays is listed; whatever else a contract may have is masked. An answer may repeat what was sent: every value that
was masked in the request is struck out of it, however its digits are grouped.
"""

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lxml.etree import _Element

    from identsync.integrations.egisz.case import Patient

MASK = "***"
SHOWN = 64 * 1024  # characters of a request or an answer that are kept
LEAST = 2  # characters: a single one is no name
KEPT = frozenset(
    {
        *("OpenDate", "CloseDate", "DateStart", "DateEnd", "DiagnosedDate", "CreationDate", "HistoryNumber", "MkbCode"),
        *(
            "Confidentiality",
            "DoctorConfidentiality",
            "CuratorConfidentiality",
            "confidentiality",
            "AdmissionCondition",
        ),
        *("CaseVisitType", "IsActive", "Sex", "ServiceName", "Quantity", "Status", "MimeType", "SpecialityName"),
        *("PositionName", "PropertyName", "ErrorCode", "WarningCode", "ServiceVersion", "DatabaseVersion"),
        *("faultcode", "Action", "MessageID", "To"),
    }
)
ID = re.compile("[Ii]d[A-Z]")  # IdCaseMis, idLPU, IdRole...: keys of ours, codes of theirs
BYTES = frozenset({"Data", "OrganizationSign", "Sign"})
DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T[0-9:]+)?")
GROUPED = re.compile(r"\d(?:[\s()-]*\d){5,}")
NO_DIGIT = re.compile(r"\D")
PHONE = 10  # digits of a Russian number without 7 or 8 before them
YO = str.maketrans("ёЁ", "еЕ")


class Secrets:
    """What must not be told: the values of a request that are masked in it, and those of whom it is about."""

    def __init__(self, envelope: "_Element | None" = None, beside: "Iterable[str]" = ()) -> None:
        found = {text.strip() for text in beside if text.strip()}
        found |= set(_told(envelope)) if envelope is not None else set()
        found |= {text.translate(YO) for text in found}  # as registers write names
        found |= {spelled for text in found for spelled in (*_dates(text), escape(text))}
        self._digits = {digits for text in found if len(digits := _digits(text)) > 5}
        words = sorted((text for text in found if len(text) >= LEAST), key=len, reverse=True)
        pattern = "|".join(re.escape(text) for text in words)
        self._words = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE) if words else None

    def out_of(self, text: str) -> str:
        """Return a text without them."""
        if self._words is not None:
            text = self._words.sub(MASK, text)
        return GROUPED.sub(lambda found: MASK if _digits(found[0]) in self._digits else found[0], text)


def of_patient(patient: "Patient") -> "Iterator[str]":
    """Yield what tells who a patient is: a case goes by his key, but N3 may call him by his name."""
    guardian = patient.guardian
    for person in (patient.person, *([guardian.person] if guardian is not None else [])):
        yield from (person.surname, person.name, person.patronymic, person.snils)
        if person.born is not None:
            yield person.born.isoformat()
    for paper in patient.papers:
        yield from (paper.number, paper.issuer, f"{paper.series} {paper.number}")
    yield from (patient.address, patient.phone, guardian.paper if guardian is not None else "")
    if len(own := _digits(patient.phone)[-PHONE:]) == PHONE:
        yield from (own, f"7{own}", f"8{own}")


def request_of(envelope: "_Element") -> str:
    """Return a request for people: at most 64 thousand characters."""
    from lxml import etree

    shown = _copy(envelope)
    for each in shown.iter(etree.Element):
        name = _name(each)
        if len(each) == 0 and name not in BYTES and not _is_kept(name) and each.text and each.text.strip():
            each.text = MASK
    return _spelled(shown)[:SHOWN]


def answer_of(root: "_Element", secrets: Secrets) -> str:
    """Return an answer that is XML for people, without what the request told of them."""
    return secrets.out_of(_spelled(root))[:SHOWN]


def text_of(text: str, secrets: Secrets) -> str:
    """Return an answer that is no XML for people: its beginning."""
    return secrets.out_of(text[: 2 * SHOWN])[:SHOWN]


def _spelled(root: "_Element") -> str:
    from lxml import etree

    return etree.tostring(root, encoding="unicode", pretty_print=True)[: 2 * SHOWN]


def _copy(envelope: "_Element") -> "_Element":
    """Copy a request with the size of its documents instead of them: they may be many megabytes."""
    import copy

    from lxml import etree

    heavy = [each for each in envelope.iter(etree.Element) if _name(each) in BYTES]
    texts = [each.text or "" for each in heavy]
    for each, text in zip(heavy, texts, strict=True):
        each.text = f"[{len(text) * 3 // 4} B]"
    shown = copy.deepcopy(envelope)
    for each, text in zip(heavy, texts, strict=True):
        each.text = text
    return shown


def _is_kept(name: str) -> bool:
    return name in KEPT or ID.match(name) is not None


def _told(envelope: "_Element") -> "Iterator[str]":
    """Yield the texts of a request that are masked in it, its documents aside."""
    from lxml import etree

    for each in envelope.iter(etree.Element):
        name = _name(each)
        if len(each) or name in BYTES or _is_kept(name):
            continue
        if text := (each.text or "").strip():
            yield text


def _name(element: "_Element") -> str:
    return str(element.tag).rpartition("}")[2]


def _digits(text: str) -> str:
    return NO_DIGIT.sub("", text)


def _dates(text: str) -> tuple[str, ...]:
    found = DATE.fullmatch(text)
    if found is None:
        return ()
    year, month, day = found.groups()
    return f"{year}-{month}-{day}", f"{day}.{month}.{year}"
