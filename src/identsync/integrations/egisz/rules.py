"""Ready or not: everything that a case lacks, in lines that say what and where to mend it, before anything is sent.

The table of N3's ambulatory case (facts: n3health.md 1.5, 1.6, 2) with what papers and calendars themselves demand.
A closed case is judged for AddCase, an open one for CreateCase. Optional fields are judged where they are filled.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from identsync.integrations.egisz import reference, rules_case, rules_document, rules_person
from identsync.integrations.egisz.case import Case, Codes, Doctor, Document, Patient
from identsync.integrations.egisz.reference import Books
from identsync.integrations.egisz.rules_table import Missing
from identsync.integrations.egisz.settings import Organisation

Told = tuple[Missing, ...]


class Rules:
    """The rules of one organisation at one moment (aware); keep it for all cases of a run.

    Each doctor, patient, set of codes, diagnosis and service is judged once, however many cases it stands in.
    """

    def __init__(self, settings: Organisation, books: Books, now: datetime) -> None:
        self.settings, self.books, self.now = settings, books, now
        self._today = rules_case.latest_day(now)
        self._doctors: dict[Doctor, Told] = {}
        self._patients: dict[Patient, Told] = {}
        self._codes: dict[tuple[Codes, bool], tuple[tuple[str, str, str], ...]] = {}
        self._diagnoses: dict[str, tuple[str, str]] = {}
        self._services: dict[str, tuple[str, str]] = {}

    def missing(self, case: Case) -> list[Missing]:
        """Return all lines of a case, the patient's first; an empty list = it is ready."""
        lines: list[Missing] = [*self.of_patient(case.patient)]
        lines += rules_case.of_frame(case, self.now, self._today, self.settings.guardian_age)
        lines += rules_case.of_visits(case, self.now)
        lines += rules_case.of_diagnoses(case, self._today)
        lines += self._of_codes(case)
        for doctor in dict.fromkeys(_doctors(case)):
            lines += self.of_doctor(doctor)
        if case.first is not None:
            lines += self._of_visit_type(case)
        return list(dict.fromkeys(lines)) if len(lines) > 1 else lines

    def missing_document(self, document: Document, patient: Patient) -> list[Missing]:
        """Return all lines of a document that goes out without a case."""
        lines = [*self.of_patient(patient), *self.of_doctor(document.doctor)]
        lines += rules_document.of_document(document, self.books, self.now)
        return list(dict.fromkeys(lines))

    def of_doctor(self, doctor: Doctor) -> Told:
        """Return what a doctor's card lacks."""
        told = self._doctors.get(doctor)
        if told is None:
            told = tuple(rules_person.of_doctor(doctor, self.books, self._today))
            self._doctors[doctor] = told
        return told

    def of_patient(self, patient: Patient) -> Told:
        """Return what a patient's card lacks, whatever the day of the case."""
        told = self._patients.get(patient)
        if told is None:
            told = tuple(rules_person.of_patient(patient, self.books, self._today))
            self._patients[patient] = told
        return told

    def of_organisation(self) -> list[Missing]:
        """Return what the settings of the organisation itself have wrong, by N3's book of organisations."""
        book = self.books.of(reference.ORGANISATION)
        if book is None:
            return []
        lpu, name = self.settings.lpu.lower(), self.settings.frmo_name
        theirs = next((title for code, title in book.codes.items() if code.lower() == lpu), None)
        if theirs is None:
            return [Missing("organisation.lpu", "lpu", (("oid", book.oid),))]
        return [Missing("organisation.name", "frmo_name", (("name", theirs),))] if name and name != theirs else []

    def _of_codes(self, case: Case) -> Iterator[Missing]:
        closed = case.closed is not None
        told = self._codes.get((case.codes, closed))
        if told is None:
            told = tuple(rules_case.of_codes(case.codes, self.settings, self.books, closed=closed))
            self._codes[case.codes, closed] = told
        yield from (rules_case.coded(case.id, one) for one in told)
        for diagnosis in case.diagnoses:
            judged = self._diagnosis(diagnosis.code)
            if judged[0]:
                yield rules_case.code_line(case.id, diagnosis.code, judged)
        for visit in case.visits:
            for service in visit.services:
                judged = self._service(service.code)
                if judged[0]:
                    yield rules_case.code_line(visit.id, service.code, judged)

    def _diagnosis(self, code: str) -> tuple[str, str]:
        judged = self._diagnoses.get(code)
        if judged is None:
            judged = self._diagnoses[code] = rules_case.of_diagnosis_code(code, self.books)
        return judged

    def _service(self, code: str) -> tuple[str, str]:
        judged = self._services.get(code)
        if judged is None:
            judged = self._services[code] = rules_case.of_service_code(code, self.books)
        return judged

    def _of_visit_type(self, case: Case) -> Iterator[Missing]:
        code = rules_case.FIRST if case.first else rules_case.AGAIN
        if oid := self.books.refusal(reference.VISIT_TYPE, code):
            yield Missing("case.first.unknown", case.id, (("code", str(code)), ("oid", oid)))


def missing(case: Case, books: Books, settings: Organisation, now: datetime) -> list[Missing]:
    """Return everything that one case lacks; for many cases keep :class:`Rules`."""
    return Rules(settings, books, now).missing(case)


def _doctors(case: Case) -> Iterable[Doctor]:
    yield case.doctor
    for visit in case.visits:
        yield visit.doctor
        yield from (service.doctor for service in visit.services)
    yield from (diagnosis.doctor for diagnosis in case.diagnoses)
