"""Turns: many asks in one statement answer as one by one, meet each other without harm, and wait for nobody."""

import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from limiter_asks import in_order
from sqlalchemy import delete, select, text, update

from identsync.errors import Unavailable
from identsync.store import Denied, Fence, Store, open_store
from identsync.store.limiter import LOCKED, ClaimAsk, Ending, Limiter, Renewal, SeatAsk, TurnReply
from identsync.store.tables import presence, run_log, task_slot

MINUTE = 60_000
SLOTS = [("x/one", 7), ("x/two", 7), ("x/three", 0), ("x/four", 7)]
SEAT = SeatAsk(7, 5_000, MINUTE)


def ask(kind: str, scope: int = 7, request: str = "r", lease_ms: int = 5_000) -> ClaimAsk:
    return ClaimAsk(kind, scope, lease_ms, MINUTE, request, MINUTE)


def ending(fence: Fence, outcome: str = "ok") -> Ending:
    return Ending(fence, MINUTE, outcome, {"sent": 1}, "")


def held(store: Store, client: str, *kinds: str) -> list[Fence]:
    """Slots of branch 7 that ``client`` runs."""
    reply = store.limiter().turn(client, 0, claims=[ask(kind, request=client) for kind in kinds])
    assert all(claim.granted for claim in reply.claims)
    return [Fence.of(kind, 7, claim, client) for kind, claim in zip(kinds, reply.claims, strict=True)]


def rows(store: Store, table: Any) -> list[tuple[Any, ...]]:
    with store.read() as connection:
        return sorted(map(tuple, connection.execute(select(table))), key=repr)


def make_due(store: Store) -> None:
    with store.write() as connection:
        connection.execute(update(task_slot).values(eligible_ms=0))


def test_a_turn_carries_everything_at_once(store: Store) -> None:
    ended, renewed = held(store, "me", "x/ended", "x/renewed")
    limiter = store.limiter()
    [claim] = limiter.turn("me", 0, seats=[SEAT], claims=[ask("x/claimed", request="before")]).claims
    limiter.release(Fence.of("x/claimed", 7, claim, "me"))
    reply = limiter.turn(
        "me", 0, seats=[SEAT], endings=[ending(ended)], renewals=[Renewal(renewed, 9_000)], claims=[ask("x/claimed")]
    )
    assert (reply.endings, reply.renewals) == ((True,), (9_000,))
    assert (reply.claims[0].granted, reply.claims[0].fence) == (True, 2)
    seat = reply.seats[0]
    assert (seat.granted, seat.holder, [p.client for p in seat.present]) == (True, "me", ["me"])
    assert {slot.kind: slot.held for slot in seat.slots} == {  # as it was before the turn
        "x/ended": True, "x/renewed": True, "x/claimed": False,
    }  # fmt: skip
    with store.read() as connection:
        query = select(run_log.c.kind, run_log.c.fence, run_log.c.outcome).order_by(run_log.c.kind, run_log.c.fence)
        assert connection.execute(query).all() == [
            ("x/claimed", 1, "released"),
            ("x/claimed", 2, "running"),
            ("x/ended", 1, "ok"),
            ("x/renewed", 1, "running"),
        ]


def test_whoever_asks_for_a_seat_is_told_what_nobody_has_run_for_the_network(store: Store) -> None:
    """Only who leads a branch asks for the network's seat, and all of them may lack what its task needs."""
    limiter = store.limiter()
    for kind in ("x/done", "x/neglected", "x/paused"):
        [claim] = limiter.turn("other", 0, claims=[ask(kind, scope=0)]).claims
        limiter.finish(
            Fence.of(kind, 0, claim, "other"), interval_ms=MINUTE, outcome="ask", counts={}, note="",
            retry_ms=0 if kind == "x/done" else -10_100,
        )  # fmt: skip
    with store.write() as connection:
        connection.execute(update(task_slot).where(task_slot.c.kind == "x/paused").values(paused=1))
    [mine] = held(store, "other", "x/mine")
    [reply] = limiter.turn("me", 0, seats=[SEAT]).seats
    assert [(slot.kind, slot.scope) for slot in reply.slots] == [("x/neglected", 0), (mine.kind, 7)]
    both = limiter.turn("me", 0, seats=[SEAT, SeatAsk(0, 5_000, MINUTE)]).seats
    assert [[slot.kind for slot in reply.slots] for reply in both] == [
        ["x/neglected", "x/mine"], ["x/done", "x/neglected", "x/paused"],
    ]  # fmt: skip


