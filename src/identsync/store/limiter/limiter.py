"""The limiter's operations, the same for every database."""

import json
import random
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from math import ceil, floor
from typing import Any, TypeVar

from identsync.errors import Unavailable
from identsync.store.failures import Reaction, reaction, unavailable
from identsync.store.limiter.dialect import Dialect, Row
from identsync.store.limiter.grid import due_at, phase_ms
from identsync.store.limiter.link import Link
from identsync.store.limiter.records import Claim, Denied, Fence, Grant, Present, SeatReply, SlotDue

T = TypeVar("T")

SEAT = "seat"
GOOD = frozenset({"ok", "partial"})  # outcomes that count as a success
WAITING = frozenset({"ask"})  # a person must act: the back-off would only nag the other side
BACKOFF_BASE_MS = 1000  # doubled by each attempt: 2 s, 4 s, 8 s ..., never later than the next grid instant
TRIES = 3
NOTE = 400
POSTPONED_MS = 86_400_000  # what a Retry-After may ask of a channel: the next refusal says it again
FARTHEST_MS = 400 * 86_400_000


class Limiter:
    """One connection to the limiter, used by one thread: the first that asks. Every operation is one round trip.

    Operations raise Unavailable where the database did not answer; a claim that only met a lock is denied as BUSY.
    """

    def __init__(self, dialect: Dialect, link: Link, *, jitter: Callable[[], float] = random.random) -> None:
        self._dialect = dialect
        self._link = link
        self._jitter = jitter

    def seat(self, scope: int, client: str, role: int, *, lease_ms: int, presence_ttl_ms: int) -> SeatReply:
        """Stamp this client's presence in ``scope``; claim its seat if free or expired, renew it if ours.

        A director has a seat only while no administrator is present; an administrator takes a director's seat.
        """
        p = {"scope": scope, "client": client, "role": int(role), "lease": lease_ms, "ttl": presence_ttl_ms}
        p["horizon"] = lease_ms
        rows = self._ask(lambda cursor: self._dialect.seat(cursor, p))
        if not any(row[0] == 0 for row in rows):
            self._seed(SEAT, scope, 1)
            rows = self._ask(lambda cursor: self._dialect.seat(cursor, p))
            self._ask(lambda cursor: self._dialect.run(cursor, "forget", p))
        return _seat_reply(scope, rows)

    def claim(
        self,
        kind: str,
        scope: int,
        *,
        holder: str,
        role: int,
        lease_ms: int,
        interval_ms: int,
        request: str,
        presence_ttl_ms: int,
        proto: int = 1,
    ) -> Claim:
        """Ask to run (kind, scope) now; ``request`` is new for every ask, the same again after a lost reply.

        The first ask ever seeds the slot, due at once. Raises ValueError for a kind that is not 1-64 ASCII letters.
        """
        p = {"kind": kind, "scope": scope, "holder": holder, "role": int(role), "lease": lease_ms, "request": request}
        p |= {"horizon": max(interval_ms, lease_ms), "ttl": presence_ttl_ms, "proto": proto}
        try:
            row = self._ask(lambda cursor: self._dialect.claim(cursor, p))
            if row is None:
                self._seed(kind, scope, proto)
                row = self._ask(lambda cursor: self._dialect.claim(cursor, p))
        except _LockedError:
            return Claim(False, 0, 0, 0, why=Denied.BUSY)
        if row is None:  # PostgreSQL: another client's seed is not yet in this statement's snapshot
            return Claim(False, 0, 0, 0, why=Denied.RACED)
        return _claim(kind, scope, interval_ms, proto, row)

    def started(self, fence: Fence, role: int, claim: Claim) -> None:
        """Write the journal's row of a granted run; writing it twice changes nothing."""
        p = _fence(fence) | {"role": int(role), "due": claim.due_ms, "started": claim.started_ms}
        self._insert("started", p)

    def renew(self, fence: Fence, lease_ms: int) -> int | None:
        """Extend the lease to ``lease_ms`` from now; milliseconds that remain, or None if the run is lost."""
        p = _fence(fence) | {"lease": lease_ms}
        row = self._ask(lambda cursor: self._dialect.one(cursor, "renew", p))
        return None if row is None else int(row[0])

    def finish(
        self,
        fence: Fence,
        *,
        interval_ms: int,
        outcome: str,
        counts: Mapping[str, int],
        note: str,
        retry_ms: int | None = None,
    ) -> bool:
        """End a run and its journal row together; False if the fence is stale, and then nothing was changed.

        The slot is due again after ``retry_ms`` where given; else, after 'ok', 'partial' and 'ask', at the next grid
        instant; else at that instant or after the back-off of its attempt, +-20 %, whichever is sooner.
        """
        good = outcome in GOOD
        mode = 2 if retry_ms is not None else int(not good and outcome not in WAITING)
        p = _fence(fence) | _ending(outcome, counts, note)
        p |= {"good": int(good), "error": None if outcome == "ok" else p["note"], "mode": mode, "retry": retry_ms or 0}
        p |= {"interval": interval_ms, "phase": phase_ms(fence.kind, fence.scope, interval_ms)}
        p |= {"base": BACKOFF_BASE_MS, "jitter": 800 + round(400 * self._jitter())}
        return self._end(self._dialect.finish, p)

    def release(self, fence: Fence, *, outcome: str = "released") -> bool:
        """Hand a run over unfinished: the slot is due at once; False if the fence is stale."""
        return self._end(self._dialect.release, _fence(fence) | _ending(outcome, {}, ""))

    def leave(self, client: str, scopes: Iterable[int]) -> None:
        """Give up this client's seats, free at once, and its presence."""
        for scope in scopes:
            p = {"scope": scope, "client": client}
            self._ask(partial(self._dialect.leave, p=p))

    def permits(self, channel: str, scope: int, n: int, *, period_ms: float, burst: int) -> int:
        """Take ``n`` permits of a channel to be used at once; 0 = taken, else milliseconds to wait before asking again.

        ``period_ms`` is the time in which one permit grows, ``burst`` how many may be taken at once after a rest.
        Raises ValueError for n > burst: such an ask would never be granted. A lost reply costs the permits, no more.
        """
        if not 0 < n <= burst:
            raise ValueError(f"{n} permits of a burst of {burst}")
        cost, back = ceil(n * period_ms), floor((burst - 1) * period_ms)
        ahead = max(cost, floor(burst * period_ms)) - back - cost  # the last of them is good now
        grant = self.block(channel, scope, cost_ms=cost, back_ms=back, ahead_ms=ahead)
        return 0 if grant.granted else max(1, grant.first_ms - ahead - grant.now_ms)

    def block(self, channel: str, scope: int, *, cost_ms: int, back_ms: int, ahead_ms: int) -> Grant:
        """Take ``cost_ms`` of a channel's time (GCRA), if it begins no later than ``ahead_ms`` from now.

        The time begins where the channel's last block ended, but after a rest no earlier than ``back_ms`` before now.
        A denied ask takes nothing and tells where it would have begun. A lost reply costs the block, no more.
        Raises ValueError for a name the column cannot hold and for times beyond 400 days.
        """
        _channel(channel)
        if not (0 < cost_ms <= FARTHEST_MS and 0 <= back_ms <= FARTHEST_MS and -back_ms <= ahead_ms <= FARTHEST_MS):
            raise ValueError(f"a block of {cost_ms} ms, {back_ms} back, {ahead_ms} ahead")
        p = {"channel": channel, "scope": scope, "cost": cost_ms, "back": back_ms, "ahead": ahead_ms}
        row = self._ask(lambda cursor: self._dialect.permits(cursor, p), again_after_duplicate=True)
        return Grant(bool(row[0]), int(row[1]), int(row[2])) if row is not None else Grant(False, 0, 0)

    def postpone(self, channel: str, scope: int, after_ms: int) -> None:
        """Let no block of the channel begin before ``after_ms`` from now, at most a day: the other side said so.

        Never brings a channel's next permit forward. Blocks that were granted before stay good.
        """
        _channel(channel)
        p = {"channel": channel, "scope": scope, "after": min(max(0, after_ms), POSTPONED_MS)}
        self._ask(lambda cursor: self._dialect.postpone(cursor, p), again_after_duplicate=True)

    def give_back(self, channel: str, scope: int, *, taken_ms: int, used_ms: int) -> bool:
        """Let a block that was to end at ``taken_ms`` end at ``used_ms``; False where another has begun after it."""
        p = {"channel": channel, "scope": scope, "taken": taken_ms, "used": used_ms}
        sent = False

        def work(cursor: Any) -> bool:  # once: after a lost reply the same end may be another client's
            nonlocal sent
            first, sent = not sent, True
            return first and self._dialect.one(cursor, "give_back", p) is not None

        return self._ask(work)

    def close(self) -> None:
        """Close the connection; the next operation opens it again."""
        self._link.close()

    def _seed(self, kind: str, scope: int, proto: int) -> None:
        if not (kind.isascii() and 0 < len(kind) <= 64):
            raise ValueError(f"not a kind: {kind!r}")
        self._insert("seed", {"kind": kind, "scope": scope, "proto": proto})

    def _insert(self, statement: str, p: Mapping[str, Any]) -> None:
        try:
            self._ask(lambda cursor: self._dialect.run(cursor, statement, p))
        except _DuplicateError:
            return  # another client, or our own lost first try, was quicker: the row is there

    def _end(self, operation: Callable[[Any, Mapping[str, Any]], Row | None], p: Mapping[str, Any]) -> bool:
        tries = 0

        def work(cursor: Any) -> bool:
            nonlocal tries
            tries += 1
            ended = operation(cursor, p) is not None
            # The first try may have been committed and its reply lost: then the journal has the very outcome.
            return ended or (tries > 1 and self._dialect.one(cursor, "done", p) is not None)

        return self._ask(work)

    def _ask(self, work: Callable[[Any], T], *, again_after_duplicate: bool = False) -> T:
        """Run ``work``; once more on a fresh connection, up to three times where the server broke a tie."""
        for left in reversed(range(TRIES)):
            try:
                return work(self._link.cursor())
            except Exception as error:
                again = self._judge(error, again_after_duplicate)
                if not again or not left:
                    raise unavailable(error) from error
                time.sleep(random.uniform(0.02, 0.2))  # noqa: S311
        raise AssertionError

    def _judge(self, error: Exception, again_after_duplicate: bool) -> bool:
        kind = reaction(error)
        if kind is Reaction.LOST:
            self._link.close()
        elif kind is Reaction.DEFECT:
            raise error
        elif kind is Reaction.BUSY:
            raise _LockedError("the database stayed locked", sent=False) from error
        elif kind is Reaction.DUPLICATE and not again_after_duplicate:
            raise _DuplicateError from error
        return kind in {Reaction.AGAIN, Reaction.LOST, Reaction.DUPLICATE}


