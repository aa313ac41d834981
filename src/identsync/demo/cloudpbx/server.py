"""The cloud PBXs' server: real sockets, so that answers can be lost; and its back door."""

import pkgutil
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any

import msgspec
import orjson

import identsync.demo.cloudpbx as package
from identsync.demo import serving
from identsync.demo.cloudpbx.desk import Desk, Fault, Staging, listed
from identsync.demo.cloudpbx.request import WAV, Asked, Bad, Route, Told, words

OPTIONS = ("ahead", "zone", "limits", "employees")
TOLD: dict[str, Callable[[Desk], Any]] = {
    "GET calls": lambda desk: listed(desk.calls),
    "GET dialled": lambda desk: listed(desk.dialled),
    "GET books": lambda desk: desk.books(),
}
HTML = Told(200, b"<!doctype html><title>502</title>", "text/html")


@cache
def routes() -> list[tuple[str, re.Pattern[str], Route]]:
    """Collect ``ROUTES`` of every module of this package."""
    found: list[tuple[str, re.Pattern[str], Route]] = []
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_") or module.name == "server":
            continue
        held: dict[str, Route] = getattr(import_module(f"{package.__name__}.{module.name}"), "ROUTES", {})
        for rule, route in held.items():
            method, _space, path = rule.partition(" ")
            found.append((method, re.compile(path), route))
    return found


class Handler(serving.Handler[Desk]):
    """One connection."""

    door, door_key = "/_cloudpbx/", "X-Cloudpbx-Key"

    def asked(self, body: bytes) -> None:
        """Answer a question to a PBX."""
        asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        with self.server.desk.lock:
            fault = self.server.desk.faults.first(
                lambda fault: fault.path in asked.path or fault.path in _method(asked)
            )
        if fault is not None and fault.kind == "slow":
            self.server.ended.wait(fault.seconds)
        with self.server.desk.lock:
            told = self._told(asked, fault)
        self._answer(told, fault)

    def _told(self, asked: Asked, fault: Fault | None) -> Told:
        desk = self.server.desk
        desk.counts[f"{asked.method} {asked.path}"] += 1
        if method := _method(asked):
            desk.counts[method] += 1
        if fault is not None and fault.kind in ("drop", "fail", "say"):
            return Told(fault.status, {})
        try:
            return routed(desk, asked, fault)
        except Bad as error:
            return words(400, str(error))

    def _answer(self, told: Told, fault: Fault | None) -> None:
        kind = fault.kind if fault is not None else ""
        if fault is None:
            self._send(told)
        elif kind in ("drop", "lose"):
            self.close_connection = True
        elif kind == "hang":
            self.hang()
        elif kind == "cut":
            self.break_off(told.data[:5], 9_999_999)
        elif kind == "html":
            self._send(HTML)
        elif kind in ("say", "mumble"):
            self._send(Told(fault.status, fault.body.encode(), headers=_headers(fault)))
        elif kind == "half":
            self._send(Told(200, told.data[: len(told.data) // 2], told.media))
        elif kind in ("fail", "late"):
            self._send(Told(fault.status, told.payload, told.media, _headers(fault)))
        else:
            self._send(told)

    def _send(self, told: Told) -> None:
        self.reply(told.status, told.data, told.media, told.headers)

    def ordered(self, what: str, body: bytes) -> Any:
        """Do what the back door is asked."""
        with self.server.desk.lock:
            return _done(self.server.desk, what, body)


def routed(desk: Desk, asked: Asked, fault: Fault | None) -> Told:
    """Let the provider's file answer."""
    if asked.path.startswith("/files/"):
        content = desk.follow(asked.path)
        return words(404, "no such link") if content is None else Told(200, content, WAV)
    is_known = False
    for method, pattern, route in routes():
        if (found := pattern.fullmatch(asked.path)) is None:
            continue
        is_known = True
        if method == asked.method:
            wish = fault if fault is not None and fault.kind == "refuse" else None
            return route(desk, replace(asked, parts=found.groupdict(), fault=wish))
    return words(405 if is_known else 404, "no such method" if is_known else "no such path")


def _method(asked: Asked) -> str:
    """Return the method of a JSON-RPC call, '' for anything else."""
    if b'"jsonrpc"' not in asked.body:
        return ""
    try:
        return str(orjson.loads(asked.body).get("method", ""))
    except (orjson.JSONDecodeError, AttributeError):
        return ""


def _headers(fault: Fault) -> dict[str, str]:
    told = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    return told | ({"Location": fault.location} if fault.location else {})


def _done(desk: Desk, what: str, body: bytes) -> Any:
    if what in TOLD:
        return TOLD[what](desk)
    match what:
        case "POST calls":
            return desk.stage(msgspec.json.decode(body, type=Staging)).id
        case "POST answer":
            desk.answer(**orjson.loads(body))
        case "POST end":
            desk.end(**orjson.loads(body))
        case "POST faults":
            desk.faults.add(msgspec.json.decode(body, type=Fault))
        case "DELETE faults":
            desk.faults.clear()
        case "DELETE everything":
            desk.clear()
        case "POST options":
            serving.change(desk, body, OPTIONS)
        case _:
            raise KeyError(what)
    return None
