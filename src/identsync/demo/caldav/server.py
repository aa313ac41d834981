"""HTTP of the calendar server: requests in, answers or faults out. h11 keeps the grammar, asyncio the sockets."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

import h11

from identsync.demo.caldav.admin import admin
from identsync.demo.caldav.answers import Listing, Refusal, Reply, multistatus
from identsync.demo.caldav.faults import WITHOUT_WORK
from identsync.demo.caldav.house import House, Request
from identsync.demo.caldav.making import make
from identsync.demo.caldav.reports import propfind, report
from identsync.demo.caldav.resources import resource

_READ = 256 * 1024
_IDLE_SECONDS = 75.0
_LONGEST = 16 * 1024 * 1024
_LOGIN = b"<!DOCTYPE html><html><head><title>Log in</title></head><body><form>Name, password</form></body></html>"
_ADMIN = "/_caldav/"
_OTHER_HOST = "https://p42-caldav.example:443"


class Lost(Exception):
    """The connection ends here without an answer."""


class Exchange:
    """One connection: requests one after the other."""

    def __init__(self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._house = house
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
        path = unquote(head.target.decode("latin-1").partition("?")[0])
        request = Request(head.method.decode("latin-1"), path, headers, await self._body())
        if path.startswith(_ADMIN):
            await self._send(admin(self._house, request.verb, path.removeprefix(_ADMIN), headers, request.body))
        else:
            await self._protocol(request)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _protocol(self, request: Request) -> None:
        what = request.report or request.verb
        request.fault = fault = self._house.faults.pick((request.verb, what), request.path)
        kind = fault.kind if fault else None
        written = len(self._house.books.writes)
        status = 0
        try:
            if kind == "drop":
                raise Lost
            if fault is not None and kind == "slow":
                await asyncio.sleep(fault.seconds)
            reply = answer(self._house, request)
            if kind == "lose":
                raise Lost
            if kind == "cut":
                await self._half(reply)
            await self._send(reply)
            status = reply.status
        finally:
            for write in self._house.books.writes[written:]:
                write.status = status
            self._house.books.request(request.user, what, request.path, status, kind)

    # -- the socket ----------------------------------------------------------------------------------------------

    async def _event(self) -> object:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
            self._http.receive_data(await self._reader.read(_READ))

    async def _body(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while isinstance(event := await self._event(), h11.Data):
            size += len(event.data)
            if size > _LONGEST:
                raise Lost
            parts.append(bytes(event.data))
        if not isinstance(event, h11.EndOfMessage):
            raise Lost
        return b"".join(parts)

    async def _write(self, data: bytes | None) -> None:
        if data is not None:
            self._writer.write(data)
            await self._writer.drain()

    async def _head(self, reply: Reply) -> None:
        headers = [("Server", "identsync-demo-caldav"), ("DAV", "1, 3, calendar-access, extended-mkcol")]
        headers += [("Content-Length", str(len(reply.body)))] if reply.status != 204 else []
        headers += [("Content-Type", reply.type)] if reply.type and reply.body else []
        await self._write(self._http.send(h11.Response(status_code=reply.status, headers=headers + reply.headers)))

    async def _send(self, reply: Reply) -> None:
        await self._head(reply)
        await self._write(self._http.send(h11.Data(data=reply.body)))
        await self._write(self._http.send(h11.EndOfMessage()))

    async def _half(self, reply: Reply) -> None:
        head = b"HTTP/1.1 %d X\r\nContent-Length: %d" % (reply.status, len(reply.body))
        half = reply.body[: len(reply.body) // 2]
        await self._write(head + b"\r\n\r\n" + half if half else head)
        raise Lost


def answer(house: House, request: Request) -> Reply:
    """Do what is asked, or what the fault says, and return the answer."""
    fault = request.fault
    try:
        if request.path.startswith("/.well-known/caldav"):
            return _well_known(house)
        request.user = house.admit(request.headers)
        if fault is not None and fault.kind in WITHOUT_WORK:
            return _instead(request)
        reply = _answered(house, request)
    except Refusal as refusal:
        reply = refusal.reply()
        if refusal.status == 401:
            reply.headers.append(("WWW-Authenticate", 'Basic realm="calendar", charset="UTF-8"'))
    if fault is not None and fault.kind == "late":
        return Reply(fault.status, fault.text.encode())
    return reply


def _answered(house: House, request: Request) -> Reply:
    if not f"{request.path}/".startswith("/dav/"):
        raise Refusal(404, why="there is nothing here")
    if request.verb in {"PUT", "DELETE", "GET"}:
        return resource(house, request)
    if request.verb in {"MKCALENDAR", "MKCOL"}:
        return make(house, request)
    if request.verb == "PROPFIND":
        return _listed(propfind(house, request), request)
    if request.verb == "REPORT":
        return _listed(report(house, request), request)
    raise Refusal(405, why="not here")


def _listed(listing: Listing, request: Request) -> Reply:
    if request.suffers("bare"):
        listing.rows.clear()
    safe = "/" if request.suffers("escaped") else "/@"
    origin = _OTHER_HOST if request.suffers("absolute") else ""
    reply = multistatus(listing, safe=safe, origin=origin, twice=request.suffers("duplicate"))
    if request.suffers("truncate"):
        reply.body = reply.body[: len(reply.body) // 2]
    if request.suffers("plain") or request.suffers("typeless"):
        reply.type = "text/plain" if request.suffers("plain") else None
    return reply


def _well_known(house: House) -> Reply:
    status = house.options.well_known
    if status == 404:
        return Reply(404, b"there is nothing here")
    return Reply(status, b"moved", headers=[("Location", house.options.well_known_to)])


def _instead(request: Request) -> Reply:
    fault = request.fault
    assert fault is not None
    if fault.kind == "html":
        return Reply(200, _LOGIN, "text/html; charset=utf-8")
    after = [] if fault.retry_after is None else [("Retry-After", str(fault.retry_after))]
    return Reply(fault.status, fault.text.encode(), headers=after)


async def serve(house: House, port: int) -> tuple[int, Callable[[], Awaitable[None]]]:
    """Listen on loopback; returns the port and a coroutine function that ends everything."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await Exchange(house, reader, writer).run()
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
