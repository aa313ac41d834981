"""Desks: one doctor's calendar in one run, opened with the right account, and why it stands still where it does.

A refused password of his own, a deleted calendar or one that may not be entered stops that doctor's desk and no other.
What concerns everybody (the clinic's account refused or limited, no connection) ends the run.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from identsync.errors import AskPerson, IdentsyncError, Limited, Unavailable, Unexpected
from identsync.flows.mirror import Later, Unknown, Verdict
from identsync.integrations.calendar import books
from identsync.integrations.calendar.books import CLINIC, PROBLEM, Account, Link
from identsync.integrations.calendar.connecting import app_of, endpoints_of, root_of
from identsync.integrations.calendar.event import Barred, Calendar, NoCalendar
from identsync.integrations.calendar.gate import Gate, gate, mark_of
from identsync.integrations.calendar.seal import opened
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.language import kept, said
from identsync.language import keyed as _
from identsync.values import secret

if TYPE_CHECKING:
    from identsync.engine.run import Run
    from identsync.flows.http import Http
    from identsync.integrations.calendar.wire.dav import Dav
    from identsync.integrations.calendar.wire.google import Google

BUDGET_MS = 150_000  # of a run: the next one knows what has changed meanwhile
MOST_WAIT_MS = 600_000  # between tries of an event: a cancelled visit is not shown much longer than need be
ORDERS_MS = 2_000  # after which a run asks again whether a person has paused a calendar
SILENT = 2  # answers in a row that were lost or made no sense, after which a desk rests until the next run
BROKEN = 3  # desks in a row that could not be reached, after which the run ends


@dataclass(slots=True)
class Line:
    """The line to the other side, as all desks of a run know it."""

    broken: int = 0  # desks in a row that could not be reached
    works: bool = False  # something was done at one of them


@dataclass(slots=True)
class Desk:
    """A doctor's calendar in this run; ``still`` says why nothing is done with it, in words for people."""

    link: Link
    shared: bool  # its account is used by other doctors too
    line: Line
    calendar: Calendar | None = None
    still: str | None = None
    after_ms: int | None = None
    asks: bool = False  # a person must do something
    barred: bool = False  # the account may not enter this calendar
    look_again: bool = False
    silent: int = 0

    @property
    def open(self) -> Calendar:
        """The calendar, for a desk that does not stand still."""
        assert self.calendar is not None
        return self.calendar

    def stop(self, error: IdentsyncError) -> None:
        """Let this desk stand still for the rest of the run."""
        self.still = error.args[0]  # with its key, where it has one: what is kept is read in other languages too
        self.asks, self.barred = isinstance(error, AskPerson), isinstance(error, Barred)
        self.after_ms = getattr(error, "after_ms", None)

    def end(self) -> None:
        """Let this desk stand still because a person has ordered so; what is in hand waits for nothing else."""
        self.still, self.after_ms = _("на паузе"), 0

    async def do(self, work: Callable[[Calendar], Awaitable[Verdict]]) -> Verdict:
        """Do something with the calendar; what concerns this account alone ends in a verdict, but for NoCalendar."""
        if self.still is not None:
            return Later(self.still, self.after_ms)
        try:
            verdict = await work(self.open)
        except NoCalendar:
            raise
        except (AskPerson, Limited) as error:
            if self.shared and not isinstance(error, Barred):
                raise
            self.stop(error)
            return Later(error.args[0], self.after_ms)
        except Unavailable as error:
            return self._lost(error) if error.sent else self._unreached(error)
        except Unexpected as error:  # what it makes of this doctor's events is nobody else's affair
            return self._lost(error)
        self.silent = self.line.broken = 0
        self.line.works = True
        return verdict

    def _lost(self, error: Unavailable | Unexpected) -> Verdict:
        """It may have been done; a calendar that says nothing sensible twice in a row rests until the next run."""
        self.silent += 1
        if self.silent >= SILENT:
            self.stop(error)
        return Unknown(error.args[0], error.after_ms if isinstance(error, Unavailable) else None)

    def _unreached(self, error: Unavailable) -> Verdict:
        """Nothing was done: this calendar cannot be written now; where none can be reached, the run is over."""
        self.stop(error)
        self.line.broken += 1
        if self.line.broken >= BROKEN:
            raise error
        return Later(error.args[0], error.after_ms)


