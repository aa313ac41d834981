"""What the server says of itself, and what of it the limiter cares about."""

from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import Connection, text

from identsync.language import _
from identsync.store.store import Store
from identsync.store.trial.findings import Finding, Verdict, verdict

_MSSQL = """SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(60)),
 CAST(SERVERPROPERTY('Edition') AS nvarchar(60)), compatibility_level,
 is_read_committed_snapshot_on, snapshot_isolation_state
 FROM sys.databases WHERE name=DB_NAME()"""
_SQL_SERVER_2016 = 13  # DATEDIFF_BIG came with it


def facts(store: Store) -> Iterator[Finding]:
    """Yield findings about the server's version and settings; a question it refuses is a note, not a failure."""
    try:
        with store.read() as connection:
            yield from _FACTS[store.dialect](connection)
    except Exception as error:
        cause = getattr(error, "orig", None) or error
        told = _("сервер не ответил: {kind}", kind=type(cause).__name__)
        yield Finding("server", _("Сервер"), Verdict.NOTE, told)


def _mssql(connection: Connection) -> Iterator[Finding]:
    version, edition, level, rcsi, snapshot = connection.execute(text(_MSSQL)).one()
    new_enough = int(str(version).split(".", maxsplit=1)[0]) >= _SQL_SERVER_2016
    figures: dict[str, int | float | str] = {
        "version": str(version), "edition": str(edition), "compatibility_level": int(level),
        "read_committed_snapshot": int(rcsi), "snapshot_isolation": int(snapshot),
    }  # fmt: skip
    told = _("SQL Server {version}; нужен 2016 (13) или новее", version=version)
    yield Finding("server", _("Сервер"), verdict(good=new_enough), told, figures)


def _postgresql(connection: Connection) -> Iterator[Finding]:
    names = ("server_version", "fsync", "synchronous_commit", "default_transaction_isolation", "transaction_read_only")
    said = {name: str(connection.execute(text(f"SHOW {name}")).scalar_one()) for name in names}
    durable = said["fsync"] == "on" and said["synchronous_commit"] != "off"
    yield Finding("server", _("Сервер"), Verdict.NOTE, f"PostgreSQL {said['server_version']}", said)
    told = _("подтверждённый захват переживает отказ сервера: fsync={fsync}, synchronous_commit={synchronous_commit}",
             fsync=said["fsync"], synchronous_commit=said["synchronous_commit"])  # fmt: skip
    yield Finding("durability", _("Сохранность"), verdict(good=durable), told)


def _sqlite(connection: Connection) -> Iterator[Finding]:
    version = str(connection.execute(text("SELECT sqlite_version()")).scalar_one())
    mode = str(connection.execute(text("PRAGMA journal_mode")).scalar_one())
    yield Finding("server", _("Сервер"), Verdict.NOTE, f"SQLite {version}", {"version": version, "journal_mode": mode})


_FACTS: Mapping[str, Callable[[Connection], Iterator[Finding]]] = {
    "mssql": _mssql,
    "postgresql": _postgresql,
    "sqlite": _sqlite,
}
