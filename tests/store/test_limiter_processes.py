"""Several processes on one database: exclusion, order, ceilings, and what a killed holder leaves behind."""

import multiprocessing
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import contention
import pytest
from contention import KIND, SCOPE, ask

from identsync.store import open_store
from identsync.store.slots import journal

pytestmark = pytest.mark.processes
# One process imports the package for all; Windows has no such thing.
CONTEXT = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
CONTEXT.set_forkserver_preload(["contention", "identsync.store.migrate", "psycopg"])


def together(count: int, work: Callable, *arguments: object) -> list:
    """Run ``work(url, ...)`` in ``count`` processes that begin at one moment; what each returned."""
    with CONTEXT.Pool(count, contention.meet, [CONTEXT.Barrier(count)]) as pool:
        return pool.starmap_async(work, [arguments] * count, 1).get(300)  # one each: it waits for the others


def test_eight_processes_run_a_slot_once_per_interval_and_exceed_no_ceiling(store_url):
    interval, period, burst = 60, 12.0, 10
    results = together(8, contention.contend, store_url, 1.2, interval, period, burst)
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
    mine, theirs = CONTEXT.Pipe()
    holder = CONTEXT.Process(target=contention.hold, args=(store_url, 1500, theirs), daemon=True)
    holder.start()
    granted, fence, eligible = mine.recv()
    holder.kill()
    holder.join()
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
    together(3, contention.migrate, database_url)
    store = open_store(database_url)
    claim = ask(store, "after", 1000)
    store.close()
    assert claim.granted
    assert (KIND, SCOPE, claim.fence) == ("hammer", 1, 1)
