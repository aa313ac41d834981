"""Mirror: the outside shall look like the clinic says.

``desired`` is compared with what the other side has acknowledged; only what differs is made into items, delivered and
written down. Each item ends as *confirmed*, *rejected* (why), *later* (when) or *unknown* (its answer was lost).

What holds, whatever happens in between:

- An item is written down as unknown before its first byte goes out and as something better only with its answer. A
  client that dies loses nothing and repeats at most the items it had in its hands (one batch).
- A delivery must be safe to repeat: an item says how its key shall look, not what to add. Where a room can ask the
  other side first, ``Item.doubtful`` tells it when that is worth it.
- A read that failed never deletes: where the desired side shrinks too much at once nothing is sent until a person
  has allowed it (``approve``).
- Every write is guarded by the run's fence; who has lost the task writes nothing. One that fails is tried again, so
  that what the other side has acknowledged is not forgotten.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from identsync import errors
from identsync.core.columns import Columns
from identsync.engine.integration import Outcome, Status
from identsync.flows.brake import Brake, weigh
from identsync.flows.mirror_book import (
    DOUBT,
    GONE,
    Book,
    Brakes,
    Row,
    Shelf,
    approve,
    brakes,
    confirmed,
    doubt,
    inherit,
    keep,
    kept,
    payloads,
    send_again,
    updated,
)
from identsync.flows.verdict import Confirmed, Item, Later, Patience, Rejected, Unknown, Verdict, verdict_of
from identsync.flows.writing import Rest, written
from identsync.language import _

if TYPE_CHECKING:
    from identsync.engine.run import Run

__all__ = [
    "Brake",
    "Brakes",
    "Confirmed",
    "Item",
    "Later",
    "Patience",
    "Rejected",
    "Shelf",
    "Together",
    "Unknown",
    "Verdict",
    "approve",
    "brakes",
    "confirmed",
    "doubt",
    "inherit",
    "keep",
    "kept",
    "mirror",
    "send_again",
    "verdict_of",
]

COUNTS = ("desired", "confirmed", "removed", "rejected", "later", "unknown", "forgotten", "left")
SOON_MS = 1_000  # until a run goes on whose time was up
BATCHES = 64  # a large stream is written down in about so many steps, a small one item by item


BRAKE = Brake()
PATIENCE = Patience()

Make = Callable[[Sequence[int]], Awaitable[Sequence[Item]]]
Try = Callable[[Item], Awaitable[Verdict]]
Waits = Callable[[Item], Awaitable[bool]]
Queue = Callable[[Sequence[int]], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Together:
    """Deliver up to ``most`` items in one request, verdicts in their order. For rooms that never remove."""

    deliver: Callable[[Sequence[Item]], Awaitable[Sequence[Verdict]]]
    most: int


async def mirror(
    run: "Run",
    stream: str,
    desired: Columns,
    *,
    weight: int | Mapping[str, int],
    make: Make,
    deliver: Try | Together,
    remove: Try | None = None,
    waits: Waits | None = None,
    shelf: Shelf | None = None,
    step: int | None = None,
    brake: Brake | Mapping[str, Brake] = BRAKE,
    patience: Patience = PATIENCE,
    refresh_ms: int | None = None,
    concurrency: int = 1,
    lane: Callable[[Item], int] | None = None,
    order: Callable[[int], int] | None = None,
    queue: Queue | None = None,
    budget_ms: int | None = None,
    rest: Rest = asyncio.sleep,
) -> Outcome:
    """Bring the other side of ``stream`` in step with ``desired`` and say how that went.

    ``make(keys)`` gives the items of those keys, as they are by now; one it leaves out waits for the next run, and so
    does one that ``waits`` says it of, which is asked of those to be removed too. ``deliver`` and ``remove`` return a
    verdict or raise an error of the tree: Unavailable, Limited and AskPerson end the run after what is in hand,
    Unexpected makes the item unknown. Without ``remove`` vanished keys are forgotten; with it every item, those to be
    removed too, brings in ``known`` the payload that was kept of it (before the first byte of a new one goes out, its
    own is kept: what may have arrived can be removed). Up to ``concurrency`` items are on their way at once, those of
    one ``lane`` one after the other. What is gone goes first, then what is wanted by ``order`` of its key, or as
    ``queue`` puts all of them, after that what failed before. After ``budget_ms`` no more is begun: what is ``left``
    is for the next run, at once, which knows what has changed meanwhile. Confirmed items are delivered anew after
    ``refresh_ms``. What was acknowledged is written until it lands; ``rest`` waits between the tries. ``shelf`` is
    where a room keeps its items that has a table of its own for them, ``step`` how many are written down at once (None
    = a 64th of the stream). ``weight`` is what the brake watches, one number or several by name; a new name is compared
    with nothing, so what a person chose in the settings belongs into the name. Raises SuspiciousChange, StaleFence and
    AskPerson.
    """
    now = run.now_ms()
    refresh_before = None if refresh_ms is None else now - refresh_ms
    shelf = shelf or Shelf(stream, run.scope)
    book = await run.read(lambda connection: shelf.load(connection, refresh_before))
    weights = {"": weight} if isinstance(weight, int) else weight
    await weigh(run, book, weights, brake, rest)
    until = None if budget_ms is None else now + budget_ms
    line = queue or partial(sorted, key=order)
    many = deliver.most if isinstance(deliver, Together) else 1
    size = step or max(concurrency * many, len(desired) // BATCHES, 1)
    flow = _Flow(
        run, shelf, book, desired, make, deliver, remove, waits, patience, concurrency, size, lane, line, until, rest,
    )  # fmt: skip
    return await flow.walk()


@dataclass(slots=True)
class _Hand:
    """One item in the flow's hands."""

    item: Item
    going: bool  # to be removed
    before: int | None  # what stood in the columns before this try
    attempts: int
    verdict: Verdict | None = None  # None: not tried, the run was stopped first

    @property
    def key(self) -> int:
        return self.item.key


