"""A register of some weeks and a console over it, for a real browser to look at."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from browser import serving
from identsync.clinic.source import ClinicSource
from identsync.console.server import Console
from identsync.integrations.egisz import INTEGRATION
from identsync.store import open_store

from .egisz_desk import Desk


class House(Desk):
    """A desk with an address for each person that sits at it: ``at`` is the first one's."""

    consoles: Mapping[str, Any]

    def at(self, query: str = "", user: str = "Анна") -> str:
        return f"{self.consoles[user].url}egisz{query}"


@contextmanager
def opened(store: str, clinic: Path, *users: str, settings: Mapping[str, Any] | None = None) -> Iterator[House]:
    """Open a console for each person over a clinic's file; the register is empty."""
    engine, kept = create_engine(f"sqlite:///{clinic}"), open_store(store)
    house = House(kept, engine, kept.now_ms())
    house.settings = house.settings if settings is None else settings
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        stack.callback(kept.close)
        house.consoles = {
            user: stack.enter_context(serving(lambda user=user: _console(house, engine, user)))  # type: ignore[misc]
            for user in users or ("Анна",)
        }
        yield house


def _console(house: House, engine: Any, user: str) -> Console:
    rooms = [(INTEGRATION, house.settings)]
    return Console(house.store, ClinicSource(engine), rooms=rooms, port=0, zone="Europe/Moscow", user=user)
