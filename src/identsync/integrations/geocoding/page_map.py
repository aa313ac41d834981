"""The map itself: what surrounds it on the page, and the data its script asks for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from identsync.core.columns import digest
from identsync.engine.integration import Answer, PageContext
from identsync.integrations.geocoding import page_choice as choosing
from identsync.integrations.geocoding.census import RADII, count, survey
from identsync.integrations.geocoding.page_choice import Choice, choose
from identsync.integrations.geocoding.place import Precision
from identsync.integrations.geocoding.scale import breaks
from identsync.integrations.geocoding.streets import metres, shortened, streets

if TYPE_CHECKING:
    from identsync.core.census import Count
    from identsync.integrations.geocoding.census import Survey

LEAST = 5
"""A cell with fewer patients is not shown: two or three could be known by name."""
CELLS = 8_000
POINTS = 6_000
STREETS = 500
LISTED = 12
FILE_BYTES = 40 * 1024 * 1024
Box = tuple[int, int, int, int]
EVERYWHERE = (-90_000_000, -180_000_000, 90_000_000, 180_000_000)


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the filters, what they find in numbers, the rings of the branches, the busiest streets."""
    found = survey(context)
    choice = choose(context, found, query)
    counted = count(context, found, choice.wanted)
    total = _shown(found, counted, choice)
    return {
        "choice": choice,
        "found": found,
        "counted": counted,
        "shown": total,
        "sums": _sums(counted),
        "rings": _rings(found, counted),
        "busiest": _busiest(context, found, counted),
        "doctors": _doctors(found),
        "frame": _frame(context, found, choice),
        "named": choosing,
        "attribution": _attribution(context),
        "least": LEAST,
    }


def _sums(counted: "Count") -> dict[str, int]:
    by = counted.by_precision
    return {
        "placed": by[Precision.HOUSE] + by[Precision.NEAR],
        "street": by[Precision.STREET],
        "town": by[Precision.DISTRICT] + by[Precision.LOCALITY],
        "lost": by[Precision.NONE],
        "waiting": counted.waiting,
        "without": counted.without,
    }


def _doctors(found: "Survey") -> list[tuple[int, str]]:
    return sorted({doctor.id: doctor.name for doctor in found.doctors}.items(), key=lambda each: each[1])


def _rings(found: "Survey", counted: "Count") -> list[dict[str, Any]]:
    """Give the branches that lie somewhere, with how many live within each radius."""
    names = {branch.id: branch.name for branch in found.branches}
    rows = zip(sorted(found.points), counted.rings(), strict=True)
    known = [{"id": id_, "name": names[id_], "within": within} for id_, within in rows]
    return sorted(known, key=lambda row: -row["within"][-1])


def _busiest(context: PageContext, found: "Survey", counted: "Count") -> list[dict[str, Any]]:
    """Give the streets where most of those live who fit."""
    known = streets(found, context.store)
    found.remembered("street numbers", lambda: found.census.streets(known.of))
    several = len({street.town for street in known.every}) > 1
    rows = sorted(counted.streets(), key=lambda row: -row[1])[:LISTED]
    return [
        {
            "name": known.every[at].name,
            "short": shortened(known.every[at].name),
            "town": known.every[at].town if several else "",
            "people": people,
            "at": known.every[at].middle,
        }
        for at, people in rows
        if people >= LEAST
    ]


def _frame(context: PageContext, found: "Survey", choice: Choice) -> dict[str, Any]:
    """Give what the script must know before it asks for anything."""
    names = {branch.id: branch.name for branch in found.branches}
    home = home_of(found, choice.wanted.branch)
    tiles = getattr(context.console, "map_tiles", "")
    return {
        "branches": [[id_, names[id_], *point] for id_, point in sorted(found.points.items())],
        "home": home,
        "radii": RADII,
        "tiles": tiles,
        "file": bool(getattr(context.console, "map_file", "")),
        "points": may_see_points(context),
    }


def home_of(found: "Survey", branch: int | None) -> list[int]:
    """Give where the map opens: (branch or 0, latitude, longitude) of the branch asked for, or the busiest one."""
    if branch in found.points:
        return [branch, *found.points[branch]] if branch else []
    everybody = found.remembered("everybody", found.census.count)
    near = list(zip(everybody.rings(), sorted(found.points), strict=True))
    if near:
        best = max(near)[1]
        return [best, *found.points[best]]
    cells = everybody.cells(7)
    if not cells:
        return []
    best_cell = max(cells, key=lambda cell: cell[1])
    return [0, best_cell[5], best_cell[6]]


def may_see_points(context: PageContext) -> bool:
    """Tell whether the client's role may see single houses; a console of no client (a test, the demo) may."""
    roles = getattr(context.console, "map_points", ("director",))
    return context.role is None or context.role.name.lower() in roles


def _attribution(context: PageContext) -> bool:
    """Tell whether coordinates come from OpenStreetMap, whose licence wants that said."""
    return any(provider.kind in ("nominatim", "photon") for provider in (context.settings or {}).values())


