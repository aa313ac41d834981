"""What a director asks of the telephones: who gets through, how long people wait, when, who answers; as pictures."""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, func, literal_column, select

from identsync.clinic.clock import DAY, minute_now, to_ms
from identsync.engine import pages
from identsync.engine.integration import PageContext
from identsync.integrations.telephony.books import of_line
from identsync.integrations.telephony.page_corner import of_branch
from identsync.spans import HOUR_MS
from identsync.store.tables import phone_call

PERIODS = (7, 30, 90)
REST = 50  # a statistic is good for so many times what it cost
KEPT = 32
STAFF = 12
PATIENCE = 0.2  # seconds a page waits for numbers before it says that they are being reckoned
_c = phone_call.c
_HOUR, _SECOND = (literal_column(text, Integer) for text in (str(HOUR_MS), "1000"))
"""Written out: SQL Server takes a parameter in GROUP BY for another one than that in SELECT."""


def _(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address asks for: days, a line ('' = all)."""

    days: int
    line: str
    every: bool


@dataclass(slots=True)
class Tally:
    """Calls of an hour, a day, a line: incoming answered and missed, outgoing reached and not."""

    answered: int = 0
    missed: int = 0
    reached: int = 0
    unreached: int = 0

    def add(self, direction: str, state: str, n: int) -> None:
        """Count ``n`` calls."""
        name = _TALLIED[direction, state]
        setattr(self, name, getattr(self, name) + n)

    @property
    def incoming(self) -> int:
        """Calls of clients."""
        return self.answered + self.missed

    @property
    def outgoing(self) -> int:
        """Calls to clients."""
        return self.reached + self.unreached

    @property
    def share(self) -> int | None:
        """Per cent of incoming calls that somebody took; None where there were none."""
        return round(100 * self.answered / self.incoming) if self.incoming else None


_TALLIED = {
    ("in", "answered"): "answered",
    ("in", "missed"): "missed",
    ("out", "answered"): "reached",
    ("out", "missed"): "unreached",
}


@dataclass(frozen=True, slots=True)
class Worker:
    """What one employee did: calls taken, clients called, milliseconds talked."""

    extension: str
    name: str
    taken: int
    called: int
    talked_ms: int


class Shelf:
    """Statistics reckoned lately. A thread of its own reckons them, one at a time: a long one keeps no call waiting."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, tuple[float, dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()
        self._job: threading.Thread | None = None
        self._error: Exception | None = None
        self.turn = 0  # how often something was reckoned

    def get(self, key: Any, work: Callable[[], dict[str, Any]], patience: float) -> dict[str, Any] | None:
        """Return what is known, though it may be old; None where nothing is, after ``patience`` seconds."""
        with self._lock:
            error, self._error = self._error, None
            until, known = self._kept.get(key, (0.0, None))
            idle = self._job is None or not self._job.is_alive()
            if error is None and idle and time.monotonic() >= until:
                self._job = threading.Thread(
                    target=self._do, args=(key, work), name="identsync-statistics", daemon=True
                )
                self._job.start()
            job = self._job
        if error is not None:
            raise error
        if known is None and job is not None:
            job.join(patience)
            known = self._kept.get(key, (0.0, None))[1]
        return known

    def _do(self, key: Any, work: Callable[[], dict[str, Any]]) -> None:
        began = time.monotonic()
        try:
            found = work()
        except Exception as error:  # told to whoever looks next
            with self._lock:
                self._error, self.turn = error, self.turn + 1
            return
        with self._lock:
            ended = time.monotonic()
            self._kept[key] = (ended + REST * (ended - began), found)
            self._kept.move_to_end(key)
            self.turn += 1
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)


SHELF = Shelf()


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the pictures' numbers for a period of days that ends today, and for one line or all."""
    days, line = pages.number(query.get("days")), query.get("line", "")
    known = pages.titles(context.settings)
    choice = Choice(days if days in PERIODS else 30, line if line in known else "", query.get("all") == "1")
    zone = pages.zones(context, context.branch)[0]
    key = (id(context.store), context.branch, choice, pages.day_of(zone, context.now_ms))
    found = SHELF.get(key, lambda: reckoned(context, choice, zone), PATIENCE)
    return {"found": found, "choice": choice, "periods": PERIODS, "lines": known}


