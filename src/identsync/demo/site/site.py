"""The site itself: keys, limits, GetTickets and PostTimeTable, as strict as the strictest of real receivers."""

import asyncio
import bisect
import hmac
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import orjson

from identsync.demo.site.books import Books, now_ms
from identsync.demo.site.faults import Faults
from identsync.demo.site.people import Free, Lead, People
from identsync.demo.site.timetable import BadBody, Timetable, read_timetable

_FREE_REMEMBERED = 500
_THREAD_FROM = 256 * 1024  # bodies from this size are checked in a thread, so that the site stays answerable


class Options(msgspec.Struct):
    """How the site behaves; all of it can be changed while it runs (``POST /_site/options``)."""

    name: str = "site"
    key: str = "demo-key"
    admin_key: str = "demo-admin"
    refuse_with: int = 401  # 401 or 403 for a wrong key
    max_bytes: int = 2 * 1024 * 1024  # of a body, unpacked; 0 = no limit
    gzip: bool = True
    grid: int = 15
    max_days: int = 0  # refuses longer periods of GetTickets; 0 = no limit
    max_limit: int = 0  # refuses a larger `limit`; 0 = none
    zone: str = "Europe/Moscow"
    lead_rate: float = 0.0  # leads per minute
    bad_share: float = 0.02  # of the rows: garbage
    repeat_share: float = 0.05  # of the leads: sent again under the same Id


@dataclass(slots=True)
class Reply:
    """An answer: status, body, type; ``headers`` beyond those."""

    status: int
    body: bytes
    type: str = "text/plain; charset=utf-8"
    headers: list[tuple[str, str]] = field(default_factory=list)
    note: str = ""


