"""The limiter's twelve rules, on SQLite and PostgreSQL; a test is named after the public bug that its rule answers.

1  the database's clock alone decides                   mlflow 25199
2  excluded until next due, not while it runs           shedlock 6, objectstack 14619
3  due time and lease in one column, nothing to reap    procrastinate 1408
4  a fence with every claim, on every write             oban_py 32, redlock
5  trust is measured before sending, errors end it      redbeat 208, oban 1488; apscheduler 1116 (tests/engine)
6  losers re-arm from the winner's row                  pgboss 914
7  signs of life are written by the claim itself        pgqueuer 536, meltano 9147
8  no SELECT that an UPDATE believes                    apscheduler 959
9  one row a statement, by key; ties are asked again    dbscheduler 348
10 what a client remembers is never authoritative       jobrunr 808 (and tests/engine)
11 an old client does not claim a newer row             hangfire, n8n 30607
12 a grid with a phase; missed instants are one run     hangfire_relaxed
"""

import threading
from contextlib import suppress
from dataclasses import replace

import pytest
from limiter_asks import MINUTE, BreakOnce, LostConnection, claim, effect, effects, finish, granted, set_slot
from sqlalchemy import func, insert, select, update

from identsync.errors import StaleFence, Unavailable
from identsync.store import Claim, Denied, Fence, open_store
from identsync.store.limiter import due_at, next_due, phase_ms
from identsync.store.tables import mirror_stream, run_log, task_slot


def test_shedlock_6_a_slot_is_excluded_until_due_not_only_while_it_runs(store):
    assert finish(store, granted(store))
    again = claim(store)
    assert not again.granted
    assert again.why is Denied.WAIT
    assert again.eligible_ms == next_due("room/site", 7, MINUTE, again.now_ms)


def test_objectstack_14619_a_long_run_is_not_joined_by_a_second_one(store):
    """The lease is renewed while it runs: an ask in the meantime finds the slot taken, however long it runs."""
    fence = replace(granted(store), started_ms=1)  # hours ago
    set_slot(store, started_ms=1)
    assert store.limiter().renew(fence, 5_000) == 5_000
    assert claim(store, "other").why is Denied.WAIT
    assert finish(store, fence)


def test_procrastinate_1408_nothing_is_left_to_reap(store):
    """A holder died: the end of its lease alone makes the slot due, in one statement, and the next run is another's."""
    dead = granted(store, "dead")
    set_slot(store, eligible_ms=store.now_ms())
    heir = claim(store, "heir")
    assert (heir.granted, heir.fence, heir.attempt) == (True, dead.number + 1, 2)


def test_pgboss_914_rearm_from_winner(store):
    winner = claim(store, "winner")
    loser = claim(store, "loser")
    assert (loser.fence, loser.eligible_ms) == (winner.fence, winner.eligible_ms)
    assert 0 < loser.eligible_ms - loser.now_ms <= 5_000


def test_oban_1488_stale_leader_does_not_renew(store):
    fence = granted(store)
    set_slot(store, eligible_ms=store.now_ms() - 1)
    assert store.limiter().renew(fence, 5_000) is None


def test_oban_py_32_a_new_start_of_the_same_computer_is_another_holder(store):
    old = granted(store, "start1")
    set_slot(store, eligible_ms=0)
    new = granted(store, "start2")
    limiter = store.limiter()
    assert limiter.renew(old, 5_000) is None
    assert limiter.renew(Fence(old.kind, old.scope, new.number, "start1", new.started_ms), 5_000) is None
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


def test_redlock_a_zombie_writes_nothing(store):
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
            fence = Fence.of("room/site", 7, answer, name)
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


def test_apscheduler_959_sqlite_two_workers(store):
    """Four ask for a slot nobody has seeded yet, at once; one runs. What a SELECT saw before is believed by nobody."""
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


