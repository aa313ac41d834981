"""What SQL Server would be told: each statement that a test runs is told to it too, by a driver that only listens.

SQLite and PostgreSQL run the product; nobody here has a SQL Server. But nearly every statement is made by SQLAlchemy
for whatever database is there, so the same statement, with the values it came with, is executed a second time on an
engine of ``mssql+pyodbc`` whose connections lead nowhere. ``faults`` says what SQL Server would not take of its text,
at once and in every run. At all that was ``heard`` Microsoft's own compiler looks when a whole run ends, or with
``--judge`` (tests/sqlserver): at grammar, names and variables. Functions, GROUP BY and values are looked at here alone.
"""

import functools
import re
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    CursorResult,
    Engine,
    Integer,
    NullPool,
    SmallInteger,
    String,
    Unicode,
    create_engine,
    event,
)
from sqlalchemy.sql.elements import ReleaseSavepointClause

import prepare
from identsync.clinic import cursor
from identsync.store.limiter import mssql, postgresql, sqlite

DEAF = "" if prepare.odbc() else "the system has no ODBC (python tests/prepare.py odbc)"
needs_odbc = pytest.mark.skipif(bool(DEAF), reason=DEAF)
SOURCE = str(Path(__file__).parents[1] / "src" / "identsync")
ELSEWHERE = (
    "demo",
    "store/limiter",
    "store/migrate.py",
    "store/migrations",
    "engine/bell.py",
    "store/trial/server.py",
    "store/store.py",
)
"""What runs on other databases alone, or is written out by hand for each and tested beside it."""
UNTOLD = "nvarchar(4000)"
OFTEN = 6  # samples of one line of code in a process: its statement may differ in shape
MOST = 2097  # parameters: of 2,100 the driver's own call takes three
FUNCTIONS = {
    "AVG", "CAST", "COALESCE", "COUNT", "DATEDIFF_BIG", "LEN", "LOWER", "LTRIM", "MAX", "MIN", "NULLIF", "ROUND",
    "ROW_NUMBER", "RTRIM", "SCOPE_IDENTITY", "SUBSTRING", "SUM", "SYSUTCDATETIME", "UPPER",
}  # fmt: skip
_WORDS = {
    "ALL", "AND", "ANY", "AS", "BETWEEN", "BY", "CASE", "CHAR", "DECIMAL", "DISTINCT", "ELSE", "EXISTS", "FROM", "IN",
    "INTO", "JOIN", "LIKE", "NOT", "NVARCHAR", "ON", "OR", "OVER", "SELECT", "THEN", "TOP", "UNION", "VALUES",
    "VARBINARY", "VARCHAR", "WHEN", "WHERE", "WITH",
}  # fmt: skip
_FOREIGN = re.compile(
    r"\bLIMIT\b|\bRETURNING\b|\bON CONFLICT\b|\bILIKE\b|\bNULLS (FIRST|LAST)\b|\bFILTER\s*\("
    r"|\bIS (NOT )?DISTINCT FROM\b|\|\||::|\bIS (TRUE|FALSE)\b|(=|\bWHEN|\bAND|\bWHERE)\s+(TRUE|FALSE)\b"
    r"|\)\s*IN\s*\(\(|\bFOR UPDATE\b|\bREGEXP\b|\bSELECT EXISTS\b|\bLATERAL\b|\bUSING\s*\(|\bPRAGMA\b|\bGLOB\b",
    re.IGNORECASE,
)
_soft_close: Any = CursorResult._soft_close
_own = threading.local()
_samples: Counter[tuple[str, int]] = Counter()
_found: list[str] = []
heard: dict[str, tuple[str, tuple[str, ...]]] = {}  # text -> where it stands, the types of its parameters


class Cursor:
    """A pyodbc cursor that notes nothing and answers with one number where an answer is due."""

    rowcount = 1
    arraysize = 1
    messages: tuple[()] = ()
    description: Any = None

    def execute(self, sql: str, *_values: Any) -> "Cursor":
        answers = sql.lstrip().upper().startswith(("SELECT", "WITH")) or " OUTPUT " in sql
        self.description = [("n", int, None, None, None, None, None)] if answers else None
        return self

    def executemany(self, _sql: str, _values: Any) -> None:
        self.description = None

    def setinputsizes(self, sizes: Any) -> None: ...

    def fetchone(self) -> tuple[int]:
        return (1,)

    def fetchall(self) -> list[tuple[int]]:
        return [(1,)]

    def close(self) -> None: ...


class Driver:
    """A pyodbc connection to nowhere."""

    autocommit = False

    def add_output_converter(self, *_given: Any) -> None: ...

    def cursor(self) -> Cursor:
        return Cursor()

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


