"""Points: how often UIS may be asked, read from what each of its answers says is left.

Every answer carries ``metadata.limits``: points a minute and a day, how many are left, seconds until they are full
again. What is left but its last tenth, which is kept for clicks and history, is spread over the time to the reset.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from identsync.integrations.telephony.wire import asking_read as read

KEPT = 0.1
ROUNDED_S = 1.0  # whole seconds are told: nought may be almost one
PERIODS = ("minute", "day")


@dataclass(slots=True)
class Purse:
    """The points of one period as the last answer told them; ``cost`` = what a question takes, learned."""

    limit: int = 0
    left: int = 0
    resets_at: float = 0.0
    cost: int = 1
    is_known: bool = False

    def told(self, limit: int, left: int, resets_at: float) -> None:
        """Take what an answer said; what the same period has lost since the last answer is the cost of one."""
        if self.is_known and left <= self.left and resets_at <= self.resets_at + 1.0:
            self.cost = self.left - left
        self.limit, self.left, self.resets_at, self.is_known = limit, left, resets_at, True

    def wait_s(self, now: float) -> float:
        """Return how long to wait before the next question, 0 = as long as one likes."""
        until = self.resets_at - now
        if not self.is_known or not self.cost or until <= 0:
            return 0.0
        free = self.left - self.limit * KEPT
        return until if free < self.cost else until * self.cost / free


@dataclass(slots=True)
class Points:
    """The points of an account."""

    purses: dict[str, Purse] = field(default_factory=lambda: {period: Purse() for period in PERIODS})

    def told(self, limits: Mapping[str, object], now: float) -> None:
        """Take ``metadata.limits``; what is missing in it stays as it was."""
        for period, purse in self.purses.items():
            limit, left, reset = (read.whole(limits, f"{period}_{what}") for what in ("limit", "remaining", "reset"))
            if limit is not None and left is not None and reset is not None and 0 <= reset <= 2 * 86_400:
                purse.told(limit, left, now + reset + ROUNDED_S)

    def wait_s(self, now: float, usual: float) -> float:
        """Return the seconds until the next question of a poll that usually waits ``usual``."""
        return max(usual, *(purse.wait_s(now) for purse in self.purses.values()))

    def after_ms(self, now: float) -> int:
        """Return how long an account that has no points left must rest: until the emptier purse is full again."""
        empty = [purse for purse in self.purses.values() if purse.is_known and purse.left <= 0]
        return max(1_000, *(int((purse.resets_at - now) * 1000) for purse in empty)) if empty else 60_000
