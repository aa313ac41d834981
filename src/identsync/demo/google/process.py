"""Starts this Google as a process and talks to its /_google/; blocking, for the demo and for tests."""

import contextlib
import http.client
import os
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

import orjson

_ENDS_WITHIN = 5.0
# Ctrl-C in a terminal reaches whoever started it, not this process itself (Windows and POSIX say it differently).
_OWN_GROUP: dict[str, Any] = {
    "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    "start_new_session": sys.platform != "win32",
}


class GoogleProcess:
    """A running Google: ``url`` is the root of its API and of its OAuth; a context manager stops it.

    ``app`` is (client id, client secret) as a clinic's settings hold them.
    """

    def __init__(self, *options: str, key: str = "demo-secret", admin_key: str = "demo-admin", seed: int = 1) -> None:
        self.app = ("demo.apps.googleusercontent.com", key)
        self._admin_key = admin_key
        environment = os.environ | {"IDENTSYNC_GOOGLE_SECRET": key, "IDENTSYNC_GOOGLE_ADMIN_KEY": admin_key}
        command = [sys.executable, "-m", "identsync.demo.google", "--with-parent", "--seed", str(seed), *options]
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, **_OWN_GROUP
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError("the fake Google did not start")
        self.port: int = orjson.loads(line)["port"]

    @property
    def url(self) -> str:
        """Root address, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, verb: str, path: str, **order: Any) -> Any:
        """Send one request to /_google/``path``; returns the JSON, raises ValueError with the reason."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            payload = orjson.dumps(order) if verb != "GET" else None
            connection.request(verb, f"/_google/{path}", payload, {"X-Google-Key": self._admin_key})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(data.decode(errors="replace"))
        return orjson.loads(data)

    def books(self) -> dict[str, Any]:
        """Return the counts: requests, writes, inserted_twice, foreign_touched, unheard, refreshes, counts."""
        counts: dict[str, Any] = self.ask("GET", "books")
        return counts

    def grant(self, user: str = "doctor@example.com", **order: Any) -> str:
        """Return a refresh token as if the person had consented."""
        token: str = self.ask("POST", "grant", user=user, **order)
        return token

    def events(self, calendar: str) -> dict[str, dict[str, Any]]:
        """Return every event of a calendar by id, tombstones included."""
        return {event["id"]: event for event in self.ask("POST", "events", calendar=calendar)}

    def add(self, calendar: str, body: dict[str, Any], user: str = "doctor@example.com") -> str:
        """A person adds an event; returns its id."""
        identity: str = self.ask("POST", "add", calendar=calendar, body=body, user=user)
        return identity

    def change(self, calendar: str, event: str, **body: Any) -> None:
        """A person changes fields of an event; None takes a field away."""
        self.ask("POST", "change", calendar=calendar, event=event, body=body)

    def remove(self, calendar: str, event: str) -> None:
        """A person deletes an event."""
        self.ask("POST", "remove", calendar=calendar, event=event)

    def fault(self, kind: str, what: str = "*", **how: Any) -> None:
        """Tell it to misbehave, see :class:`identsync.demo.google.faults.Fault`."""
        self.ask("POST", "faults", kind=kind, what=what, **how)

    def behave(self) -> None:
        """Clear all faults."""
        self.ask("DELETE", "faults")

    def options(self, **change: Any) -> None:
        """Change options while it runs."""
        self.ask("POST", "options", **change)

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
