"""What the calendar server can be told to do wrong: each kind is something that a real one has done to somebody."""

from typing import Literal

import msgspec

from identsync.demo.misdeeds import Misdeeds

Kind = Literal[
    "fail",  # answers `status` with `text` and Retry-After, without doing the work: 429, 503, 507, 423...
    "drop",  # closes the connection at once, without doing the work
    "html",  # a login page with status 200, without doing the work
    "late",  # does the work and answers `status` all the same: 504 of a proxy, 500 of a server that breaks afterwards
    "lose",  # does the work and closes the connection without an answer
    "cut",  # does the work, breaks the connection in the middle of the answer
    "slow",  # answers after `seconds`
    "no_etag",  # the answer to a PUT has no ETag
    "weak_etag",  # ETags in headers are weak, as behind a proxy that compresses
    "no_getetag",  # rows have no getetag
    "token",  # refuses a sync-token: 403 says why, any other `status` does not
    "forget_token",  # an answer without a sync-token
    "duplicate",  # each row stands twice
    "escaped",  # hrefs with %40 and whatever else can be escaped
    "absolute",  # hrefs with scheme and another host
    "truncate",  # half of the XML, its length being told right
    "bare",  # a multistatus without one row
    "empty",  # a listing of the calendar alone, as if nothing were in it
    "plain",  # Content-Type: text/plain
    "typeless",  # no Content-Type
    "stale",  # reads show what was there before the last write
]
WITHOUT_WORK = frozenset({"fail", "html"})


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One fault. ``method`` is a verb, a report (sync-collection, calendar-multiget, calendar-query) or '*'.

    It happens ``times`` (None = until cleared) with probability ``share``, where ``path`` is a part of the path.
    """

    kind: Kind
    method: str = "*"
    path: str = ""
    times: int | None = 1
    skip: int = 0  # so many requests pass first
    share: float = 1.0
    seconds: float = 1.0
    status: int = 503
    text: str = "the calendar server is being repaired"
    retry_after: int | None = None


class Faults(Misdeeds[Fault]):
    """The faults of this one."""

    def pick(self, methods: tuple[str, ...], path: str) -> Fault | None:
        """Return the fault of this request, None = behave."""
        return self.first(lambda fault: (fault.method == "*" or fault.method in methods) and fault.path in path)
