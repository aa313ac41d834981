"""What the geocoders of this process share: keys, money, quotas, what they were asked, how they misbehave."""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from identsync.demo.clinic import ground
from identsync.demo.geocoder.atlas import Atlas, Hit
from identsync.demo.misdeeds import Misdeeds

KEY, SECRET = "demo-geocoder-key", "demo-geocoder-secret"
Kind = Literal[
    "drop",  # closes the connection at once: nothing is asked, nothing paid
    "lose",  # answers nothing and closes: it was asked, and paid
    "cut",  # breaks the connection in the middle of the answer
    "hang",  # never answers
    "slow",  # answers `seconds` later
    "fail",  # answers `status` with `body` (a usual one if empty) and `retry_after` (seconds, or as it stands)
    "say",  # answers `status` and `body` as it stands, in place of what was found
    "html",  # answers 200 with a web page
    "half",  # answers with half of the JSON
    "short",  # DaData: answers one row too few
    "turned",  # DaData: answers the rows in another order
    "swap",  # latitude and longitude are swapped
    "nan",  # the coordinates are no numbers
    "centre",  # everything lies in the middle of its town, whatever precision is claimed
    "far",  # everything lies five degrees to the north
    "away",  # redirects (307) to another server
]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One fault of one provider ('' = any); happens ``times`` (None = until cleared)."""

    kind: Kind
    provider: str = ""
    path: str = ""
    times: int | None = 1
    skip: int = 0
    share: float = 1.0
    status: int = 503
    body: str = ""
    retry_after: str = ""
    seconds: float = 0.0


class Options(msgspec.Struct, forbid_unknown_fields=True):
    """What can be changed while it works."""

    balance: int = 500_000  # kopecks at DaData
    price: int = 20  # kopecks an address
    quota: int = 0  # addresses a day at a provider that has days; 0 = any number
    rate: int = 0  # requests a second a provider bears; 0 = any number
    connections: int = 60  # new connections a minute that DaData bears
    structured: bool = True  # Photon: built with /structured
    guessing: bool = True  # Photon: an unknown street is taken for another one


@dataclass(slots=True)
class Asked:
    """A question that was answered, or would have been: its provider, its words, the number of its connection."""

    provider: str
    text: str
    at: float
    connection: int
    fields: Mapping[str, str] = field(default_factory=dict)


Answer = tuple[int, Any]


@dataclass
class Request:
    """A request as the functions of a provider see it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    connection: int
    is_new: bool  # the first of its connection
    misdeed: str = ""


class Desk:
    """The state of the process."""

    def __init__(self, seed: int = 1) -> None:
        self.atlas = Atlas(seed)
        self.options = Options()
        self.faults: Misdeeds[Fault] = Misdeeds(seed)
        self.asked: list[Asked] = []
        self.counts: Counter[str] = Counter()
        self._today: Counter[str] = Counter()
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)

    def ask(self, provider: str, text: str, request: Request, **fields: str) -> None:
        """Write down a question."""
        self.asked.append(Asked(provider, text, time.time(), request.connection, fields))
        self._today[provider] += 1

    def is_used_up(self, provider: str, more: int = 1) -> bool:
        """Tell whether so many more questions are beyond the day's quota."""
        return 0 < self.options.quota < self._today[provider] + more

    def is_busy(self, name: str, most: int, seconds: float) -> bool:
        """Count an event; tell whether that is more than may be in so many seconds."""
        now, recent = time.monotonic(), self._recent[name]
        while recent and recent[0] <= now - seconds:
            recent.popleft()
        recent.append(now)
        return 0 < most < len(recent)

    def new_day(self) -> None:
        """Begin a new day: quotas and paces are as at first."""
        self._today.clear()
        self._recent.clear()

    def books(self) -> dict[str, Any]:
        """Give the counts and the money."""
        asked = Counter(each.provider for each in self.asked)
        connections = {name: len({e.connection for e in self.asked if e.provider == name}) for name in asked}
        return {
            "counts": dict(self.counts), "asked": dict(asked), "connections": connections,
            "balance": self.options.balance,
        }  # fmt: skip


def placed(request: Request, hit: Hit) -> tuple[float, float]:
    """Give where a hit is, as the fault of a request makes it."""
    latitude, longitude = hit.point
    match request.misdeed:
        case "swap":
            return longitude, latitude
        case "nan":
            return float("nan"), float("nan")
        case "far":
            return latitude + 5.0, longitude
        case "centre":
            return ground.centre(hit.place)
    return latitude, longitude
