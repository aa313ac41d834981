"""Branches that are no longer served: what was written for them is taken back, and nobody sees a visit twice."""

from collections.abc import Iterator

import pytest
from calendar_network import visit
from calendar_world import HOUR, NAME, TODAY, World
from msgspec.structs import replace
from sqlalchemy import delete, insert

from identsync.clinic.source import Branch
from identsync.engine.integration import Status
from identsync.integrations.calendar import INTEGRATION
from identsync.integrations.calendar.chosen import stream_of
from identsync.store.tables import task_slot

LONG = 2 * HOUR
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
    visit(world.sql, id_, branch, doctor, TODAY * 1440 + 40 * number)


def counted(world: World) -> dict[int, int]:
    """How many events of ours each doctor sees."""
    return {link.doctor: len(world.there(link)) for link in world.links().values()}


def served(world: World, *branches: int) -> None:
    world.destination = replace(world.destination, branches=list(branches))


def test_every_branch_of_the_clinic_has_a_task_those_that_are_not_chosen_a_rare_one(world: World):
    branches = [Branch(number, "", "Europe/Moscow") for number in (1, 2)]
    destination = replace(world.destination, branches=[2])
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
    ran(world, 2)
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


def test_a_branch_that_is_not_chosen_and_whose_computer_is_off_is_emptied_by_another(world: World):
    for scope in (1, 2):
        world.go(scope)
        ran(world, scope)
    served(world, 2)
    world.go(2)
    assert counted(world)[1] == 5, "its own task may be about to do so"
    world.now += LONG
    world.go(2)
    assert counted(world) == {1: 0, 3: 5, EVERYWHERE: 5}


# -- closed in the clinic ----------------------------------------------------------------------------------------------


def close(world: World, branch: int) -> None:
    for table in ("clinic_branch", "clinic_staff", "clinic_appointment"):
        world.sql(f"DELETE FROM {table} WHERE branch_id=:branch", branch=branch)


def ran(world: World, scope: int) -> None:
    """Some client has run the task of a branch now."""
    with world.engine.begin() as connection:
        connection.execute(delete(task_slot).where(task_slot.c.scope == scope))
        values = {"kind": stream_of(NAME), "scope": scope, "eligible_ms": 0, "stamp_ms": 0, "finished_ms": world.now}
        connection.execute(insert(task_slot).values(values))


def test_what_a_closed_branch_has_left_is_taken_back_by_another_once_nothing_runs_there_any_more(world: World):
    for scope in (1, 2):
        world.go(scope)
        ran(world, scope)
    close(world, 1)
    world.go(2)
    assert counted(world) == {1: 5, 3: 5, EVERYWHERE: 15}, "a view that was read wrongly for a while deletes nothing"
    world.now += LONG
    outcome = world.go(2)
    assert outcome is not None
    assert outcome.status is Status.OK
    assert counted(world) == {1: 0, 3: 5, EVERYWHERE: 5}
    before = len(world.requests)
    world.go(2)
    assert len(world.requests) == before, "at rest"


def test_a_branch_that_nobody_runs_and_that_the_clinic_has_keeps_what_it_has(world: World):
    for scope in (1, 2):
        world.go(scope)
    world.now += LONG
    world.sql("DELETE FROM clinic_branch WHERE branch_id=1")  # its staff is still there: which of the two is right?
    world.go(2)
    assert counted(world)[1] == 5


def test_a_purge_of_a_closed_branch_need_not_wait(world: World):
    for scope in (1, 2):
        world.go(scope)
        ran(world, scope)
    close(world, 1)
    for link in list(world.links().values()):
        world.set_state(link.address, "leaving")
    world.go(2)
    assert {link.state for link in world.links().values()} == {"off"}
    assert counted(world) == {1: 0, 3: 0, EVERYWHERE: 0}
    assert world.shelves == {}


def test_a_branch_that_was_missing_for_long_and_comes_back_is_filled_again(world: World):
    for scope in (1, 2):
        world.go(scope)
    close(world, 1)
    world.now += LONG
    world.go(2)
    world.sql("INSERT INTO clinic_branch VALUES (1, '', 'Europe/Moscow', NULL, NULL)")
    world.sql("INSERT INTO clinic_staff VALUES (1, 1, 'N', '')")
    book(world, 700, 1, 1, 60)
    world.go(1)
    links = world.links()
    assert links[1].scope == 1
    assert world.there(links[1]) == world.wanted(links[1])
    assert len(world.there(links[1])) == 1
