"""Nominatim 5, your own: ``/search`` by parts, else by the whole line (facts: geocoding.md B1).

``place_rank`` 30 is a house, 26 and 27 a street. All words must fit, but the map may have more of them: ``Садовая``
finds ``Большая Садовая``, and an old name the new one. A house that it does not have is looked for in another spelling
and by its bare number: the neighbour of ``12 к1`` is better than the middle of the street. A street that it does not
have is looked for without its kind: people take an avenue for a street.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from identsync.integrations.geocoding.place import Found, Open, Permit, Precision, Question
from identsync.integrations.geocoding.settings import Provider
from identsync.integrations.geocoding.wire import asking, house
from identsync.integrations.geocoding.wire.judging import NOTHING, Told, best, judged, point, sensible, sure
from identsync.integrations.geocoding.wire.names import alike, kindless

FIXED = {
    "format": "jsonv2", "addressdetails": "1", "limit": "5", "countrycodes": "ru", "accept-language": "ru",
    "layer": "address",
}  # fmt: skip
HOUSE_RANK, STREET_RANKS = 30, (26, 27)
STREETWARD = (HOUSE_RANK, *STREET_RANKS)
TOWNS = ("city", "town", "village", "hamlet", "isolated_dwelling", "municipality", "allotments")
DISTRICTS = ("suburb", "city_district", "district", "borough", "quarter", "neighbourhood", "residential")
AROUND = (*TOWNS, *DISTRICTS, "county", "state_district", "state", "region")
WORD = re.compile(r"\w+")


def open(provider: Provider, permit: Permit) -> Open:
    """Make the provider; nothing is connected yet."""
    return Nominatim(provider, permit)


class Nominatim(asking.Asking):
    """Nominatim as a geocoder."""

    async def one(self, question: Question) -> Found:
        """Ask by parts, and by the line where the parts are not the whole or nothing of the street is found."""
        found = await self._by_parts(question) if is_whole(question) else NOTHING
        if found.precision < Precision.STREET:
            found = best([found, await self._asked(question, {"q": question.text})])
        return found

    async def _by_parts(self, question: Question) -> Found:
        """Ask for the house, then for its other spellings, or for a street of another kind."""
        found = await self._asked(question, _parts(question, question.house))
        for number in house.others(question.house):
            if found.precision < Precision.NEAR:
                found = best([found, await self._asked(question, _parts(question, number))])
        if found is NOTHING and (name := kindless(question.street)):
            other = replace(question, street=name)
            return await self._asked(other, _parts(other, question.house))
        return found

    async def _asked(self, question: Question, fields: Mapping[str, str]) -> Found:
        told = asking.rows(await self.get("/search", FIXED | dict(fields)))
        return sure(sensible(_nearest(question, told), lambda _at, row: _found(question, row)))


def _nearest(question: Question, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Keep the rows whose street is most like the one asked for; none of a street that is another one."""
    likes = [alike(question.street, _road(row)) for row in rows]
    return [row for row, like in zip(rows, likes, strict=True) if like == max(likes) and like >= 0]


def _road(row: Mapping[str, Any]) -> str:
    return asking.text(asking.part(row, "address"), "road") if row.get("place_rank") in STREETWARD else ""


def is_whole(question: Question) -> bool:
    """Say whether street, house, city and region say all that the line does: a village would be missing."""
    if not question.street or not question.city:
        return False
    parts = f"{question.region} {question.city} {question.street} {question.house}"
    return set(WORD.findall(question.text.lower())) <= set(WORD.findall(parts.lower()))


def _parts(question: Question, number: str) -> dict[str, str]:
    fields = {"street": f"{question.street} {number}".strip(), "city": question.city, "state": question.region}
    return {name: value for name, value in fields.items() if value}


def _found(question: Question, row: Mapping[str, Any]) -> Found:
    latitude, longitude = point(row.get("lat"), row.get("lon"))
    address = asking.part(row, "address")
    rank, kind = row.get("place_rank"), asking.text(row, "addresstype")
    told = Told(
        precision=_precision(rank, kind, address),
        latitude=latitude,
        longitude=longitude,
        detail=f"rank {rank} {kind}"[:60],
        house=asking.text(address, "house_number"),
        towns=[asking.text(address, name) for name in AROUND],
    )
    return judged(question, told)


def _precision(rank: object, kind: str, address: Mapping[str, Any]) -> Precision:
    if rank == HOUSE_RANK:
        return Precision.HOUSE if asking.text(address, "house_number") else Precision.STREET
    if rank in STREET_RANKS:
        return Precision.STREET
    if kind in TOWNS:
        return Precision.LOCALITY
    return Precision.DISTRICT if kind in DISTRICTS else Precision.NONE
