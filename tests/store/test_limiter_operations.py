"""The limiter's operations beyond the twelve rules: roles, back-off, lost replies, mistakes, connections."""

import sqlite3
import threading

import pytest
from limiter_asks import ASK, BreakOnce, claim, effect, effects, finish, granted, set_slot
from sqlalchemy import text, update

from identsync.store import Denied, open_store, slots
from identsync.store.limiter import next_due
from identsync.store.limiter.records import SeatAsk
from identsync.store.tables import presence


def test_a_failed_block_commits_nothing(store):
    fence = granted(store)

    def half_done() -> None:
        with store.write(fence) as connection:
            effect(connection, "half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_done()
    assert effects(store) == []


def test_a_lost_reply_costs_no_interval(store):
    """Ambiguous claim: the connection breaks after the commit; the same request gets the same fence."""
    limiter = store.limiter()
    claim(store, "somebody")  # seeds
    set_slot(store, eligible_ms=0)
    once = BreakOnce(limiter)
    answer = claim(store, "me")
    assert once.broke
    assert answer.granted
    assert answer.fence == 2
    assert answer.attempt == 2


def test_a_finish_whose_reply_was_lost_is_a_finish(store):
    fence = granted(store)
    once = BreakOnce(store.limiter())
    assert finish(store, fence)
    assert once.broke


def test_roles(store):
    limiter = store.limiter()
    assert claim(store, role=2).why is Denied.ROLE
    director = granted(store, "director", role=1)
    assert finish(store, director, retry_ms=0)
    limiter.seat(7, "admin", 0, lease_ms=5_000, presence_ttl_ms=60_000)
    assert claim(store, "director", role=1).why is Denied.ROLE
    assert not limiter.seat(7, "director", 1, lease_ms=5_000, presence_ttl_ms=60_000).granted
    limiter.leave("admin", [7])
    assert limiter.seat(7, "director", 1, lease_ms=5_000, presence_ttl_ms=60_000).granted
    assert claim(store, "director", role=1).granted
    back = limiter.seat(7, "admin", 0, lease_ms=5_000, presence_ttl_ms=60_000)
    assert (back.granted, back.holder) == (True, "admin")  # a director may do nothing now, so he keeps no seat either


def test_who_sleeps_longer_than_the_presence_lasts_is_in_the_crowd_until_he_leaves(store):
    limiter = store.limiter()
    ask = {"lease_ms": 10_000, "presence_ttl_ms": 60_000}
    for name in ("a", "b", "c", "d", "e"):
        limiter.seat(7, name, 0, **ask)
    assert limiter.seat(8, "other", 0, **ask).granted
    with store.write() as connection:
        for name, minutes in (("b", 2), ("c", 11), ("d", 13)):
            asleep = update(presence).where(presence.c.scope == 7, presence.c.client == name)
            connection.execute(asleep.values(seen_ms=store.now_ms() - minutes * 60_000))
    reply = limiter.seat(7, "e", 0, **ask)
    assert ([p.client for p in reply.present], reply.crowd) == (["a", "e"], 4)
    limiter.leave("c", [7])
    assert limiter.turn("e", 0, seats=[SeatAsk(7, 10_000, 60_000), SeatAsk(8, 10_000, 60_000)]).seats[0].crowd == 3


def test_backoff_grows_and_never_passes_the_grid(store):
    waits = []
    for _ in range(9):
        fence = granted(store, interval_ms=86_400_000)
        assert finish(store, fence, "failed", interval_ms=86_400_000, note="boom")
        denied = claim(store, interval_ms=86_400_000)
        waits.append((denied.eligible_ms - denied.now_ms, denied.now_ms))
        set_slot(store, eligible_ms=0)
    for attempt, (wait, now) in enumerate(waits, 1):
        grid = next_due("room/site", 7, 86_400_000, now) - now
        assert min(grid, 800 * 2**attempt) - 100 <= wait <= min(grid, 1200 * 2**attempt)
    fence = granted(store)
    assert finish(store, fence)
    assert claim(store).attempt == 0


def test_retry_after_is_obeyed_beyond_the_interval(store):
    """429 with Retry-After of two days on a task of one minute: the horizon does not heal it away."""
    assert finish(store, granted(store), "later", retry_ms=172_800_000)
    denied = claim(store)
    assert denied.why is Denied.WAIT
    assert denied.eligible_ms - denied.now_ms > 172_000_000


def test_notes_are_cut_to_the_column(store):
    fence = granted(store)
    assert finish(store, fence, "failed", note="я" * 399 + "🦷" * 10, counts={"sent": 1})
    with store.read() as connection:
        run = slots.journal(connection, 1)[0]
        view = slots.overview(connection)[0]
    assert run.note == "я" * 399
    assert view.last_error == run.note
    assert run.counts == {"sent": 1}


@pytest.mark.parametrize("kind", ["", "k" * 65, "заявки"])
def test_a_kind_the_column_cannot_hold_is_refused(store, kind):
    with pytest.raises(ValueError, match="kind"):
        store.limiter().claim(kind, 1, **ASK, holder="me", request="r")


def test_permits_beyond_a_burst_are_a_mistake(store):
    with pytest.raises(ValueError, match="burst"):
        store.limiter().permits("sms", 0, 11, period_ms=10, burst=10)


def test_a_limiter_belongs_to_one_thread(store):
    limiter, caught = store.limiter(), []
    claim(store)

    def work() -> None:
        try:
            limiter.claim("room/site", 7, **ASK, holder="me", request="r")
        except RuntimeError as error:
            caught.append(error)
        assert store.limiter() is not limiter

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert caught


@pytest.mark.postgresql
def test_the_limiter_comes_back_after_the_server_cut_its_connection(store):
    if store.dialect != "postgresql":
        pytest.skip("SQLite has no server")
    fence = granted(store)
    pid = store.limiter()._link.cursor().connection.info.backend_pid
    with store.write() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    assert store.limiter().renew(fence, 5_000) == 5_000
    store.limiter()._link._connection.driver_connection.pgconn.finish()  # a dead socket, noticed at the next ask
    assert store.limiter().renew(fence, 5_000) == 5_000


def test_one_statement_per_check(store):
    """A claim, denied or granted, is one statement on PostgreSQL; on SQLite there is no wire to count."""
    claim(store, "somebody")
    limiter = store.limiter()
    counting = Counting(limiter._link.cursor())
    limiter._link._cursor = counting
    claim(store)
    denied = counting.statements
    set_slot(store, eligible_ms=0)
    claim(store)
    assert (denied, counting.statements - denied) == ((1, 1) if store.dialect == "postgresql" else (1, 5))


class Counting:
    def __init__(self, cursor) -> None:
        self._cursor, self.statements = cursor, 0

    def execute(self, *arguments):
        self.statements += 1
        return self._cursor.execute(*arguments)

    def __getattr__(self, name):
        return getattr(self._cursor, name)


def test_sqlites_failed_commit_leaves_no_transaction_open(clone):
    """As on a full disk: what could not be committed is undone, and the next ask finds its connection free."""
    store = open_store(clone("sqlite"))
    claim(store)
    set_slot(store, eligible_ms=0)
    with store.write() as connection:
        for statement in (
            "CREATE TABLE nobody (id INTEGER PRIMARY KEY)",
            "CREATE TABLE orphan (parent REFERENCES nobody DEFERRABLE INITIALLY DEFERRED)",
            "CREATE TRIGGER spoils AFTER UPDATE ON task_slot BEGIN INSERT INTO orphan VALUES (1); END",
        ):
            connection.exec_driver_sql(statement)
    store.limiter()._link.cursor().execute("PRAGMA foreign_keys=ON")  # checked at the commit
    with pytest.raises(sqlite3.IntegrityError):
        claim(store)
    with store.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER spoils")
    assert claim(store).granted
    store.close()
