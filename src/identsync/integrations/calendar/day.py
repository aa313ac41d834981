"""A doctor's day as his telephone shows it: events as blocks in a column, the week above it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from identsync.clinic.clock import DAY, minute_now
from identsync.integrations.calendar.compared import Difference
from identsync.integrations.calendar.event import Event
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.shown import Line, Picture, events_of, is_stubborn, keys_of
from identsync.spans import MINUTE_MS
from identsync.store.lists import IN

EPOCH = date(1970, 1, 1)
OPEN, CLOSE = 9, 18  # hours drawn where nothing is
LEAST_HOURS = 7
HOUR = 64  # pixels
LEAST = 15  # minutes of the smallest block: a line of text
WEEK = 7
GHOST = 30  # minutes drawn of an event of which only the start is kept


def _(text: str) -> str:
    return text


WEEKDAYS = (_("пн"), _("вт"), _("ср"), _("чт"), _("пт"), _("сб"), _("вс"))
LONG = (_("понедельник"), _("вторник"), _("среда"), _("четверг"), _("пятница"), _("суббота"), _("воскресенье"))


@dataclass(frozen=True, slots=True)
class Slip:
    """An event of the day: minutes of that day, what it says, how it stands (there, add, change, remove...)."""

    key: int
    start: int
    end: int
    summary: str
    location: str
    description: str
    free: bool
    state: str
    was_ms: int | None = None  # when it begins where the telephone still shows the old time
    stubborn: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A slip with its place: pixels from above, percent from the left."""

    slip: Slip
    y: int
    height: int
    x: float = 0
    width: float = 100


@dataclass(frozen=True, slots=True)
class WeekDay:
    """A day of the strip above the column; ``mark`` where something of it is not there yet."""

    number: int
    word: str
    of_month: int
    events: int
    mark: bool
    chosen: bool
    today: bool

    @property
    def iso(self) -> str:
        """2026-11-23."""
        return (EPOCH + timedelta(self.number)).isoformat()


