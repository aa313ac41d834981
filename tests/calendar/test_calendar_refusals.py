"""What a server asks of everybody is heard by every run: wait an hour, this password is wrong, not in this calendar."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from calendar_network import NAME, Network, generated, opened
from msgspec.structs import replace
from servers import PASSWORD, USER, permit

from identsync.demo.caldav.process import CalDavProcess
from identsync.engine.integration import PageContext, Status
from identsync.flows.http import Http
from identsync.integrations.calendar import accounts, books, gate, leaving, orders
from identsync.integrations.calendar.books import Account
from identsync.integrations.calendar.wire.caldav import CalDav
from identsync.integrations.calendar.wire.dav import Dav
from identsync.language import said

TODAY = time.time_ns() // 86_400_000_000_000


@dataclass
class Requests:
    """What has really left for the server."""

    methods: list[str] = field(default_factory=list)

    def __call__(self) -> int:
        count = len(self.methods)
        self.methods.clear()
        return count


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Requests:
    counted, real = Requests(), Http.ask

    async def ask(http: Http, method: str, *given: Any, **options: Any) -> Any:
        counted.methods.append(method)
        return await real(http, method, *given, **options)

    monkeypatch.setattr(Http, "ask", ask)
    return counted


@pytest.fixture
def network(
    stub: CalDavProcess, clone: Callable[[str], str], dialect: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Network]:
    monkeypatch.setenv("TEST_CALENDAR", PASSWORD)
    monkeypatch.setenv("TEST_SEAL", "k" * 40)
    generated(tmp_path / "clinic.db", TODAY)
    with opened(tmp_path / "clinic.db", clone(dialect), stub.url, days=3) as network:
        yield network


def moved(network: Network) -> None:
    network.sql("UPDATE clinic_appointment SET start_minute=start_minute+5 WHERE kind=0")


def hasten(network: Network) -> None:
    with network.store.write() as connection:
        leaving.hasten(connection, NAME, network.destination, list(network.links()))


async def test_who_is_told_to_wait_an_hour_asks_nothing_in_any_branch_until_a_person_says_so(
    network: Network, stub: CalDavProcess, requests: Requests
):
    for scope in (1, 2):
        await network.go(scope)
    moved(network)
    requests()
    stub.fault("fail", status=429, retry_after=3600, times=None)
    assert (await network.go(1)).status is Status.LATER
    assert 1 <= requests() <= network.destination.parallel
    for scope in (2, 1, 2):
        network.forget_patience()
        outcome = await network.go(scope)
        assert outcome.status is Status.LATER
        assert 3_000_000 < (outcome.retry_ms or 0) <= 3_600_000
        assert requests() == 0
    stub.ask("DELETE", "faults")
    hasten(network)
    assert (await network.go(1)).status is Status.OK
    assert requests() > 0


async def test_an_account_of_a_doctors_own_that_is_told_to_wait_waits(
    network: Network, stub: CalDavProcess, requests: Requests
):
    own(network, 1)
    await network.go()
    assert network.links()[1].address
    moved(network)
    stub.fault("fail", status=429, retry_after=3600, times=None)
    await network.go()
    requests()
    for _ in range(3):
        network.forget_patience()
        await network.go()
    assert requests() == 0
    assert network.links()[1].state == "on", "nobody has to do anything"


def own(network: Network, doctor: int, password: str = PASSWORD) -> None:
    """Let a doctor connect an account; the clinic has none."""
    network.destination = replace(network.destination, user=None, password=None, seal="env:TEST_SEAL")
    home = f"{network.destination.url}/dav/calendars/{USER}/"
    account = Account(doctor, USER, home, None)
    accounts.admit(network.store, NAME, network.destination, account, password, None, fresh=False)


async def test_a_password_that_is_refused_is_not_tried_again_by_anybody_for_an_hour(
    network: Network, stub: CalDavProcess, requests: Requests
):
    for scope in (1, 2):
        await network.go(scope)
    moved(network)
    requests()
    stub.fault("fail", status=401, times=None)
    assert (await network.go(1)).status is Status.ASK
    assert 1 <= requests() <= network.destination.parallel
    for scope in (2, 1):
        network.forget_patience()
        outcome = await network.go(scope)
        assert outcome.status is Status.ASK, "a person is still asked"
        assert "пароль" in said(outcome.note)
        assert requests() == 0
    stub.ask("DELETE", "faults")
    hasten(network)
    assert (await network.go(1)).status is Status.OK
    assert {link.state for link in network.links().values()} == {"on"}


@pytest.mark.parametrize("order", [orders.look, orders.everything])
async def test_a_person_on_the_page_need_not_wait(
    network: Network, stub: CalDavProcess, order: Callable[[PageContext, Mapping[str, str]], str]
):
    await network.go()
    moved(network)
    stub.fault("fail", status=401, times=None)
    await network.go()
    stub.ask("DELETE", "faults")
    assert (await network.go()).status is Status.ASK
    context = PageContext(network.store, network.clinic, {NAME: network.destination}, "test", network.now_ms())
    order(context, {"to": NAME, "branch": "1", "doctor": str(min(network.links()))})
    assert (await network.go()).status is Status.OK


async def test_another_password_in_the_settings_is_tried_at_once(
    network: Network, requests: Requests, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TEST_CALENDAR", "an old one")
    await network.go()
    requests()
    await network.go()
    assert requests() == 0
    monkeypatch.setenv("TEST_CALENDAR", PASSWORD)
    assert (await network.go()).status is Status.OK


async def test_a_calendar_that_cannot_be_made_for_a_wrong_password_is_not_tried_in_each_run(
    network: Network, requests: Requests
):
    own(network, 1, "wrong")
    assert (await network.go()).status is Status.ASK
    requests()
    assert (await network.go()).status is Status.ASK
    assert requests() == 0
    own(network, 1)
    assert (await network.go()).status is Status.OK
    assert network.links()[1].address


# -- one calendar ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def dav() -> AsyncIterator[Dav]:
    async with Http() as http:
        yield Dav(http, USER, PASSWORD, permit)


async def test_a_calendar_that_the_account_may_not_enter_stops_no_other_doctor(
    network: Network, stub: CalDavProcess, dav: Dav
):
    await network.go()
    one, two = list(network.links().values())[:2]
    moved(network)
    stub.fault("fail", status=403, path=one.address.rstrip("/").rpartition("/")[2], times=None)
    network.forget_patience()
    outcome = await network.go()
    assert outcome.status is Status.PARTIAL
    assert str(one.doctor) in outcome.note
    links = network.links()
    assert (links[one.doctor].state, links[two.doctor].state) == ("refused", "on")
    assert "403" in said(links[one.doctor].problem)
    calendar = CalDav(dav, two.address)
    there = await calendar.fetch(list((await calendar.changes(None)).there))
    wanted = {name: event for name, event in network.wanted().items() if name in {each.name for each in there}}
    assert {name.name: found.event for name, found in there.items()} == wanted
    stub.ask("DELETE", "faults")
    with network.store.write() as connection:
        books.set_state(connection, NAME, one.doctor, "on", network.now_ms())
    hasten(network)
    assert (await network.go()).status is Status.OK


async def test_a_server_that_lets_nobody_in_for_a_while_leaves_nothing_to_mend_by_hand(
    network: Network, stub: CalDavProcess
):
    await network.go()
    moved(network)
    network.forget_patience()
    stub.fault("fail", status=403, times=None)
    outcome = await network.go()
    assert outcome.status is not Status.OK
    stub.ask("DELETE", "faults")
    network.forget_patience()
    assert (await network.go()).status is Status.OK
    assert {link.state for link in network.links().values()} == {"on"}


def test_a_gate_says_nothing_of_a_password():
    marks = {gate.mark_of("clinic@yandex.ru", password) for password in ("a", "b", "c", "d", "e", "f")}
    assert len(marks) > 1
    assert all(len(mark) == 2 for mark in marks), "one byte of a digest: who reads it can tell no password from another"
