"""Permits without a database and without waiting: a model of the store's law, and an event loop whose time jumps."""

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from identsync.engine import permits
from identsync.engine.channel import Channel
from identsync.engine.permits import Channels, Permits
from identsync.store.limiter import Grant


class Ledger:
    """What the statements of every database must answer: one instant a channel (``clock`` = the database's, ms)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.rows: dict[tuple[str, int], tuple[int, int]] = {}
        self.statements = 0

    def _next(self, key: tuple[str, int]) -> tuple[int, int]:
        self.statements += 1
        now = int(self._clock())
        tat, stamp = self.rows.get(key, (0, 0))
        return (tat - stamp + now if stamp > now + 10_000 else tat), now

    def block(self, channel: str, scope: int, *, cost_ms: int, back_ms: int, ahead_ms: int) -> Grant:
        tat, now = self._next((channel, scope))
        first = max(tat, now - back_ms)
        if first > now + ahead_ms:
            return Grant(False, first, now)
        self.rows[channel, scope] = (first + cost_ms, now)
        return Grant(True, first, now)

    def postpone(self, channel: str, scope: int, after_ms: int) -> None:
        tat, now = self._next((channel, scope))
        self.rows[channel, scope] = (max(tat, now + min(max(0, after_ms), 86_400_000)), now)

    def give_back(self, channel: str, scope: int, *, taken_ms: int, used_ms: int) -> bool:
        self.statements += 1
        tat, stamp = self.rows.get((channel, scope), (None, 0))
        if tat != taken_ms:
            return False
        self.rows[channel, scope] = (used_ms, stamp)
        return True


class _Jump(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    """Instead of waiting, the time is moved on."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everybody waits for nothing"
        self.now += timeout
        return super().select(0)


class World(asyncio.SelectorEventLoop):
    """A loop of virtual time with clients of one ledger; ``uses`` = when permits were used, on the true clock (ms)."""

    def __init__(self, seed: int = 0, trip_ms: float = 5) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self.random = random.Random(seed)
        self.trip_ms = trip_ms
        self.offset = 0.0  # by how much the database's clock is wrong, ms
        self.uses: list[float] = []
        self.reads = 0  # of the clients' clock
        self._shift = 0.0
        self.ledger = Ledger(self.clock)

    def time(self) -> float:
        return self._jump.now

    def clock(self) -> float:
        return 1_800_000_000_000 + self.time() * 1000 + self.offset

    def local(self) -> float:
        """The clients' clock; inside an ask it shows when the ask was sent, and after it when the answer is there."""
        self.reads += 1
        return self.time() * 1000 + self._shift

    async def ask(self, work: Callable[[Any], Any]) -> Any:
        there, back = (self.random.uniform(0, self.trip_ms) for _ in range(2))
        await asyncio.sleep(there / 1000)
        try:
            return work(_Trip(self, there, back))
        finally:
            self._shift = 0.0
            await asyncio.sleep(back / 1000)

    def client(self) -> Channels:
        return Channels(self.ask)

    async def use(self, permits: Permits, n: int = 1, busy_ms: float = 0) -> None:
        """Use n permits as they come, and be busy after each."""
        for _ in range(n):
            await permits.take()
            self.uses.append(self.time() * 1000)
            if busy_ms:
                await asyncio.sleep(self.random.uniform(0, 2 * busy_ms) / 1000)


class _Trip:
    """The ledger at the far end of the way: times are told as this end sees them."""

    def __init__(self, world: World, there: float, back: float) -> None:
        world._shift = -there
        self._world, self._back = world, back

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*values: Any, **named: Any) -> Any:
            answer = getattr(self._world.ledger, name)(*values, **named)
            self._world._shift = self._back
            return answer

        return call


@contextmanager
def world(seed: int = 0, **options: Any) -> Iterator[World]:
    """Open a world; its clock is the clients' clock."""
    loop, real = World(seed, **options), permits.now_ms
    permits.now_ms = loop.local
    try:
        yield loop
        loop.run_until_complete(_settled())
    finally:
        permits.now_ms = real
        loop.close()


async def _settled() -> None:
    """Let what nobody waits for come to its end, as far as it has one."""
    await asyncio.wait([asyncio.ensure_future(asyncio.sleep(1))])
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def hungry(w: World, channel: Channel, need: int | None = None, busy_ms: float = 0) -> None:
    """Use permits for ever, in runs of ``need``, one client by itself."""
    channels = w.client()
    while True:
        async with channels.open(channel, need=need) as permits:
            await w.use(permits, need or 1_000_000, busy_ms)


def for_seconds(w: World, seconds: float, *jobs: Coroutine[Any, Any, None]) -> None:
    """Let the jobs run for so long, then stop them."""

    async def main() -> None:
        tasks = [asyncio.ensure_future(job) for job in jobs]
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        for task in tasks:
            task.cancel()

    w.run_until_complete(main())
