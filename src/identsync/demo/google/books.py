"""What this Google wrote down: who wrote what to which event, and whether the writer heard of it."""

import time
from collections import Counter, deque
from typing import Any

import msgspec

_KEPT = 20_000


def now_ms() -> int:
    """Return the clock of the machine."""
    return time.time_ns() // 1_000_000


class Write(msgspec.Struct):
    """One write that landed: ``by`` is 'app' or 'person'; ``foreign``: the app wrote to what it had not made."""

    at_ms: int
    what: str  # insert, update, delete, make calendar, delete calendar
    calendar: str
    event: str
    by: str
    foreign: bool = False
    answered: bool = True


class Request(msgspec.Struct):
    """One request and its answer; ``status`` 0 = no answer; ``parts`` of a batch."""

    at_ms: int
    what: str
    status: int
    fault: str | None
    parts: int = 1


class Books:
    """Writes and requests, in order."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self.requests: deque[Request] = deque(maxlen=_KEPT)
        self.counts: Counter[str] = Counter()

    def wrote(self, what: str, calendar: str, event: str, by: str, *, foreign: bool = False) -> None:
        """Write down what landed."""
        self.writes.append(Write(now_ms(), what, calendar, event, by, foreign))
        self.counts[f"{by} {what}"] += 1

    def request(self, what: str, status: int, fault: str | None, parts: int = 1) -> None:
        """Write down a request and its answer."""
        self.requests.append(Request(now_ms(), what, status, fault, parts))
        self.counts["requests"] += 1
        self.counts[f"{what} {status or 'no answer'}"] += 1
        if fault:
            self.counts[f"fault {fault}"] += 1

    def unheard(self, since: int) -> None:
        """The writes from number ``since`` on landed, and nobody heard of it."""
        for write in self.writes[since:]:
            write.answered = False

    def summary(self) -> dict[str, Any]:
        """Return the counts as one JSON object."""
        inserted = Counter((w.calendar, w.event) for w in self.writes if w.what == "insert" and w.by == "app")
        return {
            "requests": self.counts["requests"],
            "writes": len([w for w in self.writes if w.by == "app"]),
            "inserted_twice": len([key for key, times in inserted.items() if times > 1]),
            "foreign_touched": len([w for w in self.writes if w.foreign]),
            "unheard": len([w for w in self.writes if not w.answered]),
            "counts": dict(sorted(self.counts.items())),
        }
