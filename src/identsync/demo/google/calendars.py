"""calendarList.list: which calendars a person has in his list, for whom he has let see it."""

from collections.abc import Mapping
from typing import Any

from identsync.demo.google.cloud import Cloud
from identsync.demo.google.oauth import Who
from identsync.demo.google.reply import Refusal, invalid

_AUTH = "https://www.googleapis.com/auth/"
SCOPES = {f"{_AUTH}calendar{name}" for name in ("", ".readonly", ".calendarlist", ".calendarlist.readonly")}
_KNOWN = {"alt", "fields", "maxResults", "minAccessRole", "pageToken", "prettyPrint", "quotaUser", "showDeleted",
          "showHidden"}  # fmt: skip
_ROLES = {"freeBusyReader", "owner", "reader", "writer", "writerWithoutPrivateAccess"}


def calendars_of(cloud: Cloud, who: Who, query: Mapping[str, str]) -> dict[str, Any]:
    """Return one page; Refusal for a token whose scopes do not reach that far, as ``calendar.app.created`` does not."""
    if not SCOPES & set(who.scope.split()):
        raise Refusal(403, "insufficientPermissions", "Request had insufficient authentication scopes.")
    if unknown := query.keys() - _KNOWN:
        raise invalid(f"Unknown parameter {min(unknown)[:40]}", min(unknown)[:40])
    if query.get("minAccessRole", "owner") not in _ROLES:
        raise invalid("Invalid value for: minAccessRole", "minAccessRole")
    most = query.get("maxResults", "100")
    if not (most.isdecimal() and int(most) >= 1):
        raise invalid("Invalid value for: maxResults", "maxResults")
    size = min(int(most), 250, cloud.options.page_size or 250)
    cloud.primary(who.user)
    mine = [one for one in cloud.calendars.values() if one.owner == who.user]
    start = _place(query.get("pageToken", "p0"), len(mine))
    items = [
        {"kind": "calendar#calendarListEntry", "id": one.id, "summary": one.title, "timeZone": one.zone,
         "accessRole": "owner", **({"description": one.about} if one.about else {})}
        for one in mine[start : start + size]
    ]  # fmt: skip
    page: dict[str, Any] = {"kind": "calendar#calendarList", "items": items}
    return page | ({"nextPageToken": f"p{start + size}"} if start + size < len(mine) else {})


def _place(token: str, count: int) -> int:
    if not (token[:1] == "p" and token[1:].isdecimal() and int(token[1:]) <= count):
        raise invalid("Invalid value for: pageToken", "pageToken")
    return int(token[1:])
