"""An organisation's client for tests: a store, a clinic with cases, N3 beside it; also run as a process of its own."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from sqlalchemy import create_engine, update

from claimed import run_now
from egisz.mortal_client import beset
from identsync.clinic.source import ClinicSource
from identsync.demo.n3 import wsdl
from identsync.demo.n3.desk import LPU
from identsync.engine.integration import Outcome
from identsync.integrations.egisz.contracts import made
from identsync.integrations.egisz.settings import Organisation
from identsync.integrations.egisz.task import tasks
from identsync.store import open_store
from identsync.store.tables import egisz_item
from nursery import Nursery, Words, nurse

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

    async def sending(self) -> Outcome:
        return await run_now(self.store, self.clinic, self._send)

    def send(self) -> Outcome:
        return asyncio.run(self.sending())

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
    """Let this process die when it comes to the step for the so-manieth time."""
    left = itertools.count(at, -1)

    def reach(name: str) -> None:
        if name == step and next(left) == 0:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    beset(reach)


async def live(told: dict[str, Any]) -> int:
    """Be one client for one run."""
    desk = Desk(told["store"], told["clinic"], told["url"], **told["settings"])
    if told.get("dies"):
        mortal(*told["dies"])
    await desk.sending()
    desk.close()
    return 0


class Clients:
    """Processes of clients; where there is fork, of a nursery that has everything read in already."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._ends = folder, SimpleQueue[int]()
        can_fork = hasattr(os, "fork")
        self._nursery = Nursery("egisz.sending_desk", os.environ, self._hear) if can_fork else None

    def live(self, clients: Sequence[dict[str, Any]]) -> list[int]:
        """Let these live side by side, each for one run; return how each ended, below nought = killed."""
        if self._nursery is None:
            return _fresh(clients)
        for number, each in enumerate(clients):
            self._nursery.bear(each | {"number": number, "folder": str(self._folder)})
        return [self._ends.get(timeout=120) for _each in clients]

    def close(self) -> None:
        if self._nursery is not None:
            self._nursery.__exit__()

    def _hear(self, words: Words) -> None:
        if "ended" in words:
            self._ends.put(words["code"])


def _fresh(clients: Sequence[dict[str, Any]]) -> list[int]:
    command = [sys.executable, __file__]
    some = [subprocess.Popen([*command, json.dumps(each)], stdout=subprocess.DEVNULL) for each in clients]
    return [-code if (code := each.wait()) == signal.SIGTERM else code for each in some]


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(asyncio.run(live(json.loads(sys.argv[1]))))
    made(wsdl.single("PixService", "EMK5"), wsdl.single("EMKService", "EMK5"))
    nurse(live)
