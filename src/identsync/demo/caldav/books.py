"""The calendar server's own books: every write, of whom, and whether it landed. Never read by the engine.

Times are epoch milliseconds (UTC).
"""

import time
from collections import Counter, deque
from typing import Any

import msgspec

_REQUESTS_KEPT = 20_000


def now_ms() -> int:
    """Return the server's clock."""
    return time.time_ns() // 1_000_000


class Write(msgspec.Struct):
    """One PUT or DELETE of a resource, or a person's; ``status`` 0 = the answer was lost; ``landed`` = it was done."""

    at_ms: int
    user: str
    calendar: str
    resource: str
    verb: str
    by: str  # client, person
    landed: bool
    status: int = 0
    uid: str = ""
    before: str | None = None  # etag
    after: str | None = None


class Request(msgspec.Struct):
    """One request as it was answered; ``what`` is the verb or the report; ``status`` 0 = no answer."""

    at_ms: int
    user: str
    what: str
    path: str
    status: int
    fault: str | None


class Books:
    """Counts and lists of one server."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.requests: deque[Request] = deque(maxlen=_REQUESTS_KEPT)
        self.counts: Counter[str] = Counter()

    def request(self, user: str, what: str, path: str, status: int, fault: str | None) -> None:
        """Write down one request and how it was answered."""
        self.requests.append(Request(now_ms(), user, what, path, status, fault))
        self.counts["requests"] += 1
        self.counts[f"{what} {status or 'no answer'}"] += 1
        if fault:
            self.counts[f"fault {fault}"] += 1

    def write(self, write: Write, *, foreign: bool) -> None:
        """Write down what was done to a resource; ``foreign``: a person had made it."""
        self.writes.append(write)
        if not write.landed or write.by != "client":
            return
        kind = "deleted" if write.after is None else "changed" if write.before else "created"
        self.counts[kind] += 1
        self.counts["same again"] += write.before is not None and write.before == write.after
        self.counts["foreign touched"] += foreign

    def summary(self) -> dict[str, Any]:
        """Return the counts as one JSON object; the first ones are always there."""
        first = ("requests", "created", "changed", "deleted", "same again", "foreign touched", "without precondition")
        return {name: self.counts[name] for name in first} | {"counts": dict(sorted(self.counts.items()))}
