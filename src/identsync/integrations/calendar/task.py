"""What runs when due, a task for each branch: the calendars of the doctors who are at home there look as it says.

A run introduces doctors who have no calendar yet, looks at calendars where somebody may have edited, and then delivers
what differs (flows.mirror), each calendar in order and several side by side. It ends within a few minutes, so that the
next one knows what was moved meanwhile; a first fill goes on run by run, the nearest days first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from identsync.core.columns import Columns
from identsync.engine.integration import Outcome, Status, Task
from identsync.errors import AskPerson, IdentsyncError, Unexpected
from identsync.errors import Later as LaterError
from identsync.flows.mirror import (
    Confirmed,
    Item,
    Later,
    Patience,
    Verdict,
    confirmed,
    doubt,
    keep,
    kept,
    mirror,
)
from identsync.integrations.calendar import books, keeping
from identsync.integrations.calendar.books import Account, Link
from identsync.integrations.calendar.chosen import GONE, at_home, brakes_of, serves, stream_of, weights_of, wish_of
from identsync.integrations.calendar.closed import take_over
from identsync.integrations.calendar.connecting import make, title_of
from identsync.integrations.calendar.desks import Desk, Reception, reception, standing
from identsync.integrations.calendar.event import Calendar, Conflict, Event, Name, NoCalendar, Unwanted
from identsync.integrations.calendar.ghosts import Ghosts
from identsync.integrations.calendar.keeping import Kept, Look
from identsync.integrations.calendar.leaving import held, remains, taken_leave
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.vanishing import noted, stopped, vanishing
from identsync.integrations.calendar.wanted import Wanted, read, when
from identsync.language import kept as kept_words
from identsync.language import keyed as _

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from identsync.clinic.source import Branch, Doctor
    from identsync.engine.run import Run

BUDGET_MS = 150_000
DEADLINE_MS = 600_000
MOST_WAIT_MS = 600_000  # between tries of an event: a cancelled visit is not shown much longer than need be
ORDERS_MS = 2_000  # after which a run asks again whether a person has paused a calendar
RARE_MS = 3_600_000  # between looks whether anything is left of a branch that is not chosen
WHOLE_MS = 86_400_000  # a day: its first look at a calendar trusts no token


def tasks(settings: Mapping[str, CalendarDestination], branches: Sequence["Branch"]) -> list[Task]:
    """Return one task for each destination and branch.

    One that the settings do not choose has a rare one: what was written for it when they did is to be taken back.
    """
    return [task_of(name, destination, branch) for name, destination in settings.items() for branch in branches]


def task_of(name: str, destination: CalendarDestination, branch: "Branch") -> Task:
    """Return the task of a destination in a branch."""
    title = f"{_('Календари')}: {destination.title or name}"
    interval, deadline = destination.interval, DEADLINE_MS + 4 * destination.timeout
    if not serves(destination, branch.id):
        interval = max(interval, RARE_MS)
    work = partial(_run, name=name, destination=destination)
    return Task(stream_of(name), branch.id, interval, destination.lease, deadline, work, title)


@dataclass(slots=True)
class Books:
    """What is written down, and who works here, as a run finds it."""

    links: dict[int, Link]
    accounts: dict[int, Account]
    key: bytes
    doctors: dict[int, "Doctor"]  # at home in the run's branch
    others: dict[str, str]  # see books.others
    unmade: IdentsyncError | None = None  # why a doctor has no calendar although he shall have one

    def written(self, state: Callable[[Link], bool]) -> list[int]:
        """Return the doctors at home whose link is so."""
        return [doctor for doctor in self.doctors if doctor in self.links and state(self.links[doctor])]


async def _run(run: "Run", name: str, destination: CalendarDestination) -> Outcome:
    await take_over(run, name, destination)
    if not serves(destination, run.scope):
        there = await run.read(lambda connection: remains(connection, name, destination, run.scope))
        if not there:
            return Outcome()
    found = await open_books(run, name, destination)
    if destination.kind == "feed":
        from identsync.integrations.calendar.feed import publish

        return await publish(run, name, destination, found)
    async with reception(run, name, destination, found.accounts) as here:
        here.know_the_clinic()
        await _introduce(here, found)
        present = found.written(lambda link: link.state not in GONE)
        wanted = await run.clinic_read(
            lambda clinic: read(clinic, wish_of(destination), run.scope, found.key, present, run.now_ms())
        )
        work = _Work(here, found, wanted)
        await work.look_again()
        outcome = await work.deliver()
        await work.close(outcome)
    return work.told(outcome)


async def open_books(run: "Run", name: str, destination: CalendarDestination) -> Books:
    """Read what is written down of a destination, and who is at home in the run's branch."""

    def written(connection: "Connection") -> tuple[dict[int, Link], dict[int, Account], bytes | None, dict[str, str]]:
        links, accounts = books.links(connection, name), books.accounts(connection, name)
        return links, accounts, books.find_key(connection), books.others(connection, name)

    links, accounts, key, others = await run.read(written)
    if key is None:
        key = await run.write(lambda connection: books.make_key(connection, run.now_ms()))
    doctors = await run.clinic_read(lambda clinic: at_home(clinic, destination, run.scope))
    return Books(links, accounts, key, doctors, others)


