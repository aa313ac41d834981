"""One read of the clinic's database: a read-only snapshot with a deadline, and errors in the engine's words.

SQLite and PostgreSQL give a snapshot to who asks for it. SQL Server does where the database's administrator has said
ALLOW_SNAPSHOT_ISOLATION ON; else committed rows are read (READ COMMITTED), and a visit that is moved from a place not
yet read to one already read is missed until the next run.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from identsync.clinic import contract
from identsync.errors import ContractError, IdentsyncError, NoDatabase, Problem
from identsync.language import _
from identsync.store.connect import Source, store_engine
from identsync.store.failures import Reaction, is_refusal, reaction, refuses_snapshots, unreached

_SNAPSHOT, _ALLOWED = "identsync_snapshot", 1  # states of SQL Server besides: off, and on the way to either
_STEPS = 200_000  # instructions of SQLite's machine between two looks at the clock: a few milliseconds
log = structlog.get_logger(__name__)


@contextmanager
def reading(engine: Engine, schema: str | None, deadline_s: float, *, brief: bool = False) -> Iterator[Connection]:
    """Open a transaction that sees one state of the database, as far as it allows that, and changes nothing.

    Each statement may take ``deadline_s`` seconds. Errors of the driver become :class:`ContractError` where a relation
    is missing or wrong and :class:`NoDatabase` otherwise; their texts never carry a row. ``brief`` is for a few rows
    found by key, again and again: the driver may keep the statement and the server its plan.
    """
    try:
        with engine.connect() as connection:
            options = _isolation(connection)
            with _DEADLINES[engine.dialect.name](connection.execution_options(**options), deadline_s):
                yield connection
                if brief:
                    connection.commit()  # psycopg forgets its prepared statements at each ROLLBACK
    except IdentsyncError:
        raise
    except Exception as error:
        if refuses_snapshots(error):  # the views read another database, too: from now on as without snapshots
            engine.update_execution_options(**{_SNAPSHOT: False})
        if (translated := _translated(engine, schema, error)) is None:
            raise
        raise translated from None  # SQLAlchemy's text quotes the parameters: phones


def clinic_engine(source: Source) -> Engine:
    """Make the engine for the clinic's database; a connection to SQL Server finds out whether that allows snapshots."""
    engine = store_engine(source)
    if engine.dialect.name == "mssql":
        event.listen(engine, "connect", _look)
    return engine


def _look(driver: Any, record: Any) -> None:
    cursor = driver.cursor()
    row = cursor.execute("SELECT snapshot_isolation_state FROM sys.databases WHERE database_id=DB_ID()").fetchone()
    cursor.close()
    driver.rollback()
    record.info[_SNAPSHOT] = row is not None and row[0] == _ALLOWED


def _isolation(connection: Connection) -> dict[str, Any]:
    if connection.dialect.name == "postgresql":
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    allowed = connection.info.get(_SNAPSHOT, False) and connection.get_execution_options().get(_SNAPSHOT, True)
    return {"isolation_level": "SNAPSHOT"} if allowed else {}


@contextmanager
def _sqlite(connection: Connection, deadline_s: float) -> Iterator[None]:
    connection.begin()
    driver: Any = connection.connection.driver_connection
    if not driver.in_transaction:  # the driver opens one before a write only
        driver.execute("BEGIN")
    until = time.monotonic() + deadline_s
    driver.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


@contextmanager
def _postgresql(connection: Connection, deadline_s: float) -> Iterator[None]:
    connection.execute(_STATEMENT_TIMEOUT, {"ms": str(int(deadline_s * 1000))})
    yield


@contextmanager
def _mssql(connection: Connection, deadline_s: float) -> Iterator[None]:
    driver: Any = connection.connection.driver_connection
    before, driver.timeout = driver.timeout, max(1, int(deadline_s))
    try:
        yield
    finally:
        driver.timeout = before


_DEADLINES = {"sqlite": _sqlite, "postgresql": _postgresql, "mssql": _mssql}
_STATEMENT_TIMEOUT = text("SELECT set_config('statement_timeout', :ms, true)")


def _translated(engine: Engine, schema: str | None, error: Exception) -> IdentsyncError | None:
    driver: Any = engine.dialect.dbapi
    cause: Any = error.orig if isinstance(error, DBAPIError) else error
    kind = type(cause).__name__
    # A server that is starting, or has no room, speaks in the class of a missing relation: its number tells them apart.
    mistake = reaction(cause) in {Reaction.DEFECT, Reaction.DENIED} and not is_refusal(cause)
    wrong = isinstance(cause, driver.ProgrammingError) and mistake
    if wrong or str(cause).startswith("no such "):  # SQLite's way to say it
        return ContractError(_problems(engine, schema) or [Problem("clinic", _("не читается ({kind})", kind=kind))])
    log.info("clinic.unavailable", error=kind)
    if known := unreached(cause):
        what, hint = known
        return NoDatabase(_("база клиники: {what}", what=what), sent=False, hint=hint)
    if isinstance(cause, driver.Error) or isinstance(error, PoolTimeout):
        return NoDatabase(_("база клиники не отвечает"), sent=False)
    return None


def _problems(engine: Engine, schema: str | None) -> list[Problem]:
    try:
        return contract.check(engine, schema)
    except SQLAlchemyError:
        return []
