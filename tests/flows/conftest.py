"""A server that misbehaves on demand, over a real socket; a PostgreSQL alone, for what SQLite has no room for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

from identsync.store import Store, open_store


@dataclass
class Seen:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Rogue:
    """``reply`` answers each request; ``seen`` keeps them; ``url`` is its address."""

    reply: Reply | None = None
    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    def answers(self, status: int, body: bytes = b"", **headers: str) -> None:
        async def reply(_: Seen, writer: asyncio.StreamWriter) -> None:
            writer.write(answer(status, body, **headers))

        self.reply = reply

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            seen = await read_request(reader)
            self.seen.append(seen)
            if self.reply:
                await self.reply(seen, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
    return Seen(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = {"content-length": str(len(body)), "connection": "close"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    head = "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


@pytest.fixture
async def rogue() -> AsyncIterator[Rogue]:
    async for one in _rogue():
        yield one


@pytest.fixture
async def rogue2() -> AsyncIterator[Rogue]:
    async for one in _rogue():
        yield one


async def _rogue() -> AsyncIterator[Rogue]:
    one = Rogue()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield one
    server.close()
    await server.wait_closed()


@pytest.fixture
def postgres_store(clone: Callable[[str], str]) -> Iterator[Store]:
    """A store where two may write at a time."""
    store = open_store(clone("postgresql"))
    yield store
    store.close()
