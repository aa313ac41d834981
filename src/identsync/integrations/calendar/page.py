"""Page "Календари": how every calendar stands, a doctor's day as his telephone shows it, what he is given to see it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from identsync.clinic.clock import DAY, minute_now
from identsync.engine.integration import Page, PageContext
from identsync.integrations.calendar import orders
from identsync.integrations.calendar.compared import kept_of
from identsync.integrations.calendar.day import EPOCH, day_of, kept_near
from identsync.integrations.calendar.handout import handout_of
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.integrations.calendar.shown import Line, Picture, answers_of, picture_of
from identsync.integrations.calendar.waiting import version, waiting

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from identsync.clinic.source import Branch

FAR = 3660  # days to either side that can be looked at


def _(text: str) -> str:
    return text


SHOWN = {
    "initials": _("инициалы пациента"), "first_name": _("имя пациента"), "service": _("услуга"), "room": _("кабинет"),
    "comment": _("комментарий"),
}  # fmt: skip
GROUPS = {
    "ask": (_("Ждут человека"), frozenset({"bad", "warn"})),
    "busy": (_("Обновляются"), frozenset({"busy"})),
    "ok": (_("В порядке"), frozenset({"ok"})),
    "idle": (_("Не ведутся"), frozenset({"idle"})),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address asks for, made valid."""

    name: str
    destination: CalendarDestination
    branch: "Branch"
    branches: Sequence["Branch"]
    today: int
    day: int
    doctor: str
    show: str
    sheet: bool


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the doctors of the chosen branch and destination, or one of them with his day and his handout."""
    choice = _choice(context, query)
    if choice is None:
        return {"branch": None, "destinations": bool(context.settings)}
    picture = picture_of(context, choice.name, choice.branch)
    line = next((line for line in picture.lines if str(line.doctor.id) == choice.doctor), None)
    given = _frame(context, choice, picture)
    if line is None:
        return given | _list(choice, picture)
    return given | _doctor(context, choice, picture, line)


def _frame(context: PageContext, choice: Choice, picture: Picture) -> dict[str, Any]:
    destination = choice.destination
    elsewhere = Counter[int]()
    for (name, scope), count in waiting(context).items():
        if name == choice.name:
            elsewhere[scope] += count
    return {
        "name": choice.name,
        "destination": destination,
        "title": destination.title or choice.name,
        "host": urlsplit(destination.url or destination.public_url or "").hostname or "",
        "destinations": [(name, one.title or name) for name, one in context.settings.items()],
        "shown": [SHOWN[what] for what in destination.show],
        "branch": choice.branch,
        "branches": [(branch, elsewhere[branch.id]) for branch in choice.branches],
        "asking": [(branch, elsewhere[branch.id]) for branch in choice.branches if elsewhere[branch.id]],
        "at": _neighbours(choice),
        "slot": picture.slot,
        "brakes": picture.brakes,
        "shrunk": list(dict.fromkeys((before, now) for _weight, before, now in picture.brakes.asked)),
        "filling": picture.filling,
        "shared": [
            (line, picture.shared[line.doctor.id]) for line in picture.lines if line.doctor.id in picture.shared
        ],
        "line": None,
        "sheet": choice.sheet,
    }


def _list(choice: Choice, picture: Picture) -> dict[str, Any]:
    counts = {name: sum(line.state.kind in kinds for line in picture.lines) for name, (_word, kinds) in GROUPS.items()}
    kinds = GROUPS[choice.show][1] if choice.show in GROUPS else None
    lines = [line for line in picture.lines if kinds is None or line.state.kind in kinds]
    return {
        "lines": lines,
        "all": len(picture.lines),
        "groups": [(name, word, counts[name]) for name, (word, _kinds) in GROUPS.items() if counts[name]],
        "show": choice.show if kinds else "",
        "events": sum(line.there for line in picture.lines),
    }


def _doctor(context: PageContext, choice: Choice, picture: Picture, line: Line) -> dict[str, Any]:
    with context.store.read() as connection:
        kept = _kept(connection, choice, picture, line)
        answers = _answers(connection, choice, picture, line)
    account, at = picture.account_of(line.doctor.id), picture.lines.index(line)
    return {
        "line": line,
        "shrunk_alone": picture.brakes.parts.get(str(line.doctor.id)),
        "answers": answers,
        "day": day_of(picture, line, choice.day, kept),
        "handout": handout_of(choice.destination, line.link, account),
        "today": choice.day == choice.today,
        "beside": {
            "up": picture.lines[at - 1].doctor.id if at else None,
            "down": picture.lines[at + 1].doctor.id if at + 1 < len(picture.lines) else None,
        },
    }


def _kept(connection: "Connection", choice: Choice, picture: Picture, line: Line) -> dict[int, Kept]:
    if choice.destination.kind == "feed":
        return {}
    return kept_of(connection, picture.book, kept_near(picture, line, choice.day))


def _answers(connection: "Connection", choice: Choice, picture: Picture, line: Line) -> dict[int, str]:
    """Return what the other side said of a doctor's events; of a feed, whose item is the doctor, of all of them."""
    if choice.destination.kind != "feed":
        return answers_of(connection, picture.book, [one.key for one in line.differences if one.state])
    said = answers_of(connection, picture.book, [line.doctor.id]).get(line.doctor.id)
    return {one.key: said for one in line.differences if said}


def attention(context: PageContext) -> int:
    """Count what waits for a person: refused calendars, brakes, branches with events that were not taken."""
    return sum(waiting(context).values())


# -- what is asked for -----------------------------------------------------------------------------------------------


def _choice(context: PageContext, query: Mapping[str, str]) -> Choice | None:
    settings: Mapping[str, CalendarDestination] = context.settings or {}
    if not settings:
        return None
    name = query.get("to", "") if query.get("to", "") in settings else next(iter(settings))
    admitted = settings[name].branches
    branches = [branch for branch in context.clinic.branches() if not admitted or branch.id in admitted]
    if not branches:
        return None
    branch = next((one for one in branches if str(one.id) == query.get("branch")), branches[0])
    today = minute_now(branch.zone, context.now_ms) // DAY
    day = min(max(_day(query.get("date", ""), today), today - FAR), today + FAR)
    show, sheet = query.get("show", ""), query.get("sheet", "") == "1"
    return Choice(name, settings[name], branch, branches, today, day, query.get("doctor", ""), show, sheet)


def _day(text: str, today: int) -> int:
    try:
        return (date.fromisoformat(text) - EPOCH).days
    except ValueError:
        return today


def _neighbours(choice: Choice) -> dict[str, Any]:
    """Give what the keys lead to: the days and branches beside this one."""
    at = choice.branches.index(choice.branch)
    return {
        "before": date.fromordinal(EPOCH.toordinal() + choice.day - 1).isoformat(),
        "after": date.fromordinal(EPOCH.toordinal() + choice.day + 1).isoformat(),
        "up": choice.branches[at - 1].id if at else None,
        "down": choice.branches[at + 1].id if at + 1 < len(choice.branches) else None,
    }


Action = Callable[[PageContext, Mapping[str, str]], str | None]
_actions: dict[str, Action] = {
    "allow": orders.allow, "pause": orders.pause, "resume": orders.resume, "look": orders.look, "again": orders.again,
    "everything": orders.everything, "rotate": orders.rotate,
}  # fmt: skip
_page = partial(Page, slug="calendar", title=_("Календари"), template="calendar/calendar.html")
PAGES = (_page(view=view, version=version, actions=_actions, attention=attention),)
