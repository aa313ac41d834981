"""One client that looks for addresses until it is killed: ``searching_client.py SETTINGS``, JSON."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import create_engine

from claimed import run_now
from identsync.clinic.source import ClinicSource
from identsync.engine.integration import Outcome
from identsync.integrations.geocoding import books
from identsync.integrations.geocoding.settings import Provider
from identsync.integrations.geocoding.task import tasks
from identsync.store import Store, open_store


class Desk:
    """One client's view: its store, its clinic, its providers."""

    def __init__(self, store: str, clinic: str, providers: dict[str, Provider]) -> None:
        self.engine = create_engine(clinic)
        self.store: Store = open_store(store)
        self.clinic = ClinicSource(self.engine)
        [self.task] = tasks(providers, [])

    def look(self) -> Outcome:
        """Look for what is new."""
        return asyncio.run(run_now(self.store, self.clinic, self.task))

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()


def main(settings: dict[str, Any]) -> None:
    keys = {"key": "env:TEST_GEOCODER", "secret": "env:TEST_GEOCODER_SECRET"}
    provider = Provider(kind="dadata", url=settings["url"], per_second=1000.0, order=1, **keys)  # as the test's own
    desk = Desk(settings["store"], settings["clinic"], {"own": provider})
    if settings.get("dies"):  # answered, not written down
        books.encode = lambda _answer: os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # type: ignore[assignment,func-returns-value]
    print("ready", flush=True)
    desk.look()
    desk.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
