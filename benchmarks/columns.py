"""Difference of sorted (key, digest) columns."""

from array import array
from collections.abc import Iterator

import numpy as np

from benchmarks import peers, slots
from benchmarks.harness import OURS, Result, Work, measure
from identsync.core.columns import Columns


def run(*, quick: bool) -> Iterator[Result]:
    """Compare 5.76 million keys, 1 % and 20 % of them changed (a twelfth of that with ``quick``)."""
    for changed in (0.01, 0.2):
        old, new = slots.make(8 if quick else 100, changed)
        arrays = (old.keys, old.flags, new.keys, new.flags)
        ours = tuple(Columns.from_buffers(array("q", keys.tobytes()), array("q", flags.tobytes()))
                     for keys, flags in (arrays[:2], arrays[2:]))  # fmt: skip

        def work(old: Columns = ours[0], new: Columns = ours[1]) -> tuple[int, int, int]:
            changes = old.difference(new)
            return len(changes.added), len(changes.changed), len(changes.removed)

        contenders: dict[str, Work] = {
            OURS: work,
            "floor:stream": lambda arrays=arrays: [np.add.reduce(one) for one in arrays],  # type: ignore[misc]
            **peers.differences(arrays[:2], arrays[2:]),
        }
        counts = {name: made() for name, made in contenders.items() if not name.startswith("floor")}
        assert len(set(counts.values())) == 1, counts
        size, runs = sum(one.nbytes for one in arrays), 3 if quick else 7
        case = f"{len(new.keys):,} keys, {changed:.0%} changed"
        yield from measure("columns", case, contenders, items=len(new.keys), size=size, runs=runs)