async def _introduce(here: Reception, found: Books) -> None:
    """Give a calendar to each doctor who has none and may have one; take in those who came from another branch."""
    run = here.run
    for doctor in found.doctors.values():
        link = found.links.get(doctor.id)
        if link is None and here.account_of(doctor.id) is None:
            continue
        if link is None or (not link.address and link.state == "on"):
            blank = link or Link(doctor.id, run.scope, address="", own=True, state="on")
            title = title_of(here.name, here.destination, doctor.name, found.others)
            new = await _made(here, found, blank, title)
            if new is None:
                continue
        elif link.scope == run.scope:
            continue
        else:
            new = link
        new = replace(new, scope=run.scope, looked_ms=None)
        await _put_links(here, [(link, new)])
        found.links[doctor.id] = new


async def _made(here: Reception, found: Books, blank: Link, title: str) -> Link | None:
    """Make a calendar; None where that fails, which keeps nobody waiting who has one."""
    if found.unmade is not None and here.account_of(blank.doctor) == books.CLINIC:
        return None
    branches = await here.run.clinic_read(lambda clinic: clinic.branches())
    zone = next(branch.zone for branch in branches if branch.id == here.run.scope)
    try:
        return await make(here, blank, found.key, title, zone, found.others)
    except (AskPerson, LaterError, Unexpected) as error:
        found.unmade = error
        return None


async def _put_links(here: Reception, links: Iterable[tuple[Link | None, Link]]) -> None:
    """Write links, new ones and as they have changed; what a person has ordered meanwhile stays ordered."""
    now = here.run.now_ms()

    def put(connection: "Connection") -> None:
        for old, new in links:
            if old is None:
                books.put_link(connection, here.name, new, now)
            else:
                books.change_link(connection, here.name, old, new, now)

    await here.run.write(put)


