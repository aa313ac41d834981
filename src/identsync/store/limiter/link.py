"""The limiter's own connection: autocommit, one cursor kept open so that an ask is one request on the wire."""

from collections.abc import Callable
from threading import get_ident
from typing import Any

from sqlalchemy import Engine


class Link:
    """A lazily opened connection of ``engine`` (autocommit, no pool), for the thread that first asks for a cursor."""

    def __init__(self, engine: Engine, open_cursor: Callable[[Any], Any]) -> None:
        self._engine = engine
        self._open_cursor = open_cursor
        self._connection: Any = None
        self._cursor: Any = None
        self._thread = 0

    def cursor(self) -> Any:
        """Give the one cursor, opened where needed; raises RuntimeError in another thread."""
        if self._cursor is None:
            self._connection = self._engine.raw_connection()
            self._cursor = self._open_cursor(self._connection.driver_connection)
            self._thread = get_ident()
        elif self._thread != get_ident():
            raise RuntimeError("a limiter belongs to the thread that first used it; ask Store.limiter() for another")
        return self._cursor

    def close(self) -> None:
        """Drop the connection, broken or not."""
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            connection.invalidate()
