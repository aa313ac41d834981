"""The limiter's operations, the same for every database."""

from collections.abc import Iterable, Mapping

from identsync.store.limiter.records import Claim, Fence, SeatReply

SEAT = "seat"


class Limiter:
    """One connection to the limiter, used by one thread."""

    def seat(self, scope: int, client: str, role: int, *, lease_ms: int, presence_ttl_ms: int) -> SeatReply:
        """Stamp this client's presence in ``scope`` and claim or renew its seat."""
        raise NotImplementedError

    def claim(
        self,
        kind: str,
        scope: int,
        *,
        holder: str,
        role: int,
        lease_ms: int,
        interval_ms: int,
        request: str,
        presence_ttl_ms: int,
        proto: int = 1,
    ) -> Claim:
        """Ask to run a task now."""
        raise NotImplementedError

    def started(self, fence: Fence, role: int, claim: Claim) -> None:
        """Write the journal's row of a granted run."""
        raise NotImplementedError

    def renew(self, fence: Fence, lease_ms: int) -> int | None:
        """Extend the lease; milliseconds that remain, or None if the run is lost."""
        raise NotImplementedError

    def finish(
        self,
        fence: Fence,
        *,
        interval_ms: int,
        outcome: str,
        counts: Mapping[str, int],
        note: str,
        retry_ms: int | None = None,
    ) -> bool:
        """End a run; False if the fence is stale, and then nothing was changed."""
        raise NotImplementedError

    def release(self, fence: Fence, *, outcome: str = "released") -> bool:
        """Hand a run over unfinished: the slot is due at once."""
        raise NotImplementedError

    def leave(self, client: str, scopes: Iterable[int]) -> None:
        """Give up this client's seats and presence."""
        raise NotImplementedError

    def permits(self, channel: str, scope: int, n: int, *, period_ms: float, burst: int) -> int:
        """Take ``n`` permits of a channel; 0 = taken, else milliseconds to wait."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connection."""
