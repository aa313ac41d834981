"""What a network's idle hum costs the database: statements a minute, all of them counted.

First in virtual time, by the engine's own step and agenda around a model of the limiter (tests/engine/fleet.py), for
1 to 20,000 clients of 40 branches with 30 tasks each; then by real processes on PostgreSQL (benchmarks/processes.py).
The mix of a branch: 6 tasks each 15 s, 5 each 30 s, 7 each minute, 4 each 5 min, 4 each 15 min, 4 each hour; a run
takes 0.7 s on average. Nobody dies in the first span, which shows the lateness; then each branch's holder is killed
every ten minutes, which shows the takeovers: from the kill to the next run of the branch.

The naive plans are reckoned: every client asks for each of its kinds every 10 s; or every client remembers when each of
its slots is due and asks then, after up to 250 ms. Each run costs them a claim and a finish, as in one statement each.
"""

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import processes
from benchmarks.harness import OURS, Result

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from engine.fleet import BRANCHES, MIX, Fleet, due_a_minute

POLLED_MS = 10_000
JITTER_MS = 250
TASKS = sum(count for _, count in MIX)


def run(*, quick: bool) -> Iterator[Result]:
    """Simulate, then measure real processes; quick: only up to 100 simulated clients."""
    for clients in (1, 10, 100) if quick else (1, 10, 100, 2_000, 20_000):
        yield from _simulated(clients, quick=quick)
    if not quick:
        yield from processes.run(quick=False)


def _simulated(clients: int, *, quick: bool) -> Iterator[Result]:
    warm, calm, deadly = (1, 1, 2) if quick else (20, 10, 30)  # minutes; looks of those far back take a while to settle
    found = Fleet(clients).measure(warm, calm, deadly)
    case = f"{clients:,} {'clients' if clients > 1 else 'client'}, {found.runs / found.minutes:,.0f} runs a minute"
    row = _row(case, OURS, found.statements / found.minutes, found.lateness)
    yield row | {"takeover_p50": _at(found.takeovers, 0.5), "takeover_p95": _at(found.takeovers, 0.95)}
    for name, (asks, late) in _naive(clients).items():
        chance = random.Random(clients)
        yield _row(case, name, asks, [late(chance) for _ in range(20_000)])


def _naive(clients: int) -> dict[str, tuple[float, Callable[[random.Random], float]]]:
    """Return asks a minute, and a draw of how late the quickest of a branch's clients is, ms."""
    branches = min(clients, BRANCHES)
    each, due = clients / branches, due_a_minute(branches)

    def quickest(most: int) -> Callable[[random.Random], float]:
        return lambda chance: most * (1 - chance.random() ** (1 / each))  # the least of so many

    return {
        "every kind polled each 10 s": (clients * TASKS * 60_000 / POLLED_MS + due, quickest(POLLED_MS)),
        "next due remembered, everybody asks": (due * each + due, quickest(JITTER_MS)),
    }


def _row(case: str, contender: str, count: float, late: Sequence[float]) -> Result:
    return {
        "benchmark": "fleet", "case": case, "contender": contender, "seconds": 0.0, "runs": 1, "items": 1, "bytes": 0,
        "peak_bytes": 0, "count": round(count), "unit": "statements a minute",
        "lateness_p50": _at(late, 0.5), "lateness_p99": _at(late, 0.99),
    }  # fmt: skip


def _at(times: Sequence[float], share: float) -> float | None:
    """Return a quantile in seconds, None of nothing."""
    return round(sorted(times)[min(len(times) - 1, int(len(times) * share))] / 1_000, 3) if times else None
