"""Doctors' own accounts: tried, sealed and written down together with a calendar, and given up again."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from identsync.errors import AskPerson
from identsync.flows.mirror import doubt, keep
from identsync.integrations.calendar import books
from identsync.integrations.calendar.books import CLINIC, Account, Link
from identsync.integrations.calendar.chosen import stream_of, wish_of
from identsync.integrations.calendar.connecting import (
    app_of,
    endpoints_of,
    mark_of,
    root_of,
    see_that_nobody_writes_there,
    title_of,
)
from identsync.integrations.calendar.elsewhere import placed
from identsync.integrations.calendar.event import NoCalendar
from identsync.integrations.calendar.gate import release
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.leaving import held
from identsync.integrations.calendar.seal import opened, seal
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wanted import homes
from identsync.integrations.calendar.wire.dav import path_of
from identsync.language import _

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from identsync.clinic.source import ClinicSource
    from identsync.flows.http import Http
    from identsync.integrations.calendar.wire.discovery import Account as Found
    from identsync.integrations.calendar.wire.google import Google
    from identsync.store import Store

WORDS = 20  # ids that a sentence names


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A doctor who is about to take part: the branch he is at home in, and its zone."""

    doctor: int
    name: str
    scope: int
    zone: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with a doctor, or the clinic, so far; ``events`` of ours are, or may be, in the old calendars."""

    link: Link | None
    account: Account | None
    events: int
    elsewhere: bool = False  # not where the settings lead now: it can be emptied only by the old ones


def newcomer(clinic: "ClinicSource", destination: CalendarDestination, doctor: int) -> Newcomer:
    """Return who that is; AskPerson where the destination has no such doctor."""
    staff = clinic.staff()
    at = homes(staff, wish_of(destination))
    if doctor not in at:
        known = ", ".join(map(str, sorted(at)[:WORDS])) or "-"
        words = _("врача {doctor} нет среди тех, чьи календари сюда ведутся", doctor=doctor)
        raise AskPerson(words, hint=_("есть врачи: {known}", known=known))
    zones = {branch.id: branch.zone for branch in clinic.branches()}
    name = next(one.name for one in staff if (one.id, one.branch_id) == (doctor, at[doctor]))
    return Newcomer(doctor, name, at[doctor], zones[at[doctor]])


def standing(store: "Store", name: str, destination: CalendarDestination, doctor: int) -> Standing:
    """Read how it stands with a doctor; with the clinic's account (0) and all whose calendars are in it."""
    with store.read() as connection:
        link = books.links(connection, name).get(doctor)
        account = books.accounts(connection, name).get(doctor)
        mine = _of_clinic(connection, name) if doctor == CLINIC else [link] if link else []
        events = len(held(connection, name, destination, {one.doctor for one in mine if one.address}))
    return Standing(link, account, events, _is_elsewhere(destination, link, account))


def _is_elsewhere(destination: CalendarDestination, link: Link | None, account: Account | None) -> bool:
    if destination.kind != "caldav" or destination.url is None:
        return False
    if link is None:
        mine = account is None or account.login == destination.user
        return not mine or (account is not None and not _is_here(destination.url, account.home))
    return not _is_here(destination.url, link.address)


def _is_here(url: str, address: str | None) -> bool:
    return not address or placed(url, address) is not None


def _of_clinic(connection: "Connection", name: str) -> list[Link]:
    """Return the links of those who have no account of their own."""
    own = books.accounts(connection, name)
    return [link for link in books.links(connection, name).values() if link.doctor not in own]


def same_calendar(link: Link | None, found: "Found") -> str | None:
    """Return where a doctor's calendar is among those found: he comes back, with another password perhaps."""
    if link is None:
        return None
    return next((one.url for one in found.calendars if _is_at(link.address, one.url)), None)


def same_account(account: Account | None, login: str, found: "Found") -> bool:
    """Say whether what was found is the account that was used so far."""
    if account is None or account.login != login or account.home is None:
        return False
    return any(_is_at(account.home, home) for home in found.homes)


def _is_at(old: str, new: str) -> bool:
    return placed(new, old) is not None and path_of(old) == path_of(new)


def called(store: "Store", name: str, destination: CalendarDestination, who: Newcomer) -> tuple[str, str]:
    """Return the mark and the title of the calendar that a doctor is given."""
    with store.write() as connection:
        key = books.make_key(connection, store.now_ms())
        others = books.others(connection, name)
    return mark_of(key, name, who.doctor), title_of(name, destination, who.name, others)


def google_of(http: "Http", destination: CalendarDestination, refresh_token: str) -> "Google":
    """Return a client of the account that granted this."""
    from identsync.integrations.calendar.wire.google import Google
    from identsync.integrations.calendar.wire.google_access import Access

    access = Access(http, app_of(destination), refresh_token, endpoints=endpoints_of(destination))
    return Google(http, access, _at_once, root_of(destination))


