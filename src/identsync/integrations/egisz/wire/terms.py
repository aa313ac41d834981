"""N3's terminology service: reference books by OID over FHIR (facts: n3health.md 1.6; n3health.ru, «Примеры запросов»).

The passport of a book is a search, ``GET ValueSet?url=urn:oid:…``; a book that is not there is an empty answer. Its
codes are ``POST ValueSet/$expand`` with the OID as ``system``. All is read only, so what was lost is asked once more.
Whether the service wants the token is not known: it is sent only after a 401 or 403.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import orjson

from identsync.errors import AskPerson, IdentsyncError, Refused, Unavailable, Unexpected
from identsync.flows.answer import Reply
from identsync.flows.http import Http
from identsync.integrations.egisz.reference import Book
from identsync.integrations.egisz.settings import Organisation
from identsync.language import _
from identsync.values import secret

MAX_ANSWER = 24 * 1024 * 1024
MAX_CODES = 200_000
MAX_PAGES = 200
LONGEST_CODE, LONGEST_NAME = 100, 500
FORMAT = "_format=json"
Permit = Callable[[], Awaitable[None]]


def open(settings: Organisation, permit: Permit) -> "Terms":
    """Make the exchange with the service of an organisation; nothing is connected yet."""
    return Terms(settings, permit)


class Terms:
    """The service; an async context manager. Every request is counted by ``permit`` first."""

    def __init__(self, settings: Organisation, permit: Permit) -> None:
        self._settings, self._permit = settings, permit
        self._headers: dict[str, str] = {"Accept": "application/json"}
        self._token = ""
        self._http = Http(pool=1)

    async def __aenter__(self) -> Self:
        """Open the pool; AskPerson where the settings name no service."""
        if self._settings.terms is None:
            hint = _("Впишите его в настройки: terms.")
            raise AskPerson(_("адрес службы справочников N3 не указан"), hint=hint)
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._http.__aexit__(kind, error, trace)

    async def version(self, oid: str) -> str | None:
        """Return the newest version of a book by its passport; '' where none is told, None where there is no book."""
        try:
            told = await self._told("GET", f"ValueSet?{FORMAT}&url=urn:oid:{oid}")
        except Unexpected:
            told = None
        if told is None:
            return ""  # a service without passports: the codes are asked for
        resources = [_dict(_dict(entry).get("resource")) for entry in _list(told.get("entry"))]
        mine = [each for each in resources if _text(each, "url") in ("", f"urn:oid:{oid}")]
        return _text(mine[0], "version") if mine else None

    async def book(self, oid: str, now_ms: int) -> Book | None:
        """Return the newest version of a book, whole; None where the service has no such book, or nothing in it."""
        version = await self.version(oid)
        if version is None:
            return None
        codes: dict[str, str] = {}
        seen = 0
        for _page in range(MAX_PAGES):
            told = await self._page(oid, seen)
            if told is None:
                return None
            before = len(codes)
            rows = list(_rows(_dict(told.get("expansion")).get("contains")))
            codes.update(_codes(rows))
            seen += len(rows)
            version = _text(told, "version") or version
            if seen >= _total(told):
                return Book(oid, version, now_ms, codes) if codes else None
            if len(codes) == before or len(codes) > MAX_CODES:
                break  # it says that there is more, and gives the same again
        raise _nonsense(_("справочник пришёл не весь"))

    async def lookup(self, oid: str, code: str) -> str | None:
        """Return what a code of a book is called, None where the service does not know it."""
        told = await self._told("POST", f"ValueSet/$lookup?{FORMAT}", _parameters(system=f"urn:oid:{oid}", code=code))
        parameters = _list(told.get("parameter")) if told is not None else []
        names = [_text(_dict(each), "valueString") for each in parameters if _dict(each).get("name") == "display"]
        return names[0][:LONGEST_NAME] if names else None

    async def _page(self, oid: str, offset: int) -> dict[str, Any] | None:
        asked = _parameters(system=f"urn:oid:{oid}", **({"offset": offset} if offset else {}))
        told = await self._told("POST", f"ValueSet/$expand?{FORMAT}", asked)
        return None if told is None else _value_set(told)

    async def _told(self, method: str, path: str, body: bytes = b"") -> dict[str, Any] | None:
        """Ask; give the object of the answer, None where it says that there is no such thing."""
        try:
            reply = await self._asked(method, path, body)
        except Refused:
            if self._token:
                raise
            self._token = secret(self._settings.token)
            self._headers["Authorization"] = f"N3 {self._token}"
            reply = await self._asked(method, path, body)
        return self._read(reply)

    async def _asked(self, method: str, path: str, body: bytes) -> Reply:
        try:
            return await self._once(method, path, body)
        except Unavailable as error:
            if error.after_ms is not None:
                raise
        await asyncio.sleep(random.uniform(0.05, 0.5))  # noqa: S311  jitter
        return await self._once(method, path, body)

    async def _once(self, method: str, path: str, body: bytes) -> Reply:
        await self._permit()
        headers = self._headers | ({"Content-Type": "application/json; charset=utf-8"} if body else {})
        url, seconds = f"{self._settings.terms}/{path}", self._settings.timeout / 1000
        passing = (400, 404, 410, 422)
        try:
            return await self._http.ask(
                method, url, headers, body, passing=passing, max_bytes=MAX_ANSWER, deadline=seconds
            )
        except IdentsyncError as error:
            error.raw = self._masked(error.raw)
            raise

    def _masked(self, text: str) -> str:
        return text.replace(self._token, "***") if self._token else text

    def _read(self, reply: Reply) -> dict[str, Any] | None:
        if len(reply.body) >= MAX_ANSWER:
            raise _nonsense(_("ответ длиннее {n} МБ", n=MAX_ANSWER >> 20))
        raw = self._masked(reply.text)
        try:
            told = reply.json
        except ValueError:
            raise _nonsense(_("пришла веб-страница") if reply.html else _("это не JSON"), raw) from None
        if not isinstance(told, dict):
            raise _nonsense(_("это не ресурс FHIR"), raw)
        if reply.status >= 400 or told.get("resourceType") == "OperationOutcome":
            if reply.status in (200, 404, 410):
                return None
            raise _nonsense(_("запрос не принят ({status})", status=reply.status), raw)
        return told


def _parameters(**values: str | int) -> bytes:
    told = [
        {"name": name, "valueString" if isinstance(value, str) else "valueInteger": value}
        for name, value in values.items()
    ]
    return orjson.dumps({"resourceType": "Parameters", "parameter": told})


def _value_set(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ValueSet of an answer: N3 puts it into Parameters, FHIR itself does not."""
    held = [_dict(each).get("resource") for each in _list(told.get("parameter"))]
    for each in (told, *held):
        if isinstance(each, dict) and "expansion" in each:
            return dict(each)
    raise _nonsense(_("в ответе нет списка кодов"))


