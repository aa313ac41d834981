"""A client of whichever version is on the path: it migrates, introduces itself and runs what its version knows.

``python -m update.program`` is a nursery of such clients: number, url, folder.
"""

import asyncio
from typing import Any

from sqlalchemy import Connection, column, insert, table

from identsync.engine.integration import Outcome, Role, Task
from identsync.engine.loop import Engine
from identsync.engine.run import Run
from identsync.engine.state import Policy
from identsync.errors import IdentsyncError
from identsync.store import Store, migrations, open_store
from identsync.store.clients import introduce
from nursery import Words, nurse, say, told_to_end

INTERVAL_MS, LEASE_MS, DEADLINE_MS = 400, 600, 4_000
POLICY = Policy(
    seat_lease_ms=500, presence_ttl_ms=3_000, backoff_cap_ms=1_500, error_base_ms=50, error_cap_ms=400,
    answer_ms=3_000, cancel_grace_ms=500, finish_grace_ms=300,
)  # fmt: skip
OLD_SLOTS = (("steady", 1), ("changed", 1), ("network", 0))
SLOTS = (*OLD_SLOTS, ("novel", 1))


def tasks() -> list[Task]:
    """What this version knows: the newer one has given ``changed`` another meaning, and has one task more."""
    if migrations.NEWEST < "9":  # update.release makes 9999
        return [Task(kind, scope, INTERVAL_MS, LEASE_MS, DEADLINE_MS, run) for kind, scope in OLD_SLOTS]
    protos = {"changed": 2}
    return [Task(k, s, INTERVAL_MS, LEASE_MS, DEADLINE_MS, run, proto=protos.get(k, 1)) for k, s in SLOTS]


async def run(run: Run) -> Outcome:
    """Take a moment; the newer version's tasks write into the newer table, under their fence."""
    await asyncio.sleep(0.03)
    if run.kind == "novel":
        await run.write(lambda connection: remember(connection, run))
    return Outcome()


def remember(connection: Connection, run: Run) -> None:
    novelty = table("novelty", column("fence"), schema=run.store.schema)
    connection.execute(insert(novelty).values(fence=run.fence.number))


def opened(url: str) -> Store:
    store = open_store(url)
    store.migrate()
    return store


async def live(client: Words) -> int:
    """Be a client until SIGTERM, or say why it must not be one."""
    try:
        await work(client["number"], client["url"], told_to_end())
    except IdentsyncError as error:
        say(number=client["number"], refused=str(error), hint=error.hint)
        return 1
    return 0


async def work(number: int, url: str, ended: asyncio.Event) -> None:
    store = opened(url)
    clinic: Any = None
    engine = Engine(store=store, clinic=clinic, tasks=tasks(), role=Role.ADMINISTRATOR, branch=1, policy=POLICY)
    with store.write() as connection:
        introduce(connection, engine.client)
    await engine.start()
    say(number=number, client=engine.client)
    await ended.wait()
    await engine.stop(2.0)
    store.close()


if __name__ == "__main__":
    import alembic.command

    assert alembic.command  # what every client would import
    nurse(live)
