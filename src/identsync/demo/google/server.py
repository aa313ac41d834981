"""HTTP of this Google: requests in, answers or faults out. h11 keeps the grammar, asyncio the sockets."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import h11

from identsync.demo.google.admin import admin
from identsync.demo.google.api import Request, answer
from identsync.demo.google.cloud import Cloud
from identsync.demo.google.faults import WITHOUT_WORK, Fault
from identsync.demo.google.reply import Refusal, Reply, page

_READ = 256 * 1024
_IDLE_SECONDS = 75.0
_MOST = 16 * 1024 * 1024
_ADMIN = "/_google/"


class Lost(Exception):
    """The connection ends here without an answer."""


class Exchange:
    """One connection: requests one after the other."""

    def __init__(self, cloud: Cloud, key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._cloud = cloud
        self._key = key
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)

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
        verb, target = head.method.decode("latin-1"), head.target.decode("latin-1")
        body = await self._body()
        if target.startswith(_ADMIN):
            await self._send(admin(self._cloud, self._key, verb, target.removeprefix(_ADMIN), headers, body))
        else:
            await self._protocol(Request.of(verb, target, headers, body))
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _protocol(self, request: Request) -> None:
        books, fault = self._cloud.books, self._cloud.faults.pick(request.what)
        kind = fault.kind if fault else None
        if fault is not None and kind == "slow":
            await asyncio.sleep(fault.seconds)
        if kind == "drop":
            books.request(request.what, 0, kind)
            raise Lost
        before = len(books.writes)
        reply = _instead(fault) if fault is not None and kind in WITHOUT_WORK else answer(self._cloud, request)
        if fault is not None and kind == "fail_after":
            reply = _failed(fault)
        if kind in ("lose", "cut", "half", "fail_after"):
            books.unheard(before)
        books.request(
            request.what, 0 if kind in ("lose", "cut") else reply.status, kind, request.body.count(b"HTTP/1.1")
        )
        await self._deliver(reply, kind)

    async def _deliver(self, reply: Reply, kind: str | None) -> None:
        if kind == "lose":
            raise Lost
        if kind == "half":
            reply.body = reply.body[: len(reply.body) // 2]
        if kind != "cut":
            await self._send(reply)
            return
        await self._head(reply, len(reply.body) + 1)
        await self._write(self._http.send(h11.Data(data=reply.body[: len(reply.body) // 2])))
        raise Lost

    # -- the socket ----------------------------------------------------------------------------------------------

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
            self._http.receive_data(await self._reader.read(_READ))
        return event

    async def _body(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while isinstance(event := await self._event(), h11.Data):
            size += len(event.data)
            if size > _MOST:
                raise Lost
            parts.append(bytes(event.data))
        if not isinstance(event, h11.EndOfMessage):
            raise Lost
        return b"".join(parts)

    async def _write(self, data: bytes | None) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()

    async def _head(self, reply: Reply, length: int) -> None:
        headers = [("Server", "identsync-demo-google"), *reply.headers]
        if reply.status != 204:
            headers += [("Content-Type", reply.type), ("Content-Length", str(length))]
        await self._write(self._http.send(h11.Response(status_code=reply.status, headers=headers)))

    async def _send(self, reply: Reply) -> None:
        await self._head(reply, len(reply.body))
        await self._write(self._http.send(h11.Data(data=reply.body)))
        await self._write(self._http.send(h11.EndOfMessage()))


def _instead(fault: Fault) -> Reply:
    return page("Sign in to the network") if fault.kind == "html" else _failed(fault)


def _failed(fault: Fault) -> Reply:
    refusal = Refusal(fault.status, fault.reason, "Backend Error", domain="usageLimits")
    if fault.retry_after is not None:
        refusal.headers.append(("Retry-After", str(fault.retry_after)))
    return refusal.reply()


async def serve(cloud: Cloud, key: str, port: int) -> tuple[int, Callable[[], Awaitable[None]]]:
    """Listen on loopback; returns the port and a coroutine function that ends everything."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await Exchange(cloud, key, reader, writer).run()
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
