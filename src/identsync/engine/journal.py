"""The engine's own daily task: what grew old in its own tables, and of the flows what no room has a say in, goes."""

from functools import partial

from identsync.engine.integration import Outcome, Task
from identsync.engine.keeping import Keeping
from identsync.engine.run import Run
from identsync.spans import DAY_MS
from identsync.store import slots

KEEP_DAYS = 90


def journal_task(keep_days: int = KEEP_DAYS) -> Task:
    """Return the task 'journal' of the whole network: once a day, what is older than ``keep_days`` is deleted.

    Runs; clients not seen for as long; receipts, which wait for their row or have found it; rows of an intake that
    were bad and that a person has dealt with.
    """

    async def run(run: Run) -> Outcome:
        keeping = Keeping(run, "deleted")
        await keeping.portions("deleted", partial(slots.trim, days=keep_days))
        await keeping.portions("deleted", partial(slots.trim_clients, days=keep_days))
        before = run.now_ms() - keep_days * DAY_MS
        await keeping.portions("deleted", partial(slots.trim_receipts, before_ms=before))
        await keeping.portions("deleted", partial(slots.trim_rejects, before_ms=before))
        return keeping.outcome()

    return Task("journal", 0, DAY_MS, 60_000, 600_000, run, title="Журнал")
