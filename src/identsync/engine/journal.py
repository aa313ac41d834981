"""The engine's own daily task: old rows of the journal and clients not seen for days are deleted."""

from functools import partial

from sqlalchemy import Connection, delete, func, select

from identsync.engine.integration import Outcome, Task
from identsync.engine.run import Run
from identsync.store.tables import presence, run_log

DAY_MS = 86_400_000
KEEP_DAYS = 90
PRESENCE_DAYS = 2


def journal_task(keep_days: int = KEEP_DAYS) -> Task:
    """Return the task 'journal' of the whole network: once a day, rows older than ``keep_days`` are deleted."""

    async def run(run: Run) -> Outcome:
        return await trim(run, keep_days)

    return Task("journal", 0, DAY_MS, 60_000, 600_000, run, title="Журнал")


async def trim(run: Run, keep_days: int) -> Outcome:
    """Delete old rows a day at a time, each day in a short transaction of its own."""
    now = run.now_ms()
    end = now - keep_days * DAY_MS
    days = 0
    while (oldest := await run.read(_oldest)) is not None and oldest < end:
        before = min(oldest + DAY_MS, end)
        await run.write(partial(_delete, before_ms=before))
        days += 1
        run.progress(days=days)
    seen = now - PRESENCE_DAYS * DAY_MS
    await run.write(partial(_forget, seen_ms=seen))
    return Outcome(counts={"days": days})


def _oldest(connection: Connection) -> int | None:
    return connection.execute(select(func.min(run_log.c.started_ms))).scalar()


def _delete(connection: Connection, before_ms: int) -> None:
    connection.execute(delete(run_log).where(run_log.c.started_ms < before_ms))


def _forget(connection: Connection, seen_ms: int) -> None:
    connection.execute(delete(presence).where(presence.c.seen_ms < seen_ms))
