"""By when a case is to be with N3: so many working days after it was closed, as the settings say.

Working days are Monday to Friday: holidays are not known here, so a case may be called late on one. An open case
is late at nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from identsync.clinic.clock import DAY, minute_now, to_ms
from identsync.integrations.egisz.settings import Organisation
from identsync.store.tables import egisz_item

EPOCH = date(1970, 1, 1)
SATURDAY = 5
OVER = ("cancelling", "cancelled", "gone")
"""States in which nothing is to be sent any more."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """How many cases and documents N3 should have by now and has not, and since when the oldest of them waits."""

    count: int = 0
    oldest_ms: int | None = None


def last_day(day: date, days: int) -> date:
    """Return the last day on which a case closed on ``day`` is in time: ``days`` working days later."""
    while days:
        day += timedelta(1)
        days -= day.weekday() < SATURDAY
    return day


def overdue_before(now_ms: int, zone: str, days: int) -> int:
    """Return the moment (epoch ms): what was closed before it is late by now, on the wall clock of ``zone``."""
    today = EPOCH + timedelta(minute_now(zone, now_ms) // DAY)
    day = today - timedelta(1)
    while last_day(day, days) >= today:
        day -= timedelta(1)
    return to_ms(zone, ((day - EPOCH).days + 1) * DAY)


def unsent() -> list[ColumnElement[bool]]:
    """Return what is true of the rows of what N3 is to have and never had, or has as a case still open."""
    i = egisz_item.c
    wanting = or_(i.taken_ms.is_(None), i.steps.is_not(None))
    return [i.what != "patient", i.is_open.is_(None), wanting, i.state.not_in(OVER)]


def is_unsent(row: Any) -> bool:
    """Tell the same of a row that is read."""
    wanting = row.taken_ms is None or row.steps is not None
    return bool(row.what != "patient" and row.is_open is None and wanting and row.state not in OVER)


def overdue(
    connection: Connection, settings: Mapping[str, Organisation], zone_of: Mapping[str, str], now_ms: int
) -> Overdue:
    """Count what is late at these organisations, each in its zone; what N3 has taken once is not late any more."""
    i = egisz_item.c
    late = [
        and_(i.organisation == name, i.at_ms < overdue_before(now_ms, zone_of[name], each.deadline_days))
        for name, each in settings.items()
    ]
    if not late:
        return Overdue()
    row = connection.execute(select(func.count(), func.min(i.at_ms)).where(or_(*late), *unsent())).one()
    return Overdue(int(row[0]), row[1])
