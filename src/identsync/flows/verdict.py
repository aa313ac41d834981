"""What a flow hands to a room and gets back: an item, its verdict, and how patient the flow is."""

import random
from dataclasses import dataclass

from identsync import errors
from identsync.spans import DAY_MS, HOUR_MS


@dataclass(slots=True)
class Item:
    """One thing the other side shall have: identity, digest of what it would see, a label without personal data."""

    key: int
    digest: int
    label: str
    payload: bytes | None = None  # the room's own, kept when confirmed
    doubtful: bool = False  # an earlier delivery of this key may have arrived
    known: bytes | None = None  # the payload that was kept last, for rooms that remove


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The other side has it and said so; ``payload`` is kept instead of the item's where it is given."""

    answer: str = ""
    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The other side does not want it as it is; not tried again until it changes, or a long time has passed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing was done, try again: after so many milliseconds where the other side named a time."""

    reason: str
    after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The answer was lost or made no sense: it may have been done."""

    reason: str
    after_ms: int | None = None


Verdict = Confirmed | Rejected | Later | Unknown


@dataclass(frozen=True, slots=True)
class Patience:
    """Milliseconds until the next try: doubling from ``first_ms`` to ``most_ms``; a rejected item rests long.

    A wait that the other side or the room names is obeyed up to ``named_ms``.
    """

    first_ms: int = 60_000
    most_ms: int = HOUR_MS
    rejected_ms: int = DAY_MS
    named_ms: int = 7 * DAY_MS

    def longest(self, *, rejected: bool) -> int:
        """Return what no wait is longer than; one that is was reckoned by a clock that stood in the future."""
        return max(self.rejected_ms if rejected else 0, self.named_ms, self.most_ms + self.most_ms // 5)

    def after(self, attempts: int) -> int:
        """Give the wait after so many tries in a row, 20 % more or less so that many clients do not come together."""
        wait = min(self.most_ms, self.first_ms * 2 ** min(max(attempts - 1, 0), 20))
        return int(wait * random.uniform(0.8, 1.2))  # noqa: S311  spread, not secrecy


def verdict_of(error: Exception, said: str | None = None) -> Verdict:
    """Say what an error means for an item that was in hand; ``said`` is kept in place of the other side's words."""
    if not isinstance(error, errors.Later | errors.AskPerson | errors.Unexpected):
        return Unknown(type(error).__name__)  # a defect of the room: what it did is anybody's guess
    words = error.raw or str(error) if said is None else said
    match error:
        case errors.AskPerson() | errors.IdentsyncError(elsewhere=True):
            return Later(words, 0)  # as soon as the person has done it, or on a computer that can
        case errors.Later(after_ms=after) if not (isinstance(error, errors.Unavailable) and error.sent):
            return Later(words, after)
        case errors.Later(after_ms=after):
            return Unknown(words, after)
    return Unknown(words)
