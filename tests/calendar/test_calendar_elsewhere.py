"""Another server or account in the settings: events go there, stay or are forgotten by a person's word only."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from calendar_network import NAME, Network, opened
from msgspec.structs import replace
from servers import PASSWORD, USER

from identsync.demo.caldav.process import CalDavProcess
from identsync.engine.integration import Status
from identsync.integrations.calendar import accounts, books, leaving
from identsync.integrations.calendar.books import CLINIC, Account
from identsync.integrations.calendar.elsewhere import placed
from identsync.language import said

TODAY = time.time_ns() // 86_400_000_000_000
NEW_USER = "new@clinic.example"


@pytest.fixture(scope="module")
def new_server() -> Iterator[CalDavProcess]:
    with CalDavProcess(users={USER: PASSWORD}) as process:
        yield process


@pytest.fixture
def other(new_server: CalDavProcess) -> Iterator[CalDavProcess]:
    """Another server with the same accounts, empty at the beginning of each test."""
    yield new_server
    new_server.reset()


@pytest.fixture
def network(
    stub: CalDavProcess, one_branch: Path, clone: Callable[[str], str], dialect: str, tmp_path: Path, monkeypatch: Any
) -> Iterator[Network]:
    monkeypatch.setenv("TEST_CALENDAR", PASSWORD)
    monkeypatch.setenv("TEST_SEAL", "a long key of the whole network")
    path = tmp_path / "clinic.db"
    path.write_bytes(one_branch.read_bytes())
    with opened(path, clone(dialect), stub.url, seal="env:TEST_SEAL") as network:
        yield network


def url_of(process: CalDavProcess) -> str:
    return process.url.rstrip("/")


def there(process: CalDavProcess) -> dict[str, str]:
    return {item["uid"]: item["body"] for one in process.calendars() for item in one["items"].values()}


def asked(process: CalDavProcess) -> int:
    return int(process.books()["requests"])


async def test_after_another_url_the_old_server_is_told_nothing_of_patients_and_sees_no_password(
    network: Network, stub: CalDavProcess, other: CalDavProcess
):
    await network.go()
    before, requests = there(stub), asked(stub)
    assert before
    network.destination = replace(network.destination, url=url_of(other), show=["initials", "service"])
    for _ in range(2):
        network.forget_patience()
        outcome = await network.go()
        assert outcome.status is Status.ASK
        assert "127.0.0.1" in outcome.note
        assert "purge there" in outcome.note
        assert "connect there --yes" in outcome.note
    assert (there(stub), asked(stub)) == (before, requests)
    assert there(other) == {}


async def test_with_the_old_url_back_everything_goes_on_and_can_be_taken_back(
    network: Network, stub: CalDavProcess, other: CalDavProcess
):
    await network.go()
    old = network.destination
    network.destination = replace(old, url=url_of(other))
    with network.store.write() as connection:
        leaving.begin(connection, NAME, network.destination, list(network.links()), network.now_ms())
    assert (await network.go()).status is Status.ASK
    network.destination = old
    assert (await network.go()).status is Status.OK
    assert stub.calendars() == []
    assert {link.state for link in network.links().values()} == {"off"}


async def test_the_old_server_is_left_when_a_person_says_so(
    network: Network, stub: CalDavProcess, other: CalDavProcess
):
    await network.go()
    before = there(stub)
    network.destination = replace(network.destination, url=url_of(other))
    assert accounts.standing(network.store, NAME, network.destination, CLINIC).events == len(before)
    home = f"{other.url}dav/calendars/{USER}/"
    accounts.settle(network.store, NAME, network.destination, home, fresh=True)
    for _ in range(2):
        outcome = await network.go()
    assert outcome.status is Status.OK, outcome
    assert there(other).keys() == there(stub).keys()
    assert len(there(other)) == len(network.wanted())
    assert there(stub) == before


async def test_what_was_being_taken_back_or_paused_stays_so_when_the_old_server_is_left(
    network: Network, stub: CalDavProcess, other: CalDavProcess
):
    await network.go()
    first, second = network.links()
    network.destination = replace(network.destination, url=url_of(other))
    with network.store.write() as connection:
        leaving.begin(connection, NAME, network.destination, [first], network.now_ms())
        books.set_state(connection, NAME, second, "paused", network.now_ms())
    accounts.settle(network.store, NAME, network.destination, f"{other.url}dav/calendars/{USER}/", fresh=True)
    await network.go()
    assert {doctor: link.state for doctor, link in network.links().items()} == {first: "off", second: "paused"}
    with network.store.read() as connection:
        assert leaving.held(connection, NAME, network.destination, {first}) == []
    assert other.calendars() == []


async def test_another_login_of_the_clinic_waits_for_a_person_and_then_begins_anew(
    network: Network, stub: CalDavProcess, monkeypatch: pytest.MonkeyPatch
):
    stub.ask("POST", "users", {NEW_USER: "other"})
    await network.go()
    before, requests = there(stub), asked(stub)
    monkeypatch.setenv("TEST_CALENDAR", "other")
    network.destination = replace(network.destination, user=NEW_USER)
    outcome = await network.go()
    assert outcome.status is Status.ASK
    assert "connect there --yes" in outcome.note
    assert asked(stub) == requests
    accounts.settle(network.store, NAME, network.destination, f"{stub.url}dav/calendars/{NEW_USER}/", fresh=True)
    for _ in range(2):
        outcome = await network.go()
    assert outcome.status is Status.OK, outcome
    mine = [one for one in stub.calendars() if one["user"] == NEW_USER]
    assert sum(len(one["items"]) for one in mine) == len(network.wanted()) == len(before)
    with network.store.write() as connection:
        leaving.begin(connection, NAME, network.destination, list(network.links()), network.now_ms())
    await network.go()
    assert [one for one in stub.calendars() if one["user"] == NEW_USER] == []


async def test_a_new_calendar_is_made_in_no_account_but_the_one_of_the_settings(
    network: Network, stub: CalDavProcess, other: CalDavProcess
):
    """The home was remembered; nobody has a calendar yet."""
    account = Account(CLINIC, USER, f"{stub.url}dav/calendars/{USER}/", None)
    with network.store.write() as connection:
        books.put_account(connection, NAME, account, network.now_ms())
    network.destination = replace(network.destination, url=url_of(other))
    assert (await network.go()).status is Status.ASK
    assert (stub.calendars(), asked(stub)) == ([], 0)


async def test_a_doctors_own_account_on_another_server_stands_still_and_the_clinics_go_on(
    network: Network, stub: CalDavProcess, other: CalDavProcess
):
    await network.go()
    doctor, second = network.links()
    url = stub.calendar("own")
    link = replace_link(network, doctor, url)
    account = Account(doctor, USER, None, None)
    accounts.admit(network.store, NAME, network.destination, account, PASSWORD, link, fresh=True)
    await network.go()
    assert stub.items("own")
    network.destination = replace(network.destination, url=url_of(other), show=["initials"])
    accounts.settle(network.store, NAME, network.destination, f"{other.url}dav/calendars/{USER}/", fresh=True)
    requests = asked(stub)
    await network.go()
    assert asked(stub) == requests
    stands = network.links()[doctor]
    assert stands.state == "refused"
    assert f"connect there --doctor {doctor} --yes" in said(stands.problem)
    assert network.links()[second].state == "on"
    assert there(other)
    with network.store.write() as connection:
        leaving.begin(connection, NAME, network.destination, [doctor], network.now_ms())
    await network.go()
    assert network.links()[doctor].state == "leaving", "nothing is thought to be deleted"
    assert "purge" in said(network.links()[doctor].problem), "who purges is told why it does not end"


def replace_link(network: Network, doctor: int, address: str) -> books.Link:
    return books.Link(doctor, 1, address, own=False, state="on")


@pytest.mark.parametrize(
    ("url", "address", "asked_at"),
    [
        ("https://s.example", "https://s.example/dav/a/", "https://s.example/dav/a/"),
        ("https://s.example/remote.php/dav", "https://s.example/dav/a/", "https://s.example/dav/a/"),
        ("https://s.example", "http://s.example/dav/a/", "https://s.example/dav/a/"),
        ("https://s.example:5232", "http://s.example:5232/a/", "https://s.example:5232/a/"),
        ("https://s.example", "http://s.example:5232/a/", "https://s.example/a/"),
        ("https://ya.ru", "https://caldav.yandex.ru/calendars/a/", "https://caldav.yandex.ru/calendars/a/"),
        ("https://me.com", "https://p12-caldav.icloud.com/1/a/", "https://p12-caldav.icloud.com/1/a/"),
        ("https://clinic.example", "https://dav.clinic.example/a/", "https://dav.clinic.example/a/"),
        ("https://new.example", "https://s.example/a/", None),
        ("https://new.example", "http://s.example/a/", None),
        ("http://s.example:5233", "http://s.example:5232/a/", None),
        ("https://caldav.yandex.ru", "https://p12-caldav.icloud.com/1/a/", None),
    ],
)
def test_a_calendar_is_asked_only_where_the_settings_url_may_send_the_password(
    url: str, address: str, asked_at: str | None
):
    assert placed(url, address) == asked_at
