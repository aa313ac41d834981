"""The schedule's rows on their way from the driver into the core, by the cheapest road each database has.

SQLAlchemy's row objects would double the price of a pass (facts: performance.md 1), so only its SQL is used here.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from sys import byteorder
from typing import Any

from sqlalchemy import Connection, Select, func, literal_column, select
from sqlalchemy.engine import Dialect

from identsync.errors import ContractError, Problem

ROWS = 1024
"""Rows in hand at a time, where rows come one by one."""
TEXTS = 256
"""The same where texts are parsed: row by row, driver and parser would push each other out of the cache."""

AddRows = Callable[[Iterable[Sequence[Any]]], int]
AddColumns = Callable[..., int]  # as many arrays as the statement has columns


def stream(
    connection: Connection, statement: Select[Any], values: dict[str, Any], rows: AddRows, columns: AddColumns | None
) -> None:
    """Run ``statement`` (integer columns, the branch first) and hand its rows, or columns, to the core.

    ``columns`` None: there are texts among them, so only rows will do. Raises :class:`ContractError` where a row does
    not hold what it should.
    """
    try:
        if columns is not None and connection.dialect.name == "postgresql":
            _packed(connection, statement, values, columns)
        else:
            _rows(connection, statement, values, rows, texts=columns is None)
    except (ValueError, TypeError, OverflowError) as error:  # the core's words hold numbers only
        relation = str(statement.get_final_froms()[0])
        raise ContractError([Problem(relation, str(error), "identsync clinic check")]) from None


def fetched(connection: Connection, statement: Select[Any], values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Run a statement and give the driver's own rows, all of them."""
    with _asked(connection, statement, values) as cursor:
        return list(cursor.fetchall())


def portions(connection: Connection, statement: Select[Any], values: dict[str, Any], add: AddRows) -> None:
    """Run a statement and hand over the driver's own rows, some thousand at a time."""
    with _asked(connection, statement, values) as cursor:
        _hand_over(cursor, add, 8 * ROWS)


def _rows(connection: Connection, statement: Select[Any], values: dict[str, Any], add: AddRows, *, texts: bool) -> None:
    with _asked(connection, statement, values) as cursor:
        if connection.dialect.name == "sqlite" and not texts:
            add(cursor)
        else:
            _hand_over(cursor, add, TEXTS if texts else ROWS)


def _hand_over(cursor: Any, add: AddRows, most: int) -> None:
    while batch := cursor.fetchmany(most):
        add(batch)


@contextmanager
def _asked(connection: Connection, statement: Select[Any], values: dict[str, Any]) -> Iterator[Any]:
    """Run a statement; give the driver's cursor."""
    sql, parameters = _rendered(statement, values, connection.dialect, packed=False)
    cursor = _driver(connection).cursor()
    try:
        cursor.execute(sql, parameters)
        yield cursor
    finally:
        cursor.close()


def _packed(connection: Connection, statement: Select[Any], values: dict[str, Any], add: AddColumns) -> None:
    """Let PostgreSQL pack the columns of a branch into one binary string each: a third of the price of rows."""
    sql, parameters = _rendered(statement, values, connection.dialect, packed=True)
    with _driver(connection).cursor() as cursor:
        for count, *packed in cursor.stream(sql, parameters, binary=True):
            if any(len(column) != 8 * count for column in packed if column is not None) or None in packed:
                raise ValueError("NULL in a column of numbers")  # string_agg leaves NULL out
            add(*(_integers(column) for column in packed))


def _packing(statement: Select[Any]) -> Select[Any]:
    source = statement.subquery().c
    nothing: Any = literal_column("''::bytea")
    columns = (func.string_agg(func.int8send(column), nothing) for column in source)
    return select(func.count(), *columns).group_by(source[0])


def _integers(packed: bytes) -> "array[int]":
    numbers = array("q", packed)
    if byteorder == "little":
        numbers.byteswap()
    return numbers


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _rendered(statement: Select[Any], values: dict[str, Any], dialect: Dialect, *, packed: bool) -> tuple[str, Any]:
    compiled = _compiled(statement, dialect, packed)
    state = compiled.construct_expanded_state(values)
    return state.statement, state.positional_parameters if compiled.positional else state.parameters


@lru_cache(maxsize=64)
def _compiled(statement: Select[Any], dialect: Dialect, packed: bool) -> Any:
    return (_packing(statement) if packed else statement).compile(dialect=dialect)
