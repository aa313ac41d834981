"""Stores for the behavioural suite: SQLite, PostgreSQL, and the SQL Server that IDENTSYNC_TEST_MSSQL names.

That variable is an ODBC connection string (FreeTDS or Microsoft's driver) of a login that may create a schema; each
test makes one of its own, identsync_test_..., and removes it. Nothing outside of it is touched.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import quote_plus

import pytest
from sql_server import DATABASES, SQL_SERVER
from sqlalchemy import text
from sqlalchemy.schema import CreateSchema, DropSchema

from identsync.store import Store, open_store
from identsync.store.tables import metadata

CLOCK = "(SELECT now_ms FROM {schema}test_clock)"
OpenStore = Callable[..., AbstractContextManager[Store]]


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, clone: Callable[[str], str]) -> OpenStore:
    """Open a migrated store on a database of this test's own: ``database(clock=None)``, a context manager."""
    if request.param == "mssql":
        url = f"mssql+pyodbc:///?odbc_connect={quote_plus(SQL_SERVER)}"
        return lambda **options: _sql_server(url, **options)
    return lambda **options: _opened(clone(str(request.param)), "identsync", **options)


@pytest.fixture
def store(database: OpenStore) -> Iterator[Store]:
    """An open, migrated store of this test's own."""
    with database() as store:
        yield store


@pytest.fixture
def clocked_store(database: OpenStore) -> Iterator[Store]:
    """A store whose clock is the number in its table ``test_clock``."""
    with database(clock=CLOCK) as store:
        yield store


@contextmanager
def _opened(url: str, schema: str, clock: str | None = None) -> Iterator[Store]:
    plain = open_store(url, schema=schema)
    if clock is not None:
        clock = clock.format(schema=f"{plain.schema}." if plain.schema else "")
        with plain.write() as connection:
            table = clock.split(" FROM ")[1].rstrip(")")
            connection.execute(text(f"CREATE TABLE {table} (now_ms bigint NOT NULL)"))
            connection.execute(text(f"INSERT INTO {table} VALUES (0)"))
    plain.close()
    store = open_store(url, schema=schema, clock=clock)
    yield store
    store.close()


@contextmanager
def _sql_server(url: str, clock: str | None = None) -> Iterator[Store]:
    schema = f"identsync_test_{secrets.token_hex(4)}"
    plain = open_store(url, schema=schema)
    with plain.write() as connection:
        connection.execute(CreateSchema(schema))
    plain.migrate()
    try:
        with _opened(url, schema, clock) as store:
            yield store
    finally:
        with plain.write() as connection:
            metadata.drop_all(connection)
            for table in ("alembic_version", "test_clock"):
                connection.execute(text(f"DROP TABLE IF EXISTS {schema}.{table}"))
            connection.execute(DropSchema(schema))
        plain.close()
