"""The faults, each a function that does one and plans its end; a storm draws its kinds and times by the seed."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from processes.crowd import FAKETIME, Member

if TYPE_CHECKING:
    from processes.fire import Fire

Fault = Callable[["Fire"], None]


def kill(fire: "Fire") -> None:
    """SIGKILL to who runs something; another client comes soon."""
    if (member := _victim(fire)) is not None:
        fire.crowd.kill(member)
        fire.after(fire.random.uniform(0.05, 1.0), lambda: fire.start(member.part.role, member.part.branch))


def leave(fire: "Fire") -> None:
    """A client hands over and ends; another comes soon."""
    if (member := _victim(fire)) is not None:
        fire.crowd.leave(member)
        fire.after(fire.random.uniform(0.05, 1.0), lambda: fire.start(member.part.role, member.part.branch))


def stop(fire: "Fire") -> None:
    """Who runs something sleeps for longer than its lease, and wakes as a zombie."""
    member = _victim(fire)
    if member is not None and member.stopped_at is None:
        fire.crowd.stop(member)
        fire.after(fire.random.uniform(0.9, 2.4), lambda: fire.crowd.resume(member))


def terminate(fire: "Fire") -> None:
    """pg_terminate_backend of some of the clients' sessions."""
    share = fire.random.choice((0.1, 0.3, 1.0))
    with psycopg.connect(fire.direct, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname=current_database() AND pid<>pg_backend_pid() AND application_name<>'fire' AND random()<%s",
            (share,),
        )


def drop(fire: "Fire") -> None:
    """For a moment, some replies are lost after the commit, with their connections."""
    assert fire.proxy is not None
    fire.proxy.drop = fire.random.choice((0.02, 0.1, 0.3))
    fire.after(fire.random.uniform(0.3, 1.5), lambda: setattr(fire.proxy, "drop", 0.0))


def hold(fire: "Fire") -> None:
    """For a moment, some replies come late, some of them later than the lease."""
    assert fire.proxy is not None
    fire.proxy.hold, fire.proxy.hold_s = fire.random.choice(((0.1, (0.05, 0.4)), (0.05, (0.5, 2.5))))
    fire.after(fire.random.uniform(0.3, 1.5), lambda: setattr(fire.proxy, "hold", 0.0))


def cut(fire: "Fire") -> None:
    """The network is gone for a moment."""
    assert fire.proxy is not None
    fire.proxy.refuse = True
    fire.proxy.cut()
    fire.after(fire.random.uniform(0.05, 1.5), lambda: setattr(fire.proxy, "refuse", False))


def turn_clocks(fire: "Fire") -> None:
    """The wall clock of some clients jumps by seconds, hours or days."""
    assert fire.clock is not None
    fire.clock.write_text(f"{fire.random.choice((-200_000, -7_200, -3, 0, 5, 3_600, 90_000)):+d}\n")


def lock(fire: "Fire") -> None:
    """Some program holds SQLite's write lock for a while."""
    connection = sqlite3.connect(fire.file, isolation_level=None, timeout=0.2, check_same_thread=False)
    with suppress(sqlite3.OperationalError):  # held by others, or the disk is full
        connection.execute("BEGIN IMMEDIATE")
    fire.after(fire.random.uniform(0.1, 2.0), connection.close)


def fill(fire: "Fire") -> None:
    """The disk is full for a moment."""
    filler = fire.file.with_name("filler")
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4_096))
    fire.after(fire.random.uniform(0.2, 1.2), lambda: filler.unlink(missing_ok=True))


PROCESSES: Mapping[str, Fault] = {"kill": kill, "leave": leave}
POSTGRESQL: Mapping[str, Fault] = {
    **PROCESSES, "stop": stop, "terminate": terminate, "drop": drop, "hold": hold, "cut": cut, "clocks": turn_clocks,
}  # fmt: skip
SQLITE: Mapping[str, Fault] = {**PROCESSES, "stop": stop, "lock": lock, "fill": fill}


def faults(dialect: str, *, small_disk: bool) -> dict[str, Fault]:
    """Return the faults that this machine can make."""
    found = dict(POSTGRESQL if dialect == "postgresql" else SQLITE)
    if not FAKETIME.exists():
        found.pop("clocks", None)
    if not small_disk:
        found.pop("fill", None)
    return found


def small_disk(path: Path) -> bool:
    """Mount a tmpfs of a few megabytes there, where this process may; its owner unmounts it."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(path)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _victim(fire: "Fire") -> Member | None:
    """Choose a client: mostly one that runs a task or holds a seat at this moment."""
    living = [m for m in fire.crowd.living if m.stopped_at is None]
    if (kind := fire.random.choice(("running", "running", "seat", "any"))) != "any":
        holders = fire.holders(running=kind == "running")
        living = [m for m in living if m.client in holders] or living
    return fire.random.choice(living) if living else None
