"""Lists of Google Calendar, page by page, and what their rows tell."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from identsync.errors import Unexpected
from identsync.integrations.calendar.event import Changes, Name
from identsync.integrations.calendar.wire import google_answer as told
from identsync.integrations.calendar.wire.google_event import name_of
from identsync.language import _

if TYPE_CHECKING:
    from identsync.integrations.calendar.wire.google import Google

PAGES = 200  # of one list: more means that it does not end


class Pages:
    """The pages of a list, one request each; ``refused`` where Google no longer knows a token."""

    def __init__(self, google: "Google", path: str, query: dict[str, str]) -> None:
        self._google = google
        self._path = path
        self._query = query
        self._left = PAGES
        self.refused = False
        self.sync_token: str | None = None

    async def next(self) -> list[dict[str, Any]] | None:
        """Return the rows of the next page; None after the last, and where a token is refused."""
        if self._left == 0 or self.refused:
            return None
        reply = await self._google.ask("GET", f"{self._path}?{urlencode(self._query)}")
        if reply.status in {400, 410} and ("syncToken" in self._query or "pageToken" in self._query):
            self.refused = True
            return None
        if reply.status == 404:
            raise told.no_calendar()
        if reply.status != 200:
            raise told.error_of(reply)
        return self._page(told.json_of(reply))

    def _page(self, page: dict[str, Any]) -> list[dict[str, Any]]:
        following, sync = page.get("nextPageToken"), page.get("nextSyncToken")
        self._left = self._left - 1 if isinstance(following, str) else 0
        if isinstance(following, str):
            if following == self._query.get("pageToken") or self._left == 0:
                raise Unexpected(_("список событий Google не кончается"))
            self._query["pageToken"] = following
        self.sync_token = sync if isinstance(sync, str) else None
        rows = page.get("items", [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Unexpected(_("список событий Google не читается"))
        return rows


def changes(rows: Any, token: str | None, *, whole: bool) -> Changes:
    """Sort rows of events: what of ours is there, what is gone, and how much is not ours."""
    there: dict[Name, str | None] = {}
    gone: list[Name] = []
    foreign = 0
    for row in rows:
        name, deleted = name_of(row.get("id")), row.get("status") == "cancelled"
        if name is None:
            foreign += not deleted
        elif deleted:
            gone.append(name)
        else:
            there[name] = row.get("etag")
    return Changes(token, there, () if whole else gone, whole, foreign)
