"""The fake Google in a process of its own, and one doctor's account and calendar in it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from identsync.demo.google.options import Options
from identsync.demo.google.process import GoogleProcess
from identsync.errors import IdentsyncError
from identsync.flows.http import Http
from identsync.integrations.calendar.event import Event, Found, Name
from identsync.integrations.calendar.wire.google import Google, GoogleCalendar
from identsync.integrations.calendar.wire.google_access import Access, App, Endpoints
from identsync.integrations.calendar.wire.google_event import id_of

MINUTE = 60_000
START = 1_785_571_200_000  # 2026-08-01 08:00 UTC
_USERS = itertools.count(1)


def name(number: int, generation: int = 1) -> Name:
    return Name(f"{number:032d}", generation)


def event(number: int, **change: Any) -> Event:
    start = change.pop("start_ms", START + number * 30 * MINUTE)
    fields = {"end_ms": start + 30 * MINUTE, "summary": "Занято"} | change
    return Event(name(number).name, start, **fields)


def endpoints(process: GoogleProcess) -> Endpoints:
    url = process.url
    return Endpoints(*(f"{url}/oauth/{name}" for name in ("consent", "token", "device", "revoke")))


@dataclass
class Account:
    """A doctor's account: ``google`` speaks for it, ``permits`` counts what was asked for before each request."""

    process: GoogleProcess
    http: Http
    user: str
    access: Access
    permits: int = 0
    heard: list[type] = field(default_factory=list)  # kinds of failures that concern the whole account
    google: Google = field(init=False)

    def __post_init__(self) -> None:
        self.google = Google(self.http, self.access, self.permit, self.process.url, heard=self.hear)

    async def hear(self, error: IdentsyncError) -> None:
        self.heard.append(type(error))

    async def permit(self) -> None:
        self.permits += 1

    def asked(self) -> int:
        """How many permits were taken since this was last asked."""
        taken, self.permits = self.permits, 0
        return taken


@dataclass
class Doctor:
    """A calendar of ours in that account: the wire, and its other side."""

    account: Account
    id: str
    wire: GoogleCalendar

    async def written(self, *numbers: int) -> dict[int, str]:
        """Put events; their etags by number."""
        etags = {}
        for number in numbers:
            etags[number] = (await self.wire.put(name(number), event(number), None)).etag
        self.account.asked()
        return etags

    def there(self, number: int, generation: int = 1) -> dict[str, Any]:
        """What Google holds of an event."""
        return self.account.process.events(self.id)[id_of(name(number, generation))]

    def edit(self, number: int, **fields: Any) -> None:
        """The doctor changes an event by hand."""
        self.account.process.change(self.id, id_of(name(number)), **fields)

    async def got(self, number: int, generation: int = 1) -> Found:
        found = await self.wire.get(name(number, generation))
        assert found is not None
        return found


@pytest.fixture(scope="module")
def running() -> Iterator[GoogleProcess]:
    with GoogleProcess(seed=7) as process:
        yield process


@pytest.fixture
def process(running: GoogleProcess) -> Iterator[GoogleProcess]:
    yield running
    running.behave()
    running.options(**{key: getattr(Options(), key) for key in Options.__struct_fields__})


@pytest.fixture
def account(process: GoogleProcess, http: Http) -> Account:
    user = f"doctor-{next(_USERS)}@example.com"
    access = Access(http, App(*process.app), process.grant(user), endpoints=endpoints(process))
    return Account(process, http, user, access)


@pytest.fixture
async def doctor(account: Account) -> Doctor:
    identity = await account.google.make_calendar("Расписание", "Europe/Moscow")
    account.asked()
    return Doctor(account, identity, account.google.calendar(identity))
