"""PROPFIND and REPORT: who you are, what there is, what changed since."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from identsync.demo.caldav.answers import Listing, Refusal, Row
from identsync.demo.caldav.house import House, Request, question
from identsync.demo.caldav.ics import moment, span
from identsync.demo.caldav.resources import etag_of
from identsync.demo.caldav.shelf import Item, Shelf
from identsync.integrations.calendar.wire.dav import APPLE, CALDAV, DAV, path_of

Properties = dict[str, Callable[[], str]]


def propfind(house: House, request: Request) -> Listing:
    """Answer a PROPFIND of Depth 0 or 1."""
    wanted = [one.tag for one in question(request).iterfind(f"{DAV}prop/*")]
    depth = request.headers.get("depth", "infinity")
    if depth not in {"0", "1"}:
        raise Refusal(403, "D:propfind-finite-depth")
    parts, shelf = request.parts, house.shelf(request)
    if shelf is not None:
        return _calendar(house, request, shelf, wanted, depth)
    if len(parts) > 2 or (parts and parts[0] not in {"principals", "calendars"}):
        raise Refusal(404, why="there is nothing here")
    rows = [_row(request.path.rstrip("/") + "/", _place(house, request), wanted)]
    if depth == "1" and parts == ["calendars", request.user]:
        rows += [_row(one.path, _collection(one), wanted) for one in house.shelves.of(request.user)]
    return Listing(rows)


def report(house: House, request: Request) -> Listing:
    """Answer a REPORT about a calendar."""
    root = question(request)
    shelf = house.shelf(request)
    if shelf is None or len(request.parts) != 3:
        raise Refusal(404, why="there is no such calendar")
    handler = _REPORTS.get(root.tag)
    if handler is None:
        raise Refusal(403, "D:supported-report")
    listing = handler(house, request, shelf, root)
    if house.options.list_self:
        listing.rows.insert(0, Row(shelf.path, {f"{DAV}getetag": '"itself"'}))
    return listing


def _items(request: Request, shelf: Shelf) -> Mapping[str, Item]:
    return {} if request.suffers("empty") else shelf.before if request.suffers("stale") else shelf.items


def _end(request: Request, shelf: Shelf) -> int:
    """Return how much of the log this reader sees."""
    return max(len(shelf.log) - request.suffers("stale"), 0)


def _calendar(house: House, request: Request, shelf: Shelf, wanted: list[str], depth: str) -> Listing:
    rows = [_row(shelf.path, _collection(shelf) | _token(request, shelf), wanted)]
    if len(request.parts) > 3 or depth == "0":
        return Listing(rows)
    items = _items(request, shelf)
    if house.options.listing_limit and len(items) > house.options.listing_limit:
        raise Refusal(507, "D:number-of-matches-within-limits")
    rows += [_item(house, request, shelf, name, item, wanted) for name, item in items.items()]
    return Listing(rows)


def _sync(house: House, request: Request, shelf: Shelf, root: Element) -> Listing:
    if request.headers.get("depth", "0") != "0" or root.findtext(f"{DAV}sync-level") != "1":
        raise Refusal(400, why="Depth: 0 and sync-level 1")
    end = _end(request, shelf)
    if root.find(f"{DAV}limit") is not None:  # Nextcloud: cut without a word, with the newest token
        house.books.counts["DAV:limit"] += 1
        return Listing([], shelf.token(end))
    token = (root.findtext(f"{DAV}sync-token") or "").strip()
    place = _place_of(token, request, shelf) if token else 0
    page = house.options.page
    stop = min(end, place + page) if page and token else end
    items = _items(request, shelf)
    wanted = [one.tag for one in root.iterfind(f"{DAV}prop/*")]
    names = dict.fromkeys(shelf.log[place:stop])
    rows = [_item(house, request, shelf, name, items[name], wanted) for name in names if name in items]
    rows += [Row(shelf.path + name, status=404) for name in names if name not in items and token]
    rows += [Row(shelf.path, status=507)] if stop < end else []  # RFC 6578, 3.6: there is more
    return Listing(rows, None if request.suffers("forget_token") else shelf.token(stop))


def _place_of(token: str, request: Request, shelf: Shelf) -> int:
    fault = request.fault
    if fault is not None and fault.kind == "token":
        raise Refusal(fault.status, "D:valid-sync-token" if fault.status == 403 else "", "no such token")
    place = shelf.place(token)
    if place is None:
        raise Refusal(403, "D:valid-sync-token")
    return place


def _multiget(house: House, request: Request, shelf: Shelf, root: Element) -> Listing:
    paths = [path_of(one.text or "") for one in root.iterfind(f"{DAV}href")]
    if len(paths) > house.options.max_multiget:
        raise Refusal(403, "D:number-of-matches-within-limits", f"at most {house.options.max_multiget} hrefs")
    wanted = [one.tag for one in root.iterfind(f"{DAV}prop/*")]
    items = _items(request, shelf)
    rows = []
    for path in paths:
        name = path.removeprefix(shelf.path)
        there = path.startswith(shelf.path) and name in items
        rows.append(_item(house, request, shelf, name, items[name], wanted) if there else Row(path, status=404))
    return Listing(rows)


def _query(house: House, request: Request, shelf: Shelf, root: Element) -> Listing:
    outer = root.find(f"{CALDAV}filter/{CALDAV}comp-filter")
    inner = None if outer is None else outer.find(f"{CALDAV}comp-filter")
    if outer is None or inner is None or inner.get("name") != "VEVENT" or outer.get("name") != "VCALENDAR":
        raise Refusal(400, "C:valid-filter", "VCALENDAR and VEVENT in it")
    if outer.find(f"{CALDAV}time-range") is not None:  # SabreDAV
        raise Refusal(400, "C:valid-filter", "time-range stands in VEVENT")
    limits = _range(inner.find(f"{CALDAV}time-range"))
    wanted = [one.tag for one in root.iterfind(f"{DAV}prop/*")]
    found = [(name, item) for name, item in _items(request, shelf).items() if _within(item, limits)]
    return Listing([_item(house, request, shelf, name, item, wanted) for name, item in found])


_REPORTS: dict[str, Callable[[House, Request, Shelf, Element], Listing]] = {
    f"{DAV}sync-collection": _sync,
    f"{CALDAV}calendar-multiget": _multiget,
    f"{CALDAV}calendar-query": _query,
}


def _range(element: Element | None) -> tuple[datetime, datetime] | None:
    if element is None:
        return None
    start, end = (moment(element.get(name, "")) for name in ("start", "end"))
    if start is None or end is None:
        raise Refusal(400, "C:valid-filter", "time-range: start and end in UTC")
    return start, end


def _within(item: Item, limits: tuple[datetime, datetime] | None) -> bool:
    times = span(item.body)
    return limits is None or times is None or (times[0] < limits[1] and times[1] > limits[0])


# -- properties --------------------------------------------------------------------------------------------------


def _row(path: str, properties: Properties, wanted: Iterable[str]) -> Row:
    found = {tag: properties[tag]() for tag in wanted if tag in properties}
    return Row(path, found, [tag for tag in wanted if tag not in properties])


def _item(house: House, request: Request, shelf: Shelf, name: str, item: Item, wanted: Iterable[str]) -> Row:
    properties: Properties = {
        f"{DAV}resourcetype": str,
        f"{DAV}getetag": lambda: escape(etag_of(house, item)),
        f"{CALDAV}calendar-data": lambda: escape(item.body.decode(errors="replace")),
    }
    if request.suffers("no_getetag"):
        del properties[f"{DAV}getetag"]
    return _row(shelf.path + name, properties, wanted)


def _collection(shelf: Shelf) -> Properties:
    rights = ("read",) if shelf.read_only else ("read", "write", "bind", "unbind")
    privileges = "".join(f"<D:privilege><D:{one}/></D:privilege>" for one in rights)
    return {
        **_identity(shelf.user),
        f"{DAV}resourcetype": lambda: "<D:collection/><C:calendar/>",
        f"{DAV}displayname": lambda: escape(shelf.name),
        f"{APPLE}calendar-color": lambda: escape(shelf.colour),
        f"{CALDAV}supported-calendar-component-set": lambda: '<C:comp name="VEVENT"/>',
        f"{DAV}current-user-privilege-set": lambda: privileges,
    }


def _token(request: Request, shelf: Shelf) -> Properties:
    token = shelf.token(_end(request, shelf))
    return {} if request.suffers("forget_token") else {f"{DAV}sync-token": lambda: escape(token)}


def _place(house: House, request: Request) -> Properties:
    """Return the properties of the root, a principal or a home; only the principal knows where the calendars are."""
    properties = _identity(request.user) | {f"{DAV}resourcetype": lambda: "<D:collection/>"}
    if request.parts[:1] == ["principals"]:
        home = f"<D:href>{escape(house.options.homes_at)}/dav/calendars/{escape(request.user)}/</D:href>"
        properties |= {
            f"{DAV}resourcetype": lambda: "<D:collection/><D:principal/>",
            f"{CALDAV}calendar-home-set": lambda: home,
        }
    return properties


def _identity(user: str) -> Properties:
    return {f"{DAV}current-user-principal": lambda: f"<D:href>/dav/principals/{escape(user)}/</D:href>"}
