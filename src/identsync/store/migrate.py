"""Bringing the tables to this client's version, whoever of several clients comes first."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.schema import CreateSchema

from identsync.errors import SchemaError
from identsync.store.connect import WRITE
from identsync.store.migrations import REVISIONS

if TYPE_CHECKING:
    from alembic.config import Config

_VERSION = "alembic_version"
_LOCK = 0x1DE57  # one number for every client: PostgreSQL's advisory lock of this product's migrations


def migrate(engine: Engine, schema: str | None) -> None:
    """Upgrade the tables in ``schema``; raises SchemaError if a newer client has been there."""
    with engine.connect() as connection:
        if _is_current(connection, schema):
            return
    with engine.connect() as plain:
        connection = plain.execution_options(**{WRITE: True})
        with connection.begin():
            _LOCKS[connection.dialect.name](connection)
            if not _is_current(connection, schema):
                _upgrade(connection, schema)


def script(dialect: str, schema: str | None) -> str:
    """Make the SQL of all migrations, for a person who creates the tables by hand."""
    from alembic import command

    out = StringIO()
    if schema:
        out.write(f"CREATE SCHEMA {schema};\n{'GO' if dialect == 'mssql' else ''}\n")
    config = _config(dialect=dialect, schema=schema)
    config.output_buffer = out
    command.upgrade(config, "head", sql=True)
    return out.getvalue()


def _is_current(connection: Connection, schema: str | None) -> bool:
    if not inspect(connection).has_table(_VERSION, schema=schema):
        return False
    prefix = f"{connection.dialect.identifier_preparer.quote_schema(schema)}." if schema else ""
    version = connection.execute(text(f"SELECT version_num FROM {prefix}{_VERSION}")).scalar()  # noqa: S608
    if version is not None and version not in REVISIONS:
        raise SchemaError(
            f"the tables are of version {version}, this client knows {REVISIONS[-1]}",
            hint="update this client: a newer one has been here",
        )
    return bool(version == REVISIONS[-1])


def _upgrade(connection: Connection, schema: str | None) -> None:
    from alembic import command

    if schema is not None and not inspect(connection).has_schema(schema):
        connection.execute(CreateSchema(schema))
    command.upgrade(_config(connection=connection, schema=schema), "head")


def _config(**attributes: Any) -> "Config":
    from alembic.config import Config

    config = Config(attributes=attributes)
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _lock_postgresql(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _lock_mssql(connection: Connection) -> None:
    connection.execute(
        text("EXEC sp_getapplock @Resource='identsync.migrate', @LockMode='Exclusive', @LockOwner='Transaction'")
    )


def _lock_sqlite(_connection: Connection) -> None:
    """BEGIN IMMEDIATE has already made this client the only one that writes."""


_LOCKS: dict[str, Callable[[Connection], None]] = {
    "postgresql": _lock_postgresql,
    "mssql": _lock_mssql,
    "sqlite": _lock_sqlite,
}