def reckoned(context: PageContext, choice: Choice, zone: str) -> dict[str, Any]:
    """Reckon the numbers of a choice: three questions to the database, each over the calls of its days."""
    last = pages.day_of(zone, context.now_ms)
    first = last - choice.days + 1
    where = [_c.same_as.is_(None), _c.ended_ms.is_not(None), _c.start_ms >= to_ms(zone, first * DAY)]
    where += [] if choice.every else of_branch(context, _c.branch_id)
    where += [of_line(choice.line)] if choice.line else []
    with context.store.read() as connection:
        hours, days = _by_time(connection, where, zone, range(first, last + 1))
        lines, staff = _by_place(connection, where)
        waits = _waits(connection, where)
    total = Tally()
    for each in days.values():
        for (direction, state), name in _TALLIED.items():
            total.add(direction, state, getattr(each, name))
    shown = [hour for hour in hours if hours[hour].incoming]
    opened = range(min(shown, default=8), max(shown, default=20) + 1)
    return {
        "total": total,
        "median": quantile(waits, 0.5),
        "tenth": quantile(waits, 0.9),
        "by_hour": [(hour, hours[hour]) for hour in opened],
        "by_day": [(to_ms(zone, day * DAY), day % 7 in _WEEKEND, tally) for day, tally in days.items()],
        "by_line": lines,
        "staff": staff,
        "zone": zone,
        "at_ms": context.now_ms,
    }


_WEEKEND = (2, 3)
"""Day 0 of 1970 was a Thursday."""


def _by_time(
    connection: Connection, where: Sequence[ColumnElement[bool]], zone: str, days: Iterable[int]
) -> tuple[dict[int, Tally], dict[int, Tally]]:
    """Count by hour of the day and by day, of the branch's wall clock: one grouping by the hours of the epoch."""
    hour = (_c.start_ms // _HOUR).label("hour")
    asked = select(hour, _c.direction, _c.state, func.count().label("n")).where(*where)
    by_hour, by_day = {each: Tally() for each in range(24)}, {each: Tally() for each in days}
    for row in connection.execute(asked.group_by(hour, _c.direction, _c.state)):
        minute = minute_now(zone, row.hour * HOUR_MS)
        by_hour[minute % DAY // 60].add(row.direction, row.state, row.n)
        if minute // DAY in by_day:
            by_day[minute // DAY].add(row.direction, row.state, row.n)
    return by_hour, by_day


def _by_place(
    connection: Connection, where: Sequence[ColumnElement[bool]]
) -> tuple[dict[str, Tally], list[Worker]]:  # fmt: skip
    """Count by line, and by who talked."""
    talked, name = func.sum(_c.ended_ms - _c.answered_ms).label("talked"), func.max(_c.employee).label("employee")
    places = _c.line, _c.direction, _c.state, _c.extension
    asked = select(*places, name, func.count().label("n"), talked).where(*where).group_by(*places)
    lines: dict[str, Tally] = {}
    names: dict[str, str] = {}
    took: dict[str, Counter[str]] = {}
    for row in connection.execute(asked):
        lines.setdefault(row.line, Tally()).add(row.direction, row.state, row.n)
        if row.extension and row.state == "answered":
            names[row.extension] = row.employee or names.get(row.extension, "")
            took.setdefault(row.extension, Counter()).update({row.direction: row.n, "ms": int(row.talked or 0)})
    staff = [Worker(who, names[who], each["in"], each["out"], each["ms"]) for who, each in took.items()]
    staff.sort(key=lambda each: (-each.taken - each.called, each.extension))
    return dict(sorted(lines.items())), staff[:STAFF]


def _waits(connection: Connection, where: Sequence[ColumnElement[bool]]) -> list[tuple[int, int]]:
    """Return (seconds until somebody answered, how many such calls), ascending."""
    second = ((_c.answered_ms - _c.start_ms) // _SECOND).label("second")
    taken = _c.direction == "in", _c.state == "answered", _c.answered_ms.is_not(None)
    asked = select(second, func.count().label("n")).where(*where, *taken).group_by(second).order_by(second)
    return [(max(int(row.second), 0), row.n) for row in connection.execute(asked)]


def quantile(counted: Sequence[tuple[int, int]], share: float) -> int | None:
    """Return the least value that ``share`` of all do not exceed; ``counted`` = (value, how many), ascending."""
    total, seen = sum(n for _value, n in counted), 0
    for value, n in counted:
        seen += n
        if seen >= share * total:
            return value
    return None
