"""What the mirror's other side has acknowledged is written down, whatever becomes of one transaction."""

import pytest

from identsync.engine.integration import Status
from identsync.flows.writing import PAUSES_S

from .mirror_world import World


@pytest.fixture
def world() -> World:
    return World({1: 11, 2: 22, 3: 33})


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("number", range(1, 5))
def test_a_write_of_which_nothing_was_heard_is_repeated_until_it_lands(world: World, number: int, committed: bool):
    """What the other side has acknowledged is not sent again because the database was away for a moment."""
    world.silent_at_writes = {number: committed, number + 1: committed, number + 2: False}
    outcome = world.go()
    assert (outcome.status, outcome.counts["confirmed"]) == (Status.OK, 3)
    assert world.rests == [*PAUSES_S][:3]
    assert world.go().counts["confirmed"] == 0
    assert sorted(world.calls) == [("deliver", 1), ("deliver", 2), ("deliver", 3)]
    assert {(row.state, row.attempts) for row in world.rows().values()} == {("confirmed", 0)}


def test_a_removal_that_is_written_down_at_the_second_try_is_not_asked_for_again(world: World):
    world.go()
    world.desired.clear()
    world.calls.clear()
    world.silent_at_writes = {world.writes + 3: True}  # the brake's, the announcement, what came of it
    world.go(weight=3)
    world.go(weight=3)
    assert sorted(world.calls) == [("remove", 1), ("remove", 2), ("remove", 3)]
    assert (world.street, world.rows()) == ({}, {})
