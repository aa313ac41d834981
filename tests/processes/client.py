"""One client process under fire: the real engine, its tasks write under their fence and on paper.

``python -m processes.client`` is a nursery of such clients.
"""

import asyncio
import os
import random
import select
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from identsync.engine.integration import Outcome, Role, Task
from identsync.engine.loop import Engine
from identsync.engine.run import Run
from identsync.errors import Later, StaleFence
from identsync.store import open_store
from nursery import Words, nurse, say, told_to_end
from processes import scratch
from processes.plan import DEADLINE_MS, INTERVALS, LEASES, POLICY, SLOTS

STALL_MS = 50  # a thread that wakes each 20 ms and is later than that tells of a process that did not run


class Part(msgspec.Struct, frozen=True):
    """Who a client is; ``number`` names it in the crowd, ``seed`` is for what its tasks do."""

    number: int
    url: str
    folder: str
    role: int
    branch: int
    seed: int
    fenced: bool = True


class Work:
    """The tasks of one client: read, wait, write, on an unprotected counter (ShedLock's fuzz) and under the fence."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._random = random.Random(part.seed)

    def tasks(self) -> list[Task]:
        """Return the tasks; the engine takes those of its branch and of the network."""
        return [Task(k, s, INTERVALS[k], LEASES[k], DEADLINE_MS, self.run) for k, s in SLOTS]

    async def run(self, run: Run) -> Outcome:
        """Count once, sometimes twice, sometimes for longer than a lease, and fail now and then."""
        paper = scratch.Paper(Path(self._part.folder), run.kind, run.scope)
        on_paper, at = paper.read()
        await asyncio.sleep(self._pause(run))
        paper.write(run.fence, on_paper + 1, at)
        await self._count(run)
        if self._random.random() < 0.2:
            await self._count(run)
        if self._random.random() < 0.05:
            raise Later("nobody answers", after_ms=self._random.randrange(300))
        return Outcome(counts={"effects": 1})

    async def _count(self, run: Run) -> None:
        before = await run.read(partial(scratch.value, kind=run.kind, scope=run.scope))
        write = partial(scratch.count, fence=run.fence, new=before + 1)
        pause = self._random.uniform(0.0, 0.25)
        if self._random.random() < 0.5:
            await asyncio.to_thread(self._stubborn, run, write, pause)
        else:
            await asyncio.sleep(pause)
            await run.write(write)

    def _stubborn(self, run: Run, write: Callable[[Connection], None], pause: float) -> None:
        """Write whatever the engine thinks of it: no cancellation reaches a thread, only the fence stops a zombie."""
        time.sleep(pause)
        try:
            with run.store.write(run.fence) as connection:
                write(connection)
        except StaleFence:
            say(number=self._part.number, refused=[run.kind, run.scope, run.fence.number])
            raise

    def _pause(self, run: Run) -> float:
        if self._random.random() < 0.1:
            return run.task.lease_ms * 1.5 / 1000  # must be renewed
        return self._random.uniform(0.02, 0.2)


async def live(client: Words) -> int:
    """Be a client until SIGTERM."""
    part, ended = msgspec.convert(client, Part), told_to_end()
    store = open_store(part.url)
    if not part.fenced:  # a mutant, to show that the fire finds it
        vars(store)["_verify"] = lambda *_: None
    nothing: Any = None  # these tasks look at no clinic
    tasks, role = Work(part).tasks(), Role(part.role)
    engine = Engine(store=store, clinic=nothing, tasks=tasks, role=role, branch=part.branch, policy=POLICY)
    _watch(part.number)
    await engine.start()
    say(number=part.number, pid=os.getpid(), client=engine.client)
    await ended.wait()
    await engine.stop(2.0)
    store.close()
    return 0


def _watch(number: int) -> None:
    def watch() -> None:
        before = time.monotonic_ns()
        while True:
            time.sleep(0.02)
            now = time.monotonic_ns()
            if now - before > STALL_MS * 1_000_000:
                say(number=number, stalled=[before // 1_000_000, now // 1_000_000])
            before = now

    threading.Thread(target=watch, daemon=True).start()


def _nap(seconds: float) -> None:
    select.select((), (), (), seconds)


if __name__ == "__main__":
    if "faketime" in os.environ.get("LD_PRELOAD", ""):
        vars(time)["sleep"] = _nap  # libfaketime 0.9.10 breaks clock_nanosleep to an absolute monotonic time
    nurse(live)
