"""Alembic's entry: the connection, its transaction and its lock come from ``identsync.store.migrate``."""

from typing import Any

from alembic import context
from sqlalchemy import String, column, delete, insert, table

from identsync.store.migrations import REVISIONS


def mark(*_: Any, **applied: Any) -> None:
    """Write down, in the migration's own transaction, whose programs the tables are still good for."""
    schema_mark = table("schema_mark", column("compatible_from", String), schema=options.get("schema"))
    applied["ctx"].execute(delete(schema_mark))
    good_for = REVISIONS[applied["step"].up_revision_id]
    applied["ctx"].execute(insert(schema_mark).values(compatible_from=good_for))


options = dict(context.config.attributes)
# Without a connection SQLAlchemy takes SQL Server for one of before 2012, whose long texts can hardly be compared.
large = {"deprecate_large_types": True} if options.get("dialect") == "mssql" else {}
context.configure(
    connection=options.get("connection"),
    dialect_name=options.get("dialect"),
    dialect_opts=large,
    version_table_schema=options.get("schema"),
    on_version_apply=mark,
    literal_binds="connection" not in options,
)
with context.begin_transaction():
    context.run_migrations()