def _listening() -> Engine:
    engine = create_engine("mssql+pyodbc://", creator=Driver, poolclass=NullPool)
    dialect: Any = engine.dialect
    dialect.initialize = lambda _connection: None
    dialect.server_version_info = (13, 0)  # SQL Server 2016, the oldest that will do
    dialect._setup_version_attributes()
    dialect.default_schema_name = "dbo"
    event.listen(engine, "before_cursor_execute", _hear)
    return engine.execution_options(schema_translate_map={None: "identsync"})


def listen() -> None:
    """From now on hear what every engine of SQLite in this process is told; where pyodbc is a module at all."""
    if DEAF:
        return
    engine = _listening()

    def hear(connection: Any, clause: Any, many: Any, one: Any, _options: Any) -> None:
        if connection.dialect.name != "sqlite" or getattr(_own, "busy", False):
            return  # PostgreSQL's own statements stand in a branch of their own
        if isinstance(clause, ReleaseSavepointClause):
            return  # SQLAlchemy does not say it to SQL Server, which knows no such thing
        place = _place()
        if place is not None and _is_answering(connection):
            _found.append(f"{place[0]}:{place[1]}: asked while the answer before is still being read (no MARS)")
        if place is None or _samples[place] >= OFTEN:
            return
        _samples[place] += 1
        _own.busy, _own.place, _own.heard = True, f"{place[0]}:{place[1]}", False
        try:
            with engine.connect() as there:
                there.execute(clause, many or one or None)
        except Exception as error:  # an answer of one number fits few questions; what was not even sent is a fault
            if not _own.heard:
                _found.append(f"{_own.place}: {type(error).__name__}: {error}")
        finally:
            _own.busy = False

    event.listen(Engine, "before_execute", hear)
    event.listen(Engine, "after_execute", _remember)
    setattr(CursorResult, "_soft_close", _remember_the_end)  # noqa: B010
    _hear_the_clinics_cursor(engine.dialect)


def _hear_the_clinics_cursor(dialect: Any) -> None:
    """The schedule is asked for with the driver's own cursor: what it is told is made in one place."""
    rendered = cursor._rendered

    def hear(statement: Any, values: dict[str, Any], theirs: Any, *, packed: bool) -> Any:
        place = ("clinic/cursor.py", id(statement))
        if theirs.name == "sqlite" and _samples[place] < OFTEN:
            _samples[place] += 1
            state = cursor._compiled(statement, dialect, packed=False).construct_expanded_state(values)
            heard.setdefault(state.statement, (place[0], ()))
            found = [*faults(state.statement)]
            if (many := len(state.positional_parameters)) > MOST:
                found.append(f"{many} parameters")
            _found.extend(f"{place[0]}: {fault}\n    {state.statement[:400]}" for fault in found)
        return rendered(statement, values, theirs, packed=packed)

    cursor._rendered = hear


def _remember(connection: Any, _clause: Any, _many: Any, _one: Any, _options: Any, result: Any) -> None:
    if getattr(result, "returns_rows", False) and connection.dialect.name == "sqlite":
        connection.info["tsql_answer"] = weakref.ref(result.context)  # it lives as long as the answer does


def _remember_the_end(result: Any, hard: bool = False) -> None:
    _soft_close(result, hard)
    result.context.tsql_ended = True


def _is_answering(connection: Any) -> bool:
    """Say whether the last answer of a connection is still being read: SQL Server takes no second question then."""
    last = connection.info.get("tsql_answer")
    context = last() if last else None
    return context is not None and not hasattr(context, "tsql_ended")


