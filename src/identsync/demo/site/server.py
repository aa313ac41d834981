"""HTTP of the site: requests in, answers or faults out."""

import asyncio
from urllib.parse import parse_qs, urlsplit

from identsync.demo.exchange import Exchange, Lost
from identsync.demo.site.admin import admin
from identsync.demo.site.faults import Fault
from identsync.demo.site.site import Refusal, Reply, Site, text

_DRAINED = 1 << 30  # a refused body is read to its end, up to here, so that the client hears the refusal
_METHODS = {"GetTickets": "GET", "PostTimeTable": "POST"}
_WITHOUT_WORK = frozenset({"fail", "drop", "html", "redirect"})
_SERVER = ("Server", "identsync-demo-site")
_HTML = b"<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>"


class Calls(Exchange):
    """One connection to the site."""

    def __init__(self, site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._site = site
        self._target = ""

    async def asked(self, verb: str, target: str, headers: dict[str, str]) -> None:
        """Answer the protocol, or the back door."""
        self._target = target
        url = urlsplit(target)
        if "/_site/" in url.path:
            await self._send(admin(self._site, verb, url.path.rpartition("/_site/")[2], headers, await self._kept(0)))
        else:
            await self._protocol(verb, url.path.rpartition("/")[2], parse_qs(url.query), headers)

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
            body = await self._kept(self._site.options.max_bytes)
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

    async def _kept(self, limit: int) -> bytes:
        """Return the body; one over ``limit`` bytes (0 = none) is read to its end and refused."""
        parts: list[bytes] = []
        size = 0
        async for part in self.parts(_DRAINED):
            size += len(part)
            if limit and size > limit:
                parts.clear()
            else:
                parts.append(part)
        if limit and size > limit:
            self._site.books.counts["bodies too large"] += 1
            raise Refusal(413, f"the body is larger than {limit} bytes")
        return b"".join(parts)

    async def _send(self, reply: Reply) -> None:
        await self.send(reply.status, _headers(reply), reply.body)

    async def _slowly(self, reply: Reply, fault: Fault | None) -> None:
        await self.send_head(reply.status, _headers(reply))
        if fault is None:
            await self.send_part(reply.body[: len(reply.body) // 2])
            raise Lost
        for byte in reply.body:
            await self.send_part(bytes((byte,)))
            await asyncio.sleep(fault.seconds)
        await self.send_end()

    async def _endless(self) -> None:
        reply = Reply(200, b"", "application/json; charset=utf-8")
        await self.send_head(
            reply.status, [(name, value) for name, value in _headers(reply) if name != "Content-Length"]
        )
        await self.send_part(b"[")
        while True:
            await self.send_part(b'{"Id": "again"},' * 4096)


def _headers(reply: Reply) -> list[tuple[str, str]]:
    return [("Content-Type", reply.type), _SERVER, ("Content-Length", str(len(reply.body))), *reply.headers]


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
