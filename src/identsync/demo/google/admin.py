"""What the demo, tests and people at a browser do to this Google beside its API, under /_google/ (X-Google-Key).

``GET books|writes|requests|calendars``; ``POST events`` ``{"calendar"}``; ``POST add|change|remove`` (a person's own
edits: ``{"calendar", "event", "body"}``; "primary" is his own); ``POST remove_calendar``; ``POST grant``
``{"user", "scope"}`` (a refresh token without a browser); ``POST type`` ``{"user_code", "answer"}``; ``POST forget``
``{"user"}``; ``POST expire`` ``{"what": "access"|"sync"}``; ``POST erase`` (tombstones); ``POST clock``
``{"ahead_ms"}``; ``POST faults``, ``DELETE faults``; ``POST options``; ``POST stop``.
"""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import orjson

from identsync.demo.google.cloud import Calendar, Cloud
from identsync.demo.google.faults import Fault
from identsync.demo.google.options import APP_CREATED, Options
from identsync.demo.google.reply import Refusal, Reply, json

DOCTOR = "doctor@example.com"


def admin(cloud: Cloud, key: str, verb: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
    """Answer one request of the demo or a test."""
    if not hmac.compare_digest(headers.get("x-google-key", "").encode(), key.encode()):
        return json("no or a wrong X-Google-Key", 401)
    handler = _HANDLERS.get((verb, path))
    if handler is None:
        return json(f"no {verb} /_google/{path[:40]}", 404)
    try:
        order = orjson.loads(body) if body else {}
        return json(handler(cloud, order))
    except Refusal as refusal:
        return json(f"{refusal.status} {refusal.reason}: {refusal}", 400)
    except (msgspec.MsgspecError, orjson.JSONDecodeError, LookupError, ValueError, TypeError) as error:
        return json(repr(error), 400)


def _calendar(cloud: Cloud, order: Any) -> Calendar:
    if order["calendar"] == "primary":
        return cloud.primary(order.get("user", DOCTOR))
    return cloud.calendars[order["calendar"]]


def _events(cloud: Cloud, order: Any) -> Any:
    calendar = _calendar(cloud, order)
    return [cloud.resource(calendar, stored) for stored in calendar.events.values()]


def _add(cloud: Cloud, order: Any) -> Any:
    return cloud.insert(_calendar(cloud, order), order["body"], "person").fields["id"]


def _change(cloud: Cloud, order: Any) -> Any:
    """Change only the given fields, as a person does in the browser; None takes a field away."""
    calendar = _calendar(cloud, order)
    body = {**cloud.get(calendar, order["event"]).fields, **order["body"]}
    return cloud.update(calendar, order["event"], body, None, "person").etag


def _expire(cloud: Cloud, order: Any) -> Any:
    if order["what"] == "access":
        return cloud.oauth.expire_access()
    for calendar in cloud.calendars.values():
        cloud.rev += 1
        calendar.horizon = cloud.rev
    return len(cloud.calendars)


def _clock(cloud: Cloud, order: Any) -> Any:
    cloud.ahead_ms += order["ahead_ms"]
    return cloud.now_ms


def _options(cloud: Cloud, order: Any) -> Any:
    cloud.options = msgspec.convert(msgspec.to_builtins(cloud.options) | order, Options)


def _calendars(cloud: Cloud, _order: Any) -> Any:
    return [
        {"id": c.id, "title": c.title, "owner": c.owner, "app": c.app, "about": c.about}
        for c in cloud.calendars.values()
    ]


_HANDLERS: dict[tuple[str, str], Callable[[Cloud, Any], Any]] = {
    ("GET", "books"): lambda cloud, _: cloud.books.summary() | {"refreshes": cloud.oauth.refreshes},
    ("GET", "writes"): lambda cloud, _: msgspec.to_builtins(cloud.books.writes),
    ("GET", "requests"): lambda cloud, _: msgspec.to_builtins(list(cloud.books.requests)),
    ("GET", "calendars"): _calendars,
    ("POST", "events"): _events,
    ("POST", "add"): _add,
    ("POST", "change"): _change,
    ("POST", "remove"): lambda cloud, o: cloud.delete(_calendar(cloud, o), o["event"], None, "person"),
    ("POST", "remove_calendar"): lambda cloud, o: cloud.drop(_calendar(cloud, o), "person"),
    ("POST", "grant"): lambda cloud, o: cloud.oauth.grant(o.get("user", DOCTOR), o.get("scope", APP_CREATED)),
    ("POST", "type"): lambda cloud, o: cloud.oauth.type_code(o["user_code"], o["answer"]),
    ("POST", "forget"): lambda cloud, o: cloud.oauth.forget(o.get("user", DOCTOR)),
    ("POST", "expire"): _expire,
    ("POST", "erase"): lambda cloud, o: cloud.erase(_calendar(cloud, o)),
    ("POST", "clock"): _clock,
    ("POST", "faults"): lambda cloud, o: cloud.faults.add(msgspec.convert(o, Fault)),
    ("DELETE", "faults"): lambda cloud, _: cloud.faults.clear(),
    ("POST", "options"): _options,
    ("POST", "stop"): lambda cloud, _: cloud.stop(),
}
