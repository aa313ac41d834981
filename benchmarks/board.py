"""Difference of half-hour slots as boards, beside the same slots as packed rows."""

from collections.abc import Iterator

import numpy as np

from benchmarks import peers, slots
from benchmarks.harness import OURS, Result, Work, measure


def run(*, quick: bool) -> Iterator[Result]:
    """Compare 5.76 million slots, 1 % of them changed (a twelfth of that with ``quick``)."""
    old, new = slots.make(8 if quick else 100, 0.01)
    count = len(old.boards) * slots.CELLS
    before = np.frombuffer(old.boards.pack(), np.uint8)
    after = np.frombuffer(new.boards.pack(), np.uint8)
    before, after = (packed[: len(packed) // 8 * 8].view(np.int64) for packed in (before, after))
    contenders: dict[str, Work] = {
        OURS: lambda: old.boards.difference(new.boards).cells,
        "floor:stream": lambda: (before.sum(), after.sum()),
        **peers.differences((old.keys, old.flags), (new.keys, new.flags)),
    }
    counts = {name: work() for name, work in contenders.items() if not name.startswith(("floor", OURS))}
    assert len(set(counts.values())) <= 1, counts
    size, runs = before.nbytes + after.nbytes, 3 if quick else 7
    yield from measure("board", f"{count:,} slots, 1 % changed", contenders, items=count, size=size, runs=runs)
