"""A calendar over CalDAV (RFC 4791, 6578), as servers really are (facts/calendar.md, A2 and A3).

What is asked of a server is only what all of them can do. ``If-Match: *`` is never sent (iCloud has it backwards), nor
DAV:limit (Nextcloud cuts the answer and gives the newest token). A weak ETag cannot be matched (RFC 9110, 13.1.1):
what has one is written without a precondition, the clinic being right anyway.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit
from xml.sax.saxutils import escape

from identsync.errors import Unavailable
from identsync.flows.answer import retry_after
from identsync.integrations.calendar.event import (
    Answer,
    Barred,
    Changes,
    Conflict,
    Event,
    Found,
    Missing,
    Name,
    NoCalendar,
    Unwanted,
    Written,
)
from identsync.integrations.calendar.wire import ical
from identsync.integrations.calendar.wire.dav import (
    DAV,
    Dav,
    Multistatus,
    Row,
    host_of,
    located,
    multistatus,
    path_of,
    preconditions,
    reason,
    unexpected,
)
from identsync.integrations.calendar.wire.listing import Listing, etag_of, found_in, is_collection, name_of
from identsync.language import keyed as _

if TYPE_CHECKING:
    from identsync.flows.answer import Reply

PORTION = 100  # hrefs in a multiget; servers refuse thousands
_PAGES = 50  # of a delta that the server cuts itself
_ICS = "text/calendar; charset=utf-8"
_AS_IT_IS = {"Accept-Encoding": "identity"}  # who compresses an answer weakens its ETag (Cyrus, nginx)

_OF_A_WRITE = frozenset({400, 403, 404, 405, 409, 410, 412, 413, 414, 415, 422, 423, 424, 507})
_NOT_NOW = frozenset({423, 424, 507})  # RFC 4918, 11: locked, and storage that is full for the time being
_NOWHERE = frozenset(
    {403, 405, 409}
)  # to a PUT where there is no calendar: Cyrus, DAViCal, all others (RFC 4918, 9.7.1)
_NO_MATTER = frozenset({400, 413, 414, 415, 422})
# A server that refuses a token says so with any of these; none of them ever means that everything is gone.
_ABOUT_THE_TOKEN = frozenset({400, 403, 404, 405, 409, 410, 412, 413, 415, 422, 500, 501, 507})
_RIGHTS = frozenset({"need-privileges", "cannot-modify-protected-property"})
_TAKEN = frozenset({"no-uid-conflict", "unique-scheduling-object-resource"})  # Cyrus: once in an account (RFC 6638)

_NS = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
_DELTA = (
    f"<D:sync-collection {_NS}><D:sync-token>%s</D:sync-token><D:sync-level>1</D:sync-level>"
    "<D:prop><D:getetag/></D:prop></D:sync-collection>"
)
_LIST = f"<D:propfind {_NS}><D:prop><D:resourcetype/><D:getetag/><D:sync-token/></D:prop></D:propfind>"
_QUERY = (
    f"<C:calendar-query {_NS}><D:prop><D:getetag/></D:prop><C:filter>"
    '<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter></C:calendar-query>'
)
_GET = f"<C:calendar-multiget {_NS}><D:prop><D:getetag/><C:calendar-data/></D:prop>%s</C:calendar-multiget>"


class CalDav:
    """The calendar at ``url`` (absolute, as the server lists it), through an account."""

    def __init__(self, dav: Dav, url: str) -> None:
        self._dav = dav
        self.url = url.rstrip("/") + "/"

    async def put(self, name: Name, event: Event, etag: str | None) -> Answer:
        """Create or change one; see :class:`Calendar`."""
        headers = {"Content-Type": _ICS} | ({"If-None-Match": "*"} if etag is None else _matching(etag))
        url = self._at(name)
        reply = await self._dav.ask("PUT", url, headers, ical.dump(name, event), passing=_OF_A_WRITE)
        if reply.status in _NOWHERE and not preconditions(reply):
            await self._still_there()  # each of them has other meanings too
        if reply.status in {404, 410} and etag is None:
            await self._still_there()  # SOGo and iCloud say so of a body that they do not take
            return Unwanted(reason(reply))
        return self._answer("PUT", url, reply)

    async def remove(self, name: Name, etag: str | None) -> Answer:
        """Delete one; see :class:`Calendar`."""
        url = self._at(name)
        reply = await self._dav.ask("DELETE", url, _matching(etag), passing=_OF_A_WRITE)
        if reply.status in {404, 410}:
            await self._still_there()  # what a proxy does not find is not what was deleted
        answer = self._answer("DELETE", url, reply)
        return Written(None) if isinstance(answer, Written) else answer

    async def get(self, name: Name) -> Found | None:
        """Read one; see :class:`Calendar`."""
        url = self._at(name)
        reply = await self._dav.ask("GET", url, _AS_IT_IS, passing={404, 410})
        if reply.status in {404, 410}:
            return None
        if reply.status != 200 or _page(reply):
            raise unexpected("GET", url, _("вместо ответа календаря пришла веб-страница"), reply)
        return Found(etag_of(reply.headers.get("etag")), ical.parse(reply.body))

    async def fetch(self, names: Sequence[Name]) -> Mapping[Name, Found]:
        """Read many; see :class:`Calendar`. What is there but cannot be read is Found without an event."""
        wanted = list(dict.fromkeys(names))
        found: dict[Name, Found] = {}
        for start in range(0, len(wanted), PORTION):
            found |= await self._portion(wanted[start : start + PORTION])
        return found

    async def changes(self, token: str | None) -> Changes:
        """Tell what changed; see :class:`Calendar`."""
        delta = None if token is None else await self._delta(token)
        return await self._whole() if delta is None else delta

    # -- reading -------------------------------------------------------------------------------------------------

    async def _portion(self, names: Sequence[Name]) -> dict[Name, Found]:
        hrefs = "".join(f"<D:href>{escape(self._path(name))}</D:href>" for name in names)
        reply = await self._dav.ask_xml("REPORT", self.url, 1, _GET % hrefs, passing={403, 404, 410, 413, 507})
        if reply.status in {404, 410}:
            raise await self._gone(reply)
        if reply.status in {200, 207}:
            answer = multistatus("REPORT", self.url, reply)
            if not answer.rows:
                await self._still_there()  # DAViCal says nothing of what is missing, be it the calendar
            return found_in(answer, frozenset(names))
        if len(names) == 1:
            alone = await self.get(names[0])
            return {} if alone is None else {names[0]: alone}
        half = len(names) // 2  # more than this server takes at once
        return await self._portion(names[:half]) | await self._portion(names[half:])

    async def _delta(self, token: str) -> Changes | None:
        """Ask for what changed since; None where the server does not know the token, or cannot say."""
        listing = Listing(path_of(self.url))
        for _page_number in range(_PAGES):
            body = _DELTA % escape(token)
            reply = await self._dav.ask_xml("REPORT", self.url, 0, body, passing=_ABOUT_THE_TOKEN)
            if reply.status in _ABOUT_THE_TOKEN:
                return None
            answer = multistatus("REPORT", self.url, reply)
            if answer.token is None or self._denied(answer) is not None:
                return None
            listing.add(answer)
            if not self._cut(answer):
                return listing.changes(answer.token, whole=False)
            if answer.token == token:
                return None
            token = answer.token
        return None

    async def _whole(self) -> Changes:
        reply = await self._dav.ask_xml("PROPFIND", self.url, 1, _LIST, passing={404, 410, 413, 507})
        if reply.status in {404, 410}:
            raise await self._gone(reply)
        if reply.status in {413, 507}:
            return await self._query()
        answer = multistatus("PROPFIND", self.url, reply)
        if self._denied(answer) in {404, 410}:
            raise await self._gone(reply)
        if self._cut(answer):
            return await self._query()
        itself = [row for row in answer.rows if self._itself(row) and row.status in {None, 200}]
        if not itself:  # a true listing holds the calendar, even one that is empty
            raise unexpected("PROPFIND", self.url, _("в списке нет самого календаря: ответу нельзя верить"), reply)
        listing = Listing(path_of(self.url))
        listing.add(answer)
        return listing.changes(itself[0].text(f"{DAV}sync-token"), whole=True)

    async def _query(self) -> Changes:
        """List by another question, for servers that find the usual one too large; no time-range: it is the whole."""
        reply = await self._dav.ask_xml("REPORT", self.url, 1, _QUERY)
        answer = multistatus("REPORT", self.url, reply)
        if self._cut(answer) or self._denied(answer) is not None:
            raise unexpected("REPORT", self.url, _("сервер не отдаёт список календаря целиком"), reply)
        listing = Listing(path_of(self.url))
        listing.add(answer)
        return listing.changes(None, whole=True, only_events=True)

    def _cut(self, answer: Multistatus) -> bool:
        """Say whether the server cut its answer: a 507 for the collection in it (RFC 6578, 3.6)."""
        return any(row.status == 507 for row in answer.rows)

    def _denied(self, answer: Multistatus) -> int | None:
        """Return what stands for the calendar itself instead of properties: Xandikos says 404 so, within a 207."""
        others = (row for row in answer.rows if row.status not in {None, 200, 507})
        return next((row.status for row in others if row.path == path_of(self.url)), None)

    async def _still_there(self) -> None:
        if (reply := await self._dav.absent(self.url)) is not None:
            raise await self._gone(reply)

    async def _gone(self, reply: "Reply") -> NoCalendar | Unavailable:
        """Return the error of a calendar that is not there; only who still knows its home may say so, no proxy."""
        home = await self._dav.ask_xml("PROPFIND", urljoin(self.url, ".."), 0, _LIST, passing={403, 404, 405, 410})
        if home.status != 207:
            words = _(
                "сервер не находит ни календаря, ни папки, в которой он лежит: похоже, отвечает не он. Если сервер "
                "сменили: identsync calendar connect"
            )
            return Unavailable(located("PROPFIND", self.url, words), sent=False, raw=reply.text)
        hint = _("Подключите календарь заново: identsync calendar connect.")
        words = _("{where}: {what}", where=host_of(self.url), what=_("этого календаря на сервере больше нет (404)"))
        return NoCalendar(words, hint=hint, raw=reply.text)

    def _itself(self, row: Row) -> bool:
        if f"{DAV}resourcetype" in row.properties:
            return is_collection(row)
        return name_of(row.href) is None and row.path == path_of(self.url)

    # -- writing -------------------------------------------------------------------------------------------------

    def _at(self, name: Name) -> str:
        return f"{self.url}{name}.ics"

    def _path(self, name: Name) -> str:
        return quote(urlsplit(self._at(name)).path, safe="/%@:!$&'()*+,;=~")

    def _answer(self, method: str, url: str, reply: "Reply") -> Answer:
        status = reply.status
        if status in {200, 201, 204}:
            if status == 200 and _page(reply):
                raise unexpected(method, url, _("вместо ответа календаря пришла веб-страница"), reply)
            return Written(etag_of(reply.headers.get("etag")))
        if status in _NOT_NOW:
            words = _("сервер сейчас не может этого записать ({status})", status=status)
            after = retry_after(reply.headers)
            raise Unavailable(located(method, url, words), sent=False, after_ms=after, raw=reply.text)
        if status in {404, 410}:
            return Missing()
        if status in {409, 412}:
            return Conflict()
        if status in _NO_MATTER:
            return Unwanted(reason(reply))
        if status == 403:
            return self._forbidden(method, url, reply)
        raise unexpected(method, url, _("ответ {status} вместо 201 или 204", status=status), reply)

    def _forbidden(self, method: str, url: str, reply: "Reply") -> Answer:
        """Tell a body that is not liked from a right that is missing: both are 403."""
        why = preconditions(reply)
        if _TAKEN & why:
            return Conflict()
        if not why or why & _RIGHTS:
            hint = _("Дайте учётной записи право менять этот календарь или подключите другой.")
            words = located(method, url, _("записывать в этот календарь не разрешено (403)"))
            raise Barred(words, hint=hint, raw=reply.text)
        return Unwanted(reason(reply))


def _matching(etag: str | None) -> dict[str, str]:
    return {} if etag is None or etag.startswith("W/") else {"If-Match": etag}


def _page(reply: "Reply") -> bool:
    return reply.text[:64].lower().startswith(("<!doctype html", "<html"))
