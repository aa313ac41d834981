"""What the outbox has in hand is written down, whatever becomes of one connection, one transaction, one thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import structlog
from sqlalchemy import insert, text

from identsync.engine.clock import monotonic_ms
from identsync.engine.integration import Status, Task
from identsync.engine.run import Run
from identsync.engine.worker import Worker
from identsync.errors import StaleFence, Unavailable
from identsync.flows import outbox as flow
from identsync.flows.writing import PAUSES_S
from identsync.store import Store
from identsync.store.limiter import Fence
from identsync.store.tables import task_slot

from .outbox_world import World

FENCE = Fence("room/out", 7, 1, "holder", 1_000)


@contextmanager
def running(store: Store) -> Iterator[tuple[World, Run, Worker]]:
    """A world on a real database, a run as the engine makes it, the engine's database thread."""
    with store.write() as connection:
        slot = {"kind": FENCE.kind, "scope": 7, "fence": 1, "holder": "holder", "started_ms": 1_000}
        slot |= {"eligible_ms": 0, "stamp_ms": 0}
        connection.execute(insert(task_slot).values(slot))
    world, worker = World(engine=store.engine), Worker()
    task = Task(FENCE.kind, 7, 60_000, 60_000, 60_000, None)  # type: ignore[arg-type]
    run = Run(
        task, FENCE, store=store, clinic=None, worker=worker, channels=None,  # type: ignore[arg-type]
        clock_offset_ms=world.now - monotonic_ms(), log=structlog.get_logger(),
    )  # fmt: skip
    yield world, run, worker
    assert worker.close()


def breaks_once(world: World, store: Store) -> None:
    """The connection breaks in the middle of the transaction that would write down what was accepted."""
    settle, broken = world.settle, [False]

    def broken_once(connection: Any, ended: Any) -> None:
        settle(connection, ended)
        if not broken[0]:
            broken[0] = True
            if store.engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
            raise Unavailable("the database did not answer: busy")  # SQLite's way

    world.settle = broken_once  # type: ignore[method-assign]


def test_one_broken_connection_makes_nothing_unknown(store: Store) -> None:
    with running(store) as (world, run, _worker):
        world.plan(*"abc")
        breaks_once(world, store)
        outcome = asyncio.run(world.under(run))
    rows = world.rows()
    assert {key: row.state for key, row in rows.items()} == dict.fromkeys("abc", "accepted")
    assert {row.provider_id: key for key, row in rows.items()} == world.street
    assert (outcome.status, outcome.counts["accepted"]) == (Status.OK, 3)
    assert world.effects == dict.fromkeys("abc", 1)


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("number", range(1, 5))
def test_a_write_of_which_nothing_was_heard_is_repeated_until_it_lands(number: int, committed: bool) -> None:
    world = World()
    world.plan(*"abc", "refused")
    world.faults = [None, None, None, "refused"]
    world.silent_at_writes = {number: committed, number + 1: committed, number + 2: False}
    outcome = world.go()
    assert world.states() == dict.fromkeys("abc", "accepted") | {"refused": "failed"}
    assert (outcome.counts["accepted"], outcome.counts["refused"]) == (3, 1)
    assert world.effects == dict.fromkeys("abc", 1)
    assert {row.attempts for row in world.rows().values()} == {1}
    assert world.rests == [*PAUSES_S][: len(world.rests)]
    assert len(world.rests) >= 1


def test_a_database_that_is_away_for_long_is_asked_at_a_calm_pace_until_the_task_is_lost() -> None:
    world = World(silent_at_writes=dict.fromkeys(range(2, 40), False))
    world.plan("a")
    world.stale_at_write = 12
    with pytest.raises(StaleFence):
        world.go()
    assert world.rests == [*PAUSES_S, *[PAUSES_S[-1]] * (10 - len(PAUSES_S))]


def test_what_was_announced_unheard_and_grew_old_is_read_again_before_it_goes_out() -> None:
    """The visit was cancelled while the database was away."""
    world = World(batch=2, silent_at_writes={1: True} | dict.fromkeys(range(2, 14), False))
    world.plan("a")
    rest = world.rest

    async def cancelled(seconds: float) -> None:
        world.skipped.add("a")
        await rest(seconds)

    world.rest = cancelled  # type: ignore[method-assign]
    world.go()
    assert (world.states(), world.street, world.rows()["a"].attempts) == ({"a": "skipped"}, {}, 0)


def test_a_read_that_fails_ends_the_run_after_what_is_in_hand() -> None:
    world = World(batch=1, look=1)
    world.plan(*"ab")
    rows = flow._Outbox._rows
    reads = [0]

    async def silent(self: Any) -> Any:
        reads[0] += 1
        if reads[0] == 2:
            raise Unavailable("the database did not answer")
        return await rows(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow._Outbox, "_rows", silent)
        outcome = world.go()
    assert outcome.status is Status.LATER
    assert world.states() == {"a": "accepted", "b": "planned"}


def test_a_defect_in_one_batch_loses_no_verdict_of_another() -> None:
    world = World(batch=1, look=1)
    world.plan(*"ab")
    announce = world.announce

    def broken(connection: Any, taken: Any) -> None:
        if world.announced:
            raise ZeroDivisionError
        announce(connection, taken)

    world.announce = broken  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        world.go()
    assert world.states() == {"a": "accepted", "b": "planned"}


def test_a_cancelled_run_does_not_wait_for_the_calls_of_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine has one database thread; while another run's slow call is in it, five seconds may be too short."""
    monkeypatch.setattr("identsync.flows.outbox.WRITE_S", 30)  # a busy machine needs more than usual
    free = threading.Event()

    async def cancelled(world: World, run: Run, worker: Worker) -> dict[str, str]:
        sent = asyncio.Event()
        submit = world.submit

        async def told(ready: Any) -> Any:
            verdict = await submit(ready)
            worker.call(free.wait)  # another run reads the clinic's database
            sent.set()
            return verdict

        world.submit = told  # type: ignore[method-assign]
        going = asyncio.ensure_future(world.under(run))
        await sent.wait()
        await asyncio.sleep(0)  # its verdict is in hand
        going.cancel()
        with suppress(asyncio.CancelledError):
            await going
        states = world.states()
        free.set()
        return states

    with running(store) as (world, run, worker):
        world.plan("a")
        assert asyncio.run(cancelled(world, run, worker)) == {"a": "accepted"}
