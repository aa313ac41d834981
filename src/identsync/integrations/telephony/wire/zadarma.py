"""Zadarma: signed questions, a journal of legs in the account's own zone, three of them a minute (facts: telephony.md).

Live calls go by webhook alone: none here. A call is the legs of one ``pbx_call_id``; ``call_id`` is a recording's.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from identsync import errors
from identsync.flows.answer import Reply
from identsync.flows.flaw import Flaw
from identsync.flows.intake import Window
from identsync.flows.sending import Accepted, Lost, Refused, Verdict
from identsync.integrations.telephony.call import Audio, Call, Command, Exchange, Permit
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asking, asking_words, journal, journal_words, zadarma_calls
from identsync.integrations.telephony.wire import journal_read as read
from identsync.language import _
from identsync.spans import DAY_MS

ABILITIES = journal.able(journal_words.ZADARMA)
RATE = 100 / 60
WINDOW_MS = 30 * DAY_MS
STATISTICS, EACH_S = 3, 60.0  # questions about statistics that Zadarma bears, and in how many seconds
PAGE, MOST_PAGES = 1_000, 200
MONTH_MS = 28 * DAY_MS
ASKED = "%Y-%m-%d %H:%M:%S"
_RECENT: dict[str, deque[float]] = {}  # when each account's statistics were asked for, for all runs of this process


def open(line: Line, permit: Permit) -> Exchange:
    """Make the exchange; nothing is connected yet."""
    return Zadarma(line, permit)


class Zadarma(journal.Journal):
    """Zadarma as a PBX."""

    base = "https://api.zadarma.com"
    waits: Callable[[float], Awaitable[None]] = staticmethod(asyncio.sleep)

    def __init__(self, line: Line, permit: Permit) -> None:
        super().__init__(line, permit)
        self._ahead_min: int | None = None

    async def journal(self, window: Window) -> list[Any]:
        """Ask for every leg of the window, month by month, a thousand at a time."""
        ahead = await self._ahead()
        legs: list[Any] = []
        for start, end in journal.spans(window, MONTH_MS):
            period = {"start": read.spelled(start, ASKED, ahead), "end": read.spelled(end, ASKED, ahead)}
            legs += await self._legs(period)
        return [{"ahead_min": ahead, "legs": call} for call in journal.gathered(legs, zadarma_calls.call_of)]

    async def dial(self, command: Command) -> Verdict:
        """Order a callback: Zadarma calls the employee, then the other side. It repeats no token of ours."""
        fields = {"from": command.extension, "to": asking.digits(command.to)}
        if len(command.extension) in (3, 5):  # whose number is shown and whose statistics it is; no other is taken
            fields["sip"] = command.extension
        answer = await self._asked("/v1/request/callback/", fields)
        words = self.words(answer, "message")
        if not isinstance(answer, dict) or answer.get("status") not in ("success", "error"):
            return Lost(asking_words.ODD)
        if answer["status"] == "success":
            return Accepted("")
        if "balance" in words.lower() or "money" in words.lower():
            return Refused(asking_words.NO_MONEY, words)
        return Refused(asking_words.NOT_LIKED, words)

    def parse(self, raw: object) -> Call | list[Flaw]:
        """Return the call of its legs."""
        return zadarma_calls.call_from(raw, self.line.inside)

    async def recording(self, reference: str) -> Audio:
        """Ask for a link that serves for minutes, and fetch it at once, without our key."""
        asked = {"call_id": reference, "lifetime": "180"}
        told = await self._asked("/v1/pbx/record/request/", asked, (400, 404))
        answer = told if isinstance(told, dict) else {}
        links = answer.get("links")
        link = answer.get("link") or (links[0] if isinstance(links, list) and links else "")
        if not isinstance(link, str) or not link.startswith(("https://", "http://")):
            raise journal.no_recording(self.words(answer, "message"))
        return await self.audio(asking.safe_link(link, self.address))

    async def check(self) -> None:
        """Ask for the account's zone: that tries address, key and signature."""
        self._ahead_min = None
        await self._ahead()

    async def _ahead(self) -> int:
        """Return how many minutes the journal's clock is ahead of UTC: its times are in the account's zone."""
        if self._ahead_min is None:
            answer = self._told(await self._asked("/v1/info/timezone/", {}))
            here, there = read.moment(answer.get("unixtime")), read.moment(answer.get("datetime"))
            if here is None or there is None:
                raise errors.Unexpected(_("Zadarma не сказала, в каком поясе её время"))
            self._ahead_min = round((there - here) / 900_000) * 15
        return self._ahead_min

    async def _legs(self, period: Mapping[str, str]) -> list[Any]:
        legs: list[Any] = []
        for page in range(MOST_PAGES):
            await self._turn()
            paged = {**period, "version": "2", "skip": str(page * PAGE), "limit": str(PAGE)}
            rows = journal.listed(self._told(await self._asked("/v1/statistics/pbx/", paged)), "stats")
            legs += rows
            if len(rows) < PAGE:
                return legs
        raise journal.without_end()

    async def _turn(self) -> None:
        """Wait until another question about statistics is allowed: a fourth within a minute is refused."""
        recent = _RECENT.setdefault(self.line.user or "", deque(maxlen=STATISTICS))
        if len(recent) == STATISTICS and (wait := recent[0] + EACH_S - time.monotonic()) > 0:
            await self.waits(wait)
        recent.append(time.monotonic())

    async def _asked(self, path: str, fields: Mapping[str, str], passing: tuple[int, ...] = (400,)) -> Any:
        query = spelled(fields)
        header = {"Authorization": f"{self.line.user}:{signature(path, query, self.key)}"}
        url = f"{self.address}{path}"
        reply = await self.reply("GET", f"{url}?{query}" if query else url, header, passing=passing)
        return _decoded(reply)

    def _told(self, answer: Any) -> dict[str, Any]:
        """Return an answer that is a success; raises what any other is."""
        if isinstance(answer, dict) and answer.get("status") == "success":
            return answer
        raise journal.not_liked(self.words(answer, "message"))


def spelled(fields: Mapping[str, str]) -> str:
    """Return a query as PHP's http_build_query spells it (RFC 1738), sorted by name: what is signed is what is sent."""
    return urlencode(sorted(fields.items())).replace("~", "%7E")


def signature(path: str, query: str, key: str) -> str:
    """Return base64 of the HEX of HMAC-SHA1: base64 of its bytes is the common mistake and is answered by 401."""
    asked = f"{path}{query}{hashlib.md5(query.encode(), usedforsecurity=False).hexdigest()}"
    return base64.b64encode(hmac.new(key.encode(), asked.encode(), "sha1").hexdigest().encode()).decode()


def _decoded(reply: Reply) -> Any:
    """Decode with every digit: an id such as 1439981389.270270 loses its last one as a float."""
    try:
        return json.loads(reply.body.decode("utf-8-sig", "replace"), parse_float=str)
    except (ValueError, RecursionError):
        raise asking.nonsense("HTML" if reply.html else len(reply.body)) from None
