"""What the demo and tests ask of the site beside the protocol, under /_site/, with a key of its own (X-Site-Key).

``GET books|leads|posted|requests|timetable``; ``POST faults`` (a Fault), ``DELETE faults``; ``POST leads``
``{"count", "trap", "at"}``; ``POST rows`` (a JSON list of rows, served verbatim); ``POST people`` (list of
[phone, name] of people the clinic knows); ``POST options`` (any of Options); ``POST reset`` forgets all; ``POST stop``.
"""

import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import orjson

from identsync.demo.site.books import now_ms
from identsync.demo.site.faults import Fault
from identsync.demo.site.people import TRAPS
from identsync.demo.site.site import Options, Reply, Site, json, text


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    count: int = 1
    trap: str | None = None
    at: datetime | None = None


def admin(site: Site, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """Answer one request of the demo or a test."""
    if not hmac.compare_digest(headers.get("x-site-key", "").encode(), site.options.admin_key.encode()):
        return text(401, "no or a wrong X-Site-Key")
    handler = _HANDLERS.get((verb, path))
    if handler is None:
        return text(404, f"no {verb} /_site/{path[:40]}")
    try:
        return json(handler(site, body))
    except (msgspec.MsgspecError, orjson.JSONDecodeError, ValueError, TypeError) as error:
        return text(400, str(error))


def _leads(site: Site, body: bytes) -> Any:
    order = msgspec.json.decode(body, type=_Order)
    if order.trap is not None and order.trap not in TRAPS:
        raise ValueError(f"no such trap; there are {', '.join(TRAPS)}")
    if order.at is not None and order.at.tzinfo is None:
        raise ValueError("at: no offset")
    return site.make(order.count, order.trap, order.at)


def _rows(site: Site, body: bytes) -> Any:
    rows = orjson.loads(body)
    for row in rows:
        site.add_raw(row, now_ms())
    return len(rows)


def _people(site: Site, body: bytes) -> Any:
    site.people.known = msgspec.json.decode(body, type=list[tuple[str, str]])
    return len(site.people.known)


def _options(site: Site, body: bytes) -> Any:
    merged = msgspec.to_builtins(site.options) | orjson.loads(body)
    site.options = msgspec.convert(merged, Options)
    return None


def _fault(site: Site, body: bytes) -> Any:
    return site.faults.add(msgspec.json.decode(body, type=Fault))


_HANDLERS: dict[tuple[str, str], Callable[[Site, bytes], Any]] = {
    ("GET", "books"): lambda site, _: site.books.summary(),
    ("GET", "leads"): lambda site, _: msgspec.to_builtins(list(site.books.made.values())),
    ("GET", "posted"): lambda site, _: msgspec.to_builtins(site.books.posted),
    ("GET", "requests"): lambda site, _: msgspec.to_builtins(list(site.books.requests)),
    ("GET", "timetable"): lambda site, _: [orjson.Fragment(body) for body in site.timetables.values()],
    ("POST", "faults"): _fault,
    ("DELETE", "faults"): lambda site, _: site.faults.clear(),
    ("POST", "leads"): _leads,
    ("POST", "rows"): _rows,
    ("POST", "people"): _people,
    ("POST", "options"): _options,
    ("POST", "reset"): lambda site, _: site.reset(),
    ("POST", "stop"): lambda site, _: site.stop(),
}
