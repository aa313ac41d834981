"""What the counterparties on asyncio share: one connection (h11 keeps the grammar), the listening, the end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import h11

from identsync.demo.parent import announce, watch_parent

_READ = 256 * 1024
_IDLE_SECONDS = 75.0

Headers = list[tuple[str, str]]


class Lost(Exception):
    """The connection ends here without an answer."""


class Exchange:
    """One connection: requests one after the other; a counterparty says in ``asked`` what it answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)

    async def asked(self, verb: str, target: str, headers: dict[str, str]) -> None:
        """Read the body, answer; Lost ends the connection."""
        raise NotImplementedError

    async def run(self) -> None:
        """Answer until the connection ends."""
        with contextlib.suppress(Lost, ConnectionError, TimeoutError, h11.RemoteProtocolError):
            while await self._one():
                self._http.start_next_cycle()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _one(self) -> bool:
        head = await asyncio.wait_for(self._event(), _IDLE_SECONDS)
        if not isinstance(head, h11.Request):
            return False
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        await self.asked(head.method.decode("latin-1"), head.target.decode("latin-1"), headers)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
            self._http.receive_data(await self._reader.read(_READ))
        return event

    async def parts(self, longest: int) -> AsyncIterator[bytes]:
        """Give the body as it comes; Lost where it is longer than ``longest`` bytes or breaks off."""
        size = 0
        while isinstance(event := await self._event(), h11.Data):
            size += len(event.data)
            if size > longest:
                raise Lost
            yield bytes(event.data)
        if not isinstance(event, h11.EndOfMessage):
            raise Lost

    async def body(self, longest: int = 16 * 1024 * 1024) -> bytes:
        """Return the whole body."""
        return b"".join([part async for part in self.parts(longest)])

    async def send(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer; the headers are sent as given."""
        await self.send_head(status, headers)
        await self.send_part(body)
        await self.send_end()

    async def send_head(self, status: int, headers: Headers) -> None:
        """Begin an answer."""
        await self._write(self._http.send(h11.Response(status_code=status, headers=headers)))

    async def send_part(self, data: bytes) -> None:
        """Go on with it."""
        await self._write(self._http.send(h11.Data(data=data)))

    async def send_end(self) -> None:
        """End it."""
        await self._write(self._http.send(h11.EndOfMessage()))

    async def send_raw(self, data: bytes) -> None:
        """Write what no grammar allows."""
        await self._write(data)

    async def _write(self, data: bytes | None) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()


Make = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Exchange]


async def _serve(make: Make, port: int) -> tuple[int, Callable[[], Awaitable[None]]]:
    """Listen on loopback; returns the port and a coroutine function that ends everything."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await make(reader, writer).run()
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", port, limit=_READ)

    async def close() -> None:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return int(server.sockets[0].getsockname()[1]), close


async def serve(make: Make, port: int, stopped: asyncio.Event, *, with_parent: bool) -> None:
    """Serve on loopback and say the port as JSON, until ``stopped`` is set or, if so asked, whoever started us ends."""
    port, close = await _serve(make, port)
    if with_parent:
        loop = asyncio.get_running_loop()
        watch_parent(lambda: loop.call_soon_threadsafe(stopped.set))
    announce(port=port)
    try:
        await stopped.wait()
    finally:
        await close()
