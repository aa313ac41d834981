"""Starts a calendar server as a process and talks to its /_caldav/; blocking, for the demo and for tests."""

import contextlib
import http.client
import os
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import orjson

_ENDS_WITHIN = 5.0
# Ctrl-C in a terminal reaches whoever started the server, not the server itself (Windows and POSIX say it differently).
_OWN_GROUP: dict[str, Any] = {
    "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    "start_new_session": sys.platform != "win32",
}


class CalDavProcess:
    """A running calendar server: ``url`` is where discovery begins, ``users`` are its passwords by name.

    ``CalDavProcess("--trashbin", users={"a@x.example": "secret"}, seed=3)`` passes command-line options on; a context
    manager stops it.
    """

    def __init__(
        self, *options: str, users: Mapping[str, str] | None = None, admin_key: str = "demo-admin", seed: int = 1
    ) -> None:
        self.users = dict(users or {"doctor@clinic.example": "demo-password"})
        self._admin_key = admin_key
        passed = {"IDENTSYNC_CALDAV_USERS": orjson.dumps(self.users).decode(), "IDENTSYNC_CALDAV_ADMIN_KEY": admin_key}
        command = [sys.executable, "-m", "identsync.demo.caldav", "--with-parent", "--seed", str(seed), *options]
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | passed, **_OWN_GROUP
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError("the calendar server did not start")
        self.port: int = orjson.loads(line)["port"]

    @property
    def url(self) -> str:
        """Address of the server, with a slash at its end."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ask(self, verb: str, path: str, body: Any = None) -> Any:
        """Send one request to /_caldav/``path``; returns the JSON, raises ValueError with the server's reason."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            payload = None if body is None else orjson.dumps(body)
            connection.request(verb, f"/_caldav/{path}", payload, {"X-Admin-Key": self._admin_key})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(data.decode(errors="replace"))
        return orjson.loads(data)

    def calendar(self, slug: str, *, user: str | None = None, name: str = "", read_only: bool = False) -> str:
        """Make a calendar by the back door; returns its address."""
        user = user or next(iter(self.users))
        path: str = self.ask("POST", "calendar", {"user": user, "slug": slug, "name": name, "read_only": read_only})
        return self.url.rstrip("/") + path

    def calendars(self) -> list[dict[str, Any]]:
        """Return every calendar with what is in it."""
        calendars: list[dict[str, Any]] = self.ask("GET", "calendars")
        return calendars

    def items(self, slug: str) -> dict[str, dict[str, str]]:
        """Return what is in the calendars of this name: uid, etag, made_by, body by resource."""
        return {name: item for one in self.calendars() if one["slug"] == slug for name, item in one["items"].items()}

    def books(self) -> dict[str, Any]:
        """Return the server's counts."""
        counts: dict[str, Any] = self.ask("GET", "books")
        return counts

    def writes(self) -> list[dict[str, Any]]:
        """Return every write: see :class:`identsync.demo.caldav.books.Write`."""
        writes: list[dict[str, Any]] = self.ask("GET", "writes")
        return writes

    def requests(self) -> list[dict[str, Any]]:
        """Return the last requests: see :class:`identsync.demo.caldav.books.Request`."""
        requests: list[dict[str, Any]] = self.ask("GET", "requests")
        return requests

    def person(self, do: str, slug: str, resource: str = "", *, user: str | None = None, **how: str) -> None:
        """Let a person do something by hand: see :class:`identsync.demo.caldav.admin.Deed`."""
        user = user or next(iter(self.users))
        self.ask("POST", "person", {"do": do, "user": user, "calendar": slug, "resource": resource, **how})

    def fault(self, kind: str, **how: Any) -> None:
        """Tell the server to misbehave: see :class:`identsync.demo.caldav.faults.Fault`."""
        self.ask("POST", "faults", {"kind": kind, **how})

    def behave(self) -> None:
        """Clear all faults."""
        self.ask("DELETE", "faults")

    def options(self, **change: Any) -> None:
        """Change options while the server runs: see :class:`identsync.demo.caldav.house.Options`."""
        self.ask("POST", "options", change)

    def stop(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
