"""The cells as a table for a spreadsheet: no point, no person."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from identsync.engine.integration import Answer, PageContext
from identsync.integrations.geocoding.census import count, survey
from identsync.integrations.geocoding.page_cells import of_cells, resolution_of
from identsync.integrations.geocoding.page_choice import choose
from identsync.integrations.geocoding.streets import metres, streets

HEAD = ("h3", "latitude", "longitude", "people", "share_percent", "new", "revenue_rub", "street_level", "near")
GRID = 10_000
"""Micro-degrees: about a kilometre."""


def export(context: PageContext, query: Mapping[str, str]) -> Answer:
    """Answer with the cells, the most patients first: cell, its centre, numbers, the nearest street."""
    found = survey(context)
    choice = choose(context, found, query)
    rows = sorted(of_cells(context, found, choice, resolution_of(query)).cells, key=lambda row: -row[1])
    now = count(context, found, choice.wanted)
    nearest = _nearest(streets(found, context.store).every)
    compared = choice.against is not None
    head = [*HEAD, "people_before"] if compared else [*HEAD]
    table = [_exported(row, now.people, nearest) + ([row[7]] if compared else []) for row in rows]
    text = "\r\n".join(";".join(_field(value) for value in row) for row in [head, *table])
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
                grid.setdefault((point[0] // GRID, point[1] // GRID), []).append((point, street.name))

    def nearest(latitude: int, longitude: int) -> str:
        row, column = latitude // GRID, longitude // GRID
        around = [each for y in (-1, 0, 1) for x in (-1, 0, 1) for each in grid.get((row + y, column + x), [])]
        return min(around, key=lambda each: metres(each[0], (latitude, longitude)))[1] if around else ""

    return nearest


def _field(value: object) -> str:
    text = str(value)
    if text and text[0] in "=+-@\t\r\n" and not isinstance(value, int | float):
        text = f"'{text}"  # a spreadsheet would run it
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ';"\r\n') else text
