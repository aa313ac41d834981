"""What the processes of test_limiter_processes.py do, each with a store of its own."""

import time
from multiprocessing.synchronize import Barrier
from uuid import uuid4

from identsync.store import Fence, Store, open_store

KIND, SCOPE, LEASE, TTL = "hammer", 1, 5_000, 60_000

_barrier: Barrier  # all begin at one moment


def meet(barrier: Barrier) -> None:
    """Take what the processes meet at, first thing in each."""
    global _barrier  # noqa: PLW0603
    _barrier = barrier


def ask(store: Store, client: str, interval_ms: int, lease_ms: int = LEASE):
    p = {"holder": client, "role": 0, "lease_ms": lease_ms, "interval_ms": interval_ms, "presence_ttl_ms": TTL}
    return store.limiter().claim(KIND, SCOPE, request=uuid4().hex, **p)


def hammer(store: Store, seconds: float, interval_ms: int) -> list[list[int]]:
    """Ask without a pause; a granted run ends at once. [fence, started_ms, due_ms] of each."""
    client, won, limiter = uuid4().hex, [], store.limiter()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        claim = ask(store, client, interval_ms)
        if claim.granted:
            fence = Fence.of(KIND, SCOPE, claim, client)
            won.append([claim.fence, claim.started_ms, claim.due_ms])
            assert limiter.finish(fence, interval_ms=interval_ms, outcome="ok", counts={}, note="")
    return won


def permits(store: Store, seconds: float, period_ms: float, burst: int) -> int:
    """Take permits as fast as they come; how many."""
    taken, limiter = 0, store.limiter()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        taken += limiter.permits("sms", 0, 1, period_ms=period_ms, burst=burst) == 0
    return taken


def contend(url: str, seconds: float, interval_ms: int, period_ms: float, burst: int) -> dict[str, object]:
    """Hammer, then take permits; the times are of the database's clock."""
    store = open_store(url)
    store.now_ms()  # connected before the start
    _barrier.wait()
    won = hammer(store, seconds, interval_ms)
    begun = store.now_ms()
    taken = permits(store, seconds, period_ms, burst)
    ended = store.now_ms()
    store.close()
    return {"won": won, "taken": taken, "begun": begun, "ended": ended}


def migrate(url: str) -> None:
    """Bring the tables into being beside others that do the same."""
    store = open_store(url)
    _barrier.wait()
    store.migrate()
    store.close()


def hold(url: str, lease_ms: int, pipe) -> None:
    """Claim, say so, and never end: the test kills this process."""
    claim = ask(open_store(url), uuid4().hex, 60_000, lease_ms)
    pipe.send((claim.granted, claim.fence, claim.eligible_ms))
    pipe.recv()
