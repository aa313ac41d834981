"""The engine's own daily task: old rows of the journal, and of clients not seen for as long, are deleted."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from identsync.engine.integration import Outcome, Task
from identsync.engine.run import Run
from identsync.store import slots

if TYPE_CHECKING:
    from sqlalchemy import Connection

DAY_MS = 86_400_000
KEEP_DAYS = 90


def journal_task(keep_days: int = KEEP_DAYS) -> Task:
    """Return the task 'journal' of the whole network: once a day, runs older than ``keep_days`` are deleted."""

    async def run(run: Run) -> Outcome:
        deleted = await _trimmed(run, partial(slots.trim, days=keep_days))
        await _trimmed(run, partial(slots.trim_clients, days=keep_days))
        return Outcome(counts={"deleted": deleted})

    return Task("journal", 0, DAY_MS, 60_000, 600_000, run, title="Журнал")


async def _trimmed(run: Run, portion: "Callable[[Connection], int]") -> int:
    """Delete portion by portion, each a short transaction of its own, until none is left; how many rows went."""
    total = went = await run.write(portion)
    while went >= slots.PORTION:
        total += (went := await run.write(portion))
    return total
