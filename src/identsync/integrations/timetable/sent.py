"""What each site was last sent and answered, as the page shows it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, or_, select

from identsync.core.board import Boards
from identsync.engine.integration import PageContext
from identsync.flows.mirror import Brakes, brakes
from identsync.integrations.timetable import wire
from identsync.integrations.timetable.kept import unpacked
from identsync.integrations.timetable.settings import Destination
from identsync.integrations.timetable.snapshot import WHOLE
from identsync.integrations.timetable.task import scope_of, stream_of
from identsync.store import slots
from identsync.store.tables import mirror_item

if TYPE_CHECKING:
    from identsync.clinic.source import Branch


def _(text: str) -> str:
    return text


STATES = {  # in the order of what matters most: kind of the chip, its word, what it means
    "rejected": ("bad", _("Не принято"), _("Сайт отказался от этого расписания. Оно уйдёт снова, когда изменится.")),
    "unknown": ("warn", _("Без ответа"), _("Сайт мог получить расписание, но не подтвердил. Отправим ещё раз.")),
    "later": ("warn", _("Отложено"), _("Отправить не удалось. Попробуем ещё раз сами.")),
    "confirmed": ("ok", _("Принято"), ""),
}
NEVER = ("idle", _("Ещё не отправлялось"), _("Отправится при первой сверке."))
STOPPED = ("bad", _("Остановлено"), _("Ждёт решения человека."))
PAUSED = ("idle", _("На паузе"), _("Задача остановлена на странице «Обзор»."))
SENDING = ("busy", _("Отправляется"), "")
APART = ("idle", _("Другие филиалы"), _("Этот филиал на сайт не отправляется."))
FAILING = ("bad", _("Не отправляется"), "")


@dataclass(slots=True)
class Sent:
    """A site: how it stands with the chosen branch, what it has of it, how far that is behind the clinic."""

    name: str
    title: str
    kind: str = ""
    word: str = ""
    meaning: str = ""
    answer: str = ""
    sent_ms: int | None = None
    retry_ms: int | None = None
    due_ms: int | None = None
    running: bool = False
    covers: bool = True
    changed: int | None = None  # cells that differ from what the clinic says now; None = it has nothing yet
    brakes: tuple[tuple[str, int, int], ...] = ()  # what shrank, hours before, hours now
    allowed: bool = False
    parts: list[Boards] = field(default_factory=list)
    _place: dict[tuple[int, int], Boards] = field(default_factory=dict)  # of each seat of the branch

    def keep(self, parts: list[Boards], branch: int) -> None:
        """Take over what the site has, and where the branch's doctors stand in it."""
        self.parts = parts
        self._place = {seat: boards for boards in reversed(parts) for seat in boards.seats if seat[0] == branch}

    def strip(self, branch: int, doctor: int, day: int) -> tuple[bytes, bytes] | None:
        """Return what the site has of a doctor's day, None where it has nothing."""
        boards = self._place.get((branch, doctor))
        if boards is None or not 0 <= day - boards.first_day < boards.days:
            return None
        return boards.strip(branch, doctor, day)


def sites_of(context: PageContext, branches: Sequence["Branch"], branch: "Branch") -> list[Sent]:
    """Return every site of the settings with its state for one branch."""
    settings: Mapping[str, Destination] = context.settings or {}
    with context.store.read() as connection:
        views = {(slot.kind, slot.scope): slot for slot in slots.overview(connection)}
        found = []
        for name, site in settings.items():
            scope = scope_of(site, branches)
            items = _items(connection, name, scope, site, branch)
            stopped = brakes(connection, stream_of(name), scope)
            found.append(_sent(name, site, branch, items, views.get((stream_of(name), scope)), stopped))
    for sent in found:
        sent.changed = _changed(context, settings[sent.name], sent, branch.id)
    return found


