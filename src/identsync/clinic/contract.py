"""What the engine asks of a clinic's database: a handful of read-only relations, column by column.

The installer maps them once onto the clinic's own tables (``identsync clinic views`` prints SQL to start from); the
demo creates plain tables of the same names. Times are whole minutes of the branch's wall clock since 1970-01-01 00:00,
so ``day = start_minute // 1440`` and no date is ever parsed on the way. :func:`check` tells what is missing or wrong.
The columns' docs are Russian because installers read them there.
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
    LargeBinary,
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
from identsync.language import _

contract = MetaData()

clinic_branch = Table(
    "clinic_branch",
    contract,
    Column("branch_id", Integer, primary_key=True, autoincrement=False, doc="номер филиала, положительный"),
    Column("name", Unicode(200), nullable=False, doc="название филиала"),
    Column("time_zone", Unicode(64), nullable=False, doc="часовой пояс IANA, например Europe/Moscow"),
    Column("phone", Unicode(60), doc="телефон для пациентов; NULL, если неизвестен"),
    Column("address", Unicode(400), doc="адрес для пациентов; NULL, если неизвестен"),
    comment="филиалы сети",
)
clinic_staff = Table(
    "clinic_staff",
    contract,
    Column("branch_id", Integer, primary_key=True, autoincrement=False, doc="филиал, где врач принимает"),
    Column(
        "doctor_id",
        Integer,
        primary_key=True,
        autoincrement=False,
        doc="номер врача, один во всех филиалах",
    ),
    Column("name", Unicode(200), nullable=False, doc="фамилия, имя и отчество, как их видят пациенты"),
    Column("speciality", Unicode(200), nullable=False, doc="специальность; пустая строка, если неизвестна"),
    comment="работающие врачи: строка на каждый филиал, где врач принимает",
)
clinic_shift = Table(
    "clinic_shift",
    contract,
    Column("branch_id", Integer, nullable=False, doc="филиал"),
    Column("doctor_id", Integer, nullable=False, doc="врач"),
    Column("start_minute", BigInteger, nullable=False, doc="начало: минуты местного времени с 1970-01-01 00:00"),
    Column("length_minutes", Integer, nullable=False, doc="длина в минутах, больше 0"),
    Index("clinic_shift_seat", "branch_id", "doctor_id", "start_minute", "length_minutes"),
    comment="рабочее время врачей; перерыв = промежуток между строками",
)
clinic_appointment = Table(
    "clinic_appointment",
    contract,
    Column(
        "appointment_id",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        doc="номер записи, единственный, не меняется",
    ),
    Column("branch_id", Integer, nullable=False, doc="филиал"),
    Column("doctor_id", Integer, nullable=False, doc="врач"),
    Column("patient_id", BigInteger, doc="пациент; NULL у резерва"),
    Column("kind", SmallInteger, nullable=False, doc="0 = приём, 1 = резерв времени"),
    Column("start_minute", BigInteger, nullable=False, doc="начало: минуты местного времени с 1970-01-01 00:00"),
    Column("length_minutes", Integer, nullable=False, doc="длина в минутах, больше 0"),
    Column("changed_ms", BigInteger, doc="последнее изменение, миллисекунды UTC с 1970 года; NULL, если неизвестно"),
    Column("service", Unicode(200), doc="услуга, как её назовут врачу; NULL, если неизвестна"),
    Column("room", Unicode(100), doc="кабинет или кресло; NULL, если неизвестно"),
    Column("comment", Unicode(1000), doc="примечание к записи; NULL, если его нет"),
    Index("clinic_appointment_seat", "branch_id", "doctor_id", "start_minute", "length_minutes"),
    Index("clinic_appointment_patient", "patient_id", "start_minute"),
    comment="занятое время врачей; отменённых записей здесь нет",
)
clinic_patient = Table(
    "clinic_patient",
    contract,
    Column(
        "patient_id",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        doc="номер пациента, единственный",
    ),
    Column("surname", Unicode(100), nullable=False, doc="фамилия"),
    Column("name", Unicode(100), nullable=False, doc="имя; пустая строка, если неизвестно"),
    Column("patronymic", Unicode(100), nullable=False, doc="отчество; пустая строка, если нет"),
    Column("phone", Unicode(60), doc="телефон, как его записали"),
    Column("phone_key", Unicode(10), doc="последние десять цифр телефона; NULL, если их меньше"),
    Column("email", Unicode(200), doc="электронная почта"),
    Column("address", Unicode(400), doc="адрес одной строкой, как его записали"),
    Column("branch_id", Integer, doc="филиал пациента; NULL, если неизвестен"),
    Column("born", Integer, doc="дата рождения: дни с 1970-01-01 (раньше = меньше нуля); NULL, если неизвестна"),
    Column("last_visit", Integer, doc="день последнего приёма: дни с 1970-01-01; NULL, если неизвестен или не был"),
    Column("first_visit", Integer, doc="день первого приёма: дни с 1970-01-01; NULL, если неизвестен или не был"),
    Column("sex", SmallInteger, doc="1 = мужской, 2 = женский; NULL, если неизвестен"),
    Column("revenue", BigInteger, doc="сколько заплатил за всё время, копейки; NULL, если неизвестно"),
    Column("debt", BigInteger, doc="сколько должен клинике, копейки; NULL, если неизвестно"),
    Index("clinic_patient_phone", "phone_key", "patient_id"),
    comment="пациенты сети",
)

RELATIONS: tuple[Table, ...] = (clinic_branch, clinic_staff, clinic_shift, clinic_appointment, clinic_patient)
SAMPLE = 200
"""Rows of each relation that :func:`check` looks at."""

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
    return [problem for table in relations(schema).values() for problem in relation(bind, table)]


def relation(connection: Connection, table: Table) -> list[Problem]:
    """Say what is wrong with one relation, see :func:`check`."""
    try:
        found = {c["name"].lower(): c["type"] for c in inspection(connection).get_columns(table.name, table.schema)}
    except NoSuchTableError:
        return [Problem(table.name, _("нет такого представления"), _("создайте его: identsync clinic views"))]
    present = [column for column in table.columns if column.name in found]
    problems = [
        Problem(f"{table.name}.{column.name}", _("нет такого столбца"), _(column.doc or ""))
        for column in table.columns
        if column.name not in found
    ]
    if connection.dialect.name != "sqlite":  # a view of SQLite has no types: there the values speak
        wrong = [c for c in present if not _same_family(c, found[c.name])]
        problems += [_wrong_type(column, str(found[column.name])) for column in wrong]
        present = [column for column in present if column not in wrong]
    return problems + _values(connection, table, present)


FAMILIES = (String, LargeBinary, Integer)


def _same_family(column: Column[Any], found: Any) -> bool:
    return isinstance(found, next(kind for kind in FAMILIES if isinstance(column.type, kind)))


def _wrong_type(column: Column[Any], found: str) -> Problem:
    where = f"{column.table.name}.{column.name}"
    if isinstance(column.type, String):
        return Problem(where, _("тип {found}, а нужна строка", found=found), "CAST(... AS nvarchar(400))")
    if isinstance(column.type, LargeBinary):
        return Problem(where, _("тип {found}, а нужны байты", found=found), "CAST(... AS varbinary(max))")
    return Problem(where, _("тип {found}, а нужно целое число", found=found), "CAST(... AS bigint)")


def _values(connection: Connection, table: Table, columns: Sequence[Column[Any]]) -> list[Problem]:
    if not columns:
        return []
    try:
        with connection.begin_nested() if connection.in_transaction() else connection.begin():
            rows = connection.execute(select(*columns).select_from(table).limit(SAMPLE)).all()
    except DBAPIError as error:
        # The driver's sentence may quote a row; the kind of the error is enough beside the name of the view.
        kind = type(error.orig).__name__
        return [Problem(table.name, _("не читается ({kind})", kind=kind), _("проверьте права и сам запрос"))]
    return [p for i, c in enumerate(columns) for p in _column_values(c, (row[i] for row in rows))]


def _column_values(column: Column[Any], values: Iterable[Any]) -> list[Problem]:
    where = f"{column.table.name}.{column.name}"
    wanted = column.type.python_type
    rule = RULES.get((column.table.name, column.name)) or RULES.get(("", column.name))
    for value in values:
        if value is None:
            if not column.nullable:
                return [Problem(where, _("в некоторых строках NULL"), _(column.doc or ""))]
        elif not isinstance(value, wanted):
            return [_wrong_type(column, type(value).__name__)]
        elif rule and not rule.holds(value):
            return [Problem(where, _(rule.what), _(rule.hint or column.doc or ""))]
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


_ID = Rule(lambda value: 0 < value < 2**31, "в некоторых строках не положительное 32-битное число")
_DAYS = "нужны целые дни с 1970-01-01"
_LONG_ID = Rule(lambda value: 0 < value < 2**63, "в некоторых строках не положительное число")
_VISIT = Rule(lambda value: 0 < value < 60_000, "в некоторых строках не день с 1970 по 2134 год", _DAYS)
RULES: dict[tuple[str, str], Rule] = {
    ("", "branch_id"): _ID,
    ("", "doctor_id"): _ID,
    ("", "appointment_id"): _LONG_ID,
    ("", "patient_id"): _LONG_ID,
    ("", "start_minute"): Rule(
        lambda value: _EARLIEST < value < _LATEST,
        "в некоторых строках не время между 1997 и 2134 годом",
        "нужны минуты (не секунды и не миллисекунды) местного времени с 1970-01-01 00:00",
    ),
    ("", "length_minutes"): Rule(lambda value: value > 0, "в некоторых строках не положительное число"),
    ("", "kind"): Rule(lambda value: value in (0, 1), "в некоторых строках не 0 и не 1"),
    ("", "time_zone"): Rule(
        is_zone,
        "в некоторых строках не часовой пояс IANA",
        "например Europe/Moscow, Asia/Yekaterinburg",
    ),
    ("", "born"): Rule(lambda value: -30_000 < value < 60_000, "в некоторых строках не день с 1887 по 2134 год", _DAYS),
    ("", "last_visit"): _VISIT,
    ("", "first_visit"): _VISIT,
    ("", "sex"): Rule(lambda value: value in (1, 2), "в некоторых строках не 1 и не 2"),
    ("", "phone_key"): Rule(lambda value: len(value) == 10 and value.isdigit(), "в некоторых строках не десять цифр"),
    ("clinic_branch", "name"): Rule(lambda value: bool(value.strip()), "в некоторых строках пусто"),
    ("clinic_staff", "name"): Rule(lambda value: bool(value.strip()), "в некоторых строках пусто"),
}