async def is_there(google: "Google", address: str) -> bool:
    """Say whether an account of Google has that calendar."""
    try:
        await google.calendar(address).changes(None)
    except NoCalendar:
        return False
    return True


async def are_there(google: "Google", store: "Store", name: str) -> bool:
    """Say whether the clinic's calendars, if it has any, are in an account of Google."""
    with store.read() as connection:
        addresses = [link.address for link in _of_clinic(connection, name) if link.address]
    for address in addresses:  # a person may have deleted some
        if await is_there(google, address):
            return True
    return not addresses


def admit(
    store: "Store", name: str, destination: CalendarDestination, account: Account, secret: str, link: Link | None,
    *, fresh: bool,
) -> None:  # fmt: skip
    """Write an account with its sealed secret and, but for the clinic's, a doctor's link; ``fresh``: nothing is there.

    Where the clinic's account is ``fresh``, all who are in it are given calendars anew. A link that stays (not
    ``fresh``) keeps what is known of its events. Either way all of it is looked at soon.
    """
    assert destination.seal is not None
    sealed = seal(destination.seal, name, account.doctor, secret)
    with store.write() as connection:
        now = store.now_ms()
        books.put_account(connection, name, replace(account, sealed=sealed), now)
        if account.doctor == CLINIC and fresh:
            _leave(connection, name, destination, now)
        release(connection, name)
        if link is None:
            return
        see_that_nobody_writes_there(books.others(connection, name), link.address)
        if fresh:
            forget(connection, name, destination, link.doctor)
        new = replace(link, state="on", problem=None, token=None, looked_ms=None)
        books.put_link(connection, name, new, now)


def settle(store: "Store", name: str, destination: CalendarDestination, home: str | None, *, fresh: bool) -> None:
    """Write the clinic's account as the settings name it now; ``fresh``: what lies in the old one stays there.

    Where they name none, nobody who was in the old one has a calendar any more.
    """
    with store.write() as connection:
        now = store.now_ms()
        if fresh:
            _leave(connection, name, destination, now)
        release(connection, name)
        if destination.user is None:
            books.drop_account(connection, name, CLINIC)
        else:
            books.put_account(connection, name, Account(CLINIC, destination.user, home, None), now)


def _leave(connection: "Connection", name: str, destination: CalendarDestination, now_ms: int) -> None:
    """Think no longer of the calendars in the clinic's account; what people have ordered stays ordered."""
    ends = destination.kind == "caldav" and not destination.of_clinic
    for link in _of_clinic(connection, name):
        forget(connection, name, destination, link.doctor)
        state = "leaving" if ends else "on" if link.state == "refused" else link.state
        new = replace(link, address="", own=True, state=state, problem=None, token=None, looked_ms=None)
        books.put_link(connection, name, new, now_ms)


def forget(connection: "Connection", name: str, destination: CalendarDestination, doctor: int) -> None:
    """Think no longer that a doctor's events are on the other side: all are to be written, wherever that is now."""
    from identsync.flows.mirror import kept

    scopes = {one.scope for one in held(connection, name, destination, {doctor})}
    for scope in scopes:
        at = stream_of(name), scope
        mine = {
            key: one for key, packed in kept(connection, *at).items() if (one := Kept.unpack(packed)).doctor == doctor
        }
        keep(connection, *at, {key: replace(one, etag=None).pack() for key, one in mine.items()})
        doubt(connection, *at, list(mine))


async def give_up(store: "Store", http: "Http", name: str, destination: CalendarDestination, account: Account) -> None:
    """Forget an account; Google is told that its grant is over, and what it answers to that is raised in the end."""
    token = None
    if destination.kind == "google" and account.sealed is not None:
        assert destination.seal is not None
        token = opened(destination.seal, name, account.doctor, account.sealed)
    with store.write() as connection:
        books.drop_account(connection, name, account.doctor)
    if token is not None:
        from identsync.integrations.calendar.wire.google_access import Access

        await Access(http, app_of(destination), token, endpoints=endpoints_of(destination)).revoke()


def unused(store: "Store", name: str) -> list[Account]:
    """Return the accounts in which no calendar is kept any more."""
    with store.read() as connection:
        links, accounts = books.links(connection, name), books.accounts(connection, name)
    active = {link.doctor for link in links.values() if link.state != "off"}
    clinics = any(doctor not in accounts for doctor in active)
    return [one for doctor, one in accounts.items() if (not clinics if doctor == CLINIC else doctor not in active)]


async def _at_once() -> None:
    """Let a request go: connecting asks a handful."""
