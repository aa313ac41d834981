"""The limiter's operations, the same for every database."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from identsync.errors import NoDatabase
from identsync.store.limiter import turn as turns
from identsync.store.limiter.asking import LockedError
from identsync.store.limiter.dialect import Dialect, Row, Turn
from identsync.store.limiter.link import Link
from identsync.store.limiter.rates import Channels
from identsync.store.limiter.records import (
    LOCKED,
    Claim,
    ClaimAsk,
    Ending,
    Fence,
    Renewal,
    SeatAsk,
    SeatReply,
    TurnReply,
)
from identsync.store.limiter.turn import SEAT


class Limiter(Channels):
    """One connection to the limiter, used by one thread: the first that asks. Every operation is one round trip.

    Operations raise NoDatabase where the database did not answer: then nothing is known.
    """

    def __init__(self, dialect: Dialect, link: Link, *, jitter: Callable[[], float] = random.random) -> None:
        super().__init__(dialect, link)
        self._jitter = jitter

    def turn(
        self,
        client: str,
        role: int,
        *,
        seats: Sequence[SeatAsk] = (),
        endings: Sequence[Ending] = (),
        renewals: Sequence[Renewal] = (),
        claims: Sequence[ClaimAsk] = (),
    ) -> TurnReply:
        """Say all of it in one statement: at most 2 seats and 8 of each other, each slot at most once.

        A row that somebody holds costs only its own answer (LOCKED, None, Denied.BUSY). The seats' replies show the
        slots as they were before this turn. The first ask for a slot ever seeds it, due at once, by statements of its
        own. Raises ValueError, with nothing sent, for too many asks, two on one slot, or a kind that is not 1-64 ASCII
        letters.
        """
        turns.check(client, seats, endings, renewals, claims)
        asked = Turn(
            client,
            int(role),
            [turns.seat_row(each) for each in seats],
            [turns.ending_row(each, self._jitter()) for each in endings],
            [turns.renewal_row(each) for each in renewals],
            [turns.claim_row(each) for each in claims],
        )
        if not len(asked):
            return TurnReply()
        try:
            rows = self._ask(
                lambda cursor: self._dialect.turn(cursor, asked), again_after_duplicate=True, patient=False
            )
            return turns.reply(asked, self._seeded(asked, rows))
        except LockedError:
            if seats or len(asked) > 1:
                raise
            return turns.locked(asked)

    def seat(self, scope: int, client: str, role: int, *, lease_ms: int, presence_ttl_ms: int) -> SeatReply:
        """Stamp this client's presence in ``scope``; claim its seat if free or expired, renew it if ours.

        A director has a seat only while no administrator is present; an administrator takes a director's seat.
        """
        return self.turn(client, role, seats=[SeatAsk(scope, lease_ms, presence_ttl_ms)]).seats[0]

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
        """Ask to run (kind, scope) now; ``request`` is new for every ask, the same again after a lost reply."""
        ask = ClaimAsk(kind, scope, lease_ms, interval_ms, request, presence_ttl_ms, proto)
        return self.turn(holder, role, claims=[ask]).claims[0]

    def renew(self, fence: Fence, lease_ms: int) -> int | None:
        """Extend the lease to ``lease_ms`` from now; milliseconds that remain, or None if the run is lost."""
        remaining = self.turn(fence.holder, 0, renewals=[Renewal(fence, lease_ms)]).renewals[0]
        if remaining is LOCKED:
            raise _held()
        return remaining

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
        """End a run and its journal row together, as Ending says; False if the fence is stale: nothing was changed."""
        return self._end(Ending(fence, interval_ms, outcome, counts, note, retry_ms))

    def release(self, fence: Fence, *, outcome: str = "released") -> bool:
        """Hand a run over unfinished: the slot is due at once; False if the fence is stale."""
        return self._end(Ending(fence, 1, outcome, {}, "", release=True))

    def leave(self, client: str, scopes: Iterable[int]) -> None:
        """Give up this client's seats, free at once, and its presence."""
        for scope in scopes:
            p = {"scope": scope, "client": client}
            self._ask(partial(self._dialect.leave, p=p))

    def _end(self, ending: Ending) -> bool:
        ended = self.turn(ending.fence.holder, 0, endings=[ending]).endings[0]
        if ended is None:
            raise _held()
        return ended

    def _seeded(self, asked: Turn, rows: list[Row]) -> list[Row]:
        """Seed the slots that are not there and ask again for them, once in the life of a slot."""
        seats, claims = turns.unseeded(asked, rows)
        if not seats and not claims:
            return rows
        for i in seats:
            self._insert("seed", {"kind": SEAT, "scope": asked.seats[i][0], "proto": 1})
        for i in claims:
            kind, scope, proto = asked.claims[i][0], asked.claims[i][1], asked.claims[i][6]
            self._insert("seed", {"kind": kind, "scope": scope, "proto": proto})
        rest = turns.again(asked, seats, claims)
        more = self._ask(lambda cursor: self._dialect.turn(cursor, rest), again_after_duplicate=True)
        for i in seats:
            p = {"scope": asked.seats[i][0], "ttl": asked.seats[i][2]}
            self._ask(partial(self._dialect.run, statement="forget", p=p))
        return turns.merged(rows, more, seats, claims)


def _held() -> NoDatabase:
    return LockedError("the row is locked", sent=False)
