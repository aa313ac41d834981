"""What the providers share: one request, its status judged, its JSON; nothing asked or secret reaches an error.

========================================  ==========================================================================
status                                    what is raised
========================================  ==========================================================================
401, 403                                  ``Refused``: the key, or the rights of the account
402                                       ``AskPerson``: no money
429                                       ``Limited`` with Retry-After; where the words tell of a quota, until midnight
                                          in Moscow, when the providers begin a new day
408, 5xx, no answer                       ``Unavailable``; your own services are asked once more before that
500                                       ``Unexpected``: it is this question's; several one after the other are the
                                          service's, ``Unavailable``
a redirect, other 4xx                     ``Unexpected``: an address of a patient never follows a redirect
========================================  ==========================================================================
"""

import asyncio
import random
import re
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from identsync.errors import AskPerson, IdentsyncError, Limited, Refused, Unavailable, Unexpected
from identsync.flows.answer import Reply, retry_after
from identsync.flows.http import Http
from identsync.integrations.geocoding.place import Found, Permit, Question
from identsync.integrations.geocoding.settings import CLOUD, Provider
from identsync.language import _
from identsync.spans import DAY_MS, HOUR_MS, MINUTE_MS
from identsync.values import secret

MAX_ANSWER = 4 * 1024 * 1024
JUDGED = frozenset({*range(300, 501)} - {408})
"""Statuses whose meaning is the provider's; 307 too: nothing asked here may follow to another server."""
PAUSE_MS, MOSCOW_MS = MINUTE_MS, 3 * HOUR_MS
RAW = 300
WORDS = ("message", "error", "reason", "detail", "details", "description", "title")
BROKEN = 3
"""So many answers of 500 in a row are no longer the questions' fault."""
QUOTA = ("limit", "quota", "лимит", "квот", "disabled for")
WORD = re.compile(r"\w{3,}")


