"""The census against a plain twin: any patients, places and filters give the same counts."""

from array import array
from collections import Counter
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from typing import Any

import h3.api.basic_int as h3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.core.census import COARSEST, FINEST, Census

HOUSE, STREET = 5, 3
CENTRE = (55.03, 82.92)
DAYS = st.none() | st.integers(-20_000, 25_000)


@dataclass(frozen=True)
class Person:
    id: int
    branch: int | None
    born: int | None
    sex: int | None
    first: int | None
    revenue: int | None
    building: int
    source: str | None


@dataclass(frozen=True)
class Place:
    key: int
    precision: int
    point: tuple[int, int] | None
    cell: int | None


@st.composite
def buildings(draw: st.DrawFn) -> list[Place]:
    keys = draw(st.lists(st.integers(1, 2**62), unique=True, max_size=12))
    places = []
    for key in keys:
        precision = draw(st.integers(0, 5))
        point = None
        if draw(st.booleans()):
            north, east = draw(st.integers(-90_000, 90_000)), draw(st.integers(-90_000, 90_000))
            point = round(CENTRE[0] * 1e6) + north, round(CENTRE[1] * 1e6) + east
        cell = h3.latlng_to_cell(point[0] / 1e6, point[1] / 1e6, 9) if point else None
        places.append(Place(key, precision, point, cell))
    return places


@st.composite
def towns(draw: st.DrawFn) -> tuple[list[Person], list[Place]]:
    places = draw(buildings())
    ids = sorted(draw(st.sets(st.integers(1, 2**62), max_size=30)))
    homes = st.sampled_from([0, *(place.key for place in places)])
    people = [
        Person(
            id_, draw(st.none() | st.integers(1, 4)), draw(DAYS), draw(st.none() | st.integers(0, 3)), draw(DAYS),
            draw(st.none() | st.integers(-5, 10**12)), draw(homes), draw(st.none() | st.sampled_from(["a", "b"])),
        )
        for id_ in ids
    ]  # fmt: skip
    return people, places


def census(people: list[Person], places: list[Place], located: list[Place] | None = None) -> Census:
    made = Census()
    assert made.add([(p.id, p.branch, p.born, p.sex, p.first, p.revenue) for p in people]) == len(people)
    keys = sorted(place.key for place in places)
    made.settle(array("q", (p.building for p in people)), array("q", keys))
    made.sources([(p.id, p.source) for p in people if p.source])
    known = places if located is None else located
    rows = [(p.key, p.precision, *(p.point or (None, None)), p.cell) for p in known]
    assert made.locate(rows) == len(known)
    return made


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "first": st.tuples(st.integers(-20_000, 25_000), st.integers(-20_000, 25_000)),
        "born": st.tuples(st.integers(-20_000, 25_000), st.integers(-20_000, 25_000)),
        "sexes": st.sampled_from([0, 0b010, 0b100, 0b110]),
        "branches": st.lists(st.integers(0, 5), max_size=3),
        "sources": st.lists(st.sampled_from(["a", "b", "c", None]), max_size=2),
        "new_from": st.integers(-20_000, 25_000),
    },
)


def fits(p: Person, wanted: dict[str, Any], among: list[list[int]]) -> bool:
    for name, value in (("first", p.first), ("born", p.born)):
        if name in wanted and not (value is not None and wanted[name][0] <= value <= wanted[name][1]):
            return False
    sex = p.sex if p.sex in (1, 2) else 0
    return bool(
        (not wanted.get("sexes") or wanted["sexes"] >> sex & 1)
        and ("branches" not in wanted or (p.branch or 0) in wanted["branches"])
        and ("sources" not in wanted or p.source in wanted["sources"])
        and all(p.id in listed for listed in among)
    )


@given(towns(), FILTERS, st.data())
def test_counts_are_those_of_plain_python(town: tuple[list[Person], list[Place]], wanted: Any, data: Any) -> None:
    people, places = town
    ids = st.lists(st.sampled_from([p.id for p in people] or [7]), unique=True)
    among = data.draw(st.lists(ids, max_size=2))
    known = {place.key: place for place in places}
    made = census(people, places).count(**wanted, among=[array("q", sorted(each)) for each in among])
    chosen = [p for p in people if fits(p, wanted, among)]
    new = [p for p in chosen if p.first is not None and p.first >= wanted.get("new_from", 1 << 40)]
    paid = {p.id: max(0, p.revenue or 0) for p in chosen}
    assert (made.people, made.new, made.revenue) == (len(chosen), len(new), sum(paid.values()))
    levels = Counter(known[p.building].precision for p in chosen if p.building)
    assert made.by_precision == tuple(levels[level] for level in range(6))
    assert (made.waiting, made.without) == (0, sum(not p.building for p in chosen))
    for resolution in range(COARSEST, FINEST + 1):
        at = {
            key: h3.cell_to_parent(p.cell, resolution) for key, p in known.items() if p.cell and p.precision >= STREET
        }
        of = [(at[p.building], p) for p in chosen if p.building in at]
        cells = {row[0]: row[1:5] for row in made.cells(resolution)}
        assert list(cells) == sorted(cells)
        assert cells == {
            cell: (
                sum(one == cell for one, _p in of),
                sum(one == cell and p in new for one, p in of),
                sum(paid[p.id] for one, p in of if one == cell),
                sum(one == cell and known[p.building].precision == STREET for one, p in of),
            )
            for cell in {cell for cell, _p in of}
        }


