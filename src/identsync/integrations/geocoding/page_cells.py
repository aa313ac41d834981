"""The data that the map's script asks for: cells, houses and streets of a box, the city file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from identsync.core.columns import digest
from identsync.engine.integration import Answer, PageContext
from identsync.integrations.geocoding import page_choice as choosing
from identsync.integrations.geocoding.census import count, survey
from identsync.integrations.geocoding.page_choice import Choice, choose
from identsync.integrations.geocoding.scale import breaks
from identsync.integrations.geocoding.streets import streets

if TYPE_CHECKING:
    from identsync.core.census import Count
    from identsync.integrations.geocoding.census import Survey

LEAST = 5
"""A cell with fewer patients is not shown: two or three could be known by name."""
CELLS = 8_000
POINTS = 6_000
STREETS = 500
FILE_BYTES = 40 * 1024 * 1024
Box = tuple[int, int, int, int]
EVERYWHERE = (-90_000_000, -180_000_000, 90_000_000, 180_000_000)


def may_see_points(context: PageContext) -> bool:
    """Tell whether the client's role may see single houses; a console of no client (a test, the demo) may."""
    roles = getattr(context.console, "map_points", ("director",))
    return context.role is None or context.role.name.lower() in roles


@dataclass(frozen=True, slots=True)
class Shown:
    """The cells of one filter and resolution: those that may be seen, how many patients are in the others."""

    cells: Sequence[tuple[int, ...]]  # cell, people, new, kopecks, to the street only, latitude, longitude, before
    hidden: int
    hidden_cells: int
    breaks: Sequence[float]


def _shown(counted: "Count", choice: Choice, resolution: int) -> Shown:
    """Leave out the cells with few patients."""
    rows = counted.cells(resolution, choice.rough)
    few = [row for row in rows if row[1] < LEAST]
    kept = [(*row, 0) for row in rows if row[1] >= LEAST]
    values = [_value(row, choice.metric, counted) for row in kept]
    return Shown(kept, sum(row[1] for row in few), len(few), breaks(values))


def _compared(now: "Count", before: "Count", choice: Choice, resolution: int) -> Shown:
    """Put two periods side by side: a number under the least counts as none, so that no difference tells it."""
    old = {row[0]: row for row in before.cells(resolution, choice.rough)}
    new = {row[0]: row for row in now.cells(resolution, choice.rough)}
    kept, hidden, few = [], 0, 0
    for cell in old.keys() | new.keys():
        row, then = new.get(cell), old.get(cell)
        people, were = (row[1] if row else 0), (then[1] if then else 0)
        if max(people, were) < LEAST:
            hidden, few = hidden + people, few + 1
            continue
        at = row or then
        assert at is not None
        known = row if row and people >= LEAST else (cell, 0, 0, 0, 0)
        kept.append((*known[:5], at[5], at[6], were if were >= LEAST else 0))
    differences = [abs(row[1] - row[7]) for row in kept]
    return Shown(sorted(kept), hidden, few, breaks(differences, 3))


def _value(row: Sequence[int], metric: str, counted: "Count") -> float:
    if metric == "share":
        return 100 * row[1] / max(counted.people, 1)
    return {"new": row[2], "revenue": row[3] / 100}.get(metric, row[1])


def of_cells(context: PageContext, found: "Survey", choice: Choice, resolution: int) -> Shown:
    """Return what may be shown of one filter at one resolution, counted once."""
    now = count(context, found, choice.wanted)
    if choice.against is None:
        key: Any = ("cells", choice.wanted, choice.metric, choice.rough, resolution)
        return found.remembered(key, lambda: _shown(now, choice, resolution))
    before = count(context, found, choice.against)
    key = ("compared", choice.wanted, choice.against, choice.rough, resolution)
    return found.remembered(key, lambda: _compared(now, before, choice, resolution))


def cells(context: PageContext, query: Mapping[str, str]) -> Answer:
    """Answer with the cells of a box: [cell, people, new, kopecks, to the street only, people before, boundary]."""
    found = survey(context)
    choice = choose(context, found, query)
    resolution = resolution_of(query)
    shown, box = of_cells(context, found, choice, resolution), box_of(query)
    inside = [row for row in shown.cells if box[0] <= row[5] <= box[2] and box[1] <= row[6] <= box[3]]
    inside = sorted(inside, key=lambda row: -row[1])[:CELLS]
    now = count(context, found, choice.wanted)
    return told(
        {
            "cells": [[str(row[0]), *row[1:5], row[7], boundary(row[0])] for row in inside],
            "breaks": shown.breaks,
            "hidden": shown.hidden,
            "compared": choice.against is not None,
            "metric": choice.metric,
            "people": now.people,
            "least": LEAST,
        }
    )


@lru_cache(maxsize=60_000)
def boundary(cell: int) -> list[int]:
    """Give the corners of a cell: latitudes and longitudes by turns, micro-degrees."""
    import h3.api.basic_int as h3

    corners = h3.cell_to_boundary(cell)
    return [round(value * 1e6) for corner in corners for value in corner]


def points(context: PageContext, query: Mapping[str, str]) -> Answer:
    """Answer with the houses of a box: [latitude, longitude, people, new]; nothing for roles that may not see them."""
    if not may_see_points(context):
        return told({"points": []})
    found = survey(context)
    now = count(context, found, choose(context, found, query).wanted)
    return told({"points": now.points(*box_of(query), POINTS)})


def lines(context: PageContext, query: Mapping[str, str]) -> Answer:
    """Answer with the streets of a box: [name, houses, [line, ...]], a line is latitudes and longitudes by turns."""
    found, box = survey(context), box_of(query)
    every = streets(found, context.store).every
    inside = [s for s in every if box[0] <= s.middle[0] <= box[2] and box[1] <= s.middle[1] <= box[3]][:STREETS]
    return told({"streets": [[s.name, s.houses, [[v for p in line for v in p] for line in s.lines]] for s in inside]})


def town(context: PageContext, _query: Mapping[str, str]) -> Answer:
    """Answer with the city file that the installer gave; an empty collection where there is none."""
    name = getattr(context.console, "map_file", "")
    path = Path(name) if name else None
    if path is None or not path.is_file() or path.stat().st_size > FILE_BYTES:
        return told({"type": "FeatureCollection", "features": []})
    body = path.read_bytes()
    return Answer(body, "application/geo+json", f"{digest(body) & (2**64 - 1):x}")


def resolution_of(query: Mapping[str, str]) -> int:
    """Read the resolution of the cells: 7, 8 or 9."""
    return min(max(choosing.number(query.get("res")) or 8, 7), 9)


def box_of(query: Mapping[str, str]) -> Box:
    """Read ``box``: south, west, north, east in micro-degrees."""
    try:
        south, west, north, east = (int(part) for part in query.get("box", "")[:60].split(","))
    except ValueError:
        return EVERYWHERE
    return south, west, north, east


def told(value: Any) -> Answer:
    """Write JSON without a tag: where patients live is kept in no browser."""
    return Answer(orjson.dumps(value))
