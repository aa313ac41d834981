"""Answers of the server as bytes: multistatus rows, errors with their precondition."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.sax.saxutils import escape

_NS = (
    'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="http://apple.com/ns/ical/" '
    'xmlns:S="http://sabredav.org/ns"'
)
_PREFIXES = {
    "DAV:": "D",
    "urn:ietf:params:xml:ns:caldav": "C",
    "http://apple.com/ns/ical/": "A",
}
XML = "application/xml; charset=utf-8"


@dataclass(slots=True)
class Reply:
    """An answer; ``type`` None = no Content-Type."""

    status: int
    body: bytes = b""
    type: str | None = "text/plain; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Row:
    """A row of a multistatus: found properties by tag as XML, the missing ones; or a status of its own."""

    path: str
    found: Mapping[str, str] = field(default_factory=dict)
    missing: Iterable[str] = ()
    status: int | None = None


@dataclass(slots=True)
class Listing:
    """A multistatus to be; ``collection`` rows stay when a fault empties the list."""

    rows: list[Row]
    token: str | None = None


class Refusal(Exception):
    """The request is refused: status, a DAV:error precondition ('D:...', 'C:...') and words for people."""

    def __init__(self, status: int, precondition: str = "", why: str = "") -> None:
        super().__init__(why or precondition)
        self.status = status
        self.precondition = precondition
        self.why = why

    def reply(self) -> Reply:
        """Return it as an answer."""
        if not self.precondition:
            return Reply(self.status, self.why.encode())
        words = f"<S:message>{escape(self.why)}</S:message>" if self.why else ""
        body = f'<?xml version="1.0"?><D:error {_NS}><{self.precondition}/>{words}</D:error>'
        return Reply(self.status, body.encode(), XML)


def multistatus(listing: Listing, *, safe: str = "/@", origin: str = "", twice: bool = False) -> Reply:
    """Return a listing as 207; ``safe`` are the characters of an href that stay, ``origin`` stands before it."""
    rows = "".join(_row(row, safe, origin) * (2 if twice else 1) for row in listing.rows)
    token = f"<D:sync-token>{escape(listing.token)}</D:sync-token>" if listing.token else ""
    body = f'<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus {_NS}>{rows}{token}</D:multistatus>'
    return Reply(207, body.encode(), XML)


def tagged(tag: str, inner: str = "") -> str:
    """Return an element of a tag in Clark's notation with ready XML inside."""
    namespace, _, name = tag[1:].partition("}")
    prefix = _PREFIXES.get(namespace)
    if prefix is None:
        return f'<{name} xmlns="{escape(namespace)}">{inner}</{name}>'
    return f"<{prefix}:{name}>{inner}</{prefix}:{name}>"


def _row(row: Row, safe: str, origin: str) -> str:
    href = f"<D:href>{escape(origin + quote(row.path, safe=safe))}</D:href>"
    if row.status is not None:
        return f"<D:response>{href}<D:status>HTTP/1.1 {row.status} X</D:status></D:response>"
    found = "".join(tagged(tag, inner) for tag, inner in row.found.items())
    missing = "".join(tagged(tag) for tag in row.missing)
    return f"<D:response>{href}{_propstat(found, 200)}{_propstat(missing, 404)}</D:response>"


def _propstat(inside: str, status: int) -> str:
    if not inside:
        return ""
    return f"<D:propstat><D:prop>{inside}</D:prop><D:status>HTTP/1.1 {status} X</D:status></D:propstat>"
