"""One answer judged against its question, the same for all providers: this house, its neighbour, or only its street."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from identsync.errors import Unexpected
from identsync.integrations.geocoding.place import Found, Precision, Question, apart, micro
from identsync.integrations.geocoding.wire import house
from identsync.integrations.geocoding.wire.asking import nonsense
from identsync.integrations.geocoding.wire.names import same_street, same_town
from identsync.language import _

NOTHING = Found()
ELSEWHERE, OTHER_STREET, ODD, SEVERAL = "other town", "other street", "nonsense", "several such houses"
APART = 3_000
"""Micro-degrees, 330 m: a house and the shop in it are one, two villages' Sadovaya 5 are not."""
RUSSIA = ((41_000_000, 82_000_000), (19_000_000, 180_000_000))
"""Micro-degrees: where it lies but for Chukotka's end, which is far in the west."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A provider's answer in our words: precision as it claims it, what it says it has found; '' = not said."""

    precision: Precision
    latitude: int
    longitude: int
    detail: str
    house: str = ""
    street: str = ""
    towns: Sequence[str] = ()


def judged(question: Question, told: Told) -> Found:
    """Give what an answer is worth: never more than its house number, its street and its town allow."""
    if not same_town(question.city, told.towns):
        return Found(detail=ELSEWHERE)
    if told.precision >= Precision.STREET and not same_street(question.street, told.street):
        return Found(detail=OTHER_STREET)
    precision = told.precision
    if precision is Precision.HOUSE:
        precision = _house(question.house, told.house)
    return Found(precision, told.latitude, told.longitude, told.detail)


def _house(asked: str, told: str) -> Precision:
    if house.same(asked, told):
        return Precision.HOUSE
    return Precision.NEAR if house.beside(asked, told) else Precision.STREET


def best(found: Sequence[Found]) -> Found:
    """Give the most precise of several, of equals the first that says why; nothing of none."""
    return max(found, key=lambda each: (each.precision, bool(each.detail)), default=NOTHING)


def sure(found: Sequence[Found]) -> Found:
    """Give the best, or, where equal ones lie far apart, no more than the town: a point would be a guess."""
    first = best(found)
    if first.precision < Precision.NEAR:
        return first
    rivals = [each for each in found if each.precision is first.precision]
    if any(_apart(first, each) for each in rivals):
        return Found(Precision.LOCALITY, first.latitude, first.longitude, SEVERAL)
    return first


def _apart(one: Found, other: Found) -> bool:
    first, second = ((each.latitude or 0, each.longitude or 0) for each in (one, other))
    return apart(first, second) > APART


def point(latitude: object, longitude: object) -> tuple[int, int]:
    """Give micro-degrees; Unexpected for what is no place on earth, for 0, 0, and for a swapped pair."""
    north, east = micro(latitude), micro(longitude)
    if north is None or east is None or abs(north) > 90_000_000 or (north, east) == (0, 0):
        raise nonsense(_("координаты вне Земли"))
    if not _in_russia(north, east) and _in_russia(east, north):
        raise nonsense(_("широта и долгота переставлены"))
    return north, east


def _in_russia(north: int, east: int) -> bool:
    (south, most), (west, end) = RUSSIA
    return south <= north <= most and west <= east <= end


def sensible(rows: Sequence[Any], read: Callable[[int, Any], Found]) -> list[Found]:
    """Read rows one by one; one bad row is not found, and only if all are bad the answer is."""
    found: list[Found] = []
    odd: Unexpected | None = None
    for at, row in enumerate(rows):
        try:
            found.append(read(at, row))
        except Unexpected as error:
            odd = error
            found.append(Found(detail=ODD))
    if odd is not None and all(each.detail == ODD for each in found):
        raise odd
    return found
