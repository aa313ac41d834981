"""The generated towns lie plausibly, the same everywhere: they are the truth that answers are measured by."""

from datetime import UTC, datetime
from itertools import pairwise
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest

from identsync.demo.clinic import ground
from identsync.demo.clinic.generate import ZONES
from identsync.demo.clinic.osm import osm
from identsync.demo.clinic.town import Town, town

TOWNS = [town(1, number) for number in range(len(ZONES))]


@pytest.mark.parametrize("place", TOWNS, ids=lambda place: place.name)
def test_every_house_has_a_place_of_its_own_off_the_river(place: Town) -> None:
    every = [(street, number) for street in place.streets for number in ground.numbers(place, street)]
    houses = [ground.house(place, *each) for each in every]
    assert len(houses) - len(set(houses)) <= 1  # by chance, blocks behind two streets' corner
    assert max(ground.metres(point, ground.centre(place)) for point in houses) < 5_000
    river = ground.river(place)
    inside = [p for p in houses[::7] if min(ground.metres(p, q) for q in river) < ground.RIVER_M / 2]
    assert inside == []


def test_houses_stand_along_their_street_odd_on_one_side_even_on_the_other() -> None:
    place = TOWNS[0]
    for street in place.streets:
        points = [ground.house(place, street, number) for number in range(1, street.houses + 1)]
        gaps = sorted(ground.metres(one, other) for one, other in pairwise(points[::2]))
        assert 14 < gaps[len(gaps) // 2] < 45
        assert all(ground.metres(one, other) > 25 for one, other in zip(points[::2], points[1::2], strict=False))
        line = ground.line(place, street)
        assert all(min(ground.metres(point, other) for other in line) < 60 for point in points)


def test_a_block_stands_behind_its_house() -> None:
    place = TOWNS[0]
    for street in place.streets:
        house = ground.house(place, street, 12)
        assert all(
            10 < ground.metres(house, ground.house(place, street, f"12{each}")) < 60 for each in ("к1", "к4", "а", "г")
        )


@pytest.mark.parametrize("number", ["0", "999", "12к5", "12д", "", "12/3"])
def test_there_is_no_such_house(number: str) -> None:
    with pytest.raises(KeyError):
        ground.house(TOWNS[0], TOWNS[0].streets[0], number)


@pytest.mark.parametrize("place", TOWNS[: len(ZONES)], ids=lambda place: place.name)
def test_a_town_lies_in_its_time_zone_and_in_russia(place: Town) -> None:
    latitude, longitude = ground.centre(place)
    offset = datetime(2026, 1, 1, tzinfo=UTC).astimezone(ZoneInfo(ZONES[place.number])).utcoffset()
    assert offset is not None
    assert abs(offset.total_seconds() / 3600 - longitude / 15) < 2.6
    assert 41 < latitude < 70


def test_the_map_data_are_whole() -> None:
    place = TOWNS[3]
    tree = ElementTree.fromstring(osm(place))
    tags = [{tag.get("k"): tag.get("v") for tag in each.findall("tag")} for each in tree]
    nodes = {node.get("id") for node in tree.findall("node")}
    assert all(ref.get("ref") in nodes for ref in tree.iter("nd"))
    assert {each["name"] for each in tags if "highway" in each} == {ground.full(street) for street in place.streets}
    told = [(each["addr:street"], each["addr:housenumber"]) for each in tags if "addr:street" in each]
    assert len(told) == len(set(told)) == sum(1 for street in place.streets for _n in ground.numbers(place, street))
    assert {each["name"] for each in tags if "admin_level" in each} >= {place.name, *ground.DISTRICTS}
