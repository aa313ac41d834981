"""Storms and calms over sixteen processes and one database, by a seed; then the journal is judged.

    uv run poe fire --seconds 60 --seed 7 --database sqlite

Faults are drawn by the seed: which kinds, when, how long. Whom they hit depends on who works at that moment, so a
replay makes the same weather, not the same run. Every third storm only kills and ends clients: in it and in the calms
no slot may starve. libfaketime turns the clocks of some clients on PostgreSQL only: on SQLite the clock of the
computer is the clock of the database, and all its clients are on that computer.
"""

import heapq
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, make_url, select

from identsync.demo.checker import GOOD, Verdict, check
from identsync.errors import Unavailable
from identsync.store import open_store
from identsync.store.limiter import SEAT
from identsync.store.tables import run_log, task_slot
from nursery import now_ms
from processes import scratch
from processes.client import Part
from processes.crowd import FAKETIME, Crowd
from processes.faults import PROCESSES, faults, small_disk
from processes.plan import CAST, SETTLE_MS, SLACK_MS, SLOTS, grids
from processes.proxy import Proxy

if TYPE_CHECKING:
    from identsync.store import Store

CALM_S = 30.0  # by then every slot has run again, or starves


@dataclass(frozen=True, slots=True)
class Report:
    """What happened, and what must not have."""

    seed: int
    dialect: str
    faults: Counter[str]
    verdict: Verdict
    outcomes: Counter[str]
    effects: int
    refused: int
    violations: list[str]

    def __str__(self) -> str:
        made = ", ".join(f"{n} {name}" for name, n in sorted(self.faults.items()))
        ended = ", ".join(f"{n} {outcome}" for outcome, n in self.outcomes.most_common())
        what = f"{self.verdict.runs} runs ({ended}), {self.effects} effects, {self.refused} of zombies kept out"
        return f"{self.dialect} seed {self.seed}: {what}\n  faults: {made}\n  violations: {len(self.violations)}"


@dataclass(eq=False)
class Fire:
    """One database and its crowd; ``direct`` is the database's URL without the proxy, for libpq."""

    seed: int
    store: "Store"
    crowd: Crowd
    url: str
    folder: Path
    direct: str = ""
    file: Path = Path()
    proxy: Proxy | None = None
    clock: Path | None = None
    small: bool = False
    fenced: bool = True
    tell: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.made: Counter[str] = Counter()
        self.phases: list[tuple[int, int]] = []  # in which whoever lives is well
        self._numbers = count(1)
        self._ties = count()
        self._plan: list[tuple[float, int, Callable[[], object]]] = []
        self._faults = faults(self.store.dialect, small_disk=self.small)

    def begin(self) -> None:
        """Start everybody."""
        for i, (role, branch) in enumerate(CAST):
            self.start(role, branch, fake=self.clock is not None and i % 4 == 0)
        self.crowd.wait_ready(60)

    def start(self, role: int, branch: int, *, fake: bool = False) -> None:
        """Start one client."""
        number = next(self._numbers)
        part = Part(number, self.url, str(self.folder), int(role), branch, self.random.randrange(1 << 30), self.fenced)
        self.crowd.start(part, fake=fake)

    def after(self, seconds: float, what: Callable[[], object]) -> None:
        """Do ``what`` later, in this thread."""
        heapq.heappush(self._plan, (time.monotonic() + seconds, next(self._ties), what))

    def storm(self, seconds: float, kinds: list[str], per_second: float = 4.0) -> None:
        """Make faults of these kinds for a while, each at least once, then end them all."""
        begin = now_ms()
        for kind in kinds + self.random.choices(kinds, k=max(0, round(seconds * per_second) - len(kinds))):
            self.after(self.random.uniform(0.0, seconds * 0.9), partial(self._make, kind))
        self._work(time.monotonic() + seconds)
        while self._plan:
            self._work(max(self._plan[0][0], time.monotonic()) + 0.05)
        if self.proxy is not None:
            self.proxy.calm()
        self.crowd.wait_ready(60)
        if set(kinds) <= PROCESSES.keys():
            self.phases.append((begin, now_ms()))

    def calm(self, seconds: float = 0.0, *, runs: int = 2) -> None:
        """Nothing happens, until every slot has run well that often; at least so many seconds."""
        begin, since = now_ms(), self.store.now_ms()
        until = time.monotonic() + CALM_S
        self._work(time.monotonic() + seconds)
        while time.monotonic() < until and not self._all_ran(since, runs):
            self._work(time.monotonic() + 0.1)
        self.phases.append((begin, now_ms()))

    def holders(self, *, running: bool) -> set[str]:
        """Return who runs a task at this moment, or holds a seat, as the database has it."""
        what = task_slot.c.kind != SEAT if running else task_slot.c.kind == SEAT
        with suppress(Unavailable), self.store.read() as connection:
            held = select(task_slot.c.holder).where(task_slot.c.holder.is_not(None), what)
            return set(connection.execute(held).scalars())
        return set()

    def weather(self) -> list[str]:
        """Draw what the next storm brings."""
        kinds = sorted(self._faults)
        drawn = self.random.sample(kinds, self.random.randint(2, min(5, len(kinds))))
        return drawn if "stop" in drawn or self.random.random() < 0.5 else [*drawn, "stop"]  # a zombie is rare prey

    def every_kind(self) -> list[str]:
        """Return all that this machine can do."""
        return list(self._faults)

    def end(self) -> Report:
        """End all clients and judge what they left."""
        crashes = self.crowd.leave_all(15)
        found = scratch.evidence(self.store)
        offset = time.time_ns() // 1_000_000 - now_ms()
        verdict = check(
            found.rows, grids(), effects=found.effects, newest=found.newest,
            lives=self.crowd.lives(offset, self.phases), slack_ms=SLACK_MS, settle_ms=SETTLE_MS,
        )  # fmt: skip
        stalled = self.crowd.stalled()
        paper = [w for slot in SLOTS for w in scratch.torn(scratch.Paper(self.folder, *slot), stalled)]
        silent = [f"never ran: {slot}" for slot in SLOTS if not found.newest.get(slot)]
        if self.proxy is not None:
            self.made += self.proxy.counts
        return Report(
            self.seed, self.store.dialect, self.made, verdict, Counter(row.outcome for row in found.rows),
            len(found.effects), self.crowd.refused, [*verdict.faults(), *found.wrong, *paper, *silent, *crashes],
        )  # fmt: skip

    def _make(self, kind: str) -> None:
        self.made[kind] += 1
        self._faults[kind](self)

    def _work(self, until: float) -> None:
        while (now := time.monotonic()) < until:
            if self._plan and self._plan[0][0] <= now:
                heapq.heappop(self._plan)[2]()
            else:
                time.sleep(min(until, self._plan[0][0] if self._plan else until, now + 0.05) - now)
        self.crowd.listen()

    def _all_ran(self, since: int, times: int) -> bool:
        good = (run_log.c.started_ms > since) & run_log.c.outcome.in_(GOOD)
        with self.store.read() as connection:
            ran = Counter((k, s) for k, s in connection.execute(select(run_log.c.kind, run_log.c.scope).where(good)))
        return all(ran[slot] >= times for slot in SLOTS)


