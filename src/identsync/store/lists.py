"""Reading by long lists of values (``WHERE key IN (500 of them)``), and writing many rows at once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import orjson
from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    Connection,
    Insert,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    column,
    func,
    insert,
    literal,
    select,
    text,
)

T = TypeVar("T")
IN = 500  # parameters in one list: below the limit of every database
LONG = 50
_ANEW = text("SET LOCAL plan_cache_mode = force_custom_plan")


def portions(values: Collection[T], most: int = IN) -> Iterator[list[T]]:
    """Give the values in lists of at most ``most``, in their order."""
    every = list(values)
    return (every[at : at + most] for at in range(0, len(every), most))


def plan_anew(connection: Connection, values: int) -> None:
    """Have PostgreSQL plan the statements of this transaction for the values they get, where those are many.

    The driver prepares a statement that comes again, and a plan made while a table was young reads all of it and
    compares each row with each value of the list: 50 ms for 500 keys in 10,000 rows, where 2 ms are enough.
    """
    if values >= LONG and connection.dialect.name == "postgresql":
        connection.execute(_ANEW)


def among(connection: Connection, column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition ``column IN values``: for PostgreSQL one parameter instead of so many."""
    if connection.dialect.name == "postgresql":
        return column == any_(literal(list(values), ARRAY(column.type)))
    return column.in_(values)


def write_many(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that name the same columns: numbers, texts, None.

    PostgreSQL gets them as one JSON text, a third of the price of a statement for each.
    """
    if connection.dialect.name == "postgresql" and len(rows) >= LONG:
        connection.execute(_from_json(table, tuple(rows[0])), {"rows": orjson.dumps(rows).decode()})
    elif rows:
        connection.execute(insert(table), [dict(row) for row in rows])


@lru_cache(maxsize=32)
def _from_json(table: Table, names: tuple[str, ...]) -> Insert:
    told = func.json_to_recordset(cast(bindparam("rows", type_=Text()), JSON))
    columns = (column(name, table.c[name].type) for name in names)
    rows = told.table_valued(*columns).render_derived(with_types=True)
    return insert(table).from_select(names, select(*(rows.c[name] for name in names)), include_defaults=False)
