"""The bell: a hint that somebody gave a seat up, or a task that he cannot do, so that the first in line need not sleep.

Only the first three followers of a seat listen. PostgreSQL tells by NOTIFY, which costs nothing in between. SQLite has
no such word; there the follower looks at the file's change counter (a few microseconds, no lock) three times a second.
SQL Server has none either: there the server is asked to wait, one statement a minute on a connection of its own, and
looks at the rows three times a second itself. That occupies one of its workers for each who listens.
A bell that is missed or broken costs time, never correctness.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import select

from identsync.store.limiter import SEAT, law, mssql
from identsync.store.tables import task_slot

if TYPE_CHECKING:
    from identsync.store import Store

_LOOK_S = 0.3
_AGAIN_S = 1.0  # after a ring: whoever is first in line has asked for the seat by then
_RINGS = f"""SELECT 1 FROM task_slot WHERE kind='seat' AND scope=:scope AND holder IS NULL
 UNION ALL SELECT 1 FROM task_slot WHERE kind<>'seat' AND scope IN (:scope, 0) AND {law.HANDED_ON}"""  # noqa: S608
log = structlog.get_logger("identsync.engine")


class Bell:
    """A bell that never rings; the base of those that do.

    ``listen`` and ``close`` belong to the loop's thread, ``ring`` and ``connect`` to the keeper's.
    """

    def __init__(self, store: "Store", rang: Callable[[int], None]) -> None:
        self._store = store
        self._rang = rang
        self._connection: Any = None
        self.scopes: tuple[int, ...] = ()

    def ring(self, scopes: tuple[int, ...]) -> None:
        """Tell the listeners of these scopes."""

    def connect(self, scopes: tuple[int, ...]) -> None:
        """Open what listening for these scopes needs; blocks."""

    def listen(self, scopes: tuple[int, ...]) -> None:
        """Listen for these scopes from now on; ``connect`` came before."""
        self.scopes = scopes

    def close(self) -> None:
        """Listen no more, and keep no connection for it."""
        self.scopes = ()
        self._rest()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _rest(self) -> None:
        """Let go of what looks at the connection."""


class SQLiteBell(Bell):
    """Looks at the file's change counter, and only where it moved at the rows."""

    _timer: asyncio.TimerHandle | None = None
    _version = -1

    def connect(self, scopes: tuple[int, ...]) -> None:  # noqa: ARG002
        """Open a connection of its own; it never waits for a lock."""
        if self._connection is None:
            connection = self._store.own_connection()
            connection.execute("PRAGMA busy_timeout=0").close()
            self._connection = connection

    def listen(self, scopes: tuple[int, ...]) -> None:
        """Start looking."""
        super().listen(scopes)
        self._rest()
        self._version = -1
        self._look()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_LOOK_S, self._look)
        try:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                rings = _RINGS.replace("{now}", self._store.clock)
                rung = [s for s in self.scopes if self._connection.execute(rings, {"scope": s}).fetchone()]
                self._version = version
                for scope in rung:
                    self._rang(scope)
        except Exception as error:
            log.debug("the bell could not look", error=type(error).__name__)


class PostgreSQLBell(Bell):
    """LISTEN on a connection of its own, read when its socket has something; NOTIFY with the scope's number."""

    _socket = -1

    @property
    def _channel(self) -> str:
        return f"identsync_{self._store.schema or ''}"

    def ring(self, scopes: tuple[int, ...]) -> None:
        """Notify, in a transaction of its own."""
        with self._store.read() as connection:
            for scope in scopes:
                connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (self._channel, str(scope)))

    def connect(self, scopes: tuple[int, ...]) -> None:
        """Open the listening connection; a seat given up before that is rung for."""
        if self._connection is None:
            connection = self._store.own_connection()
            connection.execute(f'LISTEN "{self._channel}"')
            self._connection = connection
        where = (task_slot.c.kind == SEAT, task_slot.c.scope.in_(scopes), task_slot.c.holder.is_(None))
        with self._store.read() as reader:
            free = tuple(reader.execute(select(task_slot.c.scope).where(*where)).scalars())
        if free:
            self.ring(free)

    def listen(self, scopes: tuple[int, ...]) -> None:
        """Watch the socket."""
        if self._connection is None:
            return  # it broke since: not a listener until it is opened again
        super().listen(scopes)
        if self._socket < 0:
            socket = self._connection.fileno()
            asyncio.get_running_loop().add_reader(socket, self._read)
            self._socket = socket

    def _rest(self) -> None:
        if self._socket >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket = -1

    def _read(self) -> None:
        try:
            heard = {note.payload for note in self._connection.notifies(timeout=0)}
        except Exception as error:
            log.warning("the bell broke", error=type(error).__name__)
            self.close()
            return
        for scope in self.scopes:
            if str(scope) in heard:
                self._rang(scope)


class SQLServerBell(Bell):
    """Lets the server wait, in a thread of its own."""

    _waiter: "_Waiter | None" = None

    def connect(self, scopes: tuple[int, ...]) -> None:  # noqa: ARG002
        """Open a connection of its own; its statements last a minute."""
        if self._connection is None:
            connection = self._store.own_connection()
            connection.timeout = 0
            self._connection = connection

    def listen(self, scopes: tuple[int, ...]) -> None:
        """Start waiting; from then on the connection is the thread's."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._rest()
        super().listen(scopes)
        self._waiter = _Waiter(connection, mssql.bell(self._store.names, scopes), self._heard)
        self._waiter.start()

    def _rest(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.end()

    def _heard(self, waiter: "_Waiter", free: tuple[int, ...] | None) -> None:
        if waiter is not self._waiter:
            return
        if free is None:
            self.close()
        for scope in self.scopes:
            if scope in (free or ()):
                self._rang(scope)


class _Waiter(threading.Thread):
    """Asks again and again on one connection; tells the loop what is free, or None where the connection broke."""

    def __init__(self, connection: Any, sql: str, heard: Callable[["_Waiter", tuple[int, ...] | None], None]) -> None:
        super().__init__(name="identsync-bell", daemon=True)
        self._sql = sql
        self._connection = connection
        self._cursor = connection.cursor()
        self._ended = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._tell = heard

    def end(self) -> None:
        """Break the statement off; from another thread, does not wait for it."""
        self._ended.set()
        with suppress(Exception):  # it may have ended by itself in between
            self._cursor.cancel()

    def run(self) -> None:
        """Wait until told to end, or the connection breaks."""
        try:
            while not self._ended.is_set():
                free = tuple(scope for (scope,) in self._cursor.execute(self._sql).fetchall())
                if free:
                    self._post(free)
                    self._ended.wait(_AGAIN_S)
        except Exception as error:
            if not self._ended.is_set():
                log.warning("the bell broke", error=type(error).__name__)
                self._post(None)
        with suppress(Exception):
            self._connection.close()

    def _post(self, free: tuple[int, ...] | None) -> None:
        with suppress(RuntimeError):  # the loop has been closed meanwhile
            self._loop.call_soon_threadsafe(self._tell, self, free)


def bell_for(store: "Store", rang: Callable[[int], None]) -> Bell:
    """Return the bell that the store's database has; ``rang(scope)`` is called in the loop's thread."""
    kinds: dict[str, type[Bell]] = {"sqlite": SQLiteBell, "postgresql": PostgreSQLBell, "mssql": SQLServerBell}
    return kinds.get(store.dialect, Bell)(store, rang)
