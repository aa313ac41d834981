"""What a trial has found out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """How a finding is to be read."""

    GOOD = "good"
    NOTE = "note"  # worth knowing, nothing to do
    BAD = "bad"  # the limiter must not be trusted on this database


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried: ``title`` and ``told`` are sentences for people, ``figures`` what was measured."""

    name: str
    title: str
    verdict: Verdict
    told: str
    figures: Mapping[str, int | float | str] = field(default_factory=dict)


def verdict(*, good: bool) -> Verdict:
    """Return GOOD or BAD."""
    return Verdict.GOOD if good else Verdict.BAD


def percentiles(times_s: Sequence[float]) -> dict[str, float]:
    """Return p50 and p99 of some durations, in milliseconds."""
    ordered = sorted(times_s) or [0.0]
    return {
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 2),
        "p99_ms": round(1000 * ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 2),
    }
