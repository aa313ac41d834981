"""The gateways' server: real sockets, so that answers can be lost; and its back door."""

from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import orjson

from identsync.demo import serving
from identsync.demo.gateway.desk import Desk, Fault
from identsync.demo.gateway.protocols import BUSY, FORMS, PATHS

PARALLEL = 15  # requests of one login that SMSC.ru bears
OPTIONS = ("balance", "price", "delivery_s", "undelivered", "ahead", "rate", "rate_s", "mass_s")
HTML = b"<!doctype html><title>502</title>"


class Handler(serving.Handler[Desk]):
    """One connection."""

    door, door_key = "/_gateway/", "X-Gateway-Key"

    def asked(self, body: bytes) -> None:
        """Answer a gateway's question; it takes its key in a body alone."""
        if self.command != "POST":
            self.reply(405, b"{}")
            return
        desk, gateway = self.server.desk, self.path.split("/")[1]
        where = urlsplit(self.path).path
        with desk.lock:
            desk.inside[gateway] += 1
            fault = desk.faults.first(lambda fault: where.endswith(fault.path))
            desk.counts[where] += 1
        try:
            if fault is not None and fault.kind == "slow":
                self.server.ended.wait(fault.seconds)
            with desk.lock:
                status, payload = self._told(fault, gateway, body)
        finally:
            with desk.lock:
                desk.inside[gateway] -= 1
        self._answer(fault, status, payload)

    def _told(self, fault: Fault | None, gateway: str, body: bytes) -> tuple[int, Any]:
        if fault is not None and fault.kind in ("drop", "fail", "say"):
            return fault.status, {}
        if fault is not None and fault.kind == "refuse":
            return 200, {"status": "ERROR", "error": "as told", "error_code": fault.code, "status_code": fault.code}
        is_crowded = gateway == "smsc" and self.server.desk.inside[gateway] > PARALLEL
        if self.server.desk.is_busy(gateway) or is_crowded:
            return BUSY.get(gateway, (429, {}))
        return self._asked(body)

    def _asked(self, body: bytes) -> tuple[int, Any]:
        asked = urlsplit(self.path)
        query = dict(parse_qsl(asked.query))
        function = PATHS.get(asked.path)
        if function is None or set(query) - {"page"}:
            return 404, {}  # whatever else is told in an address would be read by others, too
        is_form = self.path.startswith(FORMS)
        wanted = "application/x-www-form-urlencoded" if is_form else "application/json"
        if not self.headers.get("Content-Type", "").startswith(wanted):
            return 415, {}
        try:
            fields = dict(parse_qsl(body.decode(), strict_parsing=True)) if is_form else orjson.loads(body)
        except ValueError:
            return 400, {}
        fields |= {f"?{name}": value for name, value in query.items()}
        return function(self.server.desk, {k.lower(): v for k, v in self.headers.items()}, fields)

    def _answer(self, fault: Fault | None, status: int, payload: Any) -> None:
        kind = fault.kind if fault is not None else ""
        data = orjson.dumps(payload)
        if kind in ("drop", "lose"):
            self.close_connection = True
        elif kind == "hang":
            self.hang()
        elif kind == "cut":
            self.break_off(data[:5], 999)
        elif kind == "html":
            self.reply(200, HTML, "text/html")
        elif kind in ("say", "mumble") and fault is not None:
            self.reply(fault.status, fault.body.encode())
        elif kind == "half":
            self.reply(200, data[: len(data) // 2])
        else:
            self.reply(fault.status if fault is not None and kind == "late" else status, data)

    def ordered(self, what: str, body: bytes) -> Any:
        """Do what the back door is asked; ``POST reset`` forgets everything."""
        if what == "POST reset":
            self.server.desk = Desk(self.server.desk.seed)
            return None
        with self.server.desk.lock:
            return _done(self.server.desk, what, body)


def _done(desk: Desk, what: str, body: bytes) -> Any:
    match what:
        case "GET messages":
            return [asdict(message) for message in desk.taken]
        case "GET books":
            return desk.books()
        case "POST faults":
            desk.faults.add(msgspec.json.decode(body, type=Fault))
        case "DELETE faults":
            desk.faults.clear()
        case "POST replies":
            told = orjson.loads(body)
            desk.replies.append((told["phone"], told["text"], desk.now() - told["ago"]))
        case "POST options":
            serving.change(desk, body, OPTIONS)
        case _:
            raise KeyError(what)
    return None
