"""``poe simulation [--long] [--seeds FIRST COUNT]``: seeds of the engine's simulator on all cores, failing ones named.

A failing seed is replayed by ``cd tests && python -m engine.simulator SEED``.
"""

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator

from engine.simulator import replay

SHORT, LONG = 300, 10_000
PORTION = 20


def judged(portion: range) -> tuple[int, list[tuple[int, list[str]]]]:
    """Run some seeds; how many, and the violations of those that have any."""
    gc.freeze()  # what was imported
    gc.disable()
    found = [(seed, replay([seed])) for seed in portion if gc.collect() >= 0]
    return len(portion), [(seed, texts) for seed, texts in found if texts]


def portions(first: int, count: int) -> Iterator[range]:
    for start in range(first, first + count, PORTION):
        yield range(start, min(start + PORTION, first + count))


def main() -> int:
    parser = argparse.ArgumentParser(prog="poe simulation", description=__doc__)
    parser.add_argument("--long", action="store_true", help=f"{LONG:,} seeds instead of {SHORT}")
    parser.add_argument("--seeds", nargs=2, type=int, metavar=("FIRST", "COUNT"), help="just these")
    parser.add_argument("--cores", type=int, default=os.cpu_count(), help="how many processes; default all cores")
    options = parser.parse_args()
    first, count = options.seeds or (0, LONG if options.long else SHORT)
    started, done, failed = time.monotonic(), 0, 0
    with multiprocessing.get_context("spawn").Pool(options.cores) as pool:
        for some, bad in pool.imap_unordered(judged, portions(first, count)):
            done += some
            for seed, texts in bad:
                failed += 1
                print(f"\nseed {seed}: {len(texts)} violations; cd tests && python -m engine.simulator {seed}")
                print("\n".join(f"  {text}" for text in texts[:5]), flush=True)
            print(f"\r{done:,} of {count:,} seeds, {failed} with violations", end="", file=sys.stderr, flush=True)
    took = time.monotonic() - started
    print(f"\n{count:,} seeds in {took:.0f} s on {options.cores} cores: {failed} with violations")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
