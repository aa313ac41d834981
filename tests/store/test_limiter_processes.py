"""Several processes on one database: exclusion, order, ceilings, and what a killed holder leaves behind."""

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
from contention import KIND, SCOPE, ask

from identsync.store import open_store
from identsync.store.slots import journal

pytestmark = pytest.mark.processes
WORK = Path(__file__).with_name("contention.py")


def start(stack: ExitStack, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORK), *map(str, arguments)]
    process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    stack.callback(process.kill)
    return process


def together(count: int, *arguments: object) -> list:
    """Run ``count`` processes that begin at one moment; what each printed."""
    with ExitStack() as stack:
        processes = [start(stack, *arguments) for _ in range(count)]
        assert [p.stdout.readline() for p in processes] == ["ready\n"] * count
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        return [json.loads(process.communicate(timeout=60)[0]) for process in processes]


def test_eight_processes_run_a_slot_once_per_interval_and_exceed_no_ceiling(store_url):
    interval, period, burst = 100, 20.0, 10
    results = together(8, "contend", store_url, 2.0, interval, period, burst)
    check_runs(store_url, sorted(run for result in results for run in result["won"]), interval)
    begun, ended = min(r["begun"] for r in results), max(r["ended"] for r in results)
    taken = sum(r["taken"] for r in results)
    assert taken <= burst + (ended - begun) / period + 1
    assert taken >= 40  # of about 110


def check_runs(store_url: str, won: list[list[int]], interval: int) -> None:
    fences, started, due = zip(*won, strict=True)
    assert list(fences) == list(range(1, len(won) + 1))  # unique, contiguous
    assert len(set(due)) == len(due)  # one run per grid instant
    assert list(started) == sorted(started)
    # The first run (seeding) is due at once, each later one at a grid instant: never two in less than an interval,
    # but for the lateness of the first of them.
    late = [at - grid for at, grid in zip(started[1:], due[1:], strict=True)]
    gaps = [b - a for a, b in pairwise(started[1:])]
    assert all(gap >= interval - lateness for gap, lateness in zip(gaps, late, strict=False))
    assert len(won) >= 10  # of about 20: the machine may be slow, the slot may not starve
    store = open_store(store_url)
    with store.read() as connection:
        runs = journal(connection, 1000)
    store.close()
    assert [(r.fence, r.started_ms, r.due_ms) for r in reversed(runs)] == [tuple(run) for run in won]
    assert {r.outcome for r in runs} == {"ok"}


def test_procrastinate_1408_a_killed_holder_is_followed_when_its_lease_ends(store_url):
    """Crash: nothing is reaped, the end of the lease alone frees the slot (Procrastinate 1408, 1518)."""
    store = open_store(store_url)
    with ExitStack() as stack:
        holder = start(stack, "hold", store_url, 1500)
        assert holder.stdout.readline() == "ready\n"
        holder.stdin.write("\n")
        holder.stdin.flush()
        granted, fence, eligible = json.loads(holder.stdout.readline())
        holder.kill()
        holder.wait()
    assert granted
    asks, claim = 0, ask(store, "next", 60_000)
    while not claim.granted:
        asks += 1
        assert (claim.fence, claim.eligible_ms) == (fence, eligible)  # told when, so one sleep is enough
        time.sleep((claim.eligible_ms - claim.now_ms) / 1000)
        claim = ask(store, "next", 60_000)
    store.close()
    assert claim.fence == fence + 1
    assert claim.attempt == 2
    assert 0 <= claim.started_ms - eligible < 500
    assert asks <= 3


def test_fresh_clients_migrate_at_once(database_url):
    """Every client migrates at its start; on an empty database each finds or makes the same tables."""
    together(3, "migrate", database_url)
    store = open_store(database_url)
    claim = ask(store, "after", 1000)
    store.close()
    assert claim.granted
    assert (KIND, SCOPE, claim.fence) == ("hammer", 1, 1)