class Refusal(Exception):
    """The request is refused with a status and a reason in plain text."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def text(status: int, reason: str) -> Reply:
    """Return a plain-text answer for people."""
    return Reply(status, reason.encode(), note=reason)


def json(value: Any) -> Reply:
    """Return a JSON answer with status 200."""
    return Reply(200, orjson.dumps(value), "application/json; charset=utf-8")


class Site:
    """State of one site: its leads in order of their time, the last timetable of each set of branches, its books."""

    def __init__(self, options: Options, seed: int) -> None:
        self._begun = options, seed
        self.stopped = asyncio.Event()
        self.reset()

    def stop(self) -> None:
        """End the process soon."""
        self.stopped.set()

    def reset(self) -> None:
        """Be as when the process began: nothing was made, asked or changed."""
        self.options, seed = self._begun
        self.books = Books()
        self.faults = Faults(seed + 1)
        self.people = People(seed, self.options.zone)
        self.timetables: dict[tuple[int, ...], bytes] = {}
        self._number = 0
        self._rows: list[tuple[int, int, bytes, str]] = []  # time, number, row as bytes, Id

    # -- leads ---------------------------------------------------------------------------------------------------

    def make(self, count: int, trap: str | None = None, at: datetime | None = None) -> list[str]:
        """Make ``count`` leads now (or ``at``); returns their Ids."""
        moment = at or datetime.now(UTC)
        leads = [self.people.lead(moment, trap or self.people.odd()) for _ in range(count)]
        self._rows.extend(self._row(lead) for lead in leads)
        self._rows.sort()
        return [lead["Id"] for lead in leads]

    def make_one(self) -> None:
        """Make what a real site makes next: a lead, mostly; one sent again; a row nobody can read."""
        dice = self.people.random.random()
        if dice < self.options.bad_share:
            self.add_raw(self.people.bad(datetime.now(UTC)), now_ms())
        elif dice < self.options.bad_share + self.options.repeat_share and self._rows:
            self._repeat()
        else:
            self.make(1)

    def add_raw(self, row: Any, at_ms: int) -> None:
        """Add a row exactly as given, listed at ``at_ms``; a row without an Id is written down as bad."""
        self.books.counts["leads bad"] += 1
        bisect.insort(self._rows, (at_ms, self._next(), orjson.dumps(row), ""))

    def _repeat(self) -> None:
        at_ms, _number, raw, identity = self.people.random.choice(self._rows)
        if identity:
            self.books.lead(identity, at_ms)
            bisect.insort(self._rows, (at_ms, self._next(), raw, identity))

    def _row(self, lead: Lead) -> tuple[int, int, bytes, str]:
        spelled = datetime.fromisoformat(lead["DateAndTime"])
        aware = spelled if spelled.tzinfo else spelled.replace(tzinfo=self.people.zone)
        made_ms = int(aware.timestamp() * 1000)
        self.books.lead(lead["Id"], made_ms)
        return made_ms, self._next(), orjson.dumps(lead), lead["Id"]

    def _next(self) -> int:
        self._number += 1
        return self._number

    # -- the protocol --------------------------------------------------------------------------------------------

    def admit(self, headers: Mapping[str, str]) -> None:
        """Refuse a wrong or missing key."""
        given = headers.get("ident-integration-key", "")
        if not hmac.compare_digest(given.encode(), self.options.key.encode()):
            why = "unknown key" if given else "no IDENT-Integration-Key"
            raise Refusal(self.options.refuse_with, f"{self.options.name}: {why}")

    def get_tickets(self, query: Mapping[str, list[str]], *, ignore_paging: bool = False) -> Reply:
        """Answer GetTickets: the leads of an inclusive period, in order, one page of them."""
        start, end = _moment(query, "dateTimeFrom"), _moment(query, "dateTimeTo")
        if start > end:
            raise Refusal(400, "dateTimeFrom is later than dateTimeTo")
        if self.options.max_days and end - start > timedelta(days=self.options.max_days):
            raise Refusal(400, f"the period is longer than {self.options.max_days} days")
        limit, offset = _whole(query, "limit", 1), _whole(query, "offset", 0) or 0
        if self.options.max_limit and (limit is None or limit > self.options.max_limit):
            raise Refusal(400, f"limit must be given, at most {self.options.max_limit}")
        low, high = int(start.timestamp() * 1000), int(end.timestamp() * 1000) + 999  # whole seconds, inclusive
        rows = self._rows[bisect.bisect_left(self._rows, (low,)) : bisect.bisect_left(self._rows, (high + 1,))]
        if not ignore_paging:
            rows = rows[offset : None if limit is None else offset + limit]
        self.books.served([row[3] for row in rows])
        body = b"[" + b",".join(row[2] for row in rows) + b"]"
        return Reply(200, body, "application/json; charset=utf-8", note=f"{len(rows)} rows from {offset}")

    async def post_timetable(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Check and keep a timetable; refuses with every reason found."""
        if not headers.get("content-type", "").startswith("application/json"):
            raise Refusal(415, "Content-Type must be application/json")
        plain = self._unpack(body, headers.get("content-encoding", "identity").strip().lower())
        try:
            if len(plain) < _THREAD_FROM:
                timetable = read_timetable(plain, self.options.grid)
            else:
                timetable = await asyncio.to_thread(read_timetable, plain, self.options.grid)
        except BadBody as refused:
            self.books.counts["timetables refused"] += 1
            raise Refusal(400, str(refused)) from None
        self._keep(plain, timetable, headers)
        return text(200, "ok")

    def _unpack(self, body: bytes, encoding: str) -> bytes:
        limit = self.options.max_bytes
        if encoding == "identity":
            return body
        if encoding != "gzip" or not self.options.gzip:
            raise Refusal(415, f"Content-Encoding {encoding[:20]} is not accepted")
        unpacker = zlib.decompressobj(wbits=31)
        try:
            plain = unpacker.decompress(body, limit + 1 if limit else 0)
        except zlib.error as error:
            raise Refusal(400, f"not gzip: {error}") from None
        if limit and len(plain) > limit:
            raise Refusal(413, f"the body is larger than {limit} bytes")
        if not unpacker.eof:
            raise Refusal(400, "gzip ends too early")
        return plain

    def _keep(self, body: bytes, timetable: Timetable, headers: Mapping[str, str]) -> None:
        branches = sorted(row.id for row in timetable.branches)
        who = headers.get("user-agent", "")[:80]
        self.books.timetable(body, len(timetable.doctors), len(timetable.intervals), branches, who)
        self.timetables[tuple(branches)] = body
        names = {row.id: row.name for row in timetable.doctors}
        free: list[Free] = [
            (row.doctor_id, names[row.doctor_id], row.start_date_time, row.length_in_minutes)
            for row in timetable.intervals
            if not row.is_busy
        ]
        self.people.free = free[:: max(1, len(free) // _FREE_REMEMBERED)]


def _moment(query: Mapping[str, list[str]], name: str) -> datetime:
    value = _single(query, name)
    if value is None:
        raise Refusal(400, f"{name} is required")
    if " " in value:
        raise Refusal(400, f"{name} holds a space: is '+' spelled %2B?")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Refusal(400, f"{name} is not ISO 8601") from None
    if moment.tzinfo is None or "T" not in value:
        raise Refusal(400, f"{name} has no offset")
    return moment


def _whole(query: Mapping[str, list[str]], name: str, least: int) -> int | None:
    value = _single(query, name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or int(value[:9]) < least:
        raise Refusal(400, f"{name} must be a whole number from {least}")
    return int(value[:9])


def _single(query: Mapping[str, list[str]], name: str) -> str | None:
    values = query.get(name, [])
    if len(values) > 1:
        raise Refusal(400, f"{name} is given twice")
    return values[0] if values else None