def _place() -> tuple[str, int] | None:
    """Return the product's line that executes the statement; None where a test does, or another database's own code."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        own = _own_file(frame.f_code.co_filename)
        if own is not None:
            return (own, frame.f_lineno) if own else None
        frame = frame.f_back
    return None


@functools.cache
def _own_file(name: str) -> str | None:
    """Return a file's name within the product, "" for what is a test's or another database's, None for a library's."""
    if name.startswith(SOURCE):
        own = Path(name).relative_to(SOURCE).as_posix()
        return "" if own.startswith(ELSEWHERE) else own
    return "" if "/tests/" in name else None


def _hear(_connection: Any, _cursor: Any, sql: str, values: Any, context: Any, many: bool) -> None:
    _own.heard = True
    for clock in (sqlite.CLOCK, postgresql.CLOCK):
        sql = sql.replace(clock, mssql.CLOCK)
    if sql not in heard:
        heard[sql] = (_own.place, () if context.compiled is None else _kinds(context, sql.count("?")))
    found = [*faults(sql), *(faults_of_values(context) if context.compiled is not None else ())]
    if not many and len(values) > MOST:
        found.append(f"{len(values)} parameters")
    _found.extend(f"{_own.place}: {fault}\n    {sql[:400]}" for fault in found)


def _kinds(context: Any, marks: int) -> tuple[str, ...]:
    """Return the types of the parameters of a statement in their order; rows that are written at once repeat theirs."""
    compiled, types = context.compiled, context.dialect.type_compiler_instance
    state = compiled.construct_expanded_state(context.compiled_parameters[0])
    whole = {part: name for name, parts in state.parameter_expansion.items() for part in parts}
    names = [whole.get(name, name) for name in state.positiontup or ()]
    kinds = [compiled.binds[name].type.dialect_impl(context.dialect) for name in names]
    told = [UNTOLD if kind._isnull else str(types.process(kind)) for kind in kinds]
    return tuple(told * max(1, marks // max(1, len(told))))[:marks]


def taken() -> list[str]:
    """Return what SQL Server would not have taken since the last call."""
    found = [*dict.fromkeys(_found)]
    _found.clear()
    return found


# -- the law ---------------------------------------------------------------------------------------------------------


def faults(sql: str) -> Iterator[str]:
    """Yield what of a text is no T-SQL of SQL Server 2016."""
    plain = re.sub(r"N?'[^']*'", "'x'", sql)
    plain = re.sub(r"\[[^\]]*\]", "q", plain)
    if plain.startswith("SET IDENTITY_INSERT"):
        yield "a number of our own in a column that counts by itself: a login needs the right to change the table"
    if found := _FOREIGN.search(plain):
        yield f"not T-SQL: {found[0]!r}"
    if plain.lstrip().startswith(("CREATE ", "DROP ")):
        return  # tables are looked at as a script: store/test_tsql.py
    names = re.sub(r"\bINTO [\w.]+ ?\(", "INTO t (", plain)
    for name in re.findall(r"(?<![\w.@])(\w+)\s*\(", names):
        if name.upper() not in FUNCTIONS | _WORDS and name != "t":
            yield f"unknown function {name}"
    yield from _faults_of_lists(plain)


def _faults_of_lists(plain: str) -> Iterator[str]:
    flat = _flat(plain)
    if re.search(r"\bGROUP BY\b.*\?", flat, re.DOTALL):
        part = re.split(r"\b(HAVING|ORDER BY)\b", re.split(r"\bGROUP BY\b", flat)[1])[0]
        if "?" in part:
            yield "a parameter in GROUP BY is another one than that of the list"
    listed = re.match(r"\s*SELECT (.*?) FROM ", flat, re.DOTALL)
    if listed and re.search(r"(<|>|=|\bIS (NOT )?NULL\b|\bLIKE\b|\bIN \()", listed[1]):
        yield "a condition in the list of SELECT"
    if re.search(r"\bOFFSET\b", plain) and not re.search(r"\bORDER BY\b", plain):
        yield "OFFSET without ORDER BY"


def _flat(plain: str) -> str:
    """Leave out what is in CASE ... END, and what is in parentheses but for its parameters."""
    before = ""
    while before != plain:
        before = plain
        plain = re.sub(r"\bCASE\b(?:(?!\bCASE\b|\bEND\b).)*\bEND\b", "c", plain, flags=re.DOTALL)
        plain = re.sub(r"\(([^()]*)\)", lambda inner: " p? " if "?" in inner[1] else " p ", plain)
    return plain


def faults_of_values(context: Any) -> Iterator[str]:
    """Yield the values that their columns would refuse, cut or spoil; SQLite takes anything anywhere."""
    compiled = context.compiled
    table = getattr(compiled.compile_state, "dml_table", None)
    columns: Mapping[str, Any] = {} if table is None else {column.key: column for column in table.columns}
    for values in context.compiled_parameters[:50]:
        for name, value in values.items():
            bind = compiled.binds.get(name)
            if bind is None:
                continue
            kind = bind.type.dialect_impl(context.dialect)
            written = compiled.isinsert or (compiled.isupdate and name in columns)
            for each in value if isinstance(value, list | tuple | set | frozenset) else (value,):
                if fault := _fault(kind, each, written=written):
                    yield f"{name}: {fault}"


def _fault(kind: Any, value: Any, *, written: bool) -> str | None:
    if isinstance(value, str) and isinstance(kind, String):
        if not isinstance(kind, Unicode) and not kind.__visit_name__.startswith("unicode") and not value.isascii():
            return "letters that varchar does not have"
        size = len(value.encode("utf-16-le", "surrogatepass")) // 2
        if written and isinstance(kind.length, int) and size > kind.length:
            return f"{size} characters in a column of {kind.length}"
    if isinstance(value, int) and isinstance(kind, Integer) and written:
        bits = 63 if isinstance(kind, BigInteger) else 15 if isinstance(kind, SmallInteger) else 31
        if not -(1 << bits) <= value < 1 << bits:
            return f"a number of more than {bits} bits"
    return None
