"""What N3 would see of a case and of a patient as one number each: equal numbers, nothing to send.

A digest covers exactly the fields listed here, spelled as they go out, and the version of the mapping: raise
``VERSION`` when the wire says the same data otherwise, and everything is sent once more.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from identsync.core import columns
from identsync.integrations.egisz import snils
from identsync.integrations.egisz.case import (
    Case,
    Codes,
    Diagnosis,
    Doctor,
    Document,
    Guardian,
    Paper,
    Patient,
    Person,
    Visit,
)

VERSION = 1
_SEEDS = {"case": 0xE915, "patient": 0xE916, "document": 0xE917, "visit": 0xE918}
_encode = msgspec.msgpack.Encoder().encode  # moments become instants: one moment in another zone is the same


def key(id: str) -> int:
    """Return the 64-bit key of a case's or a document's identifier, for the columns of the mirror."""
    return columns.digest(id.encode("utf-8", "surrogatepass"))


def of_document(document: Document) -> int:
    """Return the digest of a signed document: of every byte that AddMedRecord carries."""
    doctor = document.doctor
    told = (
        VERSION, document.id, document.kind, document.header, document.created, document.case_id, document.media_type,
        _person(doctor.person), doctor.position, doctor.speciality,
        document.content, document.doctor_sign, document.clinic_sign,
    )  # fmt: skip
    return columns.digest(spelled(told), _SEEDS["document"])


class Digests:
    """Digests of many cases, signed 64-bit, the same for ever: what stands in many of them is spelled once."""

    def __init__(self) -> None:
        self._doctors: dict[Doctor, bytes] = {}
        self._patients: dict[Patient, tuple[int, bytes]] = {}
        self._codes: dict[Codes, bytes] = {}

    def of_care(self, case: Case) -> int:
        """Return the digest of what AddCase and UpdateCase say: of the patient his key and his guardian alone."""
        told = spelled((
            VERSION, case.id, case.number, case.opened, case.closed, case.first, case.conclusion,
            case.patient.person.id, self._patient(case.patient)[1], self._doctor(case.doctor), self._coded(case.codes),
            [self._visit(visit) for visit in case.visits],
            [self._diagnosis(diagnosis) for diagnosis in case.diagnoses],
        ))  # fmt: skip
        return columns.digest(told, _SEEDS["case"])

    def of_visit(self, visit: Visit, codes: Codes) -> int:
        """Return the digest of what AddStepToCase says of a visit, with the case's codes that are in it."""
        told = VERSION, codes.payment, codes.place, codes.visit_purpose, codes.role, self._visit(visit)
        return columns.digest(spelled(told), _SEEDS["visit"])

    def of_patient(self, patient: Patient) -> int:
        """Return the digest of what AddPatient and UpdatePatient say."""
        return self._patient(patient)[0]

    def _visit(self, visit: Visit) -> Sequence[Any]:
        services = [
            (each.code, each.name, each.start, each.end, self._doctor(each.doctor), each.quantity)
            for each in visit.services
        ]
        return visit.id, visit.start, visit.end, self._doctor(visit.doctor), services, visit.comment

    def _diagnosis(self, diagnosis: Diagnosis) -> Sequence[Any]:
        doctor = self._doctor(diagnosis.doctor)
        return diagnosis.code, diagnosis.made, doctor, diagnosis.main, diagnosis.comment

    def _doctor(self, doctor: Doctor) -> bytes:
        told = self._doctors.get(doctor)
        if told is None:
            told = spelled((_person(doctor.person), doctor.position, doctor.speciality))
            self._doctors[doctor] = told
        return told

    def _patient(self, patient: Patient) -> tuple[int, bytes]:
        told = self._patients.get(patient)
        if told is None:
            guardian = spelled(_guardian(patient.guardian))
            papers = [_paper(paper) for paper in patient.papers]
            whole = spelled((VERSION, _person(patient.person), papers, patient.address, patient.phone))
            told = columns.digest(whole + guardian, _SEEDS["patient"]), guardian
            self._patients[patient] = told
        return told

    def _coded(self, codes: Codes) -> bytes:
        told = self._codes.get(codes)
        if told is None:
            told = self._codes[codes] = spelled((
                codes.aid, codes.payment, codes.confidentiality, codes.result, codes.purpose, codes.case, codes.outcome,
                codes.place, codes.visit_purpose, codes.admission, codes.disease, codes.diagnosis, codes.role,
            ))  # fmt: skip
        return told


def spelled(told: Any) -> bytes:
    """Return nested tuples as bytes; texts with half an emoji, which no wire carries, are spelled with escapes."""
    try:
        return _encode(told)
    except UnicodeEncodeError:
        return _encode(_escaped(told))


def _escaped(told: Any) -> Any:
    if isinstance(told, str):
        return told.encode("utf-8", "backslashreplace")
    return [_escaped(each) for each in told] if isinstance(told, list | tuple) else told


def _person(person: Person) -> Sequence[Any]:
    number = snils.digits(person.snils)
    return person.id, person.surname, person.name, person.patronymic, person.sex, person.born, number


def _paper(paper: Paper) -> Sequence[Any]:
    return paper.kind, paper.number, paper.series, paper.issuer, paper.issued


def _guardian(guardian: Guardian | None) -> Sequence[Any] | None:
    return None if guardian is None else (_person(guardian.person), guardian.relation, guardian.paper)
