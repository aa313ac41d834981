"""The providers one after another: the next is asked only what the ones before did not find to the house.

A point is believed only where it can be true. A provider after the first that fails, or whose day is used up, rests
until the next run; what the others found is kept, and asked again soon.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from math import asin, cos, radians, sin, sqrt
from typing import TYPE_CHECKING

from identsync.engine.channel import Channel
from identsync.errors import AskPerson, IdentsyncError, Later, Unavailable, Unexpected
from identsync.integrations.geocoding.place import Found, Geocoder, Precision, Question
from identsync.integrations.geocoding.settings import Provider
from identsync.language import _

if TYPE_CHECKING:
    from identsync.engine.permits import Permits
    from identsync.engine.run import Run

DAY_S = 86_400
EARTH_KM = 6371.0
FAR = _("точка дальше {km} км от филиалов, хотя адрес не называет другого города")


NOTHING = Found()


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a building: by which provider ('' = nobody), how good, and why not better (words for people)."""

    provider: str = ""
    found: Found = NOTHING
    why: str = ""
    soon: bool = False  # a provider that may know better could not be asked now


@dataclass(slots=True)
class Cascade:
    """The open providers in their order; ``near`` are the branches' points (micro-degrees).

    ``at_home`` says whether a question is of a city where a branch is, so that a point far away cannot be true;
    ``body`` writes the texts of questions as a JSON array, b"" where it cannot.
    """

    geocoders: list[tuple[str, Provider, Geocoder]]
    near: Sequence[tuple[int, int]] = ()
    at_home: Callable[[Question], bool] = lambda _question: True
    body: Callable[[Sequence[Question]], bytes] = lambda _questions: b""
    resting: dict[str, IdentsyncError] = field(default_factory=dict)
    asked: int = 0
    _gates: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        """How many questions are worth asking together."""
        return max(geocoder.batch for _name, _provider, geocoder in self.geocoders)

    async def ask(self, questions: Sequence[Question]) -> list[Told | IdentsyncError]:
        """Answer all questions, or say which could not be answered; raises what keeps the first provider."""
        first = self.geocoders[0][0]
        if first in self.resting:
            raise self.resting[first]
        told: list[Told | IdentsyncError] = [Told() for _each in questions]
        for name, provider, geocoder in self.geocoders:
            open_ = [at for at, each in enumerate(told) if isinstance(each, Told) and _is_open(each)]
            found = await self._ask(name, geocoder, [questions[at] for at in open_])
            for at, one in zip(open_, found, strict=True):
                known = told[at]
                assert isinstance(known, Told)
                if isinstance(one, Found):
                    told[at] = _better(known, self._believed(name, provider, questions[at], one))
                else:
                    told[at] = one if name == first else replace(known, soon=True)
        return told

    async def _ask(
        self, name: str, geocoder: Geocoder, questions: Sequence[Question]
    ) -> Sequence[Found | IdentsyncError]:
        """Ask one provider, by as many requests as it allows at once."""
        parts = [questions[at : at + geocoder.batch] for at in range(0, len(questions), geocoder.batch)]
        gate = self._gates.setdefault(name, asyncio.Semaphore(geocoder.window))
        answers = await asyncio.gather(*(self._request(name, geocoder, part, gate) for part in parts))
        return [one for answer in answers for one in answer]

    async def _request(
        self, name: str, geocoder: Geocoder, questions: Sequence[Question], gate: asyncio.Semaphore
    ) -> Sequence[Found | IdentsyncError]:
        async with gate:
            if name in self.resting:
                return [_unasked(self.resting[name])] * len(questions)
            try:
                body = self.body(questions) if geocoder.batch > 1 else b""
                found = _all(await geocoder.ask(questions, body), questions)
            except Unexpected as error:
                return [error] * len(questions)
            except (AskPerson, Later) as error:
                self.resting[name] = error
                return [error] * len(questions)
            self.asked += len(questions)
            return found

    def _believed(self, name: str, provider: Provider, question: Question, found: Found) -> Told:
        """Refuse a point that is too far from every branch, unless the address names another place."""
        if found.latitude is None or found.longitude is None:
            return Told(name, replace(found, precision=min(found.precision, Precision.LOCALITY)))
        point = (found.latitude, found.longitude)
        if self.near and self.at_home(question) and min(distance_km(point, one) for one in self.near) > provider.far:
            return Told(name, Found(detail=found.detail), _(FAR, km=provider.far))
        return Told(name, found)


def _all(found: Sequence[Found], questions: Sequence[Question]) -> Sequence[Found]:
    if len(found) != len(questions):
        raise Unexpected(f"{len(found)} answers to {len(questions)} questions")
    return found


def _is_open(told: Told) -> bool:
    return told.found.precision < Precision.NEAR


def _better(known: Told, other: Told) -> Told:
    """Give the more precise of two; the one that is known may have to be asked again soon all the same."""
    best = other if not known.provider or other.found.precision > known.found.precision else known
    return replace(best, soon=known.soon and best is known)


def _unasked(error: IdentsyncError) -> IdentsyncError:
    """Say for a question that nobody asked what kept it: nothing of it may have arrived."""
    return Unavailable(str(error), sent=False, after_ms=error.after_ms) if isinstance(error, Unavailable) else error


def distance_km(one: tuple[int, int], other: tuple[int, int]) -> float:
    """Give the great-circle distance of two points in micro-degrees, kilometres."""
    a, b, c, d = (radians(each / 1e6) for each in (*one, *other))
    half = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(half)))


async def opened(run: "Run", providers: Sequence[tuple[str, Provider]], stack: AsyncExitStack) -> Cascade:
    """Open the providers, each with its permits: requests a second, addresses a day. Closed with ``stack``."""
    geocoders: list[tuple[str, Provider, Geocoder]] = []
    for name, provider in providers:
        wire = import_module(f"identsync.integrations.geocoding.wire.{provider.kind}")
        pace = Channel(f"geocoding/{name}", provider.per_second, max(1, round(provider.per_second)))
        permits = [await stack.enter_async_context(run.permits(pace))]
        if provider.per_day is not None:
            at_once = max(1, provider.per_day // 24)
            day = Channel.quota(f"geocoding/{name}/day", provider.per_day, DAY_S, at_once)
            permits.append(await stack.enter_async_context(run.permits(day)))
        geocoder = await stack.enter_async_context(wire.open(provider, _Permit(permits)))
        geocoders.append((name, provider, geocoder))
    return Cascade(geocoders)


class _Permit:
    """One permit of the pace for a request, one of the day for each question in it."""

    def __init__(self, permits: "Sequence[Permits]") -> None:
        self._pace, *self._days = permits

    async def __call__(self, n: int = 1) -> None:
        for day in self._days:
            for _each in range(n):
                await day.take()
        await self._pace.take()
