"""The demo tells what happens, in plain words, as it happens; it never names a patient."""

import sys
import threading
import time
from typing import TextIO

from identsync.engine.integration import Role
from identsync.language import _

ROLES = {Role.ADMINISTRATOR: "администратор", Role.DIRECTOR: "директор", Role.DOCTOR: "врач"}


class Story:
    """Writes lines with the time of day; threads may tell at once."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()

    def tell(self, sentence: str) -> None:
        """Write one line."""
        with self._lock:
            print(time.strftime("%H:%M:%S"), sentence, file=self._stream, flush=True)

    def plain(self, text: str) -> None:
        """Write text as it is."""
        with self._lock:
            print(text, file=self._stream, flush=True)


def role_word(role: Role) -> str:
    """Return the role as people say it."""
    return _(ROLES[role])
