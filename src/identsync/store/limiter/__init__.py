"""The limiter: one run per task, scope and interval, however many clients ask; decided in the DBMS by one statement."""

from identsync.store.limiter.grid import due_at, next_due, phase_ms
from identsync.store.limiter.limiter import Limiter
from identsync.store.limiter.records import (
    LOCKED,
    Claim,
    ClaimAsk,
    Denied,
    Ending,
    Fence,
    Grant,
    Locked,
    Present,
    Remaining,
    Renewal,
    SeatAsk,
    SeatReply,
    SlotDue,
    TurnReply,
)
from identsync.store.limiter.turn import SEAT

__all__ = [
    "LOCKED",
    "SEAT",
    "Claim",
    "ClaimAsk",
    "Denied",
    "Ending",
    "Fence",
    "Grant",
    "Limiter",
    "Locked",
    "Present",
    "Remaining",
    "Renewal",
    "SeatAsk",
    "SeatReply",
    "SlotDue",
    "TurnReply",
    "due_at",
    "next_due",
    "phase_ms",
]
