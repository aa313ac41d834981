"""What the engine asks of a clinic's database: a handful of read-only relations, column by column.

The installer maps them once onto the clinic's own tables (``identsync clinic views`` prints SQL to start from); the
demo creates plain tables of the same names. Times are whole minutes of the branch's wall clock since 1970-01-01 00:00,
so ``day = start_minute // 1440`` and no date is ever parsed on the way. :func:`check` tells what is missing or wrong.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Unicode,
    select,
)
from sqlalchemy import inspect as inspection
from sqlalchemy.exc import DBAPIError, NoSuchTableError
from sqlalchemy.types import String

from identsync.errors import Problem

contract = MetaData()

clinic_branch = Table(
    "clinic_branch",
    contract,
    Column("branch_id", Integer, primary_key=True, autoincrement=False, doc="positive; the key of the branch"),
    Column("name", Unicode(200), nullable=False, doc="what people call the branch"),
    Column("time_zone", Unicode(64), nullable=False, doc="IANA name, e.g. Europe/Moscow: the branch's wall clock"),
    comment="the branches of the network, one row each",
)
clinic_staff = Table(
    "clinic_staff",
    contract,
    Column("branch_id", Integer, primary_key=True, autoincrement=False, doc="branch the doctor sees patients in"),
    Column("doctor_id", Integer, primary_key=True, autoincrement=False, doc="positive; the same in every branch"),
    Column("name", Unicode(200), nullable=False, doc="full name as patients may see it"),
    Column("speciality", Unicode(200), nullable=False, doc="what the doctor does; empty text where unknown"),
    comment="working doctors only, one row for each branch a doctor works in",
)
clinic_shift = Table(
    "clinic_shift",
    contract,
    Column("branch_id", Integer, nullable=False, doc="branch"),
    Column("doctor_id", Integer, nullable=False, doc="doctor"),
    Column("start_minute", BigInteger, nullable=False, doc="wall clock, minutes since 1970-01-01 00:00"),
    Column("length_minutes", Integer, nullable=False, doc="> 0; parts may touch or overlap: their union counts"),
    Index("clinic_shift_seat", "branch_id", "doctor_id", "start_minute", "length_minutes"),
    comment="when a doctor works; a break is a gap between two rows",
)
clinic_appointment = Table(
    "clinic_appointment",
    contract,
    Column("appointment_id", BigInteger, primary_key=True, autoincrement=False, doc="positive, unique, stable"),
    Column("branch_id", Integer, nullable=False, doc="branch"),
    Column("doctor_id", Integer, nullable=False, doc="doctor"),
    Column("patient_id", BigInteger, doc="NULL for a reserve, or where no patient is known yet"),
    Column("kind", SmallInteger, nullable=False, doc="0 = visit, 1 = reserve (meeting, blocked time)"),
    Column("start_minute", BigInteger, nullable=False, doc="wall clock, minutes since 1970-01-01 00:00"),
    Column("length_minutes", Integer, nullable=False, doc="> 0"),
    Column("changed_ms", BigInteger, doc="last change, epoch milliseconds UTC; NULL where unknown"),
    Index("clinic_appointment_seat", "branch_id", "doctor_id", "start_minute", "length_minutes"),
    comment="what occupies doctors; cancelled ones are absent",
)
clinic_patient = Table(
    "clinic_patient",
    contract,
    Column("patient_id", BigInteger, primary_key=True, autoincrement=False, doc="positive, unique"),
    Column("surname", Unicode(100), nullable=False, doc="surname"),
    Column("name", Unicode(100), nullable=False, doc="given name; empty text where unknown"),
    Column("patronymic", Unicode(100), nullable=False, doc="patronymic; empty text where there is none"),
    Column("phone", Unicode(60), doc="as typed by the registrar"),
    Column("phone_key", Unicode(10), doc="last ten digits of phone; NULL where it has fewer"),
    Column("email", Unicode(200), doc="as typed"),
    Column("address", Unicode(400), doc="as typed, one line"),
    Column("branch_id", Integer, doc="home branch; NULL where unknown"),
    Index("clinic_patient_phone", "phone_key", "patient_id"),
    comment="patients of the network",
)

RELATIONS: tuple[Table, ...] = (clinic_branch, clinic_staff, clinic_shift, clinic_appointment, clinic_patient)
SAMPLE = 200
"""Rows of each relation that :func:`check` looks at."""

_HINT = "see `identsync clinic views`"
_EARLIEST, _LATEST = 10_000 * 1440, 60_000 * 1440  # 1997 and 2134: tells minutes from seconds and milliseconds


def relations(schema: str | None) -> dict[str, Table]:
    """Give the contract's tables by name, placed in ``schema`` (None = the connection's default)."""
    home = MetaData()
    return {table.name: table.to_metadata(home, schema=schema) if schema else table for table in RELATIONS}


def check(bind: Engine | Connection, schema: str | None = None) -> list[Problem]:
    """Say everything that is wrong with the clinic's relations: missing ones, columns, types, impossible values.

    Looks at :data:`SAMPLE` rows of each relation; problems never hold a person's data. An empty list means good.
    """
    if isinstance(bind, Engine):
        with bind.connect() as connection:
            return check(connection, schema)
    return [problem for table in relations(schema).values() for problem in _relation(bind, table)]


def _relation(connection: Connection, table: Table) -> list[Problem]:
    try:
        found = {c["name"].lower(): c["type"] for c in inspection(connection).get_columns(table.name, table.schema)}
    except NoSuchTableError:
        return [Problem(table.name, f"is missing ({table.comment})", f"create the view: {_HINT}")]
    present = [column for column in table.columns if column.name in found]
    problems = [
        Problem(f"{table.name}.{column.name}", "is missing", f"add the column: {column.doc}")
        for column in table.columns
        if column.name not in found
    ]
    if connection.dialect.name != "sqlite":  # a view of SQLite has no types: there the values speak
        wrong = [c for c in present if not _same_family(c, found[c.name])]
        problems += [_wrong_type(column, str(found[column.name])) for column in wrong]
        present = [column for column in present if column not in wrong]
    return problems + _values(connection, table, present)


def _same_family(column: Column[Any], found: Any) -> bool:
    return isinstance(found, String if isinstance(column.type, String) else Integer)


def _wrong_type(column: Column[Any], found: str) -> Problem:
    wanted = "text" if isinstance(column.type, String) else "integer"
    cast = "nvarchar" if wanted == "text" else "bigint"
    return Problem(f"{column.table.name}.{column.name}", f"is {found}, not {wanted}", f"CAST(... AS {cast})")


def _values(connection: Connection, table: Table, columns: Sequence[Column[Any]]) -> list[Problem]:
    if not columns:
        return []
    try:
        with connection.begin_nested() if connection.in_transaction() else connection.begin():
            rows = connection.execute(select(*columns).select_from(table).limit(SAMPLE)).all()
    except DBAPIError as error:
        # The driver's sentence may quote a row; the kind of the error is enough beside the name of the view.
        kind = type(error.orig).__name__
        return [Problem(table.name, f"cannot be read ({kind})", "run SELECT on the view by hand; check the rights")]
    return [p for i, c in enumerate(columns) for p in _column_values(c, (row[i] for row in rows))]


def _column_values(column: Column[Any], values: Iterable[Any]) -> list[Problem]:
    where = f"{column.table.name}.{column.name}"
    wanted = str if isinstance(column.type, String) else int
    rule = RULES.get((column.table.name, column.name)) or RULES.get(("", column.name))
    for value in values:
        if value is None:
            if not column.nullable:
                return [Problem(where, "is NULL in some rows", column.doc or "")]
        elif not isinstance(value, wanted):
            return [_wrong_type(column, type(value).__name__)]
        elif rule and not rule.holds(value):
            return [Problem(where, rule.what, rule.hint or column.doc or "")]
    return []


@dataclass(frozen=True, slots=True)
class Rule:
    """What the values of a column must satisfy, and what to say where one does not."""

    holds: Callable[[Any], bool]
    what: str
    hint: str = ""


def is_zone(name: str) -> bool:
    """Say whether ``name`` is a time zone of the IANA database."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


