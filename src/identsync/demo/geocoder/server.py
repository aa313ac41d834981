"""The geocoders' server: real sockets in one loop, so that answers can be lost; and its back door.

It reads HTTP/1.1 itself, as much as it needs: an answer costs microseconds, and every way to misbehave is at hand.
"""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import orjson

from identsync.demo.geocoder import dadata, nominatim, photon, yandex
from identsync.demo.geocoder.desk import Answer, Desk, Fault, Options, Request

DOOR, DOOR_KEY = "/_geocoder/", "x-geocoder-key"
LONGEST = 1 << 24
HTML = b"<!doctype html><title>502 Bad Gateway</title>"
PATHS: dict[str, Callable[[Desk, Request], Answer]] = {
    "/nominatim/search": nominatim.search,
    "/nominatim/status": nominatim.status,
    "/photon/api": photon.search,
    "/photon/structured": photon.structured,
    "/dadata/api/v1/clean/address": dadata.clean,
    "/dadata/api/v2/profile/balance": dadata.balance,
    "/yandex/v1": yandex.geocode,
}
INSTEAD = ("drop", "fail", "say", "away")
"""Faults that happen before a question is heard."""


class Server:
    """One desk on 127.0.0.1."""

    def __init__(self, desk: Desk, admin_key: str) -> None:
        self.desk, self.admin_key = desk, admin_key
        self.numbers = itertools.count(1)
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Listen; return the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port, backlog=256)
        found: int = self._server.sockets[0].getsockname()[1]
        return found


class _Connection(asyncio.Protocol):
    """One connection, one request after the other."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.number = next(server.numbers)
        self.is_new = True
        self.held = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.held += data
        while self.transport is not None and not self.transport.is_closing() and (taken := _taken(self.held)):
            request, self.held = taken
            request.connection, request.is_new = self.number, self.is_new
            if request.path.startswith(DOOR):
                self._send(*_door(self.server, request))
            else:
                self.is_new = False
                self._answer(request)

    def _answer(self, request: Request) -> None:
        desk, provider = self.server.desk, request.path.split("/")[1]
        desk.counts[provider] += 1
        fault = desk.faults.first(lambda each: each.provider in ("", provider) and request.path.endswith(each.path))
        request.misdeed = fault.kind if fault is not None else ""
        if fault is not None and fault.kind in INSTEAD:
            self._refuse(fault)
            return
        status, payload = self._heard(provider, request)
        data = orjson.dumps(payload) if request.misdeed != "nan" else _with_nan(payload)
        if fault is None or status != 200:
            self._send(status, data)
        else:
            self._spoil(fault, data)

    def _heard(self, provider: str, request: Request) -> Answer:
        desk = self.server.desk
        if desk.is_busy(provider, desk.options.rate, 1.0):
            return 429, {"message": "Too many requests"}
        function = PATHS.get(request.path)
        return (404, {"message": "not found"}) if function is None else function(desk, request)

    def _refuse(self, fault: Fault) -> None:
        if fault.kind == "drop":
            self._close()
        elif fault.kind == "away":
            self._send(307, b"", head="Location: http://127.0.0.2:9/elsewhere\r\n")
        else:
            usual = b"" if fault.kind == "say" else b'{"message":"as told"}'
            head = f"Retry-After: {fault.retry_after}\r\n" if fault.retry_after else ""
            self._send(fault.status, fault.body.encode() or usual, head=head)

    def _spoil(self, fault: Fault, data: bytes) -> None:
        assert self.transport is not None
        match fault.kind:
            case "lose":
                self._close()
            case "hang":
                pass
            case "slow":
                asyncio.get_running_loop().call_later(fault.seconds, self._send, 200, data)
            case "cut":
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + data[:20])
                self._close()
            case "html":
                self._send(200, HTML, "text/html")
            case "half":
                self._send(200, data[: len(data) // 2])
            case _:
                self._send(200, data)

    def _send(self, status: int, data: bytes, kind: str = "application/json", head: str = "") -> None:
        if self.transport is None or self.transport.is_closing():
            return
        top = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{head}\r\n"
        self.transport.write(top.encode() + data)

    def _close(self) -> None:
        if self.transport is not None:
            self.transport.close()


def _taken(held: bytes) -> tuple[Request, bytes] | None:
    """Take one whole request from the beginning of what came; None: it is not whole."""
    head, end, rest = held.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
    length = min(int(headers.get("content-length", "0")), LONGEST)
    if len(rest) < length:
        return None
    asked = urlsplit(target)
    query = dict(parse_qsl(asked.query, keep_blank_values=True))
    request = Request(method, unquote(asked.path), query, headers, rest[:length], 0, is_new=False)
    return request, rest[length:]


def _with_nan(payload: Any) -> bytes:
    """Spell NaN as careless servers do; orjson would say null."""
    import json

    return json.dumps(payload, ensure_ascii=False).encode()


def _door(server: Server, request: Request) -> tuple[int, bytes]:
    if request.headers.get(DOOR_KEY) != server.admin_key:
        return 403, b'"no"'
    what = request.path.removeprefix(DOOR)
    try:
        return 200, orjson.dumps(_done(server.desk, f"{request.method} {what}", request.body))
    except (ValueError, KeyError, msgspec.ValidationError) as error:
        return 400, str(error).encode()


def _done(desk: Desk, what: str, body: bytes) -> Any:
    match what:
        case "GET asked":
            return [asdict(each) for each in desk.asked]
        case "DELETE asked":
            desk.asked.clear()
        case "GET books":
            return desk.books()
        case "POST faults":
            desk.faults.add(msgspec.json.decode(body, type=Fault))
        case "DELETE faults":
            desk.faults.clear()
        case "POST day":
            desk.new_day()
        case "POST options":
            told = msgspec.structs.asdict(desk.options) | orjson.loads(body)
            desk.options = msgspec.convert(told, Options)
        case _:
            raise KeyError(what)
    return None
