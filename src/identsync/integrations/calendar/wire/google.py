"""One doctor's calendar in Google Calendar v3, over plain HTTP (source: facts/calendar.md A8, Google's v3 reference).

The calendar is one of our own making (scope ``calendar.app.created``): the doctor's private events stay out of sight,
and nothing in it has to be filtered, which a ``syncToken`` would not allow.

====================  ====================================================================================
question              requests
====================  ====================================================================================
put, new              POST events with our id: a second one with the same id is a 409, never a double
put, changed          PUT with If-Match; revives a tombstone, whose id can never be inserted again. Refused: a GET
                      tells a tombstone that may not be touched from an account that may not write
remove                DELETE with If-Match
changes               GET events with syncToken, a page of 2,500 a request; ids and etags only
fetch                 one name: GET. Up to 20: one batch, each part counts. More: GET events, 1,000 a request
====================  ====================================================================================
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import orjson

from identsync.errors import Limited, Refused, Unavailable, Unexpected
from identsync.integrations.calendar.event import (
    Answer,
    Changes,
    Conflict,
    Event,
    Found,
    Heard,
    Missing,
    Name,
    Unwanted,
    Written,
    unheard,
)
from identsync.integrations.calendar.wire import google_answer as told
from identsync.integrations.calendar.wire import google_batch as batch
from identsync.integrations.calendar.wire.google_event import found, id_of, name_of, spelled
from identsync.integrations.calendar.wire.google_pages import Pages, changes
from identsync.language import _

if TYPE_CHECKING:
    from identsync.flows.answer import Reply
    from identsync.flows.http import Http

ROOT = "https://www.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/calendar.app.created"
BATCH = 20  # names a batch asks for; for more the whole calendar is read, which costs one request for 1,000 events
PAGE = 2500
_FULL_PAGE = 1000
_V3 = "/calendar/v3"
_BATCH = "/batch/calendar/v3"
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_ROWS = "nextPageToken,nextSyncToken,items(id,etag,status)"

Permit = Callable[[], Awaitable[None]]


class Tokens(Protocol):
    """Who has the access token: ``google_access.Access``."""

    async def token(self) -> str:
        """Return a token that is good for now."""
        ...

    async def renewed(self, refused: str) -> str:
        """Return another token than the one that was refused."""
        ...


@dataclass(frozen=True, slots=True)
class Google:
    """An account of Google: requests with its token, each after a ``permit``; makes and deletes calendars."""

    http: "Http"
    access: Tokens
    permit: Permit
    root: str = ROOT
    deadline: float = 45.0  # seconds for one request
    heard: Heard = unheard

    async def make_calendar(self, title: str, zone: str, mark: str = "") -> str:
        """Make a calendar in the time zone ``zone`` (IANA) and return its id; not idempotent, so never repeated here.

        Its description ends in ``mark``, by which google_making finds it again.
        """
        body = orjson.dumps({"summary": title, "timeZone": zone} | ({"description": mark} if mark else {}))
        reply = await self.ask("POST", f"{_V3}/calendars", body=body)
        if reply.status != 200:
            raise told.error_of(reply)
        identity = told.json_of(reply).get("id")
        if not isinstance(identity, str) or not identity:
            raise Unexpected(_("Google не назвал созданный календарь"))
        return identity

    async def delete_calendar(self, identity: str) -> bool:
        """Delete a calendar with all that is in it; False where there was none."""
        reply = await self.ask("DELETE", f"{_V3}/calendars/{quote(identity, safe='')}")
        if reply.status in {404, 410}:
            return False
        if reply.status != 204:
            raise told.error_of(reply)
        return True

    def calendar(self, identity: str) -> "GoogleCalendar":
        """Return the calendar of that id; nothing is asked yet."""
        return GoogleCalendar(self, identity)

    async def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> "Reply":
        """Send one request; once more, with a new token, where the token was refused: then nothing has been done."""
        await self.permit()
        token = await self._told(self.access.token())
        reply = await self._send(token, method, target, headers, body)
        if reply.status == 401:
            await self.permit()
            token = await self._told(self.access.renewed(token))
            reply = await self._send(token, method, target, headers, body)
        await self.hear(reply)
        return reply

    async def hear(self, reply: "Reply") -> None:
        """Tell what concerns the whole account: a token that is refused although it is new, a pace that is too fast."""
        if reply.status in {401, 403, 429}:
            error = told.error_of(reply)
            if reply.status == 401 or isinstance(error, Limited):
                await self.heard(error)

    async def _told(self, token: Awaitable[str]) -> str:
        try:
            return await token
        except (Refused, Limited) as error:
            await self.heard(error)
            raise

    async def _send(
        self, token: str, method: str, target: str, headers: Mapping[str, str] | None, body: bytes
    ) -> "Reply":
        headers = {"Authorization": f"Bearer {token}", **(_JSON if body else {}), **(headers or {})}
        try:
            return await self.http.ask(
                method, self.root + target, headers, body, passing=told.PASSING, deadline=self.deadline
            )
        except Unavailable as error:
            await self.heard(error)
            raise


class GoogleCalendar:
    """The ``Calendar`` of event.py over one Google calendar."""

    def __init__(self, google: Google, identity: str) -> None:
        self._google = google
        self._events = f"{_V3}/calendars/{quote(identity, safe='')}/events"

    async def put(self, name: Name, event: Event, etag: str | None) -> Answer:
        """Insert (``etag`` None) or update; 409 and 412 are Conflict, 404 of an update is Missing."""
        body = orjson.dumps({"id": id_of(name), **spelled(event)})
        if etag is not None:
            return await self._update(name, etag, body)
        reply = await self._google.ask("POST", self._events, body=body)
        if reply.status in {404, 410}:
            raise told.no_calendar()  # there is nowhere to put it
        return _written(reply)

    async def remove(self, name: Name, etag: str | None) -> Answer:
        """Delete; what is deleted already is Missing."""
        return _removed(await self._google.ask("DELETE", self._one(name), {} if etag is None else {"If-Match": etag}))

    async def get(self, name: Name) -> Found | None:
        """Read one; a deleted one is Found(cancelled=True) as long as Google keeps its tombstone."""
        return _read(await self._google.ask("GET", self._one(name)))

    async def fetch(self, names: Sequence[Name]) -> Mapping[Name, Found]:
        """Read many, tombstones included, in the way that costs the fewest requests of the quota."""
        wanted = list(dict.fromkeys(names))
        if len(wanted) > BATCH:
            return await self._from_the_list(set(wanted))
        there = [await self.get(wanted[0])] if len(wanted) == 1 else await self._batch(wanted)
        return {name: one for name, one in zip(wanted, there, strict=True) if one is not None}

    async def changes(self, token: str | None) -> Changes:
        """Tell what changed; a token that is refused (410, 400) means a whole list, never "everything was deleted"."""
        if token is not None and (delta := await self._listed(token)) is not None:
            return delta
        whole = await self._listed(None)
        if whole is None:
            raise told.half()
        return whole

    async def _update(self, name: Name, etag: str, body: bytes) -> Answer:
        reply = await self._google.ask("PUT", self._one(name), {"If-Match": etag}, body)
        try:
            return _written(reply)
        except Refused:
            if (there := await self.get(name)) is not None and there.cancelled:
                return Unwanted(told.unwanted(reply))  # it is only this tombstone that is not to be revived
            raise

    async def _batch(self, names: list[Name]) -> list[Found | None]:
        if not names:
            return []
        replies, token = await self._parts(names), await self._google.access.token()
        if any(reply.status == 401 for reply in replies):  # the envelope was taken, its parts were refused
            await self._google.access.renewed(token)
            replies = await self._parts(names)
        for reply in replies:
            await self._google.hear(reply)
        return [_read(reply) for reply in replies]

    async def _parts(self, names: list[Name]) -> "list[Reply]":
        for _part in names[1:]:  # each counts against the quota; the request itself awaits one more
            await self._google.permit()
        headers = {"Content-Type": batch.CONTENT_TYPE}
        reply = await self._google.ask("POST", _BATCH, headers, batch.packed([self._one(name) for name in names]))
        if reply.status != 200:
            raise told.error_of(reply)
        return batch.unpacked(reply, len(names))

    async def _from_the_list(self, wanted: set[Name]) -> dict[Name, Found]:
        there: dict[Name, Found] = {}
        query = {"showDeleted": "true", "maxResults": str(_FULL_PAGE)}
        pages = Pages(self._google, self._events, query)
        while len(there) < len(wanted) and (rows := await pages.next()) is not None:
            for row in rows:
                if (name := name_of(row.get("id"))) in wanted and name is not None:
                    there[name] = found(row)
        if pages.refused:
            raise told.half()
        return there

    async def _listed(self, token: str | None) -> Changes | None:
        """Read all pages; None where the token, or a page's, is no longer known."""
        query = {"maxResults": str(PAGE), "fields": _ROWS} | ({} if token is None else {"syncToken": token})
        pages = Pages(self._google, self._events, query)
        rows: dict[str, Any] = {}
        while (page := await pages.next()) is not None:
            rows |= {
                str(row.get("id")): row for row in page
            }  # a row that changed meanwhile comes again: the last counts
        return None if pages.refused else changes(rows.values(), pages.sync_token, whole=token is None)

    def _one(self, name: Name) -> str:
        return f"{self._events}/{id_of(name)}"


def _written(reply: "Reply") -> Answer:
    if reply.status in {200, 201}:
        etag = told.json_of(reply).get("etag")
        return Written(etag if isinstance(etag, str) else None)
    if reply.status in {409, 412}:
        return Conflict()
    if reply.status in {404, 410}:
        return Missing()
    if told.about_the_event(reply):
        return Unwanted(told.unwanted(reply))
    raise told.error_of(reply)


def _removed(reply: "Reply") -> Answer:
    if reply.status == 204:
        return Written(None)
    if reply.status in {404, 410}:
        return Missing()
    if reply.status in {409, 412}:
        return Conflict()
    raise told.error_of(reply)  # a 200 with a page of a portal is no receipt


def _read(reply: "Reply") -> Found | None:
    if reply.status in {404, 410}:
        return None
    if reply.status != 200:
        raise told.error_of(reply)
    return found(told.json_of(reply))
