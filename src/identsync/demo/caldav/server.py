"""HTTP of the calendar server: requests in, answers or faults out."""

import asyncio
from urllib.parse import unquote

from identsync.demo.caldav.admin import admin
from identsync.demo.caldav.answers import Listing, Refusal, Reply, multistatus
from identsync.demo.caldav.faults import WITHOUT_WORK
from identsync.demo.caldav.house import House, Request
from identsync.demo.caldav.making import make
from identsync.demo.caldav.reports import propfind, report
from identsync.demo.caldav.resources import resource
from identsync.demo.exchange import Exchange, Lost

_LOGIN = b"<!DOCTYPE html><html><head><title>Log in</title></head><body><form>Name, password</form></body></html>"
_ADMIN = "/_caldav/"
_OTHER_HOST = "https://p42-caldav.example:443"


class Calls(Exchange):
    """One connection to the house."""

    def __init__(self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._house = house

    async def asked(self, verb: str, target: str, headers: dict[str, str]) -> None:
        """Answer the protocol, or the back door."""
        request = Request(verb, unquote(target.partition("?")[0]), headers, await self.body())
        if request.path.startswith(_ADMIN):
            await self._send(admin(self._house, verb, request.path.removeprefix(_ADMIN), headers, request.body))
        else:
            await self._protocol(request)

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

    async def _send(self, reply: Reply) -> None:
        headers = [("Server", "identsync-demo-caldav"), ("DAV", "1, 3, calendar-access, extended-mkcol")]
        headers += [("Content-Length", str(len(reply.body)))] if reply.status != 204 else []
        headers += [("Content-Type", reply.type)] if reply.type and reply.body else []
        await self.send(reply.status, headers + reply.headers, reply.body)

    async def _half(self, reply: Reply) -> None:
        head = b"HTTP/1.1 %d X\r\nContent-Length: %d" % (reply.status, len(reply.body))
        half = reply.body[: len(reply.body) // 2]
        await self.send_raw(head + b"\r\n\r\n" + half if half else head)
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
