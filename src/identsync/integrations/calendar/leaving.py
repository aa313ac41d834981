"""Taking back everything that was written for a doctor: what is still out there, and the end of his calendar."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update

from identsync.errors import IdentsyncError, Later
from identsync.integrations.calendar import books
from identsync.integrations.calendar.books import PROBLEM, Link
from identsync.integrations.calendar.chosen import stream_of
from identsync.integrations.calendar.event import Calendar, NoCalendar
from identsync.integrations.calendar.gate import release
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.language import kept
from identsync.language import keyed as _
from identsync.store.lists import portions
from identsync.store.tables import calendar_link, mirror_item

if TYPE_CHECKING:
    from identsync.clinic.source import Doctor
    from identsync.integrations.calendar.desks import Reception

_KEPT_ALL = frozenset({403, 405, 501})


@dataclass(frozen=True, slots=True)
class Held:
    """Something of ours that is, or may be, on the other side; ``answer`` is what was last said of it."""

    scope: int
    key: int
    doctor: int
    answer: str | None


def held(
    connection: Connection, name: str, destination: CalendarDestination, doctors: Collection[int] | None = None
) -> list[Held]:
    """Return what of ours is on the other side, of these doctors or of all."""
    item = mirror_item.c
    rows = select(item.scope, item.key, item.payload, item.answer).where(item.stream == stream_of(name))
    found = []
    for scope, key, payload, answer in connection.execute(rows):
        if payload is not None:
            doctor = key if destination.kind == "feed" else Kept.unpack(payload).doctor
            if doctors is None or doctor in doctors:
                found.append(Held(scope, key, doctor, answer))
    return found


def remains(connection: Connection, name: str, destination: CalendarDestination, scope: int) -> bool:
    """Say whether there is anything left to do in a branch whose calendars are kept no longer."""
    item, link = mirror_item.c, calendar_link.c
    items = select(item.key).where(item.stream == stream_of(name), item.scope == scope)
    undone = link.state == "leaving"
    if destination.kind == "feed":
        undone |= link.token.is_not(None)  # addresses that were given up
    links = select(link.doctor_id).where(link.destination == name, link.scope == scope, undone)
    return any(connection.execute(one.limit(1)).first() is not None for one in (items, links))


def begin(
    connection: Connection, name: str, destination: CalendarDestination, doctors: Collection[int], now_ms: int
) -> None:
    """Let these doctors' calendars be emptied by the next runs, at once, whatever has failed before."""
    for doctor in doctors:
        books.set_state(connection, name, doctor, "leaving", now_ms)
    hasten(connection, name, destination, doctors)


def hasten(connection: Connection, name: str, destination: CalendarDestination, doctors: Collection[int]) -> None:
    """Let whatever of these doctors has failed be tried by the next run, without waiting out its patience or a gate."""
    release(connection, name)
    keys: dict[int, list[int]] = {}
    for one in held(connection, name, destination, doctors):
        keys.setdefault(one.scope, []).append(one.key)
    item = mirror_item.c
    for scope, all_ in keys.items():
        of_scope = item.stream == stream_of(name), item.scope == scope
        for some in portions(all_):
            soon = update(mirror_item).where(*of_scope, item.key.in_(some), item.state != "confirmed")
            connection.execute(soon.values(retry_ms=None, attempts=0))


def shut(connection: Connection, name: str, staff: "Iterable[Doctor]", now_ms: int) -> None:
    """Let no doctor who has no calendar yet be given one: a destination that is left is left by everybody."""
    known = books.links(connection, name)
    for doctor, branch in {one.id: one.branch_id for one in staff if one.id not in known}.items():
        books.put_link(connection, name, Link(doctor, branch, address="", own=True, state="off"), now_ms)


async def taken_leave(here: "Reception", link: Link) -> Link:
    """Delete a calendar of our making once nothing of anybody's is in it; return the link as it stands then."""
    off = replace(link, state="off", token=None, problem=None)
    if not (link.own and link.address):
        return off
    desk = await here.desk(link)
    if desk.still is not None:
        return replace(off, problem=kept(desk.still, PROBLEM))
    try:
        problem = await _deleted(here, link.doctor, link.address, desk.open)
    except NoCalendar:
        problem = ""
    except Later as error:  # it is empty, and still there: the next run asks again
        return replace(link, problem=kept(error.args[0], PROBLEM))
    except IdentsyncError as error:
        problem = error.args[0]
    return replace(off, problem=kept(problem, PROBLEM)) if problem else replace(off, address="")


async def _deleted(here: "Reception", doctor: int, address: str, calendar: Calendar) -> str:
    """Delete a calendar; returns in words why it stays, '' where it does not. One listing is not believed."""
    changes = await calendar.changes(None)
    for name, etag in changes.there.items():  # of ours, and nowhere in the books: they were lost once
        await calendar.remove(name, etag)
    again = await calendar.changes(None)
    if foreign := max(changes.foreign, again.foreign):
        return _("в календаре есть чужие события, поэтому сам он оставлен: {count}", count=foreign)
    if changes.only_events or again.only_events:
        return _("сервер показывает не всё, что лежит в календаре: если он больше не нужен, удалите его там сами")
    whose = here.account_of(doctor)
    assert whose is not None
    if here.destination.kind == "google":
        await (await here.google(whose)).delete_calendar(address)
        return ""
    where = here.placed(whose, address)
    reply = await (await here.dav(whose)).ask("DELETE", where, passing=_KEPT_ALL | {404, 410})
    if reply.status in {404, 410}:
        await calendar.changes(None)  # it says whether it is gone, and who says so
    return _("сервер не даёт удалить пустой календарь: удалите его там сами") if reply.status in _KEPT_ALL else ""
