"""Intake: what the outside has for the clinic comes in, every row once, none lost, whatever happens on the way.

A run asks for periods ("windows") from the cursor minus an overlap up to the open future, page by page. Every row is
checked by itself: a bad one goes to the worklist ``intake_reject`` with all its problems and never costs its page. Rows
known by their key are dropped. What is new, what is bad and the cursor are written in one transaction under the fence.

The cursor is the moment up to which everything is here. It moves to the end of a closed window when its last page is
in, and in the last, open window to the newest row; never past now, so that a row dated in the future cannot push it
over real ones. A run that ends in the middle therefore asks its window again: rows come twice, none is skipped.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, insert, select, update

from identsync.engine.integration import Outcome, Status
from identsync.errors import Unexpected
from identsync.flows.flaw import Flaw, dumped
from identsync.language import _
from identsync.spans import DAY_MS
from identsync.store.lists import portions
from identsync.store.tables import intake_cursor, intake_reject
from identsync.store.texts import printable

if TYPE_CHECKING:
    from identsync.engine.run import Run

T = TypeVar("T")

OPEN_END_MS = 7_258_118_399_000  # 2199-12-31T23:59:59Z: the end of a period that is not closed
RAW_KEPT = 8_000  # characters of a bad row
PROBLEMS_KEPT = 50
MAX_PAGES = 2_000  # of one window: a server that makes up rows for ever is stopped
REPEATS = 10  # pages of one window that were there already
READ_IN_PLACE = 200  # rows
KEYS_AT_ONCE = 500  # in one IN list; SQL Server takes at most 2,100 parameters


@dataclass(frozen=True, slots=True)
class Window:
    """A period, epoch milliseconds UTC, both ends inclusive; ``last`` = nothing comes after it."""

    start_ms: int
    end_ms: int
    last: bool


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """A good row: ``key`` (at most 64 characters, such as a sha256 hex), when it was made, the room's record."""

    key: str
    at_ms: int
    value: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Periods:
    """How a source is asked: how far back at first, how long a window may be, how much is asked again, rows per page.

    ``limit`` 0 = the source does not page. ``open_end`` False closes the last window ``ahead_ms`` after now (at most
    half a window), for sources that refuse periods longer than ``window_ms``.
    """

    first_ms: int
    window_ms: int
    overlap_ms: int = DAY_MS
    limit: int = 500
    open_end: bool = True
    ahead_ms: int = DAY_MS

    def windows(self, cursor_ms: int | None, now_ms: int) -> Iterator[Window]:
        """Yield the windows of a run, oldest first; neighbours share their border, so that whole seconds suffice."""
        start = now_ms - self.first_ms if cursor_ms is None else min(cursor_ms, now_ms) - self.overlap_ms
        start = max(start, 0)
        ahead = 0 if self.open_end else min(self.ahead_ms, self.window_ms // 2)
        reach = self.window_ms - ahead
        while now_ms - start > reach:
            yield Window(start, start + self.window_ms, last=False)
            start += self.window_ms
        yield Window(start, OPEN_END_MS if self.open_end else now_ms + ahead, last=True)


class Source(Protocol[T]):
    """What a room knows of its rows."""

    async def fetch(self, window: Window, limit: int, offset: int) -> object:
        """Return the decoded answer for one page; anything but a list is refused by the flow."""

    def parse(self, raw: object) -> Row[T] | list[Flaw]:
        """Return the row, or everything that is wrong with it; never raises."""

    def known(self, connection: Connection, keys: Sequence[str]) -> Collection[str]:
        """Return which of at most ``KEYS_AT_ONCE`` keys are here already."""

    async def enrich(self, rows: Sequence[Row[T]]) -> Sequence[Row[T]]:
        """Add what the clinic knows, outside of any transaction."""

    def store(self, connection: Connection, rows: Sequence[Row[T]]) -> None:
        """Insert rows, none of which is known, inside the flow's transaction."""


@dataclass(slots=True)
class _Counts:
    received: int = 0
    new: int = 0
    repeated: int = 0
    rejected: int = 0
    pages: int = 0


async def intake(run: "Run", stream: str, source: Source[T], periods: Periods) -> Outcome:
    """Take in all that ``source`` has since the cursor of ``stream``; what fetch raises ends the run."""
    return await _Intake(run, stream, source, periods).all()


class _Intake(Generic[T]):
    """One run of an intake."""

    def __init__(self, run: "Run", stream: str, source: Source[T], periods: Periods) -> None:
        self._run = run
        self._stream = stream
        self._source = source
        self._periods = periods
        self._counts = _Counts()
        self._cursor: int | None = None
        self._stored: int | None = None  # what the table says

    async def all(self) -> Outcome:
        self._stored = await self._run.read(lambda connection: cursor(connection, self._stream, self._run.scope))
        if self._stored is not None:  # ahead of us where the database's clock once was: a write puts it back
            self._cursor = min(self._stored, self._run.now_ms())
        for window in self._periods.windows(self._cursor, self._run.now_ms()):
            await self._window(window)
        counts = _as_counts(self._counts)
        if self._counts.rejected:
            note = _("Строк, которые не удалось прочитать: {n}", n=self._counts.rejected)
            return Outcome(Status.PARTIAL, counts, note)
        return Outcome(Status.OK, counts)

    async def _window(self, window: Window) -> None:
        limit, offset, newest = self._periods.limit, 0, 0
        seen: Counter[str] = Counter()
        while True:
            page = _listed(await self._source.fetch(window, limit, offset))
            full = limit > 0 and len(page) == limit  # more than asked for: limit is ignored, everything is here
            rows, bad = await self._read_aside(page)
            newest = max([newest, *(row.at_ms for row in rows)])
            await self._write(rows, bad, None if full else self._reached(window, newest))
            if not full:
                return
            _moving(seen, page)
            offset += len(page)

    async def _read_aside(self, page: list[Any]) -> tuple[list[Row[T]], dict[str, tuple[Any, list[Flaw]]]]:
        """Read a page, a large one in a thread: the engine's loop stays free for leases and people."""
        if len(page) <= READ_IN_PLACE:
            return self._read(page)
        return await asyncio.to_thread(self._read, page)

    def _read(self, page: list[Any]) -> tuple[list[Row[T]], dict[str, tuple[Any, list[Flaw]]]]:
        """Split a page into rows, the first of each key, and bad rows by their fingerprint."""
        rows: dict[str, Row[T]] = {}
        bad: dict[str, tuple[Any, list[Flaw]]] = {}
        for raw in page:
            parsed = self._source.parse(raw)
            if isinstance(parsed, list):
                bad.setdefault(fingerprint(raw), (raw, parsed))
            else:
                rows.setdefault(parsed.key, parsed)
        self._counts.pages += 1
        self._counts.received += len(page)
        return list(rows.values()), bad

    def _reached(self, window: Window, newest: int) -> int:
        """Return the cursor once a window is in: monotonic, and never past now."""
        reached = min(newest if window.last else window.end_ms, self._run.now_ms())
        return max(reached, window.start_ms if self._cursor is None else self._cursor)

    async def _write(self, rows: list[Row[T]], bad: Mapping[str, tuple[Any, list[Flaw]]], reached: int | None) -> None:
        fresh, strange = await self._run.read(lambda connection: self._fresh(connection, rows, bad))
        enriched = await self._source.enrich(fresh) if fresh else []
        moved = reached if reached != self._stored else None
        if enriched or strange or moved is not None:
            await self._run.write(lambda connection: self._commit(connection, enriched, strange, moved))
        if moved is not None:
            self._cursor = self._stored = moved
        self._counts.new += len(enriched)
        self._counts.rejected += len(strange)
        self._counts.repeated += len(rows) - len(enriched)
        self._run.progress(**_as_counts(self._counts))

    def _fresh(
        self, connection: Connection, rows: list[Row[T]], bad: Mapping[str, tuple[Any, list[Flaw]]]
    ) -> tuple[list[Row[T]], list[dict[str, Any]]]:
        known: set[str] = set()
        for keys in portions([row.key for row in rows], KEYS_AT_ONCE):
            known.update(self._source.known(connection, keys))
        listed: set[str] = set()
        for keys in portions(bad, KEYS_AT_ONCE):
            here = intake_reject.c.stream == self._stream, intake_reject.c.key.in_(keys)
            listed.update(connection.execute(select(intake_reject.c.key).where(*here)).scalars())
        now = self._run.now_ms()
        strange = [self._reject(key, raw, why, now) for key, (raw, why) in bad.items() if key not in listed]
        return [row for row in rows if row.key not in known], strange

    def _reject(self, key: str, raw: object, flaws: list[Flaw], now: int) -> dict[str, Any]:
        words = printable(dumped(flaws[:PROBLEMS_KEPT]))
        text = printable(spelled(raw))[:RAW_KEPT]
        return {"stream": self._stream, "key": key, "received_ms": now, "problems": words, "raw": text}

    def _commit(
        self, connection: Connection, rows: Sequence[Row[T]], strange: list[dict[str, Any]], moved: int | None
    ) -> None:
        if rows:
            self._source.store(connection, rows)
        if strange:
            connection.execute(insert(intake_reject), strange)
        if moved is not None:
            move(connection, self._stream, self._run.scope, moved, self._run.now_ms())


def cursor(connection: Connection, stream: str, scope: int) -> int | None:
    """Return how far a stream is in, epoch milliseconds; None = never."""
    here = intake_cursor.c.stream == stream, intake_cursor.c.scope == scope
    found: int | None = connection.execute(select(intake_cursor.c.cursor_ms).where(*here)).scalar()
    return found


def spelled(raw: object) -> str:
    """Return a row as JSON, for people and fingerprints."""
    try:
        return json.dumps(raw, sort_keys=True, ensure_ascii=False, default=str)
    except RecursionError:
        return _("вложено слишком глубоко")


def fingerprint(raw: object) -> str:
    """Return the sha256 hex of a row as it came, whatever is in it."""
    return hashlib.sha256(spelled(raw).encode("utf-8", "surrogatepass")).hexdigest()


def _listed(answer: object) -> list[Any]:
    if isinstance(answer, list):
        return answer
    came = _("пришло null") if answer is None else _("пришёл не список")
    raise Unexpected(_("Вместо списка {came}", came=came), raw=spelled(answer)[:RAW_KEPT])


def _moving(seen: Counter[str], page: list[Any]) -> None:
    """Stop where paging leads nowhere: full pages that were there already, or pages without end.

    A few equal pages are allowed: a site may list nothing but copies of one row.
    """
    seen[fingerprint(page)] += 1
    hint = _("Если сайт не умеет отдавать заявки страницами, укажите limit = 0.")
    if seen.total() - len(seen) >= REPEATS:
        raise Unexpected(_("Сайт отдаёт одну и ту же страницу снова и снова"), hint=hint)
    if len(seen) >= MAX_PAGES:
        raise Unexpected(_("Сайт отдаёт страницы без конца"), hint=hint)


def move(connection: Connection, stream: str, scope: int, to_ms: int, now_ms: int) -> None:
    """Write down how far a stream is in."""
    values = {"cursor_ms": to_ms, "changed_ms": now_ms}
    here = intake_cursor.c.stream == stream, intake_cursor.c.scope == scope
    if connection.execute(update(intake_cursor).where(*here).values(values)).rowcount == 0:
        connection.execute(insert(intake_cursor).values(stream=stream, scope=scope, **values))


def _as_counts(counts: _Counts) -> dict[str, int]:
    names = ("received", "new", "repeated", "rejected", "pages")
    return {name: getattr(counts, name) for name in names}
