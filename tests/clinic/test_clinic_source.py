"""The source against the rows themselves, on real databases."""

import sqlite3
import tracemalloc
from collections.abc import Collection, Iterator

import pytest
from sqlalchemy import Engine, create_engine, event, insert, select, text

from identsync.clinic.contract import clinic_appointment, clinic_branch, clinic_patient, clinic_shift, clinic_staff
from identsync.clinic.contract import contract as metadata
from identsync.clinic.cursor import stream
from identsync.clinic.session import reading
from identsync.clinic.source import Appointment, Branch, ClinicSource, Doctor
from identsync.core.board import Boards
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.errors import ContractError, NoDatabase

DAY = 1440
FIRST = 20_600


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def rows_of(engine: Engine, table: object) -> Iterator[tuple[int, int, int, int]]:
    with engine.connect() as connection:
        for row in connection.execute(select(table)):  # type: ignore[call-overload]
            yield row.branch_id, row.doctor_id, row.start_minute, row.length_minutes


def plain(engine: Engine, first: int, days: int, grid: int, branches: Collection[int] | None = None) -> Boards:
    """Build boards the plain way: every row of the tables, filtered in Python."""
    with engine.connect() as connection:
        seats = [tuple(row) for row in connection.execute(select(clinic_staff.c.branch_id, clinic_staff.c.doctor_id))]
    boards = Boards([s for s in seats if branches is None or s[0] in branches], first, days, grid)
    boards.add_shifts(list(rows_of(engine, clinic_shift)))
    boards.add_busy(list(rows_of(engine, clinic_appointment)))
    return boards


@pytest.fixture
def tables(engine: Engine) -> Engine:
    """Empty tables with one branch and one doctor."""
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(clinic_branch), [{"branch_id": 1, "name": "Садовая", "time_zone": "Asia/Omsk"}])
        connection.execute(
            insert(clinic_staff), [{"branch_id": 1, "doctor_id": 5, "name": "Ершова Анна", "speciality": "Ортодонт"}]
        )
    return engine


def shift(engine: Engine, start: int, length: int, branch: int = 1, doctor: int = 5) -> None:
    run(engine, f"INSERT INTO clinic_shift VALUES ({branch}, {doctor}, {FIRST * DAY + start}, {length})")


def book(engine: Engine, key: int, start: int, length: int, kind: int = 0, doctor: int = 5) -> None:
    values = f"({key}, 1, {doctor}, NULL, {kind}, {FIRST * DAY + start}, {length}, NULL, NULL, NULL, NULL)"
    run(engine, f"INSERT INTO clinic_appointment VALUES {values}")


@pytest.mark.parametrize("branches", [None, [2], [1, 3], []])
@pytest.mark.parametrize(("first", "days", "grid"), [(FIRST, 12, 15), (FIRST + 3, 4, 5), (FIRST - 30, 10, 60)])
def test_boards_are_those_of_the_rows(
    network: Engine, source: ClinicSource, branches: list[int] | None, first: int, days: int, grid: int
) -> None:
    assert source.boards(first, days, grid, branches) == plain(network, first, days, grid, branches)


def test_branches_and_staff(tables: Engine) -> None:
    source = ClinicSource(tables)
    assert source.branches() == [Branch(1, "Садовая", "Asia/Omsk")]
    assert source.staff() == [Doctor(1, 5, "Ершова Анна", "Ортодонт")]


def test_a_night_shift_reaches_into_the_window(tables: Engine) -> None:
    shift(tables, -120, 240)
    book(tables, 1, -30, 60)
    book(tables, 2, 10 * DAY, 60)
    boards = ClinicSource(tables).boards(FIRST, 1, 30)
    assert boards.counts() == (4, 1, 3)


def test_who_is_not_on_the_staff_is_left_out(tables: Engine) -> None:
    shift(tables, 540, 60, doctor=6)
    shift(tables, 540, 60, branch=2)
    shift(tables, 540, 60)
    assert ClinicSource(tables).boards(FIRST, 1, 15).counts() == (4, 0, 4)


