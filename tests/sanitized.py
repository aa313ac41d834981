"""``poe sanitized``: the core's tests with every kernel watched by gcc's address and undefined-behaviour sanitizers.

A read beside a buffer, a shift too far, an integer that overflows ends the run with its line. ``IDENTSYNC_EXAMPLES=N``
and pytest's own arguments go through.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HOUSE = Path(__file__).parents[1]
BUILT = HOUSE / "build" / "sanitized"
WATCH = "-fsanitize=address,undefined -fno-omit-frame-pointer"


def main() -> int:
    """Build the package apart from the usual one, then run tests/core on it."""
    library = BUILT / "library"
    shutil.rmtree(library, ignore_errors=True)
    shutil.copytree(HOUSE / "src", library, ignore=shutil.ignore_patterns("*.so"))
    build = ("build_ext", "--build-temp", str(BUILT / "objects"), "--build-lib", str(library))
    compiler = BUILT / "cc"
    compiler.write_text('#!/bin/sh\nexec gcc "$@" -O1\n', "utf-8")  # watched code at -O3 takes gcc half an hour
    compiler.chmod(0o755)
    how = {"CC": str(compiler), "LDSHARED": "gcc -shared", "CFLAGS": WATCH, "LDFLAGS": WATCH}
    print("poe sanitized: building (a few minutes)", flush=True)
    subprocess.run((sys.executable, "setup.py", "-q", *build), check=True, cwd=HOUSE, env=os.environ | how)
    watched = {
        "LD_PRELOAD": " ".join(map(where, ("libasan.so", "libubsan.so"))),  # Python itself was built without them
        "ASAN_OPTIONS": "detect_leaks=0",  # an interpreter frees little at its end
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "PYTHONMALLOC": "malloc",  # else an overrun stays within Python's own arena, unseen
        "PYTHONPATH": str(library),
    }
    tests = (sys.executable, "-m", "pytest", "tests/core", "--capture=no", *sys.argv[1:])
    return subprocess.run(tests, check=False, cwd=HOUSE, env=os.environ | watched).returncode


def where(name: str) -> str:
    """Return where gcc keeps a library."""
    return subprocess.run(
        ("gcc", f"-print-file-name={name}"), check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
