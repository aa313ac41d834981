"""``identsync check`` of the calendars: everything a destination needs is tried, and every problem told together."""

import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from identsync.errors import AskPerson, IdentsyncError, Problem
from identsync.flows.mirror import Confirmed
from identsync.integrations.calendar import books
from identsync.integrations.calendar.books import CLINIC, Account
from identsync.integrations.calendar.connecting import app_of, endpoints_of
from identsync.integrations.calendar.seal import opened, seal
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.shelf import Cloud, Folder, Shelf
from identsync.language import _
from identsync.values import secret

if TYPE_CHECKING:
    from identsync.flows.http import Http
    from identsync.integrations.calendar.wire.dav import Dav
    from identsync.integrations.calendar.wire.google_access import App, Endpoints

ACCOUNTS = 20  # of doctors that are tried at their server: more would take long, and the page shows each anyway


async def check(settings: Mapping[str, CalendarDestination], context: Any) -> list[Problem]:
    """Try every destination; returns what is wrong, never raises."""
    from identsync.flows.http import Http

    problems: list[Problem] = []
    async with Http() as http:
        for name, destination in settings.items():
            accounts, shared = _written(context.store, name)
            tried = _Destination(http, name, destination, accounts)
            problems += [problem async for problem in tried.problems()]
            problems += [_shared(name, doctor, other) for doctor, other in shared.items()]
    return problems


def _written(store: Any, name: str) -> tuple[dict[int, Account], dict[int, str]]:
    """Read the accounts, and the doctors whose calendar another destination keeps too."""
    if store is None:  # the engine's database does not answer: told already
        return {}, {}
    with store.read() as connection:
        return books.accounts(connection, name), books.shared(connection, name)


def _shared(name: str, doctor: int, other: str) -> Problem:
    """Tell of a calendar with two masters: it is refused by now, this installation began before."""
    what = _(
        "врач {doctor}: в его календарь пишет и [calendar.{other}], каждый стирает записанное другим",
        doctor=doctor, other=other,
    )  # fmt: skip
    command = f"identsync calendar connect {name} --doctor {doctor}"
    return Problem(f"[calendar.{name}]", what, _("подключите ему здесь другой календарь: {command}", command=command))


