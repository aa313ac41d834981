"""Who has a calendar: what is written down of it, and calendars for doctors who have none and may have one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from identsync.errors import AskPerson, IdentsyncError, Unexpected
from identsync.errors import Later as LaterError
from identsync.integrations.calendar import books
from identsync.integrations.calendar.books import Account, Link
from identsync.integrations.calendar.chosen import at_home
from identsync.integrations.calendar.connecting import make, title_of
from identsync.integrations.calendar.desks import Reception
from identsync.integrations.calendar.settings import CalendarDestination

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from identsync.clinic.source import Doctor
    from identsync.engine.run import Run


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


async def introduce(here: Reception, found: Books) -> None:
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
        await put_links(here, [(link, new)])
        found.links[doctor.id] = new


async def put_links(here: Reception, links: Iterable[tuple[Link | None, Link]]) -> None:
    """Write links, new ones and as they have changed; what a person has ordered meanwhile stays ordered."""
    now = here.run.now_ms()

    def put(connection: "Connection") -> None:
        for old, new in links:
            if old is None:
                books.put_link(connection, here.name, new, now)
            else:
                books.change_link(connection, here.name, old, new, now)

    await here.run.write(put)


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
