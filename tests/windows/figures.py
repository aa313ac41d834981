"""``poe windows-bench``: the core's benchmarks on a Windows CPython in Wine, the abi3 wheel beside the full API's.

Both run in turns, so that a slow minute of the machine hits both; a figure is the median of the turns.
"""

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from cpython import HOUSE, WORK, windows_cpython
from suite import install, tests
from wine import Machine, machine, windows_path

BENCHMARKS = ("board", "columns", "free", "payload", "memory")
WHEELS = {"full": "*-cp311-win_amd64.whl", "abi3": "*-abi3-win_amd64.whl"}
TURNS = 3
Times = dict[tuple[str, str], list[float]]


def main() -> int:
    """Measure and print; 0 where Wine cannot be had, after saying so."""
    wine = machine()
    if wine is None:
        print("poe windows-bench: SKIPPED: Wine is not on this computer and cannot be installed here")
        return 0
    python = windows_cpython(11)
    install(wine, python, "3.11")
    places = {api: place(wine, python, api) for api in WHEELS}
    house = tests()
    taken: dict[str, Times] = {api: defaultdict(list) for api in WHEELS}
    for _ in range(TURNS):
        for api, folder in places.items():
            for key, seconds in measure(wine, python, house, folder).items():
                taken[api][key].append(seconds)
    wine.stop()
    show(taken["full"], taken["abi3"])
    return 0


def place(wine: Machine, python: Path, api: str) -> Path:
    """Install the wheel of one API into a folder of its own."""
    folder = WORK / f"api-{api}"
    wheel = next((HOUSE / "dist").glob(WHEELS[api]))
    pip = (windows_path(python / "python.exe"), "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--upgrade")
    if code := wine.run(*pip, "--target", windows_path(folder), windows_path(wheel), timeout=300):
        sys.exit(f"Windows' pip: exit code {code}")
    return folder


def measure(wine: Machine, python: Path, house: Path, folder: Path) -> dict[tuple[str, str], float]:
    """Run the benchmarks once with the wheel in ``folder``: seconds by benchmark and case, ours alone."""
    out = WORK / "figures.json"
    command = [windows_path(python / "python.exe"), "-m", "benchmarks", *BENCHMARKS, "--quick"]
    code = wine.run(*command, "--json", windows_path(out), timeout=600, cwd=house, PYTHONPATH=windows_path(folder))
    if code:
        sys.exit(f"benchmarks: exit code {code}")
    found = [one for one in json.loads(out.read_text("utf-8")) if one["contender"] == "identsync"]
    return {(one["benchmark"], one["case"]): one["seconds"] for one in found}


def show(full: Times, abi3: Times) -> None:
    """Print milliseconds of both and their ratio, a line a case."""
    for key, times in full.items():
        one, other = statistics.median(times), statistics.median(abi3[key])
        print(f"{other / one:5.2f}x  full {one * 1e3:9.3f} ms  abi3 {other * 1e3:9.3f} ms  {key[0]}: {key[1]}")


if __name__ == "__main__":
    sys.exit(main())
