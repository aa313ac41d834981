"""What the counterparties that serve each connection by a thread share: the server, its answers, its back door."""

import contextlib
import threading
from collections.abc import Collection, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Generic, TypeVar

import msgspec
import orjson

from identsync.demo.parent import announce, watch_parent

D = TypeVar("D")


class Server(ThreadingHTTPServer, Generic[D]):
    """One desk on 127.0.0.1; ``ended`` is set when it ends, for those who let somebody hang."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, handler: "type[Handler[D]]", desk: D, admin_key: str, port: int = 0) -> None:
        self.desk, self.admin_key = desk, admin_key
        self.ended = threading.Event()
        super().__init__(("127.0.0.1", port), handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: who called has gone away."""

    def run(self, *, with_parent: bool) -> None:
        """Say the port and serve until told to stop."""
        if with_parent:
            watch_parent(self.end)
        announce(port=self.server_port)
        with contextlib.suppress(KeyboardInterrupt):
            self.serve_forever(0.1)

    def end(self) -> None:
        """Let nobody hang any more, and serve no more."""
        self.ended.set()
        self.shutdown()


class Handler(BaseHTTPRequestHandler, Generic[D]):
    """One connection: ``asked`` answers a request, ``ordered`` does what the back door is told."""

    door: ClassVar[str]
    door_key: ClassVar[str]
    longest: ClassVar[int] = 1 << 20
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server[D]

    def ordered(self, what: str, body: bytes) -> Any:
        """Do what the door is asked ("POST faults"); KeyError for what it does not know."""
        raise NotImplementedError

    def asked(self, body: bytes) -> None:  # noqa: ARG002
        """Answer a request of any method (``command``) that is none to the back door."""
        self.reply(404, b"null")

    def do_POST(self) -> None:
        """Read a request and answer it, or the back door's."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), self.longest))
        self._at_door(body) if self.path.startswith(self.door) else self.asked(body)

    do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815

    def _at_door(self, body: bytes) -> None:
        if self.headers.get(self.door_key) != self.server.admin_key:
            self.reply(403, b'"no"')
            return
        try:
            answer = orjson.dumps(self.ordered(f"{self.command} {self.path.removeprefix(self.door)}", body))
        except (ValueError, KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
            self.reply(400, f"{type(error).__name__}: {error}".encode())
        else:
            self.reply(200, answer)

    def reply(
        self, status: int, data: bytes, kind: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer; 204 has no body."""
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if status != 204:
            self.wfile.write(data)

    def break_off(self, beginning: bytes, length: int) -> None:
        """Promise a body, send its beginning and close the connection."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + beginning)
        self.close_connection = True

    def hang(self) -> None:
        """Answer never."""
        self.server.ended.wait(3_600)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: requests carry keys and people."""


def change(desk: object, body: bytes, allowed: Collection[str]) -> None:
    """Set options of a desk, JSON name to value; KeyError for one that is not allowed."""
    for name, value in orjson.loads(body).items():
        if name not in allowed:
            raise KeyError(name)
        setattr(desk, name, value)
