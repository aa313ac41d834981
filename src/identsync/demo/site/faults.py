"""What the site can be told to do wrong, so that people and tests see what the engine makes of it."""

import random
from typing import Literal

import msgspec

Kind = Literal[
    "slow",  # answers after `seconds`
    "fail",  # answers `status` with `text`, without doing the work
    "drop",  # closes the connection at once, without doing the work
    "lose",  # does the work and closes the connection without an answer
    "cut",  # does the work, breaks the connection in the middle of the answer
    "html",  # a page of HTML with status 200, without doing the work
    "half",  # half of the JSON
    "null",  # `null` where a list belongs
    "object",  # an object where a list belongs
    "endless",  # a body that never ends
    "drip",  # one byte of the answer every `seconds`
    "redirect",  # `status` (301, 302, 307) with `location` (default: the same method under /moved, which answers)
    "same_page",  # limit and offset are ignored
]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One fault: ``method`` is a protocol method or '*'; happens ``times`` (None = until cleared) with ``share``."""

    kind: Kind
    method: str = "*"
    times: int | None = 1
    skip: int = 0  # so many requests pass first
    share: float = 1.0
    seconds: float = 1.0
    status: int = 503
    text: str = "the site is being repaired"
    location: str = ""
    retry_after: int | None = None


class Faults:
    """The faults that are set; the first that fits a request is used up by it."""

    def __init__(self, seed: int) -> None:
        self._set: list[Fault] = []
        self._random = random.Random(seed)

    def add(self, fault: Fault) -> None:
        """Set one more."""
        self._set.append(fault)

    def clear(self) -> None:
        """Behave again."""
        self._set.clear()

    def pick(self, method: str) -> Fault | None:
        """Return the fault of this request, None = behave."""
        for fault in self._set:
            if fault.method in (method, "*") and self._happens(fault):
                return fault
        return None

    def _happens(self, fault: Fault) -> bool:
        if fault.skip > 0:
            fault.skip -= 1
            return False
        if self._random.random() >= fault.share:
            return False
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._set.remove(fault)
        return True
