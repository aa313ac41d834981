"""A case that is ready in every respect, and ways to spoil it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from identsync.demo.n3_terms.editions import EDITIONS, LPU
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
    Service,
    Visit,
)
from identsync.integrations.egisz.reference import Book, Books
from identsync.integrations.egisz.rules import Rules
from identsync.integrations.egisz.settings import Organisation

ZONE = timezone(timedelta(hours=7))
DAY = datetime(2026, 11, 20, 10, 0, tzinfo=ZONE)
NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
CODES = Codes(
    aid=1, payment=3, confidentiality=1, result=1, purpose=1, case=2, outcome=1, place=1, visit_purpose=1, role=3
)
SETTINGS = Organisation(
    url="http://127.0.0.1/emk", token="env:TEST_N3", lpu=LPU, aid=1, payment=3, confidentiality=1, result=1, purpose=1,
    case=2, outcome=1, place=1, visit_purpose=1, role=3,
)  # fmt: skip
BOOKS = Books(Book(oid, "1", 0, codes) for oid, codes in EDITIONS.items())
NO_BOOKS = Books()

ANNA = Person(id="d-1", surname="Громова", name="Анна", patronymic="Петровна", sex=2, snils="112-233-445 95")
DOCTOR = Doctor(person=ANNA, position=33, speciality=75)
OTHER = Doctor(
    person=Person(id="d-2", surname="Ли", name="Виктор", born=date(1980, 2, 29), snils="00100199812"),
    position=34,
    speciality=76,
)
IVAN = Person(
    id="p-1", surname="Сидоров-Ким", name="Иван", patronymic="Львович", sex=1, born=date(1978, 3, 30),
    snils="11223344595",
)  # fmt: skip
PASSPORT = Paper(kind=14, number="123456", series="5004", issuer="УВД", issued=date(2003, 4, 1))
PATIENT = Patient(person=IVAN, papers=(PASSPORT,), address="г. Учебный, ул. Лесная, 5", phone="+79450000001")
FILLING = Service(code="A16.07.002.010", name="Пломба", start=DAY, end=DAY + timedelta(minutes=30), doctor=DOCTOR)
VISIT = Visit(id="v-1", start=DAY, end=DAY + timedelta(hours=1), doctor=DOCTOR, services=(FILLING,))
CARIES = Diagnosis(code="K02.1", made=DAY, doctor=DOCTOR)
CASE = Case(
    id="c-1", number="4417", opened=DAY, closed=DAY + timedelta(hours=1), patient=PATIENT, doctor=DOCTOR, codes=CODES,
    visits=(VISIT,), diagnoses=(CARIES,), conclusion="Лечение завершено", first=True,
)  # fmt: skip
MOTHER = Guardian(
    person=Person(id="p-9", surname="Ким", name="Ольга", sex=2, born=date(1990, 5, 5)), relation=2,
    paper="Паспорт 5004 1",
)  # fmt: skip
CMS = b"\x30\x82\x01\x0a" + b"\x01" * 40
DOCUMENT = Document(
    id="doc-1", kind=198, header="Протокол консультации", created=DAY, doctor=DOCTOR,
    content=b"\xef\xbb\xbf<?xml version='1.0'?><ClinicalDocument/>", doctor_sign=CMS, clinic_sign=CMS + b"\x02",
)  # fmt: skip


def rules(books: Books = BOOKS, now: datetime = NOW, **settings: Any) -> Rules:
    return Rules(Organisation(**({f: getattr(SETTINGS, f) for f in SETTINGS.__struct_fields__} | settings)), books, now)


def lines(case: Case, books: Books = BOOKS, **settings: Any) -> list[tuple[str, str]]:
    """Rule and whose of each line."""
    return [(one.rule, one.who) for one in rules(books, **settings).missing(case)]


def case(**change: Any) -> Case:
    return replace(CASE, **change)


def patient(person: dict[str, Any] | None = None, **change: Any) -> Case:
    """The case of a patient who differs so."""
    return case(patient=replace(PATIENT, person=replace(IVAN, **(person or {})), **change))


def doctor(person: dict[str, Any] | None = None, **change: Any) -> Case:
    """The case whose only doctor differs so."""
    other = replace(DOCTOR, person=replace(ANNA, **(person or {})), **change)
    visit = replace(VISIT, doctor=other, services=(replace(FILLING, doctor=other),))
    return case(doctor=other, visits=(visit,), diagnoses=(replace(CARIES, doctor=other),))


def visit(**change: Any) -> Case:
    return case(visits=(replace(VISIT, **change),))


def service(**change: Any) -> Case:
    return visit(services=(replace(FILLING, **change),))


def diagnosis(**change: Any) -> Case:
    return case(diagnoses=(replace(CARIES, **change),))


def codes(**change: Any) -> Case:
    return case(codes=replace(CODES, **change))