class Asking:
    """A provider over HTTP without its words: one question a request, if not said otherwise."""

    batch = 1

    def __init__(self, provider: Provider, permit: Permit) -> None:
        self.provider = provider
        self.window = provider.window
        self.permit = permit
        self.key = self.secret = ""
        self._broken = 0
        self._http = Http(pool=self.window)

    async def __aenter__(self) -> Self:
        """Read the secrets and open the pool; nothing is connected."""
        for what, hint in [told for where, *told in self.provider.mistakes() if where == "url"]:
            raise AskPerson(what, hint=hint)  # who embeds us may not have read a file of settings
        self.key = secret(self.provider.key) if self.provider.key else ""
        self.secret = secret(self.provider.secret) if self.provider.secret else ""
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._http.__aexit__(kind, error, trace)

    async def ask(self, questions: Sequence[Question], body: bytes = b"") -> list[Found]:  # noqa: ARG002  no arrays
        """Answer questions in their order; raises the errors of the tree."""
        return [await self.one(each) if any(map(str.isalnum, each.text)) else Found() for each in questions]

    async def one(self, question: Question) -> Found:
        """Answer one question."""
        raise NotImplementedError

    async def get(self, path: str, fields: Mapping[str, str]) -> Any:
        """GET with a query; give the JSON."""
        query = urlencode({name: _printable(value) for name, value in fields.items()}, errors="replace")
        return await self.send("GET", f"{path}?{query}", {}, b"", list(fields.values()))

    async def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        ours: Sequence[str],
        base: str = "",
    ) -> Any:
        """Send a request; give the JSON of its answer. ``ours`` are the texts that no error may repeat."""
        reply = await self._patient(method, f"{base or self.provider.base}{path}", headers, body)
        self._broken = self._broken + 1 if reply.status == 500 else 0
        if reply.status != 200:
            raise self.refusal(reply.status, reply.headers, self._said(reply, ours))
        try:
            return reply.json
        except ValueError:
            raise nonsense(_("вместо данных пришла веб-страница") if reply.html else _("это не JSON")) from None

    async def _patient(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send; your own service once more where nothing came, one that takes money for it only if nothing left."""
        await self.permit()
        try:
            return await self._once(method, url, headers, body)
        except Unavailable as error:
            if error.after_ms is not None or (error.sent and self.provider.kind in CLOUD):
                raise
        await asyncio.sleep(random.uniform(0.05, 0.5))  # noqa: S311  jitter
        await self.permit()
        return await self._once(method, url, headers, body)

    async def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        deadline = self.provider.timeout / 1000
        try:
            return await self._http.ask(
                method, url, headers, body, passing=JUDGED, max_bytes=MAX_ANSWER, deadline=deadline
            )
        except IdentsyncError as error:
            error.raw = ""  # it may repeat what was asked
            raise

    def refusal(self, status: int, headers: Mapping[str, str], said: str) -> IdentsyncError:
        """Return the error of a status that is no answer; ``said`` are the provider's words for it."""
        name = self.provider.kind
        is_quota = name in CLOUD and any(word in said.lower() for word in QUOTA)
        if status in {401, 403, 429} and is_quota and retry_after(headers) is None:
            return Limited(_("{name}: на сегодня запросы кончились", name=name), after_ms=to_midnight_ms(), raw=said)
        if status == 429:
            words = _("{name} просит спрашивать реже", name=name)
            return Limited(words, after_ms=retry_after(headers) or PAUSE_MS, raw=said)
        if status in {401, 403}:
            return Refused(_("{name} не принял ключ ({status})", name=name, status=status), hint=self.doubt(), raw=said)
        if status == 402:
            return AskPerson(_("на счёте {name} кончились деньги", name=name), hint=_("Пополните счёт."), raw=said)
        if status == 500 and self._broken > BROKEN:
            return Unavailable(_("{name}: сервер сейчас не работает ({status})", name=name, status=status), raw=said)
        hint = "" if status == 500 else _("Проверьте адрес (url) в настройках: он пишется без имени метода.")
        return Unexpected(_("{name}: запрос не принят ({status})", name=name, status=status), hint=hint, raw=said)

    def doubt(self) -> str:
        """Say what to look at where the provider refuses us."""
        return _("Проверьте ключ в настройках и права на той стороне.")

    def _said(self, reply: Reply, ours: Sequence[str]) -> str:
        """Return the provider's words for a refusal, if nothing of ours is among them."""
        words = "" if reply.html else _words(reply)
        told = set(WORD.findall(words.lower()))
        secrets = [each for each in (self.key, self.secret) if each]
        theirs = not any(each.lower() in words.lower() for each in secrets)
        return words if theirs and not any(told & set(WORD.findall(each.lower())) for each in ours) else ""


def _printable(value: str) -> str:
    """Return a text without what a database would stumble over: NUL, controls, marks of direction."""
    return "".join(sign if sign.isprintable() else " " for sign in value)


def _words(reply: Reply) -> str:
    """Return the first of the usual words of a JSON refusal, also one level down; else the plain text."""
    try:
        told = reply.json
    except ValueError:
        return reply.text[:RAW]
    found = _first(told)
    return found[:RAW] if found else ""


def _first(told: Any, depth: int = 2) -> str:
    if not isinstance(told, dict):
        return told if isinstance(told, str) else ""
    values = [told[name] for name in WORDS if told.get(name)]
    plain = next((value for value in values if isinstance(value, str)), "")
    deeper = next((value for value in values if isinstance(value, dict)), None)
    return _first(deeper, depth - 1) if depth and deeper is not None else plain


def nonsense(what: str) -> Unexpected:
    """Return the error of an answer that is not what the protocol promises."""
    return Unexpected(_("ответ о месте не по протоколу: {what}", what=what))


def rows(answer: Any, name: str = "") -> list[dict[str, Any]]:
    """Return the rows of an answer, or those under a name in it; Unexpected for anything else."""
    held = answer.get(name) if name and isinstance(answer, dict) else answer
    if not isinstance(held, list) or not all(isinstance(row, dict) for row in held):
        raise nonsense(_("это не список"))
    return held


def part(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the object at the end of a path of names; an empty one where the path breaks off."""
    held: Any = row
    for name in names:
        held = held.get(name) if isinstance(held, dict) else None
    return held if isinstance(held, dict) else {}


def text(row: Mapping[str, Any], name: str) -> str:
    """Return a text or a number of a row as text; '' for anything else."""
    value = row.get(name)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def to_midnight_ms(now_ms: int | None = None) -> int:
    """Return how long it is until midnight in Moscow, when the providers' day begins."""
    now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    return DAY_MS - (now + MOSCOW_MS) % DAY_MS
