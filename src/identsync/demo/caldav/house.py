"""The server as a whole: users, options, calendars, books, faults; and who a request is from and where it goes."""

import asyncio
import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import msgspec

from identsync.demo.caldav.answers import Refusal
from identsync.demo.caldav.books import Books
from identsync.demo.caldav.faults import Fault, Faults
from identsync.demo.caldav.shelf import Shelf, Shelves
from identsync.integrations.calendar.wire.dav import parsed


class Options(msgspec.Struct):
    """How the server behaves; all of it can be changed while it runs (``POST /_caldav/options``)."""

    admin_key: str = "demo-admin"
    max_bytes: int = 100_000  # of an object
    max_multiget: int = 100
    uid_conflict: int = 409  # 403, 409 as Radicale, 412 as Xandikos
    uid_words: str = "no-uid-conflict"  # or unique-scheduling-object-resource, as Cyrus
    nowhere: int = 409  # to a PUT where there is no calendar: 403 as Cyrus, 405 as DAViCal
    trashbin: bool = False  # Nextcloud: neither a deleted UID is taken back nor a deleted calendar's address
    weak: bool = False  # every ETag is weak: If-Match never matches
    compresses: bool = False  # a GET that allows it, whose ETag is weak then: Cyrus, nginx
    list_self: bool = False  # iCloud: reports list the collection too
    mkcalendar: bool = True  # False: 501, only extended MKCOL
    creating: bool = True  # False: calendars cannot be made at all
    well_known: int = 301  # 404 = there is none
    well_known_to: str = "/dav/"
    homes_at: str = ""  # scheme and host before the path of a home: iCloud's shards
    listing_limit: int = 0  # PROPFIND Depth 1 of more is 507; 0 = no limit
    page: int = 0  # rows in a sync-collection answer, 507 in it for the rest; 0 = no limit


@dataclass(slots=True)
class Request:
    """A request: ``path`` is decoded, header names are lower case."""

    verb: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    user: str = ""
    fault: Fault | None = None

    def suffers(self, kind: str) -> bool:
        """Say whether this fault is set for it."""
        return self.fault is not None and self.fault.kind == kind

    @property
    def parts(self) -> list[str]:
        """What stands behind /dav/ in the path."""
        return [part for part in self.path.removeprefix("/dav/").split("/") if part]

    @property
    def report(self) -> str:
        """Name of the report that is asked for, '' for other verbs."""
        root = parsed(self.body) if self.verb == "REPORT" else None
        return "" if root is None else root.tag.partition("}")[2]


class House:
    """State of one server; ``users`` are passwords by name."""

    def __init__(self, options: Options, users: dict[str, str], seed: int) -> None:
        self.users = users
        self.stopped = asyncio.Event()
        self._first = options
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Be as at the beginning: no calendars, empty books, no faults, the first options."""
        self.options = msgspec.structs.replace(self._first)
        self.books = Books()
        self.faults = Faults(self._seed)
        self.shelves = Shelves()

    def stop(self) -> None:
        """End the process soon."""
        self.stopped.set()

    def admit(self, headers: Mapping[str, str]) -> str:
        """Return the user's name; 401 without the right password."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Refusal(401, why="unreadable Authorization") from None
        known = self.users.get(user)
        if scheme.lower() != "basic" or known is None or not hmac.compare_digest(known.encode(), password.encode()):
            raise Refusal(401, why="wrong name or password")
        return user

    def shelf(self, request: Request) -> Shelf | None:
        """Return the calendar of a path, None where there is none; 403 where it is somebody else's."""
        parts = request.parts
        if len(parts) < 2 or parts[0] not in {"calendars", "principals"}:
            return None
        if parts[1] != request.user:
            raise Refusal(403, "D:need-privileges", "this is not your home")
        return self.shelves.get(parts[1], parts[2]) if parts[0] == "calendars" and len(parts) > 2 else None


def question(request: Request) -> Element:
    """Return the XML of a request: 415 without its type, 400 where it is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {"application/xml", "text/xml"}:
        raise Refusal(415, why="Content-Type must be application/xml or text/xml")
    root = parsed(request.body)
    if root is None:
        raise Refusal(400, why="not XML")
    return root
