"""The backdrop from own data: how streets run, as the houses that were found on them tell."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from identsync.integrations.geocoding.census import of_patients
from identsync.integrations.geocoding.place import Precision, apart
from identsync.store.tables import geo_place

if TYPE_CHECKING:
    from identsync.integrations.geocoding.census import Survey

HOUSE = re.compile(r"^\D*(\d+)")
FEWEST = 4
"""Houses that make a street."""
BENDS = 24
GAP_M = 900.0
"""Two parts of a street farther apart are not joined: there is a river, or another street of that name."""
METRE = 1_000_000 / 111_320  # in micro-degrees of latitude
Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Street:
    """A street: what it is called, how many houses of it are known, its middle, its lines (micro-degrees)."""

    name: str
    town: str
    houses: int
    middle: Point
    lines: Sequence[Sequence[Point]]


@dataclass(frozen=True, slots=True)
class Streets:
    """All streets, the busiest first, and the number of the street of each building found on one."""

    every: Sequence[Street]
    of: Sequence[tuple[int, int]]


SHORT = {"улица": "ул.", "проспект": "пр-т", "переулок": "пер.", "бульвар": "б-р", "шоссе": "ш.", "набережная": "наб."}


def shortened(name: str) -> str:
    """Write the word of a street as signs do."""
    kind, space, rest = name.partition(" ")
    return f"{SHORT.get(kind, kind)}{space}{rest}"


def streets(found: "Survey", store: Any) -> Streets:
    """Read the streets, once for each reading of the places."""

    def make() -> Streets:
        with store.read() as connection:
            return _read(connection)

    return found.remembered("streets", make)


def _read(connection: Connection) -> Streets:
    p = geo_place.c
    asked = select(p.key, p.address, p.latitude, p.longitude)
    rows = connection.execute(asked.where(p.precision >= Precision.NEAR, p.latitude.is_not(None), of_patients()))
    houses: dict[str, list[tuple[int, int, int, int]]] = {}
    of_street: dict[str, list[int]] = {}
    for key, address, latitude, longitude in rows:
        street, _comma, house = address.rpartition(", ")
        number = HOUSE.match(house)
        if street and number:
            houses.setdefault(street, []).append((int(number[1][:6]), latitude, longitude, key))
            of_street.setdefault(street, []).append(key)
    known = sorted((name for name, on in houses.items() if len(on) >= FEWEST), key=lambda name: -len(houses[name]))
    every = [_street(name, houses[name]) for name in known]
    return Streets(every, [(key, at) for at, name in enumerate(known) for key in of_street[name]])


def _street(full: str, houses: list[tuple[int, int, int, int]]) -> Street:
    town, _comma, name = full.rpartition(", ")
    houses.sort()
    points = _bends([(latitude, longitude) for _number, latitude, longitude, _key in houses])
    return Street(name, town, len(houses), points[len(points) // 2], list(_joined(points)))


def _bends(points: Sequence[Point]) -> list[Point]:
    """Put the houses of each stretch together into one point: even and odd sides cancel out."""
    count = max(2, min(BENDS, len(points) // 3))
    cuts = [at * len(points) // count for at in range(count + 1)]
    return [_mean(points[low:high]) for low, high in pairwise(cuts) if high > low]


def _mean(points: Sequence[Point]) -> Point:
    return sum(p[0] for p in points) // len(points), sum(p[1] for p in points) // len(points)


def _joined(points: Iterable[Point]) -> Iterable[list[Point]]:
    line: list[Point] = []
    for point in points:
        if line and metres(line[-1], point) > GAP_M:
            if len(line) > 1:
                yield line
            line = []
        line.append(point)
    if len(line) > 1:
        yield line


def metres(a: Point, b: Point) -> float:
    """Give how far two near points are apart."""
    return apart(a, b) / METRE
