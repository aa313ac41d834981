"""Page "Карта": the map, how far the addresses have come, those that a person can help with."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import func, select

from identsync.engine.integration import Page, PageContext
from identsync.integrations.geocoding import page_cells, page_export, page_map, page_progress, page_worklist
from identsync.integrations.geocoding.census import AGE_MS, places_version
from identsync.store.tables import geo_fix, task_slot


def _(text: str) -> str:
    return text


View = Callable[[PageContext, Mapping[str, str]], dict[str, Any]]
PARTS: Mapping[str, tuple[str, View]] = {
    "map": (_("Карта"), page_map.view),
    "progress": (_("Адреса"), page_progress.view),
    "worklist": (_("Не найдены"), page_worklist.view),
}


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return what the part of the page shows that the address names (``tab``), and the parts' names and counts."""
    tab = query.get("tab", "")
    tab = tab if tab in PARTS else "map"
    with context.store.read() as connection:
        waiting = page_worklist.open_(connection)
    tabs = [(name, title, waiting if name == "worklist" and waiting else None) for name, (title, _v) in PARTS.items()]
    return {"tab": tab, "tabs": tabs, "set_up": bool(context.settings)} | PARTS[tab][1](context, query)


def version(context: PageContext) -> str:
    """Return what changes with places, corrections and runs, and when the patients are to be read again."""
    with context.store.read() as connection:
        slots = select(func.max(task_slot.c.finished_ms)).where(task_slot.c.kind.like("geocoding/%"))
        parts = [
            places_version(connection)[0] // 5_000,  # a run of an hour shall not draw the page every second
            connection.execute(select(func.max(geo_fix.c.made_ms))).scalar(),
            connection.execute(select(func.count()).select_from(geo_fix)).scalar(),
            connection.execute(slots).scalar(),
            context.now_ms // AGE_MS,
        ]
    return ".".join(str(part or 0) for part in parts)


PAGES = (
    Page(
        "map",
        _("Карта"),
        "geocoding/map.html",
        view,
        version,
        {"fix": page_worklist.fix, "pin": page_worklist.pin, "undo": page_worklist.undo},
        data={
            "cells": page_cells.cells,
            "points": page_cells.points,
            "streets": page_cells.lines,
            "town": page_cells.town,
            "export": page_export.export,
        },
        scripts=("maplibre-gl.js", "map-ground.js", "map-cells.js", "map-sheet.js", "map.js"),
        styles=("maplibre-gl.css", "map.css"),
        allows=page_map.allows,
    ),
)