@dataclass(slots=True)
class _Destination:
    http: "Http"
    name: str
    destination: CalendarDestination
    accounts: dict[int, Account]
    passwords: dict[int, tuple[str, str]] = field(default_factory=dict)  # login, password by doctor

    async def problems(self) -> AsyncIterator[Problem]:
        """Yield what is wrong: first on this computer, then on the other side."""
        weak = list(self._seal())
        for problem in (*weak, *self._open(sealed=not weak)):
            yield problem
        kinds = {"caldav": self._caldav, "google": self._google, "feed": self._feed}
        async for problem in kinds[self.destination.kind]():
            yield problem

    # -- on this computer

    def _seal(self) -> Iterator[Problem]:
        if self.destination.seal is not None:
            try:
                seal(self.destination.seal, self.name, CLINIC, "")
            except IdentsyncError as error:
                yield self._told(error, "seal")

    def _open(self, *, sealed: bool) -> Iterator[Problem]:
        """Read the clinic's password, and those of the doctors; a key that fits none of them is told once."""
        destination = self.destination
        if destination.password is not None:
            try:
                self.passwords[CLINIC] = destination.user or "", secret(destination.password)
            except IdentsyncError as error:
                yield self._told(error, "password")
        closed: list[IdentsyncError] = []
        for account in self.accounts.values() if sealed else ():
            try:
                self._unseal(account)
            except IdentsyncError as error:
                closed.append(error)
        fits = any(
            account.sealed is not None and account.doctor in self.passwords for account in self.accounts.values()
        )
        yield from (self._told(error, "seal") for error in (closed if fits else closed[:1]))

    def _unseal(self, account: Account) -> None:
        reference = self.destination.seal
        if account.sealed is not None and reference is not None:
            password = opened(reference, self.name, account.doctor, account.sealed)
            self.passwords[account.doctor] = account.login, password

    # -- on the other side

    async def _caldav(self) -> AsyncIterator[Problem]:
        """Find the calendars of the clinic's account and of the doctors' accounts; see who answers where none is."""
        for problem in self._elsewhere():
            yield problem
        if not self.passwords:
            async for problem in self._reachable():
                yield problem
        for doctor, (login, password) in list(self.passwords.items())[:ACCOUNTS]:
            try:
                homes = await self._homes(login, password)
            except IdentsyncError as error:
                yield self._told(error, whose=doctor)
                continue
            if not homes:
                words = _("сервер не говорит, где лежат календари этой учётной записи")
                yield self._told(AskPerson(words, hint=_("укажите в url полный адрес CalDAV")), whose=doctor)

    def _elsewhere(self) -> Iterator[Problem]:
        """Tell that the clinic's calendars are in another account, or on another server, than the settings name."""
        from identsync.integrations.calendar.elsewhere import asked_at

        account = self.accounts.get(CLINIC)
        if account is not None and account.home is not None:
            try:
                asked_at(self.name, self.destination, account, CLINIC, account.home)
            except AskPerson as error:
                yield self._told(error, "url" if account.login == self.destination.user else "user")

    async def _homes(self, login: str, password: str) -> Sequence[str]:
        from identsync.integrations.calendar.wire.discovery import discover

        assert self.destination.url is not None
        return (await discover(self._dav(login, password), self.destination.url)).homes

    async def _reachable(self) -> AsyncIterator[Problem]:
        assert self.destination.url is not None
        try:
            await self.http.ask("OPTIONS", self.destination.url, passing=range(300, 500), deadline=self._deadline)
        except IdentsyncError as error:
            yield self._told(error, "url")

    async def _google(self) -> AsyncIterator[Problem]:
        """Refresh the access of those who have granted it; with nobody, see whether Google knows the application."""
        try:
            app = app_of(self.destination)
        except IdentsyncError as error:
            yield self._told(error, "client_secret")
            return
        from identsync.integrations.calendar.wire.google_access import Access

        endpoints = endpoints_of(self.destination)
        for doctor, (_login, token) in list(self.passwords.items())[:ACCOUNTS]:
            try:
                await Access(self.http, app, token, endpoints=endpoints).token()
            except IdentsyncError as error:
                yield self._told(error, whose=doctor)
        if not self.passwords:
            async for problem in self._known(app, endpoints):
                yield problem

    async def _known(self, app: "App", endpoints: "Endpoints") -> AsyncIterator[Problem]:
        """Ask for the refresh of a token that is none: Google judges the application before it looks at the token."""
        from identsync.integrations.calendar.wire.google_access import code_of, error_of, post_form

        form = {"grant_type": "refresh_token", "refresh_token": "identsync-check"}
        try:
            reply = await post_form(self.http, endpoints.token, app, form)
        except IdentsyncError as error:
            yield self._told(error)
            return
        if reply.status != 200 and code_of(reply) != "invalid_grant":
            yield self._told(error_of(code_of(reply), reply), "client_id")

    async def _feed(self) -> AsyncIterator[Problem]:
        """Put a file of no meaning there and take it away again."""
        shelf = self._shelf()
        if shelf is None:
            return
        probe = f"identsync-check-{secrets.token_hex(8)}"
        key = "folder" if self.destination.folder is not None else "url"
        try:
            for verdict in (await shelf.put(probe, b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"), await shelf.remove(probe)):
                if not isinstance(verdict, Confirmed):
                    yield self._told(AskPerson(getattr(verdict, "reason", "?")), key)
        except IdentsyncError as error:
            yield self._told(error, key)

    def _shelf(self) -> Shelf | None:
        destination = self.destination
        if destination.folder is not None:
            return Folder(Path(destination.folder))
        if destination.url is None or CLINIC not in self.passwords:
            return None
        return Cloud(self._dav(*self.passwords[CLINIC]), destination.url)

    # -- for all of them

    def _dav(self, login: str, password: str) -> "Dav":
        from identsync.integrations.calendar.wire.dav import Dav

        return Dav(self.http, login, password, _at_once, deadline=self._deadline)

    @property
    def _deadline(self) -> float:
        return self.destination.timeout / 1000

    def _told(self, error: IdentsyncError, key: str = "", whose: int = CLINIC) -> Problem:
        where = f"[calendar.{self.name}] {key}".rstrip()
        words = f"{_('врач {doctor}', doctor=whose)}: {error}" if whose else str(error)
        return Problem(where, words, error.hint)


async def _at_once() -> None:
    """Let a request go: a check asks a handful of questions."""
