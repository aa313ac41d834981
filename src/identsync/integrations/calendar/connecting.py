"""Calendars made for doctors: in the clinic's account by the task itself, in a doctor's own by ``calendar connect``."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from identsync.errors import AskPerson
from identsync.integrations.calendar.books import CLINIC, Account, Link, bare, put_account
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.text import clean
from identsync.language import _
from identsync.values import secret

if TYPE_CHECKING:
    from identsync.integrations.calendar.desks import Reception
    from identsync.integrations.calendar.wire.dav import Dav
    from identsync.integrations.calendar.wire.google_access import App, Endpoints

_COLOURS = ("#2f6fb2", "#3d8f5f", "#b0632a", "#7a4fa3", "#2a8c93", "#a8475f", "#6b7a2f", "#55648a")
_TITLE = 100


def mark_of(key: bytes, destination: str, doctor: int) -> str:
    """Return the mark by which a calendar is found again in an account, on CalDAV the last part of its address.

    It is another one for each destination, the same for ever, and tells nothing of the doctor.
    """
    made = hmac.new(key, f"calendar|{destination}|{doctor}".encode(), hashlib.sha256).digest()
    return "identsync-" + base64.b32hexencode(made)[:16].decode().lower()


def title_of(name: str, destination: CalendarDestination, doctor_name: str, others: Mapping[str, str]) -> str:
    """Return what a calendar is called: the doctor sees it in the list of all that he has.

    Where there are ``others`` (books.others) and the settings give this destination no title, its name tells it apart.
    """
    doctor = " ".join(clean(doctor_name).split())
    what = destination.title or (f"{_('Приём')} ({name})" if others else _("Приём"))
    return f"{what}: {doctor}"[:_TITLE]


def see_that_nobody_writes_there(others: Mapping[str, str], address: str) -> None:
    """Raise AskPerson where another destination keeps this calendar: each would delete what the other has written."""
    other = others.get(bare(address))
    if other is not None:
        raise AskPerson(_("в этот календарь уже пишет [calendar.{other}]: нужен другой", other=other))


async def make(
    reception: "Reception", link: Link, key: bytes, title: str, zone: str, others: Mapping[str, str]
) -> Link:
    """Make a doctor's calendar in the account he uses and return his link to it; AskPerson where that is not allowed.

    ``others`` are the calendars of other destinations, see books.others.

    On CalDAV a repetition is harmless. Google makes another calendar each time, unless it may be looked whether it
    has made one: else an answer lost there may leave an empty one behind, which a person has to delete.
    """
    whose = reception.account_of(link.doctor)
    if whose is None:
        raise AskPerson(_("учётная запись не подключена"), hint=_("identsync calendar connect"))
    if reception.destination.kind == "google":
        from identsync.integrations.calendar.wire import google_making

        google, mark = await reception.google(whose), mark_of(key, reception.name, link.doctor)
        address = await google_making.make(google, link.doctor, title, zone, mark)
    else:
        dav = await reception.dav(whose)
        home = await home_of(reception, whose)
        address = await made(dav, home, link.doctor, mark_of(key, reception.name, link.doctor), title)
    see_that_nobody_writes_there(others, address)
    return replace(link, address=address, own=True, state="on", problem=None, token=None, looked_ms=None)


async def made(dav: "Dav", home: str, doctor: int, mark: str, title: str) -> str:
    """Make a calendar of ours in a CalDAV account; one that was made before is as good."""
    from identsync.integrations.calendar.wire.discovery import make_calendar

    return await make_calendar(dav, home, mark, title, _COLOURS[doctor % len(_COLOURS)])


async def home_of(reception: "Reception", whose: int) -> str:
    """Return where an account keeps its calendars, found once and remembered."""
    account = reception.accounts.get(whose)
    if account is not None and account.home is not None:
        return reception.placed(whose, account.home)
    from identsync.integrations.calendar.wire.discovery import discover

    run, destination = reception.run, reception.destination
    assert destination.url is not None
    found = await discover(await reception.dav(whose), destination.url)
    if not found.homes:
        words = _("сервер не говорит, где лежат календари этой учётной записи")
        raise AskPerson(words, hint=_("укажите в url полный адрес CalDAV"))
    known = account or Account(CLINIC, destination.user or "", None, None)
    new = replace(known, home=found.homes[0])
    await run.write(lambda connection: put_account(connection, reception.name, new, run.now_ms()))
    reception.accounts[whose] = new
    return found.homes[0]


def app_of(destination: CalendarDestination) -> "App":
    """Return the OAuth client of the settings."""
    from identsync.integrations.calendar.wire.google_access import App

    assert destination.client_id is not None
    assert destination.client_secret is not None
    return App(destination.client_id, secret(destination.client_secret))


def endpoints_of(destination: CalendarDestination) -> "Endpoints":
    """Return Google's addresses, or those of what stands in for it under ``url`` (demo, tests)."""
    from identsync.integrations.calendar.wire.google_access import Endpoints

    if destination.url is None:
        return Endpoints()
    root = destination.url
    return Endpoints(f"{root}/o/oauth2/v2/auth", f"{root}/token", f"{root}/device/code", f"{root}/revoke")


def root_of(destination: CalendarDestination) -> str:
    """Return the root of Google's API, or of what stands in for it."""
    from identsync.integrations.calendar.wire.google import ROOT

    return destination.url or ROOT
