"""An organisation's client for tests: a store, a clinic with cases, N3 beside it; also run as a process of its own."""

import asyncio
import itertools
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from sqlalchemy import create_engine, update

from claimed import run_now
from identsync.clinic.source import ClinicSource
from identsync.demo.n3.desk import LPU
from identsync.engine.integration import Outcome
from identsync.integrations.egisz import exchange
from identsync.integrations.egisz.case import Reply
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
        self.settings = Organisation(**(usual | USUAL | {"timeout": 1_000} | more))
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


def main(told: dict[str, Any]) -> None:
    desk = Desk(told["store"], told["clinic"], told["url"], rate=1000.0)
    if told.get("dies"):
        mortal(*told["dies"])
    print("ready", flush=True)
    desk.hurry()
    desk.send()
    desk.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
