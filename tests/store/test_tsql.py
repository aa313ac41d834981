"""What tests/tsql.py forbids, rule by rule; and the tables as a person creates them on SQL Server by hand."""

import re
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Unicode,
    create_engine,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import mssql

import tsql
from identsync.store import Store, migrate, slots, tables
from identsync.store.lists import write_many

WINDOWS = "statements are the same on every system: they are listened to elsewhere"
heard = pytest.mark.skipif(sys.platform == "win32" or bool(tsql.DEAF), reason=tsql.DEAF or WINDOWS)
BAD = {
    "SELECT a FROM t ORDER BY a LIMIT 3": "not T-SQL: 'LIMIT'",
    "INSERT INTO t (a) VALUES (?) ON CONFLICT DO NOTHING": "not T-SQL: 'ON CONFLICT'",
    "UPDATE t SET a=? RETURNING a": "not T-SQL: 'RETURNING'",
    "SELECT a FROM t WHERE (a, b) IN ((?, ?), (?, ?))": "not T-SQL: ') IN (('",
    "SELECT a FROM t WHERE b = true": "not T-SQL: '= true'",
    "SELECT a || b FROM t": "not T-SQL: '||'",
    "SELECT a FROM t WHERE a IS DISTINCT FROM b": "not T-SQL: 'IS DISTINCT FROM'",
    "SELECT substr(a, 1, 2) FROM t": "unknown function substr",
    "SELECT a FROM t WHERE length(a) > 3": "unknown function length",
    "SELECT coalesce(a, ?), count(*) FROM t GROUP BY coalesce(a, ?)": "a parameter in GROUP BY",
    "SELECT a IS NULL AS gone FROM t": "a condition in the list of SELECT",
    "SELECT a = ? AS same FROM t": "a condition in the list of SELECT",
    "SELECT a FROM t OFFSET 3 ROWS FETCH FIRST 2 ROWS ONLY": "OFFSET without ORDER BY",
    "SET IDENTITY_INSERT t ON": "a number of our own",
}
GOOD = [
    "SELECT TOP 3 a, coalesce(b, ?) AS b FROM t WHERE a IN (?, ?) ORDER BY b",
    "SELECT t.a, CASE WHEN (t.b IS NULL) THEN 1 ELSE 0 END AS gone FROM t GROUP BY t.a, t.b HAVING count(*) > ?",
    "INSERT INTO identsync.outbox ([limit], a) OUTPUT inserted.id VALUES (?, ?)",
    "UPDATE t SET a=N'LIMIT 3 || x' WHERE NOT (EXISTS (SELECT 1 FROM u WHERE u.a = t.a))",
    "SELECT a FROM (SELECT a, row_number() OVER (ORDER BY a) AS n FROM t) AS q WHERE q.n = 1",
]


@pytest.mark.parametrize("sql", BAD)
def test_what_is_no_t_sql_is_found(sql: str) -> None:
    assert [fault for fault in tsql.faults(sql) if fault.startswith(BAD[sql])] != []


@pytest.mark.parametrize("sql", GOOD)
def test_what_is_t_sql_passes(sql: str) -> None:
    assert list(tsql.faults(sql)) == []


@pytest.mark.parametrize(
    ("kind", "value", "fault"),
    [
        (String(5), "имя", "letters that varchar does not have"),
        (Unicode(5), "имя", None),
        (Unicode(3), "\U0001f600\U0001f600", "4 characters in a column of 3"),
        (String(3), "abcd", "4 characters in a column of 3"),
        (Integer(), 2**31, "a number of more than 31 bits"),
        (SmallInteger(), 2**15 - 1, None),
        (SmallInteger(), 2**15, "a number of more than 15 bits"),
        (BigInteger(), -(2**63), None),
    ],
)
def test_a_value_that_its_column_would_not_hold_is_found(kind: Any, value: Any, fault: str | None) -> None:
    context = compiled(insert(Table("t", MetaData(), Column("a", kind))), {"a": value})
    assert list(tsql.faults_of_values(context)) == ([f"a: {fault}"] if fault else [])
    context = compiled(update(Table("t", MetaData(), Column("a", kind))), {"a": value})
    assert list(tsql.faults_of_values(context)) == ([f"a: {fault}"] if fault else [])


def compiled(statement: Any, values: dict[str, Any]) -> Any:
    """What an execution of a statement on SQL Server knows of itself."""
    from sqlalchemy.dialects.mssql import pyodbc

    dialect = pyodbc.MSDialect_pyodbc()
    made = statement.compile(dialect=dialect, column_keys=list(values))
    return SimpleNamespace(compiled=made, dialect=dialect, compiled_parameters=[made.construct_params(values)])


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Connection], object]], list[str]]:
    """What is found in statements of the product: those of this module are taken for its own."""
    monkeypatch.setattr(tsql, "_place", lambda: ("here", 0))
    monkeypatch.setattr(tsql, "_samples", tsql.Counter())

    def say(work: Callable[[Connection], object]) -> list[str]:
        engine = create_engine("sqlite://")
        tables.metadata.create_all(engine, tables=[tables.outbox])
        tsql.taken()
        tsql._samples.clear()  # making the table was some of them
        with engine.connect() as connection:
            work(connection)
        engine.dispose()
        return tsql.taken()

    return say


@heard
def test_a_second_question_while_the_first_is_answered_is_found(said: Any) -> None:
    ids = select(literal(1).label("n")).union_all(select(literal(2)))

    def nested(connection: Connection) -> None:
        for _row in connection.execute(ids):
            connection.execute(ids).all()

    assert [one for one in said(nested) if "no MARS" in one] != []

    def in_turn(connection: Connection) -> None:
        for _row in connection.execute(ids).all():
            assert connection.execute(ids).first()
            assert connection.execute(ids).scalar()

    assert said(in_turn) == []


