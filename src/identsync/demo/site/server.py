"""HTTP of the site: requests in, answers or faults out. h11 keeps the grammar, asyncio the sockets."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import h11

from identsync.demo.site.admin import admin
from identsync.demo.site.faults import Fault
from identsync.demo.site.site import Refusal, Reply, Site, text

_READ = 256 * 1024
_IDLE_SECONDS = 75.0
_DRAINED = 1 << 30  # a refused body is read to its end, up to here, so that the client hears the refusal
_METHODS = {"GetTickets": "GET", "PostTimeTable": "POST"}
_WITHOUT_WORK = frozenset({"fail", "drop", "html", "redirect"})
_HTML = b"<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"


class Lost(Exception):
    """The connection ends here without an answer."""


class Exchange:
    """One connection: requests one after the other."""

    def __init__(self, site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._site = site
        self._reader = reader
        self._writer = writer
        self._target = ""
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
        request = await asyncio.wait_for(self._event(), _IDLE_SECONDS)
        if not isinstance(request, h11.Request):
            return False
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        self._target = request.target.decode("latin-1")
        url = urlsplit(self._target)
        verb = request.method.decode("latin-1")
        if "/_site/" in url.path:
            reply = admin(self._site, verb, url.path.rpartition("/_site/")[2], headers, await self._body(0))
            await self._send(reply)
        else:
            await self._protocol(verb, url.path.rpartition("/")[2], parse_qs(url.query), headers)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _protocol(self, verb: str, method: str, query: dict[str, list[str]], headers: dict[str, str]) -> None:
        fault = self._site.faults.pick(method)
        kind = fault.kind if fault else None
        status, size, note = 0, 0, ""
        if kind == "drop":
            self._site.books.request(method[:40], 0, 0, kind, "")
            raise Lost
        try:
            reply = await self._answer(verb, method, query, headers, fault)
            status, size, note = (0 if kind in ("lose", "cut") else reply.status), len(reply.body), reply.note
            await self._deliver(reply, fault)
        except Lost:
            if method == "PostTimeTable" and self._site.books.posted and kind in ("lose", "cut"):
                self._site.books.posted[-1].answered = False
            raise
        finally:
            self._site.books.request(method[:40], status, size, kind, note)

    async def _answer(
        self, verb: str, method: str, query: dict[str, list[str]], headers: dict[str, str], fault: Fault | None
    ) -> Reply:
        try:
            body = await self._body(self._site.options.max_bytes)
            _known(verb, method)
            self._site.admit(headers)
            if fault is not None and fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            if fault is not None and (fault.kind in _WITHOUT_WORK or (method, fault.kind) in _ANSWERS_ONLY):
                return _instead(fault, self._target)
            if method == "PostTimeTable":
                return await self._site.post_timetable(body, headers)
            return self._site.get_tickets(query, ignore_paging=fault is not None and fault.kind == "same_page")
        except Refusal as refusal:
            return text(refusal.status, refusal.reason)

    async def _deliver(self, reply: Reply, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        if kind == "lose":
            raise Lost
        if kind in ("null", "object") and reply.status == 200:
            reply.body = b"null" if kind == "null" else b'{"error": null}'
        if kind == "half" and reply.status == 200:
            reply.body = reply.body[: max(1, len(reply.body) // 2)]
        if kind == "endless":
            await self._endless()
        elif kind == "cut" or (kind == "drip" and fault is not None):
            await self._slowly(reply, None if kind == "cut" else fault)
        else:
            await self._send(reply)

    # -- the socket ----------------------------------------------------------------------------------------------

    async def _event(self) -> object:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
            self._http.receive_data(await self._reader.read(_READ))

    async def _body(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        while isinstance(event := await self._event(), h11.Data):
            size += len(event.data)
            if size > _DRAINED:
                raise Lost
            if limit and size > limit:
                parts.clear()
            else:
                parts.append(bytes(event.data))
        if not isinstance(event, h11.EndOfMessage):
            raise Lost
        if limit and size > limit:
            self._site.books.counts["bodies too large"] += 1
            raise Refusal(413, f"the body is larger than {limit} bytes")
        return b"".join(parts)

    async def _write(self, data: bytes | None) -> None:
        if data is not None:
            self._writer.write(data)
            await self._writer.drain()

    async def _head(self, reply: Reply, length: int | None) -> None:
        headers = [("Content-Type", reply.type), ("Server", "identsync-demo-site"), *reply.headers]
        if length is not None:
            headers.append(("Content-Length", str(length)))
        await self._write(self._http.send(h11.Response(status_code=reply.status, headers=headers)))

    async def _send(self, reply: Reply) -> None:
        await self._head(reply, len(reply.body))
        await self._write(self._http.send(h11.Data(data=reply.body)))
        await self._write(self._http.send(h11.EndOfMessage()))

    async def _slowly(self, reply: Reply, fault: Fault | None) -> None:
        await self._head(reply, len(reply.body))
        if fault is None:
            await self._write(self._http.send(h11.Data(data=reply.body[: len(reply.body) // 2])))
            raise Lost
        for byte in reply.body:
            await self._write(self._http.send(h11.Data(data=bytes((byte,)))))
            await asyncio.sleep(fault.seconds)
        await self._write(self._http.send(h11.EndOfMessage()))

    async def _endless(self) -> None:
        await self._head(Reply(200, b"", "application/json; charset=utf-8"), None)
        await self._write(self._http.send(h11.Data(data=b"[")))
        while True:
            await self._write(self._http.send(h11.Data(data=b'{"Id": "again"},' * 4096)))


# A POST whose answer is garbage is taken as not done: a page that answers for the site has not read the body.
_ANSWERS_ONLY = frozenset(("PostTimeTable", kind) for kind in ("half", "null", "object", "endless"))


def _known(verb: str, method: str) -> None:
    if method not in _METHODS:
        raise Refusal(404, f"no method {method[:40]} here")
    if verb != _METHODS[method]:
        raise Refusal(405, f"{method} is a {_METHODS[method]}")


def _instead(fault: Fault, target: str) -> Reply:
    if fault.kind == "html":
        return Reply(200, _HTML, "text/html; charset=utf-8", note="html")
    if fault.kind == "redirect":
        status = fault.status if fault.status in (301, 302, 303, 307, 308) else 307
        return Reply(status, b"moved", headers=[("Location", fault.location or f"/moved{target}")], note="redirect")
    if fault.kind != "fail":
        return Reply(200, b'{"ok": true}', "application/json; charset=utf-8", note=fault.kind)
    reply = text(fault.status, fault.text)
    if fault.retry_after is not None:
        reply.headers.append(("Retry-After", str(fault.retry_after)))
    return reply


async def serve(site: Site, port: int) -> tuple[int, Callable[[], Awaitable[None]]]:
    """Listen on loopback; returns the port and a coroutine function that ends everything."""
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await Exchange(site, reader, writer).run()
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
