"""A service that speaks IDENT's own protocol: calls that go on, calls that are over, links to recordings.

Source: facts/ident-http.md. There is no id: a call is known by start, direction and both numbers, so that one that goes
on becomes the finished one under the same key. Numbers may be ``null``; a time without an offset is this computer's.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from identsync.flows.flaw import Flaw
from identsync.flows.intake import Window
from identsync.integrations.telephony.call import (
    Abilities,
    Audio,
    Call,
    Direction,
    Employee,
    Exchange,
    Permit,
    Reason,
    State,
    Told,
)
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asking
from identsync.integrations.telephony.wire import asking_read as read
from identsync.integrations.telephony.wire import asking_words as words
from identsync.integrations.telephony.wire.asking_poll import polled
from identsync.spans import DAY_MS

KEY_HEADER = "IDENT-Integration-Key"
ISO = "%Y-%m-%dT%H:%M:%S+00:00"
DIRECTIONS = {"in": Direction.IN, "out": Direction.OUT}
UTM = {
    "UtmSource": "source",
    "UtmMedium": "medium",
    "UtmCampaign": "campaign",
    "UtmTerm": "term",
    "UtmContent": "content",
    "HttpReferer": "referer",
}


ABILITIES = Abilities(
    live=True,
    click=False,
    history=True,
    recordings=True,
    words=words.IDENT,
)
RATE = 5.0
WINDOW_MS = 30 * DAY_MS


def open(line: Line, permit: Permit) -> Exchange:
    """Make the PBX; nothing is connected yet."""
    return Ident(line, permit)


class Ident(asking.Asking):
    """A service as a PBX."""

    async def listen(self, told: Told) -> None:
        """Ask again and again what goes on."""
        answered: dict[str, int] = {}

        async def ask() -> Sequence[Call]:
            rows = asking.rows_of(await self._rows("GetOngoingCalls"))
            calls = [call for row in rows if isinstance(call := ongoing(row, self.line.inside, answered), Call)]
            for gone in answered.keys() - {call.key for call in calls}:
                del answered[gone]
            return list({call.key: call for call in calls}.values())

        await polled(ask, told, lambda: self.line.poll / 1000)

    async def fetch(self, window: Window, limit: int, offset: int) -> object:
        """Return a page of the calls that are over."""
        params = {
            "dateTimeFrom": read.spelled(window.start_ms, "UTC", ISO),
            "dateTimeTo": read.spelled(window.end_ms, "UTC", ISO),
        }
        if limit:
            params |= {"limit": str(limit), "offset": str(offset)}
        return asking.rows_of(await self._rows("GetFinishedCalls", params))

    def parse(self, raw: object) -> Call | list[Flaw]:
        """Return the call of a row."""
        return finished(raw, self.line.inside, self.address)

    async def recording(self, reference: str) -> Audio:
        """Fetch a recording by the link of its row; the key goes along only to the service itself."""
        link = asking.safe_link(reference, self.address)
        is_ours = asking.origin(link) == asking.origin(self.address)
        return await self.audio(link, {KEY_HEADER: self.key} if is_ours else None)

    async def check(self) -> None:
        """Ask for what goes on, and for the last minute."""
        asking.rows_of(await self._rows("GetOngoingCalls"))
        now = time.time_ns() // 1_000_000
        await self.fetch(Window(now - 60_000, now, last=True), 1, 0)

    async def _rows(self, method: str, params: Mapping[str, str] | None = None) -> Any:
        return await self.get(f"/{method}", params, {KEY_HEADER: self.key})


def finished(raw: object, inside: int, address: str) -> Call | list[Flaw]:
    """Return a call that is over; ``inside`` = digits of an extension, ``address`` = what links are relative to."""
    begun = _begun(raw)
    if isinstance(begun, list):
        return begun
    row, direction, start = begun
    talk, wait = read.seconds_ms(row, "TalkInSeconds"), read.seconds_ms(row, "WaitInSeconds")
    phone, line, employees, way = _ends(row, direction, inside)
    link = asking.link_of(read.text(row, "RecordUrl", cut=400), f"{address}/")
    return Call(
        key=key(row, direction, start),
        direction=way,
        state=State.ANSWERED if talk else State.MISSED,
        phone=phone,
        start_ms=start,
        line=line,
        answered_ms=start + wait if talk else None,
        ended_ms=start + wait + talk,
        rang=employees,
        talked=employees if talk else (),
        recordings=(link,) if link else (),
        reason=Reason.NONE,
        utm=tuple((name, said) for field, name in UTM.items() if (said := read.text(row, field, cut=400))),
    )


def ongoing(raw: object, inside: int, answered: dict[str, int]) -> Call | list[Flaw]:
    """Return a call that goes on; ``answered`` keeps the moment of the first answer, for seconds are rounded."""
    begun = _begun(raw)
    if isinstance(begun, list):
        return begun
    row, direction, start = begun
    phone, line, employees, way = _ends(row, direction, inside)
    is_talk = read.whole(row, "TalkInSeconds") is not None
    name = key(row, direction, start)
    if is_talk:
        answered.setdefault(name, start + read.seconds_ms(row, "WaitInSeconds"))
    return Call(
        key=name,
        direction=way,
        state=State.TALKING if is_talk else State.RINGING,
        phone=phone,
        start_ms=start,
        line=line,
        answered_ms=answered.get(name),
        rang=employees,
        talked=employees if is_talk else (),
        utm=tuple((name, said) for field, name in UTM.items() if (said := read.text(row, field, cut=400))),
    )


def key(row: Mapping[str, Any], direction: Direction, start_ms: int) -> str:
    """Return the key of a call: its start, direction and both numbers, as 64 hex digits."""
    ends = "|".join(asking.digits(said) or said for name in ("PhoneFrom", "PhoneTo") for said in [read.text(row, name)])
    return hashlib.sha256(f"{start_ms}|{direction}|{ends}".encode("utf-8", "replace")).hexdigest()


def _begun(raw: object) -> tuple[Mapping[str, Any], Direction, int] | list[Flaw]:
    """Return the row, the direction and the start, or what is wrong with them."""
    if not isinstance(raw, dict):
        return [Flaw(words.NOT_A_ROW)]
    direction = DIRECTIONS.get(read.text(raw, "Direction").lower())
    start = read.moment_ms(raw, "DateAndTime", read.LOCAL)
    if direction is not None and start is not None:
        return raw, direction, start
    missing = (words.NO_START, "DateAndTime", start is None), (words.NO_DIRECTION, "Direction", direction is None)
    return [Flaw(said, {"key": name}) for said, name, is_so in missing if is_so]


def _ends(
    row: Mapping[str, Any], direction: Direction, inside: int
) -> tuple[str, str, tuple[Employee, ...], Direction]:
    """Return the outside number, our line, the employee where an extension is named, and who called whom."""
    here, there = read.text(row, "PhoneTo", cut=100), read.text(row, "PhoneFrom", cut=100)
    if direction is Direction.OUT:
        here, there = there, here
    is_extension = 0 < len(asking.digits(here)) <= inside
    employees = (Employee(here),) if is_extension else ()
    way = Direction.INSIDE if is_extension and 0 < len(asking.digits(there)) <= inside else direction
    line = read.text(row, "LineDescription") if is_extension else here or read.text(row, "LineDescription")
    return there, line, employees, way
