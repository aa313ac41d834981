"""A small network and the calendars outside it, all in memory: thousands of runs of the whole task, faults on demand.

Real are the task, the mirror, the books (SQLite in memory) and the clinic's reading. The other side is calendar_model
behind ``Reception``; every request can meet one of FAULTS, every write of a run can be the client's last.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import structlog
from calendar_model import Model
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import StaticPool

from identsync.clinic import contract
from identsync.clinic.source import ClinicSource
from identsync.engine.ending import ending
from identsync.engine.integration import Outcome
from identsync.errors import Limited, Refused, StaleFence, Unavailable, Unexpected
from identsync.flows.mirror import approve
from identsync.integrations.calendar import books, chosen, desks, keeping, leaving, task
from identsync.integrations.calendar.books import Account, Link
from identsync.integrations.calendar.event import Barred, Changes, Event, Found, Name, Unwanted, Written
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wanted import homes, read
from identsync.integrations.calendar.wire import discovery
from identsync.store.tables import (
    calendar_account,
    calendar_link,
    metadata,
    mirror_item,
    mirror_stream,
    network_key,
    rate_slot,
    task_slot,
)

NAME, HOME = "there", "https://there.example/"
TODAY = time.time_ns() // 86_400_000_000_000
HOUR = 3_600_000
OWNER = 2  # the doctor with an account of his own
LOST = ("lost request", "lost answer", "garbage, not done", "garbage, done")
WRITES = {"put", "remove", "delete calendar"}
FAULTS = (
    *LOST, "no connection", "limited", "refused", "barred", "unwanted", "no etag", "stale", "empty", "edited meanwhile",
    "deleted meanwhile", "taken over", "paused meanwhile", "leaving meanwhile", "dies before", "dies after",
)  # fmt: skip


class Died(BaseException):
    """The process is gone."""


@dataclass
class Shelf(Model):
    """A calendar of the model that knows how it was before the last write, and what people have put beside ours.

    ``forgetful`` ones tell no more than real servers do: what came *and* went since a token is left out of a delta.
    """

    strangers: int = 0
    before: "Shelf | None" = None
    was: list[tuple[int, Name]] = field(default_factory=list)  # what was there before each change of it

    def _remember(self, name: Name) -> None:
        self.before = replace(self, there=dict(self.there), log=list(self.log), was=list(self.was), before=None)
        if name in self.there:
            self.was.append((self.count + 1, name))

    def write(self, name: Name, event: Event) -> None:
        self._remember(name)
        super().write(name, event)

    def drop(self, name: Name) -> None:
        self._remember(name)
        super().drop(name)

    async def changes(self, token: str | None) -> Changes:
        forgetful, self.forgetful = self.forgetful, False
        found = await super().changes(token)
        self.forgetful = forgetful
        if not forgetful or found.whole:
            return found
        first: dict[Name, int] = {}
        for at, name in self.log:
            if at > int(token or 0):
                first.setdefault(name, at)
        return replace(found, gone=[name for name in found.gone if (first[name], name) in self.was])


@dataclass
class Wire:
    """The Calendar protocol over one address of the world; each request may meet a fault."""

    world: "World"
    address: str

    async def put(self, name: Name, event: Event, etag: str | None) -> Any:
        return await self.world.asked(self, "put", name, lambda shelf: shelf.put(name, event, etag))

    async def remove(self, name: Name, etag: str | None) -> Any:
        return await self.world.asked(self, "remove", name, lambda shelf: shelf.remove(name, etag))

    async def get(self, name: Name) -> Found | None:
        return await self.world.asked(self, "get", name, lambda shelf: shelf.get(name))

    async def fetch(self, names: Any) -> Any:
        return await self.world.asked(self, "fetch", None, lambda shelf: shelf.fetch(names))

    async def changes(self, token: str | None) -> Changes:
        found = await self.world.asked(self, "changes", None, lambda shelf: shelf.changes(token))
        shelf = self.world.shelves.get(self.address)
        return Changes(found.token, found.there, found.gone, found.whole, shelf.strangers if shelf else 0)


@dataclass
class Dav:
    """What making and deleting whole calendars needs of a CalDAV client."""

    world: "World"

    async def ask(self, method: str, address: str, passing: Any = ()) -> Any:
        assert method == "DELETE"
        wire = Wire(self.world, address)
        await self.world.asked(wire, "delete calendar", None, self._drop)
        return SimpleNamespace(status=204)

    async def _drop(self, shelf: Shelf) -> Any:
        if shelf.exists:
            assert shelf.strangers == 0, "somebody else's events were deleted with the calendar"
            self.world.shelves = {at: one for at, one in self.world.shelves.items() if one is not shelf}
        return Written(None)


@dataclass
class World:
    """``faults`` by the number of the request in the next run; ``now`` is everybody's clock."""

    trashbin: bool = False
    forgetful: bool = False
    parallel: int = 2
    shelves: dict[str, Shelf] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    now: int = TODAY * 24 * HOUR + 9 * HOUR
    fences: dict[int, int] = field(default_factory=lambda: {1: 0, 2: 0})
    number: int = 0  # of the next request of this run
    dead: bool = False
    dies_at_write: tuple[int, bool] | None = None  # number of the write, and whether it is committed first
    stale_at_write: int | None = None
    written: int = 0
    requests: list[tuple[str, str, Name | None]] = field(default_factory=list)
    faced: int = 0  # faults that were met
    orders: dict[int, str] = field(default_factory=dict)  # what people have ordered on the page, by doctor
    made: set[Name] = field(default_factory=set)  # what clients have ever created

    def __post_init__(self) -> None:
        self.engine = _memory()
        tables = [mirror_item, mirror_stream, calendar_link, calendar_account, network_key, rate_slot, task_slot]
        metadata.create_all(self.engine, tables=tables)
        self.clinic_engine = _memory()
        contract.contract.create_all(self.clinic_engine)
        self.clinic = ClinicSource(self.clinic_engine)
        self.destination = CalendarDestination(
            kind="caldav", url=HOME, user="clinic", password="env:NOBODY", seal="env:NOBODY", back_days=1, days=3,
            repair=HOUR, interval=60_000, parallel=self.parallel,
        )  # fmt: skip
        with self.engine.begin() as connection:
            books.put_account(connection, NAME, Account(OWNER, "own", HOME, b"sealed"), self.now)
            books.put_account(connection, NAME, Account(books.CLINIC, "clinic", HOME, None), self.now)

    def close(self) -> None:
        self.engine.dispose()
        self.clinic_engine.dispose()

    # -- the clinic

    def sql(self, statement: str, **values: Any) -> None:
        with self.clinic_engine.begin() as connection:
            connection.execute(text(statement), values)

    def staff(self) -> set[tuple[int, int]]:
        with self.clinic_engine.connect() as connection:
            return {
                (row[0], row[1]) for row in connection.execute(text("SELECT branch_id, doctor_id FROM clinic_staff"))
            }

    def booked(self) -> list[int]:
        with self.clinic_engine.connect() as connection:
            rows = connection.execute(text("SELECT appointment_id FROM clinic_appointment ORDER BY 1"))
            return list(rows.scalars())

    # -- runs

    def go(self, scope: int) -> Outcome | None:
        """One run of a branch, in a loop of its own; None where the client died."""
        self.number = self.written = 0
        self.dead = False
        try:
            with outside(self):
                return asyncio.run(self.run(scope))
        except BaseException:
            if not self.dead:
                raise
            return None
        finally:
            self.faults, self.dies_at_write, self.stale_at_write = {}, None, None

    async def run(self, scope: int) -> Outcome:
        self.fences[scope] += 1
        still = {link.address: link for link in self.links().values() if link.state in {"paused", "off"}}
        before = len(self.requests)
        run = WorldRun(self, scope, self.fences[scope], self.task())
        try:
            return await ending(run, structlog.get_logger())  # type: ignore[arg-type]
        finally:
            for at, verb, _name in self.requests[before:]:
                link = still.get(at)
                if link is not None and at and self._still(link):
                    assert verb not in (WRITES if link.state == "paused" else {"put"}), f"a calendar {link.state}"

            links = self.links()
            undone = {doctor for doctor, state in self.orders.items() if links[doctor].state not in {state, "off"}}
            assert not undone, "a run has undone what a person had ordered"

    def _still(self, before: Link) -> bool:
        after = self.links()[before.doctor]
        return (after.state, after.address) == (before.state, before.address)

    def task(self) -> Any:
        async def work(run: Any) -> Outcome:
            return await task._run(run, NAME, self.destination)

        return SimpleNamespace(run=work, kind=chosen.stream_of(NAME), interval_ms=60_000)

    async def asked(self, wire: Wire, verb: str, name: Name | None, act: Callable[[Any], Awaitable[Any]]) -> Any:
        """One request: what happens to it, what it does, what becomes of its answer."""
        fault = self.faults.get(self.number)
        self.number += 1
        self._alive()
        await asyncio.sleep(0)
        self._alive()
        self.now += 7
        self.requests.append((wire.address, verb, name))
        shelf: Any = self.shelves.get(wire.address) or Shelf(exists=False)
        writes = verb in WRITES
        if fault:
            self.faced += 1
            await self._before(fault, wire.address, name)
            shelf = self.shelves.get(wire.address) or Shelf(exists=False)
        if writes and fault == "unwanted":
            return Unwanted("not today")
        if not writes and fault == "stale":
            shelf = shelf.before or shelf
        if verb == "changes" and fault == "empty":
            shelf.empty_once = True
        answer = await act(shelf)
        self._noted(verb, name, answer)
        if fault == "lost answer":
            raise Unavailable("lost", sent=True)
        if fault == "garbage, done":
            raise Unexpected("garbage", raw="<html>")
        if fault == "dies after":
            self._die()
        return Written(None) if fault == "no etag" and isinstance(answer, Written) else answer

    def _noted(self, verb: str, name: Name | None, answer: Any) -> None:
        if isinstance(answer, Written) and name is not None:
            assert verb == "put" or name in self.made, "a client deleted what none has made"
            self.made.add(name)

    async def _before(self, fault: str, address: str, name: Name | None) -> None:
        match fault:
            case "lost request":
                raise Unavailable("lost", sent=True)
            case "garbage, not done":
                raise Unexpected("garbage", raw="<html>")
            case "no connection":
                raise Unavailable("down", sent=False)
            case "limited":
                raise Limited("slow", after_ms=300)
            case "refused":
                raise Refused("who are you")
            case "barred":
                raise Barred("not here")
            case "dies before":
                self._die()
            case "taken over":
                scope = next((link.scope for link in self.links().values() if link.address == address), 1)
                await self.run(scope)
            case "edited meanwhile":
                self._by_hand(address, name, lambda shelf, one: shelf.edit(one, "обед"))
            case "deleted meanwhile":
                self._by_hand(address, name, lambda shelf, one: shelf.drop(one))
            case "paused meanwhile" | "leaving meanwhile":
                self.set_state(address, fault.partition(" ")[0])

    def _by_hand(self, address: str, name: Name | None, deed: Callable[[Shelf, Name], None]) -> None:
        shelf = self.shelves.get(address)
        if shelf is not None and name in shelf.there and name is not None:
            deed(shelf, name)

    def set_state(self, address: str, state: str) -> None:
        """A person orders something on the page."""
        for link in self.links().values():
            if link.address == address and link.state in {"on", "paused", "refused"}:
                self.orders |= {link.doctor: state}
                if state == "on":
                    del self.orders[link.doctor]
                with self.engine.begin() as connection:
                    if state == "leaving":
                        leaving.begin(connection, NAME, self.destination, [link.doctor], self.now)
                    else:
                        books.set_state(connection, NAME, link.doctor, state, self.now)
                    if state == "on":
                        leaving.hasten(connection, NAME, self.destination, [link.doctor])

    def _die(self) -> None:
        self.dead = True
        raise Died

    def _alive(self) -> None:
        if self.dead:
            raise Died

    def make_calendar(self, address: str) -> None:
        self.shelves.setdefault(address, Shelf(trashbin=self.trashbin, forgetful=self.forgetful))

    # -- what is true

    def links(self) -> dict[int, Link]:
        with self.engine.connect() as connection:
            return books.links(connection, NAME)

    def wanted(self, link: Link) -> list[Event]:
        """What a doctor's calendar shall hold, by name."""
        with self.engine.connect() as connection:
            key = books.find_key(connection) or b""
        wish = chosen.wish_of(self.destination)
        if homes(self.clinic.staff(), wish).get(link.doctor) != link.scope:
            return []
        found = read(self.clinic, wish, link.scope, key, [link.doctor], self.now)
        return sorted(found.events(found.columns.keys).values(), key=lambda event: event.name)

    def there(self, link: Link) -> list[Event]:
        """What a doctor's calendar holds of ours, all generations, by name."""
        shelf = self.shelves.get(link.address)
        return sorted(shelf.events if shelf else [], key=lambda event: event.name)

    def allow(self) -> None:
        """A person allows what the brake has stopped."""
        with self.engine.begin() as connection:
            for scope in self.fences:
                approve(connection, chosen.stream_of(NAME), scope)

    def hurry(self) -> None:
        """Let time pass until every look is due, and no try waits any more, not even those that were rejected."""
        self.now += HOUR + 60_000
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE mirror_item SET retry_ms=NULL"))

    def rejected(self) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM mirror_item WHERE state='rejected'")).scalar_one())


