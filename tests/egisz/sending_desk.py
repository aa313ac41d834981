"""An organisation's client for tests: a store, a clinic with cases, N3 beside it; also run as a process of its own."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from sqlalchemy import create_engine, update

from claimed import run_now
from identsync.clinic.source import ClinicSource
from identsync.demo.n3 import wsdl
from identsync.demo.n3.desk import LPU
from identsync.engine.integration import Outcome
from identsync.integrations.egisz import exchange
from identsync.integrations.egisz.case import Reply
from identsync.integrations.egisz.contracts import made
from identsync.integrations.egisz.settings import Organisation
from identsync.integrations.egisz.shelf import Items
from identsync.integrations.egisz.task import tasks
from identsync.store import open_store
from identsync.store.tables import egisz_item

NAME = "clinic"
USUAL = {"aid": 1, "payment": 3, "confidentiality": 1, "result": 1, "purpose": 1, "case": 2, "outcome": 1, "place": 1}
USUAL |= {"visit_purpose": 1, "role": 3, "disease": 1, "diagnosis": 1}


class Desk:
    """One client: ``send`` and ``look`` are its tasks, run now."""

    def __init__(self, store: str, clinic: str, url: str, **more: Any) -> None:
        self.engine, self.store = create_engine(clinic), open_store(store)
        self.clinic = ClinicSource(self.engine)
        usual: dict[str, Any] = {"url": url, "token": "env:TEST_N3", "lpu": LPU, "rate": 50.0, "at_once": 4}
        self.settings = Organisation(**(usual | USUAL | {"timeout": 30_000} | more))
        self.settle()

    def settle(self, **changed: Any) -> None:
        """Change the settings."""
        self.settings = msgspec.structs.replace(self.settings, **changed)
        self._send, self._look = tasks({NAME: self.settings}, [])

    def send(self) -> Outcome:
        return asyncio.run(run_now(self.store, self.clinic, self._send))

    def look(self) -> Outcome:
        return asyncio.run(run_now(self.store, self.clinic, self._look))

    def hurry(self) -> None:
        """Let time pass: what waits for its next try is due."""
        with self.store.write() as connection:
            waiting = egisz_item.c.state.in_(("later", "unknown"))
            connection.execute(update(egisz_item).where(waiting).values(retry_ms=0))

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()


def mortal(step: str, at: int) -> None:
    """Let this process die at the so-manieth step: before a request, after its answer, while that is written down."""
    left = itertools.count(at, -1)

    def die() -> None:
        if next(left) == 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    asked, saved = exchange.told, Items.save

    async def told(*each: Any) -> Reply:
        if step == "asking":
            die()
        reply = await asked(*each)
        if step == "answered":
            die()
        return reply

    def save(self: Items, *each: Any, **more: Any) -> Any:
        if step == "announcing":
            die()
        columns = saved(self, *each, **more)
        if step == "saving":  # written, not committed
            die()
        return columns

    exchange.told, Items.save = told, save  # type: ignore[method-assign]


def live(told: dict[str, Any]) -> None:
    """Be one client for one run."""
    desk = Desk(told["store"], told["clinic"], told["url"], **told["settings"])
    if told.get("dies"):
        mortal(*told["dies"])
    desk.send()
    desk.close()


class Clients:
    """Processes of clients; where there is fork, one of a process that has everything read in already."""

    def __init__(self) -> None:
        self._nursery = self._started("nursery") if hasattr(os, "fork") else None

    def live(self, clients: Sequence[dict[str, Any]]) -> list[int]:
        """Let these live side by side, each for one run; return how each ended, below nought = killed."""
        if self._nursery is None:
            some = [self._started(json.dumps(each)) for each in clients]
            for each in some:
                each.communicate()
            return [-each.returncode if each.returncode == signal.SIGTERM else each.returncode for each in some]
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(f"{json.dumps(clients)}\n")
        self._nursery.stdin.flush()
        ends: list[int] = json.loads(self._nursery.stdout.readline())
        return ends

    def close(self) -> None:
        if self._nursery is not None:
            self._nursery.communicate()

    def _started(self, told: str) -> "subprocess.Popen[str]":
        pipes = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
        }
        return subprocess.Popen([sys.executable, __file__, told], text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def nursery() -> None:
    """Let the clients of each line live, as forks of this process, and say how they ended."""
    made(wsdl.single("PixService", "EMK5"), wsdl.single("EMKService", "EMK5"))
    for line in sys.stdin:
        born = [_born(told) for told in json.loads(line)]
        ends = [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in born]
        print(json.dumps(ends), flush=True)


def _born(told: dict[str, Any]) -> int:
    own = os.fork()
    if own:
        return own
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what it says is no answer
    ended = 1
    try:
        live(told)
        ended = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(ended)


if __name__ == "__main__":
    nursery() if sys.argv[1] == "nursery" else live(json.loads(sys.argv[1]))
