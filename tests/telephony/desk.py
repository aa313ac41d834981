"""The page of calls as a test sits before it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select

from identsync.clinic.source import ClinicSource
from identsync.engine.integration import PageContext
from identsync.integrations.telephony.call import Call, Employee, State
from identsync.integrations.telephony.page import PAGES
from identsync.integrations.telephony.page_corner import GLANCES
from identsync.integrations.telephony.page_history import LOOKED_FOR
from identsync.store import Store
from identsync.store.tables import phone_call, phone_missed

from . import desk_seed as seed
from .calls import MINUTE, ringing, tell

PAGE = PAGES[0]


@pytest.fixture(scope="session")
def calls_clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated clinic in a file."""
    path = tmp_path_factory.mktemp("calls") / "clinic.db"
    engine = create_engine(f"sqlite:///{path}")
    seed.clinic(engine)
    engine.dispose()
    return path


class Desk:
    """A reception desk: rings come, people act."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self.store, self.engine, self.clinic = store, engine, ClinicSource(engine)
        self.people = seed.patients(engine)
        self.now_ms = store.now_ms()
        self.branch: int | None = None
        self.settings: Any = seed.LINES
        self._lines: dict[str, str] = {}

    def context(self, user: str = "Анна") -> PageContext:
        return PageContext(self.store, self.clinic, self.settings, user, self.now_ms, branch=self.branch)

    def view(self, user: str = "Анна", **query: object) -> dict[str, Any]:
        return PAGE.view(self.context(user), {name: str(value) for name, value in query.items()})

    def corner(self, user: str = "Анна") -> dict[str, Any]:
        assert PAGE.corner is not None
        return PAGE.corner.view(self.context(user), {})

    def do(self, action: str, user: str = "Анна", **form: object) -> str | None:
        return PAGE.actions[action](self.context(user), {name: str(value) for name, value in form.items()})

    def version(self) -> str:
        return PAGE.version(self.context())

    def day(self) -> None:
        with self.store.write() as connection:
            seed.day(connection, self.people, self.now_ms)

    # -- what a PBX tells

    def tell(self, call: Call, line: str = "") -> int:
        """Let a PBX tell of a call, the one that told of it before; give its row's number."""
        line = self._lines.setdefault(call.key, line or "pbx")
        with self.store.write() as connection:
            tell(connection, call, now=self.now_ms, line=line, settings=seed.LINES[line])
            found = select(phone_call.c.id).order_by(phone_call.c.changed_ms.desc(), phone_call.c.id.desc())
            return int(connection.execute(found).scalar() or 0)

    def ring(self, phone: str, key: str = "r1", ago: int = 3_000, line: str = "pbx", **more: Any) -> Call:
        call = ringing(key, phone, self.now_ms - ago, **more)
        self.tell(call, line)
        return call

    def answer(self, call: Call, who: Employee = seed.ANNA) -> Call:
        taken = replace(call, state=State.TALKING, answered_ms=self.now_ms, talked=(who,))
        self.tell(taken)
        return taken

    def hang_up(self, call: Call) -> Call:
        state = State.MISSED if call.answered_ms is None else State.ANSWERED
        over = replace(call, state=state, ended_ms=self.now_ms)
        self.tell(over)
        return over

    # -- what stands in the books

    def entry(self, phone: str) -> Any:
        with self.store.read() as connection:
            asked = select(phone_missed).where(phone_missed.c.phone_key == phone[-10:])
            return connection.execute(asked.order_by(phone_missed.c.id.desc())).first()

    def rows(self, table: Any) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(select(table)))


@contextmanager
def at_desk(store: Store, clinic: Path) -> Iterator[Desk]:
    """Open a desk over a clinic's file."""
    engine = create_engine(f"sqlite:///{clinic}")
    GLANCES.forget()
    LOOKED_FOR.forget()
    yield Desk(store, engine)
    engine.dispose()


@contextmanager
def played(
    filled: Callable[..., Any], dialect: str, clinic: Path, name: str, play: Callable[[Desk], Any]
) -> Iterator[Desk]:
    """Sit at a desk after what was played once at another: its books are copied, its clock stands where it stood."""

    def fill(store: Store) -> int:
        with at_desk(store, clinic) as desk:
            play(desk)
            return desk.now_ms

    store, now_ms = filled(dialect, name, fill)
    with at_desk(store, clinic) as desk:
        desk.now_ms = now_ms
        yield desk


@pytest.fixture
def desk_of_a_day(dialect: str, filled: Callable[..., Any], calls_clinic: Path) -> Iterator[Desk]:
    """A desk at six in the evening, on SQLite and on PostgreSQL: the calls of the day are in the books."""

    def play(desk: Desk) -> None:
        desk.now_ms -= (desk.now_ms - 15 * 60 * MINUTE) % (24 * 60 * MINUTE)
        desk.day()

    with played(filled, dialect, calls_clinic, "a day of calls", play) as desk:
        yield desk
