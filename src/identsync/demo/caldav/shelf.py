"""The calendars of the server: what lies in them, what happened to it since when."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from identsync.demo.caldav.ics import uid_of


@dataclass(frozen=True, slots=True)
class Item:
    """A resource: its body as the server keeps it (not as it came), its etag, who made it first."""

    uid: str
    body: bytes
    etag: str
    made_by: str


@dataclass(slots=True)
class Shelf:
    """One calendar. ``log`` has every change; a sync-token is a place in it. ``before`` is one write ago."""

    user: str
    slug: str
    number: int
    name: str = ""
    colour: str = ""
    read_only: bool = False
    items: dict[str, Item] = field(default_factory=dict)
    before: dict[str, Item] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    trash: set[str] = field(default_factory=set)

    @property
    def path(self) -> str:
        """Path of the collection, decoded."""
        return f"/dav/calendars/{self.user}/{self.slug}/"

    def token(self, place: int) -> str:
        """Return the sync-token of a place in the log."""
        return f"urn:identsync-demo:sync:{self.number}:{place}"

    def place(self, token: str) -> int | None:
        """Return the place in the log that a token stands for; None where it is no token of this calendar."""
        place = token.rpartition(":")[2]
        known = place.isdecimal() and token == self.token(int(place)) and int(place) <= len(self.log)
        return int(place) if known else None

    def put(self, resource: str, body: bytes, by: str) -> Item:
        """Store a body under a resource's name; the server adds lines of its own, as real ones do."""
        old = self.items.get(resource)
        kept = body.replace(b"END:VEVENT", b"SEQUENCE:0\r\nX-DEMO-SERVER:1\r\nEND:VEVENT") if by == "client" else body
        made_by = by if old is None else old.made_by
        item = Item(uid_of(body), kept, f'"{hashlib.sha256(kept).hexdigest()[:20]}"', made_by)
        if old is None or old.etag != item.etag:
            self.before = dict(self.items)
            self.items[resource] = item
            self.log.append(resource)
        return item

    def remove(self, resource: str) -> None:
        """Take a resource away; its UID lies in the trashbin from now on."""
        self.before = dict(self.items)
        self.trash.add(self.items.pop(resource).uid)
        self.log.append(resource)

    def holder(self, uid: str) -> str | None:
        """Return the resource that has a UID."""
        return next((resource for resource, item in self.items.items() if item.uid == uid), None)


class Shelves:
    """Every calendar of every user."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str], Shelf] = {}
        self.dropped: set[tuple[str, str]] = set()
        self._made = 0

    def __iter__(self) -> Iterator[Shelf]:
        return iter(self._all.values())

    def of(self, user: str) -> list[Shelf]:
        """Return the calendars of a user."""
        return [shelf for shelf in self if shelf.user == user]

    def get(self, user: str, slug: str) -> Shelf | None:
        """Return a calendar."""
        return self._all.get((user, slug))

    def make(self, user: str, slug: str, name: str = "", colour: str = "") -> Shelf:
        """Make a calendar; a second one of the same name is another one, with tokens of its own."""
        self._made += 1
        shelf = self._all[user, slug] = Shelf(user, slug, self._made, name or slug, colour)
        return shelf

    def drop(self, user: str, slug: str) -> None:
        """Take a calendar away with all that is in it."""
        del self._all[user, slug]
        self.dropped.add((user, slug))
