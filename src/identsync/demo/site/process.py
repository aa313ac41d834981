"""Starts a site as a process and talks to its /_site/; blocking, for the demo and for tests."""

import contextlib
import http.client
import os
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

import orjson

_ENDS_WITHIN = 5.0
# Ctrl-C in a terminal reaches whoever started the site, not the site itself (Windows and POSIX say it differently).
_OWN_GROUP: dict[str, Any] = {
    "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    "start_new_session": sys.platform != "win32",
}


class SiteProcess:
    """A running site: ``url`` and ``key`` are what a clinic's settings need.

    ``SiteProcess("--lead-rate", "6", seed=3)`` passes command-line options on; a context manager stops it.
    """

    def __init__(self, *options: str, key: str = "demo-key", admin_key: str = "demo-admin", seed: int = 1) -> None:
        self.key = key
        self._admin_key = admin_key
        environment = os.environ | {"IDENTSYNC_SITE_KEY": key, "IDENTSYNC_SITE_ADMIN_KEY": admin_key}
        command = [sys.executable, "-m", "identsync.demo.site", "--with-parent", "--seed", str(seed), *options]
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, **_OWN_GROUP
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError("the site did not start")
        self.port: int = orjson.loads(line)["port"]

    @property
    def url(self) -> str:
        """Base address for the settings, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}/ident"

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ask(self, verb: str, path: str, body: Any = None) -> Any:
        """Send one request to /_site/``path``; returns the JSON, raises ValueError with the site's reason."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            payload = None if body is None else orjson.dumps(body)
            connection.request(verb, f"/_site/{path}", payload, {"X-Site-Key": self._admin_key})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(data.decode(errors="replace"))
        return orjson.loads(data)

    def books(self) -> dict[str, Any]:
        """Return the site's counts."""
        counts: dict[str, Any] = self.ask("GET", "books")
        return counts

    def leads(self) -> list[dict[str, Any]]:
        """Return every lead the site made: id, made_ms, created_ms, served, first_served_ms."""
        made: list[dict[str, Any]] = self.ask("GET", "leads")
        return made

    def make(self, count: int = 1, trap: str | None = None, at: str | None = None) -> list[str]:
        """Make leads; returns their Ids. ``at`` is ISO 8601 with an offset."""
        ids: list[str] = self.ask("POST", "leads", {"count": count, "trap": trap, "at": at})
        return ids

    def fault(self, kind: str, **how: Any) -> None:
        """Tell the site to misbehave, see :class:`identsync.demo.site.faults.Fault`."""
        self.ask("POST", "faults", {"kind": kind, **how})

    def behave(self) -> None:
        """Clear all faults."""
        self.ask("DELETE", "faults")

    def options(self, **change: Any) -> None:
        """Change options while the site runs."""
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
