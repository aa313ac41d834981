"""A real engine on a real database, with tasks that behave and tasks that do not."""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, func, select, text

from identsync.engine import events as ev
from identsync.engine import keeper
from identsync.engine.channel import Channel
from identsync.engine.integration import Outcome, Role, Status, Task
from identsync.engine.loop import Engine
from identsync.engine.loops import new_loop
from identsync.engine.run import Run
from identsync.engine.state import Policy
from identsync.errors import AskPerson, Later, NoSecret, StaleFence, Untrusted
from identsync.store import Denied, Store, keeping, open_store, slots
from identsync.store.clients import here
from identsync.store.tables import client as client_table
from identsync.store.tables import presence, run_log, task_slot

LEASES = 3 if sys.platform == "win32" else 1  # how long they are: Wine gives a thread its turn late
QUICK = Policy(seat_lease_ms=900 * LEASES, cancel_grace_ms=250, finish_grace_ms=100, error_base_ms=50)
Work = Callable[[Run], Awaitable[Outcome]]


def task(
    work: Work, kind: str = "test/one", *, interval: int = 60_000, lease: int = 2_000, deadline: int = 30_000
) -> Task:
    return Task(kind, 1, interval, lease, deadline, work)


@asynccontextmanager
async def engine(
    store: Store, *tasks: Task, role: Role = Role.ADMINISTRATOR, policy: Policy = QUICK
) -> AsyncIterator[Engine]:
    made = Engine(store=store, clinic=None, tasks=tasks, role=role, branch=1, policy=policy)  # type: ignore[arg-type]
    await made.start()
    try:
        yield made
    finally:
        await made.stop(0.5)


async def heard(engine: Engine, wanted: Callable[[ev.Event], bool], timeout: float = 60) -> ev.Event:
    """Wait for an event that the engine has taken in."""
    future: asyncio.Future[ev.Event] = asyncio.get_running_loop().create_future()

    def listen(event: ev.Event) -> None:
        if wanted(event) and not future.done():
            future.set_result(event)

    end = engine.listen(listen)
    try:
        return await asyncio.wait_for(future, timeout)
    finally:
        end()


def journal(store: Store, kind: str = "test/one") -> list[Any]:
    with store.read() as connection:
        return list(connection.execute(select(run_log).where(run_log.c.kind == kind).order_by(run_log.c.fence)))


async def fine(run: Run) -> Outcome:
    run.progress(seen=3)
    return Outcome(counts={"written": 2})