@heard
def test_too_many_parameters_are_found(said: Any) -> None:
    asked = select(tables.outbox.c.id)
    assert said(lambda connection: connection.execute(asked.where(tables.outbox.c.scope.in_(range(2_000))))) == []
    [found] = said(lambda connection: connection.execute(asked.where(tables.outbox.c.scope.in_(range(2_098)))))
    assert "2098 parameters" in found


@heard
def test_a_statement_that_cannot_be_made_is_found(said: Any) -> None:
    asked = select(tables.outbox.c.id).limit(2).offset(3)
    assert [one for one in said(lambda connection: connection.execute(asked)) if "order_by" in one] != []


@heard
def test_many_rows_go_in_portions_that_sql_server_takes(said: Any) -> None:
    row = {"stream": "s", "scope": 1, "key": "k", "state": "held", "reason": "", "made_ms": 1, "changed_ms": 1}
    row |= {"rank": 0, "address": "", "due_ms": 1, "until_ms": 1}
    rows = [row | {"key": str(number)} for number in range(1_000)]
    assert said(lambda connection: write_many(connection, tables.outbox, rows)) == []


@heard
def test_the_product_is_heard(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else everything that the suite finds clean is clean because nobody listened."""
    if store.dialect != "sqlite":
        return
    sentences: dict[str, tuple[str, tuple[str, ...]]] = {}
    monkeypatch.setattr(tsql, "_samples", tsql.Counter())
    monkeypatch.setattr(tsql, "heard", sentences)
    with store.write() as connection:
        slots.run_now(connection, "nothing", 1)
    [(sql, (place, kinds))] = sentences.items()
    assert re.match(r"UPDATE identsync\.task_slot SET eligible_ms=.* WHERE identsync\.task_slot\.kind = \?", sql)
    assert place.startswith("store/slots.py:")
    assert kinds == ("VARCHAR(64)", "BIGINT", "SMALLINT")


# -- tables made by hand ---------------------------------------------------------------------------------------------

SCRIPT = migrate.script("mssql", "identsync")


def test_the_script_has_its_batches() -> None:
    """What stands in them is judged in tests/sqlserver."""
    batches = [batch for batch in re.split(r"^GO$", SCRIPT, flags=re.MULTILINE) if batch.strip()]
    assert len(batches) > 50
    assert re.fullmatch(r"\s*CREATE SCHEMA identsync;\s*", batches[0]), "it may not share a batch"


def test_the_script_makes_no_type_that_cannot_be_compared() -> None:
    """TEXT, NTEXT and IMAGE know neither = nor LEN nor DISTINCT."""
    assert re.findall(r"\b(NTEXT|IMAGE|TEXT|DATETIME|BIT)\b", SCRIPT) == []
    assert re.search(r"\bpayload VARBINARY\(max\)", SCRIPT)


def columns(table: Table) -> dict[str, str]:
    """Name and type of each column, with IDENTITY where it counts by itself."""
    dialect = mssql.dialect(deprecate_large_types=True)  # type: ignore[no-untyped-call]
    counting = table._autoincrement_column
    kinds = {column.name: str(column.type.compile(dialect=dialect)) for column in table.columns}
    return {name: kind + " IDENTITY" * (counting is not None and name == counting.name) for name, kind in kinds.items()}


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=str)
def test_the_script_makes_the_tables_that_the_product_knows(table: Table) -> None:
    [body] = re.findall(rf"CREATE TABLE identsync\.{table.name} \((.*?)\n\);", SCRIPT, re.DOTALL)
    line = re.compile(r"^    \[?(\w+)\]? ([A-Z]+(?:\(\w+\))?)(?: NOT)?(?: NULL)?( IDENTITY)?", re.MULTILINE)
    adding = re.compile(rf"^ALTER TABLE identsync\.{table.name} ADD (\w+) ([A-Z]+(?:\(\w+\))?) NULL;", re.MULTILINE)
    found = [*line.findall(body), *((*each, "") for each in adding.findall(SCRIPT))]
    assert columns(table) == {name: kind + own for name, kind, own in found if name not in {"PRIMARY", "UNIQUE"}}


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=str)
def test_keys_are_short_enough_and_never_null(table: Table) -> None:
    """900 bytes of a clustered key, 1,700 of another; a unique constraint takes one NULL only."""
    assert size(table.primary_key.columns) <= 900
    for constraint in table.constraints:
        if type(constraint).__name__ == "UniqueConstraint":
            unique: Any = constraint
            assert size(unique.columns) <= 1700
            assert not [column.name for column in unique.columns if column.nullable]
    for index in table.indexes:
        assert size(index.columns) <= 1700


def size(keys: Any) -> int:
    """Bytes of a key at most."""
    return sum(_bytes(column.type) for column in keys)


def _bytes(kind: Any) -> int:
    if isinstance(kind, String):
        return (kind.length or 10**6) * (2 if isinstance(kind, Unicode) else 1)
    return 8 if isinstance(kind, Integer) else 10**6


def test_only_numbers_that_the_database_gives_count_by_themselves() -> None:
    """To put one's own number into such a column a login needs the right to change the table."""
    counting = {table.name: table._autoincrement_column for table in tables.metadata.sorted_tables}
    assert {column.name for column in counting.values() if column is not None} == {"id"}


def test_lengths_are_asked_for_in_a_way_that_all_three_know() -> None:
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    asked = select(func.length(tables.lead.c.comment), func.substring(tables.lead.c.comment, 1, 2))
    assert list(tsql.faults(str(asked.compile(dialect=dialect)))) == []
