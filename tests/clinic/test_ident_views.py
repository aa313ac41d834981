"""The SQL for IDENT's own tables runs on a small copy of them and yields the right rows; T-SQL: tests/sqlserver."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from ident_tables import TABLES
from identsync.clinic.contract import check
from identsync.clinic.source import Branch, ClinicSource, Doctor
from identsync.clinic.views import DIALECTS, views

TODAY = datetime.now(UTC).date() + timedelta(days=1)
DAY = (TODAY - date(1970, 1, 1)).days
DOCTOR, OTHER, GONE = 10, 11, 12


def moment(hour: int, minute: int = 0, second: int = 0) -> str:
    return f"{TODAY} {hour:02d}:{minute:02d}:{second:02d}"


def clock(quarter: int) -> str:
    return f"{quarter // 4:02d}:{quarter % 4 * 15:02d}"


def cell(doctor: int | None, quarter: int, chair: int = 1, **more: Any) -> tuple[Any, ...]:
    """Make a quarter of an hour of the timetable, counted from midnight."""
    row = {"working": True, "header": False, "reception": None, "reserve": None, "day": TODAY} | more
    key = (doctor or 0) * 10_000 + chair * 1000 + quarter
    flags = (row["working"], row["header"], row["reception"], row["reserve"])
    return (key, doctor, chair, quarter + 1, str(row["day"]), *flags)


DATA: dict[str, list[tuple[Any, ...]]] = {
    "OwnCompanies": [(1, "На Садовой", "ООО Зуб"), (2, "", "ООО Клык"), (3, "Закрыт", "ООО Клык")],
    "Armchairs": [(1, 1, False), (2, 1, False), (3, 2, False), (4, 3, True)],
    "StaffsView": [
        (DOCTOR, "Ершова", "Анна", None, False),
        (OTHER, "Белов", "Пётр", "Ильич", False),
        (GONE, "Зотов", "Олег", "Петрович", True),
    ],
    "ProfessionNames": [(1, "Хирург"), (2, "Ортодонт")],
    "Items": [(1, DOCTOR, 1), (2, DOCTOR, 2), (3, OTHER, 1)],
    "Times": [(quarter + 1, clock(quarter), clock((quarter + 1) % 96)) for quarter in range(96)],
    "CurrentTimeTable": [
        # Ershova works 9:00-10:00 and 11:00-12:00 on chair 1, and 9:45-10:30 on chair 2 at the same time
        *(cell(DOCTOR, quarter, reception=100 if quarter in (36, 37) else None) for quarter in range(36, 40)),
        *(cell(DOCTOR, quarter, reserve=7 if quarter == 45 else None) for quarter in range(44, 48)),
        *(cell(DOCTOR, quarter, chair=2) for quarter in range(39, 42)),
        cell(DOCTOR, 60, working=False),
        cell(DOCTOR, 35, header=True),
        cell(DOCTOR, 36, chair=4),  # an archived chair
        cell(DOCTOR, 36, chair=3, day=TODAY - timedelta(days=60)),
        cell(None, 50),
        # Belov: the last quarter of the day in the other branch, taken by a visit that is written down for Ershova
        cell(OTHER, 95, chair=3, reception=100),
        cell(GONE, 40),
    ],
    "Receptions": [
        (100, 500, DOCTOR, 1, moment(9, 0), moment(9, 25, 30), None, moment(8, 0)),
        (101, 500, DOCTOR, 1, moment(11), moment(11, 30), moment(7), None),
        (102, 501, DOCTOR, 1, moment(11), moment(11), None, None),
        (103, 501, None, 1, moment(11), moment(12), None, None),
    ],
    "Patients": [(500,), (501,), (502,)],
    "Persons": [
        (500, "Лапина", "Софья", "Глебовна", "+7 (945) 000-79-19"),
        (501, "Ким", None, None, "22-34-56"),
        (502, "Цой", "Вера", "", "8945 000 79 20 доб. 12"),
        (900, "Ершова", "Анна", None, "89450007921"),
    ],
}


@pytest.fixture
def ident(engine: Engine) -> Engine:
    """A small copy of IDENT's tables with our views over it."""
    with engine.begin() as connection:
        for table, columns in TABLES.items():
            names = [part.split()[0] for part in columns.split(", ")]
            types = [part.split()[1] for part in columns.split(", ")]
            spelled = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, types, strict=True))
            connection.execute(text(f'CREATE TABLE "{table}" ({spelled})'))
            marks = ", ".join(f":{name}" for name in names)
            rows = [dict(zip(names, row, strict=True)) for row in DATA[table]]
            connection.execute(text(f'INSERT INTO "{table}" VALUES ({marks})'), rows)
        driver: Any = connection.connection.driver_connection
        if engine.dialect.name == "sqlite":
            driver.executescript(views("sqlite"))
        else:
            connection.exec_driver_sql(views("postgresql"))
    return engine


def test_the_views_keep_the_contract(ident: Engine) -> None:
    assert check(ident) == []


