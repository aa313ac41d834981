"""events.list: pages, sync tokens and what may not stand beside them, the ``fields`` mask."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from identsync.demo.google.cloud import Calendar, Cloud, Stored, ends_after, starts_before
from identsync.demo.google.reply import Refusal, invalid

_FORBIDDEN_WITH_TOKEN = {
    "iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin", "timeMax", "updatedMin",
}  # fmt: skip
_KNOWN = _FORBIDDEN_WITH_TOKEN | {
    "alt", "eventTypes", "fields", "maxAttendees", "maxResults", "pageToken", "prettyPrint", "quotaUser",
    "showDeleted", "showHiddenInvitations", "singleEvents", "syncToken", "timeZone",
}  # fmt: skip
_MASK = re.compile(r"[A-Za-z/*]+|[(),]")


def listed(cloud: Cloud, calendar: Calendar, query: Mapping[str, str]) -> dict[str, Any]:
    """Return one page of a calendar's events."""
    if unknown := query.keys() - _KNOWN:
        raise invalid(f"Unknown parameter {min(unknown)[:40]}", min(unknown)[:40])
    for bound in query.keys() & {"timeMin", "timeMax", "updatedMin"}:
        _at(query, bound)
    since, last, started = _place(cloud, calendar, query)
    size = _size(query.get("maxResults", "250"), cloud.options.page_size)
    rows = [one for one in sorted(calendar.events.values(), key=_rev) if one.rev > last and one.rev > since]
    rows = [one for one in rows if _shown(one, calendar, query)]
    page = {
        "kind": "calendar#events",
        "summary": calendar.title,
        "timeZone": calendar.zone,
        "accessRole": "owner",
        "items": [cloud.resource(calendar, one) for one in rows[:size]],
    }
    if len(rows) > size:
        page["nextPageToken"] = _sealed("page", calendar.id, since, rows[size - 1].rev, started)
    else:
        page["nextSyncToken"] = _sealed("sync", calendar.id, started)
    return masked(page, query["fields"]) if "fields" in query else page


def masked(value: dict[str, Any], mask: str) -> dict[str, Any]:
    """Return only the fields a mask such as ``a,items(id,etag)`` names; Refusal where it cannot be read."""
    words = iter(_MASK.findall(mask))
    if "".join(_MASK.findall(mask)) != mask:
        raise Refusal(400, "invalidParameter", "Invalid field selection", location="fields")
    cut: dict[str, Any] = _cut(value, _tree(words))
    return cut


def _tree(words: Iterator[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    name = ""
    for word in words:
        if word == "(":
            tree[name] = _tree(words)
        elif word == ")":
            break
        elif word != ",":
            name = word
            tree[name] = {}
    return tree


def _cut(value: Any, tree: dict[str, Any]) -> Any:
    if not tree or "*" in tree:
        return value
    if isinstance(value, list):
        return [_cut(one, tree) for one in value]
    return {key: _cut(value[key], under) for key, under in tree.items() if key in value}


def _place(cloud: Cloud, calendar: Calendar, query: Mapping[str, str]) -> tuple[int, int, int]:
    """Return since which change rows are wanted, after which the page begins, and the newest change at the start."""
    since = 0
    if "syncToken" in query:
        if beside := (query.keys() & _FORBIDDEN_WITH_TOKEN):
            raise invalid("Sync token cannot be used with other query restrictions.", min(beside))
        if query.get("showDeleted") == "false":
            raise invalid("showDeleted cannot be false with a sync token.", "showDeleted")
        (since,) = _opened(query["syncToken"], "sync", calendar.id, 1)
        if since < calendar.horizon:
            raise Refusal(
                410, "fullSyncRequired", "Sync token is no longer valid, a full sync is required.", domain="calendar"
            )
    if "pageToken" not in query:
        return since, 0, cloud.rev
    before, last, started = _opened(query["pageToken"], "page", calendar.id, 3)
    if before != since:
        raise invalid("The page token belongs to another list.", "pageToken")
    return since, last, started


def _shown(stored: Stored, calendar: Calendar, query: Mapping[str, str]) -> bool:
    if stored.cancelled and query.get("showDeleted") != "true" and "syncToken" not in query:
        return False
    if "timeMin" in query and not ends_after(stored, _at(query, "timeMin"), calendar.zone):
        return False
    if "timeMax" in query and not starts_before(stored, _at(query, "timeMax"), calendar.zone):
        return False
    wanted = query.get("privateExtendedProperty")
    private = stored.fields.get("extendedProperties", {}).get("private", {})
    return wanted is None or wanted in [f"{key}={value}" for key, value in private.items()]


def _at(query: Mapping[str, str], key: str) -> int:
    try:
        moment = datetime.fromisoformat(query[key])
    except ValueError:
        raise Refusal(400, "badRequest", "Bad Request", location=key) from None
    if moment.tzinfo is None:
        raise Refusal(400, "badRequest", "Bad Request", location=key)
    return int(moment.timestamp() * 1000)


def _size(text: str, most: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise invalid("Invalid value for: maxResults", "maxResults")
    return min(int(text), 2500, most or 2500)


def _sealed(kind: str, calendar: str, *numbers: int) -> str:
    plain = ":".join([kind, calendar, *map(str, numbers)])
    return base64.urlsafe_b64encode(plain.encode()).decode()


def _opened(token: str, kind: str, calendar: str, count: int) -> tuple[int, ...]:
    try:
        told, owner, *numbers = base64.urlsafe_b64decode(token.encode()).decode().split(":")
        if (told, owner, len(numbers)) == (kind, calendar, count):
            return tuple(map(int, numbers))
    except (binascii.Error, ValueError):
        pass
    raise invalid(f"Invalid {kind} token value.", f"{kind}Token")


def _rev(stored: Stored) -> int:
    return stored.rev
