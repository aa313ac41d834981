"""What the site can be told to do wrong, so that people and tests see what the engine makes of it."""

from typing import Literal

import msgspec

from identsync.demo.misdeeds import Misdeeds

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


class Faults(Misdeeds[Fault]):
    """The faults of this one."""

    def pick(self, method: str) -> Fault | None:
        """Return the fault of this request, None = behave."""
        return self.first(lambda fault: fault.method in (method, "*"))
