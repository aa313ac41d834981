"""``poe windows-bench``: the core's kernels on a Windows CPython in Wine, the abi3 wheel beside the full API's.

Both run in turns, so that a slow minute of the machine hits both; a figure is the best of the turns.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

from cpython import HOUSE, WORK, windows_cpython
from wine import Machine, machine, windows_path

WHEELS = {"full": "*-cp311-win_amd64.whl", "abi3": "*-abi3-win_amd64.whl"}
TURNS = 3


def main() -> int:
    """Measure and print; 0 where Wine cannot be had, after saying so."""
    wine = machine()
    if wine is None:
        print("poe windows-bench: SKIPPED: Wine is not on this computer and cannot be installed here")
        return 0
    python = windows_cpython(11)
    places = {api: place(wine, python, api) for api in WHEELS}
    best: dict[str, dict[str, float]] = {api: {} for api in WHEELS}
    for _ in range(TURNS):
        for api, folder in places.items():
            for kernel, seconds in measure(wine, python, folder).items():
                best[api][kernel] = min(seconds, best[api].get(kernel, seconds))
    wine.stop()
    for kernel, full in best["full"].items():
        abi3 = best["abi3"][kernel]
        print(f"{abi3 / full:5.2f}x  full {full * 1e3:9.3f} ms  abi3 {abi3 * 1e3:9.3f} ms  {kernel}")
    return 0


def place(wine: Machine, python: Path, api: str) -> Path:
    """Install the wheel of one API into a folder of its own."""
    folder = WORK / f"api-{api}"
    wheel = next((HOUSE / "dist").glob(WHEELS[api]))
    pip = (windows_path(python / "python.exe"), "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--upgrade")
    if code := wine.run(*pip, "--target", windows_path(folder), windows_path(wheel), timeout=300):
        sys.exit(f"Windows' pip: exit code {code}")
    return folder


def measure(wine: Machine, python: Path, folder: Path) -> dict[str, float]:
    """Time the kernels once with the wheel in ``folder``: seconds by name."""
    script = windows_path(Path(__file__).with_name("kernels.py"))
    with contextlib.redirect_stdout(io.StringIO()) as told:
        code = wine.run(windows_path(python / "python.exe"), script, timeout=600, PYTHONPATH=windows_path(folder))
    if code:
        sys.exit(f"{told.getvalue()}\nkernels: exit code {code}")
    found: dict[str, float] = json.loads(told.getvalue())
    return found


if __name__ == "__main__":
    sys.exit(main())
