"""A doctor's brake: who would lose (nearly) all that is ahead of him stands still alone until a person decides."""

from collections.abc import Iterator

import pytest
from calendar_network import visit
from calendar_world import HOUR, NAME, TODAY, World
from msgspec.structs import replace

from identsync.engine.integration import Status
from identsync.flows.mirror import approve
from identsync.flows.mirror_book import brakes
from identsync.integrations.calendar.chosen import stream_of

MANY = 14
MONTH = 10_000  # the numbers of visits of one kind of a doctor


@pytest.fixture
def world() -> Iterator[World]:
    """Doctors 1, 3 and 4 of one branch, with fourteen visits tomorrow each: a third of all may go unasked."""
    world = World()
    world.destination = replace(world.destination, shrink=70)
    world.sql("INSERT INTO clinic_branch VALUES (1, '', 'Europe/Moscow', NULL, NULL)")
    for doctor in (1, 3, 4):
        world.sql("INSERT INTO clinic_staff VALUES (1, :d, 'N', '')", d=doctor)
        fill(world, doctor, MANY)
    world.go(1)
    yield world
    world.close()


def fill(world: World, doctor: int, count: int, first: int = 0, day: int = 1) -> None:
    for number in range(first, first + count):
        visit(world.sql, doctor * MONTH + number, 1, doctor, (TODAY + day) * 1440 + 420 + number % 50 * 20)


def cancel(world: World, doctor: int, but: int = 0) -> None:
    world.sql(
        "DELETE FROM clinic_appointment WHERE doctor_id=:d AND appointment_id>=:id", d=doctor, id=doctor * MONTH + but
    )


def counted(world: World) -> dict[int, int]:
    return {link.doctor: len(world.there(link)) for link in world.links().values()}


def allow(world: World, doctor: int) -> bool:
    with world.engine.begin() as connection:
        return approve(connection, stream_of(NAME), 1, str(doctor))


def asked(world: World) -> set[str]:
    with world.engine.begin() as connection:
        return {
            name for name, weight in brakes(connection, stream_of(NAME), 1).parts.items() if weight.approved is None
        }


@pytest.mark.parametrize("left", [0, 2])
def test_one_doctor_whose_visits_vanish_waits_for_a_person_and_the_others_go_on(world: World, left: int):
    cancel(world, 1, but=left)
    cancel(world, 3, but=MANY - 1)
    for _ in range(2):
        outcome = world.go(1)
    assert (outcome.status, outcome.counts["removed"]) == (Status.PARTIAL, 0)
    assert "1" in outcome.note
    assert counted(world) == {1: MANY, 3: MANY - 1, 4: MANY}
    assert asked(world) == {"1"}
    assert allow(world, 1)
    assert world.go(1).status is Status.OK
    assert counted(world) == {1: left, 3: MANY - 1, 4: MANY}
    world.go(1)
    assert not allow(world, 1), "it was allowed once"


def test_what_is_new_comes_while_nothing_goes(world: World):
    cancel(world, 1)
    fill(world, 1, 1, first=100, day=2)
    world.go(1)
    assert counted(world)[1] == MANY + 1
    world.sql("UPDATE clinic_appointment SET length_minutes=40 WHERE appointment_id=:id", id=MONTH + 100)
    synced = world.links()[1].synced_ms
    world.now += HOUR
    world.go(1)
    there = [event.end_ms - event.start_ms for event in world.there(world.links()[1])]
    assert there.count(40 * 60_000) == 1
    assert world.links()[1].synced_ms == synced, "his calendar is not in step"
    assert allow(world, 1)
    world.go(1)
    assert world.there(world.links()[1]) == world.wanted(world.links()[1])


def test_it_goes_on_by_itself_when_the_visits_are_back(world: World):
    cancel(world, 1)
    world.go(1)
    fill(world, 1, MANY)
    assert world.go(1).status is Status.OK
    assert (counted(world)[1], asked(world)) == (MANY, set())


def test_visits_that_are_booked_anew_under_other_numbers_are_no_loss(world: World):
    cancel(world, 1)
    fill(world, 1, MANY, first=100)
    assert world.go(1).status is Status.OK
    assert world.there(world.links()[1]) == world.wanted(world.links()[1])


def test_what_was_allowed_stays_allowed_until_it_is_done_and_no_more(world: World):
    cancel(world, 1, but=2)
    world.go(1)
    allow(world, 1)
    world.faults = dict.fromkeys(range(1, 40), "garbage, not done")
    world.go(1)
    assert counted(world)[1] > 2
    cancel(world, 1)
    world.hurry()
    world.go(1)
    assert asked(world) == {"1"}, "less than a person has allowed"
    allow(world, 1)
    world.hurry()
    world.go(1)
    assert counted(world)[1] == 0


def test_visits_whose_time_has_come_while_no_client_ran_are_no_loss(world: World):
    world.now += 40 * HOUR
    world.sql("DELETE FROM clinic_appointment WHERE doctor_id=1")
    fill(world, 3, 5, first=50, day=2)
    world.go(1)
    assert asked(world) == set()


@pytest.mark.parametrize("leaves", ["his calendar is told to go", "he is gone from the staff", "less is chosen"])
def test_what_is_meant_to_go_goes_unasked(world: World, leaves: str):
    if leaves.startswith("his"):
        world.set_state(world.links()[1].address, "leaving")
    elif leaves.startswith("he"):
        world.sql("DELETE FROM clinic_staff WHERE doctor_id=1")
    else:
        fill(world, 3, 1, first=50, day=0)
        world.destination = replace(world.destination, days=1)
    outcome = world.go(1)
    assert outcome.status is Status.OK
    assert asked(world) == set()
    assert counted(world)[1] == 0


def test_a_branch_that_stops_is_allowed_with_its_doctors_by_one_word(world: World):
    for doctor in (1, 3, 4):
        cancel(world, doctor)
    assert world.go(1).status is Status.ASK
    assert sum(counted(world).values()) == 3 * MANY
    world.allow()
    assert world.go(1).status is Status.OK
    assert sum(counted(world).values()) == 0


def test_one_whose_calendar_is_paused_is_asked_about_when_it_goes_on(world: World):
    address = world.links()[1].address
    world.set_state(address, "paused")
    cancel(world, 1)
    assert world.go(1).status is Status.OK
    assert asked(world) == set()
    world.set_state(address, "on")
    world.go(1)
    assert (counted(world)[1], asked(world)) == (MANY, {"1"})
