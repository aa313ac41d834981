"""The clients of the demo: processes of ``identsync run``, killed now and then and replaced."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from identsync.demo.plan import Part
from identsync.demo.story import Story, role_word
from identsync.engine.integration import Role
from identsync.language import _

END_S = 10.0


@dataclass(slots=True)
class Member:
    """One client process; ``client`` is its random id, known once it has started. Times are epoch ms."""

    part: Part
    process: "subprocess.Popen[bytes]"
    client: str = ""
    ready_ms: int | None = None
    ended_ms: int | None = None
    killed: bool = False
    reader: threading.Thread | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Name of the client for people."""
        number, branch = self.part.number, self.part.branch
        return _("К{number} ({role}, филиал {branch})", number=number, role=role_word(self.part.role), branch=branch)


class Crowd:
    """Starts the clients, watches them, kills and replaces; a context manager that leaves no process behind."""

    def __init__(self, parts: Sequence[Part], settings: Path, environment: Mapping[str, str], story: Story) -> None:
        self._parts = parts
        self._settings = settings
        self._environment = {**os.environ, **environment}
        self._story = story
        self.members: list[Member] = []

    def __enter__(self) -> "Crowd":
        for part in self._parts:
            self.start(part)
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    @property
    def living(self) -> list[Member]:
        """Members of the engine whose processes run; doctors' clients end by themselves, at once."""
        return [m for m in self.members if m.part.role is not Role.DOCTOR and m.process.poll() is None]

    @property
    def killed(self) -> int:
        """How many were killed on purpose."""
        return sum(member.killed for member in self.members)

    def start(self, part: Part) -> None:
        """Start one client as its own process, tied to this one by its standard input."""
        command = [sys.executable, "-m", "identsync", "run", "--attached", "--settings", str(self._settings)]
        command += ["--role", part.role.name.lower(), "--branch", str(part.branch)]
        log = self._settings.with_name(f"client-{part.number}.log")
        with log.open("ab") as errors:
            process = subprocess.Popen(  # noqa: S603  this program itself
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=self._environment,
                **_apart(),
            )
        member = Member(part, process)
        member.reader = threading.Thread(target=_listen, args=(member,), daemon=True)
        member.reader.start()
        self.members.append(member)

    def wait_ready(self, seconds: float) -> bool:
        """Wait until every living client has started; False if the time was not enough."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.watch()
            if all(member.client for member in self.living):
                return True
            time.sleep(0.05)
        return False

    def watch(self) -> None:
        """Note who has ended."""
        for member in self.members:
            if member.ended_ms is None and member.process.poll() is not None:
                member.ended_ms = now_ms()

    def find(self, client: str | None) -> Member | None:
        """Return the living member with that client id."""
        return next((m for m in self.living if client and m.client == client), None)

    def kill(self, member: Member) -> None:
        """Kill a client without any warning, and start another one in its place."""
        member.process.kill()  # SIGKILL, on Windows TerminateProcess
        member.process.wait()
        member.killed = True
        member.ended_ms = now_ms()
        self._close(member)
        self.start(member.part)

    def end(self) -> None:
        """Tell everybody to hand over and end, wait, and kill who does not."""
        for member in self.members:
            with suppress(OSError):
                if member.process.stdin is not None:
                    member.process.stdin.close()
        until = time.monotonic() + END_S
        for member in self.members:
            try:
                member.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._story.tell(_("{name} не завершается сам, прекращаю", name=member.name))
                member.process.kill()
                member.process.wait()
            self._close(member)
        self.watch()

    def crashes(self) -> list[Member]:
        """Return the members that ended by themselves with an error."""
        return [m for m in self.members if not m.killed and m.process.returncode not in {None, 0}]

    @staticmethod
    def _close(member: Member) -> None:
        for pipe in (member.process.stdin, member.process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()


def now_ms() -> int:
    """Return this computer's clock, epoch ms."""
    return time.time_ns() // 1_000_000


def _listen(member: Member) -> None:
    """Read what the client says of itself: one JSON line when it has started."""
    assert member.process.stdout is not None
    with suppress(OSError, ValueError):
        for line in member.process.stdout:
            member.client = json.loads(line)["client"]
            member.ready_ms = now_ms()


def _apart() -> dict[str, Any]:
    """Keep Ctrl-C of the terminal to the demo itself, which ends its clients one after another."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined,unused-ignore]
    return {"start_new_session": True}