def test_appointments_of_a_day(tables: Engine) -> None:
    book(tables, 1, 600, 30)
    book(tables, 2, 540, 20, kind=1)
    book(tables, 3, -60, 90)
    book(tables, 4, DAY, 30)
    book(tables, 5, -60, 60)
    book(tables, 6, 600, 30, doctor=6)
    start = FIRST * DAY
    assert ClinicSource(tables).appointments(1, 5, FIRST) == [
        Appointment(3, 0, start - 60, 90),
        Appointment(2, 1, start + 540, 20),
        Appointment(1, 0, start + 600, 30),
    ]


def test_patients_by_phone(tables: Engine) -> None:
    person = {"surname": "Белова", "name": "Анна", "patronymic": ""}
    people = [person | {"patient_id": i + 1, "phone_key": f"945{i // 2:07d}"} for i in range(3000)]
    with tables.begin() as connection:
        connection.execute(insert(clinic_patient), people)
    source = ClinicSource(tables)
    keys = [f"945{i:07d}" for i in range(1200)] + ["9459999999", "9450000000"]
    found = source.patients_by_phone(keys)
    assert found == {f"945{i:07d}": (2 * i + 1, 2 * i + 2) for i in range(1200)}
    assert source.patients_by_phone([]) == {}
    assert source.patient_name(1) == "Белова Анна"
    assert source.patient_name(99_999) is None


def test_shifts_and_appointments_are_one_snapshot(tables: Engine) -> None:
    """Between the two statements somebody adds a visit: this read does not see it."""
    if tables.dialect.name == "sqlite":
        run(tables, "PRAGMA journal_mode=WAL")
    shift(tables, 540, 60)
    source = ClinicSource(tables)
    window = {"first": FIRST * DAY, "after": FIRST * DAY + DAY}
    boards = Boards([(1, 5)], FIRST, 1, 15)
    writer = create_engine(tables.url)
    with reading(tables, None, 10) as connection:
        stream(connection, source._ask.all.shifts, window, boards.add_shifts, boards.add_shift_columns)
        book(writer, 1, 540, 60)
        stream(connection, source._ask.all.busy, window, boards.add_busy, boards.add_busy_columns)
    writer.dispose()
    assert boards.counts() == (4, 0, 4)
    assert source.boards(FIRST, 1, 15).counts() == (4, 4, 0)


def test_branches_staff_and_boards_of_a_snapshot_are_one_state(tables: Engine) -> None:
    """While one is read, somebody works on: names and boards still belong together, and the next read is new."""
    if tables.dialect.name == "sqlite":
        run(tables, "PRAGMA journal_mode=WAL")
    shift(tables, 540, 60)
    source = ClinicSource(tables)
    writer = create_engine(tables.url)
    with source.snapshot() as inside:
        before = inside.staff()
        book(writer, 1, 540, 60)
        assert inside.boards(FIRST, 1, 15).counts() == (4, 0, 4)
        assert inside.staff() == before
    writer.dispose()
    assert source.boards(FIRST, 1, 15).counts() == (4, 4, 0)


def test_a_read_leaves_no_transaction_behind(network: Engine, source: ClinicSource) -> None:
    source.boards(FIRST, 5, 15)
    with network.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        if network.dialect.name == "sqlite":
            assert not driver.in_transaction
        else:
            assert driver.info.transaction_status == 0
            assert connection.execute(text("SHOW statement_timeout")).scalar() == "0"
    run(network, "DELETE FROM clinic_shift")  # PostgreSQL: the connection is not read-only any more
    assert source.boards(FIRST, 5, 15).counts()[0] == 0


