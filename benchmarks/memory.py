"""One check of the client's own memory of the limiter, called from Python; peers are limiters kept in memory."""

import asyncio
import time
from collections.abc import Callable, Iterator

from benchmarks.harness import OURS, Result, Work, measure, optional
from identsync.core.limiter import Memory, Pace, now_ms


class Cell:
    """What one would write by hand: a slots object with GCRA."""

    __slots__ = ("burst", "period", "tat")

    def __init__(self, period: float, burst: float) -> None:
        self.period, self.burst, self.tat = period, burst, 0.0

    def check(self) -> bool:
        """Take a permit if there is one."""
        now = time.monotonic()
        tat = max(self.tat, now) + self.period
        if tat - now > self.burst:
            return False
        self.tat = tat
        return True


def run(*, quick: bool) -> Iterator[Result]:
    """Check 100,000 times; the slot is not due, as nearly always."""
    count = 20_000 if quick else 100_000
    memory = Memory(64)
    memory.set(7, now_ms() + 3_600_000)
    pace = Pace(10**12, 1)
    pace.take()
    cell = Cell(1000.0, 1000.0)
    cell.check()
    contenders: dict[str, Work] = {
        OURS: _repeat(memory.check, 7, count),
        f"{OURS} pace": _repeat(pace.take, 1, count),
        "python object": _loop(cell.check, count),
        "floor:empty call": _loop(_nothing, count),
    }
    for name, make in (("limits", _limits), ("aiolimiter", _aiolimiter), ("pyrate-limiter", _pyrate)):
        optional(contenders, name, lambda make=make: _loop(make(), count))  # type: ignore[misc]
    try:
        yield from measure("memory", "one check, not due", contenders, items=count, runs=7)
    finally:
        asyncio.events._set_running_loop(None)  # as _aiolimiter found it: other benchmarks run loops of their own


def _repeat(check: Callable[[int], object], argument: int, count: int) -> Work:
    def work() -> None:
        for _ in range(count):
            check(argument)

    return work


def _loop(check: Callable[[], object], count: int) -> Work:
    def work() -> None:
        for _ in range(count):
            check()

    return work


def _nothing() -> None:
    return None


def _limits() -> Callable[[], object]:
    from limits import RateLimitItemPerHour, storage, strategies

    limiter, item = strategies.FixedWindowRateLimiter(storage.MemoryStorage()), RateLimitItemPerHour(1)
    return lambda: limiter.hit(item, "seven")


def _aiolimiter() -> Callable[[], object]:
    from aiolimiter import AsyncLimiter

    loop = asyncio.new_event_loop()

    async def made() -> AsyncLimiter:
        limiter = AsyncLimiter(1, 3600)
        await limiter.acquire()
        return limiter

    limiter = loop.run_until_complete(made())
    asyncio.events._set_running_loop(loop)  # has_capacity() asks for the running loop's clock; nothing else needs it
    return limiter.has_capacity


def _pyrate() -> Callable[[], object]:
    from pyrate_limiter import Duration, InMemoryBucket, Limiter, Rate

    limiter = Limiter(InMemoryBucket([Rate(1, Duration.HOUR)]))
    return lambda: limiter.try_acquire("seven", blocking=False)
