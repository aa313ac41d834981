"""What the commands of ``identsync calendar`` work with, and its list of destinations and doctors."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typer

from identsync import places
from identsync.cli.words import say
from identsync.client import opened_clinic, opened_store
from identsync.errors import Problem, SettingsError
from identsync.integrations.calendar import books
from identsync.integrations.calendar.books import Account, Link
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.language import _, said
from identsync.settings import Settings, load

if TYPE_CHECKING:
    from identsync.clinic.source import ClinicSource
    from identsync.store import Store


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with: the settings, both databases, one destination."""

    settings: Settings
    store: "Store"
    clinic: "ClinicSource"
    name: str
    destination: CalendarDestination


def desk(stack: ExitStack, file: Path | None, name: str) -> Desk:
    """Open what a command needs; SettingsError where there is no such destination."""
    settings = load(places.settings_file(file))
    known = settings.rooms.get("calendar", {})
    if name not in known:
        hint = _("есть: {known}", known=", ".join(known) or "-")
        raise SettingsError([Problem(f"[calendar.{name}]", _("нет такой таблицы"), hint)])
    return Desk(settings, opened_store(settings, stack), opened_clinic(settings, stack), name, known[name])


def told(file: Path, *, json: bool) -> None:
    """Print every destination with its doctors."""
    with ExitStack() as stack:
        read = load(file)
        store, clinic = opened_store(read, stack), opened_clinic(read, stack)
        names = {doctor.id: doctor.name for doctor in clinic.staff()}
        found = [_told(store, name, one, names) for name, one in read.rooms.get("calendar", {}).items()]
        left = list(left_behind(read, store))
    if json:
        typer.echo(orjson.dumps({"destinations": found}, option=orjson.OPT_INDENT_2).decode())
        return
    if not found:
        say(_("Календарей в настройках нет: добавьте таблицу [calendar.ИМЯ]."))
    for line in (line for destination in found for line in _lines(destination)):
        typer.echo(line)
    for line in left:
        say(line)


def left_behind(settings: Settings, store: "Store") -> Iterator[str]:
    """Name the tables that are not in the settings any more, while calendars are still there: nobody would know."""
    with store.read() as connection:
        found = books.left_behind(connection, settings.rooms.get("calendar", {}))
    for name, count in found.items():
        yield _(
            "! [calendar.{name}]: этой таблицы в настройках уже нет, а её календари остались ({count}), и в них старые "
            "события. Верните её под этим именем; если календари не нужны, затем: {command}",
            name=name, count=count, command=f"identsync calendar purge {name}",
        )  # fmt: skip


def _told(store: "Store", name: str, destination: CalendarDestination, names: Mapping[int, str]) -> dict[str, Any]:
    with store.read() as connection:
        links, accounts = books.links(connection, name), books.accounts(connection, name)
    doctors = [_doctor(link, accounts, names, destination) for link in links.values()]
    return {
        "name": name,
        "kind": destination.kind,
        "url": destination.url or destination.folder or "",
        "doctors": sorted(doctors, key=lambda one: one["doctor"]),
    }


def _doctor(
    link: Link, accounts: Mapping[int, Account], names: Mapping[int, str], destination: CalendarDestination
) -> dict[str, Any]:
    own = accounts.get(link.doctor)
    return {
        "doctor": link.doctor,
        "name": names.get(link.doctor, ""),
        "branch": link.scope,
        "state": link.state,
        "problem": said(link.problem or ""),
        "synced_ms": link.synced_ms,
        "account": own.login if own else (destination.user or ""),
        "own_account": own is not None,
        "repaired": link.repaired,
        "strange": link.strange,
    }


def _lines(destination: dict[str, Any]) -> Iterator[str]:
    yield f"{destination['name']} ({destination['kind']}) {destination['url']}".rstrip()
    if not destination["doctors"]:
        yield "  " + _("календарей ещё нет")
    for one in destination["doctors"]:
        what = f"{state_word(one['state']):12}  {_when(one['synced_ms']):16}  {one['problem']}"
        yield f"  {one['doctor']:>6}  {one['name'][:30]:30}  {what}".rstrip()


def _when(at_ms: int | None) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%d.%m.%Y %H:%M") if at_ms else _("ещё нет")


def state_word(state: str) -> str:
    """Return a link's state as people say it."""
    words = {
        "on": _("ведётся"),
        "refused": _("отказано"),
        "paused": _("на паузе"),
        "leaving": _("удаляется"),
        "off": _("отключён"),
    }
    return words.get(state, state)
