"""Everybody goes home but one, who was last in line: the branch's work goes on."""

from dataclasses import replace

import msgspec
import pytest

from engine.simulator import Simulation
from engine.world import POLICY, QUIET, SEAT_LEASE_MS
from identsync.engine import seat
from identsync.engine.integration import Role

WORLD = replace(QUIET, branches=1, clients=10, roles=(Role.ADMINISTRATOR,), seconds=400, calm=0)
HOME_MS, STEP_MS = 120_000, 4_000


@pytest.mark.parametrize("seed", range(3))
def test_no_task_waits_long_when_all_but_the_last_in_line_go_home(seed: int) -> None:
    assert evening(seed) == []


def test_it_would_if_the_last_of_ten_slept_as_long_as_the_last_of_hundreds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat, "patience", lambda lease_ms, crowd, cap_ms: cap_ms)
    assert any("starved" in violation for violation in evening(0))


def evening(seed: int) -> list[str]:
    one = Simulation(seed, WORLD)
    one.policy = msgspec.structs.replace(POLICY, backoff_cap_ms=320 * SEAT_LEASE_MS)
    one.at(HOME_MS, lambda: go_home(one))
    return one.run()


def go_home(one: Simulation) -> None:
    """All leave but the last in line, one after another in its order."""
    line = sorted(one.processes, key=lambda process: process.name)
    for number, process in enumerate(line[:-1]):
        one.at(HOME_MS + number * STEP_MS, process.leave)
