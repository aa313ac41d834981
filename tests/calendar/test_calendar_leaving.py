"""A calendar is deleted whole only where nothing of anybody's is in it, whatever a listing or a proxy says for once."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from calendar_network import NAME, Network, opened
from servers import PASSWORD, foreign, permit
from webdav import PASSWORD as DAV_PASSWORD
from webdav import USER as DAV_USER
from webdav import webdav

from identsync.demo.caldav.process import CalDavProcess
from identsync.errors import Unavailable
from identsync.flows.http import Http
from identsync.flows.mirror import Confirmed
from identsync.integrations.calendar import leaving
from identsync.integrations.calendar.books import Link
from identsync.integrations.calendar.shelf import Cloud
from identsync.integrations.calendar.wire.dav import Dav
from identsync.language import said

TODAY = time.time_ns() // 86_400_000_000_000


@pytest.fixture
def network(
    stub: CalDavProcess, one_branch: Path, clone: Callable[[str], str], dialect: str, tmp_path: Path, monkeypatch: Any
) -> Iterator[Network]:
    monkeypatch.setenv("TEST_CALENDAR", PASSWORD)
    path = tmp_path / "clinic.db"
    path.write_bytes(one_branch.read_bytes())
    with opened(path, clone(dialect), stub.url) as network:
        yield network


@pytest.fixture
async def shared(network: Network, stub: CalDavProcess) -> Link:
    """A doctor's filled calendar, in which he keeps an event of his own."""
    await network.go()
    link = next(iter(network.links().values()))
    stub.person("put", slug(link), "vacation.ics", body=foreign("vacation").decode())
    return link


def slug(link: Link) -> str:
    return link.address.rstrip("/").rpartition("/")[2]


def begin(network: Network) -> None:
    with network.store.write() as connection:
        leaving.begin(connection, NAME, network.destination, list(network.links()), network.now_ms())


async def test_one_listing_that_hides_a_persons_event_does_not_cost_it(
    network: Network, stub: CalDavProcess, shared: Link
):
    begin(network)
    stub.fault("empty", method="PROPFIND", path=slug(shared), times=1)
    await network.go()
    assert set(stub.items(slug(shared))) == {"vacation.ics"}
    assert "чужие события" in said(network.links()[shared.doctor].problem)


async def test_a_calendar_too_large_to_be_listed_whole_is_emptied_and_left(
    network: Network, stub: CalDavProcess, shared: Link
):
    """What is asked for then are events: tasks and notes that people keep there would not be seen."""
    stub.person("delete", slug(shared), "vacation.ics")
    begin(network)
    stub.fault("fail", method="PROPFIND", path=slug(shared), status=507, times=None)
    await network.go()
    assert [one["items"] for one in stub.calendars() if one["slug"] == slug(shared)] == [{}]
    link = network.links()[shared.doctor]
    assert (link.state, link.address) == ("off", shared.address)
    assert "удалите его там сами" in said(link.problem)


# -- a proxy's 404 -----------------------------------------------------------------------------------------------------

PAGE = "<html><head><title>404 Not Found</title></head><body><center>nginx</center></body></html>"


def hide_behind_a_page(stub: CalDavProcess) -> None:
    """For a while the proxy in front knows no such site."""
    stub.fault("fail", status=404, text=PAGE, times=None)


def cancel(network: Network, count: int) -> None:
    coming = f"branch_id=1 AND kind=0 AND start_minute>{(TODAY + 1) * 1440}"
    for (id_,) in network.ask(f"SELECT appointment_id FROM clinic_appointment WHERE {coming} LIMIT {count}"):
        network.sql("DELETE FROM clinic_appointment WHERE appointment_id=:id", id=id_)


async def test_a_cancelled_visit_is_not_thought_gone_because_a_proxy_says_404(network: Network, stub: CalDavProcess):
    await network.go()
    cancel(network, 5)
    hide_behind_a_page(stub)
    outcome = await network.go()
    assert outcome.counts["removed"] == 0
    stub.ask("DELETE", "faults")
    for _ in range(2):
        network.forget_patience()
        await network.go()
    there = [item["uid"] for one in stub.calendars() for item in one["items"].values()]
    assert len(there) == len(network.wanted())
    assert [link.strange for link in network.links().values()] == [0, 0]
    assert len(stub.calendars()) == 2, "none was thought to be deleted and made anew"


async def test_nothing_is_said_to_be_deleted_while_a_proxy_says_404(network: Network, stub: CalDavProcess):
    await network.go()
    before = sum(len(one["items"]) for one in stub.calendars())
    begin(network)
    hide_behind_a_page(stub)
    await network.go()
    with network.store.read() as connection:
        assert len(leaving.held(connection, NAME, network.destination)) == before
    assert {link.state for link in network.links().values()} == {"leaving"}
    stub.ask("DELETE", "faults")
    network.forget_patience()
    await network.go()
    assert stub.calendars() == []
    assert {(link.state, link.address) for link in network.links().values()} == {("off", "")}


async def test_an_empty_calendar_that_could_not_be_deleted_just_now_is_deleted_by_the_next_run(
    network: Network, stub: CalDavProcess
):
    await network.go()
    begin(network)
    stub.fault("fail", method="PROPFIND", status=503, times=None)
    await network.go()
    assert {link.state for link in network.links().values()} == {"leaving"}
    stub.ask("DELETE", "faults")
    await network.go()
    assert stub.calendars() == []


async def test_a_removal_costs_one_request_and_one_more_where_it_was_gone(network: Network, stub: CalDavProcess):
    await network.go()
    before = stub.books()["requests"]
    cancel(network, 1)
    await network.go()
    assert stub.books()["requests"] == before + 1
    cancel(network, 2)
    for link in network.links().values():
        for name in stub.items(slug(link)):
            stub.person("delete", slug(link), name)
    before = stub.books()["requests"]
    await network.go()
    assert stub.books()["requests"] == before + 4


async def test_an_old_subscription_is_not_thought_gone_because_a_proxy_says_404(http: Http):
    with webdav() as server:
        cloud = Cloud(Dav(http, DAV_USER, DAV_PASSWORD, permit), server.url)
        assert await cloud.remove("gone") == Confirmed(), "somebody else has deleted the file"
        server.statuses += [404, 404]
        with pytest.raises(Unavailable) as caught:
            await cloud.remove("token")
    assert not caught.value.sent
    assert "token" not in str(caught.value), "an address is a secret"
