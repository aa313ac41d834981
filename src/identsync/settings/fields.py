"""Checks of one value against the type of its field; unlike msgspec's own it does not stop at the first mistake.

Every function returns the value as the record wants it and adds its mistakes to the list it was given.
"""

import difflib
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import inspect as kinds

from identsync.errors import Problem
from identsync.language import _
from identsync.values import database_mistakes, duration, is_reference, milliseconds, spellings


@dataclass(slots=True)
class Place:
    """Where in the file we are, and what was found wrong so far."""

    table: str
    problems: list[Problem]
    keys: set[str] = field(default_factory=set)

    def wrong(self, key: str, what: str, hint: str = "") -> None:
        """Note one mistake of a key of this table."""
        self.keys.add(key.partition("[")[0])
        self.problems.append(Problem(f"[{self.table}] {key}".rstrip(), what, hint))


def record(cls: type, values: object, table: str, problems: list[Problem]) -> Any:
    """Return ``cls`` filled from a TOML table, or None; every mistake is added to ``problems``."""
    place = Place(table, problems)
    if not isinstance(values, Mapping):
        place.wrong("", _("здесь должна быть таблица"), _("пишите заголовок [{table}] отдельной строкой", table=table))
        return None
    known = {item.encode_name: item for item in fields(cls)}
    _unknown(place, values, known)
    filled = {item.name: _field(place, item, values) for item in known.values() if _is_there(place, item, values)}
    sound = {name: value for name, value in filled.items() if name not in place.keys}
    if any(item.required and item.name not in sound for item in known.values()):
        return None
    return _build(place, cls, sound)


def fields(cls: type) -> tuple[kinds.Field, ...]:
    """Return the fields of a settings record with their types."""
    info = kinds.type_info(cls)
    assert isinstance(info, kinds.StructType)
    return info.fields


def plain(info: kinds.Type) -> tuple[kinds.Type, str, str]:
    """Return the bare type, its kind ('duration', 'secret', ... or '') and its description."""
    kind = description = ""
    while isinstance(info, kinds.Metadata):
        kind = str((info.extra or {}).get("kind", kind))
        description = str((info.extra_json_schema or {}).get("description", description))
        info = info.type
    if isinstance(info, kinds.UnionType):
        inner = [part for part in info.types if not isinstance(part, kinds.NoneType)]
        bare, inner_kind, inner_description = plain(inner[0])
        return bare, inner_kind or kind, inner_description or description
    return info, kind, description


