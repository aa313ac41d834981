"""``identsync status`` as a table and as JSON."""

from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import orjson
import typer

from identsync.client import opened_store
from identsync.errors import Problem
from identsync.language import _
from identsync.settings import Settings
from identsync.store import slots


def status_json(settings: Settings) -> None:
    """Print one object: now_ms, slots and seats, each as the store describes it."""
    typer.echo(orjson.dumps(_state(settings), option=orjson.OPT_INDENT_2).decode())


def status_table(settings: Settings) -> None:
    """Print a table of the slots and a line for each seat."""
    from rich.console import Console
    from rich.table import Table

    state = _state(settings)
    console = Console()
    if not state["slots"]:
        console.print(_("Задач ещё не было: запустите identsync run."))
        return
    table = Table(title=_("Задачи"))
    for heading in (_("задача"), _("филиал"), _("состояние"), _("следующий раз"), _("последний успех"), _("ошибка")):
        table.add_column(heading, overflow="fold")
    for slot in state["slots"]:
        table.add_row(*_row(slot, state["now_ms"]))
    console.print(table)
    for seat in state["seats"]:
        console.print(_seat(seat))


def problems_json(found: list[Problem]) -> str:
    """Return one object with the list of problems: where, what, hint."""
    return orjson.dumps({"problems": [asdict(problem) for problem in found]}, option=orjson.OPT_INDENT_2).decode()


def _state(settings: Settings) -> dict[str, Any]:
    with ExitStack() as stack:
        store = opened_store(settings, stack)
        with store.read() as connection:
            tasks, seats = slots.overview(connection), slots.seats(connection)
        return {
            "now_ms": store.now_ms(),
            "slots": [asdict(slot) for slot in tasks],
            "seats": [asdict(seat) for seat in seats],
        }


def _row(slot: dict[str, Any], now_ms: int) -> tuple[str, ...]:
    scope = str(slot["scope"]) if slot["scope"] else _("вся сеть")
    due = "" if slot["running"] or slot["paused"] else _ahead(slot["eligible_ms"] - now_ms)
    last = _("не было") if slot["last_ok_ms"] is None else _ago(now_ms - slot["last_ok_ms"])
    return slot["kind"], scope, _word(slot), due, last, slot["last_error"] or ""


def _word(slot: dict[str, Any]) -> str:
    if slot["paused"]:
        return _("приостановлена")
    if slot["running"]:
        return _("выполняется")
    return _("ошибка, будет повтор") if slot["attempt"] else _("ждёт своего времени")


def _seat(seat: dict[str, Any]) -> str:
    where = _("филиал {id}", id=seat["scope"]) if seat["scope"] else _("вся сеть")
    who = seat["holder"][:8] if seat["holder"] else _("никто")
    return _("{where}: дежурит {who}, на связи программ: {count}", where=where, who=who, count=len(seat["present"]))


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
