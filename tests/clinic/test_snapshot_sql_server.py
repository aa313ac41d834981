"""SQL Server: the clinic is read in a snapshot where its database allows that, else as committed.

Over a driver that only listens; nothing of it has run on a SQL Server.
"""

from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from identsync.clinic.session import clinic_engine, reading
from identsync.errors import NoDatabase
from tsql import Cursor, Driver, needs_odbc

pytestmark = needs_odbc
SNAPSHOT, COMMITTED = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
READ = "SELECT name FROM clinic_branch"


class Noting(Driver):
    """Notes what it is told; answers with the database's ``state``, or raises what a read shall meet."""

    timeout = 0

    def __init__(self, state: int) -> None:
        self.state, self.said = state, list[str]()
        self.error: Exception | None = None

    def cursor(self) -> Cursor:
        return Answering(self)

    def execute(self, sql: str) -> Cursor:
        return self.cursor().execute(sql)

    def rollback(self) -> None:
        self.said.append("ROLLBACK")


class Answering(Cursor):
    def __init__(self, driver: Noting) -> None:
        self._driver = driver

    def execute(self, sql: str, *values: Any) -> Cursor:
        self._driver.said.append(sql)
        if sql == READ and self._driver.error is not None:
            raise self._driver.error
        return super().execute(sql, *values)

    def fetchone(self) -> tuple[int]:
        return (self._driver.state,)


def engine_of(driver: Noting, monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = clinic_engine("mssql+pyodbc:///?odbc_connect=nowhere")
    event.listen(engine, "do_connect", lambda *_: driver)
    monkeypatch.setattr(engine.dialect, "initialize", lambda _: None)
    engine.dialect.default_isolation_level = "READ COMMITTED"
    return engine


def read(engine: Engine) -> None:
    with reading(engine, None, 10) as connection:
        connection.execute(text(READ))


def how(driver: Noting) -> list[str]:
    """How the last reads were isolated."""
    said = [sql for sql in driver.said if sql in (SNAPSHOT, COMMITTED, READ)]
    driver.said.clear()
    return said


@pytest.mark.parametrize(("state", "wanted"), [(0, [READ]), (1, [SNAPSHOT, READ, COMMITTED]), (3, [READ])])
def test_a_database_that_allows_snapshots_is_read_in_one(
    state: int, wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = Noting(state)
    engine = engine_of(driver, monkeypatch)
    for _ in range(2):
        read(engine)
        assert how(driver) == wanted
    engine.dispose()


def test_views_that_read_another_database_without_snapshots_are_read_as_committed_from_then_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pyodbc

    driver = Noting(1)
    engine = engine_of(driver, monkeypatch)
    refused = (
        "[42000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]Snapshot isolation transaction failed (3952)"
    )
    driver.error = pyodbc.ProgrammingError("42000", f"{refused} (SQLExecDirectW)")
    with pytest.raises(NoDatabase):
        read(engine)
    driver.error = None
    driver.said.clear()
    read(engine)
    assert how(driver) == [READ]
    engine.dispose()
