"""``identsync status`` as a table and as JSON."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import typer

from identsync import integrations
from identsync.cli.crews import crews_json, crews_table
from identsync.client import opened_clinic, opened_store
from identsync.console.crew import crews
from identsync.console.states import LEFT_SHOWN_MS, OWN, is_left
from identsync.errors import IdentsyncError, Problem
from identsync.language import _, said, spoken
from identsync.settings import Settings
from identsync.store import slots
from identsync.store.clients import computers, is_outgrown

if TYPE_CHECKING:
    from rich.table import Table

    from identsync.clinic.source import Branch


def status_json(settings: Settings) -> None:
    """Print one object: now_ms, slots and seats as the store describes them, crews as the page shows them; outgrown."""
    state = _state(settings)
    told = {name: state[name] for name in ("now_ms", "slots", "seats", "outgrown")}
    told["crews"] = crews_json(state["crews"], state["computers"])
    typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())


def status_table(settings: Settings) -> None:
    """Print a table of the tasks, and one of who leads each branch and who is next."""
    from rich.console import Console

    state, console, branches = _state(settings), Console(), _branches(settings)
    if branches:
        _leave_out(state, settings, branches)
    place = partial(_place, {branch.id: branch.name for branch in branches})
    if state["slots"]:
        console.print(_tasks(state, place))
        for line in _errors(state, place):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
    else:
        console.print(_("Задач ещё не было: запустите identsync run."))
    if state["crews"]:
        console.print(crews_table(state["crews"], state["computers"], place, state["now_ms"]))
    if state["outgrown"]:
        console.print(_("В клинике уже есть программы новее этой: обновите эту программу."), style="yellow")


def problems_json(found: list[Problem]) -> str:
    """Return one object with the list of problems: where, what, hint."""
    return orjson.dumps({"problems": [asdict(problem) for problem in found]}, option=orjson.OPT_INDENT_2).decode()


def _state(settings: Settings) -> dict[str, Any]:
    with ExitStack() as stack:
        store = opened_store(settings, stack)
        now_ms = store.now_ms()
        with store.read() as connection:
            found = crews(connection, now_ms)
            former = [crew.former.client for crew in found.values() if crew.former]
            present = [one.client for crew in found.values() for one in crew.members]
            return {
                "now_ms": now_ms,
                "slots": [asdict(slot) for slot in slots.overview(connection)],
                "seats": [asdict(seat) for seat in slots.seats(connection)],
                "crews": found,
                "computers": computers(connection, [*present, *former]),
                "outgrown": is_outgrown(connection),
            }


def _branches(settings: Settings) -> "list[Branch]":
    """Return the clinic's branches; none where its database does not answer."""
    with ExitStack() as stack:
        try:
            return opened_clinic(settings, stack).branches()
        except IdentsyncError:
            return []


def _leave_out(state: dict[str, Any], settings: Settings, branches: "list[Branch]") -> None:
    """Take away what is no more: tasks that the settings do not name, empty branches that the clinic does not."""
    rooms = integrations.loaded(settings.rooms)
    tasks = {(task.kind, task.scope) for task in integrations.tasks_of(rooms, branches)} | OWN.keys()
    wanted = None if state["outgrown"] else tasks  # newer programs may know tasks that this one cannot name
    now_ms, known = state["now_ms"], {0, *(branch.id for branch in branches)}
    for slot in state["slots"]:
        slot["left"] = is_left(slot["kind"], slot["scope"], slot["eligible_ms"], wanted, now_ms)
    state["slots"] = [s for s in state["slots"] if not s["left"] or now_ms - s["eligible_ms"] <= LEFT_SHOWN_MS]
    state["crews"] = {scope: crew for scope, crew in state["crews"].items() if crew.members or scope in known}


def _tasks(state: Mapping[str, Any], place: Callable[[int], str]) -> "Table":
    from rich.table import Table

    table = Table(title=_("Задачи"))
    for heading in (_("задача"), _("филиал"), _("состояние"), _("следующий раз"), _("последний успех")):
        table.add_column(heading, overflow="fold")
    for slot in state["slots"]:
        table.add_row(*_row(slot, place, state["now_ms"]))
    return table


def _place(names: Mapping[int, str], scope: int) -> str:
    return names.get(scope, _("филиал {id}", id=scope)) if scope else _("вся сеть")


def _row(slot: dict[str, Any], place: Callable[[int], str], now_ms: int) -> tuple[str, ...]:
    due = "" if slot["running"] or slot["paused"] or slot.get("left") else _ahead(slot["eligible_ms"] - now_ms)
    last = _("не было") if slot["last_ok_ms"] is None else _ago(now_ms - slot["last_ok_ms"])
    return slot["kind"], place(slot["scope"]), _word(slot), due, last


def _errors(state: Mapping[str, Any], place: Callable[[int], str]) -> Iterator[str]:
    """Say below the table what each task last failed of, and what a person does: a column has no room for it."""
    from identsync.console.i18n import catalog
    from identsync.console.troubles import of_note

    speech = catalog(spoken())
    for slot in state["slots"]:
        if slot["last_error"] and not slot.get("left"):
            trouble, note = of_note(said(slot["last_error"]))
            why = "; ".join(filter(None, (speech(trouble.title) if trouble else "", note)))
            yield f"  • {slot['kind']}, {place(slot['scope'])}: {why}"
            if trouble and trouble.todo:
                yield f"      → {speech(trouble.todo)}"


def _word(slot: dict[str, Any]) -> str:
    if slot.get("left"):
        return _("нет в настройках")
    if slot["paused"]:
        return _("приостановлена")
    if slot["running"]:
        return _("выполняется")
    return _("ошибка, будет повтор") if slot["attempt"] else _("ждёт своего времени")


def _ahead(ms: int) -> str:
    return _("через {time}", time=_time(ms)) if ms > 0 else _("пора")


def _ago(ms: int) -> str:
    return _("{time} назад", time=_time(max(ms, 0)))


def _time(ms: int) -> str:
    seconds = round(ms / 1000)
    if seconds < 120:
        return _("{count} с", count=seconds)
    return (
        _("{count} мин", count=round(seconds / 60)) if seconds < 7200 else _("{count} ч", count=round(seconds / 3600))
    )
