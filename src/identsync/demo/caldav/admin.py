"""What the demo and tests ask of the calendar server beside the protocol, under /_caldav/, with X-Admin-Key.

``GET books|writes|requests|calendars``; ``POST faults`` (a Fault), ``DELETE faults``; ``POST options`` (any of
Options); ``POST users`` ``{name: password}``; ``POST calendar`` ``{"user", "slug", "name", "read_only"}``; ``POST
person`` (a :class:`Deed`: what a person does in the calendar); ``POST reset`` forgets
calendars, books, faults and options; ``POST stop``.
"""

import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec
import orjson

from identsync.demo.caldav.answers import Reply
from identsync.demo.caldav.books import Write, now_ms
from identsync.demo.caldav.faults import Fault
from identsync.demo.caldav.house import House, Options
from identsync.demo.caldav.shelf import Item, Shelf


class Deed(msgspec.Struct, forbid_unknown_fields=True):
    """What a person does by hand: adds or changes (``put``), renames, deletes an event, drops the whole calendar."""

    do: Literal["put", "rename", "delete", "drop"]
    user: str
    calendar: str
    resource: str = ""
    body: str = ""
    summary: str = ""


class NewCalendar(msgspec.Struct, forbid_unknown_fields=True):
    """A calendar that is there from the beginning."""

    user: str
    slug: str
    name: str = ""
    read_only: bool = False


def admin(house: House, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """Answer one request of the demo or a test."""
    if not hmac.compare_digest(headers.get("x-admin-key", "").encode(), house.options.admin_key.encode()):
        return Reply(401, b"no or a wrong X-Admin-Key")
    handler = _HANDLERS.get((verb, path))
    if handler is None:
        return Reply(404, f"no {verb} /_caldav/{path[:40]}".encode())
    try:
        return Reply(200, orjson.dumps(handler(house, body)), "application/json; charset=utf-8")
    except (msgspec.MsgspecError, orjson.JSONDecodeError, ValueError, TypeError) as error:
        return Reply(400, str(error).encode())


def _options(house: House, body: bytes) -> None:
    house.options = msgspec.convert(msgspec.to_builtins(house.options) | orjson.loads(body), Options)


def _users(house: House, body: bytes) -> None:
    house.users |= msgspec.json.decode(body, type=dict[str, str])


def _calendar(house: House, body: bytes) -> str:
    order = msgspec.json.decode(body, type=NewCalendar)
    if order.user not in house.users:
        raise ValueError("no such user")
    shelf = house.shelves.make(order.user, order.slug, order.name)
    shelf.read_only = order.read_only
    return shelf.path


def _calendars(house: House, _body: bytes) -> list[dict[str, Any]]:
    return [_shown(shelf) for shelf in house.shelves]


def _shown(shelf: Shelf) -> dict[str, Any]:
    items = {
        name: {"uid": item.uid, "etag": item.etag, "made_by": item.made_by, "body": item.body.decode(errors="replace")}
        for name, item in shelf.items.items()
    }
    shown = {"user": shelf.user, "slug": shelf.slug, "name": shelf.name, "colour": shelf.colour, "path": shelf.path}
    return shown | {"items": items}


def _person(house: House, body: bytes) -> None:
    deed = msgspec.json.decode(body, type=Deed)
    shelf = house.shelves.get(deed.user, deed.calendar)
    if shelf is None:
        raise ValueError("no such calendar")
    if deed.do == "drop":
        house.shelves.drop(deed.user, deed.calendar)
        return
    old = shelf.items.get(deed.resource)
    if old is None and deed.do != "put":
        raise ValueError("no such resource")
    new = None
    if deed.do == "delete":
        shelf.remove(deed.resource)
    else:
        text = deed.body.encode() if deed.do == "put" else _renamed(old.body if old else b"", deed.summary)
        new = shelf.put(deed.resource, text, "person")
    _noted(house, deed, old, new)


def _noted(house: House, deed: Deed, old: Item | None, new: Item | None) -> None:
    uid = next((item.uid for item in (new, old) if item), "")
    before, after = (None if item is None else item.etag for item in (old, new))
    write = Write(now_ms(), deed.user, deed.calendar, deed.resource, deed.do, "person", True, 200, uid, before, after)
    house.books.write(write, foreign=False)


def _renamed(body: bytes, summary: str) -> bytes:
    return re.sub(rb"SUMMARY:.*?\r\n(?! )", lambda _: b"SUMMARY:%s\r\n" % summary.encode(), body, flags=re.DOTALL)


_HANDLERS: dict[tuple[str, str], Callable[[House, bytes], Any]] = {
    ("GET", "books"): lambda house, _: house.books.summary(),
    ("GET", "writes"): lambda house, _: msgspec.to_builtins(house.books.writes),
    ("GET", "requests"): lambda house, _: msgspec.to_builtins(list(house.books.requests)),
    ("GET", "calendars"): _calendars,
    ("POST", "faults"): lambda house, body: house.faults.add(msgspec.json.decode(body, type=Fault)),
    ("DELETE", "faults"): lambda house, _: house.faults.clear(),
    ("POST", "options"): _options,
    ("POST", "users"): _users,
    ("POST", "calendar"): _calendar,
    ("POST", "person"): _person,
    ("POST", "reset"): lambda house, _: house.reset(),
    ("POST", "stop"): lambda house, _: house.stop(),
}