def _codes(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return code and name of each row that can be read; those that are no longer in use are left out."""
    good = {_text(row, "code").strip(): _text(row, "display")[:LONGEST_NAME] for row in rows if _is_used(row)}
    codes = {code: name for code, name in good.items() if 0 < len(code) <= LONGEST_CODE}
    if rows and not codes:
        raise _nonsense(_("ни одной строки с кодом"))
    return codes


def _is_used(row: Mapping[str, Any]) -> bool:
    return row.get("inactive") is not True and row.get("abstract") is not True


def _rows(held: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of an expansion, those within others, too, without recursion."""
    waiting = _list(held)[::-1]
    while waiting:
        row = waiting.pop()
        if isinstance(row, dict):
            yield row
            waiting += _list(row.get("contains"))[::-1]


def _total(told: Mapping[str, Any]) -> int:
    total = _dict(told.get("expansion")).get("total")
    return total if isinstance(total, int) else 0


def _list(held: Any) -> list[Any]:
    return held if isinstance(held, list) else []


def _dict(held: Any) -> dict[str, Any]:
    return held if isinstance(held, dict) else {}


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _nonsense(what: str, raw: str = "") -> Unexpected:
    hint = _("Проверьте адрес службы справочников (terms) в настройках.")
    return Unexpected(_("справочник N3 не прочитан: {what}", what=what), hint=hint, raw=raw)
