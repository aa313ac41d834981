"""What the room asks and is answered: a question, a place found, and the one scale of precision for all providers."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import IntEnum
from math import cos, hypot, radians
from typing import Protocol


class Precision(IntEnum):
    """How near to the door a point is; only HOUSE and NEAR are drawn as points, a LOCALITY never is."""

    NONE = 0
    LOCALITY = 1
    DISTRICT = 2
    STREET = 3
    NEAR = 4
    HOUSE = 5


@dataclass(frozen=True, slots=True)
class Question:
    """A building to be found: nothing of who lives there, no flat, no postcode. Empty strings where unknown."""

    key: int
    text: str  # the canonical address in one line
    region: str = ""
    city: str = ""
    street: str = ""  # with its type in full: 'улица Садовая'
    house: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What a provider answered to one question; coordinates are micro-degrees, None where there is no point.

    ``detail`` is the provider's own word for the precision ('exact', 'qc_geo 2'); never an address.
    """

    precision: Precision = Precision.NONE
    latitude: int | None = None
    longitude: int | None = None
    detail: str = ""

    @property
    def point(self) -> tuple[int, int] | None:
        """The latitude and longitude, None where there is no point."""
        return None if self.latitude is None or self.longitude is None else (self.latitude, self.longitude)


Permit = Callable[[], Awaitable[None]]
"""Waits until a request may go out; raises Limited where that is too far away."""


class Geocoder(Protocol):
    """An open provider: at most ``batch`` questions in one request, at most ``window`` requests at once."""

    batch: int
    window: int

    async def ask(self, questions: Sequence[Question], body: bytes = b"") -> list[Found]:
        """Answer questions in their order; ``body`` is the JSON array of their texts, where the core has written it.

        Raises errors of the tree: AskPerson (key, licence, no money), Limited (too many, the day's quota is used up),
        Unavailable, Unexpected (an answer without sense, of a wrong length).
        """


Open = AbstractAsyncContextManager[Geocoder]
"""``wire.<kind>.open(provider: Provider, permit: Permit) -> Open``."""


def apart(one: tuple[int, int], other: tuple[int, int]) -> float:
    """Give how far two near points (latitude, longitude, micro-degrees) are apart, in micro-degrees of latitude."""
    return hypot(one[0] - other[0], (one[1] - other[1]) * cos(radians(one[0] / 1e6)))


def micro(degrees: object) -> int | None:
    """Give micro-degrees of a number or of its text; None for anything else, NaN and infinity too."""
    try:
        value = float(degrees)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return round(value * 1_000_000) if abs(value) <= 180 else None
