"""The gateways' server: real sockets, so that answers can be lost; and its back door."""

import threading
from collections import Counter
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import orjson

from identsync.demo.gateway.desk import Desk, Fault
from identsync.demo.gateway.protocols import BUSY, FORMS, PATHS

DOOR = "/_gateway/"
DOOR_KEY = "X-Gateway-Key"
LONGEST = 1 << 20
PARALLEL = 15  # requests of one login that SMSC.ru bears
OPTIONS = ("balance", "price", "delivery_s", "undelivered", "ahead", "rate", "rate_s", "mass_s")
HTML = b"<!doctype html><title>502</title>"


class Server(ThreadingHTTPServer):
    """One desk on 127.0.0.1."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, desk: Desk, admin_key: str, port: int = 0) -> None:
        self.desk, self.admin_key = desk, admin_key
        self.ended = threading.Event()
        self.inside: Counter[str] = Counter()  # requests that each gateway is at
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: who called has gone away."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_POST(self) -> None:
        """Answer a gateway's question, or the back door's."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), LONGEST))
        if self.path.startswith(DOOR):
            self._door(body)
            return
        desk, gateway = self.server.desk, self.path.split("/")[1]
        where = urlsplit(self.path).path
        with desk.lock:
            self.server.inside[gateway] += 1
            fault = desk.faults.first(lambda fault: where.endswith(fault.path))
            desk.counts[where] += 1
        try:
            if fault is not None and fault.kind == "slow":
                self.server.ended.wait(fault.seconds)
            with desk.lock:
                status, payload = self._told(fault, gateway, body)
        finally:
            with desk.lock:
                self.server.inside[gateway] -= 1
        self._answer(fault, status, payload)

    def do_GET(self) -> None:
        """Answer the back door; a gateway takes its key in a body alone."""
        if self.path.startswith(DOOR):
            self._door(b"")
        else:
            self._send(405, b"{}")

    do_DELETE = do_GET  # noqa: N815

    def _told(self, fault: Fault | None, gateway: str, body: bytes) -> tuple[int, Any]:
        if fault is not None and fault.kind in ("drop", "fail", "say"):
            return fault.status, {}
        if fault is not None and fault.kind == "refuse":
            return 200, {"status": "ERROR", "error": "as told", "error_code": fault.code, "status_code": fault.code}
        is_crowded = gateway == "smsc" and self.server.inside[gateway] > PARALLEL
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
            self.server.ended.wait(3_600)
            self.close_connection = True
        elif kind == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + data[:5])
            self.close_connection = True
        elif kind == "html":
            self._send(200, HTML, "text/html")
        elif kind in ("say", "mumble") and fault is not None:
            self._send(fault.status, fault.body.encode())
        elif kind == "half":
            self._send(200, data[: len(data) // 2])
        else:
            self._send(fault.status if fault is not None and kind == "late" else status, data)

    def _send(self, status: int, data: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _door(self, body: bytes) -> None:
        if self.headers.get(DOOR_KEY) != self.server.admin_key:
            self._send(403, b'"no"')
            return
        what, desk = self.path.removeprefix(DOOR), self.server.desk
        with desk.lock:
            try:
                answer = _done(desk, f"{self.command} {what}", body)
            except (ValueError, KeyError, msgspec.ValidationError) as error:
                self._send(400, str(error).encode())
                return
        self._send(200, orjson.dumps(answer))

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: requests carry keys."""


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
            for name, value in orjson.loads(body).items():
                if name not in OPTIONS:
                    raise KeyError(name)
                setattr(desk, name, value)
        case _:
            raise KeyError(what)
    return None
