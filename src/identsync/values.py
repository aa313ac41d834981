"""Kinds of values in the settings: durations with a unit, addresses, secrets by reference.

A room's settings are a ``msgspec.Struct`` whose fields use these; ``identsync.settings`` reads and checks them.
"""

import os
import re
import urllib.parse
from collections.abc import Iterator
from typing import Annotated

import msgspec

from identsync.errors import NoSecret
from identsync.language import keyed as _
from identsync.spans import DAY_MS, HOUR_MS, MINUTE_MS
from identsync.vault import NAME, find

Duration = Annotated[int, msgspec.Meta(extra={"kind": "duration"})]
"""Whole milliseconds; in the file a number with its unit: "45s", "10m", "3h", "30d"."""
Days = Annotated[int, msgspec.Meta(ge=0, le=36_600)]
"""For how many days something is kept; 0 = for ever."""
Secret = Annotated[str, msgspec.Meta(extra={"kind": "secret"})]
"""A reference, 'secret:NAME', 'env:NAME' or 'keyring:service/user'; ``secret`` reads the value when it is needed."""
Address = Annotated[str, msgspec.Meta(extra={"kind": "address"})]
"""An http or https address without user, query, fragment and trailing slash."""
DatabaseUrl = Annotated[str, msgspec.Meta(extra={"kind": "database"})]
"""An SQLAlchemy URL of a supported dialect, without a password."""

DIALECTS = ("sqlite", "postgresql+psycopg", "mssql+pyodbc")
UNITS = {"ms": 1, "s": 1_000, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
UNITS |= {"мс": 1, "с": 1_000, "мин": MINUTE_MS, "ч": HOUR_MS, "д": DAY_MS}
_DURATION = re.compile(r"\s*(\d{1,9}(?:[.,]\d{1,3})?)\s*([a-zа-я]+)\s*", re.IGNORECASE)
_REFERENCE = re.compile(rf"secret:(?:{NAME.pattern})|env:[A-Za-z_][A-Za-z0-9_]*|keyring:[^/\s]+/[^/\s]+")


def milliseconds(text: str) -> int:
    """Return the whole milliseconds of '45s', '10m', '1.5h'; ValueError where number or unit is missing."""
    match = _DURATION.fullmatch(text)
    if match is None or match[2].lower() not in UNITS:
        raise ValueError(text)
    return round(float(match[1].replace(",", ".")) * UNITS[match[2].lower()])


def duration(ms: int) -> str:
    """Return the shortest exact spelling: 600000 -> '10m'."""
    for unit in ("d", "h", "m", "s"):
        if ms and ms % UNITS[unit] == 0:
            return f"{ms // UNITS[unit]}{unit}"
    return f"{ms}ms"


def is_reference(text: str) -> bool:
    """Tell whether the text refers to a secret instead of being one."""
    return _REFERENCE.fullmatch(text) is not None


def secret(reference: str) -> str:
    """Return the secret behind a reference; NoSecret says which one is missing or unreadable, and what to do."""
    if not is_reference(reference):
        raise _missing("?", _("это не ссылка на секрет"), spellings())
    place, _colon, name = reference.partition(":")
    if value := _PLACES[place](reference, name):
        return value
    raise _missing(reference, *_absent(place, name))


def spellings() -> str:
    """Return how a reference is written."""
    return _('пишите "secret:ИМЯ", "env:ИМЯ" или "keyring:служба/имя"')


def database_mistakes(url: str) -> Iterator[tuple[str, str]]:
    """Yield (what, hint) for each thing wrong with a database URL; the URL itself is never repeated."""
    dialect, separator, rest = url.partition("://")
    if not separator or dialect not in DIALECTS:
        hint = _("поддерживаются: {dialects}", dialects=", ".join(f"{name}://" for name in DIALECTS))
        yield _("неизвестный вид базы данных"), hint
        return
    if dialect == "sqlite" and not rest.removeprefix("/"):
        yield _("не назван файл базы"), _("например: sqlite:///identsync.db")
    account = urllib.parse.urlsplit(f"x://{rest}").netloc.rpartition("@")[0]
    spellings = ("pwd=", "pwd%3d", "password=", "password%3d")
    if account.partition(":")[2] or any(spelling in rest.lower() for spelling in spellings):
        yield _("пароль нельзя хранить в файле настроек"), _('вынесите его в password = "secret:ИМЯ"')


def _from_vault(_reference: str, name: str) -> str | None:
    found = find(name)
    return found[0] if found else None


def _from_environment(_reference: str, name: str) -> str | None:
    return os.environ.get(name)


def _from_keyring(reference: str, name: str) -> str | None:
    import keyring
    from keyring.errors import KeyringError

    service, _slash, user = name.partition("/")
    try:
        return keyring.get_password(service, user)
    except KeyringError as error:
        hint = _('на этом компьютере пользуйтесь "env:ИМЯ"')
        raise _missing(reference, _("хранилище паролей недоступно"), hint) from error


def _absent(place: str, name: str) -> tuple[str, str]:
    if place == "env":
        return _("переменная окружения не задана"), _("задайте {name} для службы", name=name)
    if place == "secret":
        command = f"identsync secret set {name}"
        return _("такой секрет не записан"), _("выполните: {command}; для службы с --machine", command=command)
    service, _slash, user = name.partition("/")
    command = f"keyring set {service} {user}"
    return _("в хранилище паролей нет такой записи"), _("выполните: {command}", command=command)


def _missing(reference: str, what: str, hint: str) -> NoSecret:
    return NoSecret(_("{where}: {what}", where=reference, what=what), hint=hint)


_PLACES = {"secret": _from_vault, "env": _from_environment, "keyring": _from_keyring}
