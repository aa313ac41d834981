"""What happens to a client (events) and what it decides to do (actions): the alphabet of ``step``."""

from typing import TypeAlias

from msgspec import Struct

from identsync.engine.integration import Outcome, Status
from identsync.store.limiter import Claim, Fence, SeatReply

# -- events. ``sent`` is the local monotonic ms from before the request left, measured where it was sent. ------------


class Started(Struct, frozen=True):
    """The client starts."""


class Woke(Struct, frozen=True):
    """The time of SleepUntil, or of a Remember, has come."""


class SeatAnswered(Struct, frozen=True):
    """The answer to AskSeat; its list of slots is older than the answers to the rest of its turn."""

    scope: int
    sequence: int
    sent: int
    reply: SeatReply


class SeatFailed(Struct, frozen=True):
    """AskSeat raised: whether it took effect is not known."""

    scope: int
    sequence: int


class Rang(Struct, frozen=True):
    """Somebody gave the seat of that scope up just now, or a task of it (a hint; may be missed or wrong)."""

    scope: int


class Claimed(Struct, frozen=True):
    """The answer to AskClaim: granted, or denied with the winner's row."""

    slot: int
    request: str
    sent: int
    claim: Claim


class ClaimFailed(Struct, frozen=True):
    """The ask raised: whether it took effect is not known."""

    slot: int
    request: str


class Renewed(Struct, frozen=True):
    """A lease was renewed and had ``remaining`` ms when the database answered."""

    slot: int
    fence: Fence
    sent: int
    remaining: int


class RenewFailed(Struct, frozen=True):
    """The renewal raised. That is not ownership: the trust window runs out by itself."""

    slot: int
    fence: Fence


class LeaseLost(Struct, frozen=True):
    """The database says that the lease is over or another client's."""

    slot: int
    fence: Fence


class RunEnded(Struct, frozen=True):
    """The task's function has ended (also that of an abandoned run, much later)."""

    slot: int
    fence: Fence
    outcome: Outcome


class Finished(Struct, frozen=True):
    """The finish was answered; ``written`` is False where the fence was stale."""

    slot: int
    fence: Fence
    written: bool


class FinishFailed(Struct, frozen=True):
    """The finish raised: whether it took effect is not known."""

    slot: int
    fence: Fence


class Poked(Struct, frozen=True):
    """A person at this client wants the task to run now."""

    kind: str
    scope: int


class Left(Struct, frozen=True):
    """Seats and presence were given up, or could not be."""


class Stopping(Struct, frozen=True):
    """The client ends; runs have ``grace_ms`` to end, in all."""

    grace_ms: int


Event: TypeAlias = (
    Started | Woke | SeatAnswered | SeatFailed | Rang | Claimed | ClaimFailed | Renewed | RenewFailed | LeaseLost
    | RunEnded | Finished | FinishFailed | Poked | Left | Stopping
)  # fmt: skip

# -- actions --------------------------------------------------------------------------------------------------------


class AskSeat(Struct, frozen=True):
    """Stamp presence and claim or renew the seat."""

    scope: int
    sequence: int
    lease_ms: int
    ttl_ms: int


class AskClaim(Struct, frozen=True):
    """Ask for one slot under a request id."""

    slot: int
    request: str
    ttl_ms: int


class FinishRun(Struct, frozen=True):
    """Write the outcome and set the next due time; ``release`` = make the slot eligible now."""

    slot: int
    fence: Fence
    outcome: Outcome
    release: bool = False


class Turn(Struct, frozen=True):
    """Say all this to the limiter in one statement (Limiter.turn): delivered, lost or doubled as a whole.

    Each item is answered by an event of its own, in this order. A slot stands at most once in a turn.
    """

    seats: tuple[AskSeat, ...] = ()
    finishes: tuple[FinishRun, ...] = ()
    claims: tuple[AskClaim, ...] = ()


class StartRun(Struct, frozen=True):
    """Start the task; renew its lease each ``every_ms`` until its finish is answered, DropRun, or ``renew_until``."""

    slot: int
    fence: Fence
    lease_ms: int
    every_ms: int
    renew_until: int
    database_ms: int  # the database's clock when it granted, and
    sent: int  # the local clock from before: their difference is the engine's clock


class CancelRun(Struct, frozen=True):
    """Cancel the task. LOST: it must not write any more; LATE and RELEASED: it may tidy up."""

    slot: int
    fence: Fence
    reason: Status


class AbandonRun(Struct, frozen=True):
    """The task ignored its cancellation: it goes on without lease and fence, and is reported."""

    slot: int
    fence: Fence


class DropRun(Struct, frozen=True):
    """Stop renewing; nothing is written."""

    slot: int
    fence: Fence


class LeaveSeats(Struct, frozen=True):
    """Give up these seats, and this client's presence there."""

    scopes: tuple[int, ...]


class Ring(Struct, frozen=True):
    """Tell who listens for these seats that something there waits for another client."""

    scopes: tuple[int, ...]


class Listen(Struct, frozen=True):
    """Listen for the bell of these seats and of no other."""

    scopes: tuple[int, ...]


class Remember(Struct, frozen=True):
    """Put into the memory of the core: nothing to do for this slot before ``due`` (NEVER = state.NEVER)."""

    slot: int
    due: int


class SleepUntil(Struct, frozen=True):
    """Send Woke at this time, or when a remembered slot is due, whichever is first."""

    at: int


class Stopped(Struct, frozen=True):
    """Nothing is held any more: the client may end."""


Action: TypeAlias = (
    Turn | StartRun | CancelRun | AbandonRun | DropRun | LeaveSeats | Ring | Listen | Remember | SleepUntil | Stopped
)
