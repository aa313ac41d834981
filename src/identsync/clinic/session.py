"""One read of the clinic's database: a read-only snapshot with a deadline, and errors in the engine's words."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Select, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from identsync.clinic import contract
from identsync.errors import ContractError, IdentsyncError, Problem, Unavailable

ROWS = 1024
"""Rows in hand at a time while the schedule goes into the boards."""
_STEPS = 200_000  # instructions of SQLite's machine between two looks at the clock: a few milliseconds


@contextmanager
def reading(engine: Engine, schema: str | None, deadline_s: float) -> Iterator[Connection]:
    """Open a transaction that sees one state of the database, as far as its kind allows, and changes nothing.

    SQLite and PostgreSQL give a snapshot, SQL Server committed rows (READ COMMITTED). Each statement may take
    ``deadline_s`` seconds. Errors of the driver become :class:`ContractError` where a relation is missing or wrong and
    :class:`Unavailable` otherwise; their texts carry the kind of the error only, never a row.
    """
    try:
        with engine.connect() as connection:
            options = _OPTIONS.get(engine.dialect.name, {})
            with _DEADLINES[engine.dialect.name](connection.execution_options(**options), deadline_s):
                yield connection
    except IdentsyncError:
        raise
    except Exception as error:
        if (translated := _translated(engine, schema, error)) is None:
            raise
        raise translated from None  # SQLAlchemy's text quotes the parameters: phones


def stream(connection: Connection, statement: Select[Any], values: dict[str, Any], add: Callable[[Any], Any]) -> None:
    """Run ``statement`` on a cursor of the driver itself and hand its rows to ``add``, a batch at a time.

    SQLAlchemy's rows would double the price of a pass (facts: performance.md 1), so only its SQL is used here.
    """
    sql, parameters = _rendered(statement, values, connection.dialect)
    driver = connection.connection.driver_connection
    assert driver is not None
    server_side = connection.dialect.name == "postgresql"  # a client-side cursor would hold every row at once
    cursor = driver.cursor("identsync", binary=True) if server_side else driver.cursor()
    try:
        cursor.execute(sql, parameters)
        if connection.dialect.name == "sqlite":
            add(cursor)
            return
        while rows := cursor.fetchmany(ROWS):
            add(rows)
    except (ValueError, TypeError, OverflowError) as error:  # a row the core does not take; its numbers are no secret
        relation = statement.get_final_froms()[0]
        raise ContractError([Problem(str(relation), str(error), "see `identsync clinic check`")]) from None
    finally:
        cursor.close()


def _rendered(statement: Select[Any], values: dict[str, Any], dialect: Dialect) -> tuple[str, Any]:
    compiled: Any = statement.compile(dialect=dialect)
    state = compiled.construct_expanded_state(values)
    return state.statement, state.positional_parameters if compiled.positional else state.parameters


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
    # A cursor is planned for its first tenth of rows unless told that all of them are wanted.
    connection.execute(
        text("SELECT set_config('statement_timeout', :ms, true), set_config('cursor_tuple_fraction', '1', true)"),
        {"ms": str(int(deadline_s * 1000))},
    )
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
_OPTIONS: dict[str, dict[str, Any]] = {
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
}


def _translated(engine: Engine, schema: str | None, error: Exception) -> IdentsyncError | None:
    driver: Any = engine.dialect.dbapi
    cause = error.orig if isinstance(error, DBAPIError) else error
    kind = type(cause).__name__
    if isinstance(cause, driver.ProgrammingError) or str(cause).startswith("no such "):  # SQLite's way to say it
        return ContractError(_problems(engine, schema) or [Problem("clinic", f"a relation cannot be read ({kind})")])
    if isinstance(cause, driver.Error) or isinstance(error, PoolTimeout):
        return Unavailable(f"clinic database: {kind}", sent=False)
    return None


def _problems(engine: Engine, schema: str | None) -> list[Problem]:
    try:
        return contract.check(engine, schema)
    except SQLAlchemyError:
        return []
