"""Mango Office: history in two steps, recordings by links that serve once, click-to-call; never who is calling.

NOT TRIED on a live PBX (facts/telephony.md: a digest of the official document). A wrong request is forgiven once in two
minutes, then everything is answered 401 until the block ends: after a 401 nothing is asked for two minutes, whichever
run wants to, and after an answer "bad parameters" no history.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from identsync.errors import AskPerson, IdentsyncError, Limited, Refused, Unavailable, Unexpected
from identsync.flows import sending
from identsync.flows.answer import Reply
from identsync.flows.flaw import Flaw
from identsync.flows.intake import Window
from identsync.flows.sending import Accepted, Lost, NotTaken, Verdict
from identsync.integrations.telephony.call import Abilities, Audio, Call, Command, Employee, Exchange, Permit
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asking, mango_calls
from identsync.integrations.telephony.wire import asking_read as read
from identsync.integrations.telephony.wire import asking_words as words
from identsync.language import _
from identsync.spans import DAY_MS, HOUR_MS

ABILITIES = Abilities(
    live=False,
    click=True,
    history=True,
    recordings=True,
    certain=False,
    words=words.MANGO,
)
RATE = 4.0
AHEAD_MS = 3 * HOUR_MS  # Moscow from UTC: which of them a period is read in differs from source to source
WINDOW_MS = 30 * DAY_MS - AHEAD_MS - 1_000  # a whole thirty days are refused
LIMITS = (1, 5, 10, 20, 50, 100, 500, 1000, 2000, 5000)
DATE = "%d.%m.%Y %H:%M:%S"
BLOCK_S = 120.0
OK, NO_EXTENSION, BAD_NUMBER, NO_RECORDING, BAD_SIGN, BAD_KEY = 1000, 3330, 3200, 3320, 3102, 3105

_rests: dict[tuple[str, str], float] = {}
"""Until when (monotonic) an account must not be asked something: 'all' after a 401, 'history' after bad parameters."""


def open(line: Line, permit: Permit) -> Exchange:
    """Make the PBX; nothing is connected yet."""
    return Mango(line, permit)


class Mango(asking.Asking):
    """Mango Office as a PBX."""

    base = "https://app.mango-office.ru/vpbx"
    gap_s = 2.0  # between two requests for statistics
    pauses_s = (0.5, 1.0, 2.0, 3.0, 5.0)  # between two looks whether they are ready, the last again and again

    def __init__(self, line: Line, permit: Permit) -> None:
        super().__init__(line, permit)
        self._people: dict[int, Employee] | None = None
        self._requested_at = -self.gap_s

    async def dial(self, command: Command) -> Verdict:
        """Start a call, first to the employee; Mango says only that it has taken the order."""
        click = f"{command.extension}>{command.to}"
        if (left := self._left("all", click)) > 0:
            return NotTaken(words.SLOWER, left)
        body: dict[str, Any] = {"command_id": command.token, "from": {"extension": command.extension}}
        body["to_number"] = asking.digits(command.to)
        if self.line.number:
            body["line_number"] = asking.digits(self.line.number)
        answer = asking.object_of(await self._ask("commands/callback", body))
        code = read.whole(answer, "result")
        if code == OK:
            return Accepted("")
        said = f"{code} {self.discreet(read.text(answer, 'message'))}".strip()
        self._must_stop(code, said)
        if code is not None and 3000 <= code < 5000:
            self._rest(click)
            why = {NO_EXTENSION: words.NO_EXTENSION, BAD_NUMBER: words.BAD_NUMBER}.get(code, words.NOT_LIKED)
            return sending.Refused(why, said)
        return Lost(words.ODD, said)

    async def fetch(self, window: Window, limit: int, offset: int) -> object:
        """Order a page of statistics and wait for it; the open end of a window is tomorrow."""
        self._may("all", "history")
        await self._learn()
        most = next((each for each in LIMITS if each >= limit), LIMITS[-1]) if limit else LIMITS[-1]
        until = min(window.end_ms, time.time_ns() // 1_000_000 + DAY_MS)
        order = {
            "start_date": read.spelled(window.start_ms, "UTC", DATE),  # read in Moscow's time it is earlier,
            "end_date": read.spelled(until + AHEAD_MS, "UTC", DATE),  # and this later: nothing is left out
            "limit": most,
            "offset": offset,
        }
        await asyncio.sleep(max(0.0, self._requested_at + self.gap_s - time.monotonic()))
        try:
            told = self._good(await self._ask("stats/calls/request", order))
        finally:
            self._requested_at = time.monotonic()  # counted from its answer: on the way the gap may shrink
        if not (key := read.text(told, "key", cut=1000)):
            raise Unexpected(_("Mango Office не дал ключа статистики"))
        return mango_calls.listed(await self._ready(key))[: limit or None]

    def parse(self, raw: object) -> Call | list[Flaw]:
        """Return the call of a row of the statistics."""
        return mango_calls.finished(raw, self._people or {})

    async def recording(self, reference: str) -> Audio:
        """Get a link that serves once, and follow it; a recording that is not there may still be being written."""
        order = {"recording_id": reference, "action": "download"}
        reply = await self._reply("queries/recording/post", order, (*asking.MOVED, 404), asking.MAX_AUDIO)
        if reply.status in asking.MOVED:
            link = reply.headers.get("location", "")
            return await self.audio(asking.safe_link(link, self.address))
        if reply.status == 404 or not reply.body or (reply.status == 200 and reply.body.lstrip()[:1] == b"{"):
            answer = self.decoded(reply) if reply.body.lstrip()[:1] == b"{" else {}
            self._must_stop(read.whole(asking.object_of(answer), "result"), "")
            raise asking.not_ready()
        return asking.heard(reply)

    async def check(self) -> None:
        """Ask for the employees: key, signature and rights are tried, and nothing happens."""
        self._good(await self._ask("config/users/request", {}))

    async def _ready(self, key: str) -> Mapping[str, Any]:
        """Look until the statistics are ready, within the time of the settings."""
        until = time.monotonic() + self.line.timeout / 1000
        looks = 0
        while time.monotonic() < until:
            reply = await self._reply("stats/calls/result", {"key": key})
            answer = self._good(self.decoded(reply)) if reply.status != 204 and reply.body else {}
            status = read.text(answer, "status").lower()
            if status == "complete" or (not status and "data" in answer):
                return answer
            if status in {"error", "cancel", "not-found"}:
                raise Unavailable(_("Mango Office не собрал статистику ({status})", status=status), sent=True)
            await asyncio.sleep(self.pauses_s[min(looks, len(self.pauses_s) - 1)])
            looks += 1
        raise Unavailable(_("Mango Office слишком долго собирает статистику"), sent=True)

    async def _learn(self) -> None:
        """Learn whose extension is whose, once; without it the names of the statistics serve."""
        if self._people is None:
            try:
                self._people = mango_calls.extensions(await self._ask("config/users/request", {}))
            except Refused:
                raise
            except IdentsyncError:
                self._people = {}

    async def _ask(self, path: str, body: Mapping[str, Any]) -> Any:
        return self.decoded(await self._reply(path, body))

    async def _reply(
        self, path: str, body: Mapping[str, Any], passing: tuple[int, ...] = (), max_bytes: int = asking.MAX_ANSWER
    ) -> Reply:
        """Send one signed command."""
        self._may("all")
        text = orjson.dumps(body).decode()
        user = self.line.user or ""
        sign = hashlib.sha256(f"{user}{text}{self.key}".encode()).hexdigest()
        form = urlencode({"vpbx_api_key": user, "sign": sign, "json": text}).encode()
        headers = {"Content-Type": asking.FORM}
        try:
            url = f"{self.address}/{path}"
            return await self.reply("POST", url, headers, form, passing=passing, max_bytes=max_bytes)
        except Refused as error:
            self._rest("all")
            raise _blocked(error.raw) from None

    def _good(self, answer: Any) -> dict[str, Any]:
        """Return an answer to a question; raises what its code means."""
        told = asking.object_of(answer)
        code = read.whole(told, "result")
        if code is None or code == OK:
            return told
        said = f"{code} {self.discreet(read.text(told, 'message'))}".strip()
        self._must_stop(code, said)
        if code >= 5000:
            raise Unavailable(_("Mango Office сейчас не работает"), sent=True, raw=said)
        self._rest("history")
        raise Unexpected(_("Mango Office не принял запрос"), raw=said)

    def _must_stop(self, code: int | None, said: str) -> None:
        """Raise where the whole line is refused: the key, the signature, the money."""
        if code in {BAD_SIGN, BAD_KEY}:
            self._rest("all")
            raise _blocked(said)
        if code is not None and 2000 <= code < 3000:
            told = _("Mango Office не выполняет команды: закончились деньги или услуга отключена")
            raise AskPerson(told, hint=_("Проверьте счёт и услугу API в личном кабинете."), raw=said)

    def _rest(self, what: str) -> None:
        now = time.monotonic()
        for old in [each for each, until in _rests.items() if until <= now]:
            del _rests[old]
        _rests[(f"{self.address} {self.line.user}", what)] = now + BLOCK_S

    def _left(self, *what: str) -> int:
        """Return the milliseconds for which none of these may be asked, 0 = now."""
        now, account = time.monotonic(), f"{self.address} {self.line.user}"
        return max(0, *(int((_rests.get((account, each), now) - now) * 1000) for each in what))

    def _may(self, *what: str) -> None:
        """Raise where nothing may be asked now."""
        if left := self._left(*what):
            told = _("Mango Office закрывает доступ после неверных запросов: программа ждёт, пока он его откроет")
            raise Limited(told, after_ms=left)


def _blocked(said: str) -> Refused:
    hint = _(
        "Проверьте в личном кабинете ключ (user) и подпись (password). После неверных запросов Mango Office не "
        "отвечает никому, пока не снимет запрет сам: две минуты программа ничего не спрашивает."
    )
    return Refused(_("Mango Office не принял ключ или временно закрыл доступ"), hint=hint, raw=said)
