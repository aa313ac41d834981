"""Outbox: an effect that must not happen twice, whatever happens in between.

What holds:

- Before the first byte goes out its row is committed as *submitting*, under the run's fence and with a token of its
  own. A client that dies there leaves a row that the next run makes *unknown*; no run ever sends such a row again. A
  person may, or the other side's own word may settle it.
- There is no state "reserved": the run's fence is the reservation of all that is due, and a row counts as taken only
  where nobody has changed it since it was read.
- What is to be sent is read again right before (``prepare``); if it cannot go out soon after that, because the client
  slept or the channel is slow, it does not go out but is read once more.
- "Certainly not done" goes back to *planned*; everything doubtful is *unknown*.
- What is known of rows in hand is written until it stands there, however often the database fails meanwhile: all of it
  goes by token and state, so a try that was committed unheard changes nothing the second time.

Rows are announced in small batches, each together with the results of those that have ended, while others are on their
way.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from identsync import errors
from identsync.engine.integration import Outcome, Status
from identsync.flows import outbox_book as book
from identsync.flows.outbox_book import Changed, Draft, Row, Taken, decide, plan
from identsync.flows.outbox_rows import lock
from identsync.flows.receipts import receive
from identsync.flows.sending import Accepted, Lost, NotTaken, Refused, Verdict
from identsync.flows.verdict import Patience
from identsync.flows.writing import Rest, written
from identsync.language import _

if TYPE_CHECKING:
    from identsync.engine.run import Run

__all__ = ["Changed", "Draft", "Ready", "Row", "Sender", "Skip", "Wait", "decide", "outbox", "plan", "receive"]

T = TypeVar("T")

READ = 500  # rows read ahead
FRESH_MS = 60_000  # a row goes out this long after it was read again, or it is read once more
SOON_MS = 1_000  # until a run goes on whose time was up
BUDGET_MS = 120_000
ANSWER_S, WRITE_S = 2.5, 1.5  # a cancelled run has five seconds: what is on its way may be answered and written down
PATIENCE = Patience(first_ms=15_000, most_ms=1_800_000)
COUNTS = ("accepted", "refused", "not_taken", "unknown", "skipped", "waiting", "left")


@dataclass(frozen=True, slots=True)
class Ready(Generic[T]):
    """A row that may go out now: by which channel, to whom, and the room's own record of it."""

    row: Row
    channel: str
    address: str
    value: T
    token: str = field(default_factory=book.token)


@dataclass(frozen=True, slots=True)
class Skip:
    """A row that shall not go out, ever; the reason is a message key."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A row that shall not go out before ``until_ms``; the reason is a message key."""

    row: Row
    until_ms: int
    reason: str


Decided = Ready[T] | Skip | Wait


class Sender(Protocol[T]):
    """What a room knows of its rows and channels."""

    look: int  # rows decided on at once: what goes out within some seconds
    batch: int  # rows announced at once: a crash makes at most twice that and the window unknown
    window: int  # rows on their way at once

    async def prepare(self, rows: Sequence[Row]) -> Sequence[Decided[T]]:
        """Read again what is to be sent; raises an error of the tree where no channel is to be had now."""

    async def submit(self, ready: Ready[T]) -> Verdict:
        """Make one attempt; errors of the tree count as in ``integrations/messaging/message.py``."""

    def announce(self, connection: Connection, taken: Sequence[Ready[T]]) -> None:
        """Write the room's own rows of what is about to go out, in the flow's transaction."""

    def settle(self, connection: Connection, ended: Sequence[tuple[Ready[T], Verdict]]) -> None:
        """Write the room's own rows of what has ended, in the flow's transaction."""


async def outbox(
    run: "Run",
    stream: str,
    sender: Sender[T],
    *,
    patience: Patience = PATIENCE,
    budget_ms: int = BUDGET_MS,
    fresh_ms: int = FRESH_MS,
    rest: Rest = asyncio.sleep,
) -> Outcome:
    """Send what is due of ``stream`` and say how that went; raises what ``prepare`` raised, and StaleFence.

    ``rest`` waits so many seconds before a write that failed is tried again.
    """
    return await _Outbox(run, stream, sender, patience, run.now_ms() + budget_ms, fresh_ms, rest).walk()


