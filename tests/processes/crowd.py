"""The clients under fire as the fire sees them: started, stopped, killed, ended, and how they lived."""

import os
import queue
import signal
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from identsync.demo.checker import Life
from identsync.engine.integration import Role
from nursery import Nursery, now_ms
from processes.client import Part

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@dataclass(slots=True, eq=False)
class Member:
    """One process; times are monotonic ms, ``client`` its random id, ``pid`` 0 until it is born."""

    part: Part
    pid: int = 0
    client: str = ""
    ready_at: int | None = None
    ended_at: int | None = None
    code: int | None = None
    expected: bool = False  # its end was our doing
    stopped_at: int | None = None
    stops: list[tuple[int, int]] = field(default_factory=list)
    stalls: list[tuple[int, int]] = field(default_factory=list)


class Crowd:
    """Starts client processes and keeps their books; a context manager that leaves none behind.

    With ``clock`` there is a second nursery, whose children have the wall clock that libfaketime reads from that file.
    """

    def __init__(self, clock: Path | None = None) -> None:
        self._clock = clock
        self._nurseries: list[Nursery] = []
        self._ending = ExitStack()
        self.members: list[Member] = []
        self.refused = 0  # effects of zombies that the fence kept out
        self._by_number: dict[int, Member] = {}
        self._by_pid: dict[int, Member] = {}
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def __enter__(self) -> "Crowd":
        self._spawn(dict(os.environ))
        if self._clock is not None:
            fake = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self._clock)}
            self._spawn(os.environ | fake | {"FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.close()

    @property
    def living(self) -> list[Member]:
        """Members that are ready and have not ended."""
        self.listen()
        return [m for m in self.members if m.ready_at is not None and m.ended_at is None and not m.expected]

    def start(self, part: Part, *, fake: bool = False) -> Member:
        """Start a client, in the second nursery if its clock shall be ``fake``."""
        member = self._by_number[part.number] = Member(part)
        self.members.append(member)
        self._nurseries[-1 if fake else 0].bear(part)
        return member

    def wait_ready(self, seconds: float) -> None:
        """Wait until everybody has started."""
        until = time.monotonic() + seconds
        while missing := [m.part.number for m in self.members if m.ready_at is None and m.code is None]:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"clients {missing} did not start")
            with suppress(queue.Empty):
                self._note(self._said.get(timeout=left))

    def kill(self, member: Member) -> None:
        """SIGKILL."""
        self._signal(member, signal.SIGKILL)
        member.expected, member.ended_at = True, now_ms()
        self._end_stop(member)

    def leave(self, member: Member) -> None:
        """SIGTERM: it hands over and ends by itself."""
        self._signal(member, signal.SIGTERM)
        member.expected, member.ended_at = True, now_ms()

    def stop(self, member: Member) -> None:
        """SIGSTOP: the process sleeps and knows nothing of it."""
        if member.stopped_at is None:
            member.stopped_at = now_ms()
            self._signal(member, signal.SIGSTOP)

    def resume(self, member: Member) -> None:
        """SIGCONT."""
        if member.stopped_at is not None and not member.expected:
            self._signal(member, signal.SIGCONT)
        self._end_stop(member)

    def leave_all(self, seconds: float) -> list[str]:
        """Tell all to end; what was wrong with how anybody ended in all this time."""
        for member in self.living:
            self.leave(member)
        until = time.monotonic() + seconds
        while any(m.code is None for m in self.members) and time.monotonic() < until:
            with suppress(queue.Empty):
                self._note(self._said.get(timeout=0.05))
        return [w for m in self.members if (w := _crash(m))]

    def lives(self, offset: int, phases: list[tuple[int, int]]) -> list[Life]:
        """Return when who was well within ``phases`` (monotonic ms), on the clock that is ``offset`` ahead."""
        found = []
        for m in self.members:
            for since, until in _spans(m, phases):
                found.append(Life(m.part.role, m.part.branch, since + offset, until + offset))
        return found

    def stalled(self) -> list[tuple[str, int, int]]:
        """Return the spans in which processes did not run, as their own watches saw them and as we made them."""
        return [(m.client, *span) for m in self.members for span in (*m.stalls, *m.stops)]

    def listen(self) -> None:
        """Note what the clients have said."""
        while not self._said.empty():
            self._note(self._said.get())

    def _spawn(self, environment: dict[str, str]) -> None:
        self._nurseries.append(self._ending.enter_context(Nursery("processes.client", environment, self._said.put)))

    def _note(self, said: dict[str, Any]) -> None:
        if "ended" in said:
            ended = self._by_pid[said["ended"]]
            ended.code = said["code"]
            ended.ended_at = ended.ended_at or said["at"]
            return
        member = self._by_number[said["number"]]
        if "born" in said:
            member.pid = said["born"]
            self._by_pid[member.pid] = member
        elif "client" in said:
            member.client, member.ready_at = said["client"], said["at"]
        elif "stalled" in said:
            member.stalls.append(tuple(said["stalled"]))
        elif "refused" in said:
            self.refused += 1

    def _signal(self, member: Member, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(member.pid, number)

    def _end_stop(self, member: Member) -> None:
        if member.stopped_at is not None:
            member.stops.append((member.stopped_at, now_ms()))
            member.stopped_at = None


def _crash(member: Member) -> str:
    who = f"client {member.part.number} ({Role(member.part.role).name.lower()}, branch {member.part.branch})"
    if member.code is None:
        return f"{who} does not end"
    fine = (0, -signal.SIGKILL) if member.expected else (0,)
    return "" if member.code in fine else f"{who} ended with {member.code}, see client-{member.part.number}.log"


def _spans(member: Member, phases: list[tuple[int, int]]) -> list[tuple[int, int]]:
    if member.ready_at is None:
        return []
    spans = []
    for begin, end in phases:
        since = max(begin, member.ready_at)
        until = min(end, member.ended_at or end)
        for stop, resumed in sorted(member.stops):
            if since < stop < until:
                spans.append((since, stop))
            if stop < until and resumed > since:
                since = resumed
        spans.append((since, until))
    return [(since, until) for since, until in spans if since < until]
