"""A nursery: a process that forks a client for each JSON line on its standard input, when told and not before.

Sixteen fresh interpreters would cost more than what is tried with them. The nursery and its clients write JSON lines
on its standard output: who was born, who has ended, what they have to say. The end of its standard input ends them all.
"""

import asyncio
import ctypes
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from identsync.engine.loops import new_loop
from identsync.store import open_store

TESTS = Path(__file__).parent
PARENT_DIED = 1  # PR_SET_PDEATHSIG
Words = dict[str, Any]


def now_ms() -> int:
    """Return the machine's monotonic clock, ms: one clock for all its processes."""
    return time.monotonic_ns() // 1_000_000


class Nursery:
    """A nursery as seen by who started it; a context manager that leaves no client behind.

    ``module`` calls ``nurse`` when run; ``hear`` is given each line, with its time as ``at``, in a thread of its own.
    """

    def __init__(self, module: str, environment: Mapping[str, str], hear: Callable[[Words], object]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment, cwd=TESTS, start_new_session=True,
        )  # fmt: skip
        self._hear = hear
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Nursery":
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()  # it kills whom it bore
        self._reader.join()
        self._process.wait()
        self._process.stdout.close()

    def bear(self, client: object) -> None:
        """Have a client forked: a JSON object with at least ``number`` and ``folder``, where its journal goes."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(client) + b"\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._hear({"at": now_ms(), **msgspec.json.decode(line)})


# -- within the nursery ----------------------------------------------------------------------------------------------


def nurse(live: Callable[[Words], Coroutine[Any, Any, int]]) -> None:
    """Fork a client for each line; it does ``live`` with the line's object and ends with the code that this returns."""
    for url in ("sqlite:////nowhere/identsync.db", "postgresql://nowhere/identsync"):
        open_store(url).close()  # connects to nothing, but imports what every client would import
    new_loop().close()
    gc.freeze()
    signal.signal(signal.SIGCHLD, _reap)
    for line in sys.stdin.buffer:
        client = msgspec.json.decode(line)
        pid = os.fork()
        if pid == 0:
            _begin(live, client)
        say(number=client["number"], born=pid)
    os.killpg(0, signal.SIGKILL)


def say(**words: object) -> None:
    """Write one line; short enough to arrive in one piece though sixteen processes share the pipe."""
    os.write(1, msgspec.json.encode(words) + b"\n")


def told_to_end() -> asyncio.Event:
    """Return what is set by SIGTERM."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    return told


def _begin(live: Callable[[Words], Coroutine[Any, Any, int]], client: Words) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGKILL)
        _keep_journal(Path(client["folder"]) / f"client-{client['number']}.log")
        with asyncio.Runner(loop_factory=new_loop) as runner:
            code = runner.run(live(client))
    except BaseException as error:  # the nursery's own frames must never run twice
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(code)


def _keep_journal(path: Path) -> None:
    file = path.open("a", buffering=1, encoding="utf-8")
    os.dup2(file.fileno(), 2)
    structlog.configure(
        processors=[structlog.processors.TimeStamper(fmt="iso"), structlog.processors.LogfmtRenderer()],
        logger_factory=structlog.PrintLoggerFactory(file),
        cache_logger_on_first_use=True,
    )


def _reap(*_: Any) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        say(ended=pid, code=os.waitstatus_to_exitcode(status))