@pytest.mark.parametrize("value", ["NULL", "'soon'", "4000000000"])
def test_a_row_that_is_no_numbers(sqlite_url: str, value: str) -> None:
    engine = create_engine(sqlite_url)
    metadata.create_all(engine)
    run(
        engine,
        "INSERT INTO clinic_staff VALUES (1, 5, 'Ершова', '')",
        "DROP TABLE clinic_shift",
        f"CREATE VIEW clinic_shift AS SELECT 1 AS branch_id, {value} AS doctor_id, {FIRST * DAY} AS start_minute,"
        " 60 AS length_minutes",
    )
    source = ClinicSource(engine)
    if value == "4000000000":  # a number, only nobody's
        assert source.boards(FIRST, 1, 15).counts() == (0, 0, 0)
    else:
        with pytest.raises(ContractError) as failure:
            source.boards(FIRST, 1, 15)
        assert failure.value.problems[0].where == "clinic_shift"
    engine.dispose()


@pytest.mark.postgresql
def test_a_null_does_not_shift_packed_columns(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    metadata.create_all(engine)
    run(
        engine,
        "INSERT INTO clinic_staff VALUES (1, 5, 'Ершова', '')",
        "DROP TABLE clinic_shift",
        "CREATE TABLE clinic_shift (branch_id int, doctor_id int, start_minute bigint, length_minutes int)",
        f"INSERT INTO clinic_shift VALUES (1, NULL, {FIRST * DAY}, 60), (1, 5, {FIRST * DAY}, 60)",
    )
    with pytest.raises(ContractError) as failure:
        ClinicSource(engine).boards(FIRST, 1, 15)
    assert failure.value.problems[0].where == "clinic_shift"
    engine.dispose()


def test_a_statement_that_takes_too_long(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    else:
        endless = "SELECT 1 FROM pg_sleep(60)"
    rest = "'x' AS name, 'Asia/Omsk' AS time_zone, 'x' AS phone, 'x' AS address"
    run(engine, f"CREATE VIEW clinic_branch AS SELECT ({endless}) AS branch_id, {rest}")
    with pytest.raises(NoDatabase):
        ClinicSource(engine, deadline_s=0.05).branches()


def test_a_database_that_is_not_there() -> None:
    source = ClinicSource(create_engine("postgresql+psycopg://nobody@127.0.0.1:9/none?connect_timeout=2"))
    with pytest.raises(NoDatabase) as failure:
        source.staff()
    assert "nobody" not in str(failure.value)


def test_errors_keep_phones_to_themselves(network: Engine, source: ClinicSource) -> None:
    run(network, "ALTER TABLE clinic_patient RENAME COLUMN phone_key TO other")
    with pytest.raises(ContractError) as failure:
        source.patients_by_phone(["9450001122"])
    assert "9450001122" not in str(failure.value)
    assert failure.value.__suppress_context__
    assert [problem.where for problem in failure.value.problems] == ["clinic_patient.phone_key"]


def test_mistakes_of_the_caller_stay_his(source: ClinicSource) -> None:
    with pytest.raises(ValueError, match="grid"):
        source.boards(FIRST, 5, 7)


def test_rows_are_never_held(engine: Engine) -> None:
    """Thousands of rows pass; Python holds a batch, or a packed branch, at a time."""
    counts = generate(engine, GeneratorSettings(branches=4, doctors=10, days=30, first_day=FIRST, patients=20))
    source = ClinicSource(engine)
    source.boards(FIRST, 30, 15)  # what is compiled and pooled once
    tracemalloc.start()
    source.boards(FIRST, 30, 15)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert counts.appointments > 9_000
    assert peak < 800_000


def test_boards_cost_three_queries(sqlite_url: str) -> None:
    """Nothing is asked beside them, and none twice."""
    engine = create_engine(sqlite_url)
    metadata.create_all(engine)
    engine.dispose()
    sent: list[str] = []

    @event.listens_for(engine, "connect")
    def trace(connection: sqlite3.Connection, _record: object) -> None:
        connection.set_trace_callback(sent.append)

    ClinicSource(engine).boards(FIRST, 5, 15)
    assert [words.split()[0] for words in sent] == ["BEGIN", "SELECT", "SELECT", "SELECT", "ROLLBACK"]
    engine.dispose()
