"""The same half-hour slots as boards and as packed rows: 100 branches x 20 doctors x 60 days x 48."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from identsync.core.board import Boards

GRID = 30
CELLS = 48
FIRST_DAY = 20_600
DAYS = 60
WORKING, BUSY = 1, 2


@dataclass
class Slots:
    """Boards, and for the slots that are working or busy the sorted keys and their flags (1 working, 2 busy)."""

    boards: Boards
    keys: Any
    flags: Any


def make(branches: int, changed: float, seed: int = 7) -> tuple[Slots, Slots]:
    """Make old and new: of the changed share half are flips of busy, a quarter only in old, a quarter only in new."""
    chance = np.random.default_rng(seed)
    seats = [(branch, doctor) for branch in range(1, branches + 1) for doctor in range(1, 21)]
    count = len(seats) * DAYS * CELLS
    old = np.full(count, WORKING, np.uint8) | (chance.random(count) < 0.4).astype(np.uint8) * BUSY
    new = old.copy()
    where = chance.random(count)
    new[where < changed / 2] ^= BUSY
    old[(where >= changed / 2) & (where < changed * 0.75)] = 0
    new[(where >= changed * 0.75) & (where < changed)] = 0
    return _slots(seats, old), _slots(seats, new)


def _slots(seats: list[tuple[int, int]], flags: Any) -> Slots:
    boards = Boards(seats, FIRST_DAY, DAYS, GRID)
    pairs = np.array(seats, np.int64)
    for bit, add in ((WORKING, boards.add_shift_columns), (BUSY, boards.add_busy_columns)):
        at = np.flatnonzero(flags & bit)
        seat, cell = at // (DAYS * CELLS), at % (DAYS * CELLS)
        start = FIRST_DAY * 1440 + cell * GRID
        ignored = add(np.ascontiguousarray(pairs[seat, 0]), np.ascontiguousarray(pairs[seat, 1]), start,
                      np.full(len(at), GRID, np.int64))  # fmt: skip
        assert not ignored
    keys = np.flatnonzero(flags)
    return Slots(boards, keys.astype(np.int64), flags[keys].astype(np.int64))
