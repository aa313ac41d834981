"""SQL Server's bell, over a driver that waits as the server would; test_engine.py rings the others.

Its statement is compiled by Microsoft's compiler in tests/sqlserver/.
"""

import asyncio
import queue
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from identsync.engine.bell import SQLServerBell
from identsync.store import Store, open_store

CANCELLED = object()
Line = tuple[SQLServerBell, list["Server"], "Rung"]


class Server:
    """A pyodbc connection whose statement lasts until the test answers it, or it is cancelled."""

    def __init__(self) -> None:
        self.answers: queue.Queue[Any] = queue.Queue()
        self.asked: queue.Queue[str] = queue.Queue()
        self.timeout = 10
        self.closed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def cursor(self) -> "Server":
        return self

    def execute(self, sql: str) -> "Server":
        assert self.timeout == 0, "the driver would break it off"
        self.asked.put(sql)
        return self

    def fetchall(self) -> list[tuple[int]]:
        answer = self.answers.get(timeout=60)
        if answer is CANCELLED:
            raise ConnectionError("HY008")
        return [(scope,) for scope in answer]

    def cancel(self) -> None:
        self.answers.put(CANCELLED)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self.closed.set)


class Rung:
    """What the engine hears."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[int] = asyncio.Queue()

    async def next(self) -> int:
        return await asyncio.wait_for(self.heard.get(), 60)


@pytest.fixture
def store(clone: Callable[[str], str]) -> Any:
    store = open_store(clone("sqlite"))
    yield store
    store.close()


@pytest.fixture
async def bell(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    servers: list[Server] = []

    def opened() -> Server:
        servers.append(Server())
        return servers[-1]

    monkeypatch.setattr(store, "own_connection", opened)
    monkeypatch.setattr("identsync.engine.bell._AGAIN_S", 0.0)
    rung = Rung()
    bell = SQLServerBell(store, rung.heard.put_nowait)
    yield bell, servers, rung
    bell.close()
    for server in servers:
        await asyncio.wait_for(server.closed.wait(), 60)


async def test_a_free_seat_rings_again_until_somebody_has_it(bell: Line) -> None:
    ours, servers, rung = bell
    ours.connect((7, 0))
    ours.listen((7, 0))
    for free in ([7], [], [0, 9], [7]):  # none: a minute has passed; 9 is a seat of others
        servers[0].answers.put(free)
    assert [await rung.next() for _ in range(3)] == [7, 0, 7]
    assert "scope IN (7,0)" in servers[0].asked.get_nowait()


async def test_who_listens_no_more_breaks_the_statement_off(bell: Line) -> None:
    ours, servers, rung = bell
    ours.connect((7,))
    ours.listen((7,))
    ours.close()
    await asyncio.wait_for(servers[0].closed.wait(), 60)
    assert rung.heard.empty()


async def test_other_seats_are_listened_for_on_another_connection(
    bell: Line,
) -> None:
    ours, servers, rung = bell
    for scopes in ((7,), (7, 8)):
        ours.connect(scopes)
        ours.listen(scopes)
    await asyncio.wait_for(servers[0].closed.wait(), 60)
    servers[1].answers.put([8])
    assert await rung.next() == 8


async def test_a_connection_that_breaks_ends_the_listening_so_that_it_is_opened_again(
    bell: Line,
) -> None:
    ours, servers, _ = bell
    ours.connect((7,))
    ours.listen((7,))
    servers[0].answers.put(CANCELLED)
    await asyncio.wait_for(servers[0].closed.wait(), 60)
    await asyncio.sleep(0)
    assert ours.scopes == ()
    ours.listen((7,))  # without a connection that is no listener: the engine opens one first
    assert ours.scopes == ()
