"""Beeline cloud PBX: a row for each phone that rang, no id of a call, recordings listed apart (facts: telephony.md).

Live calls need a subscription that calls in: none here. Rows of one number and direction whose times touch are one
call; its key is made of the first of them, so more than the window is read and only what began in it is told.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from identsync import errors
from identsync.flows.flaw import Flaw
from identsync.flows.intake import Window
from identsync.flows.sending import Accepted, Lost, Refused, Verdict
from identsync.integrations.telephony.call import Audio, Call, Command, Exchange, Permit
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asking, asking_words, beeline_calls, journal, journal_words
from identsync.integrations.telephony.wire import journal_read as read
from identsync.integrations.telephony.wire.asking_read import text
from identsync.spans import DAY_MS

ABILITIES = journal.able(journal_words.BEELINE)
RATE = 2.0
WINDOW_MS = 30 * DAY_MS
PAGE, MOST_PAGES = 100, 2_000


def open(line: Line, permit: Permit) -> Exchange:
    """Make the exchange; nothing is connected yet."""
    return Beeline(line, permit)


class Beeline(journal.Journal):
    """Beeline cloud PBX as a PBX."""

    base = "https://cloudpbx.beeline.ru/apis/portal"

    async def journal(self, window: Window) -> list[Any]:
        """Ask for the rows of the window and for recordings."""
        rows: list[Any] = []
        records: list[Any] = []
        for start, end in journal.spans(window, WINDOW_MS):
            period = {"dateFrom": read.spelled(start, read.ISO), "dateTo": read.spelled(end, read.ISO)}
            rows += await self._rows(period)
            records += await self._records(period)
        return list(beeline_calls.together(rows, records))

    async def dial(self, command: Command) -> Verdict:
        """Order a call: the employee's phone rings first. The number goes both ways in which clients give it."""
        fields = {"phoneNumber": asking.digits(command.to)}
        url = f"{self.address}/v2/abonents/{quote(command.extension, safe='')}/call?{urlencode(fields)}"
        headers = self._headers | {"Content-Type": asking.JSON}
        reply = await self.reply("POST", url, headers, orjson.dumps(fields))
        if reply.status == 404:
            return Refused(asking_words.NO_EXTENSION)
        is_plain = reply.status >= 400 or reply.body.lstrip()[:1] not in (b"{", b"<")
        answer = self.told(reply) if is_plain else self.decoded(reply)
        words = self.words(answer, "description", "errorCode", "message")
        if reply.status >= 400:
            return Refused(asking_words.NOT_LIKED, words)
        if isinstance(answer, dict) and (answer.get("errorCode") or answer.get("error")):
            return Lost(asking_words.ODD, words)
        return Accepted(text(answer, "externalTrackingId", "callId") if isinstance(answer, dict) else "")

    def parse(self, raw: object) -> Call | list[Flaw]:
        """Return the call of its rows."""
        return beeline_calls.call_from(raw, self.line.inside)

    async def recording(self, reference: str) -> Audio:
        """Fetch a recording by its id, or by the call's id and the employee's."""
        where = "/".join(quote(part, safe="") for part in reference.split("/")[:2])
        return await self.audio(f"{self.address}/v2/records/{where}/download", self._headers)

    async def check(self) -> None:
        """Ask for the employees."""
        journal.listed(await self.get("/abonents", None, self._headers))

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-MPBX-API-AUTH-TOKEN": self.key}

    async def _rows(self, period: Mapping[str, str]) -> list[Any]:
        rows: list[Any] = []
        for page in range(MOST_PAGES):
            asked = {**period, "page": str(page), "pageSize": str(PAGE)}
            here = journal.listed(await self.get("/v2/statistics", asked, self._headers))
            rows += here
            if len(here) < PAGE:
                return rows
        raise journal.without_end()

    async def _records(self, period: Mapping[str, str]) -> list[Any]:
        """Ask for recordings, each page after the id that ended the last; no access to them costs no call."""
        records: list[Any] = []
        after: dict[str, str] = {}
        for _page in range(MOST_PAGES):
            try:
                here = journal.listed(await self.get("/records", {**period, **after}, self._headers))
            except (errors.Refused, errors.Unexpected):
                return records
            last = text(here[-1], "id") if here and isinstance(here[-1], dict) else ""
            records += here
            if len(here) < PAGE or not last or after.get("id") == last:
                return records
            after = {"id": last}
        raise journal.without_end()
