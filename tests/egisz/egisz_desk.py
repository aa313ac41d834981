"""The page ЕГИСЗ as a test sits before it."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select

from identsync.clinic.source import ClinicSource
from identsync.console.drawing import Drawing, Visit
from identsync.engine.integration import PageContext
from identsync.integrations.egisz.page import PAGES
from identsync.store import Store
from identsync.store.tables import egisz_exchange, egisz_item

from . import egisz_seed as seed

PAGE = PAGES[0]
NOW = 1_795_514_400_000
"""Tuesday, 24 November 2026, 13:00 in Moscow."""


@pytest.fixture(scope="session")
def egisz_clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated clinic in a file."""
    path = tmp_path_factory.mktemp("egisz") / "clinic.db"
    engine = create_engine(f"sqlite:///{path}")
    seed.clinic(engine)
    engine.dispose()
    return path


@functools.cache
def _drawing(language: str) -> Drawing:
    """As a console keeps it: templates are compiled once."""
    return Drawing(language, "Europe/Moscow")


class Desk:
    """Who answers for ЕГИСЗ in a clinic sits here."""

    def __init__(self, store: Store, engine: Engine, now_ms: int = NOW) -> None:
        self.store, self.clinic, self.now_ms = store, ClinicSource(engine), now_ms
        self.patients, self.doctors = seed.people(engine)
        self.settings: Mapping[str, Any] = seed.SETTINGS
        self.made: dict[str, int] = {}

    @contextmanager
    def writing(self) -> Iterator[seed.Register]:
        with self.store.write() as connection:
            yield seed.Register(connection, self.patients, self.doctors, self.now_ms)

    def weeks(self) -> None:
        with self.writing() as register:
            self.made = seed.weeks(register)

    def context(self, user: str = "Анна") -> PageContext:
        return PageContext(self.store, self.clinic, self.settings, user, self.now_ms)

    def view(self, **query: object) -> dict[str, Any]:
        return PAGE.view(self.context(), {name: str(value) for name, value in query.items()})

    def drawn(self, language: str = "ru", **query: object) -> str:
        """Give the page's content as a browser gets it."""
        asked = {name: str(value) for name, value in query.items()}
        visit = Visit(language, "auto", "Анна", "x", asked, fragment=True)
        given = {"now_ms": self.now_ms, "attention": {}, "menu": [], "token": "", "version": "", "corners": ()}
        return _drawing(language).draw(PAGE.template, visit, PAGE, given | self.view(**query))

    def do(self, action: str, user: str = "Анна", **form: object) -> str | None:
        return PAGE.actions[action](self.context(user), {name: str(value) for name, value in form.items()})

    def decide(self, action: str, state: str, user: str = "Анна", **more: object) -> str | None:
        """Do what the button on the row of a state does now."""
        row = self.row(state)
        return self.do(action, user, id=row.id, seen=row.changed_ms, **more)

    def row(self, state: str) -> Any:
        with self.store.read() as connection:
            return connection.execute(select(egisz_item).where(egisz_item.c.id == self.made[state])).one()

    def journal(self, state: str) -> list[tuple[str, str, str]]:
        e = egisz_exchange.c
        with self.store.read() as connection:
            asked = select(e.operation, e.fate, e.words).where(e.item_id == self.made[state]).order_by(e.id)
            return [(operation, fate, words) for operation, fate, words in connection.execute(asked)]

    def counts(self, **query: object) -> dict[str, int]:
        return {name: count for name, _title, count in self.view(**query)["tabs"] if count}

    def version(self) -> str:
        return PAGE.version(self.context())


@contextmanager
def at_desk(store: Store, clinic: Path, now_ms: int = NOW) -> Iterator[Desk]:
    """Open a desk over a clinic's file."""
    engine = create_engine(f"sqlite:///{clinic}")
    yield Desk(store, engine, now_ms)
    engine.dispose()
