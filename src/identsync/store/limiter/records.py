"""What the limiter is asked and what it answers. Times are epoch milliseconds of the database's clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, TypeAlias


class Denied(StrEnum):
    """Why a claim was not granted, and so what the client does next."""

    WAIT = "wait"  # not due, or another client runs it: sleep until eligible_ms
    PAUSED = "paused"  # a person paused it: ask again when the seat's reply shows it free
    ROLE = "role"  # a director, and an administrator is at work
    PROTO = "proto"  # the row belongs to newer clients: never ask again
    RACED = "raced"  # another client won this instant and the reply is older than its win: ask again in 50-250 ms
    BUSY = "busy"  # the row is locked just now, so nothing is known: ask again in 50-250 ms; times are 0


class Locked(Enum):
    """The row is locked just now, so nothing is known: ask again."""

    LOCKED = "locked"


LOCKED: Final = Locked.LOCKED
Remaining: TypeAlias = int | Locked | None  # ms that remain of a renewed lease, LOCKED, None = the lease is lost


@dataclass(frozen=True, slots=True)
class Fence:
    """The right to write for one run: ``number`` rises with every claim of (kind, scope), ``holder`` is a client id.

    The number of a database restored from a backup goes back, so the same client may get it twice: ``started_ms``, of
    the granted claim, tells these runs apart.
    """

    kind: str
    scope: int
    number: int
    holder: str
    started_ms: int

    @classmethod
    def of(cls, kind: str, scope: int, claim: "Claim", holder: str) -> "Fence":
        """Return the right that a granted claim gave its holder."""
        return cls(kind, scope, claim.fence, holder, claim.started_ms)


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
    """A slot: when it is next due (``held``: when its lease ends), paused by a person or not."""

    kind: str
    scope: int
    eligible_ms: int
    paused: bool
    held: bool


@dataclass(frozen=True, slots=True)
class SeatReply:
    """Answer to an ask for a seat: ours until ``eligible_ms`` if ``granted``, else the end of ``holder``'s lease.

    ``present`` are the scope's clients seen within the presence time, the asker included; ``slots`` its seeded slots,
    and of the network's those that nobody has run for two leases.
    ``crowd`` says where it is denied how many clients there are, the asker and those included that sleep longer.
    """

    granted: bool
    fence: int
    eligible_ms: int
    now_ms: int
    present: tuple[Present, ...] = ()
    slots: tuple[SlotDue, ...] = ()
    holder: str | None = None
    crowd: int = 0


@dataclass(frozen=True, slots=True)
class SeatAsk:
    """Stamp presence in ``scope``, claim its seat or renew it, list who is present and what is due."""

    scope: int
    lease_ms: int
    presence_ttl_ms: int


@dataclass(frozen=True, slots=True)
class ClaimAsk:
    """Ask to run (kind, scope) now; ``request`` is new for every ask, the same again after a lost reply."""

    kind: str
    scope: int
    lease_ms: int
    interval_ms: int
    request: str
    presence_ttl_ms: int
    proto: int = 1


@dataclass(frozen=True, slots=True)
class Renewal:
    """Extend the lease of a run to ``lease_ms`` from now."""

    fence: Fence
    lease_ms: int


@dataclass(frozen=True, slots=True)
class Ending:
    """End a run and its journal row. ``release`` hands it over unfinished: the slot is due at once.

    Else the slot is due after ``retry_ms`` where given (below 0: it counts as overdue already, and the followers that
    look take it for neglected); else, after 'ok', 'partial' and 'ask', at the next grid
    instant; else at that instant or after the back-off of its attempt, +-20 %, whichever is sooner.
    """

    fence: Fence
    interval_ms: int
    outcome: str
    counts: Mapping[str, int]
    note: str
    retry_ms: int | None = None
    release: bool = False


@dataclass(frozen=True, slots=True)
class TurnReply:
    """Answers in the order of the asks.

    ``endings``: True = written, or found written by an earlier try whose reply was lost; False = the fence is stale,
    nothing was changed; None = the row is locked just now, ask again.
    """

    seats: tuple[SeatReply, ...] = ()
    endings: tuple[bool | None, ...] = ()
    renewals: tuple[Remaining, ...] = ()
    claims: tuple[Claim, ...] = ()
