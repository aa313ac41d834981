"""What the limiter answers. Times are epoch milliseconds of the database's clock."""

from dataclasses import dataclass
from enum import StrEnum


class Denied(StrEnum):
    """Why a claim was not granted, and so what the client does next."""

    WAIT = "wait"  # not due, or another client runs it: sleep until eligible_ms
    PAUSED = "paused"  # a person paused it: ask again when the seat's reply shows it free
    ROLE = "role"  # a director, and an administrator is at work
    PROTO = "proto"  # the row belongs to newer clients: never ask again
    RACED = "raced"  # another client won this instant and the reply is older than its win: ask again in 50-250 ms
    BUSY = "busy"  # the row or the database stayed locked for too long: ask again soon; times are 0


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write for one run: ``number`` rises with every claim of (kind, scope), ``holder`` is a client id."""

    kind: str
    scope: int
    number: int
    holder: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Answer to a claim. Denied: ``fence`` and ``eligible_ms`` are the winner's, ``why`` says what to do.

    ``attempt`` counts the claims since the last success, this one included. ``due_ms`` is the grid instant a granted
    run serves. The caller's trust ends at its own monotonic time of sending + lease.
    """

    granted: bool
    fence: int
    eligible_ms: int
    now_ms: int
    attempt: int = 0
    started_ms: int = 0
    due_ms: int = 0
    why: Denied | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Answer to an ask for a block of permits: it begins, or denied would have begun, at ``first_ms``."""

    granted: bool
    first_ms: int
    now_ms: int


@dataclass(frozen=True, slots=True)
class Present:
    """A client seen lately in a scope; ``role`` 0 = administrator, 1 = director."""

    client: str
    role: int
    seen_ms: int


@dataclass(frozen=True, slots=True)
class SlotDue:
    """A slot of the seat's scope: when it is next due (``held``: when its lease ends), paused by a person or not."""

    kind: str
    scope: int
    eligible_ms: int
    paused: bool
    held: bool


@dataclass(frozen=True, slots=True)
class SeatReply:
    """Answer to an ask for a seat: ours until ``eligible_ms`` if ``granted``, else the end of ``holder``'s lease.

    ``present`` are the scope's clients seen within the presence time, the asker included; ``slots`` its seeded slots.
    """

    granted: bool
    fence: int
    eligible_ms: int
    now_ms: int
    present: tuple[Present, ...] = ()
    slots: tuple[SlotDue, ...] = ()
    holder: str | None = None
