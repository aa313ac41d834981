"""Clients as processes of their own, ready to be told to end."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

READY_S = 60


@contextmanager
def client(folder: Path, *arguments: str, **how: int) -> Iterator[tuple["subprocess.Popen[str]", dict[str, str]]]:
    """Start ``identsync run`` in the folder; yield the process and what it said when ready. Ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "identsync", "run", "--attached", *arguments],
        cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        env=environment(folder), **how,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        ready = process.stdout.readline()
        yield process, json.loads(ready) if ready else {}
    finally:
        process.stdin.close()
        process.wait(READY_S)
        process.stdout.close()
        process.stderr.close()


def environment(folder: Path) -> dict[str, str]:
    """The user's and the computer's places are folders of the test."""
    places = {name: str(folder / "places") for name in ("LOCALAPPDATA", "XDG_STATE_HOME")}
    return os.environ | places | {"IDENTSYNC_LANG": "ru"}


def journals(folder: Path) -> dict[str, str]:
    """Return the sessions' journals by name."""
    return {file.name: file.read_text("utf-8") for file in (folder / "places").rglob("client-*.log")}


def asked(folder: Path, sql: str) -> list[tuple[object, ...]]:
    """Return what the database says."""
    with closing(sqlite3.connect(folder / "identsync.db")) as connection:
        return connection.execute(sql).fetchall()


def left_behind(folder: Path) -> list[tuple[object, ...]]:
    """Return what a client that handed over leaves: no seat held, no slot held, nobody present."""
    return asked(
        folder,
        "SELECT (SELECT count(*) FROM presence), (SELECT count(*) FROM task_slot WHERE holder IS NOT NULL)",
    )
