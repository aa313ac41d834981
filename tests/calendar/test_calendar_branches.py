"""Branches that are no longer served: what was written for them is taken back, and nobody sees a visit twice."""

from collections.abc import Iterator

import pytest
from calendar_world import NAME, TODAY, World
from msgspec.structs import replace

from identsync.clinic.source import Branch
from identsync.engine.integration import Status
from identsync.integrations.calendar import INTEGRATION

EVERYWHERE = 4  # a doctor who works in both branches


@pytest.fixture
def world() -> Iterator[World]:
    """Doctor 1 works in the first branch, 3 in the second, 4 in both; each has five visits where he works."""
    world = World()
    for branch in (1, 2):
        world.sql("INSERT INTO clinic_branch VALUES (:id, '', 'Europe/Moscow', NULL, NULL)", id=branch)
    for branch, doctor in (1, 1), (2, 3), (1, EVERYWHERE), (2, EVERYWHERE):
        world.sql("INSERT INTO clinic_staff VALUES (:b, :d, 'N', '')", b=branch, d=doctor)
        for number in range(5):
            book(world, 100 * branch + 10 * doctor + number, branch, doctor, 10 * branch + number)
    yield world
    world.close()


def book(world: World, id_: int, branch: int, doctor: int, number: int) -> None:
    world.sql(
        "INSERT INTO clinic_appointment (appointment_id, branch_id, doctor_id, kind, start_minute, length_minutes) "
        "VALUES (:id, :b, :d, 0, :at, 30)",
        id=id_, b=branch, d=doctor, at=TODAY * 1440 + 40 * number,
    )  # fmt: skip


def counted(world: World) -> dict[int, int]:
    """How many events of ours each doctor sees."""
    return {link.doctor: len(world.there(link)) for link in world.links().values()}


def served(world: World, *branches: int) -> None:
    world.destination = replace(world.destination, branches=list(branches))


def test_every_branch_of_the_clinic_has_a_task_those_that_are_not_chosen_a_rare_one():
    branches = [Branch(number, "", "Europe/Moscow") for number in (1, 2)]
    destination = replace(World().destination, branches=[2])
    rare, usual = INTEGRATION.tasks({NAME: destination}, branches)
    assert (rare.scope, usual.scope) == (1, 2)
    assert usual.interval_ms == destination.interval
    assert rare.interval_ms >= 3_600_000


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_what_was_written_for_a_branch_goes_when_the_settings_no_longer_name_it(world: World, order: tuple[int, ...]):
    for scope in (1, 2):
        world.go(scope)
    assert counted(world) == {1: 5, 3: 5, EVERYWHERE: 10}
    served(world, 2)
    for scope in order:
        outcome = world.go(scope)
        assert outcome is not None
        assert outcome.status is Status.OK
    assert counted(world) == {1: 0, 3: 5, EVERYWHERE: 5}, "only the chosen branch's visits, and each once"
    links = world.links()
    assert world.there(links[EVERYWHERE]) == world.wanted(links[EVERYWHERE])


def test_a_branch_that_is_chosen_again_is_filled_again(world: World):
    for served_now in ((), (2,), ()):
        served(world, *served_now)
        for scope in (1, 2):
            world.go(scope)
    assert counted(world) == {1: 5, 3: 5, EVERYWHERE: 10}


def test_a_branch_that_is_not_chosen_and_has_nothing_there_costs_a_look_at_the_books(world: World):
    served(world, 2)
    world.go(2)
    before = len(world.requests)
    clinic = world.clinic
    world.clinic = None  # type: ignore[assignment]  nobody asks it
    outcome = world.go(1)
    world.clinic = clinic
    assert outcome is not None
    assert outcome.status is Status.OK
    assert (world.written, len(world.requests)) == (0, before)


def test_a_doctor_of_a_branch_that_is_not_chosen_is_let_go_when_a_person_says_so(world: World):
    world.go(1)
    served(world, 2)
    world.set_state(world.links()[1].address, "leaving")
    world.go(1)
    assert (world.links()[1].state, world.links()[1].address) == ("off", "")