@contextmanager
def on_postgresql(url: str, seed: int, folder: Path) -> Iterator[Fire]:
    """A fire on an empty database of a server on this machine, its clients behind a proxy."""
    parsed = make_url(url)
    direct = parsed.update_query_dict({"application_name": "fire"})
    with ExitStack() as stack:
        store = open_store(direct.render_as_string(hide_password=False))
        stack.callback(store.close)
        store.migrate()
        scratch.create(store)
        proxy = stack.enter_context(Proxy(_host(parsed), parsed.port or 5432, seed))
        clock = folder / "clock" if FAKETIME.exists() else None
        if clock is not None:
            clock.write_text("+3600\n")
        crowd = stack.enter_context(Crowd(clock))
        behind = parsed.difference_update_query(["host"]).set(host="127.0.0.1", port=proxy.port)
        url, libpq = (u.render_as_string(hide_password=False) for u in (behind, direct.set(drivername="postgresql")))
        yield Fire(seed, store, crowd, url, folder, direct=libpq, proxy=proxy, clock=clock)


def _host(url: URL) -> str:
    host = url.host or url.query.get("host", "127.0.0.1")
    return host if isinstance(host, str) else host[0]


@contextmanager
def on_sqlite(seed: int, folder: Path) -> Iterator[Fire]:
    """A fire on an SQLite file, on a small disk of its own where that can be made."""
    disk = folder / "disk"
    disk.mkdir()
    with ExitStack() as stack:
        if small := small_disk(disk):
            stack.callback(subprocess.run, ["umount", "-l", str(disk)], check=False)
        file = disk / "identsync.db"
        url = f"sqlite:///{file}"
        store = open_store(url)
        stack.callback(store.close)
        store.migrate()
        scratch.create(store)
        crowd = stack.enter_context(Crowd())
        yield Fire(seed, store, crowd, url, folder, file=file, small=small)


def burn(fire: Fire, seconds: float) -> Report:
    """Storms and calms for about so many seconds; returns the judgement."""
    fire.begin()
    fire.calm(1.0)
    until = time.monotonic() + seconds
    for number in count(1):
        left = until - time.monotonic()
        if number > 1 and left < 5.0:
            break
        kinds = list(PROCESSES) if number % 3 == 0 else fire.weather()
        fire.tell(f"{max(0, left):5.0f} s left, storm {number}: {', '.join(kinds)}")
        fire.storm(min(8.0, max(3.0, left - 4.0)), kinds)
        fire.calm(3.0)
    return fire.end()


def replay(seed: int, seconds: float, database: str) -> str:
    """Return the command that makes the same weather again."""
    return f"uv run poe fire --seed {seed} --seconds {seconds:g} --database {database}"
