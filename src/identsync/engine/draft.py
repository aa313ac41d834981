"""The state under one step: written copy-on-write, so that the state given to ``step`` is never changed."""

from typing import Any

from identsync.engine.events import Action
from identsync.engine.state import NEVER, Holding, Seat, Slot, State, replace

_MASK = (1 << 64) - 1


class Draft:
    """A state being changed at local time ``now`` (ms), and the actions decided so far."""

    __slots__ = ("_changes", "_seats", "_slots", "actions", "now", "old", "seed", "woken")

    def __init__(self, state: State, now: int, *, woken: bool = False) -> None:
        self.old = state
        self.woken = woken
        self.now = now
        self.seed = state.seed
        self.actions: list[Action] = []
        self._slots: list[Slot] | None = None
        self._seats: list[Seat] | None = None
        self._changes: dict[str, Any] = {}

    @property
    def slots(self) -> "list[Slot] | tuple[Slot, ...]":
        """The slots as they are now."""
        return self.old.slots if self._slots is None else self._slots

    @property
    def seats(self) -> "list[Seat] | tuple[Seat, ...]":
        """The seats as they are now, the branch's first."""
        return self.old.seats if self._seats is None else self._seats

    def get(self, name: str) -> Any:
        """Return a field of the state as it is now."""
        return self._changes.get(name, getattr(self.old, name))

    def set(self, **changes: Any) -> None:
        """Change fields of the state."""
        self._changes.update(changes)

    def slot(self, i: int, **changes: Any) -> Slot:
        """Change fields of slot ``i`` and return it."""
        if self._slots is None:
            self._slots = list(self.old.slots)
        self._slots[i] = slot = replace(self._slots[i], **changes)
        return slot

    def run(self, i: int, **changes: Any) -> Holding:
        """Change fields of the run of slot ``i``, which has one, and return it."""
        run = self.slots[i].run
        assert run is not None
        run = replace(run, **changes)
        self.slot(i, run=run)
        return run

    def seat(self, scope: int, **changes: Any) -> Seat:
        """Change fields of the seat of ``scope`` and return it."""
        if self._seats is None:
            self._seats = list(self.old.seats)
        i = next(i for i, seat in enumerate(self._seats) if seat.scope == scope)
        self._seats[i] = seat = replace(self._seats[i], **changes)
        return seat

    def seat_of(self, scope: int) -> Seat | None:
        """Return the seat of ``scope`` if this client contends for it."""
        return next((seat for seat in self.seats if seat.scope == scope), None)

    def act(self, action: Action) -> None:
        """Decide an action."""
        self.actions.append(action)

    def jitter(self, low: int, high: int) -> int:
        """Return a whole number of [low, high] from the state's generator (splitmix64)."""
        self.seed = (self.seed + 0x9E3779B97F4A7C15) & _MASK
        z = self.seed
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return low + (z ^ (z >> 31)) % (max(low, high) - low + 1)

    def backoff(self, failures: int) -> int:
        """Return the wait before the next try after that many failures in a row, ms, with 25 % of jitter."""
        policy = self.old.policy
        wait = min(policy.error_cap_ms, policy.error_base_ms << min(max(failures, 1) - 1, 16))
        return wait + self.jitter(0, max(1, wait // 4))

    def holds(self, scope: int) -> bool:
        """Say whether this client holds the seat of ``scope`` and may still trust it."""
        seat = self.seat_of(scope)
        return seat is not None and seat.fence > 0 and self.now < seat.trusted_until

    def freeze(self) -> State:
        """Return the new state."""
        changes = self._changes
        changes["seed"] = self.seed
        if self._slots is not None:
            changes["slots"] = tuple(self._slots)
        if self._seats is not None:
            changes["seats"] = tuple(self._seats)
        return replace(self.old, **changes)


def earliest(*times: int) -> int:
    """Return the earliest of the times, NEVER for none."""
    return min(times, default=NEVER)
