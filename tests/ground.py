"""Where a run of the tests puts what it writes: into memory where there is room, and nothing twice.

A cloned PostgreSQL database is three hundred small files; making and removing them on a disk costs the kernel more than
most tests cost us. And where PYTHONDONTWRITEBYTECODE is set, each of the suite's some hundred processes would compile
whatever it imports: they share what is compiled in a folder of pytest's own cache instead.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ROOM = 1 << 30  # bytes; a run needs a quarter of it. A container's 64 MB are not enough

# Its standard input ends with whoever started it, however that happens: a worker that is stopped says no farewell.
GUARD = """
read _
kill -INT "$(head -n 1 "$0/postmaster.pid")"
while [ -e "$0/postmaster.pid" ]; do sleep 0.1; done
rm -rf "$0"
"""


def memory() -> Path | None:
    """Return the folder that lies in memory, if this system has one with enough room."""
    if os.name == "nt":  # in Wine the folder is to be seen, but it is none of Windows'
        return None
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM else None


def write_to_memory() -> None:
    """Let temporary folders lie in memory, unless somebody named a place or programs could not be started there."""
    folder = memory()
    if folder is not None and "TMPDIR" not in os.environ and not os.statvfs(folder).f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = str(folder)
        tempfile.tempdir = None  # to be looked up again


def share_bytecode(cache: pytest.Cache) -> None:
    """Keep what is compiled in pytest's cache, where the environment forbids to keep it and nothing is compiled yet."""
    if sys.dont_write_bytecode and not Path(cache_from_source(pytest.__file__)).exists():
        folder = str(cache.mkdir("bytecode"))
        sys.dont_write_bytecode, sys.pycache_prefix = False, folder
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder


@contextmanager
def guarded() -> Iterator[Path]:
    """Yield a new folder for a PostgreSQL that is ended and removed after the block, or when this process is killed."""
    folder = Path(tempfile.mkdtemp(prefix="identsync-pg-", dir=memory()))
    if os.name == "nt":
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
        return
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(["sh", "-c", GUARD, str(folder)], stdin=subprocess.PIPE, start_new_session=True, **quiet):
        yield folder
