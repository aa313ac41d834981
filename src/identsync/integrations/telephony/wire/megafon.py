"""Megafon VATS: a journal that knows no pages, employees by login, recordings by link (facts: telephony.md).

Live calls go by webhook alone: none here. A full answer is asked again in halves of its time until none is full.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from identsync.flows.flaw import Flaw
from identsync.flows.intake import Window
from identsync.flows.sending import Accepted, Lost, Refused, Verdict
from identsync.integrations.telephony.call import (
    Audio,
    Call,
    Command,
    Direction,
    Employee,
    Exchange,
    Permit,
    Reason,
    State,
)
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asking, asking_words, journal, journal_words
from identsync.integrations.telephony.wire import journal_read as read
from identsync.integrations.telephony.wire.asking_read import text
from identsync.spans import DAY_MS

ABILITIES = journal.able(journal_words.MEGAFON)
RATE = 2.0
WINDOW_MS = 30 * DAY_MS
PLACE = "/crmapi/v1"
ASKED = "%Y%m%dT%H%M%SZ"
MOST = 1_000  # rows asked for at once
ROUND = 100  # an answer of so many hundreds may have been cut to the other side's own limit
SHORTEST_MS = 60_000
LONGEST_MS = 31 * DAY_MS
MOST_PEOPLE = 50  # pages
OURS = "_employee"  # what a row is told of its login
DIRECTIONS = {"in": Direction.IN, "missed": Direction.IN, "out": Direction.OUT, "internal": Direction.INSIDE}
REASONS = {
    "busy": Reason.BUSY,
    "cancel": Reason.CANCELLED,
    "notavailable": Reason.FAILED,
    "notallowed": Reason.FAILED,
    "notfound": Reason.FAILED,
    "miss": Reason.NO_ANSWER,
}
CALLED_BACK = {"2": True, "3": False, "4": False}  # 1: the client reached the clinic himself


def open(line: Line, permit: Permit) -> Exchange:
    """Make the exchange; nothing is connected yet."""
    return Megafon(line, permit)


class Megafon(journal.Journal):
    """Megafon VATS as a PBX."""

    def __init__(self, line: Line, permit: Permit) -> None:
        super().__init__(line, permit)
        self.address = self.address if PLACE in self.address else f"{self.address}{PLACE}"

    async def journal(self, window: Window) -> list[Any]:
        """Ask for the calls of the window; each row is told whose login it holds, as it says nothing else."""
        people = await self._employees()
        rows: list[Any] = []
        for start, end in journal.spans(window, LONGEST_MS):
            rows += await self._calls(start, end)
        named = [row | {OURS: people.get(text(row, "user"))} if isinstance(row, dict) else row for row in rows]
        return journal.gathered(named, call_of)

    async def dial(self, command: Command) -> Verdict:
        """Order a call: the employee's phone rings first. ``user`` may be a login or an extension."""
        fields = {"phone": asking.digits(command.to), "user": command.extension}
        if self.line.number:
            fields["clid"] = asking.digits(self.line.number)
        headers = self._headers | {"Content-Type": asking.JSON}
        reply = await self.reply("POST", f"{self.address}/makecall", headers, orjson.dumps(fields))
        if reply.status == 404:
            return Refused(asking_words.NO_EXTENSION)
        names = ("message", "error", "errors", "result")
        if reply.status >= 400:
            return Refused(asking_words.NOT_LIKED, self.words(self.told(reply), *names))
        answer = self.decoded(reply)
        if callid := text(answer, "callid", "uid") if isinstance(answer, dict) else "":
            return Accepted(callid)
        return Lost(asking_words.ODD, self.words(answer, *names))

    def parse(self, raw: object) -> Call | list[Flaw]:
        """Return the call of its rows."""
        return call_from(raw)

    async def recording(self, reference: str) -> Audio:
        """Fetch a recording by its link; our key goes to the PBX itself and nowhere else."""
        if not reference.startswith(("https://", "http://")):
            raise journal.no_recording()
        is_own = asking.origin(reference) == asking.origin(self.address)
        return await self.audio(asking.safe_link(reference, self.address), self._headers if is_own else None)

    async def check(self) -> None:
        """Ask for the employees."""
        await self._employees()

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-API-KEY": self.key}

    async def _calls(self, start: int, end: int) -> list[Any]:
        asked = {"start": read.spelled(start, ASKED), "end": read.spelled(end, ASKED), "type": "all"}
        rows = await self._rows("/history/json", {**asked, "limit": str(MOST), "process_missed": "true"})
        if not _may_be_cut(rows) or end - start <= SHORTEST_MS:
            return rows
        middle = (start + end) // 2_000 * 1_000
        return await self._calls(start, middle) + await self._calls(middle, end)

    async def _employees(self) -> dict[str, dict[str, str]]:
        people: dict[str, dict[str, str]] = {}
        for _page in range(MOST_PEOPLE):
            rows = await self._rows("/users", {"start": str(len(people))} if people else {})
            here = {login: _employee(login, row) for row in rows if (login := _login(row))}
            if not here.keys() - people.keys():
                break
            people |= here
        return people

    async def _rows(self, path: str, fields: Mapping[str, str]) -> list[Any]:
        url = f"{self.address}{path}"
        reply = await self.reply("GET", f"{url}?{urlencode(fields)}" if fields else url, self._headers)
        if reply.status == 204 or not reply.body:
            return []
        return journal.listed(self.decoded(reply), "items", "history", "data", "users")


