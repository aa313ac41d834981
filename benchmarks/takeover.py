"""How long a branch stands still when the client that leads it is killed, or leaves: until the next one has its seat.

Real processes, three administrators a branch, tasks of 15, 30 and 60 s, the default policy: a seat lease of 20 s.
``1:10`` means that the lengths of the tasks, of the seat's lease and of a follower's longest sleep are divided by ten;
waits after errors and the grace of an exit are not. Each kill comes at a random moment of the lease. Rows have, beside
the harness's keys, ``leases``: the time in seat leases. The promises: p95 under 2.5 leases, under 1 s after an exit.
"""

import asyncio
import contextlib
import multiprocessing
import random
import signal
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from benchmarks.harness import OURS, Result
from benchmarks.round import databases
from identsync.engine.integration import Outcome, Role, Task
from identsync.engine.loop import Engine
from identsync.engine.loops import new_loop
from identsync.engine.run import Run
from identsync.engine.state import Policy, Spec, new_state
from identsync.store import Store, open_store
from identsync.store.slots import SeatView, seats

INTERVALS_MS = (15_000, 30_000, 60_000)
TASK_LEASE_MS = 60_000
CLIENTS = 3
LOOK_S = 0.02


def tasks(branches: int, scale: int) -> list[Task]:
    """Return the tasks of every branch; they do nothing."""

    async def nothing(_: Run) -> Outcome:
        return Outcome()

    return [
        Task(f"bench/{interval // 1000}", branch, interval // scale, TASK_LEASE_MS // scale, 600_000, nothing)
        for branch in range(1, branches + 1)
        for interval in INTERVALS_MS
    ]


def policy(scale: int) -> Policy:
    """Return the default policy, with the lengths of the seat divided by ``scale``."""
    default = Policy()
    return replace(
        default, seat_lease_min_ms=default.seat_lease_min_ms // scale,
        seat_lease_max_ms=default.seat_lease_max_ms // scale, backoff_cap_ms=default.backoff_cap_ms // scale,
    )  # fmt: skip


def seat_lease_ms(scale: int) -> int:
    """Return the seat lease that these tasks have under that policy."""
    specs = [Spec(t.kind, t.scope, t.interval_ms, t.lease_ms, t.deadline_ms) for t in tasks(1, scale)]
    return new_state("", Role.ADMINISTRATOR, 1, specs, policy=policy(scale)).seats[0].lease_ms


def be_client(url: str, branch: int, branches: int, scale: int, pipe: Connection) -> None:
    """Be one client of a branch, in a process of its own, until SIGTERM or the end of the benchmark."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_live(url, branch, branches, scale, pipe))


async def _live(url: str, branch: int, branches: int, scale: int, pipe: Connection) -> None:
    import structlog

    structlog.configure(processors=[_drop])
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.add_reader(pipe.fileno(), ended.set)  # the benchmark has gone
    store = open_store(url)
    nothing: Any = None  # these tasks look at no clinic
    engine = Engine(
        store=store, clinic=nothing, tasks=tasks(branches, scale), role=Role.ADMINISTRATOR, branch=branch,
        policy=policy(scale),
    )  # fmt: skip
    await engine.start()
    pipe.send(engine.client)
    await ended.wait()
    await engine.stop()
    store.close()


@dataclass
class Network:
    """Branches of client processes around one database."""

    url: str
    branches: int
    scale: int
    store: Store = field(init=False)
    clients: dict[str, tuple[int, BaseProcess, Connection]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store = open_store(self.url)
        self.store.migrate()
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload([__name__])
        self.random = random.Random(1)
        self.lease_ms = seat_lease_ms(self.scale)

    def begin(self) -> None:
        """Start everybody, and wait until each branch has a seat and everybody is known."""
        self.start([branch for branch in range(1, self.branches + 1) for _ in range(CLIENTS)])
        self.settle()

    def start(self, branches: Iterable[int]) -> None:
        """Start a client in each of these branches."""
        born = []
        for branch in branches:
            ours, theirs = self.context.Pipe()
            arguments = (self.url, branch, self.branches, self.scale, theirs)
            process = self.context.Process(target=be_client, args=arguments, daemon=True)
            process.start()
            theirs.close()
            born.append((branch, process, ours))
        self.clients |= {client[-1].recv(): client for client in born}

    def settle(self) -> None:
        """Wait until every branch's seat is held by a living client and the others stand in line behind it."""
        while not all(self._settled(seat) for seat in self.seats().values()):
            time.sleep(0.2)

    def _settled(self, seat: SeatView) -> bool:
        known = [present.client for present in seat.present if present.client in self.clients]
        return seat.holder in self.clients and len(known) == CLIENTS

    def seats(self) -> dict[int, SeatView]:
        """Return the branches' seats as the database has them."""
        with self.store.read() as connection:
            found = seats(connection, presence_ttl_ms=6 * self.lease_ms)
        return {seat.scope: seat for seat in found if seat.scope}

    def round(self, end: Callable[[BaseProcess], None]) -> list[float]:
        """End the leader of each branch at a random moment of a lease; return the seconds until it was followed."""
        now = time.monotonic()
        plan = {branch: now + self.random.uniform(0, self.lease_ms / 1000) for branch in range(1, self.branches + 1)}
        ended: dict[int, tuple[float, str]] = {}
        took: dict[int, float] = {}
        while len(took) < self.branches:
            found = self.seats()
            for branch in [b for b, at in plan.items() if at <= time.monotonic()]:
                ended[branch] = time.time() * 1000, self._end(found[branch].holder, end)
                del plan[branch]
            for branch, (at, leader) in ended.items():
                seat = found[branch]
                if branch not in took and seat.holder not in (None, leader) and seat.since_ms is not None:
                    took[branch] = max(0.0, seat.since_ms - at) / 1000
            time.sleep(LOOK_S)
        self.start(took)
        self.settle()
        return list(took.values())

    def _end(self, client: str | None, end: Callable[[BaseProcess], None]) -> str:
        assert client is not None
        _, process, _ = self.clients[client]
        end(process)
        del self.clients[client]
        return client

    def close(self) -> None:
        """Leave no process behind."""
        for _, process, pipe in self.clients.values():
            process.kill()
            process.join()
            pipe.close()
        self.store.close()


def run(*, quick: bool) -> Iterator[Result]:
    """Measure on every database there is; at full length on PostgreSQL only, and not if ``quick``."""
    # Eight branches are 24 clients, and those are as many as PostgreSQL's default of 100 connections has room for.
    plans = [(20, 4, 1)] if quick else [(10, 8, 3), (1, 8, 2)]
    with databases() as urls, tempfile.TemporaryDirectory() as folder:
        for dialect, url in (urls | {"sqlite": f"sqlite:///{Path(folder) / 'engine.db'}"}).items():
            for scale, branches, rounds in plans if dialect == "postgresql" else plans[:1]:
                with contextlib.closing(Network(url, branches, scale)) as network:
                    network.begin()
                    yield from _cases(network, dialect, rounds)
                _clear(url)


def _cases(network: Network, dialect: str, rounds: int) -> Iterator[Result]:
    size = f"1:{network.scale}" if network.scale > 1 else "full length"
    lease = network.lease_ms / 1000
    for what, end, promise in (("is killed", BaseProcess.kill, 2.5 * lease), ("leaves", BaseProcess.terminate, 1.0)):
        took = sorted(seconds for _ in range(rounds) for seconds in network.round(end))
        figures = {OURS: statistics.median(took), "p95": _quantile(took, 0.95), "worst": took[-1], "promise": promise}
        for contender, seconds in figures.items():
            yield {
                "benchmark": "takeover", "case": f"the leader {what}, {dialect}, {size}, seat lease {lease:g} s",
                "contender": contender, "seconds": seconds, "runs": len(took), "items": 1, "bytes": 0,
                "peak_bytes": 0, "leases": round(seconds / lease, 2),
            }  # fmt: skip


def _quantile(sorted_seconds: Sequence[float], share: float) -> float:
    return sorted_seconds[min(len(sorted_seconds) - 1, int(share * len(sorted_seconds)))]


def _clear(url: str) -> None:
    from identsync.store.tables import metadata

    store = open_store(url)
    with store.write() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    store.close()


def _drop(_logger: Any, _method: str, _event: Any) -> Any:
    import structlog

    raise structlog.DropEvent