def far(a: tuple[int, int], b: tuple[int, int]) -> float:
    lat1, lon1, lat2, lon2 = (radians(value / 1e6) for value in (*a, *b))
    part = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * 6_371_008.8 * asin(sqrt(part))


@given(towns())
def test_rings_count_who_lives_within(town: tuple[list[Person], list[Place]]) -> None:
    people, places = town
    made, known = census(people, places), {place.key: place for place in places}
    centres, radii = [(55_030_000, 82_920_000), (55_080_000, 82_900_000)], (1_000.0, 3_000.0, 5_000.0)
    made.rings(centres, radii)
    homes = [known[p.building] for p in people if p.building]
    points = [home.point for home in homes if home.point and home.cell and home.precision >= STREET]
    expected = [tuple(sum(far(centre, point) <= radius for point in points) for radius in radii) for centre in centres]
    assert made.count().rings() == expected


@given(towns())
def test_houses_of_a_box_are_houses_only(town: tuple[list[Person], list[Place]]) -> None:
    people, places = town
    made = census(people, places).count()
    lives = Counter(p.building for p in people)
    houses = [p for p in places if p.point and p.precision > STREET and lives[p.key]]
    box = (55_000_000, 82_900_000, 55_040_000, 82_950_000)
    inside = [p for p in houses if p.point and box[0] <= p.point[0] <= box[2] and box[1] <= p.point[1] <= box[3]]
    assert sorted(made.points(*box, 1_000)) == sorted((*p.point, lives[p.key], 0) for p in inside if p.point)
    assert len(made.points(*box, 1)) == min(1, len(inside))


def test_places_are_replaced_and_streets_forgotten_with_them() -> None:
    people = [Person(1, 1, None, None, None, None, 10, None), Person(2, 1, None, None, None, None, 20, None)]
    cell = h3.latlng_to_cell(*CENTRE, 9)
    places = [Place(key, HOUSE, (55_030_000, 82_920_000), cell) for key in (10, 20)]
    made = census(people, places, places[:1])
    made.streets([(10, 0), (20, 0), (99, 1)])
    assert (made.count().waiting, made.count().streets()) == (1, [(0, 2)])
    made.locate([(key, HOUSE, 55_030_000, 82_920_000, cell) for key in (10, 20)])
    assert (made.count().waiting, made.count().streets(), made.count().rings()) == (0, [], [])
    assert made.count().cells(9)[0][:2] == (cell, 2)


def test_what_is_not_so_is_refused() -> None:
    made = Census()
    made.add([(1, None, None, None, None, None)])
    with pytest.raises(ValueError, match="does not come after"):
        made.add([(1, None, None, None, None, None)])
    with pytest.raises(TypeError):
        made.add([("x", None, None, None, None, None)])
    with pytest.raises(ValueError, match="2 keys for 1 patients"):
        made.settle(array("q", [1, 2]), array("q"))
    with pytest.raises(ValueError, match="ascending"):
        made.settle(array("q", [1]), array("q", [2, 1]))
    for resolution in (6, 10):
        with pytest.raises(ValueError, match="resolution"):
            made.count().cells(resolution)
    with pytest.raises(ValueError, match="radii"):
        made.rings([], [])


def test_an_empty_census_counts_nothing() -> None:
    made = Census()
    made.locate([])
    made.rings([(0, 0)], [1_000])
    counted = made.count(branches=[1], among=[array("q", [5])])
    assert (counted.people, counted.cells(8), counted.rings(), counted.points(-1, -1, 1, 1, 5)) == (0, [], [(0,)], [])


def test_numbers_beyond_their_columns_mean_unknown_and_money_stops_at_its_most() -> None:
    made = Census()
    made.add([(1, 2**40, 2**40, 2**70, -(2**40), 2**62)])
    counted = made.count(new_from=-(2**30))
    assert (counted.people, counted.new, counted.revenue) == (1, 0, 2**53)
    assert made.count(born=(-(2**31), 2**31)).people == 0


@given(towns(), FILTERS, st.data())
def test_streets_and_what_is_not_found_yet_are_counted_as_by_plain_python(
    town: tuple[list[Person], list[Place]], wanted: Any, data: Any
) -> None:
    people, places = town
    located = [place for place in places if data.draw(st.booleans())]
    made = census(people, places, located)
    numbers = {place.key: data.draw(st.integers(0, 3)) for place in located if data.draw(st.booleans())}
    made.streets(numbers.items())
    counted = made.count(**wanted)
    chosen = [p for p in people if fits(p, wanted, [])]
    known = {place.key for place in located}
    assert counted.waiting == sum(bool(p.building) and p.building not in known for p in chosen)
    assert counted.streets() == sorted(Counter(numbers[p.building] for p in chosen if p.building in numbers).items())


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from(["a", "b", "c"])), max_size=12))
def test_of_several_leads_the_first_one_says_where_a_patient_comes_from(leads: list[tuple[int, str]]) -> None:
    made = Census()
    made.add([(id_, None, None, None, None, None) for id_ in range(1, 5)])
    first: dict[int, str] = {}
    for id_, source in leads:
        first.setdefault(id_, source)
    expected = {id_: source for id_, source in first.items() if id_ < 5}
    assert made.sources(leads) == len(expected)
    made.settle(array("q", [0] * 4), array("q"))
    for source in ("a", "b", "c"):
        assert made.count(sources=[source]).people == list(expected.values()).count(source)
    assert made.count(sources=[None]).people == 4 - len(expected)
