"""Who may be calling: the patients of a number with their visits and their debt, on SQLite and PostgreSQL."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, insert

from identsync.clinic.contract import clinic_appointment, clinic_branch, clinic_patient, contract
from identsync.clinic.source import ClinicSource

NOW = 1_000_000
FAMILY = ((1, "Осокина", "Вера", "9450001122", 120_000), (2, "Осокин", "Лев", "9450001122", None))
OTHERS = ((3, "Речной", "Пётр", "9459998877", 0), (4, "Речная", "Анна", None, None))
VISITS = ((1, 1, 0, NOW - 9_000), (2, 1, 0, NOW - 500), (3, 1, 1, NOW - 10), (4, 1, 0, NOW + 700), (5, 2, 0, NOW))


@pytest.fixture
def source(database_url: str) -> Iterator[ClinicSource]:
    engine = create_engine(database_url)
    contract.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(clinic_branch).values(branch_id=1, name="Садовая", time_zone="Europe/Moscow"))
        connection.execute(insert(clinic_patient), [_person(*row) for row in (*FAMILY, *OTHERS)])
        connection.execute(insert(clinic_appointment), [_visit(*row) for row in VISITS])
    yield ClinicSource(engine)
    engine.dispose()


def _person(number: int, surname: str, name: str, key: str | None, debt: int | None) -> dict[str, object]:
    return {
        "patient_id": number, "surname": surname, "name": name, "patronymic": "", "phone_key": key, "debt": debt,
    }  # fmt: skip


def _visit(number: int, patient: int, kind: int, minute: int) -> dict[str, object]:
    return {
        "appointment_id": number, "branch_id": 1, "doctor_id": 7, "patient_id": patient, "kind": kind,
        "start_minute": minute, "length_minutes": 30,
    }  # fmt: skip


def test_a_family_is_told_with_its_visits_and_debts(source: ClinicSource) -> None:
    mother, son = source.callers("9450001122", NOW)
    assert (mother.patient.surname, mother.debt, son.patient.surname, son.debt) == ("Осокина", 120_000, "Осокин", None)
    assert mother.last_visit is not None
    assert mother.last_visit.id == 2  # a reserve of time is no visit
    assert mother.next_visit is not None
    assert mother.next_visit.id == 4
    assert son.last_visit is None
    assert son.next_visit is not None
    assert son.next_visit.id == 5  # one that begins now is the next


def test_a_number_of_nobody_is_nobody(source: ClinicSource) -> None:
    assert source.callers("9450000000", NOW) == []


def test_whom_a_person_linked_to_the_number_comes_too_and_once(source: ClinicSource) -> None:
    assert [caller.patient.id for caller in source.callers("9459998877", NOW, [4])] == [3, 4]
    assert [caller.patient.id for caller in source.callers("9459998877", NOW, [3])] == [3]
