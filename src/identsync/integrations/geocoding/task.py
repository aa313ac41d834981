"""What runs when due: buildings that nobody has looked for yet are asked of the providers, those gone are forgotten."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from identsync.core.columns import digest
from identsync.engine.integration import Outcome, Status, Task
from identsync.errors import AskPerson, IdentsyncError
from identsync.flows.mirror import Brake, Confirmed, Item, Patience, Together, Verdict, mirror, verdict_of
from identsync.integrations.geocoding import books
from identsync.integrations.geocoding.books import PERSON, STREAM, Answer, Places
from identsync.integrations.geocoding.cascade import Cascade, Told, opened
from identsync.integrations.geocoding.place import Found, Precision, Question
from identsync.integrations.geocoding.settings import Provider
from identsync.integrations.geocoding.wanted import MAPPING, Wanted, read
from identsync.language import _
from identsync.spans import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.engine.run import Run

DEADLINE_MS, BUDGET_MS = 900_000, 240_000
STEP = 200  # buildings written down at once; a client that dies asks for at most so many twice
FLOOR = 100  # buildings: a small clinic may well lose a third of them
MISSED_MS, MISSED_MOST_MS = 7 * DAY_MS, 180 * DAY_MS  # until a building that was not found is looked for again
CELL = 9
PATIENCE = Patience(first_ms=60_000, most_ms=6 * HOUR_MS)


def tasks(settings: Mapping[str, Provider], branches: Sequence["Branch"]) -> list[Task]:  # noqa: ARG001  the network's
    """Return the one task: a building is asked for once in the whole network."""
    if not settings:
        return []
    interval = min(each.interval for each in settings.values())
    lease = max(each.lease for each in settings.values())
    return [Task(STREAM, 0, interval, lease, DEADLINE_MS, partial(run_, settings=settings), _("Карта: адреса"))]


def ordered(settings: Mapping[str, Provider]) -> list[tuple[str, Provider]]:
    """Give the providers in the order in which they are asked."""
    return sorted(settings.items(), key=lambda each: (each[1].order, each[0]))


# -- to the providers -------------------------------------------------------------------------------------------------


async def run_(run: "Run", settings: Mapping[str, Provider]) -> Outcome:
    """Ask for what is new or expired, and forget what is gone."""
    providers, now = ordered(settings), run.now_ms()
    await _erase(run, providers)
    fixes = await run.read(books.fixes)
    wanted = await run.clinic_read(lambda clinic: read(clinic, fixes))
    near = await run.read(lambda connection: books.branch_points(connection, wanted.homes))
    async with AsyncExitStack() as stack:
        cascade = await opened(run, providers, stack)
        delivery = _Delivery(run, cascade, wanted, dict(near), cascade_digest(providers))
        cascade.body, cascade.near, cascade.at_home = wanted.body, delivery.near.values(), delivery.at_home
        outcome = await mirror(
            run,
            STREAM,
            wanted.desired,
            weight=len(wanted.desired),
            make=delivery.make,
            deliver=Together(delivery.deliver, cascade.batch),
            shelf=Places(delivery.asked_of, now),
            step=STEP,
            brake=Brake(floor=FLOOR),
            patience=PATIENCE,
            concurrency=STEP,
            queue=wanted.queue,
            budget_ms=BUDGET_MS,
        )
    return _told(outcome, cascade)


async def _erase(run: "Run", providers: Sequence[tuple[str, Provider]]) -> None:
    """Erase what the terms of a provider do not let us keep any longer."""
    now = run.now_ms()
    for name, provider in providers:
        terms = provider.terms_ms
        if terms is not None:
            await run.write(partial(books.erase, provider=name, before_ms=now - terms, now_ms=now))


def cascade_digest(providers: Sequence[tuple[str, Provider]]) -> int:
    """Give the digest of who is asked: another provider may know what these did not find."""
    return digest("\n".join(f"{name} {each.kind} {each.base}" for name, each in providers).encode(), MAPPING)


def _told(outcome: Outcome, cascade: Cascade) -> Outcome:
    counts = {**outcome.counts, "asked": cascade.asked}
    refused = [(name, error) for name, error in cascade.resting.items() if isinstance(error, AskPerson)]
    if refused:
        return replace(outcome, status=Status.ASK, counts=counts, note=f"{refused[0][0]}: {refused[0][1]}")
    return replace(outcome, counts=counts)


class _Delivery:
    """Asks for some buildings at a time; ``near`` are the points of the branches that are found, by their number."""

    def __init__(
        self, run: "Run", cascade: Cascade, wanted: Wanted, near: dict[int, tuple[int, int]], asked_of: int
    ) -> None:
        self.asked_of = asked_of
        self.near = near
        self._run = run
        self._cascade = cascade
        self._wanted = wanted
        self._misses: dict[int, int] = {}
        self._open: set[int] = set()  # branches that are being asked for: what is near them is not known yet
        self._located = asyncio.Event()

    def at_home(self, question: Question) -> bool:
        """Say whether a patient's building must be near a branch: its town is one's, or no town is named at all."""
        homes = self._wanted.homes
        if question.key < 0 or question.region:
            return False
        if not question.city:
            return homes.keys() <= self.near.keys()
        return any(homes.get(branch) == question.city for branch in self.near)

    async def make(self, keys: Sequence[int]) -> list[Item]:
        """Give the items of these buildings."""
        self._misses = await self._run.read(lambda connection: books.misses(connection, keys))
        wanted = self._wanted
        self._settle({key for key in keys if key < 0})
        return [Item(key, wanted.desired.get(key) or 0, wanted.question(key).text) for key in keys]

    async def deliver(self, items: Sequence[Item]) -> list[Verdict]:
        """Ask for these buildings, for branches first: they tell which patients' points can be true."""
        branches = [item.key for item in items if item.key < 0]
        told = await self._of_branches(branches) if branches else {}
        if patients := [item.key for item in items if item.key > 0]:
            await self._located.wait()
            told |= await self._of_patients(patients, is_alone=not branches)
        return [self._verdict(item, told[item.key]) for item in items]

    async def _of_branches(self, keys: Sequence[int]) -> dict[int, Told | IdentsyncError]:
        try:
            told = await self._told(keys)
        except BaseException:
            self._settle(set())  # the run ends: nobody waits for the others
            raise
        for key, one in told.items():
            if isinstance(one, Told) and (point := one.found.point) and one.found.precision >= Precision.STREET:
                self.near[-key] = point
        self._settle(self._open.difference(keys))
        return told

    async def _of_patients(self, keys: Sequence[int], *, is_alone: bool) -> dict[int, Told | IdentsyncError]:
        try:
            return await self._told(keys)
        except IdentsyncError as error:
            if is_alone:
                raise
            return dict.fromkeys(keys, error)  # what is known of the branches is written down

    def _settle(self, open_: set[int]) -> None:
        self._open = open_
        if open_:
            self._located.clear()
        else:
            self._located.set()

    async def _told(self, keys: Sequence[int]) -> dict[int, Told | IdentsyncError]:
        """Ask for these; what a person pinned is not asked for."""
        pins = self._wanted.pins
        asked = [key for key in keys if key not in pins]
        told = await self._cascade.ask([self._wanted.question(key) for key in asked]) if asked else []
        return {key: self._pin(key) for key in keys if key in pins} | dict(zip(asked, told, strict=True))

    def _verdict(self, item: Item, told: Told | IdentsyncError) -> Verdict:
        return self._answered(item, told) if isinstance(told, Told) else verdict_of(told, str(told))

    def _pin(self, key: int) -> Told:
        pin = self._wanted.pins[key]
        return Told(PERSON, Found(Precision.HOUSE, pin.latitude, pin.longitude))

    def _answered(self, item: Item, told: Told) -> Verdict:
        found, misses = told.found, self._misses.get(item.key, 0)
        misses = 0 if found.precision >= Precision.NEAR else min(misses + 1, 99)
        answer = Answer(
            provider=told.provider,
            precision=int(found.precision),
            latitude=found.latitude,
            longitude=found.longitude,
            cell=_cell(found),
            misses=misses,
            patients=self._wanted.patients(item.key),
            asked_of=self.asked_of,
            expires_ms=self._expires(told, misses),
        )
        return Confirmed(told.why or _why(found), books.encode(answer))

    def _expires(self, told: Told, misses: int) -> int | None:
        """Say when to ask again: before the terms end, sooner and sooner not for what is not found."""
        now = self._run.now_ms()
        if told.soon:
            return now + DAY_MS
        if misses:
            return now + min(MISSED_MOST_MS, MISSED_MS << min(misses - 1, 10))
        provider = next((each for name, each, _open in self._cascade.geocoders if name == told.provider), None)
        terms = provider.terms_ms if provider else None
        return None if terms is None else now + terms * 9 // 10


def _cell(found: Found) -> int | None:
    if found.latitude is None or found.longitude is None or found.precision < Precision.STREET:
        return None
    import h3.api.basic_int as h3

    return int(h3.latlng_to_cell(found.latitude / 1e6, found.longitude / 1e6, CELL))


def _why(found: Found) -> str:
    """Say why a building is not on the map as a point; '' = it is."""
    words = {
        Precision.NONE: _("не найден"),
        Precision.LOCALITY: _("найден только населённый пункт"),
        Precision.DISTRICT: _("найден только район"),
        Precision.STREET: _("найдена улица, но не дом"),
    }
    return words.get(found.precision, "")
