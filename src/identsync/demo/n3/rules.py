"""What N3 refuses in the content of a request, by its sheet: required fields, separators, series, codes of its books.

The codes of these faults are this stand-in's own: of the real table only 23, 31, 8 and 2135 are known. Its books are
wide: any code up to a limit, so that a code is wrong only where it could be in no book.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Read = Mapping[str, Any]
EMPTY, BOOK, SEPARATORS, SERIES, SHAPE = 11, 13, 14, 15, 16
SNILS, PASSPORT = 223, 14
SEPARATED = re.compile(r"[^0-9A-Za-zА-Яа-яЁё]")
MKB = re.compile(r"[A-Z]\d\d(\.\d{1,2})?")
SERVICE = re.compile(r"[AB]\d\d\.\d\d\.\d\d\d(\.\d\d\d)*")

Books = dict[str, tuple[str, set[int]]]


def usual_books() -> Books:
    """Return, for each field, the OID of its book and the codes in it."""
    return {
        "IdCaseAidType": ("1.2.643.2.69.1.1.1.16", set(range(1, 31))),
        "IdPaymentType": ("1.2.643.2.69.1.1.1.32", set(range(1, 21))),
        "Confidentiality": ("1.2.643.2.69.1.1.1.90", {1, 2, 3}),
        "DoctorConfidentiality": ("1.2.643.2.69.1.1.1.90", {1, 2, 3}),
        "CuratorConfidentiality": ("1.2.643.2.69.1.1.1.90", {1, 2, 3}),
        "confidentiality": ("1.2.643.2.69.1.1.1.90", {1, 2, 3}),
        "IdCaseResult": ("1.2.643.5.1.13.2.1.1.688", set(range(1, 201))),
        "IdCasePurpose": ("1.2.643.5.1.13.2.1.1.106", set(range(1, 51))),
        "IdCaseType": ("1.2.643.2.69.1.1.1.35", set(range(1, 11))),
        "IdAmbResult": ("1.2.643.2.69.1.1.1.17", set(range(1, 51))),
        "CaseVisitType": ("1.2.643.5.1.13.13.11.1007", {1, 2}),
        "IdVisitPlace": ("1.2.643.2.69.1.1.1.18", set(range(1, 21))),
        "IdVisitPurpose": ("1.2.643.2.69.1.1.1.19", set(range(1, 51))),
        "IdSpeciality": ("1.2.643.5.1.13.2.1.1.181", set(range(1, 1_000))),
        "IdPosition": ("1.2.643.5.1.13.2.1.1.607", set(range(1, 1_000))),
        "IdRole": ("1.2.643.5.1.13.2.7.1.30", set(range(1, 11))),
        "IdRelationType": ("1.2.643.5.1.13.2.7.1.15", set(range(1, 31))),
        "Sex": ("1.2.643.5.1.13.2.1.1.156", {1, 2, 3}),
        "IdDocumentType": ("1.2.643.2.69.1.1.1.6", {*range(1, 30), 223, 226, 228, 240}),
        "IdAddressType": ("1.2.643.2.69.1.1.1.28", set(range(1, 10))),
        "IdContactType": ("1.2.643.2.69.1.1.1.27", {1, 2, 3, 4}),
        "IdMedDocumentType": ("1.2.643.2.69.1.1.1.195", set(range(1, 1_000))),
    }


@dataclass(frozen=True, slots=True)
class Wrong:
    """One complaint: the field's path, the words, the code."""

    field: str
    words: str
    code: int


def patient(one: Read, books: Books) -> Iterator[Wrong]:
    """Yield what is wrong with a PatientDto."""
    yield from _empty(one, "patient", "IdPatientMIS", "FamilyName", "GivenName", "BirthDate", "Sex")
    for each in one.get("Documents", ()):
        yield from _document(each, "patient.Documents.DocumentDto")
    for each in one.get("Addresses", ()):
        yield from _empty(each, "patient.Addresses.AddressDto", "IdAddressType", "StringAddress")
    for each in one.get("Contacts", ()):
        yield from _empty(each, "patient.Contacts.ContactDto", "IdContactType", "ContactValue")
    if (guardian := one.get("ContactPerson")) is not None:
        yield from _empty(guardian, "patient.ContactPerson", "FamilyName", "GivenName", "IdPersonMis", "IdRelationType")
    yield from _codes(one, "patient", books)


def case(one: Read, books: Books, *, is_open: bool, has_steps: bool = False) -> Iterator[Wrong]:
    """Yield what is wrong with a case; ``is_open``: of CreateCase; ``has_steps``: they were sent before."""
    path = "caseDto"
    if one["$type"] != "CaseAmb":
        yield Wrong(path, "Неизвестный тип случая", SHAPE)
        return
    yield from _empty(one, path, "OpenDate", "HistoryNumber", "IdCaseMis", "IdPaymentType", "Confidentiality")
    yield from _empty(one, path, "DoctorConfidentiality", "CuratorConfidentiality", "IdLpu", "IdPatientMis")
    yield from _empty(one, path, "IdCaseType", "CaseVisitType", "DoctorInCharge", "Authenticator", "Author")
    yield from _people(one, path)
    if not is_open:
        yield from _empty(one, path, "CloseDate", "IdCaseResult", "Comment", "MedRecords")
        if not has_steps:
            yield from _empty(one, path, "Steps")
        if not any(each["$type"] == "ClinicMainDiagnosis" for each in one.get("MedRecords", ())):
            yield Wrong(f"{path}.MedRecords", "В случае нет основного диагноза", EMPTY)
    for each in one.get("Steps", ()):
        yield from step(each, f"{path}.Steps.StepAmb")
    yield from _records(one, path)
    yield from _codes(one, path, books)


