"""What the page foretells is what happens: the simulator kills holders, and somebody named has the seat in time.

The engine's real decisions, virtual time (tests/engine/simulator.py).
"""

from dataclasses import replace

import pytest

from engine.simulator import Simulation
from engine.world import QUIET
from identsync.console.crew import Crew, Member, _with_network, crew_of
from identsync.engine.integration import Role
from identsync.store import Present
from identsync.store.slots import SeatView

SLACK_MS = 150  # a statement there and back


def crews(simulation: Simulation) -> dict[int, Crew]:
    """The crews as the page would read them from the simulated database."""
    db, found = simulation.db, []
    for (kind, scope), row in sorted(db.rows.items()):
        if kind == "seat":
            present = tuple(Present(who, role, seen) for who, (role, seen) in db.presence[scope].items())
            holder = row.holder if row.eligible > db.now else None
            found.append(SeatView(scope, row.fence, holder, row.started, row.eligible, present, row.stamp))
    cap = simulation.policy.backoff_cap_ms
    return {crew.scope: crew for crew in _with_network([crew_of(seat, db.now, cap) for seat in found], cap)}


def kill_holder(simulation: Simulation, scope: int) -> Crew:
    """Kill the client that leads a scope; what the page said a moment before."""
    before = crews(simulation)[scope]
    assert before.holder is not None
    next(one for one in simulation.processes if one.name == before.holder.client).kill()
    return before


def holder_at(simulation: Simulation, scope: int, time: int) -> Member | None:
    simulation.until(time)
    return crews(simulation)[scope].holder


@pytest.mark.parametrize(("scope", "named"), [(1, 6), (0, 0)])
def test_somebody_of_the_line_has_the_seat_in_time_and_in_a_branch_mostly_the_first(scope: int, named: int) -> None:
    as_named = 0
    for seed in range(8):
        simulation = Simulation(seed, replace(QUIET, branches=3, clients=0))
        for branch in (1, 2, 3):
            for role in (Role.ADMINISTRATOR, Role.ADMINISTRATOR, Role.ADMINISTRATOR, Role.DIRECTOR):
                simulation.join(branch, role)
        simulation.until(40_000 + seed * 777)
        before = kill_holder(simulation, scope)
        heir = before.heirs[0]
        found = holder_at(simulation, scope, simulation.time + heir.within_ms + SLACK_MS)
        assert found is not None, seed
        assert found.client in [one.client for one in before.heirs], seed
        as_named += found.client == heir.client
    assert as_named >= named


@pytest.mark.parametrize("seed", range(4))
def test_a_director_has_it_in_time_when_the_last_administrator_dies(seed: int) -> None:
    simulation = Simulation(seed, replace(QUIET, branches=1, clients=0))
    for role in (Role.ADMINISTRATOR, Role.DIRECTOR, Role.DIRECTOR):
        simulation.join(1, role)
    simulation.until(30_000 + seed * 777)
    before = kill_holder(simulation, 1)
    heir = before.heirs[0]
    assert heir.role is Role.DIRECTOR
    found = holder_at(simulation, 1, simulation.time + heir.within_ms + SLACK_MS)
    assert found is not None
    assert found.role is Role.DIRECTOR
    network = crews(simulation)[0]
    simulation.until(simulation.time + 30_000)
    assert crews(simulation)[0].holder is not None, network
