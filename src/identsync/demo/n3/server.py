"""The stand-in's server: two SOAP services and their descriptions on real sockets, so that answers can be lost."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import msgspec
import orjson
from lxml import etree

from identsync.demo.n3 import door, soap, wsdl
from identsync.demo.n3.desk import ONLY_SUCCESS, Desk, Fault
from identsync.demo.n3.reader import Reader, Unreadable
from identsync.demo.n3.types import EMK, PIX, operations_of

DOOR, DOOR_KEY = "/_n3/", "X-N3-Key"
LONGEST = 64 << 20
PATHS = {f"/emk/{service}.svc": service for service in (PIX, EMK)}
KEPT_REQUESTS = 200
PART = re.compile(r"xsd=xsd(\d{1,3})")

Answer = tuple[int, bytes]


class Server(ThreadingHTTPServer):
    """One desk on 127.0.0.1."""

    daemon_threads = True
    request_queue_size = 256

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

    def do_POST(self) -> None:
        """Answer a request, or the back door's question."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), LONGEST))
        if self.path.startswith(DOOR):
            self._door(body)
            return
        service = PATHS.get(self.path)
        if service is None:
            self._send(404, soap.HTML, "text/html")
        elif not self.headers.get("Content-Type", "").startswith("text/xml"):
            self._send(415, b"")
        else:
            self._serve(service, body)

    def do_GET(self) -> None:
        """Describe a service, or answer the back door."""
        if self.path.startswith(DOOR):
            self._door(b"")
            return
        asked = urlsplit(self.path)
        service = PATHS.get(asked.path)
        with self.server.desk.lock:
            found = _described(self.server.desk, service, asked.query) if service else None
        if found is not None:
            self._send(200, found, "text/xml; charset=utf-8")
        else:
            self._send(200 if service else 404, soap.HTML, "text/html")  # WCF's page for people

    do_DELETE = do_GET  # noqa: N815

    def _serve(self, service: str, body: bytes) -> None:
        desk = self.server.desk
        action = self.headers.get("SOAPAction", "").strip('"')
        name = action.rpartition("/")[2]
        with desk.lock:
            desk.counts[name] += 1
            desk.requests.append(body.decode("utf-8", "replace"))
            del desk.requests[:-KEPT_REQUESTS]
            fault = desk.faults.first(lambda fault: fault.operation in ("", name))
        if fault is not None and fault.kind == "slow":
            self.server.ended.wait(fault.seconds)
        with desk.lock:
            is_idle = fault is not None and not fault.is_taken
            answer = (200, soap.success(name)) if is_idle else _answered(desk, service, action, body)
        if fault is None or fault.kind == "slow" or (answer[0] != 200 and fault.kind in ONLY_SUCCESS):
            self._send(*answer)
        elif fault.kind in ("lose", "hang", "cut"):
            self._break_off(fault.kind, answer)
        else:
            kind = "text/html" if fault.kind == "html" else "text/xml; charset=utf-8"
            self._send(*_spoiled(fault, name, answer), kind, fault.after)

    def _break_off(self, kind: str, answer: Answer) -> None:
        if kind == "hang":
            self.server.ended.wait(3_600)
        if kind == "cut":
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 9999\r\n\r\n"
            self.wfile.write(head + answer[1][:9])
        self.close_connection = True

    def _send(self, status: int, data: bytes, kind: str = "text/xml; charset=utf-8", after: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if after is not None:
            self.send_header("Retry-After", str(after))
        self.end_headers()
        self.wfile.write(data)

    def _door(self, body: bytes) -> None:
        if self.headers.get(DOOR_KEY) != self.server.admin_key:
            self._send(403, b'"no"')
            return
        desk = self.server.desk
        with desk.lock:
            try:
                answer = door.done(desk, f"{self.command} {self.path.removeprefix(DOOR)}", body)
            except (ValueError, KeyError, msgspec.ValidationError) as error:
                self._send(400, str(error).encode())
                return
        self._send(200, orjson.dumps(answer), "application/json")

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: requests carry people."""


def _spoiled(fault: Fault, name: str, answer: Answer) -> Answer:
    """Return what is answered instead."""
    match fault.kind:
        case "html":
            return fault.status, soap.HTML
        case "half":
            return 200, answer[1][: len(answer[1]) // 2]
        case "bomb":
            return 200, soap.BOMB
        case "extra":
            return 200, soap.talkative(name)
        case "other":
            return 200, soap.success(f"Get{name}")
        case "warn":
            return 500, soap.warning(as_list=fault.width > 1)
        case "tree":
            return 500, soap.tree(fault.width, fault.depth)
        case "refuse":
            return 500, soap.said(fault.code)
        case _:
            return fault.status, fault.body.encode()


def _described(desk: Desk, service: str, query: str) -> bytes | None:
    """Return what a service says of itself, None where it shows its page for people."""
    if query == "singleWsdl" and desk.single:
        return wsdl.single(service, desk.edition)
    if query == "wsdl":
        return wsdl.split(service, desk.edition)
    found = PART.fullmatch(query)
    return wsdl.part(service, desk.edition, int(found[1])) if found else None


def _answered(desk: Desk, service: str, action: str, body: bytes) -> Answer:
    """Do what a request asks and return the answer."""
    asked = _asked(body)
    if asked is None:
        return 400, b""
    reader = Reader(desk.edition)
    name = etree.QName(asked).localname
    if action != wsdl.action(service, name) or name not in operations_of(service, desk.edition):
        return 500, soap.bare("a:ActionNotSupported", "The message cannot be processed at the receiver")
    try:
        name, told = reader.read(service, asked)
    except Unreadable as error:
        return 500, soap.bare("a:DeserializationFailed", f"The formatter threw an exception: {error}")
    desk.passed += reader.passed
    if name == "GetVersion":
        return 200, soap.version(desk.version, "3.1")
    wrong = desk.work(service, name, told)
    if wrong:
        return 500, soap.refusal(wrong, as_list=service == PIX and desk.edition != "2016")
    return 200, soap.success(name)


def _asked(body: bytes) -> etree._Element | None:
    """Return the element of the operation, None for what is no SOAP."""
    try:
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True)
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError:
        return None
    found = root.find(f"{{{soap.ENVELOPE}}}Body") if root.tag == f"{{{soap.ENVELOPE}}}Envelope" else None
    return found[0] if found is not None and len(found) == 1 else None
