"""Reads a journal of runs, real or simulated, and says which promise of the limiter it breaks; a pure function.

A slot is a (kind, scope). Its grid instants are ``phase + k * interval`` epoch ms; the interval that begins at a grid
instant is *served* by a successful run that started in it, or that began earlier and was still under way: instants
missed meanwhile are one run. The client of a run without an end has died; such a run has done nothing that counts.

The same function judges the demo, the simulator (tests/engine) and the processes under fire (tests/processes).
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

from identsync.engine.integration import Role

GOOD = frozenset({"ok", "partial"})
Slot = tuple[str, int]
Faults = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One run as the journal has it; times are epoch ms, ``finished_ms`` None = no end was written.

    ``again``: it left something to be tried again, for which the next run may come before its interval.
    """

    kind: str
    scope: int
    fence: int
    holder: str
    started_ms: int
    finished_ms: int | None
    outcome: str
    role: int = Role.ADMINISTRATOR
    again: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """When a slot is due: at ``phase_ms + k * interval_ms``; ``lease_ms`` is how long a dead run keeps it."""

    phase_ms: int
    interval_ms: int
    lease_ms: int = 0

    def instant(self, at_ms: int) -> int:
        """Return the newest grid instant not after ``at_ms``."""
        return at_ms - (at_ms - self.phase_ms) % self.interval_ms


@dataclass(frozen=True, slots=True)
class Effect:
    """A write of a run; ``newest`` is what the slot's newest fence was when the write was committed."""

    kind: str
    scope: int
    fence: int
    newest: int


@dataclass(frozen=True, slots=True)
class Life:
    """A span, epoch ms, in which a client of a branch was well: alive, not paused, the database in its reach."""

    role: int
    branch: int
    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the journal shows; each tuple holds (kind, scope, epoch ms or fence) of a fault.

    ``double``: intervals with two successes (ms). ``overlapping``: runs that began before another had ended (fence).
    ``missed``: intervals not served (ms). ``fences``: not rising with time, or twice (fence). ``holes``: claims that
    the journal does not know (fence). ``stale``: effects committed under an old fence (fence). ``starved``: no run for
    longer than interval + lease + slack though a client lived (ms). ``roles``: a doctor's run, or a director's beside a
    living administrator (fence).
    """

    runs: int
    good: int
    double: Faults
    overlapping: Faults
    missed: Faults
    fences: Faults
    holes: Faults = ()
    stale: Faults = ()
    starved: Faults = ()
    roles: Faults = ()

    @property
    def double_runs(self) -> int:
        """Grid intervals with more than one successful run, and runs that began before another had ended."""
        return len(self.double) + len(self.overlapping)

    def faults(self) -> list[str]:
        """Return a line for each fault, for whoever hunts it."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        listed = ((name, found) for name, found in named if isinstance(found, tuple))
        return [f"{name}: {kind} {scope} at {at}" for name, found in listed for kind, scope, at in found]


def check(
    rows: Iterable[JournalRow],
    grids: Mapping[Slot, Grid],
    *,
    since_ms: int = 0,
    until_ms: int = 0,
    absent: Mapping[int, Sequence[tuple[int, int]]] | None = None,
    effects: Iterable[Effect] = (),
    newest: Mapping[Slot, int] | None = None,
    lives: Sequence[Life] = (),
    slack_ms: int = 0,
    settle_ms: int = 0,
) -> Verdict:
    """Judge the runs of the slots in ``grids``.

    Intervals count as missed only where they lie wholly in ``since_ms..until_ms`` and outside the spans of ``absent``
    (scope -> times without a living client that was allowed to run). Holes are looked for up to the fences of
    ``newest``. Starvation and roles are judged by ``lives``: ``slack_ms`` is what a change of hands may cost beside
    interval and lease, ``settle_ms`` how long an administrator must have been well for the others to know of it.
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
        holes=tuple((*slot, fence) for slot, last in (newest or {}).items() for fence in _holes(slots[slot], last)),
        stale=tuple((e.kind, e.scope, e.fence) for e in effects if e.fence != e.newest),
        starved=tuple(
            (*slot, at) for slot, grid in grids.items() for at in _starved(slot, slots[slot], grid, lives, slack_ms)
        ),
        roles=tuple((*slot, fence) for slot, runs in slots.items() for fence in _barred(runs, lives, settle_ms)),
    )


def _double(runs: Sequence[JournalRow], grid: Grid) -> list[int]:
    good = sorted((row for row in runs if row.outcome in GOOD), key=lambda row: (row.started_ms, row.fence))
    asked = {after.fence for before, after in pairwise(good) if before.again}
    counts = Counter(grid.instant(row.started_ms) for row in good if row.fence not in asked)
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


def _holes(runs: Sequence[JournalRow], newest: int) -> list[int]:
    return sorted(set(range(1, newest + 1)).symmetric_difference(row.fence for row in runs))


def _starved(slot: Slot, runs: Sequence[JournalRow], grid: Grid, lives: Sequence[Life], slack_ms: int) -> Iterator[int]:
    """Begin of each stretch without a claim that one eligible client lived through."""
    longest = grid.interval_ms + grid.lease_ms + slack_ms
    starts = sorted(row.started_ms for row in runs)
    silent = set()
    for life in _eligible(slot[1], lives):
        within = (at for at in starts if life.since_ms < at < life.until_ms)
        silent |= {a for a, b in pairwise((life.since_ms, *within, life.until_ms)) if b - a > longest}
    yield from sorted(silent)


def _eligible(scope: int, lives: Sequence[Life]) -> list[Life]:
    """Lives that owe a slot its runs: the administrators', the directors' only where there is no administrator."""
    here = [life for life in lives if scope in (0, life.branch)]
    administrators = [life for life in here if life.role == Role.ADMINISTRATOR]
    return administrators or [life for life in here if life.role == Role.DIRECTOR]


def _barred(runs: Sequence[JournalRow], lives: Sequence[Life], settle_ms: int) -> Iterator[int]:
    for row in runs:
        known = (
            life.role == Role.ADMINISTRATOR
            and row.scope in (0, life.branch)
            and life.since_ms + settle_ms <= row.started_ms <= life.until_ms
            for life in lives
        )
        if row.role == Role.DOCTOR or (row.role == Role.DIRECTOR and any(known)):
            yield row.fence
