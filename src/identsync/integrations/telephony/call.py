"""A call as people mean it, what a PBX may say of it, and what a PBX is: the room's inner border.

However many legs, ring groups, queues and transfers there are, a wire tells of ONE call under the PBX's own link
(Linkedid, call_session_id, entry_id, pbx_call_id), again and again as it changes, always the whole of it.

``dial`` makes ONE attempt and never decides anything; its verdicts are those of ``flows.sending``:

- ``Accepted``: the PBX rang the employee's phone and he took it (``provider_id`` = the call's key, where known); where
  a PBX only says that it has taken the order, that is Accepted too and ``ABILITIES.certain`` is False;
- ``Refused``: certainly no call: unknown extension, nobody took the phone, busy;
- ``NotTaken``: certainly not begun, and may be tried again. Nothing is ever dialled again by itself: the room shows it
  like ``Refused``;
- ``Lost``: it may be ringing.

It may also raise errors of the tree, as a gateway of the messages does: in doubt ``Unavailable(sent=True)``.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from identsync.flows.flaw import Flaw
from identsync.flows.intake import Window
from identsync.flows.sending import Verdict

Permit = Callable[[], Awaitable[None]]
"""Awaited before each request: the line's rate, shared by all clients. May raise Limited."""


class Direction(StrEnum):
    """Who called whom, as the clinic sees it."""

    IN = "in"
    OUT = "out"
    INSIDE = "inside"  # one employee another: kept out of every list, told for completeness


class State(StrEnum):
    """Where a call is. An incoming one that ended without talk is missed, an outgoing one was not reached."""

    RINGING = "ringing"
    TALKING = "talking"
    ANSWERED = "answered"  # over, and somebody talked
    MISSED = "missed"  # over, and nobody talked


class Reason(StrEnum):
    """Why nobody talked, where the PBX says it."""

    NONE = ""
    NO_ANSWER = "no answer"
    BUSY = "busy"
    CANCELLED = "cancelled"  # the caller gave up
    FAILED = "failed"  # no such number, no line, an error


@dataclass(frozen=True, slots=True)
class Employee:
    """A phone inside the clinic: its extension, and the name the PBX has for it."""

    extension: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as its PBX knows it now; moments are epoch milliseconds UTC."""

    key: str  # the PBX's link, at most 200 characters
    direction: Direction
    state: State
    phone: str  # the outside party's number as it came; '' = hidden
    start_ms: int
    line: str = ""  # our number or trunk
    answered_ms: int | None = None  # when somebody began to talk
    ended_ms: int | None = None  # None = it goes on
    rang: tuple[Employee, ...] = ()  # whose phones rang, in that order
    talked: tuple[Employee, ...] = ()  # who talked, in that order: after a transfer the last one has it
    recordings: tuple[str, ...] = ()  # how ``recording`` is asked for them; never a link that serves once
    token: str = ""  # of our ``Command``, where the PBX repeats it
    reason: Reason = Reason.NONE
    utm: tuple[tuple[str, str], ...] = ()  # where the caller came from, where a tracking service says so
    calls_back: bool | None = None  # of a missed one: the PBX says that somebody called back


@dataclass(frozen=True, slots=True)
class Command:
    """Call ``to`` (E.164, '+79161234567') and connect the phone of ``extension``; ``token`` is 32 hex digits."""

    token: str
    extension: str
    to: str


@dataclass(frozen=True, slots=True)
class Audio:
    """A recording: its bytes and media type."""

    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a kind of PBX can do for a clinic that nothing can call into, and words where it cannot (a message key)."""

    live: bool  # tells who is calling while it rings
    click: bool
    history: bool
    recordings: bool
    certain: bool = True  # the answer to ``dial`` says that the employee has taken his phone
    words: str = ""


Told = Callable[[Sequence[Call], bool], Awaitable[None]]
"""``told(calls, whole)`` writes calls down; ``whole`` = these are all that go on: what else was open has ended."""


class Exchange(Protocol):
    """One PBX, opened for a run: an async context manager, used by one run (or one listener to a recording) at a time.

    Modules of ``wire/`` hold ``ABILITIES``, ``RATE`` (requests a second), ``WINDOW_MS`` (the longest period of one
    question for history) and ``open(settings, permit)``; what a PBX cannot do raises NotImplementedError and is never
    asked.
    """

    async def __aenter__(self) -> Self:
        """Get ready; may connect (errors: Refused, Unavailable(sent=False))."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave in order."""

    async def listen(self, told: Told) -> None:
        """Tell of every call that begins, changes or ends, first of all that go on; runs until it is cancelled.

        Raises what the connection ended with: Refused, Limited, Unavailable, Unexpected.
        """

    async def dial(self, command: Command) -> Verdict:
        """Start a call; see the module's text."""

    async def fetch(self, window: Window, limit: int, offset: int) -> object:
        """Return one page of the finished calls that began in ``window``: a list of rows as they came."""

    def parse(self, raw: object) -> Call | list[Flaw]:
        """Return the call of a row, or everything that is wrong with it; never raises."""

    async def recording(self, reference: str) -> Audio:
        """Fetch a recording; Unavailable(after_ms=...) where it is not ready yet, Unexpected where it is gone."""

    async def check(self) -> None:
        """Try the connection and the key without any effect; raises what is wrong."""


@runtime_checkable
class KeepsTime(Protocol):
    """A PBX that does not tell every moment: the others are those of ``clock``, epoch milliseconds UTC.

    The engine sets it to its own clock, the database's: this computer's may be an hour wrong, or jump.
    """

    clock: Callable[[], int]


def computers_ms() -> int:
    """Return what this computer's clock says, epoch milliseconds UTC."""
    return time.time_ns() // 1_000_000
