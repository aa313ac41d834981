"""What the address of the page asks for: whom to count, in which period, what to colour; nobody's data."""

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from identsync.clinic.clock import DAY, minute_now
from identsync.integrations.geocoding.census import Wanted

if TYPE_CHECKING:
    from identsync.engine.integration import PageContext
    from identsync.integrations.geocoding.census import Survey

EPOCH = date(1970, 1, 1).toordinal()
OLDEST = 120
YEAR = 365


def _(text: str) -> str:
    return text


PERIODS: Mapping[str, str] = {
    "": _("за всё время"),
    "month": _("за 30 дней"),
    "quarter": _("за 3 месяца"),
    "year": _("за 12 месяцев"),
    "own": _("свой период"),
}
VERSUS: Mapping[str, str] = {
    "": _("не сравнивать"),
    "before": _("с таким же перед ним"),
    "last": _("с тем же год назад"),
    "own": _("со своим периодом"),
}
METRICS: Mapping[str, str] = {
    "": _("Пациенты"),
    "share": _("Доля"),
    "new": _("Новые"),
    "revenue": _("Выручка"),
}
SEXES = {"m": 0b010, "f": 0b100}
Days = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Choice:
    """The filters of the map; ``wanted`` and ``against`` are the two counts they mean, the second where compared."""

    wanted: Wanted
    against: Wanted | None
    metric: str
    rough: bool
    period: str
    versus: str
    own: tuple[str, str]
    other: tuple[str, str]
    age: tuple[str, str]
    sex: str

    @property
    def plain(self) -> bool:
        """Whether everybody is counted."""
        return self.wanted == Wanted(new_from=self.wanted.new_from)


def choose(context: "PageContext", found: "Survey", query: Mapping[str, str]) -> Choice:
    """Read the address; what makes no sense is left out."""
    zone = found.branches[0].zone if found.branches else "UTC"
    today = minute_now(zone, context.now_ms) // DAY
    period, versus = _one_of(query, "period", PERIODS), _one_of(query, "versus", VERSUS)
    first = _period(period, query, today)
    wanted = replace(_who(found, query, today), first=first, new_from=today - YEAR)
    second = _against(versus, first, query) if first else None
    return Choice(
        wanted=wanted,
        against=replace(wanted, first=second) if second else None,
        metric=_one_of(query, "metric", METRICS),
        rough=query.get("rough") != "0",
        period=period,
        versus=versus if first else "",
        own=(query.get("from", ""), query.get("to", "")),
        other=(query.get("from2", ""), query.get("to2", "")),
        age=(query.get("age1", ""), query.get("age2", "")),
        sex=query.get("sex", "") if query.get("sex") in SEXES else "",
    )


def _who(found: "Survey", query: Mapping[str, str], today: int) -> Wanted:
    service, source = query.get("service", ""), query.get("source")
    return Wanted(
        born=_born(number(query.get("age1")), number(query.get("age2")), today),
        sexes=SEXES.get(query.get("sex", ""), 0),
        branch=number(query.get("branch")),
        doctor=number(query.get("doctor")),
        service=service if service in found.services else "",
        source="" if source == "-" else source if source in found.sources else None,
    )


def _one_of(query: Mapping[str, str], name: str, known: Mapping[str, str]) -> str:
    value = query.get(name, "")
    return value if value in known else ""


def number(text: str | None) -> int | None:
    """Read a small whole number, None for anything else."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None


def day(text: str | None) -> int | None:
    """Read a date of a form as a day since 1970-01-01."""
    try:
        return date.fromisoformat(text or "").toordinal() - EPOCH
    except ValueError:
        return None


def _period(name: str, query: Mapping[str, str], today: int) -> Days | None:
    if name == "own":
        return _own(day(query.get("from")), day(query.get("to")), today)
    lengths = {"month": 30, "quarter": 91, "year": YEAR}
    return (today - lengths[name] + 1, today) if name in lengths else None


def _own(first: int | None, last: int | None, today: int) -> Days | None:
    if first is None and last is None:
        return None
    first, last = 0 if first is None else first, today if last is None else last
    return (first, last) if first <= last else (last, first)


def _against(name: str, first: Days, query: Mapping[str, str]) -> Days | None:
    length = first[1] - first[0] + 1
    if name == "before":
        return first[0] - length, first[0] - 1
    if name == "last":
        return _year_before(first[0]), _year_before(first[1])
    return _own(day(query.get("from2")), day(query.get("to2")), first[1]) if name == "own" else None


def _year_before(days: int) -> int:
    then = date.fromordinal(days + EPOCH)
    last = monthrange(then.year - 1, then.month)[1]
    return then.replace(year=then.year - 1, day=min(then.day, last)).toordinal() - EPOCH


def _born(youngest: int | None, oldest: int | None, today: int) -> Days | None:
    """Give the days on which people of these ages (in full years) were born."""
    if youngest is None and oldest is None:
        return None
    low, high = min(youngest or 0, OLDEST), min(OLDEST if oldest is None else oldest, OLDEST)
    return _birthday(today, high + 1) + 1, _birthday(today, low)


def _birthday(today: int, age: int) -> int:
    then = date.fromordinal(today + EPOCH)
    try:
        return then.replace(year=then.year - age).toordinal() - EPOCH
    except ValueError:  # the 29th of February
        return (then - timedelta(days=1)).replace(year=then.year - age).toordinal() - EPOCH