def step(one: Read, path: str) -> Iterator[Wrong]:
    """Yield what is wrong with a step, its codes aside."""
    if one["$type"] != "StepAmb":
        yield Wrong(path, "Неизвестный тип эпизода", SHAPE)
        return
    yield from _empty(one, path, "DateStart", "DateEnd", "IdStepMis", "IdVisitPlace", "IdVisitPurpose", "Doctor")
    if "Doctor" in one:
        yield from _staff(one["Doctor"], f"{path}.Doctor")
    yield from _records(one, path)


def added_step(one: Read, books: Books) -> Iterator[Wrong]:
    """Yield what is wrong with the step of AddStepToCase."""
    yield from step(one, "step")
    yield from _codes(one, "step", books)


def record(one: Read, books: Books, *, needs_kind: bool) -> Iterator[Wrong]:
    """Yield what is wrong with the document of AddMedRecord."""
    if not one["$type"].endswith(("MedDocument", "ConsultNote")):
        yield Wrong("medRecord", "Неизвестный тип документа", SHAPE)
        return
    kind = ("IdMedDocumentType",) if needs_kind else ()
    yield from _empty(one, "medRecord", "Attachments", "Author", "CreationDate", "Header", "IdDocumentMis", *kind)
    if "Author" in one:
        yield from _staff(one["Author"], "medRecord.Author")
    path = "medRecord.Attachments"
    for each in one.get("Attachments", ()):
        yield from _empty(each, path, "Data", "OrganizationSign", "PersonalSigns", "MimeType")
        for sign in each.get("PersonalSigns", ()):
            yield from _empty(sign, f"{path}.PersonalSigns", "Sign", "Doctor")
    yield from _codes(one, "medRecord", books)


def _people(one: Read, path: str) -> Iterator[Wrong]:
    if "DoctorInCharge" in one:
        yield from _staff(one["DoctorInCharge"], f"{path}.DoctorInCharge")
    for name in ("Authenticator", "Author"):
        if name in one:
            yield from _empty(one[name], f"{path}.{name}", "Doctor")
            yield from _staff(one[name].get("Doctor", {}), f"{path}.{name}.Doctor")
    if (guardian := one.get("Guardian")) is not None:
        yield from _empty(guardian, f"{path}.Guardian", "IdRelationType", "UnderlyingDocument", "Person")
        person = guardian.get("Person", {})
        yield from _empty(person, f"{path}.Guardian.Person", "Sex", "Birthdate")
        yield from _person(person, f"{path}.Guardian.Person")


def _staff(one: Read, path: str) -> Iterator[Wrong]:
    yield from _empty(one, path, "IdSpeciality", "IdPosition", "Person")
    if "Person" in one:
        yield from _person(one["Person"], f"{path}.Person")


def _person(one: Read, path: str) -> Iterator[Wrong]:
    yield from _empty(one, path, "IdPersonMis")
    yield from _empty(one.get("HumanName", {}), f"{path}.HumanName", "FamilyName", "GivenName")
    for each in one.get("Documents", ()):
        yield from _document(each, f"{path}.Documents.IdentityDocument")


def _document(one: Read, path: str) -> Iterator[Wrong]:
    yield from _empty(one, path, "IdDocumentType", "DocN", "ProviderName")
    if SEPARATED.search(one.get("DocN", "")):
        yield Wrong(f"{path}.DocN", "Для поля DocN разделители недопустимы", SEPARATORS)
    if one.get("IdDocumentType") == PASSPORT and not one.get("DocS"):
        yield Wrong(f"{path}.DocS", "Для данного типа документа необходимо указать серию", SERIES)


def _records(one: Read, path: str) -> Iterator[Wrong]:
    for each in one.get("MedRecords", ()):
        where = f"{path}.MedRecords.{each['$type']}"
        if each["$type"] == "Service":
            yield from _empty(each, where, "DateEnd", "DateStart", "IdServiceType", "ServiceName", "Performer")
            yield from _shaped(each, where, "IdServiceType", SERVICE.fullmatch)
        elif each["$type"].endswith("Diagnosis"):
            yield from _empty(each, where, "DiagnosisInfo", "Doctor")
            told = each.get("DiagnosisInfo", {})
            yield from _empty(told, f"{where}.DiagnosisInfo", "DiagnosedDate", "MkbCode")
            yield from _shaped(told, f"{where}.DiagnosisInfo", "MkbCode", MKB.fullmatch)
        elif each["$type"] == "MedRecord":
            yield Wrong(where, "Неизвестный тип записи", SHAPE)


def _shaped(one: Read, path: str, name: str, fits: Callable[[str], object]) -> Iterator[Wrong]:
    if name in one and not fits(one[name]):
        yield Wrong(f"{path}.{name}", f"Значение {one[name]} не соответствует справочнику", BOOK)


def _empty(one: Read, path: str, *names: str) -> Iterator[Wrong]:
    for name in names:
        if one.get(name) in (None, "", []):
            yield Wrong(f"{path}.{name}", "Поле не может быть пустым", EMPTY)


def _codes(one: Read, path: str, books: Books) -> Iterator[Wrong]:
    for name, value in one.items():
        if isinstance(value, Mapping):
            yield from _codes(value, f"{path}.{name}", books)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, Mapping):
                    yield from _codes(each, f"{path}.{name}", books)
        elif name in books and isinstance(value, int) and value not in books[name][1]:
            words = f"Значение {value} не соответствует справочнику (OID справочника {books[name][0]})"
            yield Wrong(f"{path}.{name}", words, BOOK)
