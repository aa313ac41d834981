"""A small strict WebDAV in a thread: folders ical and ical/new, one account; what is PUT there everybody may GET."""

import base64
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, PASSWORD = "clinic", "pass:wörd"
_FOLDER = (
    b'<D:multistatus xmlns:D="DAV:"><D:response><D:href>/ical/</D:href><D:propstat><D:prop><D:resourcetype>'
    b"<D:collection/></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    b"</D:multistatus>"
)
_KEY = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass
class WebDav:
    """``files`` by name, those of the second folder by new/name; ``statuses`` are answered instead of doing anything.

    ``requests`` as they came.
    """

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[str, str, int]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ical"

    def answer(self, verb: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        folder, _slash, name = path.lstrip("/").rpartition("/")
        if folder == "ical/new":
            folder, name = "ical", f"new/{name}"
        if headers.get("authorization") != _KEY:
            return (200, self.files[name]) if verb == "GET" and name in self.files else (401, b"")
        if self.statuses:
            return self.statuses.pop(0), b""
        if verb == "PUT":
            if folder != "ical":
                return 409, b""
            if not headers.get("content-type", "").startswith("text/calendar"):
                return 415, b""
            known = name in self.files
            self.files[name] = body
            return (204 if known else 201), b""
        if verb == "PROPFIND":
            return (207, _FOLDER) if path == "/ical/" else (404, b"")
        if verb == "DELETE":
            return (204 if self.files.pop(name, None) is not None else 404), b""
        return 405, b""


@contextmanager
def webdav() -> Iterator[WebDav]:
    """Serve until the block ends."""
    made = WebDav()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, content = made.answer(self.command, self.path, headers, body)
            made.requests.append((self.command, self.path, status))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_DELETE = do_OPTIONS = do_PROPFIND = _do  # noqa: N815  names of http.server

        def log_message(self, *_args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