def test_a_turn_with_nothing_to_say_says_nothing(store: Store) -> None:
    limiter = store.limiter()
    assert limiter.turn("me", 0) == TurnReply()
    assert limiter._link._cursor is None


def test_a_stale_ending_or_renewal_spoils_nothing_else(store: Store) -> None:
    [old, mine] = held(store, "me", "x/old", "x/mine")
    make_due(store)
    held(store, "heir", "x/old")
    other = Fence("x/mine", 7, 7, "me", mine.started_ms)
    reply = store.limiter().turn(
        "me", 0, endings=[ending(old)], renewals=[Renewal(other, 9_000)], claims=[ask("x/new")]
    )
    assert (reply.endings, reply.renewals, reply.claims[0].granted) == ((False,), (None,), True)
    assert store.limiter().turn("me", 0, endings=[ending(mine)]).endings == (True,)


def test_an_ending_whose_reply_was_lost_is_found_written(store: Store) -> None:
    [fence] = held(store, "me", "x/one")
    limiter = store.limiter()
    assert limiter.turn("me", 0, endings=[ending(fence)]).endings == (True,)
    make_due(store)
    held(store, "heir", "x/one")
    before = rows(store, task_slot)
    assert limiter.turn("me", 0, endings=[ending(fence)], seats=[SEAT]).endings == (True,)
    assert limiter.turn("me", 0, endings=[ending(fence, "failed")]).endings == (False,)
    assert [row for row in rows(store, task_slot) if row[0] != "seat"] == before


@pytest.mark.parametrize(
    "asks",
    [
        {"claims": [ask("x/one"), ask("x/one")]},
        {"claims": [ask("x/one")], "renewals": [Renewal(Fence("x/one", 7, 1, "me", 0), 1)]},
        {"claims": [ask(f"x/{n}") for n in range(9)]},
        {"seats": [SEAT, SeatAsk(0, 1, 1), SeatAsk(8, 1, 1)]},
        {"seats": [SEAT], "claims": [ask("seat")]},
        {"claims": [ask("x/one"), ask("заявки")]},
        {"endings": [ending(Fence("x/one", 7, 1, "somebody else", 0))]},
    ],
)
def test_a_mistaken_turn_is_refused_before_anything_is_sent(store: Store, asks: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"turn|kind|client"):
        store.limiter().turn("me", 0, **asks)
    assert rows(store, task_slot) == []


# -- the same as one by one ------------------------------------------------------------------------------------------


@pytest.fixture
def twins(clone: Any, request: pytest.FixtureRequest) -> Iterator[tuple[Store, Store]]:
    """Two databases of one kind whose clocks stand still."""
    with clocked(clone(request.param)) as one, clocked(clone(request.param)) as two:
        yield one, two


@contextmanager
def clocked(url: str) -> Iterator[Store]:
    store = open_store(url, clock="1800000000123")
    store.limiter()._jitter = lambda: 0.5
    yield store
    store.close()


def one_by_one(limiter: Limiter, client: str, role: int, **asks: Any) -> TurnReply:
    """Say it in turns of one ask."""
    replies = {
        part: [limiter.turn(client, role, **{part: [each]}) for each in each_of] for part, each_of in asks.items()
    }
    return TurnReply(**{part: tuple(getattr(reply, part)[0] for reply in found) for part, found in replies.items()})


