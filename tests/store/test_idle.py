"""What a client keeps open on the server while it does nothing: PostgreSQL gives out a hundred connections in all."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import psycopg
import pytest
from sqlalchemy import make_url, text

from identsync.engine.integration import Outcome, Role, Task
from identsync.engine.loop import Engine
from identsync.engine.run import Run
from identsync.engine.state import Policy
from identsync.errors import Unavailable
from identsync.store import Store, connect, idle, open_store

pytestmark = pytest.mark.postgresql
CLIENTS = 6


def open_connections(url: str) -> list[str]:
    """The last statement of each client's connection to that database."""
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)) as own:
        query = "SELECT query FROM pg_stat_activity WHERE datname=current_database() AND pid<>pg_backend_pid()"
        return [said for (said,) in own.execute(query)]


def connections_fall_to(url: str, most: int, bells: int = 0) -> list[str]:
    """Wait until ``most`` are left beside the ``bells``; return what is left."""
    until = time.monotonic() + 60
    while not fits(found := open_connections(url), most, bells) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def fits(found: list[str], most: int, bells: int) -> bool:
    listening = sum(said.startswith("LISTEN") for said in found)
    return listening <= bells and len(found) - listening <= most


async def fine(_: Run) -> Outcome:
    return Outcome()


async def test_an_idle_client_keeps_no_connection_and_those_in_line_a_bell(
    clone: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "IDLE_S", 0.3)
    url = clone("postgresql")
    async with AsyncExitStack() as stack:
        for _ in range(CLIENTS):
            store = open_store(url)
            stack.callback(store.close)
            store.migrate()
            engine = Engine(
                store=store, clinic=None, tasks=[Task("test/one", 1, 60_000, 10_000, 30_000, fine)],  # type: ignore[arg-type]
                role=Role.ADMINISTRATOR, branch=1, policy=Policy(seat_lease_ms=600, claim_slack_ms=0),
            )  # fmt: skip
            await engine.start()
            stack.push_async_callback(engine.stop, 0.5)
        # Who holds a seat asks for it again and again. Three in the branch's line have a bell; its holder, too, where
        # another was quicker at the network's seat.
        found = await asyncio.to_thread(connections_fall_to, url, 2, bells=4)
        assert fits(found, 2, bells=4), found


def test_a_connection_that_rested_is_opened_again(clone: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "IDLE_S", 0.1)
    url = clone("postgresql")
    store = open_store(url)
    for _ in range(2):
        assert store.now_ms()
        assert connections_fall_to(url, 0) == []
    store.close()


def test_a_connection_in_use_is_left_alone(clone: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "IDLE_S", 0.1)
    url = clone("postgresql")
    store = open_store(url)
    with store.read() as connection:
        before = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        assert store.now_ms()  # another one comes back meanwhile and is closed for good
        assert len(connections_fall_to(url, 1)) == 1
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() == before
    store.close()


def test_where_every_connection_is_in_use_the_database_is_unavailable(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "_POOL_S", 0.1)
    crowded = open_store(store.engine.url.render_as_string(hide_password=False))
    held = [crowded.engine.connect() for _ in range(5)]
    with pytest.raises(Unavailable, match="заняты"):
        crowded.now_ms()
    for connection in held:
        connection.close()
    crowded.close()
