"""Yandex Geocoder v1: one address a request, the key in the query as the provider demands (facts: geocoding.md B1).

Only the extended licence allows to keep what it answers. A new key works after up to fifteen minutes.
"""

from collections.abc import Mapping
from typing import Any

from identsync.integrations.geocoding.place import Found, Open, Permit, Precision, Question
from identsync.integrations.geocoding.settings import Provider
from identsync.integrations.geocoding.wire import asking
from identsync.integrations.geocoding.wire.judging import Told, judged, point, sensible, sure
from identsync.language import _

FIXED = {"format": "json", "lang": "ru_RU", "results": "5"}
NEAR = ("number", "near", "range")
KINDS = {"street": Precision.STREET, "district": Precision.DISTRICT, "locality": Precision.LOCALITY}
TOWNS = ("locality", "area", "district", "province")


def open(provider: Provider, permit: Permit) -> Open:
    """Make the provider; nothing is connected yet."""
    return Yandex(provider, permit)


class Yandex(asking.Asking):
    """Yandex as a geocoder."""

    async def one(self, question: Question) -> Found:
        """Ask once."""
        fields = FIXED | {"geocode": question.text, "apikey": self.key}
        answer = await self.get("/v1", fields)
        if not isinstance(answer, dict):
            raise asking.nonsense("response")
        told = asking.rows(asking.part(answer, "response", "GeoObjectCollection"), "featureMember")
        return sure(sensible(told, lambda _at, row: _found(question, row)))

    def doubt(self) -> str:
        """Say what Yandex refuses a key for."""
        return _(
            "Проверьте ключ и ограничения по IP в кабинете разработчика; новый ключ начинает работать через 15 минут."
        )


def _found(question: Question, row: Mapping[str, Any]) -> Found:
    place = asking.part(row, "GeoObject")
    meta = asking.part(place, "metaDataProperty", "GeocoderMetaData")
    pair = asking.text(asking.part(place, "Point"), "pos").split()
    if len(pair) != 2:
        raise asking.nonsense("pos")
    latitude, longitude = point(pair[1], pair[0])
    kind, precision = asking.text(meta, "kind"), asking.text(meta, "precision")
    listed = asking.part(meta, "Address").get("Components")
    components = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    told = Told(
        precision=_precision(kind, precision),
        latitude=latitude,
        longitude=longitude,
        detail=f"{precision} {kind}"[:60].strip(),
        house=next((asking.text(each, "name") for each in components if each.get("kind") == "house"), ""),
        towns=[asking.text(each, "name") for each in components if each.get("kind") in TOWNS],
    )
    return judged(question, told)


def _precision(kind: str, precision: str) -> Precision:
    if kind == "house":
        known = {"exact": Precision.HOUSE} | dict.fromkeys(NEAR, Precision.NEAR)
        return known.get(precision, Precision.STREET)
    return KINDS.get(kind, Precision.NONE)
