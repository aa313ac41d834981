"""What runs when due, a task for each branch: the calendars of the doctors who are at home there look as it says.

A run introduces doctors who have no calendar yet, looks at calendars where somebody may have edited, and then delivers
what differs (flows.mirror), each calendar in order and several side by side. It ends within a few minutes, so that the
next one knows what was moved meanwhile; a first fill goes on run by run, the nearest days first.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from identsync.engine.integration import Outcome, Status, Task
from identsync.errors import AskPerson
from identsync.flows.mirror import (
    Confirmed,
    Item,
    Later,
    Patience,
    Verdict,
    mirror,
)
from identsync.integrations.calendar import books, keeping
from identsync.integrations.calendar.chosen import GONE, brakes_of, serves, stream_of, weights_of, wish_of
from identsync.integrations.calendar.closed import take_over
from identsync.integrations.calendar.desks import BUDGET_MS, MOST_WAIT_MS, Desks, Reception, reception, standing
from identsync.integrations.calendar.event import Calendar, Event, Name, NoCalendar
from identsync.integrations.calendar.introducing import Books, introduce, open_books, put_links
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.leaving import held, remains, taken_leave
from identsync.integrations.calendar.looking import Looks
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.vanishing import noted, stopped, vanishing
from identsync.integrations.calendar.wanted import Wanted, read, when
from identsync.language import kept as kept_words
from identsync.language import keyed as _
from identsync.spans import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.engine.run import Run

DEADLINE_MS = 600_000
RARE_MS = HOUR_MS  # between looks whether anything is left of a branch that is not chosen


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
        await introduce(here, found)
        present = found.written(lambda link: link.state not in GONE)
        wanted = await run.clinic_read(
            lambda clinic: read(clinic, wish_of(destination), run.scope, found.key, present, run.now_ms())
        )
        desks = Desks(here, found.links)
        looks = Looks(here, found, wanted, desks)
        await looks.look_again()
        work = _Work(here, found, wanted, desks)
        outcome = await work.deliver()
        await work.close(outcome)
    return work.told(outcome, looks.repaired)


@dataclass(slots=True)
class _Work:
    here: Reception
    found: Books
    wanted: Wanted
    desks: Desks
    events: dict[int, Event] = field(default_factory=dict)  # of the batch in hand
    held: set[int] = field(default_factory=set)  # doctors of whose events nothing goes until a person has decided

    @property
    def run(self) -> "Run":
        return self.here.run

    async def deliver(self) -> Outcome:
        """Bring the calendars in step with what is wanted."""
        destination, now = self.here.destination, self.run.now_ms()
        events, links = len(self.wanted.columns), self.found.links.values()
        weights = weights_of(destination, links, self.run.scope, events)
        kept = self.found.written(lambda link: link.state == "on" and bool(link.address))
        self.held = await vanishing(self.run, self.run.kind, destination, self.wanted, kept, weights)
        return await mirror(
            self.run,
            self.run.kind,
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
            desk = await self.desks.of(self.wanted.doctor(key))
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
        """Say whether an item's calendar stands still, or it is not to go yet: not tried, so nothing has failed."""
        await self.desks.obey()
        one = _kept(item)
        link = self.found.links.get(one.doctor) if one is not None else None
        if link is None or not link.address:
            return False
        if link.doctor in self.held and item.key not in self.wanted.columns:
            return True
        desk = await self.desks.of(link.doctor)
        return desk is not None and desk.still is not None

    async def _put(self, item: Item) -> Verdict:
        event, one = self.events[item.key], _kept(item)
        assert one is not None
        one = replace(one, start_ms=event.start_ms, at_ms=self.run.now_ms())
        verdict = await self._at_desk(one, lambda calendar: keeping.put(calendar, event, one))
        if isinstance(verdict, Confirmed) and _generation(verdict.payload) > one.name.generation:
            self.desks.opened[one.doctor].look_again = True  # a server that had not shown its newest state has both now
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
        desk = await self.desks.of(one.doctor)
        if desk is None:
            return Later(_("у врача {doctor} больше нет календаря", doctor=one.doctor), DAY_MS)
        await self.desks.obey()
        try:
            return _worded(await desk.do(work))
        except NoCalendar as error:
            if desk.link.state == "leaving":
                return Confirmed()
            desk.stop(error)
            desk.asks, desk.look_again = False, True
            return _worded(Later(error.args[0], 0))

    async def close(self, outcome: Outcome) -> None:
        """Write down how each calendar stands; take leave of doctors who have nothing there any more."""
        now = self.run.now_ms()
        changed = standing(self.desks.opened.values(), now, settled=outcome.status is Status.OK, held=self.held)
        if changed:
            await put_links(self.here, changed)
        leaving = [
            link for link in self.found.links.values() if (link.state, link.scope) == ("leaving", self.run.scope)
        ]
        if leaving:
            here, doctors = self.here, {link.doctor for link in leaving}
            left = await self.run.read(lambda connection: held(connection, here.name, here.destination, doctors))
            behind = {one.doctor for one in left}  # of whatever branch it was
            gone = [(link, await taken_leave(here, link)) for link in leaving if link.doctor not in behind]
            await put_links(here, gone)

    def told(self, outcome: Outcome, repaired: int) -> Outcome:
        """Return the outcome with what people should know of calendars that stand still."""
        outcome = self._unmade(outcome)
        if self.held:
            outcome = noted(outcome, stopped(self.held))
        asking = [desk.link.doctor for desk in self.desks.opened.values() if desk.asks or desk.link.state == "refused"]
        counts = {**outcome.counts, **({"repaired": repaired} if repaired else {})}
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
