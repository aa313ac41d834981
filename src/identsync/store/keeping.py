"""What grows with time is deleted in portions, the oldest first: statements that every room's keeping is made of."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, select

from identsync.store.lists import among

PORTION = 2_000
"""Rows deleted in one transaction: SQL Server locks the whole table from 5,000 on, and a lease must outlive it."""


def oldest_go(
    connection: Connection, table: Table, column: ColumnElement[int], before: ColumnElement[int] | int,
    *only: ColumnElement[bool],
) -> int:  # fmt: skip
    """Delete ``PORTION`` rows by a range of their time; how many went, fewer = these were all.

    As many locks as a portion has rows, on every database.
    """
    old = and_(column < before, *only)
    last = connection.scalar(select(column).where(old).order_by(column).offset(PORTION - 1).limit(1))
    where = old if last is None else and_(column <= last, *only)
    return connection.execute(delete(table).where(where)).rowcount


def first_go(
    connection: Connection, table: Table, number: ColumnElement[int], column: ColumnElement[int], before_ms: int
) -> int:
    """Delete ``PORTION`` rows of a table whose time has no index, by their numbers, which rise with it."""
    rows = connection.execute(select(number, column).order_by(number).limit(PORTION)).all()
    old = [row[0] for row in rows if row[1] < before_ms]
    if old:
        connection.execute(delete(table).where(number <= old[-1], column < before_ms))
    return len(old)


def named_go(
    connection: Connection, table: Table, column: ColumnElement[Any], values: Sequence[int], *only: ColumnElement[bool]
) -> None:
    """Delete the rows that a list names, a portion of them at most."""
    if values:
        connection.execute(delete(table).where(among(connection, column, values), *only))


def settled_go(
    connection: Connection, number: Column[Any], ids: Sequence[int], noted: Column[Any], *settled: ColumnElement[bool]
) -> None:
    """Delete the rows with these numbers that are ``settled`` still, then what was noted on them.

    One taken up again since its number was read stays, and its notes (rows of ``noted``, which names the number) too.
    """
    named_go(connection, number.table, number, ids, *settled)
    if ids:
        taken_up = select(number).where(among(connection, number, ids))
        named_go(connection, noted.table, noted, ids, noted.not_in(taken_up))
