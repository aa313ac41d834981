"""``identsync secret``: a value comes from a prompt without echo or from standard input, and is never shown again."""

import getpass
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict

import orjson
import typer

from identsync import files
from identsync.cli import PROBLEMS
from identsync.cli.words import say
from identsync.errors import AskPerson
from identsync.language import _
from identsync.places import Scope
from identsync.spans import DAY_MS
from identsync.vault import MOST, Entry, vault


def keep(name: str, scope: Scope) -> None:
    """Ask for a value and keep it; AskPerson says why it cannot be."""
    place = vault(scope)
    place.check(name)  # before anybody types a value
    place.set(name, typed(_("Значение (при вводе не видно): ")))
    say(_("Записан {reference} ({whose}).", reference=f"secret:{name}", whose=_whose(scope)))


def typed(prompt: str) -> str:
    """Return what a person types without being shown, or what stands on standard input where nobody sits."""
    return _sound(_asked(prompt) if is_console() else _piped())


def forget(name: str, scope: Scope) -> None:
    """Remove a secret; told, with exit code 1, where there was none."""
    if not vault(scope).remove(name):
        say(_("Такого секрета нет: {reference} ({whose}).", reference=f"secret:{name}", whose=_whose(scope)))
        raise typer.Exit(PROBLEMS)
    say(_("Удалён {reference} ({whose}).", reference=f"secret:{name}", whose=_whose(scope)))


def show(*, json: bool) -> None:
    """List names, scopes and ages, and what cannot be read here and why; values never."""
    found = [entry for scope in Scope for entry in vault(scope).entries()]
    if json:
        typer.echo(orjson.dumps({"secrets": [asdict(entry) for entry in found]}, option=orjson.OPT_INDENT_2).decode())
    elif found:
        for line in _lines(found):
            typer.echo(line)
    else:
        say(_("Секретов нет. Записать: identsync secret set ИМЯ"))
    if vault(Scope.MACHINE).is_closed():
        say(_("Секреты службы видит только администратор: откройте консоль от его имени."))


def _lines(found: list[Entry]) -> Iterator[str]:
    width = max(len(entry.name) for entry in found)
    whose = max(len(_whose(scope)) for scope in Scope)
    for entry in found:
        line = f"{entry.name:{width}}  {_whose(entry.scope):{whose}}  {_age(entry.written_ms)}"
        yield f"{line}  ! {entry.trouble}" if entry.trouble else line


def _whose(scope: Scope) -> str:
    return _("для службы") if scope is Scope.MACHINE else _("для этого пользователя")


def _age(written_ms: int) -> str:
    days = max(0, int(time.time() * 1000) - written_ms) // DAY_MS
    return _("дней: {days}", days=days) if days else _("сегодня")


def is_console() -> bool:
    """Tell whether a person can type here. On Windows NUL says yes to isatty, and then getpass would read for ever.

    A console is read through ``io._WindowsConsoleIO`` there (PEP 528).
    """
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    return sys.platform != "win32" or type(getattr(sys.stdin.buffer, "raw", None)).__name__ == "_WindowsConsoleIO"


def _asked(prompt: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(prompt)
    except KeyboardInterrupt:
        say("\n" + _("Прервано, ничего не записано."))
        raise
    except (getpass.GetPassWarning, EOFError):
        raise AskPerson(_("секрет не введён"), hint=_("введите его в обычной консоли или передайте файлом")) from None


def _piped() -> str:
    """Decode standard input; one end of line at its end is not part of the value."""
    content = sys.stdin.buffer.read(2 * MOST + 4) if sys.stdin is not None else b""
    try:
        value = files.text(content)
    except UnicodeDecodeError:  # from None: its text quotes the bytes
        hint = _("сохраните его в файл UTF-8 и передайте так: identsync secret set ИМЯ < файл")
        raise AskPerson(_("секрет передан не в кодировке UTF-8"), hint=hint) from None
    return value.removesuffix("\n").removesuffix("\r")


def _sound(value: str) -> str:
    if not value:
        raise AskPerson(_("секрет пустой, ничего не записано"), hint=_("введите или передайте значение"))
    if len(value.encode()) > MOST or "\0" in value:
        raise AskPerson(_("это не похоже на секрет, ничего не записано"), hint=_("текст не длиннее 64 КБ"))
    return value
