"""Faults that a counterparty is told to make: set one after the other, each used up by the requests it fits."""

import random
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Misdeed(Protocol):
    """How often a fault happens: after ``skip`` requests, to a ``share`` of them, ``times`` (None = until cleared)."""

    times: int | None
    skip: int
    share: float


F = TypeVar("F", bound=Misdeed)


class Misdeeds(Generic[F]):
    """The faults that are set; the first that fits a request is used up by it."""

    def __init__(self, seed: int) -> None:
        self._set: list[F] = []
        self._random = random.Random(seed)

    def add(self, fault: F) -> None:
        """Set one more."""
        self._set.append(fault)

    def clear(self) -> None:
        """Behave again."""
        self._set.clear()

    def first(self, fits: Callable[[F], bool]) -> F | None:
        """Return the fault of a request, None = behave."""
        return next((fault for fault in self._set if fits(fault) and self._happens(fault)), None)

    def _happens(self, fault: F) -> bool:
        if fault.skip > 0:
            fault.skip -= 1
            return False
        if self._random.random() >= fault.share:
            return False
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._set.remove(fault)
        return True
