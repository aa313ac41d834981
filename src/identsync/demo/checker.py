"""Reads a journal of runs, real or simulated, and says whether each slot ran once per interval; a pure function.

A slot is a (kind, scope). Its grid instants are ``phase + k * interval`` epoch ms; the interval that begins at a grid
instant is *served* by a successful run that started in it, or that began earlier and was still under way: instants
missed meanwhile are one run. The client of a run without an end has died; such a run has done nothing that counts.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

GOOD = frozenset({"ok", "partial"})
Slot = tuple[str, int]


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One run as the journal has it; times are epoch ms, ``finished_ms`` None = no end was written."""

    kind: str
    scope: int
    fence: int
    holder: str
    started_ms: int
    finished_ms: int | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Grid:
    """When a slot is due: at ``phase_ms + k * interval_ms``."""

    phase_ms: int
    interval_ms: int

    def instant(self, at_ms: int) -> int:
        """Return the newest grid instant not after ``at_ms``."""
        return at_ms - (at_ms - self.phase_ms) % self.interval_ms


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the journal shows; each list holds (kind, scope, epoch ms or fence) of the fault."""

    runs: int
    good: int
    double: tuple[tuple[str, int, int], ...]
    overlapping: tuple[tuple[str, int, int], ...]
    missed: tuple[tuple[str, int, int], ...]
    fences: tuple[tuple[str, int, int], ...]

    @property
    def double_runs(self) -> int:
        """Grid intervals with more than one successful run, and runs that began before another had ended."""
        return len(self.double) + len(self.overlapping)


def check(
    rows: Iterable[JournalRow],
    grids: Mapping[Slot, Grid],
    *,
    since_ms: int,
    until_ms: int,
    absent: Mapping[int, Sequence[tuple[int, int]]] | None = None,
) -> Verdict:
    """Judge the runs of the slots in ``grids``.

    Intervals count as missed only where they lie wholly in ``since_ms..until_ms`` and outside the spans of ``absent``
    (scope -> times without a living client that was allowed to run).
    """
    slots: defaultdict[Slot, list[JournalRow]] = defaultdict(list)
    for row in rows:
        if (row.kind, row.scope) in grids:
            slots[row.kind, row.scope].append(row)
    for runs in slots.values():
        runs.sort(key=lambda row: row.fence)
    spans = absent or {}
    return Verdict(
        runs=sum(map(len, slots.values())),
        good=sum(row.outcome in GOOD for runs in slots.values() for row in runs),
        double=tuple((*slot, at) for slot, runs in slots.items() for at in _double(runs, grids[slot])),
        overlapping=tuple((*slot, fence) for slot, runs in slots.items() for fence in _overlapping(runs)),
        missed=tuple(
            (*slot, at)
            for slot, grid in grids.items()
            for at in _missed(slots[slot], grid, since_ms, until_ms)
            if not any(start < at + grid.interval_ms and at < end for start, end in spans.get(slot[1], ()))
        ),
        fences=tuple((*slot, fence) for slot, runs in slots.items() for fence in _unordered(runs)),
    )


def _double(runs: Sequence[JournalRow], grid: Grid) -> list[int]:
    counts = Counter(grid.instant(row.started_ms) for row in runs if row.outcome in GOOD)
    return [at for at, count in counts.items() if count > 1]


def _overlapping(runs: Sequence[JournalRow]) -> list[int]:
    """Fences of runs that began before an earlier one had ended; a fenced-off ('lost') run could write nothing."""
    ended = [row for row in runs if row.finished_ms is not None and row.outcome != "lost"]
    by_time = sorted(ended, key=lambda row: (row.started_ms, row.fence))
    return [after.fence for before, after in pairwise(by_time) if after.started_ms < (before.finished_ms or 0)]


def _missed(runs: Sequence[JournalRow], grid: Grid, since_ms: int, until_ms: int) -> list[int]:
    good = sorted((row.started_ms, row.finished_ms or row.started_ms) for row in runs if row.outcome in GOOD)
    starts = [start for start, _end in good]
    missed = []
    at = grid.instant(since_ms - 1) + grid.interval_ms  # the first instant not before since_ms
    while at + grid.interval_ms <= until_ms:
        newest = bisect_right(starts, at + grid.interval_ms - 1) - 1
        if newest < 0 or good[newest][1] < at:
            missed.append(at)
        at += grid.interval_ms
    return missed


def _unordered(runs: Sequence[JournalRow]) -> list[int]:
    """Fences whose run started before the run of a smaller fence, or that stand in the journal twice."""
    return [
        after.fence
        for before, after in pairwise(runs)
        if after.fence == before.fence or after.started_ms < before.started_ms
    ]
