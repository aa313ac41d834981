"""How everything here is measured: contenders in turns, medians, the peak of resident memory of a first call."""

import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

Result = dict[str, Any]
Work = Callable[[], object]
OURS = "identsync"
most_s = float("inf")
"""Seconds that a contender's turns of a case may take in all before it gets no other one; ``--quick`` sets it."""


def measure(
    benchmark: str,
    case: str,
    contenders: Mapping[str, Work],
    *,
    items: int | Mapping[str, int],
    size: int = 0,
    runs: int = 5,
    prepare: Work = lambda: None,
    slow: float = 5.0,
) -> Iterator[Result]:
    """Time every contender in turns, so that a slow minute of the machine hits all; yields one result a contender.

    One that took over ``slow`` seconds gets no second turn; where even its warm-up took over ``most_s``, that counts.
    ``prepare`` runs before each turn and is not timed.
    ``items`` is how many each handles, by name where they differ.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    peaks: dict[str, int] = {}
    for turn in range(runs + 1):
        for name, work in contenders.items():
            if times[name] and (times[name][0] > slow or sum(times[name]) > most_s):
                continue
            prepare()
            gc.collect()
            _forget_peak()
            before = _peak() if turn == 0 else 0
            started = time.perf_counter()
            work()
            took = time.perf_counter() - started
            if turn == 0:  # the warm-up: page faults, caches, imports; only its memory is kept
                peaks[name] = max(0, _peak() - before)
                if took <= most_s:
                    continue
            times[name].append(took)
    for name, took_all in times.items():
        yield {
            "benchmark": benchmark, "case": case, "contender": name, "seconds": statistics.median(took_all),
            "runs": len(took_all), "items": items if isinstance(items, int) else items[name], "bytes": size,
            "peak_bytes": peaks[name],
        }  # fmt: skip


def optional(contenders: dict[str, Work], name: str, make: Callable[[], Work]) -> None:
    """Add a peer where it is installed, and say so where it is not."""
    try:
        contenders[name] = make()
    except ImportError as error:
        print(f"  {name}: not installed ({error.name}); `uv sync --group bench` brings it", file=sys.stderr)


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # elsewhere than on Linux the peak is not reset, so peak_bytes is 0


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
