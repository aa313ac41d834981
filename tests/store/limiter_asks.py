"""Short ways of saying what the limiter's tests say: one slot, room/site of branch 7, due each minute."""

from dataclasses import replace
from uuid import uuid4

from sqlalchemy import insert, select, update

from identsync.store import Fence, SeatReply
from identsync.store.tables import mirror_stream, task_slot

MINUTE = 60_000
ASK = {"role": 0, "lease_ms": 5_000, "interval_ms": MINUTE, "presence_ttl_ms": 60_000}


def claim(store, holder="me", **changes):
    p = ASK | {"holder": holder, "request": uuid4().hex} | changes
    return store.limiter().claim("room/site", 7, **p)


def granted(store, holder="me", **changes) -> Fence:
    answer = claim(store, holder, **changes)
    assert answer.granted
    return Fence.of("room/site", 7, answer, holder)


def finish(store, fence, outcome="ok", **changes) -> bool:
    p = {"interval_ms": MINUTE, "outcome": outcome, "counts": {}, "note": ""} | changes
    return store.limiter().finish(fence, **p)


def in_order(reply: SeatReply) -> SeatReply:
    """A database names the slots as they happen to lie in it: PostgreSQL's vacuum changes that."""
    return replace(reply, slots=tuple(sorted(reply.slots, key=lambda slot: (slot.scope, slot.kind))))


def set_slot(store, **values) -> None:
    with store.write() as connection:
        connection.execute(update(task_slot).values(**values))


def effect(connection, name) -> None:
    connection.execute(insert(mirror_stream).values(stream=name, scope=7, changed_ms=0))


def effects(store) -> list[str]:
    with store.read() as connection:
        return sorted(connection.execute(select(mirror_stream.c.stream)).scalars())


class BreakOnce:
    """Breaks the next turn: lets it through to the database and loses its reply, or fails in its stead."""

    def __init__(self, limiter, instead=None) -> None:
        self._dialect, self._instead, self.broke = limiter._dialect, instead, False
        limiter._dialect = self

    def __getattr__(self, name):
        return getattr(self._dialect, name)

    def turn(self, cursor, turn):
        if self.broke:
            return self._dialect.turn(cursor, turn)
        self.broke = True
        if self._instead is None:
            self._dialect.turn(cursor, turn)
        raise self._instead or LostConnection


class LostConnection(Exception):
    sqlstate = "08006"
