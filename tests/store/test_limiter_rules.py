"""The limiter's rules one by one, on real databases; names say which public bug a rule answers."""

import threading
from contextlib import suppress
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select, text, update

from identsync.errors import StaleFence, Unavailable
from identsync.store import Claim, Denied, Fence, slots
from identsync.store.limiter import due_at, next_due, phase_ms
from identsync.store.tables import mirror_stream, task_slot

MINUTE = 60_000
ASK = {"role": 0, "lease_ms": 5_000, "interval_ms": MINUTE, "presence_ttl_ms": 60_000}


def claim(store, holder="me", **changes):
    p = ASK | {"holder": holder, "request": uuid4().hex} | changes
    return store.limiter().claim("room/site", 7, **p)


def granted(store, holder="me", **changes) -> Fence:
    answer = claim(store, holder, **changes)
    assert answer.granted
    return Fence("room/site", 7, answer.fence, holder)


def finish(store, fence, outcome="ok", **changes) -> bool:
    p = {"interval_ms": MINUTE, "outcome": outcome, "counts": {}, "note": ""} | changes
    return store.limiter().finish(fence, **p)


def set_slot(store, **values) -> None:
    with store.write() as connection:
        connection.execute(update(task_slot).values(**values))


def effect(connection, name) -> None:
    connection.execute(insert(mirror_stream).values(stream=name, scope=7, changed_ms=0))


def effects(store) -> list[str]:
    with store.read() as connection:
        return sorted(connection.execute(select(mirror_stream.c.stream)).scalars())


def test_shedlock_6_a_slot_is_excluded_until_due_not_only_while_it_runs(store):
    assert finish(store, granted(store))
    again = claim(store)
    assert not again.granted
    assert again.why is Denied.WAIT
    assert again.eligible_ms == next_due("room/site", 7, MINUTE, again.now_ms)


def test_pgboss_914_rearm_from_winner(store):
    winner = claim(store, "winner")
    loser = claim(store, "loser")
    assert (loser.fence, loser.eligible_ms) == (winner.fence, winner.eligible_ms)
    assert 0 < loser.eligible_ms - loser.now_ms <= 5_000


def test_oban_1488_a_lease_that_ended_is_not_renewed(store):
    fence = granted(store)
    set_slot(store, eligible_ms=store.now_ms() - 1)
    assert store.limiter().renew(fence, 5_000) is None


def test_oban_py_32_a_new_start_of_the_same_computer_is_another_holder(store):
    old = granted(store, "start1")
    set_slot(store, eligible_ms=0)
    new = granted(store, "start2")
    limiter = store.limiter()
    assert limiter.renew(old, 5_000) is None
    assert limiter.renew(Fence(old.kind, old.scope, new.number, "start1"), 5_000) is None
    assert limiter.renew(new, 5_000) == 5_000


def test_a_stale_finish_changes_nothing(store):
    old = granted(store, "zombie")
    set_slot(store, eligible_ms=0)
    new = granted(store, "heir")
    with store.read() as connection:
        before = connection.execute(select(task_slot)).all()
    assert not finish(store, old)
    assert not store.limiter().release(old)
    with store.read() as connection:
        assert connection.execute(select(task_slot)).all() == before
    assert finish(store, new)
    assert finish(store, new)  # found written: the first reply may have been lost
    assert not finish(store, new, "failed")


def test_a_zombie_writes_nothing(store):
    zombie = granted(store, "zombie")
    with store.write(zombie) as connection:
        effect(connection, "in time")
    set_slot(store, eligible_ms=0)
    heir = granted(store, "heir")
    with pytest.raises(StaleFence), store.write(zombie) as connection:
        effect(connection, "too late")
    with store.write(heir) as connection:
        effect(connection, "heir")
    assert effects(store) == ["heir", "in time"]


