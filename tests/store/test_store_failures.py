"""What errors of the three drivers mean; SQL Server's are made by hand, in the shape pyodbc gives them."""

import re
import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from identsync.errors import NoDatabase, Unavailable
from identsync.store import Denied, Fence, Limiter
from identsync.store.failures import Reaction, reaction, unavailable
from identsync.store.limiter import mssql

SERVER = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"


class OdbcError(Exception):
    """As pyodbc.Error: SQLSTATE first, then a text that ends in SQL Server's numbers."""


def odbc(state: str, text: str, *numbers: int) -> OdbcError:
    tail = "; ".join(f"({n}) (SQLExecDirectW)" for n in numbers)
    return OdbcError(state, f"[{state}] {SERVER}{text} {tail}")


ERRORS = {
    "deadlock": (odbc("40001", "Transaction (Process ID 55) was deadlocked", 1205), Reaction.AGAIN),
    "deadlock by state alone": (odbc("40001", "deadlocked"), Reaction.AGAIN),
    "snapshot conflict": (odbc("42000", "Snapshot isolation transaction aborted", 3960), Reaction.AGAIN),
    "lock timeout": (odbc("HYT00", "Lock request time out period exceeded.", 1222), Reaction.BUSY),
    "duplicate key": (odbc("23000", "The duplicate key value is (x, 5).", 2627, 3621), Reaction.DUPLICATE),
    "duplicate index": (odbc("23000", "Cannot insert duplicate key row", 2601, 3621), Reaction.DUPLICATE),
    "null in a column": (odbc("23000", "Cannot insert the value NULL", 515, 3621), Reaction.DEFECT),
    "output with a trigger": (odbc("42000", "cannot have any enabled triggers", 334), Reaction.DEFECT),
    "link": (odbc("08S01", "Communication link failure", 10054), Reaction.LOST),
    "server away": (odbc("08001", "Login timeout expired", 0), Reaction.LOST),
    "query timeout": (odbc("HYT00", "Query timeout expired", 0), Reaction.LATER),
    "read-only after fail-over": (odbc("25000", "because the database is read-only", 3906), Reaction.LOST),
    "database not open yet": (odbc("42000", "Cannot open database. The login failed.", 4060, 18456), Reaction.LOST),
    "login refused": (odbc("28000", "Login failed for user 'x'.", 18456), Reaction.LOST),
    "login locked": (odbc("28000", "The account is currently locked out.", 18486), Reaction.LOST),
    "no right": (odbc("42000", "The UPDATE permission was denied on the object 'x'", 229), Reaction.DENIED),
    "in recovery": (
        odbc("42000", "Database is being recovered. Waiting until recovery is finished.", 922),
        Reaction.LOST,
    ),
    "in a restore": (odbc("42000", "It is in the middle of a restore.", 927), Reaction.LOST),
    "moved to another server": (odbc("42000", "Unable to access availability database", 983), Reaction.LOST),
    "session killed": (odbc("HY000", "the session is in the kill state.", 596), Reaction.LOST),
    "file full": (odbc("42000", "Could not allocate space", 1105), Reaction.LATER),
    "log full": (odbc("42000", "The transaction log is full due to LOG_BACKUP.", 9002), Reaction.LATER),
    "no memory": (odbc("42000", "There is insufficient system memory", 701), Reaction.LATER),
    "no locks": (odbc("42000", "cannot obtain a LOCK resource", 1204), Reaction.LATER),
    "a row that reads like a number": (
        odbc("23000", "The duplicate key value is (701).", 2627, 3621),
        Reaction.DUPLICATE,
    ),
    "syntax": (odbc("42000", "Incorrect syntax near 'x'", 102), Reaction.DEFECT),
    "pg deadlock": (psycopg.errors.DeadlockDetected("x"), Reaction.AGAIN),
    "pg serialization": (psycopg.errors.SerializationFailure("x"), Reaction.AGAIN),
    "pg lock": (psycopg.errors.LockNotAvailable("x"), Reaction.BUSY),
    "pg duplicate": (psycopg.errors.UniqueViolation("x"), Reaction.DUPLICATE),
    "pg terminated": (psycopg.errors.AdminShutdown("x"), Reaction.LOST),
    "pg read-only": (psycopg.errors.ReadOnlySqlTransaction("x"), Reaction.LOST),
    "pg frozen": (psycopg.errors.IdleInTransactionSessionTimeout("x"), Reaction.LOST),
    "pg socket": (psycopg.OperationalError("server closed the connection unexpectedly"), Reaction.LOST),
    "pg closed": (psycopg.InterfaceError("the connection is closed"), Reaction.LOST),
    "pg disk full": (psycopg.errors.DiskFull("x"), Reaction.LATER),
    "pg no memory": (psycopg.errors.OutOfMemory("x"), Reaction.LATER),
    "pg broken disk": (psycopg.errors.IoError("x"), Reaction.LATER),
    "pg cancelled": (psycopg.errors.QueryCanceled("x"), Reaction.LATER),
    "pg no right": (psycopg.errors.InsufficientPrivilege("x"), Reaction.DENIED),
    "pg syntax": (psycopg.errors.SyntaxError("x"), Reaction.DEFECT),
    "ours": (ValueError("(1205)"), Reaction.DEFECT),
}


@pytest.mark.parametrize("name", ERRORS)
def test_reaction(name):
    error, expected = ERRORS[name]
    assert reaction(error) is expected
    assert reaction(DBAPIError("SELECT 1", None, error)) is expected  # 1205 is no OperationalError: airflow 19856


