"""``identsync`` in processes forked from one that has its imports already: half a second of each command is theirs.

Arguments, folder, environment, streams, exit code and end are those of a process of its own, which it is. What an
interpreter does before it imports anything is not tried here: tests of that start one.
"""

import gc
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

Done = subprocess.CompletedProcess[str]
Cli = Callable[..., Done]
# Nothing of identsync that says sentences: their language is chosen by a command's own environment.
IMPORTED = (
    "alembic.command", "httpx", "identsync.core", "identsync.store", "msgspec.toml", "rich.markdown", "rich.table",
    "sqlalchemy.dialects.sqlite", "structlog", "typer._adapters", "uvloop",
)  # fmt: skip


class Warm:
    """The process that forks a command at each line it is told; a context manager that ends it."""

    def __enter__(self) -> "Warm":
        self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def identsync(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], streams: Path) -> Done:
        """Run one command in ``folder``; what it says goes by way of files beside ``streams``."""
        said = [streams.with_suffix(suffix) for suffix in (".out", ".err")]
        told = {"arguments": arguments, "folder": str(folder), "environment": environment, "said": [*map(str, said)]}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(told).encode() + b"\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return Done(["identsync", *arguments], code, *(file.read_bytes().decode() for file in said))


def fresh(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Done:
    """Run one command in an interpreter of its own."""
    command = [sys.executable, "-m", "identsync", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", timeout=300, env=environment, check=False
    )


# -- within the process ------------------------------------------------------------------------------------------------


def fork() -> None:
    """Fork a command for each line of standard input; answer with its exit code. Returns in the command alone."""
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            return become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    sys.exit()


def become(told: dict[str, Any]) -> None:
    """Be the command that was told, as far as a process can tell."""
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    files = [os.open(os.devnull, os.O_RDONLY), *(os.open(said, os.O_WRONLY | os.O_CREAT) for said in told["said"])]
    for number, file in enumerate(files):
        os.dup2(file, number)
    sys.argv = ["identsync", *told["arguments"]]


if __name__ == "__main__":
    fork()
    from identsync.cli import main

    main()
