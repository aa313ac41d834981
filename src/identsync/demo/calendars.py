"""The calendar server of the demo, compared with the engine's books and with the clinic: event by event."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import select

from identsync.demo.checker import GOOD
from identsync.demo.stage import CALENDARS, Stage
from identsync.integrations.calendar import books
from identsync.integrations.calendar.chosen import at_home, stream_of, wish_of
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wanted import read
from identsync.language import _
from identsync.store.tables import mirror_item, run_log


@dataclass(frozen=True, slots=True)
class Compared:
    """Events the clinic asks for, those of them that both sides have, all that are there, those twice; faults."""

    wanted: int = 0
    confirmed: int = 0
    there: int = 0
    doubled: int = 0
    faults: tuple[str, ...] = ()

    @property
    def in_step(self) -> bool:
        """Whether every event the clinic asks for is there, and no other."""
        return self.wanted == self.confirmed == self.there


def compared(stage: Stage, scopes: Collection[int]) -> Compared:
    """Compare the calendars of the doctors at home in ``scopes``; an event that is on its way is no fault."""
    wanted = _wanted(stage, scopes)
    states = _kept(stage)
    there = _there(stage)
    names = {name.partition("-g")[0] for name in there}
    confirmed = {name for name, state in states.items() if state == "confirmed"}
    return Compared(
        wanted=len(wanted),
        confirmed=len(wanted & confirmed & names),
        there=len(there),
        doubled=len(there) - len(names),
        faults=tuple(_faults(stage, len(confirmed - names), len(names - states.keys()))),
    )


def filled(stage: Stage, scopes: Collection[int]) -> bool:
    """Say whether each branch's calendars have been written once: the first time is the long one."""
    log = run_log.c
    good = log.kind == stream_of(CALENDARS), log.outcome.in_(GOOD)
    with stage.store.read() as connection:
        return set(scopes) <= set(connection.execute(select(log.scope).where(*good)).scalars())


def _wanted(stage: Stage, scopes: Collection[int]) -> set[str]:
    """Return the names of the events that the clinic asks for."""
    destination: CalendarDestination = stage.settings.rooms["calendar"][CALENDARS]
    with stage.store.read() as connection:
        key = books.find_key(connection)
    now, names = stage.store.now_ms(), set[str]()
    for scope in scopes if key is not None else ():
        doctors = at_home(stage.clinic, destination, scope)
        wanted = read(stage.clinic, wish_of(destination), scope, key or b"", doctors.keys(), now)
        names |= {event.name for event in wanted.events(wanted.columns.keys).values()}
    return names


def _kept(stage: Stage) -> dict[str, str]:
    """Return the state of every event that the engine has, or may have, written: by name."""
    item = mirror_item.c
    with stage.store.read() as connection:
        rows = connection.execute(select(item.state, item.payload).where(item.stream == stream_of(CALENDARS))).all()
    return {Kept.unpack(payload).name.name: state for state, payload in rows if payload is not None}


def _there(stage: Stage) -> list[str]:
    return [item["uid"] for calendar in stage.calendars.calendars() for item in calendar["items"].values()]


def _faults(stage: Stage, lost: int, strange: int) -> Iterator[str]:
    if lost:
        yield _("движок считает записанными событий, которых в календарях нет: {count}", count=lost)
    if strange:
        yield _("в календарях событий, о которых движок не знает: {count}", count=strange)
    for name, count in stage.calendars.books().items():
        if name in {"foreign touched", "without precondition"} and count:
            yield _("сервер календарей: {what}, раз: {count}", what=name, count=count)
