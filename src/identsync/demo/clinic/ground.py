"""Where the generated towns lie: streets that cross, a river, houses along the streets.

The same town lies the same way everywhere: the stand-in of the geocoders, a real Nominatim and the tests know the truth
from here. Degrees, WGS84; the plane of a town is metres from its centre, east and north.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, hypot, radians, sin
from random import Random

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
LINES = range(-10, 11)  # of the town's grid, in each direction
AWAY_M, CORNER_M, BETWEEN_M = 16.0, 13.0, 45.0  # of a house from its street and from a corner; of two streets in line
BEND_M, BEND_EVERY_M = 22.0, 400.0
LETTERS, CORPS = "абвг", "1234"
NUMBER = re.compile(r"(\d+)(?:к([1-4])|([абвг]))?")
ADJECTIVE = ("ая", "яя", "ый", "ий", "ое", "ее")
KINDS = {"ул.": "улица", "пр-т": "проспект", "пер.": "переулок", "б-р": "бульвар", "ш.": "шоссе"}
DISTRICTS = ("Центральный район", "Заречный район", "Загородный район")
EAST_M = 600.0  # where the third of them begins
STEP_M = 60.0  # between the points a street is drawn by


@dataclass(frozen=True, slots=True)
class Axis:
    """How a street runs: along the river or across it, how far from the centre's axis, and where its houses are."""

    along: bool
    offset: float
    pairs: tuple[float, ...]  # metres along the street of houses 1 and 2, of 3 and 4, ...

    @property
    def middle(self) -> float:
        """How far its middle is from the town's centre, metres."""
        return hypot((self.pairs[0] + self.pairs[-1]) / 2, self.offset)


@dataclass(frozen=True, slots=True)
class Plan:
    """A town's geometry: ``axes`` by street; ``river`` is its offset to the south of the centre."""

    centre: Point
    turn: float
    bend: float
    river: float
    axes: dict[Street, Axis]


@functools.lru_cache(maxsize=64)
def plan(place: Town) -> Plan:
    """Lay out a town."""
    rng = Random(f"ground {place.name} {place.number}")
    latitude, longitude = CENTRES[place.number % len(CENTRES)]
    centre = latitude + rng.uniform(-0.05, 0.05), longitude + rng.uniform(-0.05, 0.05)
    turn, bend = rng.uniform(-0.6, 0.6), rng.uniform(0, 6)
    grid = _Grid(rng)
    for at, street in enumerate(place.streets):
        grid.lay(street, along=at % 2 == 0)
    return Plan(centre, turn, bend, grid.river, grid.axes)


class _Grid:
    """Lays street after street where it is nearest to the centre: the first are the busiest."""

    def __init__(self, rng: Random) -> None:
        self.axes: dict[Street, Axis] = {}
        bank = rng.choice((2, 3, 4))
        self.river = -(bank + 0.5) * BLOCK_M - RIVER_M / 2
        along = [line * BLOCK_M - (RIVER_M if line < -bank else 0) + rng.uniform(-20, 20) for line in LINES]
        self._lines = {True: along, False: [line * BLOCK_M + rng.uniform(-20, 20) for line in LINES]}
        self._taken: dict[tuple[bool, float], list[Axis]] = {}

    def lay(self, street: Street, *, along: bool) -> None:
        """Lay one street."""
        free = [axis for offset in self._lines[along] for axis in self._places(street, offset, along=along)]
        best = min(free, key=self._cost)
        self._taken.setdefault((along, best.offset), []).append(best)
        self.axes[street] = best

    def _places(self, street: Street, offset: float, *, along: bool) -> Iterator[Axis]:
        """Yield where on a line a street may lie: around the middle, or beside those that are there."""
        taken = self._taken.get((along, offset), [])
        long = self._axis(street, offset, 0.0, along=along).pairs[-1]
        starts = [-long / 2]
        for other in taken:
            starts += [other.pairs[-1] + BETWEEN_M, other.pairs[0] - BETWEEN_M - 1.3 * long]
        for start in starts:
            axis = self._axis(street, offset, start, along=along)
            if not any(_overlap(axis, other) for other in taken):
                yield axis

    def _axis(self, street: Street, offset: float, start: float, *, along: bool) -> Axis:
        """Put pairs of houses along a street, the wider apart the farther out; none on corners and in the river."""
        wide = 1 + min(1.0, abs(offset) / 1_600)
        closed = [(corner - CORNER_M, corner + CORNER_M) for corner in self._lines[not along]]
        if not along:
            closed.append((self.river - RIVER_M / 2 - BANK_M, self.river + RIVER_M / 2 + BANK_M))
        ahead = sorted(closed, reverse=True)
        at, pairs = start, []
        for gap in _gaps(street):
            at += gap * wide
            while ahead and ahead[-1][0] < at:
                at = max(at, ahead.pop()[1])
            pairs.append(at)
        return Axis(along, offset, tuple(pairs))

    def _cost(self, axis: Axis) -> float:
        over = axis.along and axis.offset < self.river
        return axis.middle + (500 if over else 0)


@functools.cache
def _gaps(street: Street) -> tuple[float, ...]:
    """Return how far the pairs of houses of a street are apart, as it is in the middle of a town."""
    drawn = Random(f"{street.name} {street.houses}")
    return tuple(drawn.uniform(15, 20) for _pair in range((street.houses + 1) // 2))


def _overlap(one: Axis, other: Axis) -> bool:
    return one.pairs[0] - BETWEEN_M < other.pairs[-1] and other.pairs[0] - BETWEEN_M < one.pairs[-1]


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
    return degrees(town, _on(town, axis, at + aside, side * (AWAY_M + 12.0 * behind)))


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
    return [degrees(town, _on(town, axis, first + (last - first) * at / count, 0.0)) for at in range(count + 1)]


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
    axis = Axis(True, town.river, ())
    return [degrees(town, _on(town, axis, at, 0.0)) for at in range(-6_000, 6_001, 200)]


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
    return DISTRICTS[0] if east < EAST_M else DISTRICTS[2]


def metres(one: Point, other: Point) -> float:
    """Measure between two points of one town."""
    north = (one[0] - other[0]) * DEGREE_M
    return hypot(north, (one[1] - other[1]) * DEGREE_M * cos(radians(one[0])))


def _on(town: Plan, axis: Axis, at: float, away: float) -> Metres:
    """Give the place ``at`` metres along a street and ``away`` to its left; all streets bend a little."""
    across = axis.offset + BEND_M * sin(at / BEND_EVERY_M + town.bend) + away
    return (at, across) if axis.along else (across, at)


def degrees(town: Plan, place: Metres) -> Point:
    """Give where a place of a town's plane is."""
    east, north = place
    x, y = east * cos(town.turn) - north * sin(town.turn), east * sin(town.turn) + north * cos(town.turn)
    latitude, longitude = town.centre
    return round(latitude + y / DEGREE_M, 6), round(longitude + x / (DEGREE_M * cos(radians(latitude))), 6)


def _plane(town: Plan, point: Point) -> Metres:
    latitude, longitude = town.centre
    y, x = (point[0] - latitude) * DEGREE_M, (point[1] - longitude) * DEGREE_M * cos(radians(latitude))
    return x * cos(town.turn) + y * sin(town.turn), y * cos(town.turn) - x * sin(town.turn)
