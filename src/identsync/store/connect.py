"""Engines for the store's database: what each of the three needs to be told when a connection opens."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from identsync.errors import NoSecret, Problem, SettingsError, Stop
from identsync.language import _
from identsync.store.failures import Reaction, reaction
from identsync.store.idle import Idle

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "mssql": "mssql+pyodbc"}
WRITE = "identsync_write"  # execution option: the transaction is going to write

_SQLITE_BUSY_S = 10.0
_SQLITE_LIMITER_BUSY_S = 2.0  # then the limiter says that nothing is known; a lease is longer
_POSTGRESQL_SETUP = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED"
# A limiter's ask that meets a locked row says so, it does not hang; its statements are planned once.
_POSTGRESQL_LIMITER = ["SET lock_timeout=100", "SET statement_timeout=10000", "SET plan_cache_mode=force_generic_plan"]
# Nor does any other statement wait for a lock without end there; answers are counted, whatever was said before.
_SQL_SERVER_SETUP = "SET LOCK_TIMEOUT 15000; SET NOCOUNT OFF;"
_LIMITER_S = 10  # the same on SQL Server, where the driver counts
_POOL_S = 10  # where all of the store's connections are in use, so long may one more be waited for
# A server that went away without a word is noticed in half a minute, not in the two hours that TCP takes by itself.
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
# A client frozen in the middle of a write would hold its rows for ever: the server ends it. SQL Server has no such
# setting; there the rows stay locked until the connection dies, and other clients are told so.
_POSTGRESQL_WRITES = ["SET idle_in_transaction_session_timeout=20000"]


Source = str | Callable[[], str]  # a database's URL, or what gives it with the password that the secrets have now


def _text(source: Source) -> str:
    return source() if callable(source) else source


def database_url(text: str) -> URL:
    """Read a database URL; raises SettingsError, without quoting it, where it is none of the three databases'."""
    try:
        url = make_url(text)
        name = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise _wrong("not a database URL", "sqlite:///C:/identsync/identsync.db, or ask the installer") from error
    if name not in DRIVERS:
        raise _wrong(f"no such database: {name}", "sqlite, postgresql or mssql")
    if name == "sqlite":
        _refuse_sqlite(url.database or "")
    return url if "+" in url.drivername else url.set(drivername=DRIVERS[name])


def _wrong(what: str, hint: str) -> SettingsError:
    return SettingsError([Problem("database.url", what, hint)])


def _refuse_sqlite(path: str) -> None:
    """WAL does not work over SMB: SQLite is for one computer, its file on a local disk."""
    if not path or path.startswith((":memory:", "file:")):
        raise _wrong("SQLite needs a file", "sqlite:////absolute/path, or sqlite:///C:/path on Windows")
    if path.startswith(("\\\\", "//")) or is_network_drive(path):
        raise _wrong(
            "SQLite on a network drive loses data", "a local disk, or SQL Server or PostgreSQL for several computers"
        )


def is_network_drive(path: str) -> bool:
    """Tell whether a Windows path lies on a mapped drive."""
    if path[1:2] != ":":
        return False
    import ctypes

    windows = getattr(ctypes, "windll", None)  # None: not Windows, so no drive letters
    return bool(windows and windows.kernel32.GetDriveTypeW(f"{path[0]}:\\") == 4)  # DRIVE_REMOTE


def store_engine(source: Source) -> Engine:
    """Make an engine for transactions: READ COMMITTED, BEGIN IMMEDIATE on SQLite, no connection kept while idle.

    Raises SettingsError for a URL that is wrong, Stop where the database's driver is not on this computer.
    """
    url = database_url(_text(source))
    _driver(url)
    engine = create_engine(url, pool_size=1, max_overflow=4, pool_timeout=_POOL_S, **_options(url))
    _on_connect(engine, source, autocommit=False)
    Idle(engine)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "begin", _begin)
    return engine


def limiter_engine(source: Source) -> Engine:
    """Make the engine of the limiter's connections: autocommit, each closed for good when it is given back."""
    url = database_url(_text(source))
    engine = create_engine(
        url, poolclass=NullPool, isolation_level="AUTOCOMMIT", **_options(url, _SQLITE_LIMITER_BUSY_S)
    )
    _on_connect(engine, source, autocommit=True)
    return engine


def _driver(url: URL) -> None:
    try:
        url.get_dialect().import_dbapi()
    except ImportError as error:
        what = _("на этом компьютере нет драйвера базы ({driver})", driver=url.get_driver_name())
        raise Stop(what, hint=_to_install(url.get_driver_name())) from error


def _to_install(driver: str) -> str:
    if driver == "psycopg":
        return _("установите его: pip install identsync[postgresql]")
    return _("установите unixODBC (Debian: apt install unixodbc) и драйвер: ODBC Driver 18 for SQL Server или FreeTDS")


def _options(url: URL, busy_s: float = _SQLITE_BUSY_S) -> dict[str, Any]:
    name = url.get_backend_name()
    if name == "sqlite":
        return {"connect_args": {"check_same_thread": False, "timeout": busy_s}}
    if name == "postgresql":
        wanted = {"connect_timeout": 10, **_KEEPALIVE}
        return {"connect_args": {key: value for key, value in wanted.items() if key not in url.query}}
    import pyodbc

    pyodbc.pooling = False  # SQLAlchemy pools; a second pool below it would hand out other sessions' settings
    return {"connect_args": {"timeout": 10}}


def _on_connect(engine: Engine, source: Source, *, autocommit: bool) -> None:
    name = engine.dialect.name
    if callable(source):
        event.listen(engine, "do_connect", _with_todays_password(source))
    if name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
    elif name == "postgresql":
        texts = [_POSTGRESQL_SETUP, *(_POSTGRESQL_LIMITER if autocommit else _POSTGRESQL_WRITES)]
        event.listen(engine, "connect", lambda connection, _: _set_up_postgresql(connection, texts))
    elif autocommit:
        event.listen(engine, "connect", lambda connection, _: setattr(connection, "timeout", _LIMITER_S))
    else:
        event.listen(engine, "connect", _set_up_sql_server)


def _with_todays_password(source: Callable[[], str]) -> Callable[..., None]:
    """Return what opens each connection with the password of now: it may have been changed while the client runs.

    Where it can be read no more, that of the start may still let us in.
    """

    def read_again(dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        with suppress(NoSecret):
            arguments[:], newest = dialect.create_connect_args(database_url(source()))
            options.update(newest)

    return read_again


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the sqlite3 module begins nothing by itself
    connection.execute("PRAGMA synchronous=NORMAL").close()
    _use_wal(connection)


def _use_wal(connection: Any) -> None:
    """Turn WAL on, once in a file's life. SQLite does not wait for this lock, so fresh clients would trip over it."""
    until = time.monotonic() + _SQLITE_BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except Exception as error:
            if reaction(error) is not Reaction.BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _set_up_postgresql(connection: Any, texts: list[str]) -> None:
    before, connection.autocommit = connection.autocommit, True
    connection.execute("; ".join(texts))
    connection.autocommit = before


def _set_up_sql_server(connection: Any, _record: Any) -> None:
    connection.execute(_SQL_SERVER_SETUP).close()


def _begin(connection: Connection) -> None:
    """Begin on SQLite: a deferred transaction that starts to write later fails at once, whatever the timeout."""
    writing = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