@dataclass(frozen=True, slots=True)
class DayView:
    """What is drawn of a doctor's day."""

    number: int
    blocks: tuple[Block, ...]
    shifts: tuple[Block, ...]
    hours: tuple[int, int]
    week: tuple[WeekDay, ...]
    now_y: int | None
    inside: bool  # of the window that the calendar holds

    @property
    def noon_ms(self) -> int:
        """Noon of this day as if the wall clock were UTC: for the filters that write dates."""
        return (self.number * DAY + DAY // 2) * MINUTE_MS

    @property
    def weekday(self) -> str:
        """The word for the day of the week."""
        return LONG[(self.number + 3) % WEEK]

    @property
    def iso(self) -> str:
        """2026-11-23."""
        return (EPOCH + timedelta(self.number)).isoformat()

    @property
    def height(self) -> int:
        """Pixels of the column."""
        return (self.hours[1] - self.hours[0]) * HOUR


def day_of(picture: Picture, line: Line, day: int, kept: Mapping[int, Kept]) -> DayView:
    """Draw a day of a doctor; ``kept`` are his events that are there, by key."""
    keys = keys_of(picture, line.doctor.id)
    events = events_of(picture, keys)
    differ = {one.key: one for one in line.differences}
    zone = picture.branch.zone
    slips = [*_wanted(picture, events, differ, kept, day), *_ghosts(picture, differ, day)]
    plain = [slip for slip in slips if not slip.free]
    today, minute = divmod(minute_now(zone, picture.now_ms), DAY)
    hours = _hours(slips)
    return DayView(
        number=day,
        blocks=tuple(_side_by_side(plain, hours)),
        shifts=tuple(_block(slip, hours) for slip in slips if slip.free),
        hours=hours,
        week=tuple(_week(events, differ, zone, day, today)),
        now_y=_y(minute, hours) if day == today and hours[0] * 60 <= minute <= hours[1] * 60 else None,
        inside=today - picture.destination.back_days <= day < today + picture.destination.days,
    )


def kept_near(picture: Picture, line: Line, day: int, days: int = WEEK) -> Sequence[int]:
    """Return the keys of a doctor's events of which the page asks what is kept: of the days around, and differing."""
    zone, first = picture.branch.zone, day - days
    keys = [
        key
        for key, event in events_of(picture, keys_of(picture, line.doctor.id)).items()
        if first <= _day(zone, event.start_ms) <= day + days
    ]
    return [*keys, *(one.key for one in line.differences[:IN])]


def _wanted(
    picture: Picture, events: Mapping[int, Event], differ: Mapping[int, Difference], kept: Mapping[int, Kept], day: int
) -> Iterable[Slip]:
    zone = picture.branch.zone
    for key, event in events.items():
        start, end = _wall(zone, event.start_ms) - day * DAY, _wall(zone, event.end_ms) - day * DAY
        if end <= 0 or start >= DAY:
            continue
        one = differ.get(key)
        slip = Slip(
            key, max(start, 0), min(max(end, start + 1), DAY), event.summary, event.location, event.description,
            event.free, _state(one),
        )  # fmt: skip
        yield _moved(slip, kept.get(key), event, one, picture)


def _state(one: Difference | None) -> str:
    if one is None:
        return "there"
    return "rejected" if one.state == "rejected" else one.kind


def _moved(slip: Slip, kept: Kept | None, event: Event, one: Difference | None, picture: Picture) -> Slip:
    if kept is not None:
        slip = replace(slip, stubborn=is_stubborn(kept, picture.now_ms))
    was_ms = kept.start_ms if kept else one.was_ms if one else None
    if one is None or one.kind != "change" or was_ms is None or was_ms == event.start_ms:
        return slip
    return replace(slip, was_ms=was_ms)


def _ghosts(picture: Picture, differ: Mapping[int, Difference], day: int) -> Iterable[Slip]:
    """Give the events that are there and no longer wanted; of these only the start is kept."""
    for key, one in differ.items():
        start = _wall(picture.branch.zone, one.start_ms) - day * DAY
        if one.kind == "remove" and 0 <= start < DAY:
            yield Slip(key, start, min(start + GHOST, DAY), "", "", "", free=False, state="remove")


# -- places ----------------------------------------------------------------------------------------------------------


def _hours(slips: Sequence[Slip]) -> tuple[int, int]:
    """Find the whole hours that hold everything drawn, so many at least."""
    if not slips:
        return OPEN, CLOSE
    first, last = min(slip.start // 60 for slip in slips), max(-(-slip.end // 60) for slip in slips)
    last = min(max(last, first + LEAST_HOURS), 24)
    return min(first, last - LEAST_HOURS), last


def _y(minute: int, hours: tuple[int, int]) -> int:
    return (minute - hours[0] * 60) * HOUR // 60


def _foot(slip: Slip) -> int:
    """Return the minute down to which a slip is drawn."""
    return max(slip.end, slip.start + LEAST)


def _block(slip: Slip, hours: tuple[int, int]) -> Block:
    y = _y(slip.start, hours)
    return Block(slip, y, _y(_foot(slip), hours) - y)


def _side_by_side(slips: Iterable[Slip], hours: tuple[int, int]) -> Iterable[Block]:
    """Place blocks that overlap beside each other, as calendars on telephones do."""
    lanes: list[list[Slip]] = []  # of slips that hang together
    bottom = 0
    for slip in sorted(slips, key=lambda slip: (slip.start, -slip.end, slip.key)):
        if slip.start >= bottom:
            yield from _spread(lanes, hours)
            lanes = []
        lane = next((lane for lane in lanes if _foot(lane[-1]) <= slip.start), None)
        if lane is None:
            lanes.append([slip])
        else:
            lane.append(slip)
        bottom = max(bottom, _foot(slip))
    yield from _spread(lanes, hours)


def _spread(lanes: Sequence[Sequence[Slip]], hours: tuple[int, int]) -> Iterable[Block]:
    width = round(100 / max(len(lanes), 1), 3)
    for at, lane in enumerate(lanes):
        for slip in lane:
            yield replace(_block(slip, hours), x=round(width * at, 3), width=width)


def _week(
    events: Mapping[int, Event], differ: Mapping[int, Difference], zone: str, day: int, today: int
) -> Iterable[WeekDay]:
    monday = day - (day + 3) % WEEK
    counts, marks = dict[int, int](), {_day(zone, one.start_ms) for one in differ.values()}
    for event in events.values():
        if not event.free:
            at = _day(zone, event.start_ms)
            counts[at] = counts.get(at, 0) + 1
    for at in range(WEEK):
        number = monday + at
        of_month = (EPOCH + timedelta(number)).day
        count, mark = counts.get(number, 0), number in marks
        yield WeekDay(number, WEEKDAYS[at], of_month, count, mark, chosen=number == day, today=number == today)


def _wall(zone: str, ms: int) -> int:
    return minute_now(zone, ms)


def _day(zone: str, ms: int) -> int:
    return minute_now(zone, ms) // DAY
