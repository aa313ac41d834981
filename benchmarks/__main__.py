"""``python -m benchmarks [NAME ...] [--quick] [--json FILE]``: measure, show a table with ratios, write the figures."""

import argparse
import importlib
import os
import sys
from itertools import groupby
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks import harness
from benchmarks.harness import OURS, Result

QUICK_S = 0.3
NAMES = (
    "board",
    "columns",
    "free",
    "payload",
    "memory",
    "statement",
    "rates",
    "round",
    "fleet",
    "takeover",
    "calendar",
    "fill",
    "reminders",
    "address",
    "places",
    "census",
    "map",
    "messages",
    "ami",
    "callers",
    "calls",
    "popup",
    "n3",
    "cases",
)


def main() -> int:
    """Run the named benchmarks, all where none is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="smaller and fewer runs: all in two minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as a JSON list")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if options.quick:
        harness.most_s = QUICK_S
    results: list[Result] = []
    for name in options.names or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = os.times()
        found = list(importlib.import_module(f"benchmarks.{name}").run(quick=options.quick))
        print(f"{name}: {spent(began, os.times())}", file=sys.stderr, flush=True)
        show(found)
        results += found
    if options.json:
        options.json.write_bytes(orjson.dumps(results, option=orjson.OPT_INDENT_2))
    return 0


def spent(began: os.times_result, ended: os.times_result) -> str:
    """Say how long a benchmark took, and how much of it was work, here and in its processes that have ended."""
    work = sum(ended[:4]) - sum(began[:4])
    return f"{ended.elapsed - began.elapsed:.1f} s, {work:.1f} s of work"


def show(results: list[Result]) -> None:
    """Print a table a case; the last column says how many times our time a contender takes."""
    for case, rows in groupby(results, lambda one: (one["benchmark"], one["case"])):
        found = list(rows)
        if "unit" in found[0]:
            show_counts(": ".join(case), found)
            continue
        table = Table(title=": ".join(case), title_justify="left")
        for head in ("contender", "ms", "ns an item", "GB/s", "peak MB", f"x {OURS}"):
            table.add_column(head, justify="left" if head == "contender" else "right")
        ours = next((one["seconds"] for one in found if one["contender"] == OURS), None)
        for one in sorted(found, key=lambda one: float(one["seconds"])):
            seconds, size = one["seconds"], one["bytes"]
            table.add_row(
                one["contender"], f"{seconds * 1e3:,.3f}", f"{seconds / one['items'] * 1e9:,.2f}",
                f"{size / seconds / 1e9:.2f}" if size else "", f"{one['peak_bytes'] / 1e6:,.0f}",
                f"{seconds / ours:,.2f}" if ours else "",
            )  # fmt: skip
        Console(width=110).print(table)


SECONDS = ("lateness_p50", "lateness_p99", "takeover_p50", "takeover_p95", "exit_p95")


def show_counts(title: str, found: list[Result]) -> None:
    """Print a table of counts, and of how many times ours a contender has, beside waiting times in seconds."""
    table = Table(title=title, title_justify="left")
    told = [name for name in SECONDS if any(name in one for one in found)]
    for head in ("contender", found[0]["unit"], f"x {OURS}", *(name.replace("_", " ") for name in told)):
        table.add_column(head, justify="left" if head == "contender" else "right")
    ours = next((one["count"] for one in found if one["contender"] == OURS), None)
    for one in found:
        waits = (f"{one[name]:.2f} s" if one.get(name) is not None else "" for name in told)
        table.add_row(one["contender"], f"{one['count']:,}", f"{one['count'] / ours:,.1f}" if ours else "", *waits)
    Console(width=130).print(table)


if __name__ == "__main__":
    sys.exit(main())