@dataclass(slots=True)
class Reception:
    """Opens desks: knows the accounts, keeps one client of each, and the pace that each host or user allows."""

    run: "Run"
    http: "Http"
    name: str
    destination: CalendarDestination
    accounts: dict[int, Account]
    stack: AsyncExitStack
    line: Line = field(default_factory=Line)
    _davs: dict[int, "Dav"] = field(default_factory=dict)
    _googles: dict[int, "Google"] = field(default_factory=dict)

    def account_of(self, doctor: int) -> int | None:
        """Return whose account a doctor's calendar is in: his own, the clinic's (0), or None: he has to connect one."""
        if doctor in self.accounts:
            return doctor
        return CLINIC if CLINIC in self.accounts or self.destination.of_clinic else None

    def know_the_clinic(self) -> None:
        """See that the settings name the clinic's account, and its server, that were used so far; AskPerson if not."""
        account = self.accounts.get(CLINIC)
        if self.destination.kind == "caldav" and account is not None and account.home is not None:
            self.placed(CLINIC, account.home)

    async def desk(self, link: Link) -> Desk:
        """Open a doctor's desk; one that cannot be opened stands still.

        One that is off is open: what a run that was on its way had still written there is to go.
        """
        whose = self.account_of(link.doctor)
        desk = Desk(link, shared=whose == CLINIC, line=self.line)
        if link.state in {"paused", "refused"}:
            desk.still = said(link.problem) if link.problem else _("на паузе")
            return desk
        if whose is None:
            desk.stop(AskPerson(_("учётная запись не подключена: identsync calendar connect")))
            return desk
        if not link.address:
            desk.still = _("календаря ещё нет")
            return desk
        try:
            desk.calendar = await self._calendar(whose, link.address)
        except AskPerson as error:
            if desk.shared or error.elsewhere:
                raise
            desk.stop(error)
        return desk

    async def _calendar(self, whose: int, address: str) -> Calendar:
        if self.destination.kind == "google":
            return (await self.google(whose)).calendar(address)
        from identsync.integrations.calendar.wire.caldav import CalDav

        where = self.placed(whose, address)
        return CalDav(await self.dav(whose), where)

    def placed(self, whose: int, address: str) -> str:
        """Return where an account is asked now; see ``elsewhere.asked_at``."""
        from identsync.integrations.calendar.elsewhere import asked_at

        return asked_at(self.name, self.destination, self.accounts.get(whose), whose, address)

    async def dav(self, whose: int) -> "Dav":
        """Return the CalDAV client of an account; AskPerson where its password is not to be had here."""
        from identsync.integrations.calendar.wire.dav import Dav

        if whose not in self._davs:
            user, password = self._opened(whose)
            here, deadline = await self._gate(whose, user, password), self.destination.timeout / 1000
            self._davs[whose] = Dav(self.http, user, password, here.permit, here.heard, deadline=deadline)
        return self._davs[whose]

    async def google(self, whose: int) -> "Google":
        """Return the Google client of an account."""
        from identsync.integrations.calendar.wire.google import Google
        from identsync.integrations.calendar.wire.google_access import Access

        if whose not in self._googles:
            login, token = self._opened(whose)
            access = Access(self.http, app_of(self.destination), token, endpoints=endpoints_of(self.destination))
            here = await self._gate(whose, login, token)
            self._googles[whose] = Google(self.http, access, here.permit, root_of(self.destination), heard=here.heard)
        return self._googles[whose]

    def _opened(self, whose: int) -> tuple[str, str]:
        account = self.accounts.get(whose)
        destination = self.destination
        if account is not None and account.sealed is not None:
            assert destination.seal is not None
            return account.login, opened(destination.seal, self.name, whose, account.sealed)
        assert destination.user is not None
        assert destination.password is not None
        return destination.user, secret(destination.password)

    async def _gate(self, whose: int, login: str, password: str) -> Gate:
        return await gate(self.run, self.stack, self.name, self.destination, whose, mark_of(login, password))


@dataclass(slots=True)
class Desks:
    """The desks of one run, each opened when it is first asked for."""

    here: Reception
    links: Mapping[int, Link]
    opened: dict[int, Desk] = field(default_factory=dict)
    asked_ms: int = 0  # when people's orders were last read

    async def of(self, doctor: int) -> Desk | None:
        """Return a doctor's desk; None where he has no calendar."""
        if doctor not in self.opened and doctor in self.links:
            self.opened[doctor] = await self.here.desk(self.links[doctor])
        return self.opened.get(doctor)

    async def obey(self) -> None:
        """Let the desks of calendars stand still that a person has paused, or told to end, since this run began."""
        run, name = self.here.run, self.here.name
        now = run.now_ms()
        if now < self.asked_ms + ORDERS_MS:
            return
        self.asked_ms = now
        links = await run.read(lambda connection: books.links(connection, name))
        for doctor, desk in self.opened.items():
            if desk.link.state == "on" and doctor in links and links[doctor].state != "on":
                desk.end()


@asynccontextmanager
async def reception(
    run: "Run", name: str, destination: CalendarDestination, accounts: dict[int, Account]
) -> AsyncIterator[Reception]:
    """Open what a run needs to speak with a destination."""
    from identsync.flows.http import Http

    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(Http(pool=2 * destination.parallel))
        yield Reception(run, http, name, destination, accounts, stack)


def standing(
    desks: Iterable[Desk], now_ms: int, *, settled: bool, held: Collection[int] = ()
) -> list[tuple[Link, Link]]:
    """Return the links that change with a run, before and after: refused, to be looked at again, in step.

    Those ``held`` are not: something of them waits for a person.
    Where several desks were refused and none worked it is the server that has a bad day, not each of them.
    """
    changed, desks = [], list(desks)
    asking = [desk for desk in desks if desk.asks]
    all_barred = len(asking) > 1 and all(desk.barred for desk in asking) and not asking[0].line.works
    for desk in desks:
        link = desk.link
        if desk.asks and link.state in {"on", "leaving"} and not all_barred:
            state = "refused" if link.state == "on" else link.state
            link = replace(link, state=state, problem=kept(desk.still or "", PROBLEM))
        elif settled and desk.still is None and link.state == "on" and link.doctor not in held:
            link = replace(link, problem=None, synced_ms=now_ms)
        if desk.look_again:
            link = replace(link, looked_ms=None)
        if link != desk.link:
            changed.append((desk.link, link))
    return changed