class _LockedError(Unavailable):
    """A lock was not free in time; outside a claim it is what it says: unavailable."""


class _DuplicateError(Exception):
    pass


def _channel(name: str) -> None:
    if not (name.isascii() and 0 < len(name) <= 64):
        raise ValueError(f"not a channel: {name!r}")


def _fence(fence: Fence) -> dict[str, Any]:
    return {"kind": fence.kind, "scope": fence.scope, "fence": fence.number, "holder": fence.holder}


def _ending(outcome: str, counts: Mapping[str, int], note: str) -> dict[str, Any]:
    return {"outcome": outcome, "counts": json.dumps(dict(counts)), "note": _cut(note)}


def _cut(note: str) -> str:
    """Cut to what nvarchar(400) holds: UTF-16 units, so an emoji counts as two."""
    return note.encode("utf-16-le", "replace")[: 2 * NOTE].decode("utf-16-le", "ignore")


def _claim(kind: str, scope: int, interval_ms: int, proto: int, row: Row) -> Claim:
    granted, fence, eligible, now, attempt, started, paused, min_proto, blocked = row
    if granted:
        due = due_at(kind, scope, interval_ms, started)
        return Claim(True, fence, eligible, now, attempt, started, due)
    if paused:
        why = Denied.PAUSED
    elif min_proto > proto:
        why = Denied.PROTO
    elif blocked:
        why = Denied.ROLE
    else:
        why = Denied.WAIT if eligible > now else Denied.RACED
    return Claim(False, fence, eligible, now, attempt, started or 0, why=why)


def _seat_reply(scope: int, rows: Iterable[Row]) -> SeatReply:
    rows = list(rows)
    seats = [row for row in rows if row[0] == 0]
    holder, granted, fence, eligible, now = seats[0][1:] if seats else ("", 0, 0, 0, 0)
    present = sorted((Present(r[1], r[2], r[3]) for r in rows if r[0] == 1), key=lambda p: (p.role, p.client))
    slots = tuple(SlotDue(r[1], scope, r[2], bool(r[3]), bool(r[4])) for r in rows if r[0] == 2)
    return SeatReply(bool(granted), fence, eligible, now, tuple(present), slots, holder or None)
