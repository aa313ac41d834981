"""Addresses that were not found to the house: a person writes one better, or drops a pin."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from identsync.core.address import parse
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.integrations.geocoding import books
from identsync.integrations.geocoding import page_words as words
from identsync.integrations.geocoding.census import of_patients, survey
from identsync.integrations.geocoding.page_map import ground_of, home_of
from identsync.integrations.geocoding.place import Precision
from identsync.store.tables import geo_fix, geo_place

SHOWN = 100
MOST_SHOWN = 2_000
LONGEST = 400
PAIR = re.compile(r"\s*(-?\d{1,3}(?:[.,]\d+)?)\s*[,; ]\s*(-?\d{1,3}(?:[.,]\d+)?)\s*")
place = geo_place.c


def _(text: str) -> str:
    return text


GROUPS: Mapping[str, str] = {"": _("Не найдены"), "street": _("Только улица"), "fixed": _("Исправлены")}


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return addresses by how many patients live there, the branches without a place, one address to correct."""
    group = query.get("group", "")
    group = group if group in GROUPS else ""
    most = min(_whole(query.get("show")) or SHOWN, MOST_SHOWN)
    found, key = survey(context), _whole(query.get("place"))
    with context.store.read() as connection:
        fixes = books.fixes(connection)
        rows = [dict(row._mapping) for row in connection.execute(_listed(group, most + 1))]
        one = None if key is None else _one(connection, key)
        counts = {"": open_(connection), "street": open_(connection, "street"), "fixed": len(fixes)}
    names = {branch.id: branch for branch in found.branches}
    if key is not None and one is None and -key in names:
        one = {"key": key, "address": names[-key].address, "precision": 0, "answer": None, "patients": 0}
    return {
        "group": group,
        "groups": [(name, title, counts[name]) for name, title in GROUPS.items()],
        "rows": rows[:most],
        "more": most * 4 if len(rows) > most < MOST_SHOWN else None,
        "fixes": fixes,
        "one": one,
        "whole": one is not None and (-one["key"] in names or bool(parse(one["address"] or "").house)),
        "branches": [branch for branch in found.branches if branch.id not in found.points],
        "names": names,
        "frame": _frame(context, found, one),
        "named": words,
    }


def _frame(context: PageContext, found: Any, one: Mapping[str, Any] | None) -> dict[str, Any]:
    home = home_of(found, None)
    pin = one and one.get("latitude") is not None and [one["latitude"], one["longitude"]]
    branches = [[id_, "", *point] for id_, point in sorted(found.points.items())]
    own = {"branches": branches, "home": home, "radii": [], "pin": pin or None, "points": False, "mode": "pin"}
    return own | ground_of(context)


_COLUMNS = (
    place.key,
    place.address,
    place.precision,
    place.answer,
    place.patients,
    place.provider,
    place.latitude,
    place.longitude,
)


def _listed(group: str, most: int) -> Any:
    asked = select(*_COLUMNS).order_by(place.patients.desc(), place.key).limit(most)
    if group == "fixed":
        return asked.where(place.key.in_(select(geo_fix.c.key)))
    return asked.where(*_open(group))


def _open(group: str) -> list[ColumnElement[bool]]:
    """Give what is true of the addresses of a group that nobody has corrected."""
    level = place.precision == Precision.STREET if group == "street" else place.precision < Precision.STREET
    return [place.state == "confirmed", level, of_patients(), place.key.not_in(select(geo_fix.c.key))]


def open_(connection: Connection, group: str = "") -> int:
    """Return how many addresses a person could help with."""
    return int(connection.execute(select(func.count()).select_from(geo_place).where(*_open(group))).scalar() or 0)


def _one(connection: Connection, key: int) -> dict[str, Any] | None:
    row = connection.execute(select(*_COLUMNS).where(place.key == key)).first()
    return dict(row._mapping) if row else None


def _whole(text: str | None) -> int | None:
    try:
        value = int(text or "")
    except ValueError:
        return None
    return value if -(1 << 63) <= value < 1 << 63 else None


# -- what people do ---------------------------------------------------------------------------------------------------


def fix(context: PageContext, form: Mapping[str, str]) -> str | None:
    """Write down a better address; IdentsyncError where the parser makes nothing of it."""
    key, text = _key(form), " ".join(form.get("address", "").split())[:LONGEST]
    told = parse(text)
    if not told.street or not told.house:
        raise IdentsyncError(_("в адресе нужны улица и дом: улица Садовая, 12"))
    return _write(context, key, books.Fix(text, None, None), _("Записано: найдём при следующем проходе"))


def pin(context: PageContext, form: Mapping[str, str]) -> str | None:
    """Write down where a building is; IdentsyncError where the text is no pair of coordinates."""
    key, read = _key(form), PAIR.fullmatch(form.get("point", ""))
    latitude, longitude = (float(part.replace(",", ".")) for part in read.groups()) if read else (999.0, 0.0)
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise IdentsyncError(_("нужны широта и долгота: 55.0302, 82.9204"))
    fixed = books.Fix(None, round(latitude * 1e6), round(longitude * 1e6))
    return _write(context, key, fixed, _("Точка записана: появится на карте при следующем проходе"))


def undo(context: PageContext, form: Mapping[str, str]) -> str | None:
    """Forget a correction."""
    with context.store.write() as connection:
        books.unfix(connection, _key(form))
    return _("Исправление убрано")


def _key(form: Mapping[str, str]) -> int:
    key = _whole(form.get("key"))
    if key is None:
        raise IdentsyncError(_("нет такого адреса"))
    return key


def _write(context: PageContext, key: int, fixed: books.Fix, said: str) -> str:
    with context.store.write() as connection:
        books.fix(connection, key, fixed, by=context.user, now_ms=context.now_ms)
    return said
