"""An event of a doctor's calendar as every wire sees it, and the answers of a calendar to what is done with it.

A wire (``wire/caldav.py``, ``wire/google.py``) speaks for one calendar of one doctor and decides nothing: it says what
the other side said. ``keeping.py`` decides.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from identsync.errors import AskPerson, IdentsyncError, Refused

NO_ETAG = 'W/""'
"""Stands for the etag of what is there without one: a weak one, which no server is asked to match."""


@dataclass(frozen=True, slots=True)
class Event:
    """What a calendar shall hold of one appointment, reserve, shift or busy run.

    ``name`` is 32 characters of ``0-9a-v`` (base32hex of an HMAC) and, on a later generation, ``-g2`` and so on is put
    behind it by the wire: UID, resource name and Google id are made of it alone. Times are UTC epoch milliseconds, the
    end after the start. ``changed_ms`` is when the clinic last changed it: a stable DTSTAMP, no part of the comparison.
    """

    name: str
    start_ms: int
    end_ms: int
    summary: str
    description: str = ""
    location: str = ""
    free: bool = False  # transparent: does not make the doctor busy (shifts)
    changed_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in the calendar under a name; ``event`` is None where it cannot be read as one of ours.

    ``etag`` None: the server gives none. Two events are equal where all that people see is equal.
    """

    etag: str | None
    event: Event | None
    cancelled: bool = False  # Google: a tombstone; inserting is refused, updating revives it


class NoCalendar(AskPerson):
    """The calendar itself is not there: deleted by a person, or its address is wrong."""


class Barred(Refused):
    """The account is let in, but not here (403): it concerns one calendar, where Refused concerns all of an account."""


Heard = Callable[[IdentsyncError], Awaitable[None]]
"""What a wire tells of a failure that concerns its whole account, before it raises it."""


async def unheard(_error: IdentsyncError) -> None:
    """Tell nobody: who connects an account or checks it is told by the error itself."""


@dataclass(frozen=True, slots=True)
class Written:
    """It is there as asked; ``etag`` None: the server did not say, it must be read."""

    etag: str | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing was done: something else is there (412, 409 on creation), or it has another etag than the given one."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Nothing was done: there is nothing under that name (404, 410)."""


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Nothing was done: the server does not take this (400, 403 about the body, 413, 415...); ``reason`` for people."""

    reason: str


Answer = Written | Conflict | Missing | Unwanted


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since a token: etag by (name, generation); ``whole``: this is everything there is, no delta.

    ``gone`` are names that were deleted (a delta says so; a whole listing leaves them out). ``foreign`` counts objects
    that bear no name of ours; with ``only_events`` there may be others, tasks or notes, of which nothing was told.
    ``token`` None: the server has no tokens, ask for the whole next time.
    """

    token: str | None
    there: Mapping["Name", str | None]
    gone: Collection["Name"] = ()
    whole: bool = False
    foreign: int = 0
    only_events: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A name with its generation: 1 at first, one more where a server does not take back a deleted name."""

    name: str
    generation: int = 1

    def __str__(self) -> str:
        """Return what stands in UIDs and addresses."""
        return self.name if self.generation == 1 else f"{self.name}-g{self.generation}"


class Calendar(Protocol):
    """One calendar on the other side. Every method sends the fewest requests that can do it, and never retries.

    Raises what flows.http raises (Unavailable, Limited, Refused, Unexpected) and NoCalendar, which ``changes`` always
    tells and the others where they can; before each request it awaits ``permit``, which it was made with
    (``Callable[[], Awaitable[None]]``).
    """

    async def put(self, name: Name, event: Event, etag: str | None) -> Answer:
        """Create (``etag`` None: only if nothing is there) or change (only if it still has ``etag``); one request."""
        ...

    async def remove(self, name: Name, etag: str | None) -> Answer:
        """Delete, only if it still has ``etag`` (None: whatever it has); Missing is as good as Written(None)."""
        ...

    async def get(self, name: Name) -> Found | None:
        """Read one; None where there is nothing."""
        ...

    async def fetch(self, names: Sequence[Name]) -> Mapping[Name, Found]:
        """Read many, as many a request as the server takes; what is not there is left out."""
        ...

    async def changes(self, token: str | None) -> Changes:
        """Tell what changed since ``token``; all there is where it is None or no longer known to the server.

        A refused token is never "everything was deleted": the wire lists anew and says ``whole``.
        """
        ...
