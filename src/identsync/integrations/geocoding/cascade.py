"""The providers one after another: the next is asked only what the ones before did not find to the house.

A point is believed only where it can be true. A provider after the first that fails, or whose day is used up, rests
until the next run; what the others found is kept, and asked again soon.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from importlib import import_module
from math import asin, cos, radians, sin, sqrt
from typing import TYPE_CHECKING

from identsync.engine.channel import Channel
from identsync.errors import AskPerson, IdentsyncError, Later, Limited, Unavailable, Unexpected
from identsync.integrations.geocoding.place import Found, Geocoder, Precision, Question
from identsync.integrations.geocoding.settings import Provider
from identsync.language import _
from identsync.spans import HOUR_MS

if TYPE_CHECKING:
    from identsync.engine.permits import Permits
    from identsync.engine.run import Run

DAY_S, HOURS = 86_400, 24
DAY_PATIENCE_MS = 1_000
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
    """The open providers in their order, with their ``days``; ``near`` are the branches' points (micro-degrees).

    ``at_home`` says whether a question is of a city where a branch is, so that a point far away cannot be true;
    ``body`` writes the texts of questions as a JSON array, b"" where it cannot.
    """

    geocoders: list[tuple[str, Provider, Geocoder]]
    near: Collection[tuple[int, int]] = ()
    at_home: Callable[[Question], bool] = lambda _question: True
    body: Callable[[Sequence[Question]], bytes] = lambda _questions: b""
    days: "Mapping[str, Permits]" = field(default_factory=dict)
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
                some = questions[: await self._allowed(name, len(questions))]
                body = self.body(some) if geocoder.batch > 1 else b""
                found = _all(await geocoder.ask(some, body), some)
            except Unexpected as error:
                return [error] * len(questions)
            except (AskPerson, Later) as error:
                self.resting[name] = error
                return [error] * len(questions)
            self.asked += len(some)
            return [*found, *(self.resting[name] for _each in questions[len(some) :])]

    async def _allowed(self, name: str, n: int) -> int:
        """Take permits of a provider's day for so many questions; give how many there were, Limited where none was."""
        day = self.days.get(name)
        if day is None:
            return n
        for taken in range(n):
            try:
                await day.take()
            except Limited:
                words = _("{name}: адресов в сутки (per_day) пока больше нельзя", name=name)
                self.resting[name] = Limited(words, after_ms=HOUR_MS)
                if not taken:
                    raise self.resting[name] from None
                return taken
        return n

    def _believed(self, name: str, provider: Provider, question: Question, found: Found) -> Told:
        """Refuse a point that is too far from every branch, unless the address names another place."""
        point = found.point
        if point is None:
            return Told(name, replace(found, precision=min(found.precision, Precision.LOCALITY)))
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
    days: dict[str, Permits] = {}
    for name, provider in providers:
        wire = import_module(f"identsync.integrations.geocoding.wire.{provider.kind}")
        pace = Channel(f"geocoding/{name}", provider.per_second, max(1, round(provider.per_second)))
        permits = await stack.enter_async_context(run.permits(pace))
        if provider.per_day is not None:
            at_once = max(1, provider.per_day // HOURS)
            day = Channel.quota(f"geocoding/{name}/day", provider.per_day, DAY_S, at_once)
            # No run waits for what grows in hours: it would be over before it wrote down what it has paid for.
            days[name] = await stack.enter_async_context(run.permits(day, patience_ms=DAY_PATIENCE_MS))
        geocoder = await stack.enter_async_context(wire.open(provider, permits.take))
        geocoders.append((name, provider, geocoder))
    return Cascade(geocoders, days=days)
