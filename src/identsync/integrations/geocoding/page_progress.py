"""How far the addresses have come: done, left, when it ends, who answered what, why something was not found."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select

from identsync.engine.integration import PageContext
from identsync.integrations.geocoding import page_words as words
from identsync.integrations.geocoding.census import of_patients, survey
from identsync.integrations.geocoding.place import Precision
from identsync.spans import DAY_MS, HOUR_MS
from identsync.store.tables import geo_place

REASONS = 12
place = geo_place.c


def view(context: PageContext, _query: Mapping[str, str]) -> dict[str, Any]:
    """Return the sums by precision and provider, the speed, the reasons."""
    found = survey(context)
    with context.store.read() as connection:
        rows = connection.execute(_by_precision()).all()
        reasons = _reasons(connection)
        hour, day = (_asked(connection, context.now_ms - ms) for ms in (HOUR_MS, DAY_MS))
    done = sum(n for state, _p, _by, n, _people in rows if state == "confirmed")
    total = max(found.census.buildings, done)
    return {
        "total": total,
        "done": done,
        "left": total - done,
        "hour": hour,
        "ends_ms": ends(context, total - done, hour, day),
        "levels": _levels(rows),
        "providers": _providers(rows),
        "reasons": reasons,
        "patients": len(found.census),
        "sums": found.remembered("everybody", found.census.count),
        "named": words,
    }


def _by_precision() -> Any:
    asked = select(
        place.state, place.precision, place.provider, func.count(), func.coalesce(func.sum(place.patients), 0)
    )
    return asked.where(of_patients()).group_by(place.state, place.precision, place.provider)


def _levels(rows: Any) -> list[tuple[int, int, int]]:
    """Give (precision, buildings, patients) from the house down to what was not found."""
    buildings, patients = dict.fromkeys(map(int, Precision), 0), dict.fromkeys(map(int, Precision), 0)
    for state, precision, _provider, n, people in rows:
        if state == "confirmed":
            buildings[precision] += n
            patients[precision] += int(people)
    return [(level, buildings[level], patients[level]) for level in sorted(buildings, reverse=True)]


def _providers(rows: Any) -> list[dict[str, Any]]:
    found: dict[str, dict[str, int]] = {}
    for state, precision, provider, n, _people in rows:
        if state == "confirmed" and provider:
            row = found.setdefault(provider, {"house": 0, "street": 0, "less": 0})
            kind = "house" if precision >= Precision.NEAR else "street" if precision == Precision.STREET else "less"
            row[kind] += n
    return [{"name": name, **row, "all": sum(row.values())} for name, row in sorted(found.items())]


def _reasons(connection: Connection) -> list[tuple[str, int, int]]:
    """Give why buildings are not on the map as points: (reason, buildings, patients), the most patients first."""
    asked = select(place.answer, func.count(), func.coalesce(func.sum(place.patients), 0))
    asked = asked.where(of_patients(), place.answer.is_not(None), place.precision < Precision.NEAR)
    rows = connection.execute(asked.group_by(place.answer)).all()
    ordered = sorted(((str(answer), int(n), int(people)) for answer, n, people in rows), key=lambda row: -row[2])
    return ordered[:REASONS]


def _asked(connection: Connection, since_ms: int) -> int:
    return int(connection.execute(select(func.count()).where(place.asked_ms >= since_ms)).scalar() or 0)


def ends(context: PageContext, left: int, hour: int, day: int) -> int | None:
    """Say when the last address will be done at the pace of this hour, or of the days' quotas; None = not known."""
    if left <= 0:
        return None
    quotas: list[int | None] = [provider.per_day for provider in (context.settings or {}).values()]
    quota = None if not quotas or None in quotas else sum(each or 0 for each in quotas)
    now_ms = context.now_ms
    if quota and (left + day > quota or not hour):
        return now_ms + max(left - max(quota - day, 0), 0) * DAY_MS // quota + HOUR_MS
    return now_ms + left * HOUR_MS // hour if hour else None
