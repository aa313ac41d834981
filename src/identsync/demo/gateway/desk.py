"""What all gateways of this process share: who may send, the money, what was really taken, what becomes of it."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from identsync.demo.misdeeds import Misdeeds

USER, KEY, SENDER = "clinic@sms.example", "demo-sms-key", "Clinic"
Answer = tuple[int, Any]
Fields = Mapping[str, Any]
Kind = Literal[
    "lose",  # takes the message and closes the connection without an answer
    "cut",  # takes the message, breaks the connection in the middle of the answer
    "drop",  # closes the connection at once, takes nothing
    "hang",  # takes the message and never answers
    "fail",  # answers `status`, takes nothing
    "late",  # takes the message and answers `status`
    "html",  # takes the message and answers with a web page
    "half",  # takes the message and answers with half of the JSON
    "refuse",  # the gateway's own error `code`, takes nothing
    "say",  # answers `status` and `body` as it stands, takes nothing
    "mumble",  # takes the message and answers `status` and `body` as it stands
    "slow",  # `seconds` later all goes its usual way
]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One fault: ``path`` is the end of the address, '' = any; happens ``times`` (None = until cleared)."""

    kind: Kind
    path: str = ""
    times: int | None = 1
    skip: int = 0
    share: float = 1.0
    status: int = 503
    code: int = 0
    body: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Taken:
    """A message that was really taken: which gateway, its id there, ours where it takes one."""

    gateway: str
    id: str
    own: str
    phone: str
    text: str
    sender: str
    at: float
    kopecks: int
    parts: int
    state: str = "queued"  # queued, delivered, failed
    queue: str = ""  # iqsms: where its states are told
    told: str = ""  # the state that was told there


@dataclass
class Desk:
    """The state of the process; use under ``lock``. Times are seconds since 1970."""

    seed: int = 1
    balance: int = 500_000  # kopecks
    price: int = 460  # kopecks a part
    delivery_s: float = 0.0  # how long a message is on its way
    undelivered: float = 0.0  # share of messages that do not arrive
    ahead: float = 0.0  # seconds this process's clock is ahead of the computer's
    rate: int = 0  # requests in ``rate_s`` seconds that a gateway bears; 0 = any number
    rate_s: float = 1.0
    mass_s: float = 0.0  # SMSC.ru: seconds between two lists of states; the real one wants 60
    taken: list[Taken] = field(default_factory=list)
    replies: list[tuple[str, str, float]] = field(default_factory=list)  # phone, text, when
    counts: Counter[str] = field(default_factory=Counter)
    inside: Counter[str] = field(default_factory=Counter)  # requests that each gateway is at
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.faults: Misdeeds[Fault] = Misdeeds(self.seed)
        self.random = random.Random(self.seed)
        self.asked: defaultdict[str, list[float]] = defaultdict(list)
        self.mass_at = 0.0

    def now(self) -> float:
        """Tell this process's time."""
        return time.time() + self.ahead

    def is_busy(self, gateway: str) -> bool:
        """Count a request to a gateway; tell whether that is more than it bears."""
        if self.rate == 0:
            return False
        now = self.now()
        self.asked[gateway] = [at for at in self.asked[gateway] if now - self.rate_s < at <= now] + [now]
        return self.rate < len(self.asked[gateway])

    def take(self, gateway: str, phone: str, text: str, sender: str, own: str = "") -> Taken | None:
        """Take a message and its price; None: there is no money for it."""
        parts = segments(text)
        cost = parts * self.price
        if self.balance < cost:
            return None
        self.balance -= cost
        number = own if gateway == "smsc" and own else f"{100_000 + len(self.taken)}"
        self.taken.append(Taken(gateway, number, own, phone, text, sender, self.now(), cost, parts))
        return self.taken[-1]

    def of(self, gateway: str, number: str) -> Taken | None:
        """Find a message by its id there; of several under one own id the last."""
        return next((each for each in reversed(self.taken) if (each.gateway, each.id) == (gateway, number)), None)

    def state(self, message: Taken) -> str:
        """Tell what became of a message by now."""
        if message.state == "queued" and self.now() - message.at >= self.delivery_s:
            message.state = "failed" if self.random.random() < self.undelivered else "delivered"
        return message.state

    def repeated(self, gateway: str, phone: str, text: str) -> bool:
        """Tell whether the same text went to the same phone within the last minute."""
        since = self.now() - 60
        return any((m.gateway, m.phone, m.text) == (gateway, phone, text) and m.at > since for m in self.taken)

    def books(self) -> dict[str, Any]:
        """Give the counts and the money."""
        return {"counts": dict(self.counts), "balance": self.balance, "messages": len(self.taken)}


def is_phone(text: object) -> bool:
    """Tell whether a gateway would take it: eleven digits of a Russian mobile number."""
    return isinstance(text, str) and len(text) == 11 and text.isdigit() and text.startswith("79")


def segments(text: str) -> int:
    """Count the parts as gateways do: 70/67 units of UTF-16, or 160/153 of Latin letters."""
    plain = text.isascii()
    units = len(text) if plain else len(text.encode("utf-16-le", "surrogatepass")) // 2
    one, more = (160, 153) if plain else (70, 67)
    return 1 if units <= one else -(-units // more)


def roubles(kopecks: int) -> str:
    """Spell money as gateways do."""
    return f"{kopecks / 100:.2f}"
