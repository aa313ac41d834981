"""A calendar on the other side as a dictionary: strict about preconditions, faulty on demand, edited by people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from identsync.errors import Unavailable
from identsync.integrations.calendar.event import (
    Answer,
    Changes,
    Conflict,
    Event,
    Found,
    Missing,
    Name,
    NoCalendar,
    Unwanted,
    Written,
)

FAULTS = ("lost answer", "lost request", "no etag", "unwanted")


@dataclass
class Model:
    """``there`` holds (etag, event) by name; ``faults`` are used up one by one by writes."""

    there: dict[Name, tuple[str, Event]] = field(default_factory=dict)
    faults: list[str | None] = field(default_factory=list)
    trashbin: bool = False  # a deleted name is not taken back
    empty_once: bool = False  # the next whole listing shows nothing
    forgets_tokens: bool = False
    forgetful: bool = False  # what came and went since the token is not told
    exists: bool = True
    trash: set[Name] = field(default_factory=set)
    log: list[tuple[int, Name]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    writes: dict[Name, int] = field(default_factory=dict)
    count: int = 0

    # -- the Calendar protocol

    async def put(self, name: Name, event: Event, etag: str | None) -> Answer:
        self.requests.append("put")
        old = self.there.get(name)
        if not self.exists:
            return Missing()
        if etag is None and old is not None:
            return Conflict()
        if etag is not None and old is None:
            return Missing()
        if etag is not None and old is not None and old[0] != etag:
            return Conflict()
        if name in self.trash:
            return Unwanted("deleted calendar object with uid already exists")
        return self._written(lambda: self.write(name, event))

    async def remove(self, name: Name, etag: str | None) -> Answer:
        self.requests.append("remove")
        old = self.there.get(name)
        if old is None:
            return Missing()
        if etag is not None and old[0] != etag:
            return Conflict()
        return self._written(lambda: self.drop(name))

    async def get(self, name: Name) -> Found | None:
        self.requests.append("get")
        old = self.there.get(name)
        return None if old is None else Found(*old)

    async def fetch(self, names: Sequence[Name]) -> Mapping[Name, Found]:
        self.requests.append("fetch")
        return {name: Found(*self.there[name]) for name in names if name in self.there}

    async def changes(self, token: str | None) -> Changes:
        self.requests.append("changes")
        if not self.exists:
            raise NoCalendar("gone")
        now = str(self.count)
        if token is None or self.forgets_tokens:
            empty, self.empty_once = self.empty_once, False
            there = {} if empty else {name: etag for name, (etag, _) in self.there.items()}
            return Changes(now, there, whole=True)
        changed = {name for at, name in self.log if at > int(token)}
        there = {name: self.there[name][0] for name in changed if name in self.there}
        return Changes(now, there, () if self.forgetful else changed - there.keys())

    # -- what happens there

    def _written(self, effect) -> Answer:
        fault = self.faults.pop(0) if self.faults else None
        if fault == "lost request":
            raise Unavailable("lost", sent=True)
        if fault == "unwanted":
            return Unwanted("not today")
        effect()
        if fault == "lost answer":
            raise Unavailable("lost", sent=True)
        return Written(None if fault == "no etag" else str(self.count))

    def write(self, name: Name, event: Event) -> None:
        self.count += 1
        self.there[name] = (str(self.count), event)
        self.log.append((self.count, name))

    def drop(self, name: Name) -> None:
        self.count += 1
        del self.there[name]
        self.log.append((self.count, name))
        if self.trashbin:
            self.trash.add(name)

    # -- people

    def edit(self, name: Name, words: str) -> None:
        self.write(name, replace(self.there[name][1], summary=words))

    @property
    def events(self) -> list[Event]:
        return [event for _, event in self.there.values()]
