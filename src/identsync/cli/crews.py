"""Who leads each branch and who takes over next, for ``identsync status``."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from identsync.console.branches import Names
from identsync.console.crew import Crew, Member, Standing
from identsync.engine.integration import Role
from identsync.language import _

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 8  # clients of a scope
GONE = "x"


def crews_json(crews: Mapping[int, Crew], computers: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return each scope's crew as plain values: standing, holder, heirs with their bounds, the silent."""
    return [
        {
            "scope": crew.scope,
            "standing": crew.standing.value,
            "since_ms": crew.since_ms,
            "by_ms": crew.by_ms,
            "administrator_ms": crew.administrator_ms,
            "holder": _plain(crew.holder, computers) if crew.holder else None,
            "heirs": [_plain(one, computers) for one in crew.heirs],
            "silent": [_plain(one, computers) for one in crew.silent],
            "former": crew.former and crew.former.client,
        }
        for crew in crews.values()
    ]


def crews_table(
    crews: Mapping[int, Crew], computers: Mapping[str, str], place: Callable[[int], str], now_ms: int
) -> "Table":
    """Return the table, a line for each scope; ``place`` names a scope."""
    from rich.table import Table

    named = Names(computers, [one.client for crew in crews.values() for one in crew.members])
    table = Table(title=_("Кто ведёт"))
    headings = (
        _("филиал"),
        _("на связи"),
        _("ведёт"),
        _("виден"),
        _("с"),
        _("сменит"),
        _("не позже чем за"),
        _("что случилось"),
    )
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for crew in crews.values():
        story = "; ".join(_story(crew, named, now_ms))
        table.add_row(
            place(crew.scope), _marks(crew), *_who(crew, named, now_ms), story, style="yellow" if story else None
        )
    table.caption = _("А - администратор, Д - директор; заглавная буква ведёт, x не отзывается")
    return table


def time_of(ms: int, now_ms: int) -> str:
    """Return a moment on this computer's wall clock: 14:05, with the day where it is not today's."""
    at, today = (datetime.fromtimestamp(each / 1000).astimezone() for each in (ms, now_ms))
    return at.strftime("%H:%M" if at.date() == today.date() else "%d.%m %H:%M")


def _plain(one: Member, computers: Mapping[str, str]) -> dict[str, Any]:
    return asdict(one) | {"role": one.role.name.lower(), "computer": computers.get(one.client)}


def _marks(crew: Crew) -> str:
    """Return a letter a client: what every terminal can show, in whatever encoding."""
    letters = {Role.ADMINISTRATOR: _("А"), Role.DIRECTOR: _("Д")}
    marks = ""
    for one in crew.members[:SHOWN]:
        letter = letters[one.role]
        marks += GONE if one.rank is None else letter.lower() if one.rank else letter
    return marks + (f" +{len(crew.members) - SHOWN}" if len(crew.members) > SHOWN else "")


def _who(crew: Crew, named: Names, now_ms: int) -> tuple[str, ...]:
    holder, heir = crew.holder, next(iter(crew.heirs), None)
    leads = named(holder.client) if holder else _("никто")
    since = time_of(crew.since_ms, now_ms) if holder and crew.since_ms else ""
    signs = _seen(now_ms - holder.seen_ms) if holder else ""
    if heir is None:
        return leads, signs, since, _("некому"), ""
    left = heir.within_ms if crew.by_ms is None else max(crew.by_ms - now_ms, 0)
    follows = named(heir.client) if crew.scope else _("кто успеет, их {count}", count=len(crew.heirs))
    return leads, signs, since, follows, _("{count} с", count=-(-left // 1000))


def _seen(ago_ms: int) -> str:
    return _("{time} назад", time=_("{count} с", count=max(ago_ms, 0) // 1000))


def _story(crew: Crew, named: Names, now_ms: int) -> Iterator[str]:
    if crew.standing is Standing.STAND_IN:
        yield (
            _("подменяет директор: администратора нет на связи с {time}", time=time_of(crew.administrator_ms, now_ms))
            if crew.administrator_ms
            else _("подменяет директор: администратора нет на связи")
        )
    if crew.standing is Standing.VACANT:
        yield _("ведущий пропал, ждём сменщика")
    if crew.standing is Standing.EMPTY:
        yield _("никого на связи")
    if crew.moved and crew.former:
        yield _(
            "ведущий сменился: раньше вёл {who} ({role})", who=named(crew.former.client), role=_role(crew.former.role)
        )


def _role(role: int) -> str:
    return _("администратор") if role == Role.ADMINISTRATOR else _("директор")
