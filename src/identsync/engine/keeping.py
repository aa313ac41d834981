"""How what grows with time is forgotten: by the client that has the work anyway, in portions, each a transaction."""

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from identsync.engine.integration import Outcome, Status
from identsync.store import keeping

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from identsync.engine.run import Run

EVERY_MS = 21_600_000
BUDGET_MS = 60_000
SOON_MS = 60_000
"""The rest is soon gone on with, so that a first time among millions hurts nobody."""
REST_S = 0.02  # between two portions: on SQLite nobody else could write meanwhile


def longest(days: Iterable[int]) -> int:
    """Return the longest of these terms; 0 where one of them is for ever (0), or there is none."""
    every = list(days)
    return max(every, default=0) if all(every) else 0


class Keeping:
    """What one run has forgotten so far, by name, and whether that was all; a portion is ``size`` rows."""

    def __init__(self, run: "Run", *names: str, size: int | None = None) -> None:
        self._size = size or keeping.PORTION
        self.counts = dict.fromkeys(names, 0)
        self.whole = True
        self._run = run
        self._until = run.now_ms() + BUDGET_MS

    async def portions(
        self, name: str, work: "Callable[[Connection], int]", more: Callable[[], bool] | None = None
    ) -> None:
        """Do a portion again and again until one is not full, or there is no ``more`` where that says so."""
        while True:
            many = await self._run.write(work)
            self.counts[name] += many
            self._run.progress(**self.counts)
            if not (more() if more else many >= self._size):
                return
            if self._run.stopping.is_set() or self._run.now_ms() >= self._until:
                self.whole = False
                return
            await asyncio.sleep(REST_S)

    def outcome(self) -> Outcome:
        """Return how the run ends; what it did not get to waits for the next one."""
        return Outcome(Status.OK, self.counts) if self.whole else Outcome(Status.PARTIAL, self.counts, retry_ms=SOON_MS)
