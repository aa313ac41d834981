"""What all cloud PBXs of this process share: their employees, the calls that are staged, what was asked and dialled."""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import msgspec

from identsync.demo.cloudpbx.sound import tone
from identsync.demo.misdeeds import Misdeeds

USER, KEY, NUMBER = "demo-pbx-user", "demo-pbx-key", "74950000100"
Kind = Literal[
    "lose",  # does the work and closes the connection without an answer
    "cut",  # does the work, breaks the connection in the middle of the answer
    "drop",  # closes the connection at once, does nothing
    "hang",  # does the work and never answers
    "fail",  # answers `status` (with Retry-After, Location), does nothing
    "late",  # does the work and answers `status`
    "html",  # does the work and answers with a web page
    "half",  # does the work and answers with half of the JSON
    "say",  # answers `status` and `body` as it stands, does nothing
    "mumble",  # does the work and answers `status` and `body` as it stands
    "slow",  # `seconds` later all goes its usual way
    "refuse",  # the provider's own refusal, where its file knows how: `code`
]


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One fault: ``path`` is a part of the address or, for JSON-RPC, the method; happens ``times`` (None = always)."""

    kind: Kind
    path: str = ""
    times: int | None = 1
    skip: int = 0
    share: float = 1.0
    status: int = 503
    code: int = 0
    body: str = ""
    seconds: float = 0.0
    retry_after: int | None = None
    location: str = ""


class Staging(msgspec.Struct, forbid_unknown_fields=True):
    """A call as a test asks for it: how long ago it began, was answered and ended (seconds; None = it has not)."""

    provider: str
    phone: str | None = "79160000001"
    direction: Literal["in", "out", "inside"] = "in"
    line: str = NUMBER
    rang: list[str] = msgspec.field(default_factory=lambda: ["101"])
    ago: float = 0.0
    answered_ago: float | None = None
    ended_ago: float | None = None
    talked: list[str] | None = None  # None = the first that rang, where it was answered
    recorded: bool = False
    ready_in: float = 0.0  # seconds until the recording can be had
    token: str = ""
    called_back: bool | None = None
    reason: str = ""  # why nobody talked: "no answer", "busy", "cancelled", "failed"
    utm: dict[str, str] = {}


@dataclass(slots=True)
class Staged:
    """A call of a provider; moments are seconds since 1970 by this process's clock."""

    id: int
    provider: str
    phone: str | None
    direction: str
    line: str
    rang: list[str]
    start: float
    answered: float | None = None
    ended: float | None = None
    talked: list[str] = field(default_factory=list)
    recording: str = ""
    ready: float = 0.0
    token: str = ""
    called_back: bool | None = None
    reason: str = ""
    utm: dict[str, str] = field(default_factory=dict)

    @property
    def talk_s(self) -> int:
        """Whole seconds of talk, 0 where there was none."""
        return 0 if self.answered is None or self.ended is None else max(0, round(self.ended - self.answered))

    @property
    def wait_s(self) -> int:
        """Whole seconds until somebody answered or the call ended."""
        until = self.answered if self.answered is not None else self.ended
        return 0 if until is None else max(0, round(until - self.start))


@dataclass(frozen=True, slots=True)
class Dialled:
    """A click-to-call that was really taken; ``repeated`` = its token had been used before."""

    provider: str
    token: str
    extension: str
    to: str
    at: float
    call: int
    repeated: bool