def ordered(reply: TurnReply) -> TurnReply:
    return replace(reply, seats=tuple(map(in_order, reply.seats)))


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Turns of two clients: for each, what becomes of every slot."""
    what = st.sampled_from(["claim", "claim", "end", "fail", "release", "renew", ""])
    return [
        {"client": draw(st.sampled_from("ab")), "seat": draw(st.booleans()), "slots": draw(st.tuples(*[what] * 4))}
        for _ in range(draw(st.integers(1, 6)))
    ]


@pytest.mark.parametrize("twins", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
@settings(max_examples=25, suppress_health_check=list(HealthCheck), deadline=None, database=None)
@given(history=histories())
def test_a_turn_of_many_is_as_turns_of_one(twins: tuple[Store, Store], history: list[dict[str, Any]]) -> None:
    many, single = twins
    for store in twins:
        with store.write() as connection:
            for table in (task_slot, run_log, presence):
                connection.execute(delete(table))
        held(store, "seeder", *(kind for kind, scope in SLOTS if scope == 7))
        store.limiter().turn("seeder", 0, seats=[SEAT], claims=[ask("x/three", 0, "seeder")])
        make_due(store)
    fences: dict[tuple[str, str, int], Fence] = {}
    for number, turn in enumerate(history):
        asks, client = asked(turn, number, fences), turn["client"]
        reply = many.limiter().turn(client, 0, **asks)
        assert ordered(one_by_one(single.limiter(), client, 0, **asks)) == ordered(reply)
        for claim, slot in zip(reply.claims, asks["claims"], strict=True):
            fences[client, slot.kind, slot.scope] = Fence.of(slot.kind, slot.scope, claim, client)
    for table in (task_slot, run_log, presence):
        assert rows(many, table) == rows(single, table)


def asked(turn: dict[str, Any], number: int, fences: dict[tuple[str, str, int], Fence]) -> dict[str, Any]:
    client, asks = turn["client"], {"seats": [SEAT] * turn["seat"], "endings": [], "renewals": [], "claims": []}
    for (kind, scope), what in zip(SLOTS, turn["slots"], strict=True):
        fence = fences.get((client, kind, scope), Fence(kind, scope, 1, client, 0))
        if what == "claim":
            asks["claims"].append(ask(kind, scope, f"{client}{number}"))
        elif what == "renew":
            asks["renewals"].append(Renewal(fence, 7_000))
        elif what:
            outcome = {"end": "ok", "fail": "failed", "release": "released"}[what]
            asks["endings"].append(Ending(fence, MINUTE, outcome, {}, "why", release=what == "release"))
    return asks


# -- many at once ----------------------------------------------------------------------------------------------------


def test_dbscheduler_348_overlapping_turns_in_opposite_orders_grant_each_slot_once(store: Store) -> None:
    """No deadlock, no double grant, no slot left lying, however the two meet."""
    kinds = [f"x/{n}" for n in range(4)]
    held(store, "seeder", *kinds)
    rounds, granted, failures = 25, [], []
    start, end = threading.Barrier(3), threading.Barrier(3)

    def work(client: str, order: list[str]) -> None:
        limiter = store.limiter()
        try:
            for n in range(rounds):
                start.wait(30)
                claims = [ask(kind, request=f"{client}{n}") for kind in order]
                reply = limiter.turn(client, 0, seats=[SEAT], claims=claims)
                granted.extend(kind for kind, claim in zip(order, reply.claims, strict=True) if claim.granted)
                assert {c.why for c in reply.claims} <= {None, Denied.WAIT, Denied.BUSY, Denied.RACED}
                end.wait(30)
        except BaseException as error:
            failures.append(error)
            start.abort()
            end.abort()
        limiter.close()

    threads = [threading.Thread(target=work, args=pair) for pair in (("a", kinds), ("b", kinds[::-1]))]
    for thread in threads:
        thread.start()
    for _ in range(rounds):
        make_due(store)
        granted.clear()
        start.wait(30)
        end.wait(30)
        assert sorted(granted) == kinds
    for thread in threads:
        thread.join(30)
    assert failures == []


@pytest.mark.postgresql
def test_a_row_held_by_an_open_effect_costs_only_its_own_answer(store: Store) -> None:
    if store.dialect != "postgresql":
        pytest.skip("SQLite locks the whole file")
    [slow, renewed, ended] = held(store, "slow", "x/slow", "x/renewed", "x/ended")
    limiter = store.limiter()
    limiter.turn("slow", 0, seats=[SEAT])
    with store.write(slow):
        began = time.monotonic()
        reply = limiter.turn("slow", 0, seats=[SEAT], endings=[ending(ended)], renewals=[Renewal(slow, 9_000)])
        assert (reply.seats[0].granted, reply.endings, reply.renewals) == (True, (True,), (LOCKED,))
        reply = limiter.turn("slow", 0, endings=[ending(slow)], renewals=[Renewal(renewed, 9_000)])
        assert (reply.endings, reply.renewals) == ((None,), (9_000,))
        assert limiter.turn("slow", 0, renewals=[Renewal(slow, 9_000)]).renewals == (LOCKED,)
        again = ask("x/slow", request="slow")
        reply = limiter.turn("slow", 0, seats=[SEAT], claims=[again, ask("x/new")])
        assert [claim.why for claim in reply.claims] == [Denied.BUSY, None]
        assert time.monotonic() - began < 2  # less than the shortest lease of a seat
    assert limiter.turn("slow", 0, endings=[ending(slow)]).endings == (True,)


@pytest.mark.postgresql
def test_a_client_frozen_in_a_write_loses_the_row(postgres_url: str) -> None:
    """The server ends its transaction, else a sleeping laptop would hold the slot for ever (20 s; here 0.2 s)."""
    store = open_store(postgres_url)
    store.migrate()
    [frozen] = held(store, "frozen", "x/one")
    make_due(store)
    with pytest.raises(Unavailable):
        write_and_freeze(store, frozen)
    assert held_again(store) is False  # it was granted while the other was frozen
    assert rows(store, task_slot)[0][4] == 2
    store.close()


def write_and_freeze(store: Store, fence: Fence) -> None:
    with store.write(fence) as connection:
        assert connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar() == "20s"
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout=200"))
        until = time.monotonic() + 20
        while not held_again(store) and time.monotonic() < until:
            threading.Event().wait(0.05)
        connection.execute(text("SELECT 1"))


def held_again(store: Store) -> bool:
    return store.limiter().turn("heir", 0, claims=[ask("x/one", request=uuid4().hex)]).claims[0].granted


# -- on the wire -----------------------------------------------------------------------------------------------------


@pytest.mark.postgresql
@pytest.mark.skipif(sys.platform != "linux", reason="libpq's trace is for Linux only")
def test_every_turn_is_one_statement(clone: Any, tmp_path: Any) -> None:
    """Counted by libpq: one Execute and one round trip a turn; once in a text's life one more trip, to plan it."""
    store = open_store(clone("postgresql"))
    [fence, other] = held(store, "me", "x/one", "x/two")
    limiter = store.limiter()
    limiter.turn("me", 0, seats=[SEAT])
    turns = [
        {"claims": [ask("x/one", request="denied")]},
        {"renewals": [Renewal(fence, 5_000)]},
        {"seats": [SEAT]},
        {"seats": [SEAT], "endings": [ending(fence)], "claims": [ask("x/two", request="more")], "renewals": []},
        {"endings": [ending(other, "failed")]},
        {"claims": [ask("x/one", request="granted")]},
    ]
    make_due(store)
    for turn in turns:
        for repeats, plans in ((1, 0), (11, 1)):
            executed, trips = sent(limiter, tmp_path / "trace", [turn] * repeats)
            assert executed == repeats
            assert trips - repeats <= plans
    store.close()


def sent(limiter: Limiter, path: Any, turns: list[dict[str, Any]]) -> tuple[int, int]:
    """Statements executed and round trips made by these turns."""
    pgconn = limiter._link.cursor().connection.pgconn
    with path.open("w+b") as file:
        pgconn.trace(file.fileno())
        for turn in turns:
            limiter.turn("me", 0, **turn)
        pgconn.untrace()
        file.seek(0)
        left = re.findall(r"\tF\t\d+\t(\w+)", file.read().decode())
    return left.count("Execute") + left.count("Query"), left.count("Sync") + left.count("Query")
