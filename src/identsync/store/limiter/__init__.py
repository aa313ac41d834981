"""The limiter: one run per task, scope and interval, however many clients ask; decided in the DBMS by one statement."""

from identsync.store.limiter.grid import due_at, next_due, phase_ms
from identsync.store.limiter.limiter import SEAT, Limiter
from identsync.store.limiter.records import Claim, Denied, Fence, Grant, Present, SeatReply, SlotDue

__all__ = [
    "SEAT",
    "Claim",
    "Denied",
    "Fence",
    "Grant",
    "Limiter",
    "Present",
    "SeatReply",
    "SlotDue",
    "due_at",
    "next_due",
    "phase_ms",
]