def _items(connection: Connection, name: str, scope: int, site: Destination, branch: "Branch") -> list[Any]:
    item = mirror_item.c
    mine = item.key == (WHOLE if site.split == "whole" else branch.id)
    if site.split == "doctors":
        begins = re.sub(r"([%_/\[])", r"/\1", f"{wire.spelled(branch.name)}, ")  # "[" too: SQL Server has classes
        mine = or_(mine, item.label.like(f"{begins}%", escape="/"))
    columns = (item.state, item.answer, item.payload, item.changed_ms, item.retry_ms)
    where = item.stream == stream_of(name), item.scope == scope, mine
    found = connection.execute(select(*columns).where(*where).order_by(item.key))
    return [row for row in found if site.split != "doctors" or _is_of(row.payload, branch.id)]


def _is_of(payload: bytes | None, branch: int) -> bool:
    """Tell whether a part is the branch's: the name of another may begin like a label of this one."""
    parts = _unpacked(payload) if payload else []
    return not parts or any(seat[0] == branch for boards in parts for seat in boards.seats)


def _sent(
    name: str, site: Destination, branch: "Branch", items: Sequence[Any], slot: slots.SlotView | None, stopped: Brakes
) -> Sent:
    covers = not site.branches or branch.id in site.branches
    sent = Sent(name, site.title or name, covers=covers)
    if slot is not None:
        sent.due_ms, sent.running = slot.eligible_ms, slot.running
    if covers:
        _said(sent, items, branch.id)
    sent.brakes = tuple((_measure(weight), _hours(before), _hours(now)) for weight, before, now in stopped.asked)
    sent.allowed = stopped.allowed
    sent.kind, sent.word, sent.meaning = _state(sent, items, slot)
    if sent.kind == "bad" and not sent.answer and slot is not None:
        sent.answer = slot.last_error or ""
    return sent


def _said(sent: Sent, items: Sequence[Any], branch: int) -> None:
    """Take over what the site answered: of several bodies the one in the worst state speaks."""
    order = list(STATES)
    for item in sorted(items, key=lambda item: (order.index(item.state), -item.changed_ms))[:1]:
        sent.answer, sent.sent_ms, sent.retry_ms = item.answer or "", item.changed_ms, item.retry_ms
    sent.keep([boards for item in items if item.payload for boards in _unpacked(item.payload)], branch)


def _unpacked(payload: bytes) -> list[Boards]:
    try:
        return [unpacked(payload)]
    except ValueError:  # kept by a newer client, or damaged: the next delivery puts it right
        return []


def _state(sent: Sent, items: Sequence[Any], slot: slots.SlotView | None) -> tuple[str, str, str]:
    if sent.brakes:
        return STOPPED
    if not sent.covers:
        return APART
    if slot is not None and slot.paused:
        return PAUSED
    worst = next((state for state in STATES if any(item.state == state for item in items)), None)
    if sent.running and worst == "unknown" and not sent.answer:
        return SENDING
    if slot is not None and slot.last_error and worst in {None, "later"} and not sent.running:
        return FAILING
    return STATES[worst] if worst else NEVER


def _measure(weight: str) -> str:
    return _("занятого времени") if weight.startswith("b") else _("рабочего времени")


def _hours(cells: int) -> int:
    return cells * wire.GRID // 60


def _changed(context: PageContext, site: Destination, sent: Sent, branch: int) -> int | None:
    """Count the cells of the branch in which the site's picture differs from the clinic's, on days both know."""
    if not sent.parts or not sent.covers:
        return None
    first = min(boards.first_day for boards in sent.parts)
    last = max(boards.first_day + boards.days for boards in sent.parts)
    now = context.clinic.boards(first, last - first, wire.GRID, [branch]).select(None, set(site.doctors) or None)
    if len(sent.parts) == 1:
        return sent.parts[0].select([branch], None).difference(now).cells
    return sum(
        boards.difference(now.select(None, {doctor for _branch, doctor in boards.seats})).cells for boards in sent.parts
    )
