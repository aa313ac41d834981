"""Runs of the whole task that once went wrong, each found by the state machine or by reading: what must hold now."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from calendar_network import visit
from calendar_world import HOUR, NAME, TODAY, Shelf, World

from identsync.engine.integration import Status
from identsync.integrations.calendar import books
from identsync.integrations.calendar.event import Changes, Name


@pytest.fixture
def world() -> Iterator[World]:
    """Two branches; doctors 1 and 2 (who has an account of his own) in the first, 3 in the second, five events each."""
    world = World()
    for branch, zone in (1, "Europe/Moscow"), (2, "Asia/Yekaterinburg"):
        world.sql("INSERT INTO clinic_branch VALUES (:id, '', :zone, NULL, NULL)", id=branch, zone=zone)
    for branch, doctor in (1, 1), (1, 2), (2, 3):
        world.sql("INSERT INTO clinic_staff VALUES (:b, :d, 'N', '')", b=branch, d=doctor)
        for number in range(5):
            book(world, doctor * 10 + number, branch, doctor, number)
    yield world
    world.close()


def book(world: World, id_: int, branch: int, doctor: int, number: int) -> None:
    visit(world.sql, id_, branch, doctor, TODAY * 1440 + 600 + number * 40)


def right(world: World, *doctors: int) -> bool:
    links = world.links()
    return all(world.there(links[doctor]) == world.wanted(links[doctor]) for doctor in doctors)


@pytest.mark.parametrize("lost", ["clinic_staff", "clinic_appointment"])
def test_a_staff_that_was_read_empty_deletes_nothing(world: World, lost: str):
    world.go(1)
    there = {at: dict(shelf.there) for at, shelf in world.shelves.items()}
    world.sql(f"DELETE FROM {lost}")
    assert world.go(1).status is Status.ASK
    assert {at: dict(shelf.there) for at, shelf in world.shelves.items()} == there


def test_nothing_is_believed_even_after_somebody_has_left_meanwhile(world: World):
    world.go(1)
    world.sql("DELETE FROM clinic_appointment")
    assert world.go(1).status is Status.ASK
    world.set_state(world.links()[1].address, "leaving")
    assert world.go(1).status is Status.ASK
    assert len(world.there(world.links()[2])) == 5


def test_one_who_leaves_the_whole_branch_is_no_suspicion(world: World):
    world.go(2)
    world.set_state(world.links()[3].address, "leaving")
    assert world.go(2).status is Status.OK
    assert world.links()[3].state == "off"


@pytest.mark.parametrize("order", ["paused meanwhile", "leaving meanwhile"])
def test_what_a_person_orders_during_a_run_stays_ordered(world: World, order: str):
    world.go(1)
    world.now += HOUR + 1
    world.sql("UPDATE clinic_appointment SET length_minutes=45")
    world.faults = {1: order}
    world.go(1)
    states = sorted(link.state for link in world.links().values())
    assert states == sorted(["on", order.partition(" ")[0]])


@pytest.mark.parametrize("order", ["paused meanwhile", "leaving meanwhile"])
def test_a_calendar_paused_during_a_run_is_not_written_any_more(world: World, order: str):
    world.go(1)
    world.sql("UPDATE clinic_appointment SET length_minutes=45 WHERE appointment_id % 2 = 0")
    world.sql("DELETE FROM clinic_appointment WHERE appointment_id % 5 = 1")
    before = len(world.requests)
    world.faults = {0: order}
    world.go(1)
    paused = world.requests[before][0]
    asked = [at for at, _verb, _name in world.requests[before:]]
    assert asked.count(paused) == 1, "what was on its way when the order came"
    [other] = [link.doctor for link in world.links().values() if link.address != paused]
    assert right(world, other)
    if order == "paused meanwhile":
        world.set_state(paused, "on")
        world.go(1)
        assert right(world, 1, 2)


def test_a_visit_cancelled_during_a_pause_goes_as_soon_as_it_is_over(world: World):
    world.go(1)
    link = world.links()[1]
    world.set_state(link.address, "paused")
    world.sql("DELETE FROM clinic_appointment WHERE appointment_id=10")
    for _ in range(5):
        assert world.go(1).status is Status.OK, "nothing has failed"
    assert len(world.there(link)) == 5
    world.set_state(link.address, "on")
    world.go(1)
    assert right(world, 1)


def test_what_had_failed_before_a_pause_is_tried_as_soon_as_it_is_over(world: World):
    world.go(1)
    link = world.links()[1]
    world.sql("DELETE FROM clinic_appointment WHERE appointment_id=10")
    for minutes in 5, 5, 0:
        world.faults = dict.fromkeys(range(9), "garbage, not done")
        world.go(1)
        world.now += minutes * 60_000
    world.faults = {}
    world.go(1)
    assert not right(world, 1), "it waits out its patience"
    for state in ("paused", "on"):
        world.set_state(link.address, state)
    world.go(1)
    assert right(world, 1)


def test_a_cancelled_visit_that_could_not_be_removed_waits_minutes_not_hours(world: World):
    world.go(1)
    world.sql("DELETE FROM clinic_appointment WHERE appointment_id=10")
    for _ in range(12):
        world.faults = dict.fromkeys(range(9), "garbage, not done")
        world.go(1)
        world.now += 15 * 60_000
    world.faults = {}
    world.now += 15 * 60_000
    world.go(1)
    assert right(world, 1)


def test_a_calendar_connected_during_a_run_stays_connected(world: World, monkeypatch: pytest.MonkeyPatch):
    world.go(1)
    world.now += HOUR + 1
    before = world._before

    async def connects(*given: object) -> None:
        with world.engine.begin() as connection:
            books.set_link(connection, NAME, 1, {"address": "https://there.example/new/", "token": None})
        await before(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(world, "_before", connects)
    world.faults = {0: "connects"}
    world.go(1)
    link = world.links()[1]
    assert (link.address, link.token) == ("https://there.example/new/", None)


def test_a_calendar_that_lists_nonsense_stops_nobody_else(world: World):
    world.go(1)
    world.now += HOUR + 1
    world.sql("UPDATE clinic_appointment SET length_minutes=45")
    world.faults = {0: "garbage, not done"}
    outcome = world.go(1)
    assert outcome.status is not Status.FAILED
    assert right(world, 1, 2)
    before = len(world.requests)
    world.go(1)
    assert [verb for _, verb, _ in world.requests[before:]] == ["changes"], "it is looked at by the next run"


@pytest.mark.parametrize("fault", ["limited", "refused", "garbage, not done", "lost request"])
def test_a_calendar_that_cannot_be_made_keeps_nobody_else_waiting(world: World, fault: str):
    world.go(1)
    world.sql("INSERT INTO clinic_staff VALUES (1, 4, 'N', '')")
    book(world, 40, 1, 4, 0)
    world.sql("UPDATE clinic_appointment SET length_minutes=45")
    world.faults = {0: fault}
    outcome = world.go(1)
    assert outcome.status is (Status.ASK if fault == "refused" else Status.PARTIAL)
    assert outcome.note
    assert right(world, 1, 2)
    world.go(1)
    assert right(world, 1, 2, 4)


def test_where_nobody_has_a_calendar_yet_the_run_says_why(world: World):
    world.faults = {0: "limited"}
    outcome = world.go(2)
    assert (outcome.status, outcome.note, outcome.retry_ms) == (Status.PARTIAL, "slow", 300)


def test_an_event_without_an_etag_that_was_deleted_by_hand_comes_back(world: World):
    world.faults = dict.fromkeys(range(20), "no etag")
    world.go(2)
    shelf = world.shelves[world.links()[3].address]
    shelf.drop(next(iter(shelf.there)))
    world.hurry()
    world.go(2)
    assert right(world, 3)


def test_a_stray_whose_removal_was_not_taken_is_met_again(world: World):
    world.go(2)
    shelf = world.shelves[world.links()[3].address]
    name = next(iter(shelf.there))
    shelf.write(Name(name.name, 2), shelf.there[name][1])
    world.made.add(Name(name.name, 2))
    for fault in ("unwanted", "lost request", "no connection", "dies before"):
        world.hurry()
        world.faults = {1: fault}
        world.go(2)
        assert not right(world, 3)
    world.hurry()
    world.go(2)
    assert right(world, 3)


def test_a_server_that_hid_its_newest_state_has_an_event_twice_for_one_run_only(world: World):
    """The answer is lost, the event is not shown although its name is taken: it goes under another name as well."""
    world.go(2)
    book(world, 36, 2, 3, 6)
    world.faults = {0: "lost answer"}
    world.go(2)
    world.faults = {1: "stale"}
    world.now += 120_000
    world.go(2)
    assert len(world.there(world.links()[3])) == 7
    world.now += 60_000
    world.go(2)
    assert right(world, 3)


def test_a_calendar_that_was_deleted_is_missed_by_the_next_write_and_made_anew_at_once(world: World):
    world.go(2)
    world.shelves.clear()
    book(world, 36, 2, 3, 6)
    for _ in range(3):  # the write that finds no calendar, the look that tells why, the new one
        world.now += 60_000
        world.go(2)
    assert len(world.there(world.links()[3])) == 6
    assert right(world, 3)


def test_taking_back_waits_for_what_another_branch_has_written(world: World):
    """A doctor's home has changed, he leaves, and what his old branch had written is still there."""
    world.go(2)
    world.sql("INSERT INTO clinic_staff VALUES (1, 3, 'N', '')")
    world.go(1)
    link = world.links()[3]
    assert len(world.there(link)) == 10
    with world.engine.begin() as connection:
        books.set_link(connection, NAME, 3, {"own": 0})  # a calendar of his own making: nobody deletes it whole
    world.set_state(link.address, "leaving")
    for scope in (1, 2, 1):
        world.go(scope)
        world.hurry()
    assert world.links()[3].state == "off"
    assert world.there(link) == []


