"""Where the generated towns lie: streets that cross, a river, houses along the streets; and all that as OSM data.

The same town lies the same way everywhere: the stand-in of the geocoders, a real Nominatim and the tests know the truth
from here. Degrees, WGS84; the plane of a town is metres from its centre, east and north.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, hypot, radians, sin
from random import Random
from xml.sax.saxutils import quoteattr

from identsync.demo.clinic.town import Street, Town

CENTRES = (
    (54.91, 39.62), (57.62, 63.37), (54.72, 21.05), (54.31, 81.58), (54.47, 158.02), (52.83, 51.49),
    (55.47, 72.29), (53.21, 104.71), (44.83, 132.57), (61.72, 130.64), (60.11, 151.37),
)  # fmt: skip
"""By the town's number, each in the time zone of ``generate.ZONES``: steppe and taiga, where no such town is."""
Metres = tuple[float, float]
Point = tuple[float, float]
"""Latitude, longitude."""

DEGREE_M = 111_320.0
BLOCK_M, BANK_M, RIVER_M = 190.0, 45.0, 110.0
AWAY_M, SPREAD_M = 16.0, 2_600.0  # of a house from the middle of its street; how soon houses stand wider apart
LETTERS, CORPS = "абвг", "1234"
NUMBER = re.compile(r"(\d+)(?:к([1-4])|([абвг]))?")
ADJECTIVE = ("ая", "яя", "ый", "ий", "ое", "ее")
KINDS = {"ул.": "улица", "пр-т": "проспект", "пер.": "переулок", "б-р": "бульвар", "ш.": "шоссе"}
DISTRICTS = ("Центральный район", "Заречный район", "Загородный район")
STEP_M = 60.0  # between the points a street is drawn by


@dataclass(frozen=True, slots=True)
class Axis:
    """How a street runs: along the river or across it, how far from the centre's axis, and where its houses are."""

    along: bool
    offset: float
    phase: float
    pairs: tuple[float, ...]  # metres along the street of houses 1 and 2, of 3 and 4, ...


@dataclass(frozen=True, slots=True)
class Plan:
    """A town's geometry: ``axes`` by street; ``river`` is its offset to the south of the centre."""

    centre: Point
    turn: float
    river: float
    axes: dict[Street, Axis]