def allows(context: PageContext) -> dict[str, str]:
    """Name what the map's library needs of the browser: a worker made of itself, and pictures out of memory."""
    sources = {"worker-src": "'self' blob:", "img-src": "data: blob:"}
    tiles = urlsplit(getattr(context.console, "map_tiles", ""))
    if tiles.netloc:
        origin = f"{tiles.scheme}://{tiles.netloc}"
        sources["img-src"] += f" {origin}"
        sources["connect-src"] = origin
    return sources


# -- data ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """The cells of one filter and resolution: those that may be seen, how many patients are in the others."""

    cells: Sequence[tuple[int, ...]]  # cell, people, new, kopecks, to the street only, latitude, longitude, before
    hidden: int
    hidden_cells: int
    breaks: Sequence[float]


def _shown(found: "Survey", counted: "Count", choice: Choice, resolution: int = 8) -> Shown:
    """Leave out the cells with few patients."""
    rows = counted.cells(resolution, choice.rough)
    few = [row for row in rows if row[1] < LEAST]
    kept = [(*row, 0) for row in rows if row[1] >= LEAST]
    values = [_value(row, choice.metric, counted) for row in kept]
    return Shown(kept, sum(row[1] for row in few), len(few), breaks(values))


def _compared(found: "Survey", now: "Count", before: "Count", choice: Choice, resolution: int) -> Shown:
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
        return found.remembered(key, lambda: _shown(found, now, choice, resolution))
    before = count(context, found, choice.against)
    key = ("compared", choice.wanted, choice.against, choice.rough, resolution)
    return found.remembered(key, lambda: _compared(found, now, before, choice, resolution))


def cells(context: PageContext, query: Mapping[str, str]) -> Answer:
    """Answer with the cells of a box: [cell, people, new, kopecks, to the street only, people before, boundary]."""
    found = survey(context)
    choice = choose(context, found, query)
    resolution = min(max(choosing.number(query.get("res")) or 8, 7), 9)
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


def box_of(query: Mapping[str, str]) -> Box:
    """Read ``box``: south, west, north, east in micro-degrees."""
    try:
        south, west, north, east = (int(part) for part in query.get("box", "")[:60].split(","))
    except ValueError:
        return EVERYWHERE
    return south, west, north, east


def told(value: Any) -> Answer:
    """Write JSON with the tag of its bytes."""
    body = orjson.dumps(value)
    return Answer(body, "application/json", f"{digest(body) & (2**64 - 1):x}")


# -- export -------------------------------------------------------------------------------------------------------------


def export(context: PageContext, query: Mapping[str, str]) -> Answer:
    """Answer with the cells as a table for Excel: cell, its centre, numbers, the nearest street; no point, no person."""
    found = survey(context)
    choice = choose(context, found, query)
    resolution = min(max(choosing.number(query.get("res")) or 8, 7), 9)
    shown = of_cells(context, found, choice, resolution)
    now = count(context, found, choice.wanted)
    nearest = _nearest(streets(found, context.store).every)
    head = ["h3", "latitude", "longitude", "people", "share_percent", "new", "revenue_rub", "street_level", "near"]
    rows = [_exported(row, now.people, nearest) for row in sorted(shown.cells, key=lambda row: -row[1])]
    if choice.against is not None:
        head.append("people_before")
        rows = [[*row, cell[7]] for row, cell in zip(rows, sorted(shown.cells, key=lambda r: -r[1]), strict=True)]
    text = "\r\n".join(";".join(_field(value) for value in row) for row in [head, *rows])
    return Answer(b"\xef\xbb\xbf" + text.encode() + b"\r\n", "text/csv; charset=utf-8", file="patients-by-cell.csv")


def _exported(row: Sequence[int], people: int, nearest: Callable[[int, int], str]) -> list[Any]:
    import h3.api.basic_int as h3

    latitude, longitude = h3.cell_to_latlng(row[0])
    near = nearest(round(latitude * 1e6), round(longitude * 1e6))
    share = round(100 * row[1] / max(people, 1), 2)
    name = h3.int_to_str(row[0])
    return [name, round(latitude, 5), round(longitude, 5), row[1], share, row[2], row[3] // 100, row[4], near]


def _nearest(every: Sequence[Any]) -> Callable[[int, int], str]:
    """Find the street near a point by a grid of a kilometre or so."""
    grid: dict[tuple[int, int], list[tuple[tuple[int, int], str]]] = {}
    for street in every:
        for line in street.lines:
            for point in line:
                grid.setdefault((point[0] // 10_000, point[1] // 10_000), []).append((point, street.name))

    def nearest(latitude: int, longitude: int) -> str:
        row, column = latitude // 10_000, longitude // 10_000
        around = [each for y in (-1, 0, 1) for x in (-1, 0, 1) for each in grid.get((row + y, column + x), [])]
        return min(around, key=lambda each: metres(each[0], (latitude, longitude)))[1] if around else ""

    return nearest


def _field(value: object) -> str:
    text = str(value)
    if text[:1] in "=+-@\t" and not isinstance(value, int | float):
        text = f"'{text}"  # a spreadsheet would run it
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ';"\r\n') else text
