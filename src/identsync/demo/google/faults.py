"""What this Google can be told to do wrong."""

import random
from typing import Literal

import msgspec

Kind = Literal[
    "slow",  # answers after `seconds`
    "fail",  # answers `status`, without doing the work
    "fail_after",  # does the work and answers `status`
    "drop",  # closes the connection at once, without doing the work
    "lose",  # does the work and closes the connection without an answer
    "cut",  # does the work, breaks the connection in the middle of the answer
    "html",  # a page of HTML with status 200, without doing the work
    "half",  # half of the answer, with the length of a half
    "part",  # one part of a batch fails with `status`
]
WITHOUT_WORK = frozenset({"fail", "html"})
WRITES = frozenset({"insert", "update", "delete"})


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """``what`` is an operation (insert, update, delete, get, list, batch, make, token...), 'write' or '*'.

    It happens ``times`` (None: until cleared), to a ``share`` of the requests, after the first ``skip``.
    """

    kind: Kind
    what: str = "*"
    times: int | None = 1
    skip: int = 0
    share: float = 1.0
    seconds: float = 1.0
    status: int = 503
    reason: str = "backendError"
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

    def pick(self, what: str) -> Fault | None:
        """Return the fault of this request, None = behave."""
        for fault in self._set:
            if (fault.what in (what, "*") or (fault.what == "write" and what in WRITES)) and self._happens(fault):
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
