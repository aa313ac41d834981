"""What surrounds the map on the page: filters, what they find in numbers, rings, the busiest streets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from identsync.engine.integration import PageContext
from identsync.integrations.geocoding import page_choice as choosing
from identsync.integrations.geocoding.census import RADII, count, survey
from identsync.integrations.geocoding.page_cells import LEAST, may_see_points
from identsync.integrations.geocoding.page_choice import Choice, choose
from identsync.integrations.geocoding.place import Precision
from identsync.integrations.geocoding.streets import shortened, streets

if TYPE_CHECKING:
    from identsync.core.census import Count
    from identsync.integrations.geocoding.census import Survey

LISTED = 12


def view(context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the filters, what they find in numbers, the rings of the branches, the busiest streets."""
    found = survey(context)
    choice = choose(context, found, query)
    counted = count(context, found, choice.wanted)
    return {
        "choice": choice,
        "found": found,
        "counted": counted,
        "before": count(context, found, choice.against) if choice.against else None,
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
    return {
        "branches": [[id_, names[id_], *point] for id_, point in sorted(found.points.items())],
        "home": home,
        "radii": RADII,
        "points": may_see_points(context),
    } | ground_of(context)


def ground_of(context: PageContext) -> dict[str, Any]:
    """Give what lies under the map besides own data: the address of tiles, whether there is a city file."""
    console = context.console
    return {"tiles": getattr(console, "map_tiles", ""), "file": bool(getattr(console, "map_file", ""))}


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
