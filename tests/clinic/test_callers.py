"""Who may be calling: the patients of a number with their visits and their debt, on SQLite and PostgreSQL."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, event, insert
from sqlalchemy.dialects import mssql

import tsql
from identsync.clinic.callers import MOST, Callers
from identsync.clinic.contract import clinic_appointment, clinic_branch, clinic_patient, contract, relations
from identsync.clinic.source import ClinicSource

NOW = 1_000_000
FAMILY = ((1, "Осокина", "Вера", "9450001122", 120_000), (2, "Осокин", "Лев", "9450001122", None))
OTHERS = ((3, "Речной", "Пётр", "9459998877", 0), (4, "Речная", "Анна", None, None))
VISITS = ((1, 1, 0, NOW - 9_000), (2, 1, 0, NOW - 500), (3, 1, 1, NOW - 10), (4, 1, 0, NOW + 700), (5, 2, 0, NOW))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    contract.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(clinic_branch).values(branch_id=1, name="Садовая", time_zone="Europe/Moscow"))
        connection.execute(insert(clinic_patient), [_person(*row) for row in (*FAMILY, *OTHERS)])
        connection.execute(insert(clinic_appointment), [_visit(*row) for row in VISITS])
    yield engine
    engine.dispose()


@pytest.fixture
def source(engine: Engine) -> ClinicSource:
    return ClinicSource(engine)


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


def test_of_two_visits_at_one_minute_the_first_booked_is_told(engine: Engine, source: ClinicSource) -> None:
    with engine.begin() as connection:
        connection.execute(insert(clinic_appointment), [_visit(7, 3, 0, NOW + 5), _visit(6, 3, 0, NOW + 5)])
    (caller,) = source.callers("9459998877", NOW)
    assert caller.next_visit is not None
    assert caller.next_visit.id == 6


def test_a_number_of_very_many_gives_twelve_patients_with_their_visits(engine: Engine, source: ClinicSource) -> None:
    many = range(100, 130)
    with engine.begin() as connection:
        connection.execute(insert(clinic_patient), [_person(each, "x", "y", "9000000000", None) for each in many])
        visits = [_visit(each * 10 + at, each, 0, NOW + at - 2) for each in many for at in range(4)]
        connection.execute(insert(clinic_appointment), visits)
    found = source.callers("9000000000", NOW)
    assert [caller.patient.id for caller in found] == list(many)[:MOST]
    assert {(caller.last_visit and caller.last_visit.start_minute) for caller in found} == {NOW - 1}
    assert {(caller.next_visit and caller.next_visit.id % 10) for caller in found} == {2}


def test_a_family_costs_one_question(engine: Engine, source: ClinicSource) -> None:
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    assert len(source.callers("9450001122", NOW)) == 2
    assert len([text for text in asked if "clinic_" in text]) == 1


def test_the_question_is_one_of_t_sql() -> None:
    """SQL Server knows neither LIMIT nor LATERAL; what else it knows is judged in tests/sqlserver."""
    asked = Callers(relations("dbo"))._of_both
    bound = {"key": "9450001122", "linked": [3, 4], "minute": NOW}
    text = str(asked.params(bound).compile(dialect=mssql.dialect(), compile_kwargs={"literal_binds": True}))
    assert "TOP" in text
    assert list(tsql.faults(text)) == []
