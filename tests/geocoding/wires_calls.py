"""How tests speak to a geocoder: settings, questions of the generated towns, one run."""

import asyncio
from collections.abc import Callable, Iterator
from importlib import import_module
from random import Random
from typing import Any

from identsync.demo.clinic import ground
from identsync.demo.clinic.town import Street, Town, town
from identsync.demo.geocoder.process import GeocoderProcess
from identsync.integrations.geocoding.place import Found, Question
from identsync.integrations.geocoding.settings import Provider
from identsync.integrations.geocoding.wire import house
from identsync.integrations.geocoding.wire.names import kindless
from identsync.integrations.geocoding.wire.nominatim import is_whole

KINDS = ("nominatim", "photon", "dadata", "yandex")
OWN, PAID = ("nominatim", "photon"), ("dadata", "yandex")
PLACE = town(1, 0)


def provider(geocoders: GeocoderProcess, kind: str, **how: Any) -> Provider:
    usual: dict[str, Any] = {"url": geocoders.url(kind), "licence": True, "timeout": 2_000}
    if kind in PAID:
        usual |= {"key": "env:TEST_GEOCODER", "secret": "env:TEST_GEOCODER_SECRET"}
    return Provider(**({"kind": kind} | usual | how))


async def free() -> None:
    return None


def run(settings: Provider, work: Callable[[Any], Any], permit: Callable[..., Any] = free) -> Any:
    async def inside() -> Any:
        wire = import_module(f"identsync.integrations.geocoding.wire.{settings.kind}")
        async with wire.open(settings, permit) as geocoder:
            return await work(geocoder)

    return asyncio.run(inside())


def asked(settings: Provider, *questions: Question, permit: Callable[..., Any] = free) -> list[Found]:
    found: list[Found] = run(settings, lambda geocoder: geocoder.ask(questions), permit)
    return found


def named(street: Street) -> str:
    """Spell a street as the parser does: its kind in full, first."""
    return f"{ground.KINDS[street.kind]} {street.name}"


def spelled(number: str) -> str:
    return number.replace("к", " к") if "к" in number else number.upper()


def question(street: str, number: str, town_name: str = PLACE.name) -> Question:
    line = ", ".join(part for part in (town_name, street, number) if part)
    return Question(1, line, "", town_name, street, number)


def houses(seed: int, count: int, place: Town = PLACE) -> Iterator[tuple[Question, ground.Point]]:
    """Yield houses that are on the map, with where they are."""
    rng = Random(seed)
    for _each in range(count):
        street = rng.choice(place.streets)
        number = rng.choice(list(ground.numbers(place, street)))
        yield question(named(street), spelled(number), place.name), ground.house(place, street, number)


def absent() -> Iterator[tuple[Question, ground.Point]]:
    """Yield blocks that are not on the map, with where the house before them is."""
    for street in PLACE.streets:
        there = set(ground.numbers(PLACE, street))
        for number in range(1, street.houses + 1):
            if f"{number}к1" not in there:
                yield question(named(street), f"{number} к1"), ground.house(PLACE, street, number)


def point(found: Found) -> ground.Point:
    assert found.latitude is not None
    assert found.longitude is not None
    return found.latitude / 1e6, found.longitude / 1e6


def requests(one: Question) -> list[str]:
    """Give what Nominatim may be asked for one building, as the stand-in writes it down; the first in any case."""
    told: list[str] = []
    if is_whole(one):
        where = ", ".join(each for each in (one.city, one.region) if each)
        name = kindless(one.street)
        told = [f"{where}, {one.street} {number}".strip() for number in (one.house, *house.others(one.house))]
        told += [f"{where}, {name} {one.house}".strip()] if name else []
    return [*told, one.text]
