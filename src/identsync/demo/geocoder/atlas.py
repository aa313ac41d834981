"""What the geocoders know: the towns of a seed, their streets and houses, found by proper spelling alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from identsync.demo.clinic import ground
from identsync.demo.clinic.town import Street, Town, town

Level = Literal["house", "near", "street", "town"]
WORD = re.compile(r"\w+")
PIECE = re.compile(r"\d+|[а-я]+")


@dataclass(frozen=True, slots=True)
class Hit:
    """What was found: how near, where, of which town, street and house number ('' = none)."""

    level: Level
    point: ground.Point
    place: Town
    street: str = ""
    number: str = ""

    @property
    def district(self) -> str:
        """The district it lies in."""
        return ground.district(self.place, self.point)


class Atlas:
    """The towns of a seed, each read when it is first asked for."""

    def __init__(self, seed: int) -> None:
        self._towns: dict[frozenset[str], Town] = {}
        for number in range(len(ground.CENTRES)):
            place = town(seed, number)
            self._towns[frozenset(words(place.name))] = place
        self._streets: dict[tuple[str, frozenset[str]], Street] = {}
        self._read: set[str] = set()

    def line(self, text: str) -> Hit | None:
        """Find a line: town, street with its kind in full, house; every word of it must be known, as maps demand."""
        place = self._town(text)
        if place is None:
            return None
        known = {*words(place.name), *words(ground.region(place))}
        rest = [word for word in words(text) if word not in known]
        first = next((at for at, word in enumerate(rest) if word[0].isdigit()), len(rest))
        return self.parts(place, " ".join(rest[:first]), " ".join(rest[first:]))

    def some(self, text: str) -> Hit | None:
        """Find a line as those do who are content with less: where the street is not known, its town."""
        place = self._town(text)
        return self.line(text) or (None if place is None else Hit("town", ground.centre(place), place))

    def parts(self, place: Town | None, street: str, number: str = "") -> Hit | None:
        """Find a street and a house in a town; None where a word is not known."""
        if place is None:
            return None
        if not street:
            return None if number else Hit("town", ground.centre(place), place)
        known = self._street(place, street)
        if known is None:
            return None
        name = ground.full(known)
        asked = "".join(PIECE.findall(number.lower()))
        if not asked:
            return Hit("street", ground.middle(place, known), place, name)
        if not ground.NUMBER.fullmatch(asked):
            return None
        return self._house(place, known, asked) or Hit("street", ground.middle(place, known), place, name)

    def named(self, city: str) -> Town | None:
        """Find a town by its name."""
        return self._towns.get(frozenset(words(city)))

    def other(self, place: Town, street: str, number: str) -> Hit | None:
        """Give what a guessing geocoder takes for a street it does not know: another one, the same number."""
        wanted = words(street)[-1:] or [""]
        near = sorted(place.streets, key=lambda each: (-_alike(wanted[0], each.name.lower()), each.name))
        return self._house(place, near[0], "".join(PIECE.findall(number.lower()))) or None

    def _house(self, place: Town, street: Street, asked: str) -> Hit | None:
        name = ground.full(street)
        if asked in _numbers(place, street):
            return Hit("house", ground.house(place, street, asked), place, name, asked)
        bare = re.sub(r"\D.*", "", asked)
        if bare in _numbers(place, street):
            return Hit("near", ground.house(place, street, bare), place, name, bare)
        return None

    def _town(self, text: str) -> Town | None:
        asked = set(words(text))
        return next((place for name, place in self._towns.items() if name <= asked), None)

    def _street(self, place: Town, name: str) -> Street | None:
        if place.name not in self._read:
            for each in place.streets:  # a kind may be left out, but a wrong one is another street
                self._streets[place.name, frozenset(words(each.name))] = each
                self._streets[place.name, frozenset(words(ground.full(each)))] = each
            self._read.add(place.name)
        return self._streets.get((place.name, frozenset(words(name))))


_NUMBERS: dict[tuple[str, str], frozenset[str]] = {}


def _numbers(place: Town, street: Street) -> frozenset[str]:
    key = place.name, ground.full(street)
    known = _NUMBERS.get(key)
    if known is None:
        known = _NUMBERS[key] = frozenset(ground.numbers(place, street))
    return known


def words(text: str) -> list[str]:
    """Return the words of a text as maps compare them."""
    return WORD.findall(text.lower().replace("ё", "е"))


def _alike(one: str, other: str) -> int:
    return sum(1 for a, b in zip(one, other, strict=False) if a == b)


def components(hit: Hit) -> Iterator[tuple[str, str]]:
    """Yield (kind, name) of what lies around a hit, from the country down."""
    yield "country", "Россия"
    yield "province", ground.region(hit.place)
    yield "locality", hit.place.name
    if hit.street:
        yield "street", hit.street
    if hit.number:
        yield "house", hit.number
