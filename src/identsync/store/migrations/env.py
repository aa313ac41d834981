"""Alembic's entry: the connection, its transaction and its lock come from ``identsync.store.migrate``."""

from alembic import context

options = dict(context.config.attributes)
context.configure(
    connection=options.get("connection"),
    dialect_name=options.get("dialect"),
    version_table_schema=options.get("schema"),
)
with context.begin_transaction():
    context.run_migrations()
