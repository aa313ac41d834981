"""Free time and busy runs of 1.2 million appointments, from ready columns and from rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.harness import OURS, Result, Work, measure
from identsync.core.board import Boards

FIRST_DAY = 20_600
DAYS = 60
GRID = 15


class Clinic:
    """Sorted columns (branch, doctor, start, length) of shifts and appointments."""

    def __init__(self, branches: int, seed: int = 3) -> None:
        chance = np.random.default_rng(seed)
        self.seats = [(branch, doctor) for branch in range(1, branches + 1) for doctor in range(1, 21)]
        pairs = np.array(self.seats, np.int64)
        boards = len(self.seats) * DAYS
        seat = np.arange(boards) // DAYS
        day = FIRST_DAY + np.arange(boards) % DAYS
        self.shifts = self._columns(pairs, np.repeat(seat, 2), (day[:, None] * 1440 + [540, 840]).ravel(),
                                    np.tile([240, 240], boards))  # fmt: skip
        starts = np.sort(chance.integers(36, 72, (boards, 10)), axis=1) * GRID
        lengths = chance.integers(1, 4, boards * 10) * GRID
        self.visits = self._columns(pairs, np.repeat(seat, 10), (day[:, None] * 1440 + starts).ravel(), lengths)

    @staticmethod
    def _columns(pairs: Any, seat: Any, start: Any, length: Any) -> tuple[Any, Any, Any, Any]:
        found = (pairs[seat, 0], pairs[seat, 1], start, length)
        return tuple(np.ascontiguousarray(one, np.int64) for one in found)  # type: ignore[return-value]

    def absolute(self, columns: Any) -> tuple[Any, Any]:
        """Return starts and ends on one line on which no two seats meet."""
        branch, doctor, start, length = columns
        line = ((branch - 1) * 20 + doctor - 1) * (DAYS + 2) * 1440 + start
        return line, line + length


def run(*, quick: bool) -> Iterator[Result]:
    """Take 1.2 million appointments (a tenth with ``quick``)."""
    clinic = Clinic(10 if quick else 100)
    count = len(clinic.visits[0])
    boards = Boards(clinic.seats, FIRST_DAY, DAYS, GRID)
    free, busy = (np.zeros(4 * count, np.int64) for _ in range(2))
    shift_rows, visit_rows = (
        list(zip(*(one.tolist() for one in c), strict=True)) for c in (clinic.shifts, clinic.visits)
    )

    def ours() -> tuple[int, int]:
        made = Boards(clinic.seats, FIRST_DAY, DAYS, GRID)
        made.add_shift_columns(*clinic.shifts)
        made.add_busy_columns(*clinic.visits)
        return made.busy_spans(busy), made.free_spans(free)

    def rows() -> tuple[int, int]:
        made = Boards(clinic.seats, FIRST_DAY, DAYS, GRID)
        made.add_shifts(shift_rows)
        made.add_busy(visit_rows)
        return made.busy_spans(busy), made.free_spans(free)

    def lines() -> tuple[Any, ...]:
        # Part of everybody's work: all start from the same four columns (the peers are spared finding the seats).
        return *clinic.absolute(clinic.shifts), *clinic.absolute(clinic.visits)

    contenders: dict[str, Work] = {
        OURS: ours,
        f"{OURS} from rows": rows,
        "numpy": lambda: with_numpy(*lines()),
        "python sweep": lambda: with_python(*(one.tolist() for one in lines())),
        "floor:stream": lambda: [one.sum() for one in (*clinic.shifts, *clinic.visits)],
    }
    counts = {name: work() for name, work in contenders.items() if not name.startswith("floor")}
    assert len(set(counts.values())) == 1, counts
    size = sum(one.nbytes for one in (*clinic.shifts, *clinic.visits))
    yield from measure("free", f"{count:,} appointments", contenders, items=count, size=size)
    assert len(boards) == len(clinic.seats) * DAYS


def _rows(columns: Any) -> list[tuple[int, ...]]:
    return list(zip(*(one.tolist() for one in columns), strict=True))


def with_numpy(shift_from: Any, shift_to: Any, start: Any, end: Any) -> tuple[int, int]:
    """Merge by a running maximum, subtract by sorted events."""
    reach = np.maximum.accumulate(end)
    first = np.flatnonzero(np.concatenate(([True], start[1:] > reach[:-1])))
    busy_from, busy_to = start[first], np.concatenate((reach[first[1:] - 1], reach[-1:]))
    at = np.concatenate((shift_from, shift_to, busy_from, busy_to))
    step = np.concatenate((np.ones(len(shift_from), np.int8), np.full(len(shift_to), -1, np.int8),
                           np.full(len(busy_from), -2, np.int8), np.full(len(busy_to), 2, np.int8)))  # fmt: skip
    order = np.argsort(at, kind="stable")
    at, level = at[order], np.cumsum(step[order], dtype=np.int8)
    free = (level[:-1] == 1) & (at[1:] > at[:-1])
    return len(busy_from), int(free.sum())


def with_python(shift_from: list[int], shift_to: list[int], start: list[int], end: list[int]) -> tuple[int, int]:
    """Sweep once over both sorted lists."""
    busy = free = at = 0
    count = len(start)
    reach = -1
    for opens, closes in zip(shift_from, shift_to, strict=True):
        here = max(opens, reach)
        while at < count and start[at] < closes:
            if start[at] > reach:
                busy += 1
            if start[at] > here:
                free += 1
            reach = max(reach, end[at])
            here = max(here, reach)
            at += 1
        if here < closes:
            free += 1
    return busy, free