def test_what_a_run_on_its_way_wrote_into_a_calendar_that_was_left_meanwhile_goes(world: World):
    """Personal data in a doctor's own calendar, of which his purge has already said that it is empty."""
    world.go(2)
    with world.engine.begin() as connection:
        books.set_link(connection, NAME, 3, {"own": 0, "state": "off", "looked_ms": None})
    before = len(world.requests)
    world.go(2)
    assert world.there(world.links()[3]) == []
    assert {verb for _, verb, _ in world.requests[before:]} == {"remove"}
    assert world.links()[3].state == "off"


def test_what_a_server_does_not_tell_was_deleted_is_back_the_next_day(world: World):
    """DAViCal forgets a token after a week, and tells all there is as news."""
    for _ in range(2):  # what was written since a look is looked for by name
        world.go(2)
        world.hurry()
    shelf = world.shelves[world.links()[3].address]

    async def all_as_news(token: str | None) -> Changes:
        return replace(await Shelf.changes(shelf, None), whole=token is None)

    shelf.changes = all_as_news  # type: ignore[method-assign]
    shelf.drop(next(iter(shelf.there)))
    world.hurry()
    world.go(2)
    assert not right(world, 3)
    world.now += 24 * HOUR
    world.go(2)
    assert right(world, 3)


