"""Rows of a CalDAV answer sorted out: what is there, what is gone, what is not ours; and what was fetched."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from identsync.integrations.calendar.event import Changes, Found, Name
from identsync.integrations.calendar.wire import ical
from identsync.integrations.calendar.wire.dav import CALDAV, DAV, Multistatus, Row

_NAME = re.compile(r"(?:^|/)([0-9a-v]{32})(?:-g([2-9]|[1-9][0-9]{1,5}))?\.ics\Z", re.ASCII)


@dataclass(slots=True)
class Listing:
    """Rows of answers about the calendar at ``path``; a name that is both there and gone in one answer is there."""

    path: str
    there: dict[Name, str | None] = field(default_factory=dict)
    gone: set[Name] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)

    def add(self, answer: Multistatus) -> None:
        """Take in one answer; a later one is newer."""
        gone: set[Name] = set()
        there: dict[Name, str | None] = {}
        for row in answer.rows:
            name = name_of(row.href)
            if name is None:
                self._others(row)
            elif row.status in {404, 410}:
                gone.add(name)
            else:
                there[name] = etag_of(row.text(f"{DAV}getetag")) or there.get(name)
        for name in gone:
            self.there.pop(name, None)
        self.there |= there
        self.gone = (self.gone | gone) - there.keys()

    def _others(self, row: Row) -> None:
        """Count what is there and not ours, under whatever name, even where it may not be read."""
        itself = row.path in {self.path, ""} or row.href.endswith("/") or is_collection(row)
        if row.status in {404, 410}:
            self.foreign.discard(row.path)
        elif not itself:
            self.foreign.add(row.path)

    def changes(self, token: str | None, *, whole: bool, only_events: bool = False) -> Changes:
        """Return what was taken in."""
        gone = frozenset() if whole else frozenset(self.gone)
        return Changes(token, self.there, gone, whole, len(self.foreign), only_events)


def name_of(href: str) -> Name | None:
    """Return the name in an href of whatever form: percent-encoded, absolute, of another host; None: not ours."""
    found = _NAME.search(unquote(href) if "%" in href else href)
    return None if found is None else Name(found[1], int(found[2] or 1))


def found_in(answer: Multistatus, asked: frozenset[Name]) -> dict[Name, Found]:
    """Return what a multiget brought of what was ``asked``: servers add what nobody asked for."""
    return {name: found for name, found in _pairs(answer) if name in asked}


def _pairs(answer: Multistatus) -> Iterator[tuple[Name, Found]]:
    for row in answer.rows:
        name = name_of(row.href)
        if name is None or row.status in {404, 410}:
            continue
        data = row.properties.get(f"{CALDAV}calendar-data")
        event = None if data is None else ical.parse((data.text or "").encode())
        if row.properties or row.status is not None:  # a row of nothing but 404 properties: it is not there
            yield name, Found(etag_of(row.text(f"{DAV}getetag")), event)


def is_collection(row: Row) -> bool:
    """Say whether a row is a calendar or a folder rather than an event."""
    kind = row.properties.get(f"{DAV}resourcetype")
    return kind is not None and kind.find(f"{DAV}collection") is not None


def etag_of(value: str | None) -> str | None:
    """Return an ETag as it can be sent back, None where there is none."""
    value = (value or "").strip()
    if not value or value.startswith(('"', "W/")):
        return value or None
    return f'"{value}"'  # some servers forget the quotes in getetag, none understands an If-Match without them