def test_reaction_to_sqlite():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a PRIMARY KEY, b UNIQUE, c CHECK (c > 0))")
    connection.execute("INSERT INTO t VALUES (1, 1, 1)")
    for row, expected in (
        ("(1, 2, 1)", Reaction.DUPLICATE),
        ("(2, 1, 1)", Reaction.DUPLICATE),
        ("(3, 3, 0)", Reaction.DEFECT),
    ):
        with pytest.raises(sqlite3.IntegrityError) as caught:
            connection.execute(f"INSERT INTO t VALUES {row}")
        assert reaction(caught.value) is expected
    connection.close()


def test_the_error_quotes_no_data():
    error = unavailable(odbc("08S01", "login of 'Иванов' to 10.0.0.1 failed", 10054))
    assert isinstance(error, NoDatabase)
    assert error.sent
    assert str(error) == "база движка: база данных не ответила (08S01)"


def test_a_file_without_rights_is_said_so():
    error = unavailable(sqlite3.OperationalError("attempt to write a readonly database"))
    assert "нельзя писать" in str(error)
    assert "права" in error.hint


@pytest.mark.parametrize("name", ["database not open yet", "login refused"])
def test_a_refused_login_is_said_so_and_tried_again(name):
    error = unavailable(ERRORS[name][0])
    assert re.search("сервер не принял вход или пароль|на сервере нет такой базы, или она не открыта", str(error))
    assert error.hint
    assert not error.sent


class FakeCursor:
    """A DBAPI cursor that plays a script: an error to raise, or rows to answer."""

    description = ((),)

    def __init__(self, script: list) -> None:
        self.script, self.statements = script, []

    def setinputsizes(self, sizes):
        self.sizes = sizes

    def execute(self, text, values):
        assert text.count("=?;") == len(values) == len(self.sizes)
        self.statements.append(text)
        step = self.script.pop(0)
        if isinstance(step, Exception):
            raise step
        self.rows = step

    def fetchall(self):
        return self.rows


class FakeLink:
    def __init__(self, script: list) -> None:
        self._cursor, self.closed = FakeCursor(script), 0

    def cursor(self):
        return self._cursor

    def close(self) -> None:
        self.closed += 1


NAMES = {"slot": "identsync.task_slot", "rate": "identsync.rate_slot", "presence": "identsync.presence"}
WON = [(5, 0, "", 1, 4, 2_000, 1_000, 1, 1_000, 0, 1, 0)]
ASK = {"holder": "h", "role": 0, "lease_ms": 1000, "interval_ms": 1000, "request": "r", "presence_ttl_ms": 1000}


def limiter(*script) -> tuple[Limiter, FakeLink]:
    link = FakeLink(list(script))
    return Limiter(mssql.SQLServer(mssql.CLOCK, {**NAMES, "run": "identsync.run_log"}), link), link


def test_sql_server_breaks_a_deadlock_and_the_claim_is_asked_again():
    one, link = limiter(ERRORS["deadlock"][0], ERRORS["snapshot conflict"][0], WON)
    assert one.claim("k", 1, **ASK).granted
    assert link.closed == 0
    assert len(set(link.cursor().statements)) == 1


def test_three_deadlocks_in_a_row_are_for_later():
    one, _ = limiter(*[ERRORS["deadlock"][0]] * 3)
    with pytest.raises(Unavailable) as caught:
        one.claim("k", 1, **ASK)
    assert not caught.value.sent


def test_sql_server_lock_timeout_denies_the_claim():
    one, link = limiter(ERRORS["lock timeout"][0])
    assert one.claim("k", 1, **ASK).why is Denied.BUSY
    assert len(link.cursor().statements) == 1


def test_sql_server_link_failure_opens_another_connection():
    one, link = limiter(ERRORS["link"][0], WON)
    assert one.claim("k", 1, **ASK).fence == 4
    assert link.closed == 1


def test_a_refused_login_is_not_tried_again_at_once():
    """A few wrong passwords in a row lock an account on SQL Server."""
    one, link = limiter(ERRORS["login refused"][0], WON)
    with pytest.raises(Unavailable):
        one.claim("k", 1, **ASK)
    assert len(link.cursor().statements) == 1


def test_sql_server_query_timeout_is_not_repeated():
    one, link = limiter(ERRORS["query timeout"][0])
    with pytest.raises(Unavailable):
        one.renew(Fence("k", 1, 4, "h", 900), 1000)
    assert len(link.cursor().statements) == 1


def test_sql_server_seed_race_is_swallowed():
    one, link = limiter([], ERRORS["duplicate key"][0], WON)
    assert one.claim("k", 1, **ASK).granted
    assert len(link.cursor().statements) == 3


def test_a_defect_is_shown_as_it_is():
    error = ERRORS["output with a trigger"][0]
    one, _ = limiter(error)
    with pytest.raises(OdbcError):
        one.claim("k", 1, **ASK)


def test_every_batch_takes_its_parameters_in_order():
    """Each operation against the fake: as many values as marks, rows only, never a row count."""
    fence, ended, done = Fence("k", 1, 4, "h", 900), [(3, 0, "", 1)], [(1,)]
    seat, denied = [(0, 0, "h", 1, 1, 2, 1, None)], [(0, 1070, 1000)]
    one, link = limiter(WON, [(4, 0, "", 1, 1)], ended, ended, [], seat, denied, [], done)
    assert one.claim("k", 1, **ASK).granted
    assert one.renew(fence, 1000) == 1
    assert one.finish(fence, interval_ms=1000, outcome="ok", counts={}, note="")
    assert one.release(fence)
    one.leave("h", [1])
    assert one.seat(1, "h", 0, lease_ms=1000, presence_ttl_ms=1000).granted
    assert one.permits("sms", 0, 1, period_ms=10, burst=1) == 70
    one.postpone("sms", 0, 1000)
    assert one.give_back("sms", 0, taken_ms=2, used_ms=1)
    assert not link.cursor().script
