"""The law of a channel: what a block of permits asks of the database, and when each of its permits is good.

A channel allows, in *every* window of W seconds, at most ``burst + rate * W`` uses. The database keeps one number a
channel: the instant from which its next permit is good. A block moves that instant on by n spacings and so owns n
instants of its own, a spacing apart; permit i may be used from its instant on and for a width of time after it. With
period T = 1 / rate, width w and spacing s, the ceiling holds where::

    s = T + max(0, w - (burst - 1) * T)

For of the k + 1 permits used in some window let i own the earliest instant and j the latest. j is used no sooner than
its instant, which lies at least k * T + (w - (burst - 1) * T) after i's; i is used no later than w after its own. So
the window is at least k * T - (burst - 1) * T long: k + 1 <= burst + rate * W, whoever holds the permits and in
whatever order they ask. A permit whose time has passed is dropped, never used late: late uses are what bunches up.

So the burst is also the room for lateness: with a burst of 1 there is none, and a spacing is stretched by the slack
that the way from the database to the use takes: 40 ms and 5 % of it at least, more on a busy computer, for each learns
from its misses. Give a burst of 2 or more where the service allows it.

What is assumed: the database's clock runs at the speed of ours, but for 0.1 ms a second, and is read between the moment
the ask was sent and the moment its answer came. A clock set back is followed (store/limiter/law.py); one set forward
cuts the blocks already granted loose: at most those are too many, once. A process that is stopped between a permit and
its use is late, and nothing on this side can tell.

core.limiter.Pace decides by itself, for a pace that nobody shares; here the database has decided, and a block is a
timetable to be read.
"""

from dataclasses import dataclass
from math import ceil, floor, isfinite
from typing import TYPE_CHECKING

from identsync.engine.clock import TICK_MS
from identsync.spans import DAY_MS

if TYPE_CHECKING:
    from identsync.store.limiter import Grant

SLACK_MS = 40.0 + 2 * TICK_MS  # the least time left to use a permit in: a slow timer and a busy loop
SLACK_MOST_MS = 2_000.0
GRAIN_MS = 1.0 + TICK_MS  # the databases' clocks tell whole milliseconds, ours may be as old as its tick
SLEW = 0.0001  # two computers' clocks drift apart by less
_LONGEST_MS = 366 * DAY_MS
_HAIR_MS = 1e-6  # 7 * (1000 / 7) is not to cost 1001 ms


@dataclass(frozen=True, slots=True)
class Channel:
    """A limit of an outside service, shared under its name by all clients of the database.

    ``rate`` is permits per second (1e-6 .. 1e6), ``burst`` how many may come at once (1 .. 1,000,000); ``scope`` as a
    task's. Clients that differ in rate or burst share the channel all the same, each paying for its own permits.
    Raises ValueError for anything else, and for a burst that takes more than 366 days to grow.
    """

    name: str
    rate: float
    burst: int
    scope: int = 0

    def __post_init__(self) -> None:
        if not (self.name.isascii() and 0 < len(self.name) <= 64):
            raise ValueError(f"not a channel: {self.name!r}")
        if not (isfinite(self.rate) and 1e-6 <= self.rate <= 1e6):
            raise ValueError(f"{self.rate} permits a second are not in 1e-6..1e6")
        if not (1 <= self.burst <= 1_000_000 and self.burst * self.period_ms <= _LONGEST_MS):
            raise ValueError(f"a burst of {self.burst} permits is not in 1..1,000,000 and 366 days")

    @classmethod
    def quota(cls, name: str, most: int, seconds: float, at_once: int, scope: int = 0) -> "Channel":
        """Make a channel of at most ``most`` permits in every window of ``seconds``: a day's quota, whatever its zone.

        ``at_once`` of them may come in one go; the others grow over the window. Raises ValueError unless
        0 < at_once < most.
        """
        if not 0 < at_once < most:
            raise ValueError(f"{at_once} at once of {most}")
        return cls(name, (most - at_once) / seconds, at_once, scope)

    @property
    def period_ms(self) -> float:
        """The time in which one permit grows."""
        return 1000 / self.rate

    @property
    def slack_ms(self) -> float:
        """The least time a permit is to be good for: a twentieth of the period, where that is more than most need."""
        return max(SLACK_MS, min(SLACK_MOST_MS, self.period_ms / 20))

    def terms(self, n: int, slack_ms: float) -> "Terms":
        """Tell what a block of ``n`` permits asks, if each is to be good for at least ``slack_ms``."""
        tolerance = (self.burst - 1) * self.period_ms
        width = max(tolerance, slack_ms)
        spacing = self.period_ms + width - tolerance
        cost = max(1, ceil(n * spacing - _HAIR_MS))
        full = max(n, int(cost / spacing))  # what a last, broken millisecond still holds
        doubt = 2 * GRAIN_MS + SLEW * (2 * (full - 1) * spacing + width)  # Block's, which must not eat up the slack
        return Terms(full, cost, max(0, floor(width - slack_ms - doubt)), spacing, width)


@dataclass(frozen=True, slots=True)
class Terms:
    """A block to be asked for: how many permits, the channel's time they take, and how far it may begin in the past."""

    n: int
    cost_ms: int
    back_ms: int
    spacing_ms: float
    width_ms: float


class Block:
    """Permits granted by the database, on the local monotonic clock (milliseconds).

    ``asked`` and ``answered`` are local times around the ask: the database's clock was read somewhere between, so the
    permits open by the later and close by the earlier of the two.
    """

    def __init__(self, terms: Terms, grant: "Grant", asked: float, answered: float) -> None:
        lead = grant.first_ms - grant.now_ms
        ahead = max(0, lead) + (terms.n - 1) * terms.spacing_ms
        self._terms = terms
        self._first_ms = grant.first_ms
        self._opens = answered + lead + GRAIN_MS + SLEW * ahead
        self._closes = asked + lead + terms.width_ms - GRAIN_MS - SLEW * (ahead + terms.width_ms)
        self._next = 0
        self.used = 0
        self.missed = 0
        if self._closes < self._opens:  # the answer took longer than a permit is good for
            self._skip(terms.n)

    @property
    def left(self) -> int:
        """How many permits are neither used nor missed."""
        return self._terms.n - self._next

    @property
    def taken_ms(self) -> int:
        """Where the block ends, on the database's clock."""
        return self._first_ms + self._terms.cost_ms

    @property
    def used_ms(self) -> int:
        """Where it would end without the permits that are left."""
        return self._first_ms + ceil(self._next * self._terms.spacing_ms)

    def wait(self, now: float) -> float | None:
        """Milliseconds until the next permit is good (0 = it is); None: none is left. Those too late are dropped."""
        late = now - self._closes - self._next * self._terms.spacing_ms
        if late > 0:
            self._skip(ceil(late / self._terms.spacing_ms))
        if not self.left:
            return None
        return max(0.0, self._opens + self._next * self._terms.spacing_ms - now)

    def take(self) -> None:
        """Use the permit for which there was nothing to wait."""
        self._next += 1
        self.used += 1

    def _skip(self, n: int) -> None:
        n = min(n, self.left)
        self._next += n
        self.missed += n