def _may_be_cut(rows: list[Any]) -> bool:
    return len(rows) >= MOST or (len(rows) > 0 and len(rows) % ROUND == 0)


def _login(row: Any) -> str:
    return text(row, "login") if isinstance(row, dict) else ""


def _employee(login: str, row: Mapping[str, Any]) -> dict[str, str]:
    return {"extension": text(row, "ext", "telnum") or login, "name": text(row, "name")}


def call_of(row: Any) -> str:
    """Return what the rows of one call share."""
    return text(row, "uid", "callid") if isinstance(row, dict) else ""


def call_from(raw: object) -> Call | list[Flaw]:
    """Put the rows of a call together: answered where one of them is a success."""
    legs = read.legs_of(raw)
    key = call_of(legs[0]) if legs else ""
    timed = [(at, leg) for leg in legs if (at := read.moment(leg.get("start"))) is not None]
    timed.sort(key=lambda each: each[0])
    if flaws := read.flaws_of(raw, key, timed[0][0] if timed else None, "uid"):
        return flaws
    spoken = [(at, leg) for at, leg in timed if _is_spoken(leg)]
    first = timed[0][1]
    waited = [at + read.length_ms(leg, "wait") for at, leg in spoken]
    return Call(
        key=key,
        direction=DIRECTIONS.get(text(first, "type").lower(), Direction.IN),
        state=State.ANSWERED if spoken else State.MISSED,
        phone=text(first, "client"),
        line=text(first, "diversion", "telnum_name"),
        start_ms=timed[0][0],
        answered_ms=min(waited) if waited else None,
        ended_ms=max(at + read.length_ms(leg, "wait") + read.length_ms(leg, "duration") for at, leg in timed),
        rang=_people(timed),
        talked=_people(spoken),
        recordings=tuple(dict.fromkeys(link for _at, leg in timed if (link := _link(leg)))),
        reason=_reason([text(leg, "status") for _at, leg in timed]) if not spoken else Reason.NONE,
        calls_back=CALLED_BACK.get(text(first, "missed_status")) if not spoken else None,
    )


def _is_spoken(leg: Mapping[str, Any]) -> bool:
    said = text(leg, "status").lower()
    return said == "success" or (not said and read.length_ms(leg, "duration") > 0)


def _people(timed: list[tuple[int, dict[str, Any]]]) -> tuple[Employee, ...]:
    found = []
    for _at, leg in timed:
        known = leg.get(OURS)
        named = known if isinstance(known, dict) else {}
        found.append(Employee(text(named, "extension") or text(leg, "user", "ext"), _name(named, leg)))
    return read.distinct(found)


def _name(named: Mapping[str, Any], leg: Mapping[str, Any]) -> str:
    return text(named, "name") or text(leg, "user_name")


def _link(leg: Mapping[str, Any]) -> str:
    link = leg.get("record") or leg.get("link")
    return link if isinstance(link, str) and link.startswith(("https://", "http://")) and len(link) < 2_000 else ""


def _reason(said: list[str]) -> Reason:
    return read.reason_of([each.replace("_", "").replace(" ", "") for each in said], REASONS)