@dataclass
class WorldRun:
    """What the task needs of a run."""

    world: World
    scope: int
    fence: int
    task: Any
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return str(self.task.kind)

    async def read(self, fn: Callable[[Connection], Any]) -> Any:
        await asyncio.sleep(0)
        self.world._alive()
        with self.world.engine.connect() as connection:
            return fn(connection)

    async def write(self, fn: Callable[[Connection], Any], *, aside: bool = False) -> Any:
        await asyncio.sleep(0)
        world = self.world
        world._alive()
        world.written += 1
        if world.stale_at_write == world.written:
            world.fences[self.scope] += 1
        number, committed = world.dies_at_write or (0, False)
        if world.written == number and not committed:
            world._die()
        if world.fences[self.scope] != self.fence:
            raise StaleFence("taken over")
        with world.engine.begin() as connection:
            result = fn(connection)
        if world.written == number:
            world._die()
        return result

    async def clinic_read(self, fn: Callable[[ClinicSource], Any]) -> Any:
        await asyncio.sleep(0)
        return fn(self.world.clinic)

    def progress(self, **counts: int) -> None:
        self.counts |= counts

    def now_ms(self) -> int:
        return self.world.now


@contextlib.contextmanager
def outside(world: World) -> Iterator[None]:
    """Put the world in the place of the network."""

    class NoHttp:
        def __init__(self, **_options: Any) -> None: ...

        async def __aenter__(self) -> Any:
            return self

        async def __aexit__(self, *_error: object) -> None: ...

    async def calendar(_reception: Any, _whose: int, address: str) -> Any:
        return Wire(world, address)

    async def dav(_reception: Any, _whose: int) -> Any:
        return Dav(world)

    async def make_calendar(_dav: Any, home: str, slug: str, _title: str, _colour: str) -> str:
        address = f"{home}{slug}/"

        async def made(_shelf: Any) -> Any:
            world.make_calendar(address)
            return Written(None)

        answer = await world.asked(Wire(world, address), "make calendar", None, made)
        assert isinstance(answer, Written)
        return address

    with ExitStack() as stack:
        stack.enter_context(patch("identsync.flows.http.Http", NoHttp))
        stack.enter_context(patch.object(desks.Reception, "_calendar", calendar))
        stack.enter_context(patch.object(desks.Reception, "dav", dav))
        stack.enter_context(patch.object(discovery, "make_calendar", make_calendar))
        stack.enter_context(patch.object(keeping, "DAY_MS", HOUR))
        stack.enter_context(patch.object(chosen, "FLOOR", 6))
        stack.enter_context(patch.object(desks, "ORDERS_MS", 0))
        yield


def _memory() -> Any:
    return create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
