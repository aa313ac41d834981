"""Looking for a patient: by telephone and by names, in any order and case, on SQLite and PostgreSQL."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, insert

from identsync.clinic.contract import clinic_appointment, clinic_branch, clinic_patient, contract
from identsync.clinic.source import ClinicSource

PEOPLE = (
    (1, "Семёнова", "Анна", "Львовна", "8 (912) 345-67-89", "9123456789"),
    (2, "Семенов", "Пётр", "Ильич", "+79123456789", "9123456789"),
    (3, "ИВАНОВА-БЕЛОВА", "АННА", "", "+7 945 000 11 22", "9450001122"),
    (4, "Савёлов", "Олег", "", None, None),
)


@pytest.fixture
def source(database_url: str) -> Iterator[ClinicSource]:
    engine = create_engine(database_url)
    contract.create_all(engine)
    names = ("patient_id", "surname", "name", "patronymic", "phone", "phone_key")
    with engine.begin() as connection:
        connection.execute(insert(clinic_patient), [dict(zip(names, row, strict=True)) for row in PEOPLE])
        connection.execute(insert(clinic_branch).values(branch_id=1, name="Садовая", time_zone="Europe/Moscow"))
        visits = [(1, 0, 100_000), (2, 1, 200_000), (3, 0, 300_000), (4, 0, 400_000)]
        connection.execute(
            insert(clinic_appointment),
            [
                {"appointment_id": at, "kind": kind, "branch_id": 1, "doctor_id": 7, "patient_id": 1,
                 "start_minute": minute, "length_minutes": 30}
                for at, kind, minute in visits
            ],
        )  # fmt: skip
    yield ClinicSource(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("семенов", [2, 1]),
        ("СЕМЁНОВА", [1]),
        ("анна", [3, 1]),
        ("анна сем", [1]),
        ("львовна анна семёнова", [1]),
        ("иванова-белова", [3]),
        ("савелов", [4]),
        ("8 912 345 67 89", [2, 1]),
        ("+7(945)000", [3]),
        ("1122", [3]),
        ("112", []),
        ("С", []),
        ("", []),
        ("%", []),
        ("___", []),
        ("' OR 1=1", []),
        ("анна анна", []),
    ],
)
def test_patients_are_found_as_people_type_them(source: ClinicSource, wanted: str, found: list[int]) -> None:
    assert sorted(patient.id for patient in source.find_patients(wanted)) == sorted(found)


def test_no_more_are_given_than_were_asked_for(source: ClinicSource) -> None:
    assert len(source.find_patients("семенов", 1)) == 1


def test_the_next_visit_is_the_first_from_then_on_and_no_reserve(source: ClinicSource) -> None:
    visit = source.next_visit(1, 100_001)
    assert visit is not None
    assert (visit.id, visit.start_minute, visit.doctor_id) == (3, 300_000, 7)
    assert source.next_visit(1, 400_001) is None
    assert source.next_visit(2, 0) is None
