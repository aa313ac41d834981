"""``identsync calendar connect``: a doctor's account at a CalDAV server, a doctor's or the clinic's at Google."""

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from identsync.cli.secrets import is_console, typed
from identsync.cli.words import say
from identsync.errors import AskPerson
from identsync.flows.http import Http
from identsync.integrations.calendar import accounts
from identsync.integrations.calendar.books import CLINIC, Account, Link
from identsync.integrations.calendar.connecting import app_of, endpoints_of, made
from identsync.integrations.calendar.seal import seal
from identsync.language import _
from identsync.values import secret

if TYPE_CHECKING:
    from identsync.cli.calendars import Desk
    from identsync.integrations.calendar.accounts import Newcomer, Standing
    from identsync.integrations.calendar.wire.dav import Dav
    from identsync.integrations.calendar.wire.discovery import Account as Found
    from identsync.integrations.calendar.wire.discovery import Listed
    from identsync.integrations.calendar.wire.google_access import Grant
    from identsync.integrations.calendar.wire.google_consent import Loopback

GRANT_S = 900.0


def caldav(here: "Desk", doctor: int, user: str | None, calendar: str | None, *, yes: bool) -> None:
    """Ask for login and password, find the calendars, let a person choose, write it down; the clinic's are known."""
    before = accounts.standing(here.store, here.name, here.destination, doctor)
    if doctor == CLINIC and here.destination.kind == "caldav" and user is None and calendar is None:
        if here.destination.of_clinic:
            asyncio.run(_clinic(here, before, yes=yes))
            return
        if before.account is not None:
            _warn(before, yes=yes)
            accounts.settle(here.store, here.name, here.destination, None, fresh=True)
            return
    who = _who(here, doctor)
    login = user or _login()
    password = typed(_("Пароль приложения для {login} (при вводе не видно): ", login=login))
    asyncio.run(_caldav(here, who, before, login, password, calendar, yes=yes))


async def _clinic(here: "Desk", before: "Standing", *, yes: bool) -> None:
    """Begin anew in the account, and on the server, that the settings name now."""
    destination = here.destination
    assert destination.user is not None
    assert destination.password is not None
    async with Http() as http:
        _dav, found = await _found(here, http, destination.user, secret(destination.password))
    if not found.homes:
        raise _homeless()
    fresh = not accounts.same_account(before.account, destination.user, found)
    if fresh:
        _warn(before, yes=yes)
    accounts.settle(here.store, here.name, destination, found.homes[0], fresh=fresh)
    _done(CLINIC)


async def _found(here: "Desk", http: Http, login: str, password: str) -> "tuple[Dav, Found]":
    """Find the calendars of an account; say who has seen its password."""
    from identsync.integrations.calendar.wire.dav import Dav
    from identsync.integrations.calendar.wire.discovery import discover

    assert here.destination.url is not None
    dav = Dav(http, login, password, _at_once, deadline=here.destination.timeout / 1000)
    found = await discover(dav, here.destination.url)
    say(_("Пароль видели: {hosts}", hosts=", ".join(found.hosts)))
    return dav, found


def _homeless() -> AskPerson:
    words = _("сервер не говорит, где лежат календари этой учётной записи")
    return AskPerson(words, hint=_("укажите в url полный адрес CalDAV"))


async def _caldav(
    here: "Desk", who: "Newcomer", before: "Standing", login: str, password: str, calendar: str | None, *, yes: bool
) -> None:
    destination, link = here.destination, before.link
    async with Http() as http:
        dav, found = await _found(here, http, login, password)
        same = accounts.same_calendar(link, found) if calendar is None else None
        if link is not None and same is not None:
            link, fresh = replace(link, address=same), False
        else:
            _warn(before, yes=yes)
            mark, title = accounts.called(here.store, here.name, destination, who)
            chosen = _named(found, calendar) if calendar else _chosen(found, title)
            if not chosen and not found.homes:
                raise _homeless()
            address = chosen or await made(dav, found.homes[0], who.doctor, mark, title)
            link, fresh = Link(who.doctor, who.scope, address, own=not chosen, state="on"), True
    home = found.homes[0] if found.homes else None
    account = Account(who.doctor, login, home, None)
    accounts.admit(here.store, here.name, destination, account, password, link, fresh=fresh)
    _done(who.doctor)


def google(here: "Desk", doctor: int, *, browser: bool, yes: bool) -> None:
    """Let a person consent in a browser; make a calendar of ours for a doctor, none for the clinic's own account."""
    who = _who(here, doctor) if doctor != CLINIC else None
    before = accounts.standing(here.store, here.name, here.destination, doctor)
    app_of(here.destination)  # before anybody opens a browser
    _sealing(here)
    asyncio.run(_google(here, who, before, browser=browser, yes=yes))


