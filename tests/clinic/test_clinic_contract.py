"""`check` says everything that is wrong, at once, and never a person's data."""

import pytest
from sqlalchemy import Engine, create_engine, text

from identsync.clinic import contract
from identsync.clinic.contract import RELATIONS, check
from identsync.clinic.source import ClinicSource
from identsync.errors import ContractError


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def wheres(engine: Engine) -> list[str]:
    return [problem.where for problem in check(engine)]


def test_a_generated_network_keeps_the_contract(network: Engine) -> None:
    assert check(network) == []


def test_every_relation_and_column_is_documented() -> None:
    for table in RELATIONS:
        assert table.comment
        assert all(column.doc for column in table.columns)


def test_an_empty_database_lacks_everything(engine: Engine) -> None:
    assert wheres(engine) == [table.name for table in RELATIONS]


def test_all_mistakes_at_once(network: Engine) -> None:
    run(
        network,
        "DROP TABLE clinic_patient",
        "ALTER TABLE clinic_staff DROP COLUMN speciality",
        "ALTER TABLE clinic_branch DROP COLUMN time_zone",
        "UPDATE clinic_shift SET length_minutes = 0",
        "UPDATE clinic_appointment SET kind = 7",
        "UPDATE clinic_appointment SET start_minute = start_minute * 60",
    )
    assert wheres(network) == [
        "clinic_branch.time_zone",
        "clinic_staff.speciality",
        "clinic_shift.length_minutes",
        "clinic_appointment.kind",
        "clinic_appointment.start_minute",
        "clinic_patient",
    ]
    assert all(problem.hint for problem in check(network))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ("UPDATE clinic_branch SET time_zone = 'Europe/Moskow'", "clinic_branch.time_zone"),
        ("UPDATE clinic_branch SET branch_id = -branch_id", "clinic_branch.branch_id"),
        ("UPDATE clinic_staff SET name = ' '", "clinic_staff.name"),
        ("UPDATE clinic_patient SET phone_key = '+79450001'", "clinic_patient.phone_key"),
        ("UPDATE clinic_patient SET patient_id = -patient_id", "clinic_patient.patient_id"),
    ],
)
def test_impossible_values(network: Engine, change: str, where: str) -> None:
    run(network, change)
    assert wheres(network) == [where]


def test_nulls_in_a_view(network: Engine) -> None:
    run(
        network,
        "ALTER TABLE clinic_shift RENAME TO shifts",
        "CREATE VIEW clinic_shift AS SELECT branch_id, doctor_id, NULLIF(start_minute, start_minute) AS start_minute,"
        " length_minutes FROM shifts",
    )
    assert wheres(network) == ["clinic_shift.start_minute"]


def test_types_of_a_view(network: Engine) -> None:
    run(
        network,
        "ALTER TABLE clinic_staff RENAME TO staff",
        "CREATE VIEW clinic_staff AS SELECT CAST(branch_id AS varchar(9)) AS branch_id, doctor_id * 1.5 AS doctor_id,"
        " 1 AS name, speciality FROM staff",
    )
    assert wheres(network) == ["clinic_staff.branch_id", "clinic_staff.doctor_id", "clinic_staff.name"]


def test_problems_hold_no_persons(network: Engine) -> None:
    run(network, "UPDATE clinic_patient SET phone_key = '123'", "UPDATE clinic_branch SET time_zone = 'Ivanov'")
    words = " ".join(f"{problem.where} {problem.what} {problem.hint}" for problem in check(network))
    assert "123" not in words
    assert "Ivanov" not in words


def test_reading_a_broken_clinic_reports_all_of_it(network: Engine) -> None:
    run(network, "DROP TABLE clinic_shift", "ALTER TABLE clinic_staff DROP COLUMN speciality")
    with pytest.raises(ContractError) as failure:
        ClinicSource(network).boards(20_600, 5, 15)
    assert [problem.where for problem in failure.value.problems] == ["clinic_staff.speciality", "clinic_shift"]


@pytest.mark.postgresql
def test_relations_in_a_schema(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    run(engine, "CREATE SCHEMA clinic")
    with engine.begin() as connection:
        for table in contract.relations("clinic").values():
            table.create(connection)
    run(engine, "INSERT INTO clinic.clinic_branch VALUES (1, 'Садовая', 'Asia/Omsk')")
    assert check(engine, "clinic") == []
    assert [problem.where for problem in check(engine)] == [table.name for table in RELATIONS]
    source = ClinicSource(engine, "clinic")
    assert [branch.zone for branch in source.branches()] == ["Asia/Omsk"]
    assert source.boards(20_600, 5, 15, [1]).counts() == (0, 0, 0)
    engine.dispose()