def test_branches_and_staff(ident: Engine) -> None:
    source = ClinicSource(ident)
    assert source.branches() == [Branch(1, "На Садовой", "Europe/Moscow"), Branch(2, "ООО Клык", "Europe/Moscow")]
    assert source.staff() == [
        Doctor(1, DOCTOR, "Ершова Анна", "Ортодонт"),
        Doctor(2, OTHER, "Белов Пётр Ильич", "Хирург"),
    ]


def test_a_branch_that_nobody_named_has_an_empty_name(ident: Engine) -> None:
    with ident.begin() as connection:
        connection.execute(text('UPDATE "OwnCompanies" SET "BranchName" = NULL, "Name" = NULL WHERE "ID" = 2'))
    assert [branch.name for branch in ClinicSource(ident).branches()] == ["На Садовой", ""]


def test_cells_become_shifts(ident: Engine) -> None:
    with ident.connect() as connection:
        rows = connection.execute(text("SELECT * FROM clinic_shift ORDER BY 1, 2, 3")).all()
    of = [(branch, doctor, start - DAY * 1440, length) for branch, doctor, start, length in rows]
    assert of == [
        (1, DOCTOR, 540, 90),
        (1, DOCTOR, 660, 60),
        (1, GONE, 600, 15),
        (2, OTHER, 1425, 15),
    ]


def test_appointments(ident: Engine) -> None:
    with ident.connect() as connection:
        rows = connection.execute(text("SELECT * FROM clinic_appointment ORDER BY appointment_id")).all()
    changed = (DAY * 1440 + 8 * 60 - 180) * 60_000
    far, unknown = 10**12, (None, None, None)  # service, room and comment, until somebody maps them
    # The visit ends at 9:25:30 and so does not cover the quarter from 9:15, which IDENT shows as taken.
    assert [tuple(row) for row in rows] == [
        (100, 1, DOCTOR, 500, 0, DAY * 1440 + 540, 26, changed, *unknown),
        (far + 101_037, 1, DOCTOR, None, 1, DAY * 1440 + 555, 15, None, *unknown),
        (far + 101_045, 1, DOCTOR, None, 1, DAY * 1440 + 675, 15, None, *unknown),
        (far + 113_095, 2, OTHER, None, 1, DAY * 1440 + 1425, 15, None, *unknown),
    ]


def test_boards_offer_what_ident_shows_free(ident: Engine) -> None:
    boards = ClinicSource(ident).boards(DAY, 1, 15)
    working, busy = boards.strip(1, DOCTOR, DAY)
    assert [i for i in range(96) if working[i] and not busy[i]] == [38, 39, 40, 41, 44, 46, 47]
    assert boards.strip(2, OTHER, DAY)[1][95] == 1


def test_patients(ident: Engine) -> None:
    source = ClinicSource(ident)
    assert source.patients_by_phone(["9450007919", "9450007920", "9450007921"]) == {"9450007919": (500,)}
    assert source.patient_name(501) == "Ким"
    assert source.patients([501, 7]).keys() == {501}
    (caller,) = source.callers("9450007919", DAY * 1440 + 600)
    assert caller.last_visit is not None
    assert (caller.last_visit.id, caller.next_visit) == (100, None)


def test_the_last_visit_is_one_that_took_place(ident: Engine) -> None:
    past = {100: 3, 101: 1}  # the latter was cancelled
    with ident.begin() as connection:
        for number, days in past.items():
            when = f"'{TODAY - timedelta(days=days)} 09:00:00'"
            value = when if ident.dialect.name == "sqlite" else f"CAST({when} AS timestamp)"
            connection.execute(text(f'UPDATE "Receptions" SET "PlanStart" = {value} WHERE "ID" = {number}'))
        rows = connection.execute(text("SELECT patient_id, last_visit, born FROM clinic_patient ORDER BY 1")).all()
    assert [tuple(row) for row in rows] == [(500, DAY - 3, None), (501, None, None), (502, None, None)]


def test_running_the_script_again_is_harmless(ident: Engine) -> None:
    with ident.begin() as connection:
        driver: Any = connection.connection.driver_connection
        if ident.dialect.name == "sqlite":
            driver.executescript(views("sqlite"))
        else:
            connection.exec_driver_sql(views("postgresql"))
    assert check(ident) == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_dialect_maps_the_same_relations(dialect: str) -> None:
    script = views(dialect)
    made = [line.split("VIEW ")[1].split(" ")[0] for line in script.splitlines() if line.startswith("CREATE")]
    assert made == [
        "clinic_cell",
        "clinic_branch",
        "clinic_staff",
        "clinic_shift",
        "clinic_appointment",
        "clinic_patient",
    ]
    assert script.count("роверьте") >= 6  # what the sheet of facts does not name is marked


def test_unknown_dialect_or_profile() -> None:
    with pytest.raises(ValueError, match="oracle"):
        views("oracle")
    with pytest.raises(ValueError, match="other"):
        views("mssql", "other")
