"""Rules 5 and 10 of the limiter where the engine keeps them (the others: tests/store/test_limiter_rules.py)."""

import time

from sqlalchemy import update

from engine.test_engine import engine, fine, heard, journal, task
from identsync.engine import events as ev
from identsync.engine.integration import Outcome
from identsync.engine.run import Run
from identsync.store import Denied, Store, slots
from identsync.store.tables import task_slot


def finished(event: ev.Event) -> bool:
    return isinstance(event, ev.Finished) and event.slot == 0


async def test_pgqueuer_430_a_database_call_that_takes_leases_costs_none(store: Store) -> None:
    """The worker thread is busy for three leases; renewals go on in the keeper's."""

    async def read(run: Run) -> Outcome:
        await run.read(lambda _: time.sleep(1.5))
        await run.write(lambda _: None)
        return Outcome()

    async with engine(store, task(read, lease=500)) as client:
        end = await heard(client, finished)
        assert end.written  # type: ignore[union-attr]
    assert [row.outcome for row in journal(store)] == ["ok"]


async def test_jobrunr_808_a_schedule_in_memory_is_only_a_hint(store: Store) -> None:
    """A minute to go by memory, but the row says now: it runs. Now by a person's wish, but the row says no: not."""
    async with engine(store, task(fine)) as client:
        await heard(client, finished)
        with store.write() as connection:  # a person at another computer
            assert slots.run_now(connection, "test/one", 1)
        await heard(client, finished)  # long before the next instant: the seat's reply brought the news
        with store.write() as connection:
            connection.execute(update(task_slot).where(task_slot.c.kind == "test/one").values(paused=1, eligible_ms=0))
        client.poke("test/one", 1)
        denied = await heard(client, lambda e: isinstance(e, ev.Claimed) and not e.claim.granted)
        assert denied.claim.why is Denied.PAUSED  # type: ignore[union-attr]
    assert [row.outcome for row in journal(store)] == ["ok", "ok"]
