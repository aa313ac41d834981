"""HTTP of this Google: requests in, answers or faults out."""

import asyncio

from identsync.demo.exchange import Exchange, Lost
from identsync.demo.google.admin import admin
from identsync.demo.google.api import Request, answer
from identsync.demo.google.cloud import Cloud
from identsync.demo.google.faults import WITHOUT_WORK, Fault
from identsync.demo.google.reply import Refusal, Reply, page

_ADMIN = "/_google/"


class Calls(Exchange):
    """One connection to the cloud; ``key`` opens its back door."""

    def __init__(self, cloud: Cloud, key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self._cloud = cloud
        self._key = key

    async def asked(self, verb: str, target: str, headers: dict[str, str]) -> None:
        """Answer the protocol, or the back door."""
        body = await self.body()
        if target.startswith(_ADMIN):
            await self._send(admin(self._cloud, self._key, verb, target.removeprefix(_ADMIN), headers, body))
        else:
            await self._protocol(Request.of(verb, target, headers, body))

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
        await self.send_head(reply.status, _headers(reply, len(reply.body) + 1))
        await self.send_part(reply.body[: len(reply.body) // 2])
        raise Lost

    async def _send(self, reply: Reply) -> None:
        await self.send(reply.status, _headers(reply, len(reply.body)), reply.body)


def _headers(reply: Reply, length: int) -> list[tuple[str, str]]:
    headers = [("Server", "identsync-demo-google"), *reply.headers]
    if reply.status != 204:
        headers += [("Content-Type", reply.type), ("Content-Length", str(length))]
    return headers


def _instead(fault: Fault) -> Reply:
    return page("Sign in to the network") if fault.kind == "html" else _failed(fault)


def _failed(fault: Fault) -> Reply:
    refusal = Refusal(fault.status, fault.reason, "Backend Error", domain="usageLimits")
    if fault.retry_after is not None:
        refusal.headers.append(("Retry-After", str(fault.retry_after)))
    return refusal.reply()
