"""A client of whichever version is on the path: it migrates, introduces itself and runs what its version knows.

``python -m update.program`` is a nursery: it forks a client for each JSON line on its standard input, [number, url,
folder]. All of them write JSON lines on its standard output, and their journals into files of the folder.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, column, insert, table

from identsync.engine.integration import Outcome, Role, Task
from identsync.engine.loop import Engine, new_loop
from identsync.engine.run import Run
from identsync.engine.state import Policy
from identsync.errors import IdentsyncError
from identsync.store import Store, migrations, open_store
from identsync.store.clients import introduce

INTERVAL_MS, LEASE_MS, DEADLINE_MS = 400, 600, 4_000
POLICY = Policy(
    seat_lease_ms=500, presence_ttl_ms=3_000, backoff_cap_ms=1_500, error_base_ms=50, error_cap_ms=400,
    answer_ms=3_000, cancel_grace_ms=500, finish_grace_ms=300,
)  # fmt: skip
OLD_SLOTS = (("steady", 1), ("changed", 1), ("network", 0))
SLOTS = (*OLD_SLOTS, ("novel", 1))
PARENT_DIED = 1  # PR_SET_PDEATHSIG


def say(**words: object) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


def tasks() -> list[Task]:
    """What this version knows: the newer one has given ``changed`` another meaning, and has one task more."""
    if migrations.NEWEST < "9":  # update.release makes 9999
        return [Task(kind, scope, INTERVAL_MS, LEASE_MS, DEADLINE_MS, run) for kind, scope in OLD_SLOTS]
    protos = {"changed": 2}
    return [Task(k, s, INTERVAL_MS, LEASE_MS, DEADLINE_MS, run, proto=protos.get(k, 1)) for k, s in SLOTS]


async def run(run: Run) -> Outcome:
    """Take a moment; the newer version's tasks write into the newer table, under their fence."""
    await asyncio.sleep(0.03)
    if run.kind == "novel":
        await run.write(lambda connection: remember(connection, run))
    return Outcome()


def remember(connection: Connection, run: Run) -> None:
    novelty = table("novelty", column("fence"), schema=run.store.schema)
    connection.execute(insert(novelty).values(fence=run.fence.number))


def opened(url: str) -> Store:
    store = open_store(url)
    store.migrate()
    return store


async def live(number: int, url: str) -> None:
    """Be a client until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    store = opened(url)
    clinic: Any = None
    engine = Engine(store=store, clinic=clinic, tasks=tasks(), role=Role.ADMINISTRATOR, branch=1, policy=POLICY)
    with store.write() as connection:
        introduce(connection, engine.client)
    await engine.start()
    say(number=number, client=engine.client)
    await ended.wait()
    await engine.stop(2.0)
    store.close()


def begin(number: int, url: str, folder: str) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PARENT_DIED, signal.SIGKILL)
        log = (Path(folder) / f"client-{number}.log").open("a", buffering=1)
        os.dup2(log.fileno(), 2)
        printed = structlog.PrintLoggerFactory(log)
        structlog.configure(processors=[structlog.processors.LogfmtRenderer()], logger_factory=printed)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(live(number, url))
        code = 0
    except IdentsyncError as error:
        say(number=number, refused=str(error), hint=error.hint)
    except BaseException as error:  # the nursery's own frames must never run twice
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        os._exit(code)


def nursery() -> None:
    """Fork a client for each line; the end of standard input ends them all."""
    import alembic.command

    assert alembic.command
    for url in ("sqlite:////nowhere/identsync.db", "postgresql://nowhere/identsync"):
        open_store(url).close()  # connects to nothing, but imports what every child would import
    new_loop().close()
    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin.buffer:
        number, url, folder = json.loads(line)
        pid = os.fork()
        if pid == 0:
            begin(number, url, folder)
        say(number=number, pid=pid)
    os.killpg(0, signal.SIGKILL)


def reap(*_: Any) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        say(ended=pid, code=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    nursery()