def test_apscheduler_959_a_look_that_is_out_of_date_grants_nothing(store):
    """SQLite looks without a lock first: another client's claim right after the look wins."""
    if store.dialect != "sqlite":
        pytest.skip("PostgreSQL has no look before its statement")
    assert finish(store, granted(store), retry_ms=0)
    limiter, other = store.limiter(), open_store(store.engine.url.render_as_string(hide_password=False))
    run, looked = limiter._dialect.run, []

    def overtaken(cursor, statement, p):
        rows = run(cursor, statement, p)
        if statement == "look" and not looked:
            looked.append(granted(other, "quick"))
        return rows

    limiter._dialect.run = overtaken
    slow = claim(store, "slow")
    assert (slow.granted, slow.fence, slow.why) == (False, looked[0].number, Denied.WAIT)
    other.close()


def test_dbscheduler_348_a_tie_is_asked_again(store):
    """A deadlock that the server broke is no answer: the same statement again, and it is granted once."""
    limiter = store.limiter()
    once = BreakOnce(limiter, DeadlockError())
    assert claim(store).granted
    assert once.broke
    assert limiter.ties == 1
    assert claim(store, "other").why is Denied.WAIT


class DeadlockError(Exception):
    sqlstate = "40P01"


def test_jobrunr_808_the_row_decides_not_what_a_client_remembers(store):
    """A client that believes in a due time, its own run or its own pause is put right by the row, in the same reply."""
    mine = granted(store)
    with store.write() as connection:  # somewhere else: given up, paused, run by another
        connection.execute(update(task_slot).values(eligible_ms=0))
    theirs = granted(store, "other")
    assert not finish(store, mine)
    assert finish(store, theirs)
    told = claim(store)
    assert (told.why, told.fence) == (Denied.WAIT, theirs.number)
    set_slot(store, paused=1, eligible_ms=0)
    assert claim(store).why is Denied.PAUSED


def test_n8n_30607_a_newer_version_takes_the_row_from_the_old_one(store):
    old = granted(store, "old", proto=1)
    set_slot(store, eligible_ms=0)
    new = granted(store, "new", proto=2)
    assert not finish(store, old)
    assert finish(store, new, retry_ms=0)
    assert claim(store, "old", proto=1).why is Denied.PROTO


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


def test_pgqueuer_536_no_run_without_a_row_in_the_journal(store):
    """A client killed right after its claim has left the row that says so; asked again, it is written once."""
    answer = claim(store, request="one")
    assert claim(store, request="one").fence == answer.fence
    with store.read() as connection:
        [run] = connection.execute(select(run_log)).all()
    assert (run.fence, run.holder, run.outcome, run.finished_ms) == (answer.fence, "me", "running", None)
    assert (run.started_ms, run.due_ms) == (answer.started_ms, answer.due_ms)


def test_mlflow_25199_the_client_clock_decides_nothing(store, monkeypatch):
    """A client whose clocks are years ahead starts, asks, and is told the database's time like everybody."""
    assert finish(store, granted(store))
    monkeypatch.setattr("time.time", lambda: 4e9)
    monkeypatch.setattr("time.monotonic", lambda: 4e9)
    ahead = open_store(store.engine.url.render_as_string(hide_password=False), schema=store.schema)
    told = claim(ahead, "ahead")
    ahead.close()
    assert told.why is Denied.WAIT
    assert 0 <= store.now_ms() - told.now_ms < MINUTE


def test_hangfire_relaxed_missed_instants_are_one_run(store):
    """After an hour in which nobody asked, one run, and then the next instant of the grid."""
    assert finish(store, granted(store))
    set_slot(store, eligible_ms=store.now_ms() - 3_600_000)
    late = granted(store)
    assert finish(store, late)
    then = claim(store)
    assert then.why is Denied.WAIT
    assert then.eligible_ms == next_due("room/site", 7, MINUTE, then.now_ms)


def test_grid_and_phase():
    spread = {phase_ms("leads/site", branch, MINUTE) for branch in range(1, 101)}
    assert len(spread) > 90  # branches do not all knock at the same second
    for now in (1_800_000_000_000, 1_800_000_059_999):
        due = next_due("a", 1, MINUTE, now)
        assert due > now >= due_at("a", 1, MINUTE, now) == due - MINUTE
        assert due % MINUTE == phase_ms("a", 1, MINUTE)
    assert phase_ms("leads/site", 3, MINUTE) == 19_897  # the same in every version: clients of two versions share rows
