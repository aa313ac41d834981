"""What the stand-in keeps: patients, cases, documents, each with every operation it took; and what it refuses."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from identsync.demo.misdeeds import Misdeeds
from identsync.demo.n3 import rules
from identsync.demo.n3.reader import Read
from identsync.demo.n3.rules import Wrong
from identsync.demo.n3.types import PIX, types_of

TOKEN, LPU = "11112222-3333-4444-5555-666677778888", "99990000-aaaa-bbbb-cccc-ddddeeee0001"
WRONG_TOKEN, WRONG_LPU, NO_PATIENT, NO_CASE, NOT_OPEN, DATES = 1, 2, 21, 22, 24, 25
PATIENT_THERE, CASE_THERE, DOCUMENT_THERE, STEP_THERE = 23, 31, 32, 33  # the first two are N3's own

Kind = Literal[
    "lose",  # closes the connection without an answer
    "hang",  # never answers
    "cut",  # breaks the connection in the middle of the answer
    "html",  # answers `status` with a web page
    "half",  # answers with half of the XML
    "bomb",  # answers with an entity bomb
    "extra",  # answers with a success that has something in it
    "other",  # answers with another operation's success
    "warn",  # answers with N3's warning faults
    "tree",  # answers with a fault of `width` leaves, `depth` deep
    "refuse",  # answers with a RequestFault of `code`
    "say",  # answers `status` and `body` as it stands
    "fail",  # answers `status` with nothing
    "slow",  # `seconds` later all goes its usual way
]
NOT_TAKEN = ("fail", "refuse", "tree", "say")
ONLY_SUCCESS = ("slow", "warn", "extra", "other")  # what is refused all the same is answered so


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One fault of an operation ('' = any): happens ``times`` (None = until cleared), ``taken`` = after the work."""

    kind: Kind
    operation: str = ""
    taken: bool | None = None  # None = as the kind usually is
    times: int | None = 1
    skip: int = 0
    share: float = 1.0
    status: int = 500
    code: str = "99"
    body: str = ""
    after: int | None = None  # Retry-After, seconds
    width: int = 3
    depth: int = 3
    seconds: float = 0.0

    @property
    def is_taken(self) -> bool:
        """Whether the request does its work before it is answered badly."""
        return self.kind not in NOT_TAKEN if self.taken is None else self.taken


@dataclass(slots=True)
class Stored:
    """Something that was taken: what it is now, how it stands, the operations that made it so."""

    id: str
    patient: str
    content: Read
    state: str = ""
    operations: list[str] = field(default_factory=list)


