"""The journal of a process without a terminal: a file that is put aside when it has grown."""

import contextlib
import threading
from pathlib import Path
from typing import Any

MOST_BYTES = 5_000_000
KEPT = 5
"""Files put aside: NAME.1 is the newest."""
SESSIONS = 20
"""Journals of past sessions that stay beside the present one's."""


class Journal:
    """A text stream for ``sys.stderr`` and structlog; written from any thread, flushed at once.

    ``name`` is the file; its folder is made. A file that another program holds is put aside later, and one that
    cannot be written loses its lines: a full disk never ends a client.
    """

    encoding = "utf-8"

    def __init__(self, name: Path, most_bytes: int = MOST_BYTES) -> None:
        name.parent.mkdir(parents=True, exist_ok=True)
        self._name = name
        self._most = most_bytes
        self._lock = threading.RLock()  # what is said while a signal interrupts a write waits for nobody
        self._file = name.open("a", encoding=self.encoding, errors="backslashreplace")

    def write(self, text: str) -> int:
        """Append; a new file is begun between two lines only."""
        with self._lock, contextlib.suppress(OSError, ValueError):  # ValueError: closed
            self._file.write(text)
            self._file.flush()
            if text.endswith("\n") and self._file.tell() >= self._most:
                self._put_aside()
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""

    def isatty(self) -> bool:
        """No terminal."""
        return False

    def close(self) -> None:
        """Close the file; what is written later is lost."""
        with self._lock:
            self._file.close()

    def _put_aside(self) -> None:
        self._file.close()
        with contextlib.suppress(OSError):  # Windows: somebody reads it in a program that shares nothing
            for number in range(KEPT - 1, 0, -1):
                older = self._aside(number)
                if older.exists():
                    older.replace(self._aside(number + 1))
            self._name.replace(self._aside(1))
        self._file = self._name.open("a", encoding=self.encoding, errors="backslashreplace")

    def _aside(self, number: int) -> Path:
        return self._name.with_name(f"{self._name.name}.{number}")


class Terminal:
    """Standard error, which may be closed under a running client: what is said after that is lost, nothing else."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written."""
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed; None where there never was one
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self._stream.flush()


def of_session(folder: Path, process: int) -> Path:
    """Return the journal's file of one client in a session, and remove the oldest of those before it.

    Two copies on one computer are two clients: each writes a file of its own.
    """
    old = sorted(folder.glob("client-*.log"), key=_age)[:-SESSIONS]
    for file in old:
        for one in (file, *folder.glob(f"{file.name}.*")):
            with contextlib.suppress(OSError):  # of a client that runs, in Windows
                one.unlink()
    return folder / f"client-{process}.log"


def _age(file: Path) -> float:
    with contextlib.suppress(OSError):
        return file.stat().st_mtime
    return 0.0


def log_to(stream: Any, level: str) -> None:
    """Write the journal of this process into ``stream`` from ``level`` on, a line an event."""
    import logging

    import structlog

    processors: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], drop_missing=True),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
