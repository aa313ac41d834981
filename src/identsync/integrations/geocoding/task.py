"""What runs when due: buildings that nobody has looked for yet are asked of the providers, those gone are forgotten."""

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from random import getrandbits
from typing import TYPE_CHECKING

from identsync.core.address import Address, parse
from identsync.core.columns import Columns, digest
from identsync.core.register import Register
from identsync.engine.integration import Outcome, Status, Task
from identsync.errors import AskPerson, IdentsyncError
from identsync.flows.mirror import Brake, Confirmed, Item, Patience, Together, Verdict, mirror, verdict_of
from identsync.integrations.geocoding import books
from identsync.integrations.geocoding.books import PERSON, STREAM, Answer, Fix, Places
from identsync.integrations.geocoding.cascade import Cascade, Told, opened
from identsync.integrations.geocoding.cities import cities
from identsync.integrations.geocoding.place import Found, Precision, Question
from identsync.integrations.geocoding.settings import Provider
from identsync.language import _

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, ClinicSource
    from identsync.engine.run import Run

MAPPING = 1
"""The version of what is asked and kept of a building."""
DEADLINE_MS, BUDGET_MS = 900_000, 240_000
STEP = 200  # buildings written down at once; a client that dies asks for at most so many twice
FLOOR = 100  # buildings: a small clinic may well lose a third of them
DAY_MS = 86_400_000
MISSED_MS, MISSED_MOST_MS = 7 * DAY_MS, 180 * DAY_MS  # until a building that was not found is looked for again
MONTH = 30
CELL = 9
PATIENCE = Patience(first_ms=60_000, most_ms=6 * 3_600_000)


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


# -- what the clinic says ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """The buildings of the clinic's patients and its branches, with what people corrected."""

    register: Register
    buildings: Sequence[int]  # the register's, with ``counts`` in the same order
    counts: Sequence[int]
    desired: Columns
    own: Mapping[int, Question]  # of branches (key = -number) and of corrected buildings; others are in the register
    pins: Mapping[int, Fix]
    homes: frozenset[str]  # the branches' cities

    def question(self, key: int) -> Question:
        """Give what is asked of a building."""
        return self.own.get(key) or _question(key, self.register.address(key))

    def body(self, questions: Sequence[Question]) -> bytes:
        """Give the questions' texts as a JSON array, straight from the register; b"" where one is not in it."""
        keys = array("q", (each.key for each in questions))
        return b"" if any(key in self.own for key in keys) else self.register.batch(keys)

    def patients(self, key: int) -> int:
        """Give how many patients live in a building; 0 = a branch."""
        at = self._at(key)
        return 0 if at is None else self.counts[at]

    def queue(self, keys: Sequence[int]) -> Sequence[int]:
        """Put branches first, then buildings by the month of the last visit, shuffled within it."""
        return self.register.queue(array("q", keys), MONTH, getrandbits(63))

    def _at(self, key: int) -> int | None:
        at = bisect_left(self.buildings, key)
        return at if at < len(self.buildings) and self.buildings[at] == key else None


def read(clinic: "ClinicSource", fixes: Mapping[int, Fix]) -> Wanted:
    """Read all addresses and parse them."""
    with clinic.snapshot() as source:
        branches = source.branches()
        home = cities(source, branches)
        register = Register(home)
        source.addresses(register.add)
    known = register.desired(MAPPING)
    own = {-branch.id: _question(-branch.id, _of_branch(branch, home.get(branch.id, ""))) for branch in branches}
    for key, fix in fixes.items():
        if fix.address is not None and (key in own or key in known):
            city = own[key].city if key in own else register.address(key).city
            own[key] = _question(key, parse(fix.address, city))
    pins = {key: fix for key, fix in fixes.items() if fix.latitude is not None and (key in own or key in known)}
    changed = {key: digest(each.text.encode(), MAPPING) for key, each in own.items() if each.text}
    changed |= {key: digest(array("q", (fix.latitude or 0, fix.longitude or 0)), MAPPING) for key, fix in pins.items()}
    desired = known.with_(array("q", changed.keys()), array("q", changed.values()), array("q"))
    return Wanted(register, register.buildings, register.counts, desired, own, pins, frozenset(home.values()))


def _of_branch(branch: "Branch", city: str) -> Address:
    told = parse(branch.address, city)
    return told if told.street else parse(branch.name, city)


def _question(key: int, address: Address) -> Question:
    street = f"{address.street_kind} {address.street}".strip()
    return Question(key, address.text, address.region, address.city or address.place, street, address.house)


# -- to the providers -------------------------------------------------------------------------------------------------


async def run_(run: "Run", settings: Mapping[str, Provider]) -> Outcome:
    """Ask for what is new or expired, and forget what is gone."""
    providers, now = ordered(settings), run.now_ms()
    await _erase(run, providers)
    fixes = await run.read(books.fixes)
    wanted = await run.clinic_read(lambda clinic: read(clinic, fixes))
    branches = [-key for key in wanted.own if key < 0]
    near = await run.read(lambda connection: books.branch_points(connection, branches))
    async with AsyncExitStack() as stack:
        cascade = await opened(run, providers, stack)
        cascade.near = list(near.values())
        cascade.body = wanted.body
        cascade.at_home = lambda question: not question.region and question.city in wanted.homes
        delivery = _Delivery(run, cascade, wanted, cascade_digest(providers))
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
    """Asks for some buildings at a time."""

    def __init__(self, run: "Run", cascade: Cascade, wanted: Wanted, asked_of: int) -> None:
        self.asked_of = asked_of
        self._run = run
        self._cascade = cascade
        self._wanted = wanted
        self._misses: dict[int, int] = {}

    async def make(self, keys: Sequence[int]) -> list[Item]:
        """Give the items of these buildings."""
        self._misses = await self._run.read(lambda connection: books.misses(connection, keys))
        wanted = self._wanted
        return [Item(key, wanted.desired.get(key) or 0, wanted.question(key).text) for key in keys]

    async def deliver(self, items: Sequence[Item]) -> list[Verdict]:
        """Ask for these buildings; what a person pinned is not asked for."""
        open_ = [item for item in items if item.key not in self._wanted.pins]
        told = await self._cascade.ask([self._wanted.question(item.key) for item in open_]) if open_ else []
        answers = dict(zip((item.key for item in open_), told, strict=True))
        return [self._verdict(item, answers.get(item.key) or self._pin(item)) for item in items]

    def _verdict(self, item: Item, told: Told | IdentsyncError) -> Verdict:
        return self._answered(item, told) if isinstance(told, Told) else verdict_of(told, str(told))

    def _pin(self, item: Item) -> Told:
        pin = self._wanted.pins[item.key]
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