def test_one_look_at_everything_costs_one_listing(world: World):
    world.go(2)
    world.hurry()
    world.go(2)
    for state in ("paused", "on"):
        world.set_state(world.links()[3].address, state)
    before = len(world.requests)
    world.go(2)
    assert [verb for _, verb, _ in world.requests[before:]] == ["changes"]


def test_a_later_generation_that_nobody_heard_of_goes_with_its_event(world: World):
    """Its name lies in a trashbin, the client dies at the next one's answer, the event is cancelled before a look."""
    world.trashbin = True
    world.go(2)
    world.sql("CREATE TABLE before AS SELECT * FROM clinic_appointment WHERE appointment_id=30")
    cancel, again = "DELETE FROM clinic_appointment WHERE appointment_id=30", "INSERT INTO clinic_appointment {}"
    world.sql(cancel)
    world.go(2)
    world.sql(again.format("SELECT * FROM before"))
    world.faults = {2: "dies after"}
    assert world.go(2) is None
    assert len(world.there(world.links()[3])) == 5
    world.sql(cancel)
    assert world.go(2).status is Status.OK
    assert right(world, 3)


def test_a_pause_outlives_the_calendar_that_somebody_has_deleted_meanwhile(world: World):
    world.go(2)
    world.shelves.clear()
    world.hurry()
    world.go(2)
    with world.engine.begin() as connection:
        books.set_state(connection, NAME, 3, "paused", world.now)
    for _ in range(2):
        world.go(2)
    assert (world.links()[3].state, world.links()[3].address) == ("paused", "")
    assert world.shelves == {}
    with world.engine.begin() as connection:
        books.set_state(connection, NAME, 3, "on", world.now)
    world.go(2)
    assert right(world, 3)


def test_a_calendar_that_could_not_be_made_again_is_not_written_to_nowhere(world: World):
    world.go(2)
    world.shelves.clear()
    world.hurry()
    world.go(2)
    before = len(world.requests)
    world.faults = {0: "limited"}
    world.go(2)
    assert [verb for _, verb, _ in world.requests[before:]] == ["make calendar"]
    world.go(2)
    assert right(world, 3)
