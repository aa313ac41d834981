"""What this Google can be told to do wrong."""

from typing import Literal

import msgspec

from identsync.demo.misdeeds import Misdeeds

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


class Faults(Misdeeds[Fault]):
    """The faults of this one."""

    def pick(self, what: str) -> Fault | None:
        """Return the fault of this request, None = behave."""
        return self.first(lambda fault: fault.what in (what, "*") or (fault.what == "write" and what in WRITES))
