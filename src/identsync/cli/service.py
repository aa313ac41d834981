"""``identsync service``: the client as a Windows service; on Linux a unit file for systemd."""

import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from identsync import places, vault
from identsync.cli import PROBLEMS, STOPPED
from identsync.cli.grammar import Commands
from identsync.cli.words import say
from identsync.language import _
from identsync.service.entry import NAME, Entry, unit
from identsync.service.rights import closing
from identsync.settings import load

if TYPE_CHECKING:
    from types import ModuleType

ROLES = ("administrator", "director")
Name = Annotated[str, typer.Option(help=_("имя службы, если на компьютере их несколько"))]
Settings = Annotated[Path | None, typer.Option("--settings", "-s", readable=False, help=_("файл настроек службы"))]
Role = Annotated[str | None, typer.Option(help=_("роль: administrator или director; без неё - из настроек"))]


def commands() -> typer.Typer:
    """Return the group of commands, described in the chosen language."""
    app = Commands(help=_("Служба Windows: работает без входа в систему"))
    app.command(help=_("Установить службу или изменить установленную"))(install)
    app.command(help=_("Запустить службу"))(start)
    app.command(help=_("Остановить службу: задачи сразу переходят к другим программам"))(stop)
    app.command(help=_("Удалить службу; настройки, данные и журналы остаются"))(remove)
    app.command(help=_("Показать состояние службы и где её журнал"))(status)
    app.command("unit", help=_("Напечатать файл службы для systemd (Linux)"))(print_unit)
    return app


def install(
    settings: Settings = None,
    role: Role = None,
    name: Name = NAME,
    account: Annotated[
        str | None, typer.Option(help=_("учётная запись без пароля, например NT AUTHORITY\\LocalService"))
    ] = None,
) -> None:
    """Read the settings first: a service with mistakes in them is not installed."""
    windows = _windows()
    file = _file(settings)
    settings_role = load(file).client.role
    if (role or settings_role) not in ROLES:
        raise typer.BadParameter(_("службе нужна роль administrator или director"))
    vault.furnish(places.Scope.MACHINE)
    refused = windows.install(Entry(name, file, role, account))
    say(_("Служба {name} установлена, настройки: {file}.", name=name, file=file))
    if refused:
        say(_("Эта система не приняла: {what}.", what=", ".join(refused)))
    if folder := windows.open_program():
        say(
            _(
                "Внимание: папку программы {folder} может изменить любой, кто работает на этом компьютере,",
                folder=folder,
            )
        )
        say(_("и служба выполнит то, что он туда положит. Закройте её: {command}", command=closing(folder)))
    say(_("Дальше: identsync service start"))


def start(name: Name = NAME) -> None:
    """Start and wait until it runs."""
    _windows().start(name)
    say(_("Служба {name} запущена.", name=name))


def stop(name: Name = NAME) -> None:
    """Stop and wait until everything is handed over."""
    _windows().stop(name)
    say(_("Служба {name} остановлена.", name=name))


def remove(name: Name = NAME) -> None:
    """Stop it and take it out of Windows' list."""
    _windows().remove(name)
    say(_("Служба {name} удалена.", name=name))


def status(name: Name = NAME, json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Exit code 0 = it runs, 1 = it does not."""
    found = _windows().found(name)
    journal = places.machine().logs / f"{name}.log"
    state = found.state if found else "absent"
    if json:
        seen = {"name": name, "state": state, "process": found and found.process, "failed": found and found.failed}
        typer.echo(jsonlib.dumps(seen | {"journal": str(journal), "command": found and found.command}))
    else:
        say(_("Служба {name}: {state}.", name=name, state=_state(state)))
        if found and found.failed:
            say(_("Последний раз закончилась с кодом {code}.", code=found.failed))
        say(_("Журнал: {journal}; важное - в журнале событий Windows, источник {name}.", journal=journal, name=name))
    raise typer.Exit(0 if state == "running" else PROBLEMS)


def print_unit(settings: Settings = None, role: Role = None) -> None:
    """Print what systemd needs to keep a client running."""
    typer.echo(unit(sys.executable, _file(settings), role), nl=False)


def _state(state: str) -> str:
    return {
        "running": _("работает"),
        "stopped": _("остановлена"),
        "starting": _("запускается"),
        "stopping": _("останавливается"),
        "absent": _("не установлена"),
    }.get(state, state)


def _file(given: Path | None) -> Path:
    return places.settings_file(given).absolute()


def _windows() -> "ModuleType":
    if sys.platform == "win32":
        from identsync.service.windows import control

        return control
    else:  # noqa: RET505  the type checker sees one half of it on each system
        say(_("Служба Windows бывает только в Windows. В Linux это дело systemd: identsync service unit."))
        raise typer.Exit(STOPPED)