@dataclass(slots=True, eq=False)
class _Hand(Generic[T]):
    """One announced row in the flow's hands."""

    ready: Ready[T]
    read_ms: int  # when it was read again
    verdict: Verdict | None = None  # None: no byte went out
    ended: bool = False

    @property
    def taken(self) -> Taken:
        return Taken(self.ready.row, self.ready.channel, self.ready.address, self.ready.token)


@dataclass(slots=True)
class _Outbox(Generic[T]):
    run: "Run"
    stream: str
    sender: Sender[T]
    patience: Patience
    until: int
    fresh_ms: int
    rest: Rest
    ahead: list[Row] = field(default_factory=list)
    decided: list[Decided[T]] = field(default_factory=list)  # at ``decided_ms``, of what comes next
    decided_ms: int = 0
    dry: bool = False  # nothing more was due when we looked last
    stop: Exception | None = None
    closing: bool = False
    hands: list[_Hand[T]] = field(default_factory=list)  # announced, not settled
    queue: deque[_Hand[T]] = field(default_factory=deque)  # those of them that nobody has begun
    given: asyncio.Event = field(default_factory=asyncio.Event)  # something was put into the queue
    moved: asyncio.Event = field(default_factory=asyncio.Event)  # a row has ended
    over: bool = False
    crash: BaseException | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))

    async def walk(self) -> Outcome:
        stream, scope, fence = self.stream, self.run.scope, self.run.fence.number
        if await self.run.read(lambda connection: book.has_dead(connection, stream, scope, fence)):
            await self.run.write(lambda connection: book.bury(connection, stream, scope, fence, self.run.now_ms()))
        try:
            await self._send()
        except (asyncio.CancelledError, Exception):
            with suppress(Exception):  # the first one counts
                await asyncio.wait_for(self._wind_up(), WRITE_S)
            raise
        return await self._outcome()

    async def _send(self) -> None:
        """Keep the window full: rows are announced while others are on their way, and a slow one holds up nobody."""
        workers = [asyncio.ensure_future(self._work()) for _each in range(self.sender.window)]
        try:
            await self._feed()
        except BaseException:  # cancelled, or the fence is lost: what is on its way may end, no more is begun
            self.closing = True
            raise
        finally:
            self.over = True
            self.given.set()
            await _ended(workers)

    async def _feed(self) -> None:
        """Announce and settle until nothing is left and nothing is on its way."""
        while True:
            self.moved.clear()
            if self.crash is not None:
                raise self.crash
            ended = [hand for hand in self.hands if hand.ended]
            hungry = len(self.queue) < self.sender.batch and self._more()
            if hungry or len(ended) >= self.sender.batch or (ended and len(ended) == len(self.hands)):
                self.queue.extend(await (self._turn(ended) if hungry else self._write(ended, ())))
                self.given.set()
            elif self.hands:
                await self.moved.wait()
            else:
                return

    def _more(self) -> bool:
        """Tell whether more may be announced, as far as is known."""
        if self.stop or self.closing or self.run.lost or self.run.now_ms() >= self.until:
            return False
        return bool(self.ahead or self.decided or not self.dry)

    async def _work(self) -> None:
        """Submit one announced row after another; several of these run at once."""
        try:
            while not self.over:
                if not self.queue:
                    self.given.clear()
                    await self.given.wait()
                    continue
                await self._submit(self.queue.popleft())
        except BaseException as error:
            self.crash = error
            raise
        finally:
            self.moved.set()

    async def _submit(self, hand: _Hand[T]) -> None:
        """Submit one row; nothing is begun once the run is closing or has lost its fence."""
        if self._may_go(hand):
            hand.verdict = Lost(book.DIED)  # until we know better
            hand.verdict = await self._verdict(hand.ready)
        hand.ended = True
        self.moved.set()

    async def _turn(self, ended: Sequence[_Hand[T]]) -> list[_Hand[T]]:
        """Settle what has ended and announce the next batch; give what was announced, [] where nothing is left."""
        while True:
            decided = await self._prepare()
            if not decided and not ended:
                return []
            taken = await self._write(ended, decided)
            if taken:
                return taken
            ended = ()

    async def _write(self, ended: Sequence[_Hand[T]], decided: Sequence[Decided[T]]) -> list[_Hand[T]]:
        """Write results and decisions in one transaction; give the rows that may go out."""
        announced = [_Hand(each, self.decided_ms) for each in decided if isinstance(each, Ready)]
        self.hands += announced  # first: where we are cancelled meanwhile they are taken back, written or not
        good = await written(self.run, lambda connection: self._commit(connection, ended, decided), rest=self.rest)
        taken = [hand for hand in announced if hand.ready.row.id in good]
        done = {*ended, *announced} - {*taken}
        self.hands = [hand for hand in self.hands if hand not in done]
        if any(_is_due(hand.verdict) for hand in ended):
            self.dry = False
        self._tell(ended, decided)
        return taken

    async def _prepare(self) -> Sequence[Decided[T]]:
        """Give the next decisions; those made too long ago are made again."""
        if not self._more():
            return ()
        if not self.decided or self.run.now_ms() - self.decided_ms > self.fresh_ms // 2:
            self.ahead = [*(each.row for each in self.decided), *self.ahead]
            self.decided_ms = self.run.now_ms()
            self.decided = await self._decide()
        batch = self.sender.batch
        taken, self.decided = self.decided[:batch], self.decided[batch:]
        return taken

    async def _decide(self) -> list[Decided[T]]:
        """Decide on the next rows that are due; an error of reading them stops the run after what is in hand."""
        late: list[Skip] = []
        timely: list[Row] = []
        try:
            for row in await self._rows():
                if row.until_ms <= self.run.now_ms():
                    late.append(Skip(row, book.TOO_LATE))
                else:
                    timely.append(row)
            return [*late, *(await self.sender.prepare(timely) if timely else ())]
        except Exception as error:
            self.stop = error
            self.ahead = [*timely, *self.ahead]
            return [*late]

    async def _rows(self) -> list[Row]:
        look = max(self.sender.look, self.sender.batch)
        if len(self.ahead) < look and not self.dry:
            stream, scope, most = self.stream, self.run.scope, READ
            known = {row.id for row in self.ahead} | {hand.ready.row.id for hand in self.hands}
            now = self.run.now_ms()
            found = await self.run.read(lambda connection: book.due(connection, stream, scope, now, most))
            self.ahead += [row for row in found if row.id not in known]
            self.dry = len(found) < most
        rows, self.ahead = self.ahead[:look], self.ahead[look:]
        return rows

    def _commit(self, connection: Connection, ended: Sequence[_Hand[T]], decided: Sequence[Decided[T]]) -> set[int]:
        now = self.run.now_ms()
        lock(connection, [*(hand.ready.row.id for hand in ended), *(each.row.id for each in decided)])
        self._settle(connection, ended, now)
        ready = [each for each in decided if isinstance(each, Ready)]
        book.skip(connection, [(each.row, each.reason) for each in decided if isinstance(each, Skip)], now)
        waits = [(each.row, each.until_ms, each.reason) for each in decided if isinstance(each, Wait)]
        book.postpone(connection, waits, now)
        good = book.take(connection, [_Hand(each, now).taken for each in ready], self.run.fence.number, now)
        taken = [each for each in ready if each.row.id in good]
        if taken:
            self.sender.announce(connection, taken)
        return good

    def _settle(self, connection: Connection, ended: Sequence[_Hand[T]], now: int) -> None:
        book.release(connection, [hand.taken for hand in ended if hand.verdict is None], now)
        tried = [(hand, hand.verdict) for hand in ended if hand.verdict is not None]
        book.settle(connection, [(hand.taken, verdict, self._again(hand, verdict)) for hand, verdict in tried], now)
        if tried:
            self.sender.settle(connection, [(hand.ready, verdict) for hand, verdict in tried])

    def _again(self, hand: _Hand[T], verdict: Verdict) -> int:
        after = verdict.after_ms if isinstance(verdict, NotTaken) else None
        wait = self.patience.after(hand.ready.row.attempts + 1) if after is None else after
        return self.run.now_ms() + wait

    def _may_go(self, hand: _Hand[T]) -> bool:
        now = self.run.now_ms()
        return not (
            self.closing or self.run.lost or now - hand.read_ms > self.fresh_ms or now >= hand.ready.row.until_ms
        )

    async def _verdict(self, ready: Ready[T]) -> Verdict:
        try:
            return await self.sender.submit(ready)
        except errors.AskPerson as error:
            return NotTaken(str(error), 0, error.raw)
        except errors.Later as error:
            if isinstance(error, errors.Unavailable) and error.sent:
                return Lost(str(error), error.raw)
            return NotTaken(str(error), error.after_ms, error.raw)
        except errors.Unexpected as error:
            return Lost(str(error), error.raw)
        except Exception as error:  # a defect of the room: what it did is anybody's guess
            self.stop = self.stop or error
            return Lost(type(error).__name__)

    async def _wind_up(self) -> None:
        """Write down what is known of all that was announced; what was not begun is as it was before."""
        self.closing = True
        hands = list(self.hands)
        if hands:
            await written(self.run, lambda connection: self._commit(connection, hands, ()), aside=True, rest=self.rest)

    def _tell(self, ended: Sequence[_Hand[T]], decided: Sequence[Decided[T]]) -> None:
        names: dict[type[Any], str] = {
            Accepted: "accepted", Refused: "refused", NotTaken: "not_taken", Lost: "unknown", Skip: "skipped",
            Wait: "waiting",
        }  # fmt: skip
        for each in [*(hand.verdict for hand in ended), *decided]:
            if type(each) in names:
                self.counts[names[type(each)]] += 1
        self.run.progress(**self.counts)

    async def _outcome(self) -> Outcome:
        now, stream, scope = self.run.now_ms(), self.stream, self.run.scope
        if isinstance(self.stop, errors.Later) and not self.stop.elsewhere:
            return Outcome(Status.LATER, self.counts, str(self.stop), self.stop.after_ms)
        if self.stop is not None:
            raise self.stop
        self.counts["left"] = len(self.ahead) + len(self.decided)
        rest = {name: self.counts[name] for name in ("left", "refused", "not_taken", "unknown") if self.counts[name]}
        if not rest:
            return Outcome(Status.OK, self.counts)
        next_ms = await self.run.read(lambda connection: book.next_due(connection, stream, scope))
        wait = None if next_ms is None else max(SOON_MS, next_ms - now)
        soon = wait if wait is not None and wait < self.run.task.interval_ms else None
        return Outcome(Status.PARTIAL, self.counts, _rest(rest), soon)


async def _ended(workers: "Sequence[asyncio.Future[None]]") -> None:
    """Wait a little for what is on its way, then no longer."""
    _done, late = await asyncio.wait(workers, timeout=ANSWER_S)
    for worker in late:
        worker.cancel()
    for told in await asyncio.gather(*workers, return_exceptions=True):
        assert told is None or isinstance(told, BaseException)


def _is_due(verdict: Verdict | None) -> bool:
    """Tell whether a row may go at once: another way, or because it was read too long ago."""
    return verdict is None or (isinstance(verdict, NotTaken) and verdict.after_ms == 0)


def _rest(counts: dict[str, int]) -> str:
    words = {
        "left": _("ещё не дошла очередь"),
        "refused": _("не принято"),
        "not_taken": _("отложено"),
        "unknown": _("неизвестно, отправлено ли"),
    }
    return ", ".join(f"{words[name]}: {count}" for name, count in counts.items())
