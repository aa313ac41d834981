"""POSIX only: signals, and the end of another process as Linux tells it."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from identsync.errors import Problem, SettingsError
from identsync.language import _
from identsync.service.life import Ending

LOOK_EVERY_S = 1.0

assert sys.platform != "win32"  # for the type checker


@contextmanager
def told(ending: Ending, parent: int | None) -> Iterator[None]:
    """See life.told: SIGINT, SIGTERM, SIGHUP (the terminal is closed; ``nohup`` keeps it ignored)."""
    if parent is not None:
        _watch(parent, ending)

    def asked(_number: int, _frame: FrameType | None) -> None:
        ending.ask()

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [number for number in wanted if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, asked) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(process: int, ending: Ending) -> None:
    """Ask for the end when that process has ended; a zombie has."""
    try:
        handle = os.pidfd_open(process) if sys.platform == "linux" else None
        os.kill(process, 0)
    except PermissionError:
        pass  # another user's: it lives
    except (ProcessLookupError, OverflowError, OSError):
        raise SettingsError([Problem("--with-parent", _("нет такого процесса: {id}", id=process))]) from None

    def wait() -> None:
        if handle is not None:
            import select

            select.select([handle], [], [])  # readable = ended
            os.close(handle)
        else:
            while _lives(process):
                time.sleep(LOOK_EVERY_S)
        ending.ask()

    threading.Thread(target=wait, name="parent", daemon=True).start()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
