"""Bringing the tables to this client's version, whoever of several clients comes first, while others work on them."""

import random
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from identsync.errors import SchemaError, Unavailable
from identsync.language import _
from identsync.store import migrations
from identsync.store.connect import WRITE
from identsync.store.failures import Reaction, reaction, sqlstate
from identsync.store.migrations.standing import is_due, revision, target

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent / "migrations"
PATIENCE_S = 30.0  # how long the tables are asked for again and again before the client says that it cannot have them
_LOCK = 0x1DE57  # one number for every client: PostgreSQL's advisory lock of this product's migrations
# A change that waits for a table makes everybody queue behind it: it waits for less than a lease's margin, lets them
# pass, and asks again. Whose turn it is to change them may take longer: nobody waits for that but starting clients.
_TABLE_MS, _TURN_MS = 300, 20_000
_PAUSE_S = (0.2, 0.8)
_WRONG = {Reaction.DEFECT, Reaction.DENIED, Reaction.DUPLICATE}  # asking again would change nothing


def migrate(engine: Engine, schema: str | None) -> None:
    """Upgrade the tables in ``schema``, unless a newer client has been there already.

    Raises SchemaError where this client is too old for them, or the change failed (they are then as they were);
    Unavailable where other programs did not let go of them in ``PATIENCE_S``.
    """
    with engine.connect() as connection:
        if not is_due(connection, schema):
            return
    until = time.monotonic() + PATIENCE_S
    while not _migrated(engine, schema):
        if time.monotonic() > until:
            told = _("таблицы нужно обновить до версии {to}, но другие программы их держат", to=migrations.NEWEST)
            raise Unavailable(told, sent=False)
        time.sleep(random.uniform(*_PAUSE_S))  # noqa: S311


def script(dialect: str, schema: str | None, since: str | None = None) -> str:
    """Make the SQL of all migrations, or of those after ``since``, for a person who makes the tables by hand."""
    from alembic import command

    out = StringIO()
    if schema and since is None:
        out.write(f"CREATE SCHEMA {schema};\n{'GO' if dialect == 'mssql' else ''}\n")
    config = _config(dialect=dialect, schema=schema)
    config.output_buffer = out
    command.upgrade(config, f"{since}:head" if since else "head", sql=True)
    return out.getvalue()


def _migrated(engine: Engine, schema: str | None) -> bool:
    """Try once; False where somebody holds a table, or the turn to change them."""
    with engine.connect() as plain:
        plain.detach()  # what is set for this connection goes with it
        try:
            connection = plain.execution_options(**{WRITE: True})
            with connection.begin():
                if not _LOCKS[connection.dialect.name](connection):
                    return False
                if is_due(connection, schema):
                    _upgrade(connection, schema)
        except DBAPIError as error:
            if reaction(error) in {Reaction.BUSY, Reaction.AGAIN}:
                return False
            raise
    return True


def _upgrade(connection: Connection, schema: str | None) -> None:
    from alembic import command

    at, to = revision(connection, schema), target(connection, schema)
    if at == to:
        return
    try:
        if schema is not None and not inspect(connection).has_schema(schema):
            connection.execute(CreateSchema(schema))
        command.upgrade(_config(connection=connection, schema=schema), to)
    except Exception as error:
        if isinstance(error, DBAPIError) and reaction(error) not in _WRONG:
            raise
        told = _("не удалось обновить таблицы с версии {at} до {to} ({error})", at=at or "-", to=to, error=_kind(error))
        command_line = "identsync database tables" + (f" --since {at}" if at else "")
        hint = _(
            "таблицы остались прежними, прежние программы работают; если этому входу нельзя менять таблицы, "
            "их меняет администратор: {command}", command=command_line,
        )  # fmt: skip
        raise SchemaError(told, hint=hint) from error


def _kind(error: Exception) -> str:
    """Name an error without its text, which may quote data."""
    origin = getattr(error, "orig", None) or error
    return f"{type(origin).__name__} {sqlstate(origin)}".rstrip()


def _config(**attributes: Any) -> "Config":
    from alembic.config import Config

    config = Config(attributes=attributes)
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _lock_postgresql(connection: Connection) -> bool:
    connection.execute(text(f"SET LOCAL lock_timeout={_TURN_MS}"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    connection.execute(text(f"SET LOCAL lock_timeout={_TABLE_MS}"))
    return True


# ODBC begins a transaction with the first SELECT from a table, and sp_getapplock wants one to own its lock. NOCOUNT is
# set back before the answer: it sticks to the connection, and alembic counts the row in which it writes its version.
_TURN_MSSQL = f"""SET NOCOUNT ON; SET XACT_ABORT ON; SET LOCK_TIMEOUT {_TABLE_MS};
DECLARE @got int;
SELECT @got = COUNT(*) FROM sys.schemas;
EXEC @got = sp_getapplock @Resource='identsync.migrate', @LockMode='Exclusive', @LockOwner='Transaction',
  @LockTimeout={_TURN_MS};
SET NOCOUNT OFF;
SELECT @got;"""  # noqa: S608


def _lock_mssql(connection: Connection) -> bool:
    """sp_getapplock answers a time-out by a number below 0; it raises nothing."""
    return int(connection.execute(text(_TURN_MSSQL)).scalar_one()) >= 0


def _lock_sqlite(_connection: Connection) -> bool:
    """BEGIN IMMEDIATE has already made this client the only one that writes."""
    return True


_LOCKS: dict[str, Callable[[Connection], bool]] = {
    "postgresql": _lock_postgresql,
    "mssql": _lock_mssql,
    "sqlite": _lock_sqlite,
}
