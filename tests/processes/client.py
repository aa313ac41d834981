"""One client process under fire: the real engine, its tasks write under their fence and on paper.

``python -m processes.client`` is a nursery: it forks a client for every JSON line on its standard input, because
sixteen fresh interpreters would cost more than the fire. It and its children write JSON lines on its standard output.
"""

import asyncio
import ctypes
import gc
import os
import random
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection

from identsync.engine.integration import Outcome, Role, Task
from identsync.engine.loop import Engine, new_loop
from identsync.engine.run import Run
from identsync.errors import Later, StaleFence
from identsync.store import open_store
from processes import scratch
from processes.plan import DEADLINE_MS, INTERVALS, LEASES, POLICY, SLOTS

STALL_MS = 50  # a thread that wakes each 20 ms and is later than that tells of a process that did not run
PARENT_DIED = 1  # PR_SET_PDEATHSIG


class Part(msgspec.Struct, frozen=True):
    """Who a client is; ``number`` names it in the crowd, ``seed`` is for what its tasks do."""

    number: int
    url: str
    folder: str
    role: int
    branch: int
    seed: int
    fenced: bool = True


def say(**words: object) -> None:
    """Write one line; short enough to arrive in one piece though sixteen processes share the pipe."""
    os.write(1, msgspec.json.encode(words) + b"\n")


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


async def live(part: Part) -> None:
    """Be a client until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
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


def be(part: Part) -> int:
    """Run one client in this process; returns its exit code."""
    log = (Path(part.folder) / f"client-{part.number}.log").open("a", buffering=1)
    os.dup2(log.fileno(), 2)
    structlog.configure(
        processors=[structlog.processors.TimeStamper(fmt="iso"), structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(log),
        cache_logger_on_first_use=True,
    )
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(live(part))
    return 0


def _nap(seconds: float) -> None:
    select.select((), (), (), seconds)


def nursery() -> None:
    """Fork a client for each line; the end of standard input ends them all."""
    for url in ("sqlite:////nowhere/identsync.db", "postgresql://nowhere/identsync"):
        open_store(url).close()  # connects to nothing, but imports what every child would import
    new_loop().close()
    gc.freeze()
    signal.signal(signal.SIGCHLD, _reap)
    for line in sys.stdin.buffer:
        part = msgspec.json.decode(line, type=Part)
        pid = os.fork()
        if pid == 0:
            _begin(part)
        say(number=part.number, born=pid)
    os.killpg(0, signal.SIGKILL)


def _begin(part: Part) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGKILL)
        code = be(part)
    except BaseException as error:  # the nursery's own frames must never run twice
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(code)


def _reap(*_: Any) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        say(ended=pid, code=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    if "faketime" in os.environ.get("LD_PRELOAD", ""):
        vars(time)["sleep"] = _nap  # libfaketime 0.9.10 breaks clock_nanosleep to an absolute monotonic time
    nursery()
