"""UIS, CoMagic and Novofon: who is calling by asking again and again, history, recordings, click-to-call.

NOT TRIED on a live PBX (facts/telephony.md: saved copies of the official pages). Wall-clock times are read in the zone
``get.account`` names, Moscow's where it names none.
"""

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from identsync.errors import AskPerson, IdentsyncError, Later, Unavailable
from identsync.flows.flaw import Flaw
from identsync.flows.intake import Window
from identsync.flows.sending import Accepted, Refused, Verdict
from identsync.integrations.telephony.call import Abilities, Audio, Call, Command, Exchange, Permit, Told, computers_ms
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asking, uis_calls
from identsync.integrations.telephony.wire import asking_read as read
from identsync.integrations.telephony.wire import asking_words as words
from identsync.integrations.telephony.wire.asking_poll import polled
from identsync.integrations.telephony.wire.uis_calls import Directory, Sessions
from identsync.integrations.telephony.wire.uis_points import Points
from identsync.integrations.telephony.wire.uis_rpc import Declined, Rpc
from identsync.spans import DAY_MS

ABILITIES = Abilities(
    live=True,
    click=True,
    history=True,
    recordings=True,
    certain=False,
    words=words.UIS,
)
RATE = 5.0
WINDOW_MS = 89 * DAY_MS  # the longest period of a report
LISTED_S = 3_600.0  # how long the list of employees is good
AGAIN_S = 300.0  # when it is asked for again where it could not be had


def open(line: Line, permit: Permit) -> Exchange:
    """Make the PBX; nothing is connected yet."""
    return Uis(line, permit)


class Uis(Rpc):
    """UIS as a PBX."""

    def __init__(self, line: Line, permit: Permit) -> None:
        super().__init__(line, permit)
        self.points = Points()
        self._directory: Directory | None = None
        self._zone = ""
        self._listed_at = 0.0
        self.clock = computers_ms

    async def listen(self, told: Told) -> None:
        """Ask who is calling, as often as the settings wish and the points allow."""
        sessions = Sessions()

        async def ask() -> Sequence[Call]:
            await self._learn_quietly(sessions)
            try:
                answer = await self.call("list.calls")
            except Declined as declined:
                raise declined.error() from None
            return sessions.calls(_sessions(answer), self.clock())

        await polled(ask, told, lambda: self.points.wait_s(time.monotonic(), self.line.poll / 1000))

    async def dial(self, command: Command) -> Verdict:
        """Start a call, first to the employee; UIS says only that it has taken the order."""
        if not self.line.number:
            return Refused(words.NO_LINE)
        phone = (await self._before(command)).phones.get(command.extension)
        if phone is None:
            return Refused(words.NO_EXTENSION)
        employee: dict[str, object] = {"id": phone.employee}
        if phone.number:
            employee["phone_number"] = phone.number
        try:
            answer = await self.call(
                "start.employee_call",
                first_call="employee",
                direction="out",
                virtual_phone_number=asking.digits(self.line.number),
                contact=asking.digits(command.to),
                external_id=command.token,
                employee=employee,
            )
        except Declined as declined:
            return declined.verdict()
        session = read.text(asking.object_of(answer), "call_session_id")
        if not session:
            raise asking.nonsense(answer)
        return Accepted(session)

    async def fetch(self, window: Window, limit: int, offset: int) -> object:
        """Return a page of the report; the open end of a window is tomorrow, for UIS refuses long periods."""
        await self._learn()
        until = min(window.end_ms, self.clock() + DAY_MS)
        params: dict[str, object] = {"limit": limit, "offset": offset} if limit else {}
        answer = await self.data(
            "get.calls_report",
            date_from=read.spelled(window.start_ms, self._zone),
            date_till=read.spelled(until, self._zone),
            fields=list(uis_calls.FIELDS),
            sort=[{"field": "start_time", "order": "asc"}],
            include_ongoing_calls=False,
            **params,
        )
        return asking.rows_of(answer)

    def parse(self, raw: object) -> Call | list[Flaw]:
        """Return the call of a row of the report."""
        return uis_calls.finished(raw, self._directory or Directory(), self._zone or read.MOSCOW)

    async def recording(self, reference: str) -> Audio:
        """Fetch a recording by its lasting link, or by session and part; no key is needed, and none is sent."""
        link = reference if "://" in reference else f"{self._media()}/{reference}"
        return await self.audio(asking.safe_link(link, self.data_address))

    async def check(self) -> None:
        """Ask both services something that costs nothing."""
        await self.data("get.account")
        try:
            await self.call("list.calls")
        except Declined as declined:
            raise declined.error() from None

    async def _learn(self) -> None:
        """Learn the account's zone, and the employees once an hour."""
        if not self._zone:
            account = next(read.rows(await self.data("get.account")), {})
            self._zone = read.text(account, "timezone") or read.MOSCOW
        if self._directory is None or time.monotonic() - self._listed_at > LISTED_S:
            await self._list()

    async def _list(self) -> Directory:
        self._directory = Directory.of(await self.data("get.employees", limit=1000, offset=0))
        self._listed_at = time.monotonic()
        return self._directory

    async def _learn_quietly(self, sessions: Sessions) -> None:
        """Learn for a poll: who is calling is told even where Data API is closed, without extensions then."""
        if sessions.is_first or time.monotonic() - self._listed_at > LISTED_S:
            try:
                await self._learn()
            except IdentsyncError:
                self._listed_at = time.monotonic() - LISTED_S + AGAIN_S
            sessions.directory, sessions.zone = self._directory or Directory(), self._zone or read.MOSCOW

    async def _before(self, command: Command) -> Directory:
        """Return the employees for a call that has not begun: whatever fails here, nothing was dialled."""
        try:
            if self._directory is None or command.extension not in self._directory.phones:
                return await self._list()
        except AskPerson:
            raise
        except IdentsyncError as error:
            after = error.after_ms if isinstance(error, Later) else None
            raise Unavailable(str(error), sent=False, after_ms=after, raw=error.raw) from None
        return self._directory

    def _media(self) -> str:
        """Return where parts of recordings lie: dataapi.uiscom.ru keeps them at media.uiscom.ru."""
        parts = urlsplit(self.data_address)
        first, _dot, rest = (parts.hostname or "").partition(".")
        return f"https://media.{rest}" if first.startswith("dataapi") else f"{self.data_address}/media"


def _sessions(answer: object) -> object:
    """Return sessions, which are a list or one object; anything else would look like nobody calling."""
    if not isinstance(answer, list | dict):
        raise asking.nonsense(answer)
    return answer
