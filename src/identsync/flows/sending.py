"""What the outbox hands to a room and gets back: what one attempt ended in, and what is heard of it later."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Accepted:
    """The other side has taken it and said so; ``provider_id`` is how it will speak of it."""

    provider_id: str
    parts: int | None = None  # segments it counts, where it says so
    kopecks: int | None = None  # what it costs, where it says so


@dataclass(frozen=True, slots=True)
class Refused:
    """The other side will never take this one: certainly not done."""

    reason: str  # words for people, a message key of the catalogue; no personal data
    answer: str = ""  # what the other side said, cut by the flow


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Certainly not done; it may be tried again, not before ``after_ms`` milliseconds where that is known."""

    reason: str
    after_ms: int | None = None
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """It may have been done: never tried again by itself."""

    reason: str
    answer: str = ""


Verdict = Accepted | Refused | NotTaken | Lost


class Fate(StrEnum):
    """What is heard of something that was sent."""

    ACCEPTED = "accepted"  # on its way
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the other side says of something it took: by its id, or by our token where it repeats that.

    ``to`` is the address where neither is known to match (a receipt that came for a lost answer).
    """

    fate: Fate
    provider_id: str = ""
    token: str = ""
    to: str = ""
    at_ms: int | None = None  # when it happened, by the other side's clock
    reason: str = ""  # of a failure, words for people: a message key
    answer: str = ""  # as it came, cut by the flow
    kopecks: int | None = None
