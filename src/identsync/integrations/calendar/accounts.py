"""Doctors' own accounts: tried, sealed and written down together with a calendar, and given up again."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from identsync.errors import AskPerson
from identsync.flows.mirror import doubt, keep
from identsync.integrations.calendar import books
from identsync.integrations.calendar.books import CLINIC, Account, Link
from identsync.integrations.calendar.chosen import stream_of, wish_of
from identsync.integrations.calendar.connecting import COLOURS, app_of, endpoints_of, root_of, slug, title_of
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
    from identsync.integrations.calendar.wire.dav import Dav
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
    """How it stands with a doctor before he connects; ``events`` of ours are, or may be, in his old calendar."""

    link: Link | None
    account: Account | None
    events: int


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
    """Read how it stands with a doctor."""
    with store.read() as connection:
        link = books.links(connection, name).get(doctor)
        account = books.accounts(connection, name).get(doctor)
        return Standing(link, account, len(held(connection, name, destination, {doctor})))


def same_calendar(link: Link | None, found: "Found") -> bool:
    """Say whether a doctor's calendar is among those found: he comes back, with another password perhaps."""
    return link is not None and path_of(link.address) in {path_of(one.url) for one in found.calendars}


async def made(store: "Store", dav: "Dav", home: str, destination: CalendarDestination, who: Newcomer) -> str:
    """Make a calendar of ours in a CalDAV account; one that was made before is as good."""
    from identsync.integrations.calendar.wire.discovery import make_calendar

    with store.write() as connection:
        key = books.make_key(connection, store.now_ms())
    title = title_of(destination, who.name)
    return await make_calendar(dav, home, slug(key, who.doctor), title, COLOURS[who.doctor % len(COLOURS)])


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


def admit(
    store: "Store", name: str, destination: CalendarDestination, account: Account, secret: str, link: Link | None,
    *, fresh: bool,
) -> None:  # fmt: skip
    """Write an account with its sealed secret and, but for the clinic's, a doctor's link; ``fresh``: nothing is there.

    A link that stays (not ``fresh``) keeps what is known of its events. Either way all of it is looked at soon.
    """
    assert destination.seal is not None
    sealed = seal(destination.seal, name, account.doctor, secret)
    with store.write() as connection:
        now = store.now_ms()
        books.put_account(connection, name, replace(account, sealed=sealed), now)
        release(connection, name)
        if link is None:
            return
        if fresh:
            forget(connection, name, destination, link.doctor)
        new = replace(link, state="on", problem=None, token=None, looked_ms=None)
        books.put_link(connection, name, new, now)


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
