"""A counterparty as a process of its own: started, asked through its back door, ended; blocking, for demo and tests."""

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
# Ctrl-C in a terminal reaches whoever started it, not the process itself (Windows and POSIX say it differently).
_OWN_GROUP: dict[str, Any] = {
    "creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    "start_new_session": sys.platform != "win32",
}


class Counterparty:
    """A running ``python -m MODULE``: it says its port in its first line and ends when its standard input does.

    ``door`` is the path of its back door and ``key`` the header that opens it, with its value. A context manager.
    """

    def __init__(
        self, module: str, options: tuple[str, ...], passed: Mapping[str, str], *, door: str, key: tuple[str, str]
    ) -> None:
        self._door = door
        self._key = dict([key])
        command = [sys.executable, "-m", module, "--with-parent", *options]
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **passed}, **_OWN_GROUP
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError(f"{module} did not start")
        self.port: int = orjson.loads(line)["port"]

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def ask(self, verb: str, path: str, body: Any = None) -> Any:
        """Send one request to the back door; returns the JSON, raises ValueError with the reason of a refusal."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            payload = None if body is None else orjson.dumps(body)
            connection.request(verb, f"{self._door}{path}", payload, self._key)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(data.decode(errors="replace"))
        return orjson.loads(data)

    def books(self) -> dict[str, Any]:
        """Return its counts."""
        counts: dict[str, Any] = self.ask("GET", "books")
        return counts

    def behave(self) -> None:
        """Clear all faults."""
        self.ask("DELETE", "faults")

    def reset(self) -> None:
        """Let it be as when it began, where it knows how."""
        self.ask("POST", "reset")

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
