"""Slots, seats and the journal as people see them."""

from dataclasses import dataclass

from sqlalchemy import Connection

from identsync.store.limiter import Present


@dataclass(frozen=True, slots=True)
class SlotView:
    """A task of one scope: ``holder`` (client id) runs it now if ``running``, next due at ``eligible_ms`` otherwise."""

    kind: str
    scope: int
    eligible_ms: int
    fence: int
    holder: str | None
    running: bool
    started_ms: int | None
    finished_ms: int | None
    attempt: int
    last_ok_ms: int | None
    last_error: str | None
    paused: bool


@dataclass(frozen=True, slots=True)
class SeatView:
    """A scope's seat: who holds it until ``eligible_ms`` (None = free), who is present."""

    scope: int
    holder: str | None
    since_ms: int | None
    eligible_ms: int
    present: tuple[Present, ...]


@dataclass(frozen=True, slots=True)
class RunView:
    """A run of the journal; ``outcome`` is 'died' where its client ended without a word."""

    kind: str
    scope: int
    fence: int
    holder: str
    role: int
    due_ms: int
    started_ms: int
    finished_ms: int | None
    outcome: str
    counts: dict[str, int]
    note: str | None


def overview(connection: Connection) -> list[SlotView]:
    """Every task slot, ordered by kind and scope."""
    raise NotImplementedError


def seats(connection: Connection, *, presence_ttl_ms: int = 120_000) -> list[SeatView]:
    """Every seat, ordered by scope, with the clients seen within ``presence_ttl_ms``."""
    raise NotImplementedError


def run_now(connection: Connection, kind: str, scope: int) -> bool:
    """Make a slot due now; False if it is running, paused or not there."""
    raise NotImplementedError


def pause(connection: Connection, kind: str, scope: int, paused: bool) -> bool:
    """Pause a slot or let it run again; False if it is not there."""
    raise NotImplementedError


def journal(connection: Connection, limit: int, kind: str | None = None) -> list[RunView]:
    """List the newest runs first."""
    raise NotImplementedError


def trim(connection: Connection, days: int) -> int:
    """Delete runs and presences older than ``days``; how many runs went."""
    raise NotImplementedError
