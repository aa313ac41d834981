"""What this Google holds: calendars of people and of the app, their events, and what became of deleted ones."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from identsync.demo.google.body import at_ms, checked, rendered
from identsync.demo.google.books import Books, now_ms
from identsync.demo.google.faults import Faults
from identsync.demo.google.oauth import OAuth
from identsync.demo.google.options import Options
from identsync.demo.google.quota import Quota
from identsync.demo.google.reply import Refusal, invalid

_DEFAULTS = {"transparency": "opaque", "visibility": "default"}
"""What Google leaves out of an event, beside empty texts."""


@dataclass(slots=True)
class Stored:
    """One event: ``rev`` is its place in the order of all changes; ``by`` is who made it, 'app' or 'person'."""

    rev: int
    fields: dict[str, Any]
    created_ms: int
    updated_ms: int
    by: str
    sequence: int = 0

    @property
    def etag(self) -> str:
        """Its version, in quotes as Google gives it."""
        return f'"{3_000_000_000_000_000 + self.rev}"'

    @property
    def cancelled(self) -> bool:
        """Whether it is a tombstone."""
        return bool(self.fields.get("status") == "cancelled")


@dataclass(slots=True)
class Calendar:
    """A calendar of ``owner``; ``app`` is the client that made it, None = the person himself."""

    id: str
    title: str
    zone: str
    owner: str
    app: str | None
    about: str = ""
    events: dict[str, Stored] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)  # ids of tombstones that are gone: still taken
    horizon: int = 0  # sync tokens from before this change are expired


class Cloud:
    """All state of the process."""

    def __init__(self, options: Options, seed: int) -> None:
        self.options = options
        self.books = Books()
        self.faults = Faults(seed)
        self.quota = Quota()
        self.oauth = OAuth(self)
        self.calendars: dict[str, Calendar] = {}
        self.stopped = asyncio.Event()
        self.rev = 0
        self.ahead_ms = 0  # how far this clock was put forward
        self._seed = seed

    @property
    def now_ms(self) -> int:
        """The clock of this Google."""
        return now_ms() + self.ahead_ms

    def stop(self) -> None:
        """End the process soon."""
        self.stopped.set()

    # -- calendars -----------------------------------------------------------------------------------------------

    def make(self, owner: str, app: str | None, title: str, zone: str, about: str = "") -> Calendar:
        """Make a calendar."""
        self.rev += 1
        seed = hashlib.sha256(f"{self._seed} {self.rev}".encode()).hexdigest()
        calendar = Calendar(f"c_{seed}@group.calendar.google.com", title, zone, owner, app, about)
        self.calendars[calendar.id] = calendar
        self.books.wrote("make calendar", calendar.id, "", "app" if app else "person")
        return calendar

    def primary(self, owner: str) -> Calendar:
        """Return the person's own calendar."""
        return self.calendars.setdefault(owner, Calendar(owner, owner, "Europe/Moscow", owner, None))

    def calendar(self, identity: str, owner: str, app: str) -> Calendar:
        """Return a calendar the app may see with ``calendar.app.created``; Refusal for any other."""
        if identity == "primary":
            identity = self.primary(owner).id
        calendar = self.calendars.get(identity)
        if calendar is None or calendar.owner != owner:
            raise Refusal(404, "notFound", "Not Found")
        if calendar.app != app:
            raise Refusal(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
        return calendar

    def drop(self, calendar: Calendar, by: str) -> None:
        """Delete a calendar for good."""
        del self.calendars[calendar.id]
        self.books.wrote("delete calendar", calendar.id, "", by)

    # -- events --------------------------------------------------------------------------------------------------

    def insert(self, calendar: Calendar, body: Any, by: str) -> Stored:
        """Add an event under its own id or one of ours."""
        fields = checked(body)
        identity = fields.setdefault("id", self._new_id())
        if identity in calendar.events or identity in calendar.erased:
            raise Refusal(409, "duplicate", "The requested identifier already exists.")
        if fields.setdefault("status", "confirmed") == "cancelled":
            raise invalid("Invalid value for: status", "status")
        stored = Stored(0, fields, self.now_ms, 0, by, fields.pop("sequence", 0))
        calendar.events[identity] = stored
        self._changed(stored)
        self.books.wrote("insert", calendar.id, identity, by)
        return stored

    def update(self, calendar: Calendar, identity: str, body: Any, if_match: str | None, by: str) -> Stored:
        """Replace an event, a deleted one too."""
        fields = checked(body)
        stored = self._there(calendar, identity)
        _match(stored, if_match)
        if fields.setdefault("id", identity) != identity:
            raise invalid("Invalid resource id value.", "id")
        if stored.cancelled and self.options.tombstone == "forbidden":
            raise Refusal(403, "forbidden", "Forbidden")
        if fields.pop("sequence", stored.sequence) < stored.sequence:
            raise invalid("Invalid sequence value. The specified sequence number is below the current one.", "sequence")
        fields.setdefault("status", stored.fields["status"])  # what is dead stays dead unless told otherwise
        moved = any(fields[key] != stored.fields.get(key) for key in ("start", "end"))
        stored.fields, stored.sequence = fields, stored.sequence + moved
        self._changed(stored)
        self.books.wrote("update", calendar.id, identity, by, foreign=by == "app" and stored.by == "person")
        return stored

    def delete(self, calendar: Calendar, identity: str, if_match: str | None, by: str) -> None:
        """Make an event a tombstone."""
        stored = self._there(calendar, identity)
        if stored.cancelled:
            raise Refusal(410, "deleted", "Resource has been deleted")
        _match(stored, if_match)
        stored.fields = {**stored.fields, "status": "cancelled"}
        self._changed(stored)
        self.books.wrote("delete", calendar.id, identity, by, foreign=by == "app" and stored.by == "person")

    def get(self, calendar: Calendar, identity: str) -> Stored:
        """Return an event or a tombstone."""
        return self._there(calendar, identity)

    def erase(self, calendar: Calendar) -> int:
        """Let the tombstones of a calendar disappear, as Google does after some weeks; their ids stay taken."""
        dead = [identity for identity, stored in calendar.events.items() if stored.cancelled]
        for identity in dead:
            del calendar.events[identity]
        calendar.erased.update(dead)
        return len(dead)

    def resource(self, calendar: Calendar, stored: Stored) -> dict[str, Any]:
        """Return an event as Google gives it back: defaults are left out, times are in the calendar's zone."""
        fields = stored.fields
        if stored.cancelled and not self.options.tombstone_fields:
            return {"kind": "calendar#event", "id": fields["id"], "status": "cancelled"}
        made = {
            "kind": "calendar#event",
            "etag": stored.etag,
            "htmlLink": f"https://www.google.com/calendar/event?eid={fields['id']}",
            "created": _stamp(stored.created_ms),
            "updated": _stamp(stored.updated_ms),
            "creator": {"email": calendar.owner},
            "organizer": {"email": calendar.id, "displayName": calendar.title, "self": True},
            "iCalUID": f"{fields['id']}@google.com",
            "sequence": stored.sequence,
            "eventType": "default",
        }
        kept = {key: value for key, value in fields.items() if value not in ("", _DEFAULTS.get(key, ""))}
        times = {key: rendered(fields[key], calendar.zone) for key in ("start", "end")}
        return made | kept | times

    def _there(self, calendar: Calendar, identity: str) -> Stored:
        stored = calendar.events.get(identity)
        if stored is None:
            raise Refusal(404, "notFound", "Not Found")
        return stored

    def _changed(self, stored: Stored) -> None:
        self.rev += 1
        stored.rev, stored.updated_ms = self.rev, self.now_ms

    def _new_id(self) -> str:
        return hashlib.sha256(f"event {self._seed} {self.rev}".encode()).hexdigest()[:26]


def ends_after(stored: Stored, at: int, zone: str) -> bool:
    """Say whether an event is not over at ``at``."""
    return at_ms(stored.fields["end"], zone) > at


def starts_before(stored: Stored, at: int, zone: str) -> bool:
    """Say whether an event begins before ``at``."""
    return at_ms(stored.fields["start"], zone) < at


def _match(stored: Stored, if_match: str | None) -> None:
    if if_match is not None and if_match not in (stored.etag, "*"):
        raise Refusal(412, "conditionNotMet", "Precondition Failed", location="If-Match")


def _stamp(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
