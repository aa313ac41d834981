"""Invariants over seeds, and proof that the simulator finds every engine and database that breaks a rule."""

from dataclasses import replace

import pytest

from engine.model import Database
from engine.mutants import MUTANTS, LostReplyCostsALease
from engine.simulator import Simulation, replay
from engine.world import QUIET, World, drawn

SEEDS = 20  # every day; `poe simulation` takes hundreds, --long ten thousand
WITHIN = 20  # seeds in which a mutant is found; most take one


@pytest.mark.parametrize("first", range(0, SEEDS, 20))
def test_no_seed_breaks_an_invariant(first: int) -> None:
    assert replay(range(first, first + 20)) == []


def test_the_same_seed_is_the_same_run() -> None:
    one, two = Simulation(7), Simulation(7)
    one.run()
    two.run()
    assert one.watch.journal() == two.watch.journal()
    assert len(one.db.journal) > 50


def test_the_worlds_of_the_seeds_differ() -> None:
    worlds = [drawn(seed) for seed in range(80)]
    assert len({world.kill for world in worlds}) == 3
    assert {world.clients for world in worlds} > {2, 12, 120}
    assert drawn(1_999).clients == 2_000


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_simulator_bites(mutant: str) -> None:
    assert any(MUTANTS[mutant].violations(seed) for seed in range(WITHIN))


@pytest.mark.parametrize("world", dict.fromkeys(mutant.world for mutant in MUTANTS.values() if mutant.world))
def test_nothing_is_found_there_without_the_mutant(world: World) -> None:
    assert Simulation(0, world).run() == []


def forgotten(db: type[Database]) -> tuple[int, int]:
    """Runs whose client never learned that it had won them, of how many."""
    simulations = [Simulation(seed, replace(QUIET, lose=0.3, clients=6), db=db) for seed in range(6)]
    assert [text for each in simulations for text in each.run()] == []
    runs = [entry for each in simulations for entry in each.db.journal.values()]
    return sum(entry.ended is None for entry in runs), len(runs)


def test_a_claim_won_unheard_is_found_again_by_its_request() -> None:
    (lost, runs), (lost_without, _) = forgotten(Database), forgotten(LostReplyCostsALease)
    assert lost < runs // 50
    assert lost_without > 3 * lost
