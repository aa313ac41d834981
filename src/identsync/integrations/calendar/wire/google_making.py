"""Finding a calendar again that was made before its answer was lost: Google takes no name of ours for one.

Its description ends in a mark. To read the list of calendars takes a right of its own (``LIST``), which is not asked
for by ourselves: it would show how a doctor has called his private ones. Where a clinic's own account has given it, no
calendar is ever made twice; elsewhere a lost answer may leave an empty one behind, and the run says so.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from identsync.errors import Unavailable, Unexpected
from identsync.integrations.calendar.wire import google_answer as told
from identsync.language import _

if TYPE_CHECKING:
    from identsync.integrations.calendar.wire.google import Google

LIST = "https://www.googleapis.com/auth/calendar.calendarlist.readonly"
_TARGET = "/calendar/v3/users/me/calendarList"
_QUERY = {"minAccessRole": "owner", "showHidden": "true", "maxResults": "250"}
_PAGES = 100


async def make(google: "Google", doctor: int, title: str, zone: str, mark: str) -> str:
    """Return the id of the account's calendar of that mark, made now if need be; see Google.make_calendar."""
    if (there := await found_again(google, mark)) is not None:
        return there
    try:
        return await google.make_calendar(title, zone, mark)
    except (Unavailable, Unexpected) as error:
        if isinstance(error, Unavailable) and not error.sent:
            raise
        words = _("врач {doctor}: ответ Google потерян, лишний пустой календарь мог остаться у него", doctor=doctor)
        raise Unavailable(f"{words}: {error}", after_ms=getattr(error, "after_ms", None), raw=error.raw) from error


async def found_again(google: "Google", mark: str) -> str | None:
    """Return the id of the account's calendar of that mark; None where there is none, or the list is not for us."""
    query = dict(_QUERY)
    for _page in range(_PAGES):
        reply = await google.ask("GET", f"{_TARGET}?{urlencode(query)}")
        if reply.status == 403 and told.trouble(reply).is_one_of(told.NO_RIGHT):
            return None
        if reply.status != 200:
            raise told.error_of(reply)
        page = told.json_of(reply)
        if (identity := _of_mark(page.get("items"), mark)) is not None:
            return identity
        following = page.get("nextPageToken")
        if not isinstance(following, str):
            return None
        query["pageToken"] = following
    raise Unexpected(_("список календарей Google не кончается"))


def _of_mark(rows: Any, mark: str) -> str | None:
    """The smallest id, where there are several: every run must come to the same one."""
    known: Sequence[Any] = rows if isinstance(rows, list) else []
    ids = [row.get("id") for row in known if isinstance(row, dict) and _ends(row.get("description"), mark)]
    return min((one for one in ids if isinstance(one, str) and one), default=None)


def _ends(description: object, mark: str) -> bool:
    return isinstance(description, str) and description.split()[-1:] == [mark]
