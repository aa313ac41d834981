"""Forty seconds of whatever clients may do to a channel, drawn by a seed; then every window is judged.

cd tests && python -m engine.permits_weather 4000        # seeds 0..3999; a seed that fails is printed
"""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable

from ceiling import excess
from engine.permits_world import World, for_seconds, world
from identsync.engine.channel import Channel
from identsync.errors import Limited

SECONDS = 40
REPLAY = "cd tests && python -m engine.permits_weather {} {}"


class Weather:
    """A channel, how far the database is, and a few clients of all habits."""

    def __init__(self, seed: int) -> None:
        self.dice = dice = random.Random(seed)
        self.channel = Channel("x", dice.choice([0.5, 1, 2, 3, 7, 20, 50, 333]), dice.choice([1, 2, 3, 5, 20, 100]))
        self.seed = seed
        self.trip_ms = dice.choice([1, 5, 50, 200, 900])
        kinds = [self.steady, self.hasty, self.refused, self.dies, self.clock, self.shared]
        self.kinds: list[Callable[[World], Awaitable[None]]] = dice.choices(kinds, k=dice.randint(1, 8))

    def excess(self) -> float:
        """Let it all happen; tell by how much the worst window is above the ceiling. A stuck channel raises Limited."""
        with world(self.seed, trip_ms=self.trip_ms) as w:
            for_seconds(w, SECONDS, *[self.again(w, kind) for kind in self.kinds])
            for_seconds(w, 120, self.newcomer(w))
        return excess(w.uses, self.channel.rate, self.channel.burst)

    async def again(self, w: World, kind: Callable[[World], Awaitable[None]]) -> None:
        while True:
            try:
                await kind(w)
            except Limited:
                await asyncio.sleep(1)

    async def newcomer(self, w: World) -> None:
        """Whatever was before, the channel is alive for who comes next."""
        async with w.client().open(self.channel, need=1) as permits:
            await w.use(permits)

    async def steady(self, w: World) -> None:
        need, busy = self.dice.choice([None, 5, 50]), self.dice.choice([0, 0, 100, 400])
        channels = w.client()
        while True:
            async with channels.open(self.channel, need=need) as permits:
                await w.use(permits, need or 100, busy)

    async def hasty(self, w: World) -> None:
        """Leave before the end."""
        channels = w.client()
        while True:
            async with channels.open(self.channel, need=self.dice.choice([None, 3, 30])) as permits:
                await w.use(permits, self.dice.randint(0, 10), self.dice.choice([0, 0, 30]))
            await asyncio.sleep(self.dice.random())

    async def refused(self, w: World) -> None:
        """Hear a Retry-After now and then."""
        async with w.client().open(self.channel) as permits:
            while True:
                await w.use(permits, self.dice.randint(1, 20))
                await permits.postpone(self.dice.randint(0, 2_500))

    async def dies(self, w: World) -> None:
        """End with a block in hand; the next comes a little later."""
        await asyncio.sleep(self.dice.random() * 20)
        permits = await w.client().open(self.channel, need=500).__aenter__()
        await w.use(permits, self.dice.randint(1, 20))

    async def clock(self, w: World) -> None:
        """Set the database's clock back."""
        while True:
            await asyncio.sleep(self.dice.random() * 15)
            w.offset -= self.dice.choice([1, 300, 5_000, 20_000, 3_600_000])

    async def shared(self, w: World) -> None:
        """Four runs of one client at a time."""
        channels = w.client()

        async def run() -> None:
            while True:
                async with channels.open(self.channel, need=self.dice.randint(1, 9)) as permits:
                    await w.use(permits, self.dice.randint(0, 9))
                await asyncio.sleep(self.dice.random() / 5)

        await asyncio.gather(*[run() for _ in range(4)])


def main() -> int:
    """Judge the seeds from the one to before the other; 1 where a ceiling did not hold."""
    numbers = [int(text) for text in sys.argv[1:]] or [1_000]
    first, end = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    found = {seed: Weather(seed).excess() for seed in range(first, end)}
    for seed, above in found.items():
        if above > 1e-6:
            print(f"seed {seed}: {above:+.3f} permits above the ceiling; {REPLAY.format(seed, seed + 1)}")
    print(f"{len(found)} seeds, worst window {max(found.values()):+.3f}")
    return int(max(found.values()) > 1e-6)


if __name__ == "__main__":
    sys.exit(main())
