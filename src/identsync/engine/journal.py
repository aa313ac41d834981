"""The engine's own daily task: old rows of the journal, and of clients not seen for as long, are deleted."""

from functools import partial

from identsync.engine.integration import Outcome, Task
from identsync.engine.run import Run
from identsync.store import slots

DAY_MS = 86_400_000
KEEP_DAYS = 90


def journal_task(keep_days: int = KEEP_DAYS) -> Task:
    """Return the task 'journal' of the whole network: once a day, runs older than ``keep_days`` are deleted."""

    async def run(run: Run) -> Outcome:
        return Outcome(counts={"deleted": await run.write(partial(slots.trim, days=keep_days))})

    return Task("journal", 0, DAY_MS, 60_000, 600_000, run, title="Журнал")
