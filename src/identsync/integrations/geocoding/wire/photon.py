"""Photon 1, your own: ``/structured`` where it is built in, else ``/api`` (facts: geocoding.md B1).

Photon guesses: an answer counts only where street and town are those that were asked for.
"""

from collections.abc import Mapping
from typing import Any

from identsync.errors import IdentsyncError, Unexpected
from identsync.integrations.geocoding.place import Found, Open, Permit, Precision, Question
from identsync.integrations.geocoding.settings import Provider
from identsync.integrations.geocoding.wire import asking
from identsync.integrations.geocoding.wire.judging import NOTHING, Told, best, judged, point, sensible, sure
from identsync.integrations.geocoding.wire.nominatim import is_whole

LIMIT = "5"
PRECISIONS = {
    "house": Precision.HOUSE,
    "street": Precision.STREET,
    "locality": Precision.DISTRICT,
    "district": Precision.DISTRICT,
    "city": Precision.LOCALITY,
}
TOWNS = ("city", "locality", "district", "county", "state")


def open(provider: Provider, permit: Permit) -> Open:
    """Make the provider; nothing is connected yet."""
    return Photon(provider, permit)


class _Absent(Unexpected):
    """This Photon has no such method."""


class Photon(asking.Asking):
    """Photon as a geocoder."""

    def __init__(self, provider: Provider, permit: Permit) -> None:
        super().__init__(provider, permit)
        self._is_structured = True

    async def one(self, question: Question) -> Found:
        """Ask by parts, then by the line where that found nothing of the street."""
        found = await self._by_parts(question) if self._is_structured and is_whole(question) else NOTHING
        if found.precision < Precision.STREET:
            found = best([found, await self._asked(question, "/api", {"q": question.text})])
        return found

    def refusal(self, status: int, headers: Mapping[str, str], said: str) -> IdentsyncError:
        """Return the error of a status; 404 is of a Photon that was built without ``/structured``, or no Photon."""
        error = super().refusal(status, headers, said)
        return _Absent(str(error), hint=error.hint, raw=said) if status == 404 else error

    async def _by_parts(self, question: Question) -> Found:
        fields = {"city": question.city, "street": question.street, "state": question.region}
        fields |= {"housenumber": question.house, "countrycode": "RU"}
        try:
            return await self._asked(question, "/structured", fields)
        except _Absent:
            self._is_structured = False
            return NOTHING

    async def _asked(self, question: Question, path: str, fields: Mapping[str, str]) -> Found:
        known = {name: value for name, value in fields.items() if value}
        told = asking.rows(await self.get(path, known | {"limit": LIMIT}), "features")
        return sure(sensible(told, lambda _at, row: _found(question, row)))


def _found(question: Question, row: Mapping[str, Any]) -> Found:
    place, pair = asking.part(row, "properties"), asking.part(row, "geometry").get("coordinates")
    if not isinstance(pair, list) or len(pair) < 2:
        raise asking.nonsense("geometry")
    latitude, longitude = point(pair[1], pair[0])
    kind = asking.text(place, "type")
    number = asking.text(place, "housenumber")
    precision = PRECISIONS.get(kind, Precision.NONE)
    if precision is Precision.HOUSE and not number:
        precision = Precision.STREET  # something with a name, not a house
    told = Told(
        precision=precision,
        latitude=latitude,
        longitude=longitude,
        detail=f"{kind} {asking.text(place, 'osm_value')}"[:60].strip(),
        house=number,
        street=asking.text(place, "street") or (asking.text(place, "name") if kind == "street" else ""),
        towns=[asking.text(place, name) for name in TOWNS],
    )
    return judged(question, told)
