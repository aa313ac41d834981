"""One TOML file as typed records; every mistake of it is reported at once, by table and key."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from identsync import files, integrations, places
from identsync.errors import Problem, SettingsError
from identsync.language import _
from identsync.settings.fields import nearest, record
from identsync.settings.records import (
    ClientSettings,
    ClinicSettings,
    ConsoleSettings,
    DatabaseSettings,
    Settings,
)
from identsync.values import secret

__all__ = [
    "FILE",
    "ClientSettings",
    "ClinicSettings",
    "ConsoleSettings",
    "DatabaseSettings",
    "Settings",
    "load",
    "parse",
    "secret",
]

FILE = places.FILE
MAX_BYTES = 1 << 20
_TABLES = {
    "client": ClientSettings,
    "database": DatabaseSettings,
    "clinic": ClinicSettings,
    "console": ConsoleSettings,
}
_REQUIRED = ("client", "database")


def load(path: Path) -> Settings:
    """Return the settings of a file; SettingsError lists everything that is wrong with it."""
    try:
        content = files.read(path, MAX_BYTES)
        text = files.text(content)
    except FileNotFoundError:
        raise _one(str(path), _("файла настроек нет"), _where_else(path)) from None
    except UnicodeDecodeError:
        raise _one(path.name, _("файл не в кодировке UTF-8"), _("сохраните его как UTF-8")) from None
    except OSError as error:
        what, hint = files.reason(error)
        raise _one(str(path), _("файл не читается: {what}", what=what), hint) from None
    if len(content) > MAX_BYTES:
        raise _one(path.name, _("файл настроек слишком велик"), _("не больше 1 МБ"))
    return parse(text, folder=_folder(path), name=path.name)


def parse(text: str, *, folder: Path = Path(), name: str = FILE) -> Settings:
    """Return the settings of a TOML text; relative paths are taken from ``folder``."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _one(name, _("это не TOML: {error}", error=error), _where_broken(error)) from None
    return _settings(tables, folder)


def _where_broken(error: tomllib.TOMLDecodeError) -> str:
    """The parser's own words are English and of no help to who cannot read them; its line is."""
    found = re.search(r"at line (\d+)", str(error))
    if not found:
        return _("проверьте кавычки и скобки в конце файла")
    return _("посмотрите строку {line}: кавычки, скобки; нет ли такой таблицы или такого ключа дважды", line=found[1])


def _settings(tables: Mapping[str, Any], folder: Path) -> Settings:
    problems: list[Problem] = []
    for table in tables:
        if table not in _TABLES and table not in integrations.ROOMS:
            hint = nearest(table, [*_TABLES, *integrations.ROOMS])
            problems.append(Problem(f"[{table}]", _("нет такой таблицы"), hint))
    filled = {name: _table(name, tables, problems) for name in _TABLES if name in tables or name in _REQUIRED}
    rooms = {name: _room(name, tables[name], problems) for name in integrations.ROOMS if name in tables}
    if problems:
        raise SettingsError(problems)
    return Settings(**filled, rooms=rooms, folder=folder)


def _table(name: str, tables: Mapping[str, Any], problems: list[Problem]) -> Any:
    if name not in tables:
        hint = _("добавьте её или создайте файл заново: identsync init")
        problems.append(Problem(f"[{name}]", _("таблица обязательна"), hint))
        return None
    return record(_TABLES[name], tables[name], name, problems)


def _room(name: str, table: object, problems: list[Problem]) -> Mapping[str, Any]:
    if not isinstance(table, Mapping):
        problems.append(Problem(f"[{name}]", _("здесь должна быть таблица"), ""))
        return {}
    if any(not isinstance(value, Mapping) for value in table.values()):
        hint = _("дайте ей имя латиницей: [{name}.site]", name=name)
        problems.append(Problem(f"[{name}]", _("у таблицы нет имени"), hint))
        return {}
    cls = integrations.load(name).settings
    return {
        key: record(cls, value, f"{name}.{key}", problems)
        for key, value in table.items()
        if _named(name, key, problems)
    }


def _named(room: str, name: str, problems: list[Problem]) -> bool:
    """Names stand in ASCII keys of the limiter's table, together with the room's: 64 characters in all."""
    good = name.isascii() and name.replace("-", "").replace("_", "").isalnum() and len(name) <= 40
    if not good:
        hint = _("латинские буквы, цифры, - и _, не больше 40 знаков")
        problems.append(Problem(f"[{room}.{name}]", _("имя не подходит"), hint))
    return good


def _folder(path: Path) -> Path:
    try:
        return path.resolve().parent
    except OSError:  # Windows follows links only where the path is not too long
        return path.absolute().parent


def _where_else(path: Path) -> str:
    if path != Path(places.FILE):
        return _("создайте его: identsync init")
    others = ", ".join(str(place) for place in places.searched()[1:])
    return _("создайте его: identsync init; искали также здесь: {others}", others=others)


def _one(where: str, what: str, hint: str) -> SettingsError:
    return SettingsError([Problem(where, what, hint)])
