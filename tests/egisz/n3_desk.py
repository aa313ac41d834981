"""How tests speak to N3: its stand-in, an organisation's settings, people and cases that it takes."""

import functools
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from identsync.demo.n3 import wsdl
from identsync.demo.n3.desk import LPU, TOKEN
from identsync.demo.n3.process import N3Process
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
from identsync.integrations.egisz.settings import Organisation
from identsync.integrations.egisz.wire import n3
from identsync.integrations.egisz.wire.contract import Contract

MAGADAN = timezone(timedelta(hours=11))
NINE = datetime(2026, 11, 26, 9, 0, tzinfo=MAGADAN)
CODES = Codes(
    aid=1, payment=3, confidentiality=1, result=1, purpose=1, case=2, outcome=1, place=1, visit_purpose=1,
    disease=1, diagnosis=1, role=3,
)  # fmt: skip
VERA = Doctor(
    person=Person(id="staff-7", surname="Громова", name="Вера", patronymic="Ильинична", snils="112-233-445 95"),
    position=73,
    speciality=171,
)
EGOR = Doctor(
    person=Person(id="staff-8", surname="Зимин", name="Егор", snils="087-654-303 00"), position=74, speciality=172
)
FREE = "http://127.0.0.1:1/emk"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def n3_process() -> Iterator[N3Process]:
    with N3Process() as process:
        yield process


@pytest.fixture
def cloud(n3_process: N3Process, monkeypatch: pytest.MonkeyPatch) -> N3Process:
    """N3 as new; the token is in TEST_N3."""
    n3_process.clear()
    monkeypatch.setenv("TEST_N3", TOKEN)
    return n3_process


@functools.cache
def contract(edition: str = "EMK5") -> Contract:
    return Contract(pix=wsdl.single("PixService", edition), emk=wsdl.single("EMKService", edition))


def organisation(url: str = FREE, **how: Any) -> Organisation:
    usual: dict[str, Any] = {"url": url, "token": "env:TEST_N3", "lpu": LPU, "confidentiality": 1, "timeout": 5_000}
    return Organisation(**(usual | how))


async def permitted() -> None:
    return None


def line(cloud: N3Process, edition: str = "EMK5", **how: Any) -> n3.N3:
    return n3.open(organisation(cloud.url, **how), contract(edition), permitted)


def patient(**how: Any) -> Patient:
    """A patient nobody has seen before."""
    person = Person(
        id=f"patient-{next(_numbers)}", surname="Лапина", name="Дарья", patronymic="Олеговна", sex=2,
        born=date(1978, 3, 30), snils="112-233-445 95",
    )  # fmt: skip
    passport = Paper(kind=14, number="654321", series="4509", issuer="ОВД района", issued=date(2005, 5, 6))
    usual = {
        "person": person,
        "papers": (passport,),
        "address": "г. Магадан, ул. Лесная, 5-12",
        "phone": "+79160000002",
    }
    return Patient(**(usual | how))  # type: ignore[arg-type]


def child() -> Patient:
    mother = Person(id="person-5", surname="Лапина", name="Дарья", sex=2, born=date(1990, 1, 2))
    one = patient(papers=(), guardian=Guardian(person=mother, relation=1, paper="Свидетельство II-АБ 123456"))
    return replace(one, person=replace(one.person, name="Тим", patronymic="", sex=1, born=date(2019, 2, 28), snils=""))


def foreigner() -> Patient:
    one = patient(papers=(Paper(kind=10, number="N0345566", issuer="MIA of Georgia"),), phone="+995555123456")
    return replace(one, person=replace(one.person, surname="O'Neill & Söhne", name="Ян", patronymic="", snils=""))


def visit(number: int = 1, doctor: Doctor = VERA) -> Visit:
    start = NINE + timedelta(days=number - 1)
    end = start + timedelta(minutes=45)
    done = Service(code="A16.07.002.001", name="Восстановление зуба пломбой", start=start, end=end, doctor=doctor)
    return Visit(id=f"step-{number}", start=start, end=end, doctor=doctor, services=(done,), comment="без осложнений")


def case(one: Patient, **how: Any) -> Case:
    """A case that N3 takes: one visit, one diagnosis."""
    usual: dict[str, Any] = {
        "id": f"case-{next(_numbers)}", "number": "1077", "opened": NINE, "closed": NINE + timedelta(hours=1),
        "patient": one, "doctor": VERA, "codes": CODES, "visits": (visit(),),
        "diagnoses": (Diagnosis(code="K02.1", made=NINE, doctor=VERA, comment="кариес дентина"),),
        "conclusion": "Лечение завершено", "first": True,
    }  # fmt: skip
    return Case(**(usual | how))


def document(**how: Any) -> Document:
    usual: dict[str, Any] = {
        "id": f"doc-{next(_numbers)}", "kind": 198, "header": "Протокол консультации", "created": NINE,
        "doctor": VERA, "content": b"\xef\xbb\xbf<ClinicalDocument>\r\n\x00\xff</ClinicalDocument>",
        "doctor_sign": b"0\x82\x01doctor", "clinic_sign": b"0\x82\x02clinic",
    }  # fmt: skip
    return Document(**(usual | how))


def real_contract() -> Contract | None:
    """N3's own WSDLs, where somebody has put them: they are not ours to give away."""
    for folder in Path(__file__).resolve().parents:
        found = folder / "shared" / "contracts" / "n3health"
        if (found / "PixService.wsdl").exists():
            pix, emk = ((found / name).read_bytes() for name in ("PixService.wsdl", "EmkService.wsdl"))
            return Contract(pix=pix, emk=emk)
    return None
