"""The ground of a trial: a store on scratch tables, made for one trial and removed after it."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, quoted_name, select, update
from sqlalchemy.exc import DBAPIError

from identsync.errors import StaleFence, Stop, Unavailable
from identsync.language import _
from identsync.store import tables
from identsync.store.failures import Reaction, reaction, sqlstate
from identsync.store.limiter import Claim, Fence, Limiter
from identsync.store.store import Store, open_store

T = TypeVar("T")
LEASE_MS = 5_000
TTL_MS = 60_000


@dataclass(frozen=True)
class Ground:
    """Scratch tables of the limiter, and a counter that only the limiter protects."""

    store: Store
    tally: Table
    connections: int
    seconds: float
    clients: list[str] = field(default_factory=list)

    def claim(
        self, limiter: Limiter, kind: str, holder: str, *, lease_ms: int = LEASE_MS, interval_ms: int = LEASE_MS,
        request: str | None = None,
    ) -> Claim:  # fmt: skip
        """Ask for ``kind`` as an administrator's client."""
        return limiter.claim(
            kind, 1, holder=holder, role=0, lease_ms=lease_ms, interval_ms=interval_ms,
            request=request or secrets.token_hex(8), presence_ttl_ms=TTL_MS,
        )  # fmt: skip

    def finish(self, limiter: Limiter, fence: Fence, interval_ms: int = LEASE_MS) -> bool:
        """End a run well."""
        return limiter.finish(fence, interval_ms=interval_ms, outcome="ok", counts={}, note="")

    def count(self) -> int:
        """Read the counter."""
        with self.store.read() as connection:
            return int(connection.execute(select(self.tally.c.n)).scalar_one())

    def put(self, fence: Fence, n: int) -> bool:
        """Write the counter under a fence; False where the fence is stale."""
        try:
            with self.store.write(fence) as connection:
                connection.execute(update(self.tally).values(n=n))
        except StaleFence:
            return False
        return True

    def together(self, work: Callable[[str], T]) -> list[T]:
        """Run ``work(holder)`` on as many connections at once as the trial has; each thread has its own limiter."""
        holders = [secrets.token_hex(8) for _ in range(self.connections)]
        with ThreadPoolExecutor(self.connections, thread_name_prefix="identsync-trial") as pool:
            return list(pool.map(work, holders))


@contextmanager
def ground(url: str, schema: str | None, *, connections: int, seconds: float) -> Iterator[Ground]:
    """Make the scratch tables in ``schema`` (None = the login's default), and remove them whatever happens."""
    prefix = f"trial_{secrets.token_hex(4)}_"
    store = open_store(url, schema=schema, prefix=prefix)
    scratch = MetaData()
    for table in (tables.task_slot, tables.rate_slot, tables.presence, tables.run_log):
        _copy(table, scratch, prefix)
    tally = Table(
        f"{prefix}tally", scratch, Column("id", Integer, primary_key=True, autoincrement=False), Column("n", BigInteger)
    )
    try:
        try:
            with store.write() as connection:
                scratch.create_all(connection)
                connection.execute(tally.insert().values(id=1, n=0))
        except (DBAPIError, Unavailable) as error:
            cause = error.__cause__ if isinstance(error, Unavailable) else error
            if cause is None or reaction(cause) not in {Reaction.DEFECT, Reaction.DENIED}:
                raise
            raise _may_not(cause) from error
        yield Ground(store, tally, connections, seconds)
    finally:
        try:
            with store.write() as connection:
                scratch.drop_all(connection)
        finally:
            store.close()


def _may_not(error: BaseException) -> Stop:
    origin = getattr(error, "orig", None) or error
    told = _("временные таблицы испытания не создать ({error})", error=sqlstate(origin))
    return Stop(told, hint=_("дайте этому входу на время испытания право создавать таблицы в его схеме"))


def _copy(table: Table, metadata: MetaData, prefix: str) -> None:
    copy = table.to_metadata(metadata, name=f"{prefix}{table.name}")
    for index in copy.indexes:
        index.name = quoted_name(f"{prefix}{index.name}", None)