# -- one run ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Work:
    here: Reception
    found: Books
    wanted: Wanted
    desks: dict[int, Desk] = field(default_factory=dict)
    events: dict[int, Event] = field(default_factory=dict)  # of the batch in hand
    ghosts: Ghosts = field(init=False)
    repaired: int = 0
    asked_ms: int = 0  # when people's orders were last read
    held: set[int] = field(default_factory=set)  # doctors whose calendars a person has to decide about

    def __post_init__(self) -> None:
        self.ghosts = Ghosts(self.run, self.stream, self.wanted, self.found.others)

    @property
    def run(self) -> "Run":
        return self.here.run

    @property
    def stream(self) -> str:
        return stream_of(self.here.name)

    async def desk(self, doctor: int) -> Desk | None:
        """Return a doctor's desk; None where he has no calendar."""
        if doctor not in self.desks and doctor in self.found.links:
            self.desks[doctor] = await self.here.desk(self.found.links[doctor])
        return self.desks.get(doctor)

    async def obey(self) -> None:
        """Let the desks of calendars stand still that a person has paused, or told to end, since this run began."""
        now = self.run.now_ms()
        if now < self.asked_ms + ORDERS_MS:
            return
        self.asked_ms = now
        links = await self.run.read(lambda connection: books.links(connection, self.here.name))
        for doctor, desk in self.desks.items():
            if desk.link.state == "on" and doctor in links and links[doctor].state != "on":
                desk.end()

    # -- what people have edited

    async def look_again(self) -> None:
        """Compare the calendars that are due for it with what lies there; what differs is delivered by this run."""
        doctors = self.found.written(self._is_due)
        due = [desk for doctor in doctors if (desk := await self.desk(doctor)) and desk.still is None]
        if not due:
            return
        mine, settled = await self._mine()
        gate = asyncio.Semaphore(self.here.destination.parallel)
        try:
            async with asyncio.TaskGroup() as looks:  # where one ends the run, no other may outlive it
                for desk in due:
                    looks.create_task(self._look(desk, mine.get(desk.link.doctor, {}), settled, gate))
        except ExceptionGroup as errors:  # no except*: some Pythons 3.11 put what it raises into a group again
            raise errors.exceptions[0] from None

    def _is_due(self, link: Link) -> bool:
        if link.state in GONE:  # what people have edited there is of no interest any more
            return False
        return link.looked_ms is None or link.looked_ms + self.here.destination.repair <= self.run.now_ms()

    async def _mine(self) -> tuple[dict[int, dict[int, Kept]], set[int]]:
        """Return what is kept by doctor and key, and the keys that are there as they are wanted now."""

        def both(connection: "Connection") -> tuple[dict[int, bytes], Columns]:
            at = self.stream, self.run.scope
            return kept(connection, *at), confirmed(connection, *at)

        packed, there = await self.run.read(both)
        changes = there.difference(self.wanted.columns)
        settled = set(there.keys) - set(changes.changed) - set(changes.removed)
        mine: dict[int, dict[int, Kept]] = {}
        for key, payload in packed.items():
            one = Kept.unpack(payload)
            mine.setdefault(one.doctor, {})[key] = one
        return mine, settled

    async def _look(
        self, desk: Desk, mine: Mapping[int, Kept], settled: Collection[int], gate: asyncio.Semaphore
    ) -> None:
        async with gate:
            await self.obey()
            wanted = self.wanted.events([key for key in mine if key in settled])
            look: Look | None = None

            async def work(calendar: Calendar) -> Verdict:
                nonlocal look
                now = self.run.now_ms()
                own = self.ghosts.may_be_in(desk.link)
                seen = await keeping.look(calendar, _last(desk.link, now), mine, wanted, now, own=own)
                ghosts = await self.ghosts.of(desk.link.doctor, seen.ghosts) if seen.ghosts else {}
                for name, etag in {**dict.fromkeys(seen.strays), **ghosts}.items():
                    if isinstance(await calendar.remove(name, etag), Conflict | Unwanted):
                        seen.token = None  # it must be met again
                look = seen
                return Confirmed()

            try:
                await desk.do(work)
            except NoCalendar:
                await self._replace(desk, mine)
            if look is not None:
                await self._note(desk, look)

    async def _note(self, desk: Desk, look: Look) -> None:
        """Write down what a look has shown, in one transaction with the token that will not show it again."""
        self.repaired += look.edited
        link = replace(
            desk.link, token=look.token, looked_ms=self.run.now_ms(), repaired=desk.link.repaired + look.edited,
            strange=look.foreign if look.whole else max(desk.link.strange, look.foreign),
        )  # fmt: skip

        def note(connection: "Connection") -> None:
            at = self.stream, self.run.scope
            keep(connection, *at, {key: one.pack() for key, one in look.keep.items()})
            doubt(connection, *at, look.doubt)
            books.change_link(connection, self.here.name, desk.link, link, self.run.now_ms())

        await self.run.write(note)
        desk.link = link

    async def _replace(self, desk: Desk, mine: Mapping[int, Kept]) -> None:
        """Forget a calendar that somebody has deleted: one that we made is made anew, in the next run."""
        link = replace(desk.link, token=None, looked_ms=None)
        if link.own:
            link = replace(link, address="")
            desk.still = _("календарь удалили; создаём новый")
        else:
            words = _("календаря больше нет: подключите другой")
            link = replace(link, state="refused", problem=kept_words(words, books.PROBLEM))
            desk.still = words

        def forget(connection: "Connection") -> None:
            at = self.stream, self.run.scope
            keep(connection, *at, {key: replace(one, etag=None).pack() for key, one in mine.items()})
            doubt(connection, *at, list(mine))
            books.change_link(connection, self.here.name, desk.link, link, self.run.now_ms())

        await self.run.write(forget)
        desk.link = link

    # -- what differs

    async def deliver(self) -> Outcome:
        """Bring the calendars in step with what is wanted."""
        destination, now = self.here.destination, self.run.now_ms()
        events, links = len(self.wanted.columns), self.found.links.values()
        weights = weights_of(destination, links, self.run.scope, events)
        kept = self.found.written(lambda link: link.state == "on" and bool(link.address))
        self.held = await vanishing(self.run, self.stream, destination, self.wanted, kept, weights)
        for doctor in self.held:
            if (desk := await self.desk(doctor)) is not None and desk.still is None:
                desk.still = _("событий резко стало меньше: ждёт решения человека")
        return await mirror(
            self.run,
            self.stream,
            self.wanted.columns,
            weight=weights,
            make=self._make,
            deliver=self._put,
            remove=self._remove,
            waits=self._waits,
            brake=brakes_of(destination, weights),
            patience=Patience(min(60_000, destination.interval), MOST_WAIT_MS),
            concurrency=destination.parallel,
            lane=lambda item: one.doctor if (one := _kept(item)) else 0,
            order=lambda key: self.wanted.order(key, now),
            budget_ms=BUDGET_MS,
        )

    async def _make(self, keys: Sequence[int]) -> list[Item]:
        """Give the items of these keys, without those whose calendar stands still."""
        going = []
        for key in keys:
            desk = await self.desk(self.wanted.doctor(key))
            if desk is not None and desk.still is None:
                going.append(key)
        self.events = dict(self.wanted.events(going))
        return [self._item(key, event) for key, event in self.events.items()]

    def _item(self, key: int, event: Event) -> Item:
        doctor = self.wanted.doctor(key)
        label = _("врач {doctor}, {when}", doctor=doctor, when=when(event.start_ms, self.wanted.zone))
        payload = Kept(doctor, Name(event.name), event.start_ms).pack()
        return Item(key, self.wanted.columns.get(key) or 0, label, payload)

    async def _waits(self, item: Item) -> bool:
        """Say whether an item is of a calendar that stands still: nothing is tried there, so nothing has failed."""
        await self.obey()
        one = _kept(item)
        link = self.found.links.get(one.doctor) if one is not None else None
        if link is None or not link.address:
            return False
        desk = await self.desk(link.doctor)
        return desk is not None and desk.still is not None

    async def _put(self, item: Item) -> Verdict:
        event, one = self.events[item.key], _kept(item)
        assert one is not None
        one = replace(one, start_ms=event.start_ms, at_ms=self.run.now_ms())
        verdict = await self._at_desk(one, lambda calendar: keeping.put(calendar, event, one))
        if isinstance(verdict, Confirmed) and _generation(verdict.payload) > one.name.generation:
            self.desks[one.doctor].look_again = True  # a server that had not shown its newest state has both now
        return verdict

    async def _remove(self, item: Item) -> Verdict:
        one = _kept(item)
        if one is None:
            return Confirmed()  # it was never on its way
        link = self.found.links.get(one.doctor)
        if link is not None and not link.address:
            return Confirmed()  # the calendar it was in is gone
        return await self._at_desk(one, lambda calendar: keeping.remove(calendar, one, doubtful=item.doubtful))

    async def _at_desk(self, one: Kept, work: Callable[[Calendar], Awaitable[Verdict]]) -> Verdict:
        desk = await self.desk(one.doctor)
        if desk is None:
            return Later(_("у врача {doctor} больше нет календаря", doctor=one.doctor), 24 * 3_600_000)
        await self.obey()
        try:
            return _worded(await desk.do(work))
        except NoCalendar as error:
            if desk.link.state == "leaving":
                return Confirmed()
            desk.stop(error)
            desk.asks, desk.look_again = False, True
            return _worded(Later(error.args[0], 0))

    # -- the end

    async def close(self, outcome: Outcome) -> None:
        """Write down how each calendar stands; take leave of doctors who have nothing there any more."""
        now = self.run.now_ms()
        changed = standing(self.desks.values(), now, settled=outcome.status is Status.OK)
        if changed:
            await _put_links(self.here, changed)
        leaving = [
            link for link in self.found.links.values() if (link.state, link.scope) == ("leaving", self.run.scope)
        ]
        if leaving:
            here, doctors = self.here, {link.doctor for link in leaving}
            left = await self.run.read(lambda connection: held(connection, here.name, here.destination, doctors))
            behind = {one.doctor for one in left}  # of whatever branch it was
            gone = [(link, await taken_leave(here, link)) for link in leaving if link.doctor not in behind]
            await _put_links(here, gone)

    def told(self, outcome: Outcome) -> Outcome:
        """Return the outcome with what people should know of calendars that stand still."""
        outcome = self._unmade(outcome)
        if self.held:
            outcome = noted(outcome, stopped(self.held))
        asking = [desk.link.doctor for desk in self.desks.values() if desk.asks or desk.link.state == "refused"]
        counts = {**outcome.counts, **({"repaired": self.repaired} if self.repaired else {})}
        if not asking:
            return replace(outcome, counts=counts)
        ids = ", ".join(map(str, sorted(asking)[:10]))
        return noted(replace(outcome, counts=counts), _("нужно подключить заново календари врачей: {ids}", ids=ids))

    def _unmade(self, outcome: Outcome) -> Outcome:
        """Add why a doctor has no calendar yet, to an outcome of those who have one."""
        error = self.found.unmade
        if error is None or outcome.status not in {Status.OK, Status.PARTIAL}:
            return outcome
        status = Status.ASK if isinstance(error, AskPerson) else Status.PARTIAL
        after = outcome.retry_ms if outcome.retry_ms is not None else getattr(error, "after_ms", None)
        note = "; ".join(filter(None, (str(error), outcome.note)))
        return replace(outcome, status=status, note=note, retry_ms=after)


def _last(link: Link, now_ms: int) -> keeping.Last:
    """Return the last look that still counts; one that is to be done again, or a day's first, is one at everything.

    DAViCal forgets a token after a week and tells all there is as news, of what was deleted nothing: and a server that
    was restored from a backup has never heard of it.
    """
    if link.looked_ms is None:
        return keeping.Last()
    today = link.looked_ms // WHOLE_MS == now_ms // WHOLE_MS
    return keeping.Last(link.token if today else None, link.looked_ms)


def _worded(verdict: Verdict) -> Verdict:
    """Return a verdict whose reason is kept so that everybody reads it in his language."""
    if isinstance(verdict, Confirmed):
        return verdict
    return replace(verdict, reason=kept_words(verdict.reason, books.PROBLEM))


def _generation(payload: bytes | None) -> int:
    return 0 if payload is None else Kept.unpack(payload).name.generation


def _kept(item: Item) -> Kept | None:
    packed = item.known or item.payload
    return None if packed is None else Kept.unpack(packed)
