"""Permits of outside services: a block by one statement, for all runs of this client, and paced here.

::

    SMS = Channel("sms/provider", rate=20, burst=20)

    async with run.permits(SMS, need=len(batch)) as permits:
        async for message in permits.each(batch):  # as many tasks as you like may take from one ``permits``
            try:
                await send(message)
            except Limited as error:  # 429, Retry-After
                await permits.postpone(error.after_ms or 60_000)
                raise

Where a service has two limits, a pace and a day's quota, take from the scarcer first: a permit of the other is good for
its burst's time only.

An ask is granted a block in the order of asking, if it begins within the run's patience; else Limited tells when, and
nothing was taken. A block spans at most two seconds of the channel, so a client that dies costs it two seconds and no
more; what a run leaves over goes to this client's other runs, or back to the database where nobody asked after it. The
wait is a timer of the event loop: no thread waits, and the database's thread has no part in it.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from identsync.engine.channel import SLACK_MOST_MS, Block, Channel, Terms
from identsync.engine.clock import monotonic_ns
from identsync.errors import Limited, NoDatabase
from identsync.language import _

if TYPE_CHECKING:
    from identsync.store.limiter import Grant, Limiter

T = TypeVar("T")
Ask = Callable[[Callable[["Limiter"], Any]], Awaitable[Any]]
Answer = tuple[float, "Grant", float]

SPAN_MS = 2_000
PATIENCE_MS = 60_000


def now_ms() -> float:
    """Tell the engine's monotonic clock in milliseconds, finer than whole ones."""
    return monotonic_ns() / 1e6


class Channels:
    """The channels of one client, used in one event loop; ``ask`` runs a function of the limiter in its thread.

    ``counts``: asks that were answered with a block or denied, permits handed out or missed, blocks given back.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._taps: dict[Channel, _Tap] = {}
        self.counts = {"granted": 0, "denied": 0, "used": 0, "missed": 0, "given_back": 0}

    def open(
        self,
        channel: Channel,
        *,
        need: int | None = None,
        patience_ms: int = PATIENCE_MS,
        span_ms: int = SPAN_MS,
        check: Callable[[], None] = lambda: None,
    ) -> "Permits":
        """Give a run's part of a channel; ``check`` raises where the run may use no permit any more."""
        tap = self._taps.get(channel)
        if tap is None:
            tap = self._taps[channel] = _Tap(channel, self._ask, self.counts)
        return Permits(tap, need, patience_ms, span_ms, check)