def examples(info: kinds.Type) -> list[Any]:
    """Return the examples that a field's type gives."""
    found: list[Any] = []
    while isinstance(info, kinds.Metadata):
        found += (info.extra_json_schema or {}).get("examples", [])
        info = info.type
    return found


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a hint naming the nearest right spelling, '' where nothing is near."""
    near = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0.6)
    return _("возможно, вы имели в виду «{name}»", name=near[0]) if near else ""


def _unknown(place: Place, values: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for key in values:
        if key not in known:
            names = _("ключи этой таблицы: {names}", names=", ".join(known))
            place.wrong(key, _("нет такого ключа"), nearest(key, known) or names)


def _is_there(place: Place, item: kinds.Field, values: Mapping[str, Any]) -> bool:
    if item.encode_name in values:
        return True
    if item.required:
        description = plain(item.type)[2]
        place.wrong(item.encode_name, _("ключ обязателен"), _(description) if description else "")
    return False


def _field(place: Place, item: kinds.Field, values: Mapping[str, Any]) -> Any:
    return _value(place, item.encode_name, item.type, values[item.encode_name])


def _build(place: Place, cls: type, sound: Mapping[str, Any]) -> Any:
    """Make the record; where keys were wrong it is made with their defaults, only to find what else is wrong."""
    known = frozenset(place.keys)
    try:
        made = cls(**sound)
    except ValueError as error:
        if not known:
            place.wrong("", str(error))
        return None
    for key, what, hint in getattr(made, "mistakes", tuple)():
        if key not in known:
            place.wrong(key, what, hint)
    return made


def _value(place: Place, key: str, info: kinds.Type, value: Any) -> Any:
    bare, kind, _description = plain(info)
    if kind:
        return _OF_KIND[kind](place, key, bare, value)
    check = _OF_TYPE.get(type(bare))
    if check is None:
        raise TypeError(f"a setting cannot have the type {bare!r}")
    return check(place, key, bare, value)


def _shape(place: Place, key: str, value: Any, wanted: str) -> None:
    found = _NAMES.get(type(value), type(value).__name__)
    place.wrong(key, _("нужно: {wanted}; а записано: {found}", wanted=wanted, found=_(found)))


_NAMES = {str: "строка", int: "целое число", float: "дробное число", bool: "да/нет", list: "список", dict: "таблица"}


def _whole(place: Place, key: str, info: Any, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        return _shape(place, key, value, _("целое число"))
    _limits(place, key, info, value, str)
    return value


def _number(place: Place, key: str, info: Any, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _shape(place, key, value, _("число"))
    _limits(place, key, info, value, str)
    return float(value)


def _limits(place: Place, key: str, info: Any, value: float, show: Any) -> None:
    if info.ge is not None and value < info.ge:
        place.wrong(key, _("слишком мало: {value}", value=show(value)), _("не меньше {least}", least=show(info.ge)))
    if info.le is not None and value > info.le:
        place.wrong(key, _("слишком много: {value}", value=show(value)), _("не больше {most}", most=show(info.le)))


def _flag(place: Place, key: str, _info: Any, value: Any) -> Any:
    return value if isinstance(value, bool) else _shape(place, key, value, _("true или false"))


def _text(place: Place, key: str, info: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return _shape(place, key, value, _("строка"))
    if len(value) < (info.min_length or 0):
        place.wrong(key, _("значение не может быть пустым") if not value else _("слишком короткая строка"))
    if info.max_length is not None and len(value) > info.max_length:
        place.wrong(key, _("слишком длинная строка"), _("не больше {most}", most=info.max_length))
    return value


def _choice(place: Place, key: str, info: Any, value: Any) -> Any:
    options = info.values if isinstance(info, kinds.LiteralType) else [member.value for member in info.cls]
    if value not in options or isinstance(value, bool):
        listed = ", ".join(str(option) for option in options)
        near = nearest(str(value), [str(option) for option in options])
        place.wrong(key, _("нет такого варианта: {value}", value=value), near or _("варианты: {listed}", listed=listed))
        return None
    return value if isinstance(info, kinds.LiteralType) else info.cls(value)


def _list(place: Place, key: str, info: Any, value: Any) -> Any:
    if not isinstance(value, list):
        return _shape(place, key, value, _("список в квадратных скобках"))
    items = [_value(place, f"{key}[{place_in}]", info.item_type, item) for place_in, item in enumerate(value)]
    return tuple(items) if isinstance(info, kinds.VarTupleType) else items


def _duration(place: Place, key: str, info: Any, value: Any) -> Any:
    example = _('число с единицей: "45s", "10m", "3h", "30d"')
    if not isinstance(value, str):
        return _shape(place, key, value, example)
    try:
        ms = milliseconds(value)
    except ValueError:
        return place.wrong(key, _("непонятный промежуток времени: {value}", value=value), example)
    _limits(place, key, info, ms, duration)
    return ms


def _reference(place: Place, key: str, _info: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return _shape(place, key, value, spellings())
    if not is_reference(value):  # the value itself is not shown: it may be the secret
        return place.wrong(key, _("секрет нельзя хранить в файле настроек"), spellings())
    return value


def _address(place: Place, key: str, _info: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return _shape(place, key, value, _('адрес вида "https://site.ru/ident"'))
    try:
        parts = urllib.parse.urlsplit(value)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        place.wrong(key, _("это не адрес"), _('адрес вида "https://site.ru/ident"'))
    elif parts.username or parts.password or parts.query or parts.fragment:
        place.wrong(key, _("в адресе не должно быть логина, пароля и параметров"), _("ключ задаётся отдельно"))
    return value.rstrip("/")


def _database(place: Place, key: str, _info: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return _shape(place, key, value, _("строка"))
    for what, hint in database_mistakes(value):
        place.wrong(key, what, hint)
    return value


_OF_KIND = {"duration": _duration, "secret": _reference, "address": _address, "database": _database}
_OF_TYPE: dict[type, Any] = {
    kinds.IntType: _whole,
    kinds.FloatType: _number,
    kinds.BoolType: _flag,
    kinds.StrType: _text,
    kinds.LiteralType: _choice,
    kinds.EnumType: _choice,
    kinds.ListType: _list,
    kinds.VarTupleType: _list,
}