@dataclass(slots=True)
class _Flow:
    run: "Run"
    shelf: Shelf
    book: Book
    desired: Columns
    make: Make
    deliver: Try | Together
    remove: Try | None
    waits: Waits | None
    patience: Patience
    concurrency: int
    size: int  # items taken in hand at once
    lane: Callable[[Item], int] | None
    queue: Queue
    until: int | None
    rest: Rest
    stop: Exception | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    retry_ms: list[int] = field(default_factory=list)  # epoch ms of the next tries

    async def walk(self) -> Outcome:
        """Deliver and remove what differs, batch by batch; each write settles one batch and announces the next."""
        due, rows, dropped = self._plan()
        ended: list[_Hand] = []
        for at in range(0, len(due), self.size):
            if self.until is not None and self.run.now_ms() >= self.until:
                self.counts["left"] = len(due) - at
                break
            keys = due[at : at + self.size]
            hands = await self._take(keys)
            if rows or dropped or ended or hands:
                await self._write(rows, dropped, ended, hands)
            rows, dropped, ended = [], [], hands
            await self._try_all(hands)
            if self.stop:
                break
        if rows or dropped or ended:
            await self._write(rows, dropped, ended, [])
        return self._outcome()

    def _plan(self) -> tuple[list[int], list[Row], list[int]]:
        """List the keys to be tried now, in order; rows that are settled by themselves; keys to drop."""
        changes = self.book.confirmed.difference(self.desired)
        gone = list(changes.removed)
        wanted = [*changes.added, *changes.changed]
        old = {key for key in self.book.old if key in self.desired}
        wanted += old.difference(changes.changed)
        settled = self.book.rows.keys() - set(wanted) - set(gone) if self.book.rows else set()
        rows = [Row(key, digest, "confirmed") for key in settled if (digest := self.desired.get(key)) is not None]
        dropped = [key for key in settled if key not in self.desired]
        if self.remove is None:
            dropped, gone = dropped + gone, []
        self.counts |= {"desired": len(self.desired), "forgotten": len(dropped)}
        return self._in_order(wanted, gone), rows, dropped

    def _in_order(self, wanted: Sequence[int], gone: Sequence[int]) -> list[int]:
        """Give the keys to be tried now: what failed before comes last, what is gone before what is wanted."""
        rows = self.book.rows  # none of a large stream's first run; few later on
        wanted = [key for key in wanted if key not in rows or self._due(key)] if rows else wanted
        line = [*sorted(filter(self._due, gone)), *self.queue(wanted)]
        failed = [key for key in line if key in rows and self._attempts(key)] if rows else []
        if not failed:
            return line
        failed.sort(key=lambda key: (self._attempts(key), key in self.desired))  # the sort is stable
        behind = set(failed)
        return [*(key for key in line if key not in behind), *failed]

    def _due(self, key: int) -> bool:
        row, now = self.book.rows.get(key), self.run.now_ms()
        if row is None or row.retry_ms is None or row.retry_ms <= now:
            return True
        if row.retry_ms > now + self.patience.longest(rejected=row.state == "rejected"):
            return True  # the database's clock stood in the future
        wanted = self.desired.get(key)
        if row.state == "rejected" and row.digest != (GONE if wanted is None else wanted):
            return True
        self._count(row.state, row.retry_ms)
        return False

    def _attempts(self, key: int) -> int:
        row = self.book.rows.get(key)
        return row.attempts if row else 0

    async def _take(self, keys: Sequence[int]) -> list[_Hand]:
        wanted = [key for key in keys if key in self.desired]
        try:
            items: Sequence[Item] = await self.make(wanted) if wanted else ()
        except Exception as error:  # what is in hand is written down first
            self.stop = error
            return []
        made = {item.key: item for item in items}
        made |= {key: Item(key, GONE, "") for key in keys if key not in self.desired}
        if self.remove is not None:
            await self._recall(made)
        if self.waits is not None:
            made = {key: item for key, item in made.items() if not await self.waits(item)}
        return [self._hand(made[key]) for key in keys if key in made]

    async def _recall(self, items: Mapping[int, Item]) -> None:
        book = self.book
        kept = await self.run.read(lambda connection: payloads(connection, book, list(items)))
        for key, payload in kept.items():
            items[key].known = payload

    def _hand(self, item: Item) -> _Hand:
        before = self.book.confirmed.get(item.key)
        item.doubtful = before == DOUBT
        return _Hand(item, item.key not in self.desired, before, self._attempts(item.key) + 1)

    async def _try_all(self, hands: Sequence[_Hand]) -> None:
        gate = asyncio.Semaphore(self.concurrency)
        trying = [asyncio.create_task(self._try(lane, gate)) for lane in self._lanes(hands)]
        try:
            await asyncio.gather(*trying)
        finally:  # whatever ends the batch: no request outlives it
            for one in trying:
                one.cancel()
            if trying:
                await asyncio.wait(trying)

    def _lanes(self, hands: Sequence[_Hand]) -> Iterable[Sequence[_Hand]]:
        """Give the hands that may be tried side by side, each with those that must come after it."""
        if isinstance(self.deliver, Together):
            most = self.deliver.most
            return [hands[at : at + most] for at in range(0, len(hands), most)]
        if self.lane is None:
            return [[hand] for hand in hands]
        lanes: dict[int, list[_Hand]] = {}
        for hand in hands:
            lanes.setdefault(self.lane(hand.item), []).append(hand)
        return lanes.values()

    async def _try(self, hands: Sequence[_Hand], gate: asyncio.Semaphore) -> None:
        async with gate:
            for some in [hands] if isinstance(self.deliver, Together) else ([hand] for hand in hands):
                if self.stop is None:
                    await self._attempt(some)

    async def _attempt(self, hands: Sequence[_Hand]) -> None:
        """Make one request; its fate is that of all its hands."""
        try:
            verdicts = await self._verdicts(hands)
            for hand, verdict in zip(hands, verdicts, strict=True):
                hand.verdict = verdict
        except Exception as error:
            if not isinstance(error, errors.Unexpected):  # all but an answer without sense ends the run
                self.stop = error
            failed = verdict_of(error)
            for hand in hands:
                hand.verdict = failed

    async def _verdicts(self, hands: Sequence[_Hand]) -> Sequence[Verdict]:
        if isinstance(self.deliver, Together):
            return await self.deliver.deliver([hand.item for hand in hands])
        [hand] = hands
        if not hand.going:
            return [await self.deliver(hand.item)]
        assert self.remove is not None
        return [await self.remove(hand.item)]

    async def _write(
        self, rows: Sequence[Row], dropped: Sequence[int], ended: Sequence[_Hand], hands: Sequence[_Hand]
    ) -> None:
        """Settle what has ended and announce what is taken in hand, in one transaction."""
        changes: dict[int, int | None] = dict.fromkeys(dropped)
        changes |= {hand.key: _digest_after(hand) for hand in ended}
        changes |= dict.fromkeys((hand.key for hand in hands), DOUBT)
        removed = [hand.key for hand in ended if hand.going and isinstance(hand.verdict, Confirmed)]
        told = [*rows, *(self._row(hand) for hand in ended if hand.key not in removed), *map(self._announced, hands)]
        self.counts["removed"] += len(removed)
        before, now = self.book.confirmed, self.run.now_ms()
        book = replace(self.book, confirmed=updated(before, changes))
        confirmed = await written(
            self.run,
            lambda connection: self.shelf.save(connection, book, told, [*dropped, *removed], now, before),
            rest=self.rest,
        )
        self.shelf.saved()
        self.book = replace(book, confirmed=confirmed)
        self.run.progress(**self.counts)

    def _announced(self, hand: _Hand) -> Row:
        item = hand.item
        kept = item.payload if self.remove is not None and item.known is None else None
        return Row(item.key, item.digest, "unknown", hand.attempts, label=item.label or None, answer="", payload=kept)

    def _row(self, hand: _Hand) -> Row:
        """Turn a verdict into the item's row and count it."""
        item, now = hand.item, self.run.now_ms()
        row = Row(item.key, item.digest, "later", hand.attempts, label=item.label or None)
        match hand.verdict:
            case Confirmed(answer, payload):
                self._count("confirmed", None)
                kept = item.payload if payload is None else payload
                return replace(row, state="confirmed", attempts=0, answer=answer, payload=kept)
            case Rejected(reason):
                return self._ended(row, "rejected", reason, now + self.patience.rejected_ms)
            case Later(reason, after) | Unknown(reason, after):
                state = "later" if isinstance(hand.verdict, Later) else "unknown"
                wait = self.patience.after(hand.attempts) if after is None else min(after, self.patience.named_ms)
                return self._ended(row, state, reason, now + wait)
        state = "unknown" if hand.before == DOUBT else "later"
        return self._ended(replace(row, attempts=hand.attempts - 1), state, None, None)

    def _ended(self, row: Row, state: str, reason: str | None, retry_ms: int | None) -> Row:
        self._count(state, retry_ms)
        return replace(row, state=state, answer=reason, retry_ms=retry_ms)

    def _count(self, state: str, retry_ms: int | None) -> None:
        self.counts[state] += 1
        if state != "rejected" and retry_ms is not None:
            self.retry_ms.append(retry_ms)

    def _outcome(self) -> Outcome:
        wait = max(0, min(self.retry_ms) - self.run.now_ms()) if self.retry_ms else None
        if isinstance(self.stop, errors.Later) and not self.stop.elsewhere:
            return Outcome(Status.LATER, self.counts, str(self.stop), wait if wait is not None else self.stop.after_ms)
        if self.stop is not None:
            raise self.stop
        rest = {name: self.counts[name] for name in ("left", "rejected", "later", "unknown") if self.counts[name]}
        if not rest:
            return Outcome(Status.OK, self.counts)
        if "left" in rest:
            wait = SOON_MS
        # One item's next try that is farther off than the next run must not put off all the others.
        soon = wait if wait is not None and wait < self.run.task.interval_ms else None
        return Outcome(Status.PARTIAL, self.counts, _rest(rest), soon)


def _digest_after(hand: _Hand) -> int | None:
    """Say what stands in the columns after a try: a refusal leaves what was there, and an old doubt stays a doubt."""
    match hand.verdict:
        case Confirmed():
            return None if hand.going else hand.item.digest
        case Unknown():
            return DOUBT
    return hand.before


def _rest(counts: Mapping[str, int]) -> str:
    words = {
        "left": _("ещё не дошла очередь"),
        "rejected": _("не принято"),
        "later": _("отложено"),
        "unknown": _("без ответа"),
    }
    return ", ".join(f"{words[name]}: {count}" for name, count in counts.items())
