"""What this client itself remembers of the limiter: when to ask again, and its own pace between asks."""

from typing import Self, final

def now_ms() -> int:
    """Return the monotonic clock that check() and take() read, in milliseconds (on Linux that of time.monotonic)."""

def now_ns() -> int:
    """Return the same clock in nanoseconds."""

@final
class Memory:
    """When each slot is due, by index 0..slots-1; every slot is due at once until told otherwise.

    Times are milliseconds of now_ms(). IndexError for a slot that is not there, ValueError for fewer than 0 or more
    than 2**24 slots, OverflowError for a time beyond 64 bits.
    """

    def __new__(cls, slots: int) -> Self: ...
    def __len__(self) -> int:
        """How many slots there are."""
    def set(self, i: int, due_ms: int) -> None:
        """Remember that slot i need not be asked for before ``due_ms``."""
    def get(self, i: int) -> int:
        """Return when slot i is due."""
    def check(self, i: int) -> bool:
        """Tell whether slot i is due now, by the monotonic clock."""
    def check_at(self, i: int, now_ms: int) -> bool:
        """Tell whether slot i is due at ``now_ms``."""
    def due(self, now_ms: int) -> list[int]:
        """List the slots due at ``now_ms``."""
    def next(self) -> int | None:
        """Return the earliest due time of all, or None when there are no slots."""

@final
class Pace:
    """A steady pace with a burst, by GCRA: one permit each ``period_ns`` in the long run, at most ``burst`` at once.

    ValueError for a period or burst below 1, or a product of the two beyond 2**61 ns (73 years).
    """

    def __new__(cls, period_ns: int, burst: int = 1) -> Self: ...
    def take(self, n: int = 1) -> int:
        """Take n permits now and return 0, or take none and return the nanoseconds after which it is worth asking.

        ValueError for n below 1 or above the burst (such a wish could never be granted).
        """
    def take_at(self, n: int, now_ns: int) -> int:
        """Do as take() at a given time of now_ns(); a time that goes back is taken as no time passed.

        Times beyond 2**62 either way count as 2**62.
        """
