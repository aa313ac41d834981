"""Page "Расписание": a branch's day as strips of working, busy and free time, and what each site has of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from identsync.clinic.clock import minute_now
from identsync.core.board import Boards
from identsync.engine.integration import Page, PageContext
from identsync.errors import AskPerson
from identsync.flows.mirror import approve, send_again
from identsync.integrations.timetable import wire
from identsync.integrations.timetable.sent import Sent, sites_of
from identsync.integrations.timetable.snapshot import DAY
from identsync.integrations.timetable.task import scope_of, stream_of
from identsync.store import slots
from identsync.store.tables import mirror_item, mirror_stream

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, Doctor
    from identsync.integrations.timetable.settings import Destination

EPOCH = date(1970, 1, 1)
CELL = wire.GRID
DAYS = 14  # of one doctor
FAR = 3660  # days to either side that can be looked at
OPEN, CLOSE = 9, 18  # hours drawn where nobody works


def _(text: str) -> str:
    return text


WEEKDAYS = (_("понедельник"), _("вторник"), _("среда"), _("четверг"), _("пятница"), _("суббота"), _("воскресенье"))


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the wall clock, counted from 1970-01-01."""

    number: int

    @property
    def iso(self) -> str:
        """2026-11-23."""
        return (EPOCH + timedelta(self.number)).isoformat()

    @property
    def noon_ms(self) -> int:
        """Noon of this day as if the wall clock were UTC: for the filters that write dates."""
        return (self.number * DAY + DAY // 2) * 60_000

    @property
    def weekday(self) -> str:
        """The word for the day of the week."""
        return WEEKDAYS[(self.number + 3) % 7]


@dataclass(frozen=True, slots=True)
class Block:
    """A run of equal cells: where it begins and how wide it is, in percent of the strip; what it is; from, to."""

    x: float
    width: float
    kind: str
    start: int
    end: int  # minutes of the day


@dataclass(frozen=True, slots=True)
class Strip:
    """One line of the page: a doctor of the day, or a day of the doctor."""

    id: str
    name: str
    note: str
    day: Day
    doctor: int
    blocks: tuple[Block, ...]
    changed: tuple[Block, ...]
    free: int  # minutes
    busy: int
    today: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address asks for, made valid."""

    branch: "Branch"
    today: int
    minute: int  # of today
    day: int
    doctor: "Doctor | None"
    show: str

    @property
    def days(self) -> int:
        """How many days are drawn."""
        return DAYS if self.doctor else 1


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return strips of the chosen branch and day (or doctor), and every site's state."""
    branches = context.clinic.branches()
    if not branches:
        return {"branch": None}
    staff = context.clinic.staff()
    choice = _choice(branches, staff, query, context)
    boards = context.clinic.boards(choice.day, choice.days, CELL, [choice.branch.id])
    sites = sites_of(context, branches, choice.branch)
    shown = next((site for site in sites if site.name == choice.show), None)
    doctors = [doctor for doctor in staff if doctor.branch_id == choice.branch.id]
    strips, hours = _strips(choice, doctors, boards, shown)
    return {
        "branch": choice.branch,
        "branches": branches,
        "at": _neighbours(branches, choice),
        "day": Day(choice.day),
        "today": choice.day == choice.today,
        "doctor": choice.doctor,
        "show": shown,
        "sites": sites,
        "strips": strips,
        "hours": hours,
        "now_x": _percent(choice.minute, hours),
        "brakes": [site for site in sites if site.brakes],
        "cell": CELL,
    }


def version(context: PageContext) -> str:
    """Return what changes with every delivery and decision, and with the minute."""
    item, stream = mirror_item.c, mirror_stream.c
    with context.store.read() as connection:
        items = select(func.count(), func.max(item.changed_ms)).where(item.stream.like("timetable/%"))
        brakes = select(
            func.count(stream.asked_weight), func.count(stream.approved_weight), func.max(stream.changed_ms)
        )
        parts = (
            *connection.execute(items).one(),
            *connection.execute(brakes.where(stream.stream.like("timetable/%"))).one(),
            context.now_ms // 60_000,
        )
    return ".".join(str(part or 0) for part in parts)


def attention(context: PageContext) -> int:
    """Count what waits for a person: stopped sites and bodies a site did not take, of the sites in the settings."""
    item, stream = mirror_item.c, mirror_stream.c
    rejected = select(func.count()).where(_of_sites(context, item), item.state == "rejected")
    asked = select(func.count()).where(_of_sites(context, stream), stream.asked_weight.is_not(None))
    with context.store.read() as connection:
        waiting = connection.execute(asked.where(stream.approved_weight.is_(None))).scalar_one()
        return int(connection.execute(rejected).scalar_one() + waiting)


def _of_sites(context: PageContext, rows: Any) -> ColumnElement[bool]:
    """Tell the rows of the sites' present tasks; the scope of a site of all branches only the clinic could tell."""
    settings: Mapping[str, Destination] = context.settings or {}
    apart = []
    for name, site in settings.items():
        stream = stream_of(name)
        mine = or_(rows.stream == stream, rows.stream.startswith(f"{stream}:", autoescape=True))  # and its weights
        apart.append(and_(mine, rows.scope == scope_of(site, ())) if site.branches else mine)
    return or_(false(), *apart)


# -- actions ---------------------------------------------------------------------------------------------------------


def allow(context: PageContext, form: Mapping[str, str]) -> str:
    """Let a stopped site be sent the smaller timetable, once."""
    stream, scope = _site(context, form)
    if not slots.order(context.store, stream, scope, lambda connection: approve(connection, stream, scope)):
        return _("Решение уже не нужно.")
    return _("Разрешено. Отправится через несколько секунд.")


def again(context: PageContext, form: Mapping[str, str]) -> str:
    """Send everything anew, whatever the site is thought to have."""
    stream, scope = _site(context, form)
    slots.order(context.store, stream, scope, lambda connection: send_again(connection, stream, scope))
    return _("Расписание отправится заново через несколько секунд.")


def _site(context: PageContext, form: Mapping[str, str]) -> tuple[str, int]:
    name = form.get("site", "")
    if name not in (context.settings or {}):
        raise AskPerson(_("Такого сайта в настройках нет."))
    return stream_of(name), scope_of(context.settings[name], context.clinic.branches())


# -- what is asked for -----------------------------------------------------------------------------------------------


def _choice(
    branches: Sequence["Branch"], staff: Sequence["Doctor"], query: Mapping[str, str], context: PageContext
) -> Choice:
    branch = next((one for one in branches if str(one.id) == query.get("branch")), branches[0])
    today, minute = divmod(minute_now(branch.zone, context.now_ms), DAY)
    here = (one for one in staff if one.branch_id == branch.id and str(one.id) == query.get("doctor"))
    day = min(max(_day(query.get("date", ""), today), today - FAR), today + FAR)
    return Choice(branch, today, minute, day, next(here, None), query.get("show", ""))


def _day(text: str, today: int) -> int:
    try:
        return (date.fromisoformat(text) - EPOCH).days
    except ValueError:
        return today


def _neighbours(branches: Sequence["Branch"], choice: Choice) -> dict[str, Any]:
    """Give what the keys lead to: the days and branches beside this one."""
    at = branches.index(choice.branch)
    return {
        "before": Day(choice.day - choice.days).iso,
        "after": Day(choice.day + choice.days).iso,
        "up": branches[at - 1].id if at else None,
        "down": branches[at + 1].id if at + 1 < len(branches) else None,
    }


# -- strips ----------------------------------------------------------------------------------------------------------

Cells = tuple[bytes, bytes]
Hours = tuple[int, int]


def _strips(
    choice: Choice, doctors: Sequence["Doctor"], boards: Boards, shown: Sent | None
) -> tuple[list[Strip], Hours]:
    """Draw the clinic's boards, or the site's where one is chosen, with the cells in which the two differ."""
    branch = choice.branch.id
    if choice.doctor:
        lines = [(choice.doctor, choice.day + i) for i in range(DAYS)]
    else:
        lines = [(doctor, choice.day) for doctor in sorted(doctors, key=lambda doctor: (doctor.name, doctor.id))]
    seats, nothing = set(boards.seats), (bytes(DAY // CELL), bytes(DAY // CELL))
    cells: list[tuple[Doctor, int, Cells, Cells | None]] = []
    for doctor, day in lines:
        mine = boards.strip(branch, doctor.id, day) if (branch, doctor.id) in seats else nothing
        theirs = shown.strip(branch, doctor.id, day) if shown else None
        cells.append((doctor, day, mine, theirs))
    hours = _hours([each for *_who, mine, theirs in cells for each in (mine, theirs) if each])
    return [_strip(choice, hours, shown is not None, *line) for line in cells], hours


def _strip(
    choice: Choice, hours: Hours, of_site: bool, doctor: "Doctor", day: int, mine: Cells, theirs: Cells | None
) -> Strip:
    working, busy = (theirs or (bytes(len(mine[0])), bytes(len(mine[0])))) if of_site else mine
    kinds = ["busy" if b else "free" if w else "off" for w, b in zip(working, busy, strict=True)]
    differ = ["changed" if theirs and pair[0] != pair[1] else "" for pair in _pairs(mine, theirs or mine)]
    return Strip(
        id=f"strip-{doctor.id}-{day}",
        name=doctor.name,
        note=doctor.speciality,
        day=Day(day),
        doctor=doctor.id,
        blocks=tuple(_blocks(kinds, hours, "off")),
        changed=tuple(_blocks(differ, hours, "")),
        free=kinds.count("free") * CELL,
        busy=kinds.count("busy") * CELL,
        today=day == choice.today,
    )


def _pairs(mine: Cells, theirs: Cells) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    return zip(zip(*mine, strict=True), zip(*theirs, strict=True), strict=True)


def _blocks(kinds: Sequence[str], hours: Hours, blank: str) -> Iterator[Block]:
    for kind, run in groupby(range(len(kinds)), key=kinds.__getitem__):
        cells = list(run)
        start, end = cells[0] * CELL, (cells[-1] + 1) * CELL
        if kind != blank and end > hours[0] * 60 and start < hours[1] * 60:
            x = _percent(start, hours)
            yield Block(x, round(_percent(end, hours) - x, 3), kind, start, end)


def _hours(lines: Sequence[Cells]) -> Hours:
    """Find the whole hours that hold everything drawn."""
    used = [cell for line in lines for plane in line for cell, bit in enumerate(plane) if bit]
    if not used:
        return OPEN, CLOSE
    return min(used) * CELL // 60, -(-(max(used) + 1) * CELL // 60)


def _percent(minute: int, hours: Hours) -> float:
    return round((minute - hours[0] * 60) / ((hours[1] - hours[0]) * 60) * 100, 3)


Action = Callable[[PageContext, Mapping[str, str]], str | None]
_actions: dict[str, Action] = {"allow": allow, "again": again}
_page = partial(Page, slug="timetable", title=_("Расписание"), template="timetable/timetable.html")
PAGES = (_page(view=view, version=version, actions=_actions, attention=attention),)
