"""The store: transactions on the engine's own tables, and the limiter beside them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock, local
from typing import Any, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from identsync.errors import NoDatabase, StaleFence
from identsync.language import _
from identsync.store import tables
from identsync.store.connect import WRITE, Source, limiter_engine, store_engine
from identsync.store.failures import Reaction, reaction, unavailable
from identsync.store.limiter import Fence, Limiter, mssql, postgresql, sqlite
from identsync.store.limiter.dialect import Dialect
from identsync.store.limiter.link import Link

T = TypeVar("T")

_DIALECTS: Mapping[str, tuple[Callable[..., Dialect], str, str]] = {
    "sqlite": (sqlite.SQLite, sqlite.CLOCK, sqlite.FENCE),
    "postgresql": (postgresql.PostgreSQL, postgresql.CLOCK, postgresql.FENCE),
    "mssql": (mssql.SQLServer, mssql.CLOCK, mssql.FENCE),
}
_TABLES = {"slot": tables.task_slot, "rate": tables.rate_slot, "presence": tables.presence, "run": tables.run_log}


def open_store(url: Source, *, schema: str | None = "identsync", clock: str | None = None, prefix: str = "") -> "Store":
    """Open the engine's tables at ``url``; nothing is connected yet, nothing migrated.

    A function that gives the URL is called for each connection, so that a new password is used from then on.

    ``schema`` holds the tables on SQL Server and PostgreSQL (None = the login's default); SQLite has none.
    ``clock`` is a SQL expression for the time in epoch milliseconds, instead of the database's clock: for tests.
    ``prefix`` stands before the names of the limiter's tables: scratch tables of the database's trial.
    Raises SettingsError for a URL that is wrong, or SQLite on a network drive.
    """
    return Store(url, schema=schema, clock=clock, prefix=prefix)


class Store:
    """The engine's own tables in one database; may be used by several threads."""

    def __init__(self, url: Source, *, schema: str | None, clock: str | None, prefix: str) -> None:
        engine = store_engine(url)
        self.dialect = engine.dialect.name
        self.schema = None if self.dialect == "sqlite" else schema
        statements, own_clock, fence = _DIALECTS[self.dialect]
        options = {"schema_translate_map": {None: self.schema}} if self.schema else {}
        self.clock = clock or own_clock
        self.engine = engine.execution_options(**options, identsync_clock=self.clock)
        self._limiter_engine = limiter_engine(url)
        self.names = self._names(prefix)
        self._statements = statements(self.clock, self.names)
        self._fence = text(fence.format(**self.names))
        self._own = local()
        self._links: list[Link] = []
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<Store {self.dialect} schema={self.schema}>"

    def _names(self, prefix: str) -> dict[str, str]:
        schema = f"{self.engine.dialect.identifier_preparer.quote_schema(self.schema)}." if self.schema else ""
        return {key: f"{schema}{prefix}{table.name}" for key, table in _TABLES.items()}

    def migrate(self) -> None:
        """Bring the tables to this client's version; several clients may start at once.

        Raises SchemaError where a newer client has been here, NoDatabase where the database does not answer.
        """
        from identsync.store.migrate import migrate

        with _answering():
            migrate(self.engine, self.schema)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection in a transaction that only reads (one snapshot on SQLite)."""
        with self._understanding(), _answering(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, fence: Fence | None = None) -> Iterator[Connection]:
        """Give a connection in a transaction, committed at the end of the block, undone if the block raises.

        With ``fence``, the run's slot row is locked first, so nobody can take the task over before the commit;
        raises StaleFence, with nothing written, where somebody already has.
        """
        with self._understanding(), _answering(), self.engine.connect() as plain:
            connection = plain.execution_options(**{WRITE: True})
            with connection.begin():
                if fence is not None:
                    self._verify(connection, fence)
                yield connection

    def change(self, fn: Callable[[Connection], T]) -> T:
        """Return ``fn(connection)``, called in a transaction that writes; where it loses a deadlock, called once more.

        For what a person clicked; ``fn`` does nothing but what the database undoes.
        """
        try:
            with self.write() as connection:
                return fn(connection)
        except NoDatabase as error:
            if error.__cause__ is None or reaction(error.__cause__) is not Reaction.AGAIN:
                raise
        with self.write() as connection:
            return fn(connection)

    @contextmanager
    def _understanding(self) -> Iterator[None]:
        """Raise SchemaError for a statement that fails because newer programs have changed the tables meanwhile.

        They wait for programs at work, but not for one that slept through their waiting.
        """
        try:
            yield
        except DBAPIError as error:
            if reaction(error) is Reaction.DEFECT:
                from identsync.store.migrations.standing import is_due

                with suppress(DBAPIError), self.engine.connect() as connection:
                    is_due(connection, self.schema)
            raise

    def _verify(self, connection: Connection, fence: Fence) -> None:
        run = {"fence": fence.number, "holder": fence.holder, "started": fence.started_ms}
        if connection.execute(self._fence, {"kind": fence.kind, "scope": fence.scope} | run).first() is None:
            raise StaleFence(f"{fence.kind} {fence.scope}: fence {fence.number} is stale")

    def limiter(self) -> Limiter:
        """Give this thread's limiter: one autocommit connection, opened by the first ask and again when it breaks."""
        own: Limiter | None = getattr(self._own, "limiter", None)
        if own is None:
            link = Link(self._limiter_engine, self._statements.cursor)
            with self._lock:
                self._links.append(link)
            own = self._own.limiter = Limiter(self._statements, link)
        return own

    def own_connection(self) -> Any:
        """Open a driver's connection in autocommit, beside the pool; whoever asks for it closes it."""
        with _answering():
            pooled = self._limiter_engine.raw_connection()
        pooled.detach()
        return pooled.dbapi_connection

    def now_ms(self) -> int:
        """Tell the database's clock, epoch milliseconds."""
        with self.read() as connection:
            return int(connection.execute(text(f"SELECT {self.clock}".replace(":", r"\:"))).scalar_one())

    def close(self) -> None:
        """Close every connection, the limiters' too."""
        with self._lock:
            for link in self._links:
                link.close()
            self._links.clear()
        self.engine.dispose()


@contextmanager
def _answering() -> Iterator[None]:
    """Turn a database that does not answer into NoDatabase; mistakes stay what they are."""
    try:
        yield
    except DBAPIError as error:
        if reaction(error) in {Reaction.DEFECT, Reaction.DUPLICATE}:
            raise
        raise unavailable(error) from error
    except PoolTimeout as error:
        raise NoDatabase(_("все соединения этой программы с базой заняты"), sent=False) from error