def test_a_failed_block_commits_nothing(store):
    fence = granted(store)

    def half_done() -> None:
        with store.write(fence) as connection:
            effect(connection, "half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_done()
    assert effects(store) == []


def test_nobody_takes_a_task_over_while_an_effect_is_open(store):
    """The slot's row is locked until the effect is committed; a claim meanwhile is denied, soon, and nothing hangs."""
    holder = granted(store, "slow")
    set_slot(store, eligible_ms=0)  # its lease is over, nobody has asked yet
    if store.dialect == "sqlite":
        store.limiter()._link.cursor().execute("PRAGMA busy_timeout=100")  # of the whole file; 2 s otherwise
    with store.write(holder) as connection:
        effect(connection, "committed under the old fence")
        assert claim(store, "heir") == Claim(False, 0, 0, 0, why=Denied.BUSY)
        with pytest.raises(Unavailable):  # not stale: nothing is known
            finish(store, holder)
    heir = claim(store, "heir")
    assert (heir.granted, heir.fence) == (True, holder.number + 1)
    assert effects(store) == ["committed under the old fence"]


def test_shedlock_fuzz_a_counter_under_the_lock_is_exact(store):
    """Four threads read, compute and write a number without protection but the limiter's."""
    total, per_thread = [], 15

    def work(name: str) -> None:
        done = 0
        while done < per_thread:
            answer = claim(store, name)
            if not answer.granted:
                continue
            fence = Fence("room/site", 7, answer.fence, name)
            with store.read() as connection:
                number = connection.execute(select(func.max(mirror_stream.c.weight))).scalar() or 0
            with store.write(fence) as connection:
                connection.execute(
                    insert(mirror_stream).values(stream=str(number), scope=0, weight=number + 1, changed_ms=0)
                )
            assert finish(store, fence, retry_ms=0)
            done += 1
        store.limiter().close()
        total.append(done)

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(total) == 4 * per_thread
    with store.read() as connection:
        assert connection.execute(select(func.max(mirror_stream.c.weight))).scalar() == 4 * per_thread


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


class BreakOnce:
    """Lets the next turn through to the database and loses its reply."""

    def __init__(self, limiter) -> None:
        self._dialect, self.broke = limiter._dialect, False
        limiter._dialect = self

    def __getattr__(self, name):
        return getattr(self._dialect, name)

    def turn(self, cursor, turn):
        answer = self._dialect.turn(cursor, turn)
        if self.broke:
            return answer
        self.broke = True
        raise LostConnection


class LostConnection(Exception):
    sqlstate = "08006"


def test_redbeat_208_exception_is_not_ownership(store):
    """A renewal that cannot reach the database raises; it never answers as if the lease were kept."""
    fence = granted(store)
    limiter = store.limiter()
    limiter._dialect = Unreachable()
    with pytest.raises(Unavailable) as caught:
        limiter.renew(fence, 5_000)
    assert caught.value.sent


class Unreachable:
    def turn(self, cursor, turn):
        raise LostConnection


def test_apscheduler_959_two_workers_on_a_fresh_slot(store):
    """Both seed the same row at once; one runs."""
    barrier, answers = threading.Barrier(4), []

    def work(name: str) -> None:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(5)
        answers.append(claim(store, name))
        store.limiter().close()

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(a.granted for a in answers) == [False, False, False, True]


def test_hangfire_an_old_version_does_not_claim_a_newer_row(store):
    assert finish(store, granted(store, proto=2), retry_ms=0)
    old = claim(store, proto=1)
    assert old.why is Denied.PROTO
    assert claim(store, proto=2).granted


def test_meltano_9147_the_claim_itself_writes_the_signs_of_life(store):
    answer = claim(store)
    with store.read() as connection:
        row = connection.execute(select(task_slot)).one()
    assert (row.holder, row.started_ms, row.eligible_ms) == ("me", answer.now_ms, answer.now_ms + 5_000)


def test_mlflow_25199_the_client_clock_decides_nothing(store, monkeypatch):
    assert finish(store, granted(store))
    monkeypatch.setattr("time.time", lambda: 4e9)
    monkeypatch.setattr("time.monotonic", lambda: 4e9)
    assert claim(store).why is Denied.WAIT


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


def test_grid_and_phase():
    spread = {phase_ms("leads/site", branch, MINUTE) for branch in range(1, 101)}
    assert len(spread) > 90  # branches do not all knock at the same second
    for now in (1_800_000_000_000, 1_800_000_059_999):
        due = next_due("a", 1, MINUTE, now)
        assert due > now >= due_at("a", 1, MINUTE, now) == due - MINUTE
        assert due % MINUTE == phase_ms("a", 1, MINUTE)
    assert phase_ms("leads/site", 3, MINUTE) == 19_897  # the same in every version: clients of two versions share rows


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
