"""One run of one task, now, as an engine would do it: under the real limiter, by one client."""

import secrets
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import update

from identsync.clinic.source import ClinicSource
from identsync.engine.clock import monotonic_ms
from identsync.engine.ending import ending
from identsync.engine.integration import Outcome, Task
from identsync.engine.permits import Channels
from identsync.engine.run import Run
from identsync.engine.worker import Worker
from identsync.store import Fence, Store
from identsync.store.tables import task_slot


async def run_now(
    store: Store, clinic: ClinicSource, task: Task, before: Callable[[Run], None] | None = None
) -> Outcome:
    """Take the task over, whoever held it, and run it."""
    limiter, holder = store.limiter(), secrets.token_hex(8)
    for _each in range(20):  # somebody else may have taken it over in between
        with store.write() as connection:
            connection.execute(update(task_slot).where(task_slot.c.kind == task.kind).values(eligible_ms=0))
        claim = limiter.claim(
            task.kind, task.scope, holder=holder, role=0, lease_ms=600_000, interval_ms=task.interval_ms,
            request=secrets.token_hex(8), presence_ttl_ms=60_000, proto=task.proto,
        )  # fmt: skip
        if claim.granted:
            break
    assert claim.granted, claim
    fence, worker = Fence.of(task.kind, task.scope, claim, holder), Worker()

    async def permits(work: Callable[[Any], Any]) -> Any:
        return work(limiter)

    run = Run(
        task, fence, store=store, clinic=clinic, worker=worker, channels=Channels(permits),
        clock_offset_ms=claim.now_ms - monotonic_ms(), log=structlog.get_logger(),
    )  # fmt: skip
    if before is not None:
        before(run)
    try:
        outcome = await ending(run, run.log)
    finally:
        worker.close()
    limiter.finish(fence, interval_ms=task.interval_ms, outcome=outcome.status, counts=outcome.counts, note="")
    return outcome