@dataclass
class Desk:
    """The state of the process; use under ``lock``."""

    seed: int = 1
    edition: str = "EMK5"
    version: str = "5.26.1"
    single: bool = True  # whether ?singleWsdl is served
    again: str = "version"  # AddMedRecord of a document that is there: "version" replaces it, "refuse" refuses
    patients: dict[str, Stored] = field(default_factory=dict)
    cases: dict[tuple[str, str], Stored] = field(default_factory=dict)
    documents: dict[str, Stored] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    passed: list[str] = field(default_factory=list)  # elements that were passed over
    requests: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.faults: Misdeeds[Fault] = Misdeeds(self.seed)
        self.books = rules.usual_books()
        self._usual = self.edition

    def clear(self) -> None:
        """Be as new."""
        for kept in (self.patients, self.cases, self.documents, self.counts, self.refused, self.passed, self.requests):
            kept.clear()
        self.faults.clear()
        self.books = rules.usual_books()
        self.edition, self.version, self.single, self.again = self._usual, "5.26.1", True, "version"

    def work(self, service: str, operation: str, told: Read) -> list[Wrong]:
        """Do what an operation asks; return what is wrong with it, in which case nothing is done."""
        wrong = list(self._keys(service, told)) or list(self._asked(operation, told))
        self.refused.update(each.code for each in wrong)
        return wrong

    def _keys(self, service: str, told: Read) -> Iterator[Wrong]:
        if told.get("guid") != TOKEN:
            yield Wrong("guid", "Неправильный идентификатор системы", WRONG_TOKEN)
        case = told.get("caseDto") or told.get("createCaseDto")
        lpu = told.get("idLPU") if service == PIX else told.get("idLpu") if case is None else case.get("IdLpu")
        if lpu != LPU:
            yield Wrong("idLpu", "Неверный идентификатор ЛПУ", WRONG_LPU)

    def _asked(self, operation: str, told: Read) -> Iterator[Wrong]:
        does: dict[str, Callable[[Read], Iterator[Wrong]]] = {
            "AddPatient": self._add_patient,
            "UpdatePatient": self._update_patient,
            "AddCase": self._add_case,
            "CreateCase": self._create_case,
            "UpdateCase": self._update_case,
            "CloseCase": self._close_case,
            "AddStepToCase": self._add_step,
            "CancelCase": self._cancel_case,
            "AddMedRecord": self._add_record,
        }
        return does[operation](told)

    def _add_patient(self, told: Read) -> Iterator[Wrong]:
        if told.get("patient", {}).get("IdPatientMIS") in self.patients:
            yield Wrong("IdPatientMIS", "Пациент с таким идентификатором уже существует", PATIENT_THERE)
            return
        yield from self._put_patient(told, "AddPatient")

    def _update_patient(self, told: Read) -> Iterator[Wrong]:
        if told.get("patient", {}).get("IdPatientMIS") not in self.patients:
            yield Wrong("IdPatientMIS", "Пациент не найден", NO_PATIENT)
            return
        yield from self._put_patient(told, "UpdatePatient")

    def _put_patient(self, told: Read, operation: str) -> Iterator[Wrong]:
        content = told.get("patient", {})
        wrong = list(rules.patient(content, self.books))
        yield from wrong
        if not wrong:
            key = content["IdPatientMIS"]
            _put(self.patients.setdefault(key, Stored(key, key, {})), content, "", operation)

    def _add_case(self, told: Read) -> Iterator[Wrong]:
        yield from self._new_case(told.get("caseDto"), "AddCase", is_open=False)

    def _create_case(self, told: Read) -> Iterator[Wrong]:
        yield from self._new_case(told.get("createCaseDto"), "CreateCase", is_open=True)

    def _new_case(self, content: Read | None, operation: str, *, is_open: bool) -> Iterator[Wrong]:
        found = self._case(content)
        if found is not None and found.state != "cancelled":
            yield Wrong("IdCaseMis", "Случай с таким идентификатором уже существует", CASE_THERE)
            return
        yield from self._put_case(content, operation, is_open=is_open, has_steps=False)

    def _update_case(self, told: Read) -> Iterator[Wrong]:
        content = told.get("caseDto")
        found = self._case(content)
        if found is None or found.state == "cancelled":
            yield Wrong("IdCaseMis", "Случай не найден", NO_CASE)
            return
        is_open = found.state == "open" and "CloseDate" not in (content or {})
        yield from self._put_case(content, "UpdateCase", is_open=is_open, has_steps=False)

    def _close_case(self, told: Read) -> Iterator[Wrong]:
        content = told.get("caseDto") or {}
        found = self._case(content)
        if found is None or found.state != "open":
            yield Wrong("IdCaseMis", "Открытый случай не найден", NOT_OPEN)
            return
        before = found.content.get("Steps", [])
        wrong = list(self._put_case(content, "CloseCase", is_open=False, has_steps=bool(before)))
        yield from wrong
        if not wrong:
            given = {each["IdStepMis"] for each in content.get("Steps", [])}
            kept = [each for each in before if each["IdStepMis"] not in given]
            found.content["Steps"] = kept + content.get("Steps", [])

    def _put_case(self, content: Read | None, operation: str, *, is_open: bool, has_steps: bool) -> Iterator[Wrong]:
        content = content or {"$type": "CaseBase"}
        wrong = list(rules.case(content, self.books, is_open=is_open, has_steps=has_steps))
        if not wrong and content["IdPatientMis"] not in self.patients:
            wrong.append(Wrong("IdPatientMis", "Пациент не найден", NO_PATIENT))
        if not wrong and content.get("CloseDate", "9999")[:10] < content["OpenDate"][:10]:
            wrong.append(Wrong("CloseDate", "Дата закрытия раньше даты открытия", DATES))
        yield from wrong
        if not wrong:
            key = content["IdPatientMis"], content["IdCaseMis"]
            stored = self.cases.setdefault(key, Stored(key[1], key[0], {}))
            _put(stored, content, "open" if is_open else "closed", operation)

    def _add_step(self, told: Read) -> Iterator[Wrong]:
        found = self.cases.get((told.get("idPatientMis", ""), told.get("idCaseMis", "")))
        if found is None or found.state != "open":
            yield Wrong("idCaseMis", "Открытый случай не найден", NOT_OPEN)
            return
        one = told.get("step", {"$type": ""})
        kept = found.content.get("Steps", [])
        wrong = list(rules.added_step(one, self.books))
        if not wrong and any(each["IdStepMis"] == one["IdStepMis"] for each in kept):
            wrong.append(Wrong("step.IdStepMis", "Эпизод с таким идентификатором уже существует", STEP_THERE))
        yield from wrong
        if not wrong:
            found.content["Steps"] = [*kept, one]
            found.operations.append("AddStepToCase")

    def _cancel_case(self, told: Read) -> Iterator[Wrong]:
        found = self.cases.get((told.get("idPatientMis", ""), told.get("idCaseMis", "")))
        if found is None or found.state == "cancelled":
            yield Wrong("idCaseMis", "Случай не найден", NO_CASE)
            return
        found.state = "cancelled"
        found.operations.append("CancelCase")

    def _add_record(self, told: Read) -> Iterator[Wrong]:
        patient, case = told.get("idPatientMis", ""), told.get("idCaseMis", "")
        if patient not in self.patients:
            yield Wrong("idPatientMis", "Пациент не найден", NO_PATIENT)
            return
        if case and (patient, case) not in self.cases:
            yield Wrong("idCaseMis", "Случай не найден", NO_CASE)
            return
        one = told.get("medRecord", {"$type": ""})
        if self.again == "refuse" and one.get("IdDocumentMis") in self.documents:
            yield Wrong("IdDocumentMis", "Документ с таким идентификатором уже существует", DOCUMENT_THERE)
            return
        fields = types_of(self.edition)["doc.MedDocument"].fields
        needs_kind = any(field.name == "IdMedDocumentType" for field in fields)
        wrong = list(rules.record(one, self.books, needs_kind=needs_kind))
        yield from wrong
        if not wrong:
            key = one["IdDocumentMis"]
            _put(self.documents.setdefault(key, Stored(key, patient, {})), one, case, "AddMedRecord")

    def _case(self, content: Read | None) -> Stored | None:
        key = (content or {}).get("IdPatientMis", ""), (content or {}).get("IdCaseMis", "")
        return self.cases.get(key)

    def books_told(self) -> dict[str, Any]:
        """Give the counts."""
        kept = {"patients": len(self.patients), "cases": len(self.cases), "documents": len(self.documents)}
        refused = {str(code): times for code, times in self.refused.items()}
        return {"counts": dict(self.counts), "refused": refused, "passed": self.passed, **kept}


def _put(stored: Stored, content: Read, state: str, operation: str) -> None:
    stored.content, stored.state = dict(content), state
    stored.operations.append(operation)
