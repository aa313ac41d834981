"""A line to a real server that loses answers: the request arrives and is done, its answer stays or half of it comes."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

_READ = 65_536


@dataclass
class Line:
    """``share`` of the answers are lost; ``lost`` counts them."""

    to: tuple[str, int]
    dice: random.Random
    share: float = 0.0
    lost: int = 0
    url: str = ""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either side closes it, or an answer is lost."""
        there, back = await asyncio.open_connection(*self.to)
        asking = asyncio.create_task(_copy(reader, back))
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await self._answers(there, writer)
        finally:
            asking.cancel()
            back.close()
            writer.close()

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await there.read(_READ):
            if self.dice.random() < self.share:
                self.lost += 1
                writer.write(data[: self.dice.choice((0, len(data) // 2))])
                return
            writer.write(data)
            await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_READ):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@contextlib.asynccontextmanager
async def line_to(url: str, seed: int) -> AsyncIterator[Line]:
    """Open a line that loses nothing yet."""
    where = urlsplit(url)
    line = Line((where.hostname or "", where.port or 80), random.Random(seed))
    carried: list[asyncio.Task[None]] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carried.append(asyncio.create_task(line.carry(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{where.path}"
    try:
        yield line
    finally:
        server.close()
        for task in carried:
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)
