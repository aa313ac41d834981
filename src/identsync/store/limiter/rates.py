"""Rates: permits of a channel that all clients share (GCRA), taken in blocks."""

from math import ceil, floor
from typing import Any

from identsync.spans import DAY_MS
from identsync.store.limiter.asking import Asking, LockedError
from identsync.store.limiter.records import Grant

POSTPONED_MS = DAY_MS  # what a Retry-After may ask of a channel: the next refusal says it again
FARTHEST_MS = 400 * DAY_MS


class Channels(Asking):
    """The limiter's operations on channels."""

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
        A denied ask takes nothing and tells where it would have begun; where the row was locked, times are 0. A lost
        reply costs the block, no more.

        Raises ValueError for a name the column cannot hold and for times beyond 400 days.
        """
        _channel(channel)
        if not (0 < cost_ms <= FARTHEST_MS and 0 <= back_ms <= FARTHEST_MS and -back_ms <= ahead_ms <= FARTHEST_MS):
            raise ValueError(f"a block of {cost_ms} ms, {back_ms} back, {ahead_ms} ahead")
        p = {"channel": channel, "scope": scope, "cost": cost_ms, "back": back_ms, "ahead": ahead_ms}
        try:
            row = self._ask(lambda cursor: self._dialect.permits(cursor, p), again_after_duplicate=True, patient=False)
        except LockedError:  # many ask at once: the caller waits without this thread
            row = None
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


def _channel(name: str) -> None:
    if not (name.isascii() and 0 < len(name) <= 64):
        raise ValueError(f"not a channel: {name!r}")