async def _google(here: "Desk", who: "Newcomer | None", before: "Standing", *, browser: bool, yes: bool) -> None:
    from identsync.integrations.calendar.wire import google_making
    from identsync.integrations.calendar.wire.google_consent import Loopback

    destination, link = here.destination, before.link
    async with Http() as http:
        async with Loopback(http, app_of(destination), endpoints=endpoints_of(destination)) as consent:
            grant = await _consented(consent, browser=browser)
        client = accounts.google_of(http, destination, grant.refresh_token)
        if who is None:
            fresh = not await accounts.are_there(client, here.store, here.name)
        else:
            fresh = link is None or not link.address or not await accounts.is_there(client, link.address)
        if fresh:
            _warn(before, yes=yes)
        if fresh and who is not None:
            mark, title = accounts.called(here.store, here.name, destination, who)
            address = await google_making.make(client, who.doctor, title, who.zone, mark)
            link = Link(who.doctor, who.scope, address, own=True, state="on")
    doctor = who.doctor if who else CLINIC
    account = Account(doctor, "", None, None)
    link = link if who else None
    accounts.admit(here.store, here.name, destination, account, grant.refresh_token, link, fresh=fresh)
    _done(doctor)


async def _consented(consent: "Loopback", *, browser: bool) -> "Grant":
    say(_("Откройте в браузере и разрешите доступ:"))
    say(consent.url)
    if browser:
        import webbrowser

        with suppress(webbrowser.Error):
            webbrowser.open(consent.url)
    with _pasted(consent):
        return await consent.grant(GRANT_S)


@contextmanager
def _pasted(consent: "Loopback") -> Iterator[None]:
    """Take an address that is pasted here: of a browser on another computer, which could not open it."""
    if not is_console():
        yield
        return
    say(_("Если браузер на другом компьютере: вставьте сюда адрес, который он в конце не смог открыть."))
    loop = asyncio.get_running_loop()

    def wait() -> None:
        with suppress(OSError, RuntimeError):
            while line := os.read(0, 16_384):  # not sys.stdin: the interpreter's end would wait for its lock
                loop.call_soon_threadsafe(consent.take, line.decode("ascii", "replace"))

    threading.Thread(target=wait, name="pasted", daemon=True).start()
    yield


# -- what is asked ---------------------------------------------------------------------------------------------------


def _who(here: "Desk", doctor: int) -> "Newcomer":
    if here.destination.kind == "feed":
        raise AskPerson(_("подписку подключать не нужно"), hint=_("ссылка для врача - на странице «Календари»"))
    if doctor == CLINIC:
        hint = _("учётная запись клиники - это user и password в настройках; для врача укажите --doctor")
        raise AskPerson(_("не назван врач"), hint=hint)
    who = accounts.newcomer(here.clinic, here.destination, doctor)
    _sealing(here)
    return who


def _sealing(here: "Desk") -> None:
    """See that a password could be sealed here before anybody types one."""
    if here.destination.seal is None:
        hint = _('добавьте seal = "secret:calendar-seal" и выполните identsync secret set calendar-seal')
        raise AskPerson(_("[calendar.{name}] seal: нужен ключ для паролей врачей", name=here.name), hint=hint)
    seal(here.destination.seal, here.name, CLINIC, "")


def _login() -> str:
    if not is_console():
        raise AskPerson(_("не назван логин"), hint=_("укажите --user"))
    return str(typer.prompt(_("Логин"), err=True)).strip()


def _warn(before: "Standing", *, yes: bool) -> None:
    """The old calendar is left behind with what is in it: a person must know; who was refused there has no choice."""
    if not before.events:
        return
    if before.link is None:
        words = _("в прежней учётной записи клиники останутся наши события: {count}", count=before.events)
    else:
        words = _("в прежнем календаре врача останутся наши события: {count}", count=before.events)
    refused = before.link is not None and before.link.state == "refused"
    if not yes and (before.elsewhere or not refused):
        hint = _("сначала удалите их: identsync calendar purge; или повторите с --yes")
        back = _("сначала верните прежние url, user и password и удалите их: identsync calendar purge; или --yes")
        raise AskPerson(words, hint=back if before.elsewhere else hint)
    say(words)


def _named(found: "Found", calendar: str) -> str:
    from identsync.integrations.calendar.wire.dav import path_of

    for one in _usable(found.calendars):
        if path_of(one.url) == path_of(calendar):
            return one.url
    known = ", ".join(one.url for one in _usable(found.calendars)) or "-"
    raise AskPerson(_("такого календаря в этой учётной записи нет"), hint=_("есть: {known}", known=known))


def _chosen(found: "Found", title: str) -> str:
    """Return the address of a calendar that a person chose, '' for one of our own."""
    usable = _usable(found.calendars)
    if not usable or not is_console():
        return ""
    say(_("Куда писать?"))
    say("  0  " + _("создать календарь «{title}» (лучше всего)", title=title))
    for number, one in enumerate(usable, 1):
        say(f"  {number}  {one.name}")
    number = -1
    while not 0 <= number <= len(usable):
        number = typer.prompt(_("Номер"), default=0, type=int, err=True)
    return usable[number - 1].url if number else ""


def _usable(calendars: "Sequence[Listed]") -> "list[Listed]":
    return [one for one in calendars if one.writable and one.events]


def _done(doctor: int) -> None:
    if doctor == CLINIC:
        say(_("Подключено. Календари врачей создаст ближайшее выполнение задачи."))
    else:
        say(_("Врач {doctor}: календарь подключён, события появятся с ближайшим выполнением задачи.", doctor=doctor))


async def _at_once() -> None:
    """Let a request go: connecting asks a handful."""
