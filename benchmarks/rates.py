"""Permits of a channel that many processes share: what one costs where the channel is free, beside peers.

Ours come in blocks of as many as the run has use for, by the way of a real run: event loop, limiter's thread, database.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

from benchmarks.harness import OURS, Result, Work, measure, optional
from benchmarks.round import databases
from identsync.engine.channel import Channel
from identsync.engine.permits import Channels
from identsync.engine.worker import Worker
from identsync.store import open_store

FREE = Channel("bench", rate=1e5, burst=1_000_000)
A_MINUTE = 60_000


class Case:
    """A migrated store, a loop and a client's channels."""

    def __init__(self, url: str, count: int) -> None:
        self.store = open_store(url)
        self.store.migrate()
        self.limiter = self.store.limiter()
        self.count = count
        self.worker = Worker()
        self.runner = asyncio.Runner()
        self.channels = Channels(lambda work: self.worker.call(lambda: work(self.store.limiter())))

    def blocks(self) -> None:
        """Take all permits as a run does."""
        self.runner.run(self._run())

    async def _run(self) -> None:
        async with self.channels.open(FREE, need=self.count) as permits:
            for _ in range(self.count):
                await permits.take()

    def singly(self) -> None:
        """Take all permits, a statement each."""
        for _ in range(self.count):
            self.limiter.permits("single", 0, 1, period_ms=FREE.period_ms, burst=FREE.burst)

    def close(self) -> None:
        """End the thread, the loop and the connections."""
        self.worker.close()
        self.runner.close()
        self.store.close()


def run(*, quick: bool) -> Iterator[Result]:
    """Measure on every database there is."""
    count, runs = (100, 3) if quick else (1_000, 7)
    with databases() as urls, tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        for dialect, url in (urls | {"sqlite": f"sqlite:///{Path(folder) / 'engine.db'}"}).items():
            case = stack.enter_context(contextlib.closing(Case(url, count)))
            contenders: dict[str, Work] = {OURS: case.blocks, "identsync, a statement each": case.singly}
            make = _pyrate_sqlite if dialect == "sqlite" else _pyrate_postgresql
            with contextlib.ExitStack() as peer:
                optional(contenders, "pyrate-limiter", lambda make=make, url=url, peer=peer: make(url, peer, count))  # type: ignore[misc]
                yield from measure("rates", f"a permit, {dialect}", contenders, items=count, runs=runs)


def _pyrate_sqlite(url: str, stack: contextlib.ExitStack, count: int) -> Work:
    import filelock  # noqa: F401  without it the bucket is for one process only
    from pyrate_limiter import Rate, SQLiteBucket

    path = f"{make_url(url).database}.pyrate"
    bucket = SQLiteBucket.init_from_file([Rate(10_000_000, A_MINUTE)], db_path=path, use_file_lock=True)
    stack.callback(bucket.close)
    return lambda: _put(bucket, count)


def _pyrate_postgresql(url: str, stack: contextlib.ExitStack, count: int) -> Work:
    from psycopg_pool import ConnectionPool
    from pyrate_limiter import PostgresBucket, Rate

    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    pool = stack.enter_context(ConnectionPool(plain, min_size=1, max_size=1, open=True))
    bucket = PostgresBucket(pool, "bench", [Rate(10_000_000, A_MINUTE)])
    return lambda: _put(bucket, count)


def _put(bucket: Any, count: int) -> None:
    from pyrate_limiter import RateItem

    bucket.flush()
    for _ in range(count):
        assert bucket.put(RateItem("bench", bucket.now()))
