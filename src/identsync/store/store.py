"""The store: connections to the engine's own tables."""

from contextlib import AbstractContextManager

from sqlalchemy import Connection, Engine

from identsync.store.limiter import Fence, Limiter


def open_store(url: str, *, schema: str | None = "identsync") -> "Store":
    """Open the engine's tables at ``url``."""
    raise NotImplementedError


class Store:
    """The engine's own tables in one database."""

    dialect: str
    engine: Engine

    def migrate(self) -> None:
        """Bring the tables to this client's version."""
        raise NotImplementedError

    def read(self) -> AbstractContextManager[Connection]:
        """Give a connection in a read transaction."""
        raise NotImplementedError

    def write(self, fence: Fence | None = None) -> AbstractContextManager[Connection]:
        """Give a connection in a write transaction, guarded by ``fence``."""
        raise NotImplementedError

    def limiter(self) -> Limiter:
        """Give this thread's limiter."""
        raise NotImplementedError

    def now_ms(self) -> int:
        """Database clock, epoch milliseconds."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every connection."""
