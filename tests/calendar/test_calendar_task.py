"""The whole task against real servers: at rest each doctor's calendar holds what the clinic says, and nothing else."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from calendar_network import Network, generated, opened, visit
from losing_line import line_to
from msgspec.structs import replace
from servers import PASSWORD, SERVERS, USER, Server, foreign, permit

from claimed import run_now
from identsync.engine.integration import Status
from identsync.flows.http import Http
from identsync.integrations.calendar import INTEGRATION, books, leaving
from identsync.integrations.calendar.event import Event, NoCalendar
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wire.caldav import CalDav
from identsync.integrations.calendar.wire.dav import Dav
from identsync.integrations.calendar.wire.discovery import discover
from identsync.language import said

# Xandikos commits each event to git, which costs more than all else here: every day its answers are tried by those of
# test_caldav.py, whole tasks on it by `poe check-long`.
RARELY = {"xandikos": pytest.mark.processes}
pytestmark = pytest.mark.parametrize(
    "server", [pytest.param(name, marks=RARELY.get(name, ())) for name in SERVERS], indirect=True
)
TODAY = time.time_ns() // 86_400_000_000_000


@pytest.fixture(scope="session")
def clinic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("calendars") / "clinic.db"
    generated(path, TODAY)
    return path


@pytest.fixture
def network(
    server: Server,
    clinic_file: Path,
    clone: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("TEST_CALENDAR", PASSWORD)
    path = tmp_path / "clinic.db"
    path.write_bytes(clinic_file.read_bytes())
    with opened(path, clone("sqlite"), server.url) as network:
        yield network


@pytest.fixture
async def dav() -> AsyncIterator[Dav]:
    async with Http() as http:
        yield Dav(http, USER, PASSWORD, permit)


async def outside(network: Network, dav: Dav) -> dict[str, Event | None]:
    """Return what lies in all calendars of the network, by name."""
    found: dict[str, Event | None] = {}
    for link in network.links().values():
        if link.address:
            calendar = CalDav(dav, link.address)
            names = (await calendar.changes(None)).there
            found |= {name.name: one.event for name, one in (await calendar.fetch(list(names))).items()}
    return found


def book(network: Network, number: int, doctor: int, minute: int) -> None:
    visit(network.sql, number, 1, doctor, minute)


async def test_calendars_are_made_and_filled_and_then_left_alone(network: Network, dav: Dav):
    outcome = await network.go()
    assert outcome.status is Status.OK, outcome
    wanted = network.wanted()
    assert len(wanted) > 15
    assert outcome.counts["confirmed"] == len(wanted)
    assert await outside(network, dav) == wanted
    home = (await discover(dav, network.destination.url or "")).calendars
    assert {link.address for link in network.links().values()} <= {one.url for one in home}
    again = await network.go()
    assert (again.status, again.counts["confirmed"]) == (Status.OK, 0)


async def test_what_the_clinic_changes_is_changed_and_nothing_else(network: Network, dav: Dav):
    network.destination = replace(network.destination, days=4)  # a day or two of them may be days off
    await network.go()
    (first, doctor), (second, _), (third, _) = network.ask(
        "SELECT appointment_id, doctor_id FROM clinic_appointment WHERE branch_id=1 AND start_minute "
        f"BETWEEN {(TODAY + 1) * 1440} AND {(TODAY + 3) * 1440} AND kind=0 LIMIT 3"
    )
    other = next(each for each in network.links() if each != doctor)
    network.sql("DELETE FROM clinic_appointment WHERE appointment_id=:id", id=first)
    network.sql("UPDATE clinic_appointment SET start_minute=start_minute+15 WHERE appointment_id=:id", id=second)
    network.sql("UPDATE clinic_appointment SET doctor_id=:to WHERE appointment_id=:id", id=third, to=other)
    book(network, 10**9, doctor, (TODAY + 2) * 1440 + 600)
    outcome = await network.go()
    assert (outcome.counts["confirmed"], outcome.counts["removed"]) == (3, 2)
    assert await outside(network, dav) == network.wanted()


async def test_hand_edits_are_repaired_and_foreign_events_stay(network: Network, dav: Dav):
    await network.go()
    wanted = network.wanted()
    link = next(iter(network.links().values()))
    calendar = CalDav(dav, link.address)
    names = sorted((await calendar.changes(None)).there)
    edited, deleted = names[0], names[1]
    moved = Event(edited.name, 1_800_000_000_000, 1_800_000_900_000, "Обед")
    await calendar.put(edited, moved, (await calendar.changes(None)).there[edited])
    await calendar.remove(deleted, None)
    await dav.ask("PUT", f"{calendar.url}vacation.ics", {"Content-Type": "text/calendar"}, foreign("vacation"))
    quiet = await network.go()
    assert quiet.counts["confirmed"] == 0, "nobody looks before it is time"
    network.forget_patience()
    outcome = await network.go()
    assert (outcome.status, outcome.counts["repaired"], outcome.counts["confirmed"]) == (Status.OK, 2, 2)
    assert await outside(network, dav) == wanted
    assert network.links()[link.doctor].strange == 1
    reply = await dav.ask("GET", f"{calendar.url}vacation.ics")
    assert b"vacation" in reply.body


async def test_a_deleted_calendar_is_made_again(network: Network, dav: Dav):
    await network.go()
    link = next(iter(network.links().values()))
    await dav.ask("DELETE", link.address)
    network.forget_patience()
    await network.go()
    outcome = await network.go()
    assert outcome.status is Status.OK, outcome
    assert await outside(network, dav) == network.wanted()


async def test_sudden_emptiness_stops_and_asks(network: Network, dav: Dav):
    await network.go()
    before = await outside(network, dav)
    network.sql("DELETE FROM clinic_appointment")
    outcome = await network.go()
    assert outcome.status is Status.ASK
    assert await outside(network, dav) == before


async def test_leaving_takes_back_everything_that_was_ever_written(network: Network, dav: Dav):
    await network.go()
    with network.store.write() as connection:
        for doctor in network.links():
            books.set_state(connection, "there", doctor, "leaving", network.now_ms())
    outcome = await network.go()
    assert outcome.status is Status.OK, outcome
    assert {link.state for link in network.links().values()} == {"off"}
    assert await outside(network, dav) == {}
    assert (await network.go()).counts["desired"] == 0


async def test_leaving_a_calendar_where_a_person_has_put_something_leaves_that(network: Network, dav: Dav):
    await network.go()
    kept, *others = network.links().values()
    await dav.ask("PUT", f"{kept.address}journey.ics", {"Content-Type": "text/calendar"}, foreign("journey"))
    with network.store.write() as connection:
        for doctor in network.links():
            books.set_state(connection, "there", doctor, "leaving", network.now_ms())
    await network.go()
    left = await CalDav(dav, kept.address).changes(None)
    assert (left.there, left.foreign) == ({}, 1)
    assert "чужие события" in said(network.links()[kept.doctor].problem)
    for link in others:
        with pytest.raises(NoCalendar):
            await CalDav(dav, link.address).changes(None)


async def leave(network: Network) -> None:
    with network.store.write() as connection:
        for doctor in network.links():
            books.set_state(connection, "there", doctor, "leaving", network.now_ms())
    await network.go()


async def test_a_calendar_in_which_somebody_keeps_anything_under_any_name_is_not_deleted(network: Network, dav: Dav):
    """Programs name their events as they like: vacation, or vacation.EML from a mail."""
    await network.go()
    link = next(iter(network.links().values()))
    await dav.ask("PUT", f"{link.address}vacation", {"Content-Type": "text/calendar"}, foreign("vacation"))
    assert (await CalDav(dav, link.address).changes(None)).foreign == 1
    await leave(network)
    assert "чужие события" in said(network.links()[link.doctor].problem)
    assert b"vacation" in (await dav.ask("GET", f"{link.address}vacation")).body


async def go_to(network: Network, name: str, destination: CalendarDestination) -> Status:
    (task,) = [t for t in INTEGRATION.tasks({name: destination}, network.clinic.branches()) if t.scope == 1]
    return (await run_now(network.store, network.clinic, task)).status


async def test_two_destinations_in_one_account_keep_calendars_of_their_own(network: Network, dav: Dav):
    """One shows what is done, to some; the other, that the doctor is busy, to others."""
    first = network.destination
    second = replace(first, show=["service"])
    assert (await network.go()).status is Status.OK
    before = await outside(network, dav)
    for _ in range(2):
        assert await go_to(network, "second", second) is Status.OK
    with network.store.read() as connection:
        others = books.links(connection, "second")
    assert {link.address for link in others.values()}.isdisjoint({link.address for link in network.links().values()})
    home = {one.url: one.name for one in (await discover(dav, first.url or "")).calendars}
    for doctor, link in network.links().items():
        assert home[link.address] != home[others[doctor].address], "a person has to tell them apart"
    network.forget_patience()
    outcome = await network.go()
    assert (outcome.status, outcome.counts.get("repaired", 0)) == (Status.OK, 0)
    with network.store.write() as connection:
        leaving.begin(connection, "second", second, list(others), network.now_ms())
    await go_to(network, "second", second)
    assert await outside(network, dav) == before


async def test_answers_lost_on_the_way_are_adopted_and_nothing_is_twice(network: Network, dav: Dav, server: Server):
    async with line_to(server.url, seed=5) as line:
        network.destination = replace(network.destination, url=line.url.rstrip("/"), days=4)
        await network.go()
        for turn in range(2):
            line.share = 0.2
            network.sql(
                "UPDATE clinic_appointment SET start_minute=start_minute+5 WHERE appointment_id % 3 = :n", n=turn % 3
            )
            network.sql(f"DELETE FROM clinic_appointment WHERE appointment_id % 11 = {turn}")
            network.forget_patience()
            await network.go()
            line.share = 0
        assert line.lost > 2
        for _ in range(3):
            network.forget_patience()
            outcome = await network.go()
        assert outcome.status is Status.OK, outcome
        assert await outside(network, dav) == network.wanted()
        listed = [await CalDav(dav, link.address).changes(None) for link in network.links().values()]
        assert (sum(len(one.there) for one in listed), sum(one.foreign for one in listed)) == (len(network.wanted()), 0)


async def test_a_policy_change_rewrites_everything(network: Network, dav: Dav):
    await network.go()
    network.destination = replace(network.destination, show=["initials", "room"])
    outcome = await network.go()
    assert outcome.counts["confirmed"] == len(network.wanted())
    found = await outside(network, dav)
    assert found == network.wanted()
    assert any(event and "." in event.summary for event in found.values())
