"""Cases for ЕГИСЗ: ten thousand judged by all rules and books, digested and compared with what N3 has.

Every case has objects of its own, as a reader makes them: doctors and patients come again as equals, not as the same.
Beside it: the rules and the digests alone, and the same without keeping what is known of doctors, patients and codes.
"""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from tempfile import TemporaryDirectory

from sqlalchemy import create_engine

from benchmarks import cases_page
from benchmarks.harness import OURS, Result, Work, measure
from identsync.clinic.source import ClinicSource
from identsync.core.columns import Columns
from identsync.demo.clinic.cases import fill
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.demo.n3_terms.editions import EDITIONS, LPU
from identsync.integrations.egisz import snils
from identsync.integrations.egisz.case import Case, Codes, Diagnosis, Doctor, Paper, Patient, Person, Service, Visit
from identsync.integrations.egisz.digest import Digests, key
from identsync.integrations.egisz.planning import intended
from identsync.integrations.egisz.reference import Book, Books
from identsync.integrations.egisz.register import planned
from identsync.integrations.egisz.rules import Rules, missing
from identsync.integrations.egisz.settings import Organisation
from identsync.spans import DAY_MS

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ZONE = timezone(timedelta(hours=7))
USUAL = {"aid": 1, "payment": 3, "confidentiality": 1, "result": 1, "purpose": 1, "case": 2, "outcome": 1, "place": 1}
USUAL |= {"visit_purpose": 1, "role": 3}
SETTINGS = Organisation(url="http://127.0.0.1/emk", token="env:N3", lpu=LPU, **USUAL)  # type: ignore[arg-type]
BOOKS = Books(Book(oid, "1", 0, codes) for oid, codes in EDITIONS.items())
DOCTORS, PER_PATIENT = 60, 1.4
NOTES = "Жалобы на боль от холодного. Кариозная полость на жевательной поверхности, зондирование болезненно. " * 4


def run(*, quick: bool) -> Iterator[Result]:
    """Measure clean cases, and those of a clinic that begins: every third lacks something."""
    count = 1_000 if quick else 10_000
    for title, faulty in (("all ready", 0.0), ("a third not ready", 0.33)):
        cases = _cases(count, faulty)
        there = _columns(cases[: count - count // 20])
        contenders: dict[str, Work] = {
            OURS: lambda cases=cases, there=there: _planned(cases, there),  # type: ignore[misc]
            "rules alone": lambda cases=cases: _judged(cases),  # type: ignore[misc]
            "digests alone": lambda cases=cases: _columns(cases),  # type: ignore[misc]
            "nothing kept": lambda cases=cases: [_alone(case) for case in cases],  # type: ignore[misc]
        }
        yield from measure("cases", f"{count:,} cases, {title}", contenders, items=count, runs=3 if quick else 5)
    yield from _from_rows(count, runs=3 if quick else 5)
    yield from cases_page.run(count, SETTINGS, runs=3 if quick else 7)


def _from_rows(count: int, runs: int) -> Iterator[Result]:
    """Measure a run's planning: rows of the clinic, cases, rules, and the rows of the register that differ."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        engine = create_engine(f"sqlite:///{folder}/clinic.db")
        stack.callback(engine.dispose)
        now = int(NOW.timestamp() * 1000)
        size = GeneratorSettings(branches=2, doctors=20, days=2, patients=count // 2, first_day=now // DAY_MS - 1)
        generate(engine, size)
        fill(engine, seed=1, now_ms=now, per_branch=count // 2)
        clinic = ClinicSource(engine)

        def first() -> int:
            intent = intended(clinic, SETTINGS, {}, BOOKS, now)
            return sum(len(planned({}, intent.wishes[what]).added) for what in intent.wishes)

        yield from measure("cases", f"{count:,} cases from rows", {OURS: first}, items=count, runs=runs)


def _planned(cases: list[Case], there: Columns) -> tuple[int, int]:
    judged = _judged(cases)
    return len(there.difference(_columns(cases))), sum(map(bool, judged))


def _judged(cases: list[Case]) -> list[int]:
    rules = Rules(SETTINGS, BOOKS, NOW)
    return [len(rules.missing(case)) for case in cases]


def _alone(case: Case) -> tuple[int, int]:
    return len(missing(case, BOOKS, SETTINGS, NOW)), Digests().of_care(case)


def _columns(cases: list[Case]) -> Columns:
    digests = Digests()
    return Columns.from_rows([(key(case.id), digests.of_care(case)) for case in cases])


def _cases(count: int, faulty: float) -> list[Case]:
    random_ = random.Random(9)
    return [_case(number, random_, faulty) for number in range(count)]


def _case(number: int, random_: random.Random, faulty: float) -> Case:
    opened = datetime(2026, 10, 1, 9, tzinfo=ZONE) + timedelta(minutes=number * 7)
    doctor = _doctor(random_.randrange(DOCTORS))
    visits = tuple(_visit(number, at, opened, doctor) for at in range(random_.choice((1, 1, 2))))
    case = Case(
        id=f"0d9f2c1e-{number:08d}", number=str(number), opened=opened, closed=opened + timedelta(hours=3),
        patient=_patient(int(number / PER_PATIENT)), doctor=doctor, codes=Codes(**USUAL), visits=visits,
        diagnoses=(Diagnosis(code=f"K0{number % 9}.{number % 10}", made=opened, doctor=doctor),),
        conclusion=NOTES, first=number % 3 == 0,
    )  # fmt: skip
    return replace(case, diagnoses=(), conclusion="") if random_.random() < faulty else case


def _visit(number: int, at: int, opened: datetime, doctor: Doctor) -> Visit:
    start = opened + timedelta(hours=at)
    services = tuple(
        Service(code=f"A16.07.{code:03d}", name=f"Учебная работа стоматолога {code}", start=start,
                end=start + timedelta(minutes=30), doctor=doctor)
        for code in (1 + number % 90, 2 + number % 90)
    )  # fmt: skip
    return Visit(
        id=f"{number}-{at}", start=start, end=start + timedelta(hours=1), doctor=doctor, services=services,
        comment=NOTES,
    )  # fmt: skip


def _doctor(number: int) -> Doctor:
    person = Person(
        id=f"d-{number}", surname="Громова", name="Анна", patronymic="Петровна", sex=2, snils=_snils(number)
    )
    return Doctor(person=person, position=20 + number % 70, speciality=50 + number % 70)


def _patient(number: int) -> Patient:
    person = Person(
        id=f"p-{number}", surname="Сидоров-Ким", name="Иван", patronymic="Львович", sex=1, snils=_snils(1_000 + number),
        born=date(1960 + number % 40, 1 + number % 12, 1 + number % 28),
    )  # fmt: skip
    paper = Paper(kind=14, number=f"{number:06d}", series="5004", issuer="УВД", issued=date(2020, 1, 1))
    return Patient(person=person, papers=(paper,), address="г. Учебный, ул. Лесная, 5", phone="+79450000001")


def _snils(number: int) -> str:
    nine = f"{100_000_000 + number * 7:09d}"
    return nine + snils.check(nine)
