"""PUT, DELETE and GET of one resource: preconditions first, then the body, then the books."""

import gzip

from identsync.demo.caldav.answers import Refusal, Reply
from identsync.demo.caldav.books import Write, now_ms
from identsync.demo.caldav.house import House, Request
from identsync.demo.caldav.ics import BadObject, checked
from identsync.demo.caldav.shelf import Item, Shelf


def resource(house: House, request: Request) -> Reply:
    """Answer a request for a path below a calendar."""
    shelf = house.shelf(request)
    parts = request.parts
    if request.verb == "DELETE" and shelf is not None and len(parts) == 3:
        house.shelves.drop(parts[1], parts[2])
        return Reply(204)
    if len(parts) != 4 or request.path.endswith("/"):
        raise Refusal(405 if request.verb != "GET" else 404, why="no calendar object has such a path")
    if request.verb == "GET":
        return _get(house, request, shelf, parts[3])
    if shelf is None:
        raise Refusal(house.options.nowhere if request.verb == "PUT" else 404, why="there is no such calendar")
    if shelf.read_only:
        raise Refusal(403, "D:need-privileges", "you may only read here")
    return _put(house, request, shelf, parts[3]) if request.verb == "PUT" else _delete(house, request, shelf, parts[3])


def etag_of(house: House, item: Item) -> str:
    """Return an item's ETag as this server spells it."""
    return f"W/{item.etag}" if house.options.weak else item.etag


def in_header(house: House, request: Request, item: Item) -> list[tuple[str, str]]:
    """Return the ETag header of an answer, or none."""
    if request.suffers("no_etag"):
        return []
    etag = etag_of(house, item)
    return [("ETag", f"W/{etag}" if request.suffers("weak_etag") and not etag.startswith("W/") else etag)]


def _get(house: House, request: Request, shelf: Shelf | None, name: str) -> Reply:
    items = {} if shelf is None else shelf.before if request.suffers("stale") else shelf.items
    if name not in items:
        raise Refusal(404, why="there is no such object")
    item = items[name]
    reply = Reply(200, item.body, "text/calendar; charset=utf-8", in_header(house, request, item))
    if house.options.compresses and "gzip" in request.headers.get("accept-encoding", ""):
        packed = [("Content-Encoding", "gzip"), ("ETag", f"W/{item.etag}")]
        return Reply(200, gzip.compress(item.body, mtime=0), reply.type, packed)
    return reply


def _put(house: House, request: Request, shelf: Shelf, name: str) -> Reply:
    old = shelf.items.get(name)
    _conditions(house, request, old)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/calendar":
        raise Refusal(415, "C:supported-calendar-data", "Content-Type must be text/calendar")
    if len(request.body) > house.options.max_bytes:
        raise Refusal(413, "C:max-resource-size", f"more than {house.options.max_bytes} bytes")
    try:
        uid = checked(request.body)
    except BadObject as bad:
        raise Refusal(bad.status, f"C:{bad.precondition}", str(bad)) from None
    _unique(house, shelf, name, uid, old)
    item = shelf.put(name, request.body, "client")
    _write(house, request, shelf, name, uid, old, item)
    return Reply(204 if old else 201, headers=in_header(house, request, item))


def _unique(house: House, shelf: Shelf, name: str, uid: str, old: Item | None) -> None:
    holder = shelf.holder(uid)
    if (holder is not None and holder != name) or (old is not None and old.uid != uid):
        raise Refusal(house.options.uid_conflict, f"C:{house.options.uid_words}", "another object has this UID")
    if house.options.trashbin and old is None and uid in shelf.trash:
        raise Refusal(
            400, "S:exception", "Deleted calendar object with uid already exists in this calendar collection."
        )


def _delete(house: House, request: Request, shelf: Shelf, name: str) -> Reply:
    old = shelf.items.get(name)
    if old is None:
        raise Refusal(404, why="there is no such object")
    _conditions(house, request, old)
    shelf.remove(name)
    _write(house, request, shelf, name, old.uid, old, None)
    return Reply(204)


def _conditions(house: House, request: Request, old: Item | None) -> None:
    match, none = request.headers.get("if-match"), request.headers.get("if-none-match")
    if match == "*":  # nobody may rely on it: iCloud has it backwards
        house.books.counts["If-Match: *"] += 1
        raise Refusal(412, why="If-Match: * is not understood here")
    if match is None and none is None:
        house.books.counts["without precondition"] += 1
    if none is not None and none != "*":
        raise Refusal(400, why="If-None-Match with an ETag makes no sense here")
    if none == "*" and old is not None:
        raise Refusal(412, why="it exists already")
    strong = None if old is None or house.options.weak else old.etag
    if match is not None and match != strong:
        raise Refusal(412, why="it has another ETag, or is not there")


def _write(
    house: House, request: Request, shelf: Shelf, name: str, uid: str, old: Item | None, new: Item | None
) -> None:
    before, after = (None if item is None else item.etag for item in (old, new))
    write = Write(now_ms(), shelf.user, shelf.slug, name, request.verb, "client", True, 0, uid, before, after)
    house.books.write(write, foreign=old is not None and old.made_by != "client")
