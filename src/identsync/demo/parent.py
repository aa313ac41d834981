"""How a counterparty's process begins and ends: it says its port in its first line, and ends with who started it."""

import contextlib
import sys
import threading
from collections.abc import Callable

import orjson


def announce(**ports: int) -> None:
    """Write the ports as one line of JSON; :class:`identsync.demo.counterparty.Counterparty` reads it."""
    sys.stdout.write(orjson.dumps(ports).decode() + "\n")
    sys.stdout.flush()


def watch_parent(end: Callable[[], object]) -> None:
    """Call ``end`` from a thread of its own when standard input is closed: whoever started us has gone."""

    def watch() -> None:
        with contextlib.suppress(OSError, ValueError):
            while sys.stdin.buffer.read(4096):
                pass
        with contextlib.suppress(RuntimeError):  # a loop that was closed meanwhile
            end()

    threading.Thread(target=watch, name="parent", daemon=True).start()
