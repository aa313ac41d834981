"""Sipuni: forms signed by MD5, a journal of whole days as CSV, a recording by the call's id (facts: telephony.md).

Live calls go by webhook, and by a WebSocket that a clinic could open (wss://wss.sipuni.com/api; doc.sipuni.com,
636-641: auth by a key of its own, keepalive, events 1 call, 3 answer, 2 end, 4 a leg's end). It is not used: published
events have a call_id that differs from the record's id in the journal (1599036844.83813 and ...83809), ends that never
come are reported, nothing is repeated after a break. Until somebody has seen both of one account, calls would double.
"""

import csv
import hashlib
import io
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from identsync import errors
from identsync.flows.answer import Reply
from identsync.flows.flaw import Flaw
from identsync.flows.intake import Window
from identsync.flows.sending import Accepted, Lost, Refused, Verdict
from identsync.integrations.telephony.call import Audio, Call, Command, Exchange, Permit
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asking, asking_words, journal, journal_words, sipuni_calls
from identsync.integrations.telephony.wire import journal_read as read
from identsync.integrations.telephony.wire.asking_read import text
from identsync.language import _
from identsync.spans import DAY_MS

ABILITIES = journal.able(journal_words.SIPUNI)
RATE = 1.0
WINDOW_MS = 30 * DAY_MS
DAY, MONTH_MS = "%d.%m.%Y", 31 * DAY_MS
EVERYTHING = {
    "anonymous": "0",
    "crmLinks": "0",
    "dtmfUserAnswer": "0",
    "firstTime": "0",
    "fromNumber": "",
    "hangupinitor": "1",
    "ignoreSpecChar": "1",
    "names": "1",
    "numbersInvolved": "1",
    "numbersRinged": "1",
    "outgoingLine": "1",
    "rating": "",
    "showTreeId": "0",
    "state": "0",
    "timeFrom": "",
    "timeTo": "",
    "toAnswer": "",
    "toNumber": "",
    "tree": "",
    "type": "0",
}
"""Every kind of call, with who rang, who talked and their names."""
HEADS = {getattr(sipuni_calls, name) for name in ("TIME", "KIND", "STATUS", "SOURCE", "TARGET", "RECORD")}
WRONG_KEY = ("hash", "подпис", "user", "ключ", "auth", "secret")


def open(line: Line, permit: Permit) -> Exchange:
    """Make the exchange; nothing is connected yet."""
    return Sipuni(line, permit)


class Sipuni(journal.Journal):
    """Sipuni as a PBX."""

    base = "https://sipuni.com/api"

    async def journal(self, window: Window) -> list[Any]:
        """Ask for the days of the window."""
        rows: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        for start, end in journal.spans(window, MONTH_MS):
            days = {name: read.spelled(at, DAY, sipuni_calls.MOSCOW_MIN) for name, at in (("from", start), ("to", end))}
            reply = await self._asked("/statistic/export", EVERYTHING | days)
            rows |= {tuple(row.items()): row for row in self._table(reply, HEADS)}  # spans share a day
        return list(rows.values())

    async def dial(self, command: Command) -> Verdict:
        """Order a call: the employee's phone rings first. Sipuni repeats no token of ours."""
        fields = {"antiaon": "0", "phone": asking.digits(command.to), "reverse": "0", "sipnumber": command.extension}
        reply = await self._asked("/callback/call_number", fields)
        if reply.status >= 400:
            return Refused(asking_words.NOT_LIKED, self.words(self.told(reply), "message", "msg", "error"))
        answer = self.decoded(reply)  # JSON, though its header says HTML
        words = self.words(answer, "message", "msg", "error")
        if isinstance(answer, dict) and answer.get("success") is True:
            return Accepted(text(answer, "id", "callbackId"))
        if isinstance(answer, dict) and answer.get("success") is False:
            self._judge(words)
            return Refused(asking_words.NOT_LIKED, words)
        return Lost(asking_words.ODD, words)

    def parse(self, raw: object) -> Call | list[Flaw]:
        """Return the call of a row."""
        return sipuni_calls.call_from(raw, self.line.inside, self.line.user or "")

    async def recording(self, reference: str) -> Audio:
        """Ask for a recording by the call's id."""
        reply = await self._asked("/statistic/record", {"id": reference}, (404, 410), asking.MAX_AUDIO)
        if reply.body.lstrip()[:1] in (b"{", b"<"):
            raise journal.no_recording()
        return asking.heard(reply)

    async def check(self) -> None:
        """Ask for the employees."""
        self._table(await self._asked("/statistic/operators", {}), set())

    async def _asked(
        self, path: str, fields: Mapping[str, str], passing: tuple[int, ...] = (), most: int = asking.MAX_ANSWER
    ) -> Reply:
        body = {**fields, "user": self.line.user or ""}
        signed = body | {"hash": signature(body, self.key)}
        url, headers = f"{self.address}{path}", {"Content-Type": asking.FORM}
        return await self.reply("POST", url, headers, urlencode(signed).encode(), passing=passing, max_bytes=most)

    def _table(self, reply: Reply, wanted: set[str]) -> list[dict[str, str]]:
        """Read a table; raises what anything else means."""
        said = reply.body.decode("utf-8-sig", "replace")
        if reply.status >= 400 or said.lstrip()[:1] in ("{", "<"):
            self._judge(self.words(self.told(reply), "message", "msg", "error") or self.discreet(said))
            raise errors.Unexpected(_("АТС ответила не по протоколу"), raw=f"{reply.status}, {len(reply.body)} B")
        heads, rows = table(said)
        if said.strip() and not wanted <= set(heads):
            self._judge(self.discreet(said) if len(said) < asking.RAW else "")
            raise errors.Unexpected(_("в выгрузке Sipuni другие столбцы"), raw=", ".join(heads)[: asking.RAW])
        return rows

    def _judge(self, words: str) -> None:
        """Raise where words say that the signature is not ours."""
        if any(word in words.lower() for word in WRONG_KEY):
            hint = _("Проверьте номер клиента (user) и ключ в настройках.")
            raise errors.Refused(_("Sipuni не приняла подпись"), hint=hint, raw=words)


def signature(fields: Mapping[str, str], key: str) -> str:
    """Return MD5 of the values in alphabetical order of their names, joined by '+', the key last."""
    values = [fields[name] for name in sorted(fields)]
    return hashlib.md5("+".join([*values, key]).encode(), usedforsecurity=False).hexdigest()


def table(said: str) -> tuple[list[str], list[dict[str, str]]]:
    """Return the columns of a CSV with ';' and its rows by their names; Unexpected where it breaks off in a row."""
    lines = csv.reader(io.StringIO(said.replace("\0", "")), delimiter=";")
    try:
        heads = [head.strip() for head in next(lines, [])]
        rows = [line for line in lines if any(cell.strip() for cell in line)]
    except csv.Error:
        raise errors.Unexpected(_("выгрузка Sipuni не читается"), raw=f"{len(said)}") from None
    is_short = len(rows[-1]) < min(len(line) for line in (heads, *rows[-2:-1])) if rows else "\n" not in said
    if said.strip() and is_short:
        raise errors.Unexpected(_("выгрузка Sipuni обрывается"), raw=f"{len(said)}")
    return heads, [dict(zip(heads, line, strict=False)) for line in rows]
