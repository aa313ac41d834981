"""The grid of due instants: phase + k * interval of epoch milliseconds; the phase spreads the kinds and branches."""

from functools import lru_cache
from zlib import crc32


@lru_cache(4096)
def phase_ms(kind: str, scope: int, interval_ms: int) -> int:
    """Milliseconds by which the slot's grid is shifted; the same in every client and version."""
    return crc32(f"{kind}\0{scope}".encode("ascii")) % interval_ms


def due_at(kind: str, scope: int, interval_ms: int, at_ms: int) -> int:
    """Grid instant that a run started at ``at_ms`` serves: the newest one not after it."""
    return at_ms - (at_ms - phase_ms(kind, scope, interval_ms)) % interval_ms


def next_due(kind: str, scope: int, interval_ms: int, now_ms: int) -> int:
    """First grid instant after ``now_ms``: instants missed meanwhile are one run, not many."""
    return due_at(kind, scope, interval_ms, now_ms) + interval_ms
