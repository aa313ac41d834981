"""What differs at this moment between a branch's calendars and what the clinic wants there, doctor by doctor."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from identsync.core.columns import Columns
from identsync.flows.mirror_book import DOUBT, Book, Row, payloads
from identsync.integrations.calendar.event import Event
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.published import Published
from identsync.integrations.calendar.wanted import Wanted
from identsync.spans import MINUTE_MS


@dataclass(frozen=True, slots=True)
class Difference:
    """An event that is not there as the clinic wants it, and how the last try ended."""

    key: int
    kind: str  # add, change, remove, unsure: sent, or edited there by hand, and not confirmed since
    start_ms: int
    state: str = ""  # of the mirror's row: rejected, later, unknown
    attempts: int = 0
    retry_ms: int | None = None
    was_ms: int | None = None  # where it begins in the calendar, if known


@dataclass(slots=True)
class Compared:
    """Counts and differences by doctor; ``gone`` is what is kept of events that are there and no longer wanted."""

    wanted: Counter[int] = field(default_factory=Counter)
    there: Counter[int] = field(default_factory=Counter)
    differences: list[tuple[int, Difference]] = field(default_factory=list)
    gone: dict[int, Kept] = field(default_factory=dict)

    def doctor_of(self, key: int, wanted: Wanted) -> int:
        """Return whose event it is; 0 where nobody knows any more."""
        if key in wanted.columns:
            return wanted.doctor(key)
        kept = self.gone.get(key)
        return kept.doctor if kept else 0


def kept_of(connection: Connection, book: Book, keys: Sequence[int]) -> dict[int, Kept]:
    """Return what is kept of some events by key."""
    return {key: Kept.unpack(packed) for key, packed in payloads(connection, book, keys).items()}


def compare(connection: Connection, book: Book, wanted: Wanted) -> Compared:
    """Compare calendars, whose items are events."""
    changes = book.confirmed.difference(wanted.columns)
    found = Compared(gone=kept_of(connection, book, changes.removed))
    found.wanted.update(wanted.doctor(key) for key in wanted.columns.keys)
    found.there.update(found.doctor_of(key, wanted) for key in _there(book))
    kinds = (("add", changes.added), ("change", changes.changed), ("remove", changes.removed))
    for kind, keys in kinds:
        found.differences += [(found.doctor_of(key, wanted), _of_event(book, wanted, found, key, kind)) for key in keys]
    return found


def _there(book: Book) -> Iterable[int]:
    """Give the keys that are there for sure, or were and are in doubt only because somebody asked for a look."""
    columns: Columns = book.confirmed
    for key, digest in zip(columns.keys, columns.digests, strict=True):
        if digest != DOUBT or key not in book.rows:
            yield key


def _of_event(book: Book, wanted: Wanted, found: Compared, key: int, kind: str) -> Difference:
    if kind == "change" and book.confirmed.get(key) == DOUBT:
        kind = "unsure"
    kept = found.gone.get(key)
    start_ms = wanted.start(key) * MINUTE_MS if key in wanted.columns else kept.start_ms if kept else 0
    return _told(key, kind, start_ms, book.rows.get(key))


def _told(key: int, kind: str, start_ms: int, row: Row | None, was_ms: int | None = None) -> Difference:
    if row is None:
        return Difference(key, kind, start_ms, was_ms=was_ms)
    return Difference(key, kind, start_ms, row.state, row.attempts, row.retry_ms, was_ms)


def compare_feeds(connection: Connection, book: Book, wanted: Wanted, doctors: Sequence[int]) -> Compared:
    """Compare feeds, whose items are doctors, by what was published of each."""
    packed = payloads(connection, book, doctors)
    mine: dict[int, list[int]] = {doctor: [] for doctor in doctors}
    for key in wanted.columns.keys:
        mine.setdefault(wanted.doctor(key), []).append(key)
    found = Compared()
    for doctor, keys in mine.items():
        there = Published.unpack(packed[doctor]).events if doctor in packed and doctor in book.confirmed else ()
        row = book.rows.get(doctor)
        events = dict(wanted.events(keys))
        found.wanted[doctor], found.there[doctor] = len(keys), len(there)
        found.differences += [(doctor, one) for one in _of_feed(events, there, row)]
    return found


def _of_feed(events: dict[int, Event], there: Sequence[Sequence[object]], row: Row | None) -> Iterable[Difference]:
    published = {str(name): (start, end, free) for name, start, end, free, _changed in there}
    for key, event in events.items():
        was = published.pop(event.name, None)
        if was is None:
            yield _told(key, "add", event.start_ms, row)
        elif was != (event.start_ms, event.end_ms, event.free):
            yield _told(key, "change", event.start_ms, row, was_ms=int(str(was[0])))
        elif row is not None:
            yield _told(key, "unsure", event.start_ms, row)
    for at, (start, _end, _free) in enumerate(published.values()):
        yield _told(-1 - at, "remove", int(str(start)), row)
