"""What stands in a doctor's published file, and since when: readers that merge must find what has changed to be newer.

An event that the clinic has cancelled stands in the file as such for three days, and is then left out. Readers compare
by DTSTAMP (RFC 5546, 2.1.5): one that goes backwards leaves a visit cancelled that has come back. So the stamp of what
has changed is never older than the one that was published, whatever the clinic says of the time of its changes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import urlsplit

import orjson

from identsync.integrations.calendar.event import Event
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.wire import ical
from identsync.language import _
from identsync.spans import DAY_MS

CANCELLED_MS = 3 * DAY_MS
Row = tuple[str, int, int, bool, int]  # name, start, end, free, DTSTAMP (epoch ms)


@dataclass(frozen=True, slots=True)
class Published:
    """What stands, or may stand, in a doctor's file; ``cancelled`` with the epoch ms since when.

    ``what``: an event for each visit, or each busy run: the names of one are none of the other. ``place`` is the folder
    or the address where the file lies, '' where that was not yet kept.
    """

    token: str
    what: str
    place: str = ""
    events: tuple[Row, ...] = ()
    cancelled: tuple[tuple[Row, int], ...] = ()

    def pack(self) -> bytes:
        """Return it as the mirror keeps it."""
        return orjson.dumps([self.token, self.what, self.events, self.cancelled, self.place])

    @classmethod
    def unpack(cls, packed: bytes) -> "Published":
        """Read what pack() made."""
        token, what, events, cancelled, *place = orjson.loads(packed)
        gone = tuple((_row(row), since) for row, since in cancelled)
        return cls(token, what, place[0] if place else "", tuple(_row(row) for row in events), gone)

    def next(self, token: str, destination: CalendarDestination, events: Sequence[Event], now_ms: int) -> "Published":
        """Return what stands there after ``events`` have been published; only what lies in the window is told of."""
        stamps = {row[0]: row for row in self.events}
        was_gone = {row[0] for row, _since in self.cancelled}
        rows = tuple(_stamped(event, stamps.get(event.name), event.name in was_gone, now_ms) for event in events)
        there = {row[0] for row in rows}
        first, last = now_ms - (destination.back_days - 1) * DAY_MS, now_ms + (destination.days - 1) * DAY_MS
        vanished = [(row, now_ms) for row in self.events if row[2] > first and row[1] < last]
        old = [(row, since) for row, since in self.cancelled if since > now_ms - CANCELLED_MS]
        gone = [(row, since) for row, since in (*old, *vanished) if row[0] not in there]
        same = self.what == destination.what
        return Published(token, destination.what, place_of(destination), rows, tuple(gone) if same else ())


def _stamped(event: Event, before: Row | None, was_gone: bool, now_ms: int) -> Row:
    """Give the row of an event: what is there again, or differs, is stamped newer than it was."""
    seen = event.start_ms, event.end_ms, event.free
    stamp = event.changed_ms
    if before is not None and before[1:4] == seen:
        stamp = max(stamp, before[4])
    elif was_gone or not stamp or (before is not None and stamp <= before[4]):
        stamp = max(stamp, now_ms)
    return event.name, *seen, stamp


def _row(row: Sequence[object]) -> Row:
    name, start, end, free, changed = row
    return name, start, end, free, changed  # type: ignore[return-value]


def written(destination: CalendarDestination, events: Iterable[Event], published: Published) -> bytes:
    """Return a file; neither its name nor its title tells whose it is."""
    stamps = {row[0]: row[4] for row in published.events}
    told = [replace(event, changed_ms=stamps[event.name]) for event in events]
    cancelled = [
        Event(name, start, end, destination.busy_text, free=free, changed_ms=max(changed, since))
        for (name, start, end, free, changed), since in published.cancelled
    ]
    return b"".join(ical.feed(told, name=destination.title or _("Приём"), cancelled=cancelled))


# -- where -----------------------------------------------------------------------------------------------------------


def place_of(destination: CalendarDestination) -> str:
    """Return the folder, or the address, where a destination's files lie."""
    return destination.folder or (destination.url or "").rstrip("/")


def is_folder(place: str) -> bool:
    """Say whether a place is a folder, of this system or another one, and not an address."""
    return PurePosixPath(place).is_absolute() or PureWindowsPath(place).is_absolute()


def same_host(one: str, other: str) -> bool:
    """Say whether two places are addresses of one server: the password of one is shown to no other."""
    return not is_folder(other) and urlsplit(one)[:2] == urlsplit(other)[:2]
