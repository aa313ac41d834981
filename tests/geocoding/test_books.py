"""A row per building: what is kept, asked again, forgotten, erased, corrected; on SQLite and PostgreSQL."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import create_engine, select, update

from claimed import run_now
from identsync.clinic.source import ClinicSource
from identsync.core.columns import Columns
from identsync.engine.integration import Outcome, Status, Task
from identsync.errors import Limited
from identsync.flows.mirror import Brake, Confirmed, Item, Patience, Together, Verdict, mirror
from identsync.integrations.geocoding import books
from identsync.integrations.geocoding.books import PERSON, STREAM, Answer, Fix, Places
from identsync.integrations.geocoding.place import Precision
from identsync.store import Store
from identsync.store.tables import geo_place

MINUTE, DAY = 60_000, 86_400_000


class Died(BaseException):
    """The process is gone."""


@dataclass
class Town:
    """Buildings by key, each with its address; ``told`` is what a provider answers instead of a house."""

    store: Store
    cascade: int = 1
    told: dict[int, dict[str, Any]] = field(default_factory=dict)
    desired: dict[int, str] = field(default_factory=lambda: {key: f"Город, улица {key}, 1" for key in range(1, 8)})
    asked: list[int] = field(default_factory=list)
    dies_at: int = 0
    limited_at: int = 0

    def run(self) -> Outcome:
        clinic = ClinicSource(create_engine("sqlite://"))  # nothing is read of it
        task = Task(STREAM, 0, MINUTE, MINUTE, 10 * MINUTE, self._mirror)
        self.asked.clear()
        return asyncio.run(run_now(self.store, clinic, task))

    async def _mirror(self, run: Any) -> Outcome:
        desired = Columns.from_rows([(key, hash_of(address)) for key, address in self.desired.items()])
        return await mirror(
            run, STREAM, desired, weight=len(desired), make=self._make, deliver=Together(self._deliver, 2), step=2,
            shelf=Places(self.cascade, run.now_ms()), brake=Brake(floor=100), patience=Patience(0, 1),
        )  # fmt: skip

    async def _make(self, keys: Sequence[int]) -> list[Item]:
        return [Item(key, hash_of(self.desired[key]), self.desired[key]) for key in keys]

    async def _deliver(self, items: Sequence[Item]) -> list[Verdict]:
        self.asked += [item.key for item in items]
        if self.dies_at in self.asked:
            raise Died
        if self.limited_at in self.asked:
            raise Limited("slow", after_ms=0)
        return [Confirmed("", books.encode(self._answer(item.key))) for item in items]

    def _answer(self, key: int) -> Answer:
        house = {"provider": "p", "precision": Precision.HOUSE, "latitude": 55_000_000 + key, "longitude": 37_000_000}
        rest = {"cell": key, "misses": 0, "patients": 3, "asked_of": self.cascade, "expires_ms": None}
        return Answer(**house | rest | self.told.get(key, {}))

    def rows(self) -> dict[int, Any]:
        with self.store.read() as connection:
            return {row.key: row for row in connection.execute(select(geo_place))}

    def change(self, key: int, **values: Any) -> None:
        with self.store.write() as connection:
            connection.execute(update(geo_place).where(geo_place.c.key == key).values(**values))


def hash_of(address: str) -> int:
    return int.from_bytes(address.encode()[-6:], "big")


def test_an_answer_is_kept_and_nothing_is_asked_twice(store: Store) -> None:
    town = Town(
        store, told={3: {"precision": Precision.NONE, "latitude": None, "longitude": None, "cell": None, "misses": 1}}
    )
    assert town.run().status is Status.OK
    assert sorted(town.asked) == [1, 2, 3, 4, 5, 6, 7]
    row = town.rows()[2]
    assert (row.state, row.address, row.provider, row.precision) == ("confirmed", "Город, улица 2, 1", "p", 5)
    assert (row.latitude, row.longitude, row.cell, row.patients) == (55_000_002, 37_000_000, 2, 3)
    assert row.asked_ms is not None
    missed = town.rows()[3]
    assert (missed.precision, missed.latitude, missed.misses) == (0, None, 1)
    town.run()
    assert town.asked == []


def test_new_ones_are_asked_and_vanished_ones_forgotten(store: Store) -> None:
    town = Town(store)
    town.run()
    del town.desired[4]
    town.desired[9] = "Город, улица 9, 1"
    town.desired[5] = "Город, улица Пятая, 1"
    outcome = town.run()
    assert sorted(town.asked) == [5, 9]
    assert outcome.counts["forgotten"] == 1
    assert town.rows().keys() == {1, 2, 3, 5, 6, 7, 9}


def test_who_dies_asks_again_only_for_what_was_in_his_hands(store: Store) -> None:
    town = Town(store, dies_at=5)
    try:
        town.run()
    except Died:
        first = list(town.asked)
    town.dies_at = 0
    town.run()
    assert set(first) & set(town.asked) == {5, 6}
    assert sorted({*first, *town.asked}) == [1, 2, 3, 4, 5, 6, 7]
    town.run()
    assert town.asked == []


def test_what_a_limit_stopped_goes_on_later(store: Store) -> None:
    town = Town(store, limited_at=3)
    assert town.run().status is Status.LATER
    assert town.rows().keys() == {1, 2, 3, 4}
    town.limited_at = 0
    town.run()
    assert sorted(town.asked) == [3, 4, 5, 6, 7]


def test_expired_answers_are_asked_for_again(store: Store) -> None:
    now = store.now_ms()
    town = Town(store, told={2: {"expires_ms": now - 1}, 3: {"expires_ms": now + DAY}})
    town.run()
    town.told = {}
    town.run()
    assert town.asked == [2]
    assert town.rows()[2].expires_ms is None


def test_another_provider_is_asked_for_what_was_not_found_to_the_house(store: Store) -> None:
    street = {"precision": Precision.STREET}
    town = Town(store, told={2: street, 3: street, 4: {"precision": Precision.NEAR}})
    town.run()
    town.change(3, provider=PERSON)
    town.cascade = 2
    town.run()
    assert town.asked == [2]


def test_a_read_that_failed_forgets_nothing(store: Store) -> None:
    town = Town(store)
    town.run()
    town.desired = {}
    outcome = town.run()
    assert outcome.status is Status.ASK
    assert len(town.rows()) == 7


def test_a_point_of_many_streets_is_taken_back_from_all_of_them(store: Store) -> None:
    """The middle of the town, told for what was not found: a false hot spot on the map."""
    middle = {"latitude": 55_500_000, "longitude": 37_500_000}
    town = Town(store, told=dict.fromkeys((1, 2, 3, 4, 5), middle))
    town.desired |= {6: "Город, улица 7, 3", 8: "Город, улица 7, 5"}
    town.run()
    rows = town.rows()
    assert {key: rows[key].precision for key in (1, 2, 3, 4, 5)} == dict.fromkeys((1, 2, 3, 4, 5), Precision.LOCALITY)
    assert {rows[key].cell for key in (1, 2, 3, 4, 5)} == {None}
    assert rows[1].answer
    assert rows[7].precision == Precision.HOUSE


def test_a_street_of_one_point_is_believed(store: Store) -> None:
    """A block of flats has many numbers and one point."""
    block = {"latitude": 55_500_000, "longitude": 37_500_000}
    town = Town(store, told=dict.fromkeys(range(1, 8), block))
    town.desired = {key: f"Город, улица Длинная, {key}" for key in range(1, 8)}
    town.run()
    assert {row.precision for row in town.rows().values()} == {Precision.HOUSE}


def test_what_may_not_be_kept_is_erased_and_asked_for_again(store: Store) -> None:
    town = Town(store)
    town.run()
    now = store.now_ms()
    town.change(1, asked_ms=now - 31 * DAY)
    town.change(2, asked_ms=now - 31 * DAY, provider="other")
    with store.write() as connection:
        assert books.erase(connection, "p", now - 30 * DAY, now) == 1
    row = town.rows()[1]
    assert (row.latitude, row.longitude, row.cell, row.precision) == (None, None, None, 0)
    assert town.rows()[2].latitude is not None
    town.run()
    assert town.asked == [1]


def test_corrections(store: Store) -> None:
    with store.write() as connection:
        books.fix(connection, 7, Fix("улица Садовая, 5", None, None), by="Анна", now_ms=1)
        books.fix(connection, -3, Fix(None, 55_000_000, 37_000_000), by="Анна", now_ms=2)
        books.fix(connection, 7, Fix("улица Садовая, 6", None, None), by="Олег", now_ms=3)
        assert books.fixes(connection) == {
            7: Fix("улица Садовая, 6", None, None), -3: Fix(None, 55_000_000, 37_000_000),
        }  # fmt: skip
        books.unfix(connection, 7)
        assert books.fixes(connection).keys() == {-3}


def test_a_correction_goes_with_its_building(store: Store) -> None:
    """Where somebody lived whom the clinic does not know any more is kept by nobody."""
    town = Town(store)
    town.run()
    with store.write() as connection:
        for key in (1, 2):
            books.fix(connection, key, Fix(f"улица Садовая, {key}", None, None), by="Анна", now_ms=1)
    del town.desired[1]
    town.run()
    with store.read() as connection:
        assert books.fixes(connection).keys() == {2}


def test_where_the_branches_are(store: Store) -> None:
    town = Town(store, told={-2: {"precision": Precision.LOCALITY}, -3: {"latitude": None, "longitude": None}})
    town.desired = {-1: "Город, улица 1, 1", -2: "Город", -3: "Город, улица 3, 1", 5: "Город, улица 5, 1"}
    town.run()
    with store.read() as connection:
        assert books.branch_points(connection, [1, 2, 3, 4]) == {1: (54_999_999, 37_000_000)}
