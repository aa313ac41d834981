"""DaData, standardisation of addresses: arrays of at most fifty over a kept connection (facts: geocoding.md B1).

``qc_geo``: 0 the house, 1 the nearest house, 2 the street, 3 and 4 the settlement and the town, 5 nothing. New
connections are limited to sixty a minute, requests to about twenty a second; every address costs money.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from identsync.flows.coding import dumps
from identsync.integrations.geocoding.place import Found, Open, Permit, Precision, Question
from identsync.integrations.geocoding.settings import Provider
from identsync.integrations.geocoding.wire import asking
from identsync.integrations.geocoding.wire.judging import Told, judged, point, sensible
from identsync.language import _

MOST = 50
PATH = "/api/v1/clean/address"
CABINET = "https://dadata.ru"
BALANCE = "/api/v2/profile/balance"
PRECISIONS = {
    "0": Precision.HOUSE,
    "1": Precision.NEAR,
    "2": Precision.STREET,
    "3": Precision.LOCALITY,
    "4": Precision.LOCALITY,
}
TOWNS = ("region", "area", "city", "settlement", "city_district")


def open(provider: Provider, permit: Permit) -> Open:
    """Make the provider; nothing is connected yet."""
    return Dadata(provider, permit)


class Dadata(asking.Asking):
    """DaData as a geocoder."""

    batch = MOST

    async def ask(self, questions: Sequence[Question], body: bytes = b"") -> list[Found]:
        """Answer at most fifty questions by one request; ``body`` is the JSON array of their texts, if it is ready."""
        found: list[Found] = []
        for at in range(0, len(questions), MOST):
            some = questions[at : at + MOST]
            ready = body if body and len(questions) <= MOST else dumps([each.text for each in some])
            found += await self._array(some, ready)
        return found

    async def balance(self) -> float | None:
        """Ask for the roubles left on the account; None where it is not told."""
        told = await self.send("GET", BALANCE, self._headers(), b"", (), base=self.provider.url or CABINET)
        left = told.get("balance") if isinstance(told, dict) else None
        return float(left) if isinstance(left, int | float) and not isinstance(left, bool) else None

    async def _array(self, questions: Sequence[Question], body: bytes) -> list[Found]:
        ours = [each.text for each in questions]
        told = asking.rows(await self.send("POST", PATH, self._headers(), body, ours))
        if len(told) != len(questions):
            raise asking.nonsense(_("ответов {n}, а спрошено {asked}", n=len(told), asked=len(questions)))
        asked = frozenset(ours)
        return sensible(told, lambda at, row: _found(questions[at], asked, row))

    def doubt(self) -> str:
        """Say what DaData refuses an account for."""
        return _("Проверьте key и secret в настройках и подтверждена ли почта в кабинете dadata.ru.")

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Token {self.key}",
            "X-Secret": self.secret,
            "Content-Type": "application/json",
            "Accept": "application/json",
        }


def _found(question: Question, asked: Collection[str], row: Mapping[str, Any]) -> Found:
    source = asking.text(row, "source")
    if source != question.text and source in asked:  # rows out of order would put people into others' houses
        raise asking.nonsense(_("это ответ на другой вопрос"))
    code = asking.text(row, "qc_geo")
    if code == "5":
        return Found(detail="qc_geo 5")
    if code not in PRECISIONS:
        raise asking.nonsense("qc_geo")
    latitude, longitude = point(row.get("geo_lat"), row.get("geo_lon"))
    block = f"{asking.text(row, 'block_type')} {asking.text(row, 'block')}"
    told = Told(
        precision=PRECISIONS[code],
        latitude=latitude,
        longitude=longitude,
        detail=f"qc_geo {code}",
        house=f"{asking.text(row, 'house')} {block}".strip(),
        towns=[asking.text(row, name) for name in TOWNS],
    )
    return judged(question, told)
