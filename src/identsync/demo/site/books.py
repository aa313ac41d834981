"""The site's own books: what it made, what it was told, what it answered. Never read by the engine.

Times are epoch milliseconds (UTC).
"""

import hashlib
import time
from collections import Counter, deque
from typing import Any

import msgspec

_REQUESTS_KEPT = 5000


def now_ms() -> int:
    """Return the site's clock."""
    return time.time_ns() // 1_000_000


class Made(msgspec.Struct):
    """A lead: ``made_ms`` as on the wire, since when it could be asked for, how often it was handed out."""

    id: str
    made_ms: int
    created_ms: int
    served: int = 0
    first_served_ms: int | None = None


class Posted(msgspec.Struct):
    """A timetable the site has confirmed; ``who`` = the key's name and the client's User-Agent."""

    at_ms: int
    sha256: str
    bytes: int
    doctors: int
    intervals: int
    branches: list[int]
    who: str
    answered: bool = True  # False: the work was done and the answer lost


class Request(msgspec.Struct):
    """One request, as it was answered; ``status`` 0 = no answer."""

    at_ms: int
    method: str
    status: int
    bytes: int
    fault: str | None
    note: str


class Books:
    """Counts and lists of one site."""

    def __init__(self) -> None:
        self.made: dict[str, Made] = {}
        self.posted: list[Posted] = []
        self.requests: deque[Request] = deque(maxlen=_REQUESTS_KEPT)
        self.counts: Counter[str] = Counter()

    def request(self, method: str, status: int, size: int, fault: str | None, note: str) -> None:
        """Write down one request and its answer; ``size`` = bytes of the answer's body."""
        self.requests.append(Request(now_ms(), method, status, size, fault, note[:400]))
        self.counts["requests"] += 1
        self.counts[f"{method} {status or 'no answer'}"] += 1
        if fault:
            self.counts[f"fault {fault}"] += 1

    def lead(self, identity: str, made_ms: int) -> None:
        """Write down a lead; the same Id again is a duplicate, not a second lead."""
        if identity in self.made:
            self.counts["leads repeated"] += 1
        else:
            self.made[identity] = Made(identity, made_ms, now_ms())

    def served(self, identities: list[str]) -> None:
        """Write down which leads were handed out; ids of bad rows are not known here."""
        at = now_ms()
        for identity in identities:
            made = self.made.get(identity)
            if made is not None:
                made.served += 1
                made.first_served_ms = made.first_served_ms or at

    def timetable(self, body: bytes, doctors: int, intervals: int, branches: list[int], who: str) -> Posted:
        """Write down a confirmed timetable."""
        digest = hashlib.sha256(body).hexdigest()
        posted = Posted(now_ms(), digest, len(body), doctors, intervals, branches, who)
        self.counts["timetables repeated"] += any(p.sha256 == digest for p in self.posted)
        self.posted.append(posted)
        return posted

    def summary(self) -> dict[str, Any]:
        """Return the counts as one JSON object."""
        served = [made for made in self.made.values() if made.served]
        return {
            "leads_made": len(self.made),
            "leads_served": len(served),
            "leads_repeated": self.counts["leads repeated"],
            "leads_bad": self.counts["leads bad"],
            "timetables_confirmed": len(self.posted),
            "timetables_repeated": self.counts["timetables repeated"],
            "timetables_refused": self.counts["timetables refused"],
            "intervals_last": self.posted[-1].intervals if self.posted else 0,
            "requests": self.counts["requests"],
            "counts": dict(sorted(self.counts.items())),
        }
