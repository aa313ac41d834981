"""МТС Exolve: JSON with a bearer's key, a journal of calls, a call back between two numbers (facts: telephony.md).

What a row of the journal says is only partly documented (two editions differ): names and units are read tolerantly.
Employees are numbers or SIP ids here. A call back needs a resource of the cabinet: its id is ``user`` of the line.
"""

from typing import Any

import orjson

from identsync.flows.flaw import Flaw
from identsync.flows.intake import Window
from identsync.flows.sending import Accepted, Lost, Refused, Verdict
from identsync.integrations.telephony.call import Audio, Call, Command, Exchange, Permit
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asking, asking_words, exolve_calls, journal, journal_words
from identsync.integrations.telephony.wire import journal_read as read
from identsync.integrations.telephony.wire.asking_read import text
from identsync.spans import DAY_MS

ABILITIES = journal.able(journal_words.EXOLVE)
RATE = 4.0
WINDOW_MS = 30 * DAY_MS
PAGE, MOST_PAGES = 500, 400
HISTORY = "/statistics/call-history/v1/GetList"


def open(line: Line, permit: Permit) -> Exchange:
    """Make the exchange; nothing is connected yet."""
    return Exolve(line, permit)


class Exolve(journal.Journal):
    """МТС Exolve as a PBX."""

    base = "https://api.exolve.ru"

    async def journal(self, window: Window) -> list[Any]:
        """Ask for the rows of the window, page by page."""
        rows: list[Any] = []
        for start, end in journal.spans(window, WINDOW_MS):
            rows += await self._rows(start, end)
        return journal.gathered(rows, exolve_calls.id_of)

    async def dial(self, command: Command) -> Verdict:
        """Order a call back: the employee's number is called first, then the other side; both see our number."""
        ours, resource = asking.digits(self.line.number), asking.digits(self.line.user or "")
        if not ours or not resource:
            return Refused(journal_words.NO_RESOURCE)
        ring_s = self.line.ring // 1_000
        body = {
            "request_description": command.token,
            "number_code": int(ours),
            "callback_resource_id": int(resource),
            "line_1": _side(asking.digits(command.extension), ours, ring_s),
            "line_2": _side(asking.digits(command.to), ours, ring_s),
        }
        headers = self._headers | {"Content-Type": asking.JSON}
        reply = await self.reply("POST", f"{self.address}/call/v1/MakeCallback", headers, orjson.dumps(body))
        if reply.status >= 400:
            return _refused(self.words(self.told(reply), "error", "message", "details"))
        answer = asking.object_of(self.decoded(reply))
        if called := text(answer, "call_id", "callback_id", "call_sid", "id"):
            return Accepted(called)
        if words := self.words(answer, "error"):
            return _refused(words)
        return Lost(asking_words.ODD, self.words(answer, "message", "details"))

    def parse(self, raw: object) -> Call | list[Flaw]:
        """Return the call of its rows."""
        return exolve_calls.call_from(raw, asking.digits(self.line.number), self.line.inside)

    async def recording(self, reference: str) -> Audio:
        """Fetch a recording by the call's id."""
        return await self.audio(f"{self.address}/statistics/download/{asking.digits(reference)}", self._headers)

    async def check(self) -> None:
        """Ask for one call of the last day."""
        now = journal.now_ms()
        await self._page(now - DAY_MS, now, 0, 1)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    async def _rows(self, start: int, end: int) -> list[Any]:
        rows: list[Any] = []
        for _number in range(MOST_PAGES):
            here = await self._page(start, end, len(rows), PAGE)
            rows += here
            if len(here) < PAGE:
                return rows
        raise journal.without_end()

    async def _page(self, start: int, end: int, offset: int, limit: int) -> list[Any]:
        period = {"date_from": read.spelled(start, read.ISO), "date_to": read.spelled(end, read.ISO)}
        answer = await self.json(HISTORY, {**period, "limit": limit, "offset": offset}, self._headers)
        if isinstance(answer, dict) and answer.get("error"):
            raise journal.not_liked(self.words(answer, "error"))
        return [] if answer == {} else journal.listed(answer, "calls", "call_history", "list")


def _side(number: str, ours: str, ring_s: int) -> dict[str, Any]:
    return {"destinations": [{"number": number, "timeout": ring_s}], "display_number": ours}


def _refused(words: str) -> Refused:
    said = words.lower()
    if any(word in said for word in ("balance", "fund", "money")):
        return Refused(asking_words.NO_MONEY, words)
    if "line_1" in said:
        return Refused(asking_words.NO_EXTENSION, words)
    return Refused(asking_words.BAD_NUMBER if "line_2" in said else asking_words.NOT_LIKED, words)
