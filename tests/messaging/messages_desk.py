"""The page of messages as a test sits before it, on SQLite and PostgreSQL."""

from typing import Any

from sqlalchemy import func, select, update

from identsync.clinic.source import ClinicSource
from identsync.engine.integration import PageContext
from identsync.integrations.messaging.page import PAGES
from identsync.store import Store
from identsync.store.tables import (
    outbox,
)

from . import messages_seed as seed

PAGE = PAGES[0]


class Desk:
    """The page as an administrator uses it, over a day of messages."""

    def __init__(self, store: Store, clinic: ClinicSource, people: list[Any], day: tuple[int, Any]) -> None:
        self.store, self.clinic, self.people = store, clinic, people
        self.now_ms, made = day
        self.made = {state: list(numbers) for state, numbers in made.items()}

    def context(self, user: str = "Анна") -> PageContext:
        return PageContext(self.store, self.clinic, seed.CHANNELS, user, self.now_ms)

    def view(self, user: str = "Анна", **query: object) -> dict[str, Any]:
        return PAGE.view(self.context(user), {name: str(value) for name, value in query.items()})

    def do(self, action: str, form: dict[str, Any], user: str = "Анна") -> str | None:
        return PAGE.actions[action](self.context(user), {name: str(value) for name, value in form.items()})

    def row(self, number: int) -> Any:
        with self.store.read() as connection:
            return connection.execute(select(outbox).where(outbox.c.id == number)).one()

    def count(self, table: Any) -> int:
        with self.store.read() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    def version(self) -> str:
        return PAGE.version(self.context())

    def attention(self) -> int:
        assert PAGE.attention is not None
        return PAGE.attention(self.context())

    def write(self, table: Any, **values: Any) -> None:
        with self.store.write() as connection:
            connection.execute(update(table).values(**values))

    def with_mail(self) -> Any:
        return next(person for person in self.people if person[2])