async def test_a_task_runs_once_and_is_journaled(store: Store) -> None:
    async with engine(store, task(fine)) as client:
        end = await heard(client, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
        assert end.written
    (row,) = journal(store)
    assert (row.outcome, row.counts, row.role, row.holder) == ("ok", '{"seen": 3, "written": 2}', 0, client.client)
    assert row.due_ms <= row.started_ms <= row.finished_ms


async def test_a_database_restored_from_a_backup_is_worked_in_at_once(store: Store) -> None:
    async with engine(store, task(fine, interval=500)) as client:
        await heard(client, lambda e: isinstance(e, ev.Finished) and e.fence.number == 20 and e.slot == 0)
        with store.write() as connection:  # what stood there after the first run
            connection.execute(run_log.delete().where(run_log.c.kind == "test/one", run_log.c.fence > 1))
            was = {"fence": 1, "holder": None, "request": None}
            connection.execute(task_slot.update().where(task_slot.c.kind == "test/one").values(**was))
        grant = await heard(client, lambda e: isinstance(e, ev.Claimed) and e.slot == 0 and e.claim.granted)
        await heard(client, lambda e: isinstance(e, ev.Finished) and e.fence.number == grant.claim.fence)
    assert [(row.fence, row.outcome) for row in journal(store)][:2] == [(1, "ok"), (2, "ok")]


async def test_an_old_journal_goes_in_portions_each_a_transaction_of_its_own(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "PORTION", 10)
    old = {"kind": "test/old", "scope": 1, "holder": "h", "role": 0, "due_ms": 1, "started_ms": 1, "outcome": "ok"}
    seen = {"scope": 1, "role": 0, "seen_ms": 1}
    with store.write() as connection:
        connection.execute(run_log.insert(), [old | {"fence": i, "started_ms": i // 3} for i in range(45)])
        connection.execute(presence.insert(), [seen | {"client": f"c{i}"} for i in range(25)])
        connection.execute(client_table.insert(), [seen_once(i) for i in range(25)])
    committed: list[int] = []

    def count(connection: Any) -> None:
        committed.append(connection.execute(select(func.count()).select_from(run_log)).scalar())

    event.listen(store.engine, "commit", count)
    async with engine(store, task(fine)) as client:
        await heard(client, lambda e: isinstance(e, ev.Finished) and e.slot == 1)
    event.remove(store.engine, "commit", count)
    (row,) = journal(store, "journal")
    assert (row.outcome, row.counts) == ("ok", '{"deleted": 70}')
    assert len(set(committed)) >= 4
    with store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(client_table)) == 0


def seen_once(i: int) -> dict[str, Any]:
    return {c.name: f"c{i}" if c.name == "client" else 1 for c in client_table.c if not c.nullable}


def raising(error: Exception) -> Work:
    async def work(run: Run) -> Outcome:
        run.progress(seen=1)
        raise error

    return work


ENDINGS = [
    (AskPerson("the key was refused"), "ask", "AskPerson: the key was refused"),
    (NoSecret("secret:key: none"), "ask", f"NoSecret: {here()}: secret:key: none"),
    (ModuleNotFoundError("the whole path", name="nacl"), "ask", f"NotHere: {here()}: не загружается nacl"),
    (Untrusted("no trust", sent=False), "ask", f"Untrusted: {here()}: no trust"),
    (Later("no answer", after_ms=5_000), "later", "Later: no answer"),
    (StaleFence("taken over"), "lost", "StaleFence: taken over"),
    (ValueError("Иванов +7 900 000-00-00"), "failed", "ValueError"),
]


async def test_what_a_task_raises_becomes_its_outcome(clone: Callable[[str], str]) -> None:
    store = open_store(clone("sqlite"))
    works = [task(raising(error), f"test/{i}") for i, (error, _, _) in enumerate(ENDINGS)]
    async with engine(store, *works) as client:
        ended = {e.slot async for e in finishes(client, len(ENDINGS))}
        assert ended == set(range(len(ENDINGS)))
    for i, (_, outcome, note) in enumerate(ENDINGS):
        (row, *_) = journal(store, f"test/{i}")
        assert (row.outcome, row.note or None) == (outcome, note)
        assert row.counts == '{"seen": 1}'
    store.close()


@pytest.mark.parametrize("scope", [1, 0])
async def test_what_a_computer_cannot_do_another_does_at_once_and_from_then_on(store: Store, scope: int) -> None:
    """Nobody's lease ends while anybody waits here: the bell tells the next in line."""
    policy, lost = Policy(seat_lease_ms=300_000, cancel_grace_ms=250, finish_grace_ms=100), asyncio.Event()

    async def needs_a_secret(_: Run) -> Outcome:
        if lost.is_set():
            raise NoSecret("secret:key: none")
        return Outcome()

    def ended(event: ev.Event) -> bool:
        return isinstance(event, ev.Finished) and event.slot == 0

    async with AsyncExitStack() as stack:
        works = [replace(task(work, interval=1_000), scope=scope) for work in (needs_a_secret, fine)]
        leader = await stack.enter_async_context(engine(store, works[0], task(fine, "test/two"), policy=policy))
        await heard(leader, ended)
        other = await stack.enter_async_context(engine(store, works[1], task(fine, "test/two"), policy=policy))
        await asyncio.wait_for(other.listening.wait(), 60)
        lost.set()
        for _ in range(3):
            await heard(other, ended)
        assert leader.snapshot().seats[0].held
    rows = [(row.holder, row.outcome) for row in journal(store)]
    told = rows.index((leader.client, "ask"))
    assert set(rows[:told]) == {(leader.client, "ok")}
    assert set(rows[told + 1 :]) == {(other.client, "ok")}


async def finishes(client: Engine, n: int) -> AsyncIterator[ev.Finished]:
    queue: asyncio.Queue[ev.Event] = asyncio.Queue()
    end = client.listen(queue.put_nowait)
    found = 0
    while found < n:
        event = await asyncio.wait_for(queue.get(), 60)
        if isinstance(event, ev.Finished) and event.slot < n:
            found += 1
            yield event
    end()


async def test_a_task_that_hangs_is_cancelled_late_and_its_fence_is_stale(store: Store) -> None:
    runs: list[Run] = []

    async def hang(run: Run) -> Outcome:
        runs.append(run)
        await asyncio.Event().wait()
        raise AssertionError

    async with engine(store, task(hang, deadline=300)) as client:
        await heard(client, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
        with pytest.raises(StaleFence):
            await runs[0].write(lambda connection: None)
        with pytest.raises(StaleFence), store.write(runs[0].fence):
            pass
    assert journal(store)[0].outcome == "late"


async def test_a_task_that_ignores_its_cancellation_costs_its_fence_and_not_the_engine(store: Store) -> None:
    ignored, release = asyncio.Event(), asyncio.Event()

    async def stubborn(run: Run) -> Outcome:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                ignored.set()
        with pytest.raises(StaleFence):
            await run.write(lambda connection: None)
        return Outcome()

    async with engine(store, task(stubborn, deadline=200), task(fine, "test/two", interval=1_000)) as client:
        await heard(client, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
        assert ignored.is_set()
        assert client.snapshot().tasks[0].abandoned == 1
        await heard(client, lambda e: isinstance(e, ev.Finished) and e.slot == 1)
        release.set()
        await heard(client, lambda e: isinstance(e, ev.RunEnded) and e.slot == 0)
        assert client.snapshot().tasks[0].abandoned == 0
    assert journal(store)[0].outcome == "late"


async def test_a_database_call_that_hangs_loses_its_thread_and_nobody_else_waits(store: Store) -> None:
    release = threading.Event()

    async def hang(run: Run) -> Outcome:
        await run.clinic_read(lambda clinic: release.wait(30))
        return Outcome()

    async def read(run: Run) -> Outcome:
        return Outcome(counts={"rows": await run.read(lambda connection: connection.execute(select(1)).scalar_one())})

    async with engine(store, task(hang, deadline=300), task(read, "test/two")) as client:
        end = await heard(client, lambda e: isinstance(e, ev.Finished) and e.slot == 1)
        assert end.written
        assert client.worker.replaced == 1
    release.set()
    assert journal(store)[0].outcome == "late"
    assert journal(store, "test/two")[0].counts == '{"rows": 1}'


async def test_apscheduler_1116_a_blocked_loop_costs_no_lease(store: Store) -> None:
    async def block(run: Run) -> Outcome:
        time.sleep(1.5 * LEASES)  # noqa: ASYNC251  three leases long
        await run.write(lambda connection: None)
        return Outcome()

    async with engine(store, task(block, lease=500 * LEASES)) as client:
        end = await heard(client, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
        assert end.written
    (row,) = journal(store)
    assert row.outcome == "ok"


async def test_a_lease_lost_to_another_client_cancels_the_run(store: Store) -> None:
    started = asyncio.Event()

    async def wait(run: Run) -> Outcome:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with engine(store, task(wait, lease=600)) as client:
        await started.wait()
        with store.write() as connection:  # as if another client had claimed it
            connection.execute(task_slot.update().where(task_slot.c.kind == "test/one").values(fence=99, holder="x"))
        end = await heard(client, lambda e: isinstance(e, ev.RunEnded) and e.slot == 0)
        assert end.outcome.status is Status.LOST


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.DIRECTOR])
async def test_stop_hands_over_at_once(store: Store, role: Role) -> None:
    """The second client holds the seat and runs the released task long before the seat's lease of ten seconds ends."""
    policy = Policy(seat_lease_ms=10_000, cancel_grace_ms=250, finish_grace_ms=100)
    started: asyncio.Queue[Run] = asyncio.Queue()

    async def wait(run: Run) -> Outcome:
        started.put_nowait(run)
        await asyncio.Event().wait()
        raise AssertionError

    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(engine(store, task(wait), role=role, policy=policy))
        await asyncio.wait_for(started.get(), 60)
        second = await stack.enter_async_context(engine(store, task(wait), role=role, policy=policy))
        await asyncio.wait_for(second.listening.wait(), 60)
        began = time.monotonic()
        await first.stop(0.5)
        await asyncio.wait_for(started.get(), 60)
        assert time.monotonic() - began < 5
    assert [row.outcome for row in journal(store)] == ["released", "released"]


def ears(store: Store) -> list[int]:
    """The connections that listen for a bell."""
    here = "SELECT pid FROM pg_stat_activity WHERE datname=current_database() AND query LIKE 'LISTEN%'"
    with store.read() as connection:
        return list(connection.execute(text(here)).scalars())


async def test_a_client_that_cannot_write_says_so_until_it_can(
    clone: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads its page would see that all is well, and then be told to start the program that he looks at."""
    monkeypatch.setattr(keeper, "STUCK_MS", 0)
    store = open_store(clone("sqlite"))
    async with engine(store, task(fine)) as client:
        await heard(client, lambda e: isinstance(e, ev.Finished))
        assert client.stuck() is None
        with store.write() as connection:
            refusing = "CREATE TRIGGER refusing BEFORE UPDATE ON task_slot BEGIN SELECT RAISE(FAIL, 'full'); END"
            connection.execute(text(refusing))
        await heard(client, lambda e: isinstance(e, ev.SeatFailed))
        assert client.stuck() is not None
        with store.write() as connection:
            connection.execute(text("DROP TRIGGER refusing"))
        await heard(client, lambda e: isinstance(e, ev.SeatAnswered))
        assert client.stuck() is None
    store.close()


@pytest.mark.postgresql
async def test_a_bell_that_broke_is_hung_up_again(clone: Callable[[str], str]) -> None:
    """The server ends the listening connection: at its next look at the seat the follower listens on another."""
    store = open_store(clone("postgresql"))
    async with AsyncExitStack() as stack:
        leader = await stack.enter_async_context(engine(store, task(fine)))
        await heard(leader, lambda e: isinstance(e, ev.Finished))
        follower = await stack.enter_async_context(engine(store, task(fine)))
        await asyncio.wait_for(follower.listening.wait(), 60)
        (broken,) = ears(store)
        with store.read() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": broken})
        while ears(store) in ([], [broken]):
            await heard(follower, lambda e: isinstance(e, ev.SeatAnswered))
        rang = asyncio.create_task(heard(follower, lambda e: isinstance(e, ev.Rang)))
        await leader.stop(0.5)
        await rang
    store.close()


async def test_a_doctor_has_nothing_and_a_director_only_without_an_administrator(store: Store) -> None:
    async with AsyncExitStack() as stack:
        doctor = await stack.enter_async_context(engine(store, task(fine), role=Role.DOCTOR))
        assert doctor.tasks == ()
        administrator = await stack.enter_async_context(engine(store, task(fine, interval=200)))
        await heard(administrator, lambda e: isinstance(e, ev.Finished))
        director = await stack.enter_async_context(engine(store, task(fine, interval=200), role=Role.DIRECTOR))
        answer = await heard(director, lambda e: isinstance(e, ev.SeatAnswered))
        assert not answer.reply.granted
        director.poke("test/one", 1)
        claimed = await heard(director, lambda e: isinstance(e, ev.Claimed))
        assert not claimed.claim.granted
    assert {row.role for row in journal(store)} == {0}


async def test_a_director_gives_way_to_an_administrator_that_comes(store: Store) -> None:
    async with AsyncExitStack() as stack:
        director = await stack.enter_async_context(engine(store, task(fine, interval=200), role=Role.DIRECTOR))
        await heard(director, lambda e: isinstance(e, ev.Finished))
        administrator = await stack.enter_async_context(engine(store, task(fine, interval=200)))
        await heard(administrator, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
        since = store.now_ms()
        for _ in range(3):
            await heard(administrator, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
    assert {row.role for row in journal(store) if row.started_ms >= since} == {0}


async def test_a_poke_runs_a_task_here_even_without_the_seat(store: Store) -> None:
    async with AsyncExitStack() as stack:
        holder = await stack.enter_async_context(engine(store, task(fine)))
        await heard(holder, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
        other = await stack.enter_async_context(engine(store, task(fine)))
        await heard(other, lambda e: isinstance(e, ev.SeatAnswered))
        with store.write() as connection:
            connection.execute(task_slot.update().where(task_slot.c.kind == "test/one").values(eligible_ms=0))
        other.poke("test/one", 1)
        await heard(other, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
    assert [row.holder for row in journal(store)] == [holder.client, other.client]


async def test_permits_are_waited_for(store: Store) -> None:
    async def spend(run: Run) -> Outcome:
        before = run.now_ms()
        async with run.permits(Channel("sms", rate=20, burst=2), need=6) as permits:
            async for _ in permits.each(range(6)):
                pass
        return Outcome(counts={"ms": run.now_ms() - before})

    async with engine(store, task(spend)) as client:
        end = await heard(client, lambda e: isinstance(e, ev.RunEnded) and e.slot == 0)
        assert 200 <= end.outcome.counts["ms"] < 1_200  # one at once, five more 50 ms apart


async def test_a_full_channel_ends_the_run_until_there_are_permits_again(store: Store) -> None:
    async def spend(run: Run) -> Outcome:
        async with run.permits(Channel.quota("geocoder", 1_000, 86_400, at_once=1)) as permits:
            async for _ in permits.each(range(2)):
                run.progress(asked=run.counts.get("asked", 0) + 1)
        return Outcome()

    async with engine(store, task(spend)) as client:
        end = await heard(client, lambda e: isinstance(e, ev.RunEnded) and e.slot == 0)
        assert (end.outcome.status, end.outcome.counts) == (Status.LATER, {"asked": 1})
        assert 80_000 < end.outcome.retry_ms < 90_000


FAST = "winloop" if sys.platform == "win32" else "uvloop"


@pytest.mark.parametrize("name", ["auto", FAST, "asyncio"])
def test_loops_by_name(name: str) -> None:
    loop = new_loop(name)
    assert loop.run_until_complete(asyncio.sleep(0, "ran")) == "ran"
    loop.close()
    assert type(loop).__module__.startswith("asyncio" if name == "asyncio" else FAST)
    with pytest.raises(ValueError, match="loop is one of"):
        new_loop("trio")


async def test_once_runs_a_task_without_a_started_engine(store: Store) -> None:
    def made() -> Engine:
        return Engine(store=store, clinic=None, tasks=[task(fine)], role=Role.ADMINISTRATOR, branch=1)  # type: ignore[arg-type]

    for _ in range(2):  # the second is not due by itself
        outcome = await made().run_once("test/one", 1)
        assert outcome == Outcome(counts={"seen": 3, "written": 2})
    with store.write() as connection:
        slots.pause(connection, "test/one", 1, True)
    assert await made().run_once("test/one", 1) is Denied.PAUSED
    with pytest.raises(ValueError, match="no task"):
        await made().run_once("test/other", 1)
    with store.read() as connection:
        assert connection.execute(select(task_slot.c.kind)).scalars().all() == ["test/one"]  # no seat was taken


async def test_counts_are_there_for_prometheus(clone: Callable[[str], str]) -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    from identsync.engine.metrics import EngineCollector

    store = open_store(clone("sqlite"))
    async with engine(store, task(fine)) as client:
        await heard(client, lambda e: isinstance(e, ev.Finished) and e.slot == 0)
        registry = CollectorRegistry()
        registry.register(EngineCollector(client))
        text = generate_latest(registry).decode()
    store.close()
    assert 'identsync_runs_total{outcome="ok"}' in text
    assert 'identsync_permits_total{what="used"} 0.0' in text
    assert "identsync_seats 2.0" in text