@functools.lru_cache(maxsize=64)
def plan(place: Town) -> Plan:
    """Lay out a town."""
    rng = Random(f"ground {place.name} {place.number}")
    latitude, longitude = CENTRES[place.number % len(CENTRES)]
    centre = latitude + rng.uniform(-0.05, 0.05), longitude + rng.uniform(-0.05, 0.05)
    river = -(3.5 + rng.random()) * BLOCK_M
    axes: dict[Street, Axis] = {}
    for at, street in enumerate(place.streets):  # the first streets are the busiest: they cross in the centre
        rank = at // 2
        offset = ((rank + 1) // 2 * (1 if rank % 2 else -1) + rng.uniform(-0.12, 0.12)) * BLOCK_M
        if at % 2 == 0 and offset < river + RIVER_M:
            offset -= 2 * RIVER_M  # the streets of the other bank
        axes[street] = Axis(at % 2 == 0, offset, rng.random() * 6, _pairs(rng, street, river, across=at % 2 == 1))
    return Plan(centre, rng.uniform(-0.6, 0.6), river, axes)


def _pairs(rng: Random, street: Street, river: float, *, across: bool) -> tuple[float, ...]:
    """Put pairs of houses along a street, the wider apart the farther out; over the river there are none."""
    count = (street.houses + 1) // 2
    at = -count * 11.0 + rng.uniform(-250, 250)
    pairs: list[float] = []
    for _pair in range(count):
        at += 15 + 25 * min(1.0, abs(at) / SPREAD_M) * rng.uniform(0.6, 1.0)
        if across and abs(at - river) < RIVER_M / 2 + BANK_M:
            at = river + RIVER_M / 2 + BANK_M + 1
        pairs.append(at)
    return tuple(pairs)


def house(place: Town, street: Street, number: str | int) -> Point:
    """Give where ``12``, ``12к1`` to ``12к4``, ``12а`` to ``12г`` is; KeyError where there is no such number."""
    town = plan(place)
    found = NUMBER.fullmatch(str(number))
    if found is None or not 1 <= int(found[1]) <= street.houses or street not in town.axes:
        raise KeyError(number)
    axis, first = town.axes[street], int(found[1])
    side = 1 if first % 2 else -1
    behind = CORPS.index(found[2]) + 1 if found[2] else LETTERS.index(found[3]) + 1 if found[3] else 0
    aside = 7.0 if found[2] else -7.0 if found[3] else 0.0
    at = axis.pairs[(first - 1) // 2]
    return _degrees(town, _on(axis, at + aside, side * (AWAY_M + 12.0 * behind)))


def numbers(place: Town, street: Street) -> Iterator[str]:
    """Yield the numbers that are on the map: all plain ones, with every fourth the four blocks or letters behind it."""
    for number in range(1, street.houses + 1):
        yield str(number)
        kind = Random(f"{place.name} {street.name} {number}").randrange(8)
        if kind == 0:
            yield from (f"{number}к{corps}" for corps in CORPS)
        elif kind == 1:
            yield from (f"{number}{letter}" for letter in LETTERS)


def line(place: Town, street: Street) -> list[Point]:
    """Give the points of a street from its first house to its last."""
    town = plan(place)
    axis = town.axes[street]
    first, last = axis.pairs[0] - 20, axis.pairs[-1] + 20
    count = max(1, round((last - first) / STEP_M))
    return [_degrees(town, _on(axis, first + (last - first) * at / count, 0.0)) for at in range(count + 1)]


def streets(place: Town) -> list[tuple[Street, list[Point]]]:
    """Give every street with its points."""
    return [(street, line(place, street)) for street in place.streets]


def middle(place: Town, street: Street) -> Point:
    """Give a point in the middle of a street."""
    points = line(place, street)
    return points[len(points) // 2]


def river(place: Town) -> list[Point]:
    """Give the points of the river through a town."""
    town = plan(place)
    axis = Axis(True, town.river, 1.0, ())
    return [_degrees(town, _on(axis, at, 0.0)) for at in range(-6_000, 6_001, 200)]


def centre(place: Town) -> Point:
    """Give a town's centre."""
    return plan(place).centre


def full(street: Street) -> str:
    """Spell a street as maps do: ``Садовая улица``, ``улица Мира``."""
    kind = KINDS[street.kind]
    return f"{street.name} {kind}" if street.name.endswith(ADJECTIVE) else f"{kind} {street.name}"


def region(place: Town) -> str:
    """Name the region around a town."""
    return f"{place.name}ая область"


def district(place: Town, point: Point) -> str:
    """Name the district of a town in which a point lies."""
    town = plan(place)
    east, north = _plane(town, point)
    if north < town.river:
        return DISTRICTS[1]
    return DISTRICTS[0] if east < 700 else DISTRICTS[2]


def metres(one: Point, other: Point) -> float:
    """Measure between two points of one town."""
    north = (one[0] - other[0]) * DEGREE_M
    return hypot(north, (one[1] - other[1]) * DEGREE_M * cos(radians(one[0])))


def _on(axis: Axis, at: float, away: float) -> Metres:
    """Give the place ``at`` metres along a street and ``away`` to its left; streets bend a little."""
    across = axis.offset + 22 * sin(at / 400 + axis.phase) + away
    return (at, across) if axis.along else (across, at)


def _degrees(town: Plan, place: Metres) -> Point:
    east, north = place
    x, y = east * cos(town.turn) - north * sin(town.turn), east * sin(town.turn) + north * cos(town.turn)
    latitude, longitude = town.centre
    return round(latitude + y / DEGREE_M, 6), round(longitude + x / (DEGREE_M * cos(radians(latitude))), 6)


def _plane(town: Plan, point: Point) -> Metres:
    latitude, longitude = town.centre
    y, x = (point[0] - latitude) * DEGREE_M, (point[1] - longitude) * DEGREE_M * cos(radians(latitude))
    return x * cos(town.turn) + y * sin(town.turn), y * cos(town.turn) - x * sin(town.turn)


# -- as OpenStreetMap data ---------------------------------------------------------------------------------------------


def osm(place: Town) -> bytes:
    """Give a town as OSM XML: region, town, three districts, river, streets, houses with ``addr:*``."""
    return "".join(_Osm(place).lines()).encode()


class _Osm:
    def __init__(self, place: Town) -> None:
        self.place = place
        self.town = plan(place)
        self.nodes: list[str] = []
        self.ways: list[str] = []
        self.relations: list[str] = []

    def lines(self) -> Iterator[str]:
        name, town = self.place.name, self.town
        self._area(region(self.place), 4, (-60_000, -60_000, 60_000, 60_000), place="state")
        self._area(name, 6, (-9_000, -9_000, 9_000, 9_000), place="city")
        for title, box in zip(DISTRICTS, self._districts(), strict=True):
            self._area(title, 9, box, place="suburb")
        self._node(town.centre, {"place": "city", "name": name, "population": "300000"})
        self._way(river(self.place), {"waterway": "river", "name": "Светлая"})
        for street, points in streets(self.place):
            self._way(points, {"highway": "residential", "name": full(street)})
            for number in numbers(self.place, street):
                self._house(street, number)
        yield '<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6" generator="identsync demo">\n'
        yield from (*self.nodes, *self.ways, *self.relations)
        yield "</osm>\n"

    def _districts(self) -> list[tuple[float, float, float, float]]:
        south = self.town.river
        return [(-9_000, south, 700, 9_000), (-9_000, -9_000, 9_000, south), (700, south, 9_000, 9_000)]

    def _house(self, street: Street, number: str) -> None:
        address = {"addr:street": full(street), "addr:housenumber": _spelled(number), "addr:city": self.place.name}
        self._node(house(self.place, street, number), {"building": "yes"} | address)

    def _area(self, name: str, level: int, box: tuple[float, float, float, float], place: str) -> None:
        west, south, east, north = box
        corners = [(west, south), (east, south), (east, north), (west, north)]
        way = self._way([_degrees(self.town, corner) for corner in corners], {}, closed=True)
        tags = {
            "type": "boundary",
            "boundary": "administrative",
            "admin_level": str(level),
            "name": name,
            "place": place,
        }
        member = f'<member type="way" ref="{way}" role="outer"/>'
        self.relations.append(
            f'<relation id="{len(self.relations) + 1}" version="1">{member}{_tags(tags)}</relation>\n'
        )

    def _way(self, points: list[Point], tags: dict[str, str], *, closed: bool = False) -> int:
        refs = [self._node(point, {}) for point in points]
        inside = "".join(f'<nd ref="{ref}"/>' for ref in (*refs, *refs[: 1 if closed else 0]))
        number = len(self.ways) + 1
        self.ways.append(f'<way id="{number}" version="1">{inside}{_tags(tags)}</way>\n')
        return number

    def _node(self, point: Point, tags: dict[str, str]) -> int:
        number = len(self.nodes) + 1
        where = f'<node id="{number}" version="1" lat="{point[0]:.6f}" lon="{point[1]:.6f}"'
        self.nodes.append(f"{where}>{_tags(tags)}</node>\n" if tags else f"{where}/>\n")
        return number


def _spelled(number: str) -> str:
    """Spell a number as maps do: ``12 к1``, ``12А``."""
    return number.replace("к", " к") if "к" in number else number.upper()


def _tags(tags: dict[str, str]) -> str:
    return "".join(f"<tag k={quoteattr(name)} v={quoteattr(value)}/>" for name, value in tags.items())
