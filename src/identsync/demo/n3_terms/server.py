"""The server of the terminology service on real sockets, and its back door."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import orjson

from identsync.demo.n3_terms.desk import TOKEN, Desk, Fault

DOOR = "/_terms/"
DOOR_KEY = "X-Terms-Key"
BASE = "/nsi/fhir/term"
LONGEST = 4 << 20
HTML = b"<!doctype html><title>502</title>"
OPTIONS = ("locked", "page", "bare", "passports", "stuck")
Told = tuple[int, Any]


class Server(ThreadingHTTPServer):
    """One desk on 127.0.0.1."""

    daemon_threads = True

    def __init__(self, desk: Desk, admin_key: str, port: int = 0) -> None:
        self.desk, self.admin_key = desk, admin_key
        self.ended = threading.Event()
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: who called has gone away."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Answer a search, or the back door."""
        self._asked(b"")

    def do_POST(self) -> None:
        """Answer an operation, or the back door."""
        self._asked(self.rfile.read(min(int(self.headers.get("Content-Length", "0")), LONGEST)))

    do_DELETE = do_GET  # noqa: N815

    def _asked(self, body: bytes) -> None:
        if self.path.startswith(DOOR):
            self._door(body)
            return
        desk = self.server.desk
        with desk.lock:
            desk.counts[f"{self.command} {urlsplit(self.path).path.removeprefix(BASE)}"] += 1
            whole = self.path + body.decode("utf-8", "replace")
            fault = desk.faults.first(lambda fault: fault.what in whole)
            status, told = self._told(body) if fault is None or fault.kind in ("half", "hang") else (200, {})
        self._answer(fault, status, orjson.dumps(told))

    def _told(self, body: bytes) -> Told:
        desk, asked = self.server.desk, urlsplit(self.path)
        if desk.locked and self.headers.get("Authorization") != f"N3 {TOKEN}":
            return 401, {}
        query = parse_qs(asked.query)
        if query.get("_format") != ["json"]:
            return 406, {}
        if (self.command, asked.path) == ("GET", f"{BASE}/ValueSet"):
            return (200, desk.passport(_oid(query.get("url", [""])[0]))) if desk.passports else (404, _outcome("no"))
        if self.command != "POST" or not self.headers.get("Content-Type", "").startswith("application/json"):
            return 405, {}
        return _done(desk, asked.path.removeprefix(BASE), body)

    def _answer(self, fault: Fault | None, status: int, data: bytes) -> None:
        kind = fault.kind if fault is not None else ""
        if kind == "hang":
            self.server.ended.wait(3_600)
        if kind in ("drop", "hang"):
            self.close_connection = True
        elif kind == "html":
            self._send(200, HTML, "text/html")
        elif kind == "half":
            self._send(200, data[: len(data) // 2])
        elif kind == "long":
            self._send(200, b'{"resourceType":"Parameters","filler":"' + b"x" * (30 << 20) + b'"}')
        elif fault is not None:
            self._send(fault.status, fault.body.encode())
        else:
            self._send(status, data)

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
        with self.server.desk.lock:
            try:
                answer = _ordered(self.server.desk, f"{self.command} {self.path.removeprefix(DOOR)}", body)
            except (ValueError, KeyError, msgspec.ValidationError) as error:
                self._send(400, str(error).encode())
                return
        self._send(200, orjson.dumps(answer))

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: requests may carry the token."""


def _oid(system: str) -> str:
    return system.removeprefix("urn:oid:")


def _outcome(why: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": why}]}


def _done(desk: Desk, operation: str, body: bytes) -> Told:
    try:
        asked = orjson.loads(body)
        given = {one["name"]: one.get("valueString", one.get("valueInteger")) for one in asked["parameter"]}
        system = _oid(given["system"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return 400, _outcome("Parameters with a system are wanted")
    answers = {
        "/ValueSet/$expand": lambda: desk.expansion(system, int(given.get("offset", 0))),
        "/ValueSet/$lookup": lambda: desk.found(system, str(given.get("code"))),
    }
    if operation not in answers:
        return 404, {}
    told = answers[operation]()
    return (200, told) if told is not None else (404, _outcome("no such book or code"))


def _ordered(desk: Desk, what: str, body: bytes) -> Any:
    match what:
        case "GET books":
            return {"counts": dict(desk.counts), "versions": desk.versions}
        case "POST faults":
            desk.faults.add(msgspec.json.decode(body, type=Fault))
        case "DELETE faults":
            desk.faults.clear()
        case "POST editions":
            told = orjson.loads(body)
            desk.publish(told["oid"], told["rows"])
        case "POST withdrawn":
            desk.withdraw(orjson.loads(body)["oid"])
        case "POST clear":
            desk.clear()
        case "POST options":
            for name, value in orjson.loads(body).items():
                if name not in OPTIONS:
                    raise KeyError(name)
                setattr(desk, name, value)
        case _:
            raise KeyError(what)
    return None
