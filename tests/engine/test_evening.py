"""Everybody goes home, or dies, but one who was last in line: the branch's work goes on, and is an administrator's."""

from dataclasses import replace

import msgspec
import pytest

from engine.process import Process
from engine.simulator import Simulation
from engine.world import POLICY, QUIET, SEAT_LEASE_MS
from identsync.engine import seat, state
from identsync.engine.integration import Role

WORLD = replace(QUIET, branches=1, clients=10, roles=(Role.ADMINISTRATOR,), seconds=400, calm=0)
HOME_MS, STEP_MS = 120_000, 4_000


@pytest.mark.parametrize("seed", range(3))
def test_no_task_waits_long_when_all_but_the_last_in_line_go_home(seed: int) -> None:
    assert evening(seed) == []


def test_it_would_if_the_last_of_ten_slept_as_long_as_the_last_of_hundreds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat, "patience", lambda lease_ms, crowd, cap_ms: cap_ms)
    assert any("starved" in violation for violation in evening(0))


@pytest.mark.parametrize("seed", range(6))
def test_a_director_stays_away_for_the_sake_of_an_administrator_that_sleeps_at_the_end_of_the_line(seed: int) -> None:
    assert not any("a director" in violation for violation in night(seed))


def test_it_would_not_if_all_were_taken_to_look_as_often_as_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seat, "presence", lambda lease_ms, _: 6 * lease_ms)
    monkeypatch.setattr(state, "presence", lambda lease_ms, _: 6 * lease_ms)
    assert any("a director" in violation for seed in range(6) for violation in night(seed))


def night(seed: int) -> list[str]:
    """All administrators but the last in line die at once."""
    one = Simulation(seed, replace(WORLD, clients=0))
    one.policy = msgspec.structs.replace(POLICY, backoff_cap_ms=320 * SEAT_LEASE_MS)
    for role in (*[Role.ADMINISTRATOR] * 9, Role.DIRECTOR):
        one.join(1, role)
    one.at(HOME_MS + seed * 1_700, lambda: [process.kill() for process in line_of(one)[:-1]])
    return one.run()


def evening(seed: int) -> list[str]:
    one = Simulation(seed, WORLD)
    one.policy = msgspec.structs.replace(POLICY, backoff_cap_ms=320 * SEAT_LEASE_MS)
    one.at(HOME_MS, lambda: go_home(one))
    return one.run()


def go_home(one: Simulation) -> None:
    """All leave but the last in line, one after another in its order."""
    for number, process in enumerate(line_of(one)[:-1]):
        one.at(HOME_MS + number * STEP_MS, process.leave)


def line_of(one: Simulation) -> list[Process]:
    administrators = (process for process in one.processes if process.role is Role.ADMINISTRATOR)
    return sorted(administrators, key=lambda process: process.name)
