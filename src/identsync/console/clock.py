"""The time of the pages: the database's clock, as everywhere in the engine, not this computer's.

Every moment in the tables was written by the database's clock. A computer that is ten minutes slow would otherwise show
waiting times that are ten minutes short, and other ones than the computer beside it.
"""

import time
from collections.abc import Callable

from identsync.engine.clock import monotonic_ms
from identsync.errors import IdentsyncError

EVERY_MS = 30_000


class DatabaseClock:
    """Tells the database's time, epoch milliseconds; ``ask()`` tells it exactly, and is called now and then."""

    def __init__(
        self, ask: Callable[[], int], *, every_ms: int = EVERY_MS, monotonic: Callable[[], int] = monotonic_ms
    ) -> None:
        self._ask = ask
        self._every_ms = every_ms
        self._monotonic = monotonic
        self._offset_ms: int | None = None
        self._asked: int | None = None

    def now_ms(self) -> int:
        """Return the database's time; this computer's as long as the database has not answered once."""
        if self._offset_ms is None:
            return time.time_ns() // 1_000_000
        return self._monotonic() + self._offset_ms

    def renew(self) -> None:
        """Ask the database again where the last answer is old; blocking. Without an answer the last one holds."""
        before = self._monotonic()
        if self._asked is not None and before - self._asked < self._every_ms:
            return
        try:
            told = self._ask()
        except IdentsyncError:
            return
        self._asked = self._monotonic()
        self._offset_ms = told - (before + self._asked) // 2
