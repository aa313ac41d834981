"""A channel's statements on every database: beside their model, with rows locked and replies lost."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update

from engine.permits_world import Ledger
from identsync.store import Store, open_store
from identsync.store.limiter import Grant, Limiter
from identsync.store.tables import rate_slot


class Twins:
    """The ledger and a database's limiter with one clock between them: they must say the same."""

    def __init__(self, store: Store) -> None:
        self.now = 1_800_000_000_000
        self.store = store
        self.limiter = store.limiter()

    def begin(self) -> None:
        self.ledger = Ledger(lambda: self.now)
        with self.store.write() as connection:
            connection.execute(delete(rate_slot))

    def move(self, ms: int) -> None:
        self.now += ms
        with self.store.write() as connection:
            connection.execute(text("UPDATE test_clock SET now_ms=:now"), {"now": self.now})

    def both(self, name: str, *values: object, **named: object) -> object:
        answers = [getattr(each, name)(*values, **named) for each in (self.ledger, self.limiter)]
        assert answers[0] == answers[1]
        return answers[0]


@pytest.fixture
def twins(store_url: str) -> Iterator[Twins]:
    store = open_store(store_url)
    with store.write() as connection:
        connection.execute(text("CREATE TABLE test_clock (now_ms bigint NOT NULL)"))
        connection.execute(text("INSERT INTO test_clock VALUES (0)"))
    store.close()
    store = open_store(store_url, clock="(SELECT now_ms FROM test_clock)")
    yield Twins(store)
    store.close()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.sampled_from([1, 40, 700, 5_000, 100_000, -500, -9_000, -3_600_000])),
        st.tuples(st.just("block"), st.sampled_from([1, 50, 1_000, 40_000]), st.sampled_from([0, 950, 86_400_000])),
        st.tuples(st.just("postpone"), st.sampled_from([-5, 0, 3_000, 3_600_000, 10**30])),
        st.tuples(st.just("give_back"), st.integers(0, 1_000)),
    ),
    max_size=30,
)


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
def test_the_statements_answer_as_the_model(twins: Twins, steps: list[tuple[object, ...]]) -> None:
    twins.begin()
    ends = [0]
    for name, *values in steps:
        match name, values:
            case "move", [int(ms)]:
                twins.move(ms)
            case "block", [int(cost), int(back)]:
                grant = twins.both("block", "sms", 0, cost_ms=cost, back_ms=back, ahead_ms=60_000)
                ends += [grant.first_ms + cost] if grant.granted else []  # type: ignore[attr-defined]
            case "postpone", [int(after)]:
                twins.both("postpone", "sms", 0, after)
            case "give_back", [int(ms)]:
                twins.both("give_back", "sms", 0, taken_ms=ends[-1], used_ms=ends[-1] - ms)


@pytest.mark.postgresql
def test_a_locked_channel_does_not_keep_the_asking_thread(clone: Callable[[str], str]) -> None:
    store = open_store(clone("postgresql"))
    limiter, ask = store.limiter(), {"cost_ms": 50, "back_ms": 0, "ahead_ms": 1_000}
    assert limiter.block("sms", 0, **ask).granted
    with store.write() as connection:
        connection.execute(update(rate_slot).values(stamp_ms=rate_slot.c.stamp_ms))
        assert limiter.block("sms", 0, **ask) == Grant(False, 0, 0)
    assert limiter.block("sms", 0, **ask).granted
    store.close()


class GoneError(Exception):
    sqlstate = "08006"


@pytest.fixture
def lossy(store: Store, monkeypatch: pytest.MonkeyPatch) -> Limiter:
    """A limiter whose first reply is lost after the database has done what it was asked."""
    limiter, lost = store.limiter(), []
    real = limiter._link.cursor

    class Cursor:
        def __init__(self, cursor: Any) -> None:
            self._cursor = cursor

        def fetchall(self) -> list[Any]:
            rows: list[Any] = self._cursor.fetchall()
            if not lost and rows:
                lost.append(rows)
                raise GoneError
            return rows

        def __getattr__(self, name: str) -> Any:
            return getattr(self._cursor, name)

    limiter.block("warm", 0, cost_ms=1, back_ms=0, ahead_ms=0)
    monkeypatch.setattr(limiter._link, "cursor", lambda: Cursor(real()))
    return limiter


def tat(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(select(rate_slot.c.tat_ms).where(rate_slot.c.channel == "sms")).scalar_one())


def test_a_lost_reply_costs_a_block_and_is_not_given_back_twice(store: Store, lossy: Limiter) -> None:
    other = open_store(store.engine.url.render_as_string(hide_password=False))
    first = other.limiter().block("sms", 0, cost_ms=1_000, back_ms=0, ahead_ms=10_000)
    end = first.first_ms + 1_000
    assert not lossy.give_back("sms", 0, taken_ms=end, used_ms=end - 400)  # done, and nobody heard of it
    assert tat(store) == end - 400
    again = other.limiter().block("sms", 0, cost_ms=400, back_ms=0, ahead_ms=10_000)
    assert (again.granted, again.first_ms) == (True, end - 400)
    assert tat(store) == end
    other.close()


def test_an_ask_whose_reply_is_lost_is_asked_again(store: Store, lossy: Limiter) -> None:
    begun = store.now_ms()
    grant = lossy.block("sms", 0, cost_ms=1_000, back_ms=0, ahead_ms=10_000)
    assert grant.granted
    assert grant.first_ms >= begun + 999
    assert tat(store) == grant.first_ms + 1_000


def test_a_store_refuses_what_its_columns_cannot_hold(store: Store) -> None:
    limiter, good = store.limiter(), {"cost_ms": 1, "back_ms": 0, "ahead_ms": 0}
    for bad in ({"cost_ms": 0}, {"cost_ms": 10**18}, {"back_ms": -1}, {"ahead_ms": 10**18}, {"ahead_ms": -1}):
        with pytest.raises(ValueError, match="block"):
            limiter.block("sms", 0, **good | bad)
    with pytest.raises(ValueError, match="channel"):
        limiter.block("смс", 0, **good)
    with pytest.raises(ValueError, match="channel"):
        limiter.postpone("x" * 65, 0, 1)