@dataclass
class Desk:
    """The state of the process; use under ``lock``."""

    seed: int = 1
    ahead: float = 0.0  # seconds this process's clock is ahead of the computer's
    zone: str = "Europe/Moscow"  # of the providers' accounts
    limits: dict[str, Any] = field(default_factory=dict)  # of providers that count, by their files' own names
    employees: dict[str, str] = field(
        default_factory=lambda: {"101": "Громова Вера", "102": "Лапина Дарья", "103": "Зимин Егор"}
    )
    calls: list[Staged] = field(default_factory=list)
    dialled: list[Dialled] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # requests that were against a provider's rules, by rule
    links: dict[str, tuple[int, int]] = field(default_factory=dict)  # one-time link -> call, uses left
    memory: defaultdict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))  # of a provider's file
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self.faults: Misdeeds[Fault] = Misdeeds(self.seed)
        self.random = random.Random(self.seed)
        self._next = 1_000_000

    def now(self) -> float:
        """Tell this process's time."""
        return time.time() + self.ahead

    def clear(self) -> None:
        """Forget every call, count, fault, limit and block: a new day."""
        for each in (self.calls, self.dialled, self.counts, self.refused, self.links, self.memory, self.limits):
            each.clear()
        self.faults.clear()
        self.ahead, self.zone = 0.0, "Europe/Moscow"

    def stage(self, wish: Staging) -> Staged:
        """Put a call on stage as wished."""
        now = self.now()
        call = Staged(self._id(), wish.provider, wish.phone, wish.direction, wish.line, list(wish.rang), now - wish.ago)
        call.token, call.called_back, call.reason, call.utm = wish.token, wish.called_back, wish.reason, wish.utm
        if wish.answered_ago is not None:
            call.answered = now - wish.answered_ago
            call.talked = list(wish.rang[:1] if wish.talked is None else wish.talked)
        if wish.ended_ago is not None:
            call.ended = now - wish.ended_ago
        if wish.recorded:
            call.recording, call.ready = f"rec-{call.id}", now + wish.ready_in
        self.calls.append(call)
        return call

    def answer(self, number: int, extension: str) -> Staged:
        """Let an employee take (or be given) a call."""
        call = self.call(number)
        call.answered = call.answered or self.now()
        call.talked.append(extension)
        return call

    def end(self, number: int, *, recorded: bool = False, ready_in: float = 0.0, reason: str = "") -> Staged:
        """End a call."""
        call = self.call(number)
        call.ended, call.reason = self.now(), reason
        if recorded:
            call.recording, call.ready = f"rec-{call.id}", call.ended + ready_in
        return call

    def dial(self, provider: str, token: str, extension: str, to: str, line: str = NUMBER) -> Staged | None:
        """Take a click-to-call and begin it; None for a token that was used before: no real one would notice."""
        before = any((each.provider, each.token) == (provider, token) for each in self.dialled if token)
        call = None if before else self.stage(Staging(provider, to, "out", line, [extension], token=token))
        number = 0 if call is None else call.id
        self.dialled.append(Dialled(provider, token, extension, to, self.now(), number, before))
        return call

    def call(self, number: int) -> Staged:
        """Find a call; KeyError where there is none."""
        for each in self.calls:
            if each.id == number:
                return each
        raise KeyError(number)

    def ongoing(self, provider: str) -> list[Staged]:
        """Give the calls of a provider that go on, oldest first."""
        return [call for call in self.calls if call.provider == provider and call.ended is None]

    def finished(self, provider: str, since: float, until: float) -> list[Staged]:
        """Give the finished calls of a provider that began between two moments, both inclusive, oldest first."""
        found = [c for c in self.calls if c.provider == provider and c.ended is not None and since <= c.start <= until]
        return sorted(found, key=lambda call: (call.start, call.id))

    def recorded(self, provider: str, recording: str) -> Staged | None:
        """Find the call of a recording; None: there is none."""
        return next((c for c in self.calls if c.provider == provider and recording and c.recording == recording), None)

    def sound(self, call: Staged) -> bytes | None:
        """Give the recording of a call; None: it is not ready yet."""
        return tone(call.id) if self.now() >= call.ready else None

    def link(self, call: Staged, uses: int = 1) -> str:
        """Make a path at which the recording can be had so many times."""
        path = f"/files/{self.random.getrandbits(128):032x}"
        self.links[path] = call.id, uses
        return path

    def follow(self, path: str) -> bytes | None:
        """Give what is behind a link, once less; None: it is used up or was never made."""
        number, uses = self.links.get(path, (0, 0))
        if uses < 1:
            return None
        self.links[path] = number, uses - 1
        return tone(number)

    def crowded(self, what: str, most: int, seconds: float) -> bool:
        """Count a request; tell whether there were more than ``most`` of them in the last ``seconds``."""
        times: list[float] = self.memory["crowd"].setdefault(what, [])
        now = time.monotonic()
        times[:] = [at for at in times if now - at < seconds] + [now]
        return len(times) > most

    def refuse(self, rule: str) -> None:
        """Note that a request was against a rule."""
        self.refused[rule] += 1

    def books(self) -> dict[str, Any]:
        """Give the counts."""
        return {"counts": dict(self.counts), "refused": dict(self.refused), "calls": len(self.calls)}

    def _id(self) -> int:
        self._next += 1
        return self._next


def listed(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Return records as objects for the back door."""
    return [asdict(row) for row in rows]