_ID = Rule(lambda value: 0 < value < 2**31, "is not a positive 32-bit number in some rows")
_LONG_ID = Rule(lambda value: 0 < value < 2**63, "is not positive in some rows")
RULES: dict[tuple[str, str], Rule] = {
    ("", "branch_id"): _ID,
    ("", "doctor_id"): _ID,
    ("", "appointment_id"): _LONG_ID,
    ("", "patient_id"): _LONG_ID,
    ("", "start_minute"): Rule(
        lambda value: _EARLIEST < value < _LATEST,
        "is no time between 1997 and 2134 in some rows",
        "minutes (not seconds or milliseconds) of the wall clock since 1970-01-01 00:00",
    ),
    ("", "length_minutes"): Rule(lambda value: value > 0, "is not positive in some rows"),
    ("", "kind"): Rule(lambda value: value in (0, 1), "is neither 0 nor 1 in some rows"),
    ("", "time_zone"): Rule(is_zone, "is no IANA time zone in some rows", "e.g. Europe/Moscow, Asia/Yekaterinburg"),
    ("", "phone_key"): Rule(lambda value: len(value) == 10 and value.isdigit(), "is not ten digits in some rows"),
    ("clinic_branch", "name"): Rule(lambda value: bool(value.strip()), "is empty in some rows"),
    ("clinic_staff", "name"): Rule(lambda value: bool(value.strip()), "is empty in some rows"),
}
