"""A loopback TCP proxy before PostgreSQL that loses or holds replies after the server has committed.

In autocommit the server answers after the commit, so a reply that is dropped here is the ambiguous claim, finish or
effect: done, and nobody was told.
"""

import asyncio
import random
import threading
from collections import Counter


class Proxy:
    """Listens on a port of its own in a thread of its own; its faults are attributes that may be set at any time."""

    def __init__(self, host: str, port: int, seed: int) -> None:
        """Take the server's address; a ``host`` that is a folder holds its Unix socket, as libpq has it."""
        self.drop = 0.0  # probability, per reply, that it and its connection are lost
        self.hold = 0.0  # probability, per reply, that it comes ``hold_s`` later
        self.hold_s = (0.1, 1.0)
        self.refuse = False  # nobody gets through any more
        self.counts: Counter[str] = Counter()
        self.port = 0
        self._host, self._server_port = host, port
        self._random = random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join()
        self._loop.close()

    def calm(self) -> None:
        """Pass everything from now on."""
        self.drop = self.hold = 0.0
        self.refuse = False

    def cut(self) -> None:
        """Break every connection."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        self.counts["cut"] += len(self._writers) // 2
        for writer in tuple(self._writers):
            writer.transport.abort()

    def _end(self) -> None:
        self._cut()
        self._loop.call_later(0.05, self._loop.stop)  # the broken connections' tasks end first

    def _run(self) -> None:
        async def listen() -> None:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self._listener = server

        self._loop.run_until_complete(listen())
        self._ready.set()
        self._loop.run_forever()
        self._listener.close()
        self._loop.run_until_complete(_cancelled(asyncio.all_tasks(self._loop)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuse:
            self.counts["refused"] += 1
            writer.transport.abort()
            return
        there, back = await self._connect()
        ends = {writer, back}
        self._writers |= ends
        try:
            await asyncio.gather(self._pass(reader, back), self._answer(there, writer))
        except (OSError, EOFError):
            self.counts["broken"] += 1
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._host.startswith("/"):
            return await asyncio.open_unix_connection(f"{self._host}/.s.PGSQL.{self._server_port}")
        return await asyncio.open_connection(self._host, self._server_port)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        raise EOFError

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if self._random.random() < self.drop:
                self.counts["dropped"] += 1
                raise EOFError
            if self._random.random() < self.hold:
                self.counts["held"] += 1
                await asyncio.sleep(self._random.uniform(*self.hold_s))
            writer.write(data)
            await writer.drain()
        raise EOFError


async def _cancelled(tasks: "set[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
