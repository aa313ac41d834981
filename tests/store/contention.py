"""What the processes of test_limiter_processes.py do, each with a store of its own: ``python contention.py NAME URL``.

Each prints one JSON value when it is done; ``ready`` goes first, and a line on standard input starts it.
"""

import json
import sys
import time
from uuid import uuid4

from identsync.store import Fence, Store, open_store

KIND, SCOPE, LEASE, TTL = "hammer", 1, 5_000, 60_000


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
            fence = Fence(KIND, SCOPE, claim.fence, client)
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


def contend(store: Store, seconds: float, interval_ms: int, period_ms: float, burst: int) -> dict[str, object]:
    """Hammer, then take permits; the times are of the database's clock."""
    won = hammer(store, seconds, interval_ms)
    begun = store.now_ms()
    taken = permits(store, seconds, period_ms, burst)
    return {"won": won, "taken": taken, "begun": begun, "ended": store.now_ms()}


def hold(store: Store, lease_ms: int) -> None:
    """Claim, say so, and never end: the test kills this process."""
    claim = ask(store, uuid4().hex, 60_000, lease_ms)
    print(json.dumps([claim.granted, claim.fence, claim.eligible_ms]), flush=True)
    sys.stdin.read()


def migrate(store: Store) -> int:
    """Bring the tables into being beside others that do the same."""
    store.migrate()
    return store.now_ms()


def main() -> None:
    work, url, *numbers = sys.argv[1:]
    store = open_store(url)
    if work != "migrate":
        store.now_ms()  # connected before the start
    print("ready", flush=True)
    sys.stdin.readline()
    arguments = [float(n) if "." in n else int(n) for n in numbers]
    print(json.dumps(globals()[work](store, *arguments)), flush=True)
    store.close()


if __name__ == "__main__":
    main()