class Permits:
    """A run's part of a channel: ``async with``, then ``take`` or ``each``; several tasks may share it.

    ``need`` is how many permits the run has use for: no block is longer. Unknown, blocks begin with one and double.
    """

    def __init__(
        self, tap: "_Tap", need: int | None, patience_ms: int, span_ms: int, check: Callable[[], None]
    ) -> None:
        self._tap = tap
        self._check = check
        self.need = need
        self.patience_ms = patience_ms
        self.span_ms = span_ms

    async def __aenter__(self) -> Self:
        self._tap.users.add(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tap.users.discard(self)
        self._tap.settle()

    async def take(self) -> None:
        """Wait for one permit and use it: what it is for is due now.

        Raises Limited, with ``after_ms``, where the channel is taken for longer than the patience; StaleFence where
        the run has lost its task; NoDatabase where the database does not answer; RuntimeError outside ``async with``.
        """
        if self not in self._tap.users:
            raise RuntimeError("permits are taken inside 'async with'")
        async with self._tap.turn:
            while wait := self._tap.wait():
                self._check()
                if wait < 0:
                    await self._tap.refill(self)
                else:
                    await asyncio.sleep(max(1.0, wait) / 1000)  # uvloop would round less to nothing, and spin
            self._check()
            self._tap.use()
        if self.need:
            self.need -= 1

    async def each(self, items: Iterable[T]) -> AsyncIterator[T]:
        """Give each of ``items`` when there is a permit for it."""
        for item in items:
            await self.take()
            yield item

    async def postpone(self, after_ms: int) -> None:
        """Stop the channel for everybody until ``after_ms`` from now, at most a day: the service said Retry-After.

        The block of this client is dropped at once; other clients may still use those they have, or hear a 429 too.
        """
        await self._tap.postpone(after_ms)


class _Tap:
    """A channel in this client: the block that its runs use up together."""

    def __init__(self, channel: Channel, ask: Ask, counts: dict[str, int]) -> None:
        self._channel = channel
        self._ask = ask
        self._counts = counts
        self.turn = asyncio.Lock()  # first come, first served
        self.users: set[Permits] = set()
        self._block: Block | None = None
        self._asking: asyncio.Future[Answer] | None = None
        self._unknown_since = 0.0  # since when asks were denied for no reason
        self._stops = 0  # how often the channel was postponed: an answer to an older ask is worth nothing
        self._size = 0  # permits of the next block, 0 = nothing learned yet
        self._slack_ms = channel.slack_ms

    def wait(self) -> float:
        """Milliseconds until a permit is good; 0 = one is; below 0 = a block must be asked for."""
        if self._block is None:
            return -1
        missed = self._block.missed
        wait = self._block.wait(now_ms())
        self._counts["missed"] += self._block.missed - missed
        return -1 if wait is None else wait

    def use(self) -> None:
        """Use the permit that is good."""
        assert self._block is not None
        self._block.take()
        self._counts["used"] += 1

    async def refill(self, user: Permits) -> None:
        """Ask for a block; whoever waits for it may be cancelled, the block still arrives."""
        if self._asking is None:
            self._asking = self._put(user)
        _, grant, _ = await asyncio.shield(self._asking)
        if not grant.granted:
            await self._denied(grant, user)

    def _put(self, user: Permits) -> "asyncio.Future[Answer]":
        terms = self._next_terms(user)
        name, scope, stops = self._channel.name, self._channel.scope, self._stops
        p = {"cost_ms": terms.cost_ms, "back_ms": terms.back_ms, "ahead_ms": user.patience_ms}

        def work(limiter: "Limiter") -> Answer:
            asked = now_ms()
            return asked, limiter.block(name, scope, **p), now_ms()

        future = asyncio.ensure_future(self._ask(work))
        future.add_done_callback(partial(self._answered, terms, stops))
        return future

    async def _denied(self, grant: "Grant", user: Permits) -> None:
        """Say when; ask again where the answer does not: the row was locked, or is older than another's grant."""
        self._counts["denied"] += 1
        lead = grant.first_ms - grant.now_ms
        if lead > user.patience_ms:
            raise Limited(f"{self._channel.name}: the channel is taken", after_ms=lead)
        self._unknown_since = self._unknown_since or now_ms()
        if now_ms() > self._unknown_since + user.patience_ms:
            self._unknown_since = 0.0
            raise NoDatabase(_("строка канала {name} занята", name=self._channel.name), sent=False)
        await asyncio.sleep(random.uniform(0.005, 0.05))  # noqa: S311

    def _next_terms(self, user: Permits) -> Terms:
        """Size the next block: about a span of the channel, no more than is needed, nor than was used up in time."""
        self._learn()
        spacing = self._channel.terms(1, self._slack_ms).spacing_ms
        most = max(1, int(user.span_ms / spacing))
        needs = [each.need for each in self.users]
        needed = None if None in needs else max(1, sum(need or 0 for need in needs))
        size = self._size or (1 if needed is None else most)
        self._size = min(size, most)
        return self._channel.terms(min(self._size, needed or most), self._slack_ms)

    def _learn(self) -> None:
        """Look back at the block: twice as many next time, or if some came too late for us, as many as did not."""
        block, self._block = self._block, None
        if block is None:
            return
        if block.missed:
            self._size = max(1, block.used)
        else:
            self._size = max(self._size, 2 * block.used)
        if not block.used:  # not one in time: the way here takes longer than thought
            self._slack_ms = min(SLACK_MOST_MS, 2 * self._slack_ms)

    def _answered(self, terms: Terms, stops: int, future: "asyncio.Future[Answer]") -> None:
        self._asking = None
        if future.cancelled() or future.exception() is not None:
            return
        asked, grant, answered = future.result()
        if not grant.granted:
            return
        self._unknown_since = 0.0
        self._counts["granted"] += 1
        least = self._channel.slack_ms + 2 * (answered - asked)
        self._slack_ms = min(SLACK_MOST_MS, max(least, 0.9 * self._slack_ms))
        if stops == self._stops:
            self._block = Block(terms, grant, asked, answered)
            self._counts["missed"] += self._block.missed
            self.settle()

    def settle(self) -> None:
        """Give back what is left where no run of this client uses the channel any more; nobody waits for it."""
        block = self._block
        if self.users or block is None:
            return
        self._block = None
        if not block.left:
            return
        self._counts["given_back"] += 1
        name, scope, taken, used = self._channel.name, self._channel.scope, block.taken_ms, block.used_ms
        future = asyncio.ensure_future(
            self._ask(lambda limiter: limiter.give_back(name, scope, taken_ms=taken, used_ms=used))
        )
        future.add_done_callback(lambda done: done.cancelled() or done.exception())  # lost: a block's time, no more

    async def postpone(self, after_ms: int) -> None:
        """Drop the block, and what was asked before, and tell the database."""
        self._stops += 1
        self._block = None
        name, scope = self._channel.name, self._channel.scope
        await self._ask(lambda limiter: limiter.postpone(name, scope, after_ms))
