"""Invariants over seeds, and proof that the simulator finds a ``step`` that breaks them."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from engine.simulator import Simulation, World
from identsync.engine import events as ev
from identsync.engine.state import State
from identsync.engine.step import step

HARSH = World(seconds=150, calm=50, outage=0.03, slow=0.1, pause=0.02, hang=0.1)
TURNED = World(seconds=150, calm=50, jump=0.02)


def violations(seeds: range, world: World) -> list[str]:
    return [text for seed in seeds for text in Simulation(seed, world).run()]


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_no_seed_breaks_an_invariant(first: int) -> None:
    assert violations(range(first, first + 20), World(seconds=150, calm=50)) == []


@pytest.mark.parametrize("first", range(1_000, 1_020, 10))
def test_nor_in_a_harsh_world(first: int) -> None:
    assert violations(range(first, first + 10), HARSH) == []


@pytest.mark.parametrize("first", range(2_000, 2_020, 10))
def test_nor_where_the_clock_of_the_database_is_turned(first: int) -> None:
    assert violations(range(first, first + 10), TURNED) == []


def test_the_same_seed_is_the_same_run() -> None:
    one, two = Simulation(7), Simulation(7)
    one.run()
    two.run()
    assert list(one.db.journal.values()) == list(two.db.journal.values())
    assert len(one.db.journal) > 50


def exception_is_ownership(state: State, event: Any, now: int) -> Any:
    if isinstance(event, ev.RenewFailed):
        event = ev.Renewed(event.slot, event.fence, now, 3_000)
    return step(state, event, now)


def trust_from_the_answer(state: State, event: Any, now: int) -> Any:
    if isinstance(event, ev.Claimed | ev.Renewed):
        event = replace(event, sent=now)
    return step(state, event, now)


def lost_lease_ignored(state: State, event: Any, now: int) -> Any:
    if isinstance(event, ev.LeaseLost):
        event = ev.Renewed(event.slot, event.fence, now, 3_000)
    return step(state, event, now)


def finish_never_repeated(state: State, event: Any, now: int) -> Any:
    state, actions = step(state, event, now)
    return state, tuple(a for a in actions if not isinstance(a, ev.FinishRun) or isinstance(event, ev.RunEnded))


@pytest.mark.parametrize(
    "mutant", [exception_is_ownership, trust_from_the_answer, lost_lease_ignored, finish_never_repeated]
)
def test_the_simulator_bites(mutant: Callable[..., Any]) -> None:
    world = dataclasses.replace(HARSH, seconds=240)
    assert any(Simulation(seed, world, mutant).run() for seed in range(30))
