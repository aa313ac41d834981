"""The commented file that ``identsync init`` writes: made from the records, so that it cannot lag behind them."""

import enum
import textwrap
from collections.abc import Iterator
from typing import Any

from msgspec import NODEFAULT
from msgspec import inspect as kinds

from identsync import integrations
from identsync.language import _
from identsync.settings.fields import examples, fields, plain
from identsync.settings.records import ClientSettings, ClinicSettings, ConsoleSettings, DatabaseSettings
from identsync.values import duration


def template(database: str | None = None) -> str:
    """Return the text of a new settings file in the chosen language; ``database`` replaces the example of its URL."""
    lines = [*_comment(_("Настройки identsync. Строка, которая начинается с #, ничего не меняет: это пояснение."))]
    lines += _comment(_("Промежутки времени пишутся с единицей: 45s, 10m, 3h, 30d."))
    lines += _comment(_('Секретов здесь не бывает, только ссылки: "secret:ИМЯ", "env:ИМЯ" или "keyring:служба/имя".'))
    lines += _comment(
        _("Секрет secret:ИМЯ записывает команда identsync secret set ИМЯ, для службы с ключом --machine.")
    )
    lines += ["", *_table(_("Этот компьютер"), "client", ClientSettings)]
    lines += ["", *_table(_("База движка"), "database", DatabaseSettings)]
    lines += ["", *_table(_("База клиники"), "clinic", ClinicSettings)]
    lines += ["", *_table(_("Страница для людей"), "console", ConsoleSettings)]
    for name in integrations.ROOMS:
        room = integrations.load(name)
        heading = _("{title}: таких таблиц может быть сколько угодно, у каждой своё имя", title=_(room.title))
        lines += [
            "",
            *("# " + line if line[:1] != "#" else line for line in _table(heading, f"{name}.site", room.settings)),
        ]
    text = "\n".join(lines) + "\n"
    return text if database is None else text.replace('url = "sqlite:///identsync.db"', f"url = {_toml(database)}", 1)


def _table(heading: str, name: str, cls: type) -> Iterator[str]:
    yield from _comment(heading)
    yield f"[{name}]"
    for item in fields(cls):
        bare, kind, description = plain(item.type)
        yield from _comment(_(description))
        text = _example(item, bare, kind)
        yield f"{item.encode_name} = {text}" if item.required else f"# {item.encode_name} = {text}"


def _example(item: kinds.Field, bare: kinds.Type, kind: str) -> str:
    default = item.default if item.default_factory is NODEFAULT else item.default_factory()
    if default not in (NODEFAULT, None):
        return f'"{duration(default)}"' if kind == "duration" else _toml(default)
    if given := examples(item.type):
        return _toml(given[0])
    by_kind = {
        "secret": f'"env:IDENTSYNC_{item.encode_name.upper()}"',
        "address": '"https://example.ru/ident"',
        "duration": '"10m"',
    }
    return by_kind.get(kind) or ('""' if isinstance(bare, kinds.StrType) else "1")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, enum.Enum):
        value = value.value
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(text, 100):
        yield f"# {line}"
