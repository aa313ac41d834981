"""The lease keeper: a thread with its own limiter connection for seats, claims, renewals and finishes.

Renewals are standing orders that come before everything else in the queue: neither a busy event loop nor a long read of
the clinic costs a lease. What an ask finds is posted as an event; an exception is posted as a failure, never guessed.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from identsync.engine.clock import monotonic_ms
from identsync.engine.events import (
    AskClaims,
    AskSeat,
    ClaimAsk,
    Claimed,
    ClaimFailed,
    DropRun,
    Event,
    Finished,
    FinishFailed,
    FinishRun,
    LeaseLost,
    LeaveSeats,
    Left,
    Renewed,
    RenewFailed,
    SeatAnswered,
    SeatFailed,
    StartRun,
)
from identsync.engine.integration import Role
from identsync.engine.state import Spec
from identsync.store.limiter import Fence, Limiter

T = TypeVar("T")
Post = Callable[[Event], None]
log = structlog.get_logger("identsync.engine")


@dataclass(slots=True)
class _Order:
    """A lease to be renewed each ``every`` ms until local time ``until``."""

    slot: int
    fence: Fence
    lease_ms: int
    every: int
    until: int
    at: int


@dataclass(frozen=True, slots=True)
class _Command:
    work: Callable[[Limiter], object]
    failed: Callable[[BaseException], None]
    expires: int


class Keeper:
    """Carries out a client's limiter statements in one thread, in order, renewals first."""

    def __init__(
        self,
        limiter: Callable[[], Limiter],
        client: str,
        role: Role,
        specs: Sequence[Spec],
        post: Post,
        answer_ms: int,
        ring: Callable[[tuple[int, ...]], None] = lambda _: None,
    ) -> None:
        self._open_limiter = limiter
        self._limiter: Limiter | None = None
        self._client = client
        self._role = int(role)
        self._specs = specs
        self._post = post
        self._answer_ms = answer_ms
        self._ring = ring
        self._commands: deque[_Command] = deque()
        self._orders: dict[tuple[int, int], _Order] = {}
        self._turn = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="identsync-keeper", daemon=True)
        self.counts = {"seat": 0, "claim": 0, "granted": 0, "renew": 0, "renew_failed": 0, "finish": 0, "failed": 0}

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self, timeout: float = 5.0) -> bool:
        """End the thread after the queued statements; False where it did not end in time (seconds)."""
        with self._turn:
            self._closed = True
            self._turn.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # -- orders, from the loop's thread

    def ask_seat(self, action: AskSeat) -> None:
        """Queue an ask for a seat; answered by SeatAnswered or SeatFailed."""
        self._put(lambda limiter: self._seat(limiter, action), SeatFailed(action.scope, action.sequence))

    def ask_claims(self, action: AskClaims) -> None:
        """Queue asks for slots, one statement each; each answered by Claimed or ClaimFailed."""
        for ask in action.asks:
            self._put(partial(self._claim, ask=ask), ClaimFailed(ask.slot, ask.request))

    def hold(self, action: StartRun) -> None:
        """Renew the run's lease from now on."""
        fence = self.fence(action.slot, action.fence)
        first = action.sent + action.every_ms
        order = _Order(action.slot, fence, action.lease_ms, action.every_ms, action.renew_until, first)
        with self._turn:
            self._orders[action.slot, action.fence] = order
            self._turn.notify()

    def drop(self, action: DropRun) -> None:
        """Renew no more."""
        with self._turn:
            self._orders.pop((action.slot, action.fence), None)

    def finish(self, action: FinishRun) -> None:
        """Queue the end of a run; answered by Finished or FinishFailed."""
        self._put(lambda limiter: self._finish(limiter, action), FinishFailed(action.slot, action.fence))

    def leave(self, action: LeaveSeats) -> None:
        """Queue the giving up of seats; answered by Left in any case."""

        def work(limiter: Limiter) -> None:
            limiter.leave(self._client, action.scopes)
            self._post(Left())
            try:
                self._ring(action.scopes)
            except Exception as error:
                log.warning("the bell could not be rung", error=type(error).__name__)

        self._put(work, Left())

    def ask(self, work: Callable[[Limiter], T]) -> "asyncio.Future[T]":
        """Queue ``work(limiter)`` and return a future of the running loop with its result."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if not future.done():
                future.set_exception(error) if error is not None else future.set_result(result)  # type: ignore[arg-type]

        def perform(limiter: Limiter) -> None:
            loop.call_soon_threadsafe(settle, work(limiter), None)

        self._enqueue(_Command(perform, lambda error: _quietly(loop, settle, None, error), 1 << 62))
        return future

    def fence(self, slot: int, number: int) -> Fence:
        """Return the fence of a claim of this client."""
        spec = self._specs[slot]
        return Fence(spec.kind, spec.scope, number, self._client)

    def _put(self, work: Callable[[Limiter], object], failure: Event) -> None:
        def failed(error: BaseException) -> None:
            self.counts["failed"] += 1
            log.warning("the limiter did not answer", ask=type(failure).__name__, error=type(error).__name__)
            self._post(failure)

        self._enqueue(_Command(work, failed, monotonic_ms() + self._answer_ms))

    def _enqueue(self, command: _Command) -> None:
        with self._turn:
            self._commands.append(command)
            self._turn.notify()

    # -- the thread

    def _work(self) -> None:
        while (job := self._next()) is not None:
            if isinstance(job, _Order):
                self._renew(job)
            else:
                self._perform(job)
        if self._limiter is not None:
            self._limiter.close()

    def _next(self) -> _Order | _Command | None:
        """Wait for the next thing to do: a renewal that is due, else the oldest command; None = closed."""
        with self._turn:
            while True:
                now = monotonic_ms()
                order = min(self._orders.values(), key=lambda each: each.at, default=None)
                if order is not None and order.at <= now:
                    return order
                if self._commands:
                    return self._commands.popleft()
                if self._closed:
                    return None
                self._turn.wait(None if order is None else (order.at - now) / 1000)

    def _perform(self, command: _Command) -> None:
        if monotonic_ms() >= command.expires:
            return  # given up by the step long ago
        try:
            command.work(self._connection())
        except BaseException as error:
            command.failed(error)

    def _connection(self) -> Limiter:
        if self._limiter is None:
            self._limiter = self._open_limiter()
        return self._limiter

    def _renew(self, order: _Order) -> None:
        sent = monotonic_ms()
        key = (order.slot, order.fence.number)
        if sent >= order.until:
            self._orders.pop(key, None)
            return
        try:
            remaining = self._connection().renew(order.fence, order.lease_ms)
        except Exception as error:
            self.counts["renew_failed"] += 1
            log.warning("a lease could not be renewed", kind=order.fence.kind, error=type(error).__name__)
            order.at = monotonic_ms() + max(1, order.every // 2)
            self._post(RenewFailed(*key))
            return
        self.counts["renew"] += 1
        order.at = sent + order.every
        if remaining is None:
            self._orders.pop(key, None)
        self._post(LeaseLost(*key) if remaining is None else Renewed(*key, sent, remaining))

    def _seat(self, limiter: Limiter, action: AskSeat) -> None:
        sent = monotonic_ms()
        self.counts["seat"] += 1
        reply = limiter.seat(
            action.scope, self._client, self._role, lease_ms=action.lease_ms, presence_ttl_ms=action.ttl_ms
        )
        self._post(SeatAnswered(action.scope, action.sequence, sent, reply))

    def _claim(self, limiter: Limiter, ask: ClaimAsk) -> None:
        spec, sent = self._specs[ask.slot], monotonic_ms()
        self.counts["claim"] += 1
        claim = limiter.claim(
            spec.kind, spec.scope, holder=self._client, role=self._role, lease_ms=spec.lease_ms,
            interval_ms=spec.interval_ms, request=ask.request, presence_ttl_ms=ask.ttl_ms, proto=spec.proto,
        )  # fmt: skip
        if claim.granted:
            self.counts["granted"] += 1
            limiter.started(self.fence(ask.slot, claim.fence), self._role, claim)
        self._post(Claimed(ask.slot, ask.request, sent, claim))

    def _finish(self, limiter: Limiter, action: FinishRun) -> None:
        fence, outcome = self.fence(action.slot, action.fence), action.outcome
        self.counts["finish"] += 1
        if action.release:
            written = limiter.release(fence, outcome=str(outcome.status))
        else:
            written = limiter.finish(
                fence, interval_ms=self._specs[action.slot].interval_ms, outcome=str(outcome.status),
                counts=outcome.counts, note=outcome.note[:400], retry_ms=outcome.retry_ms,
            )  # fmt: skip
        with self._turn:
            self._orders.pop((action.slot, action.fence), None)
        self._post(Finished(action.slot, action.fence, written))


def _quietly(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, *args)
