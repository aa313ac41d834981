"""The engine's own tables: the store, its migrations, and the limiter's statements for each database."""

from identsync.store.limiter import Claim, Denied, Fence, Limiter, Present, SeatReply, SlotDue
from identsync.store.store import Store, open_store

__all__ = ["Claim", "Denied", "Fence", "Limiter", "Present", "SeatReply", "SlotDue", "Store", "open_store"]
