"""Planning what to ask geocoders: a million patients in four hundred thousand buildings, beside the bare fetch.

The plan is the task's own, without its run: read every address, parse it, compare with what is known, put in order what
is due. "Anew" nothing is known, "again" everything is. The way first thought of beside it, in plain Python: lower case
and no punctuation as the key, sets for the difference (its keys are worse: each spelling is another building).
"""

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Engine, create_engine, delete, insert, text

from benchmarks.harness import OURS, Result, measure
from benchmarks.reminders import insert_rows
from benchmarks.round import databases
from identsync.clinic.contract import clinic_branch, clinic_patient, contract
from identsync.clinic.source import ClinicSource
from identsync.demo.clinic.town import town
from identsync.flows.mirror import Brake, Together, mirror
from identsync.integrations.geocoding.books import STREAM, Places
from identsync.integrations.geocoding.task import STEP
from identsync.integrations.geocoding.wanted import read
from identsync.store import open_store
from identsync.store.tables import geo_place, mirror_stream

TOWNS = 100
SYLLABLES = ("", "ан", "ин", "ол", "ур", "ев", "ом", "ар", "ел", "он")
NOISE = re.compile(r"[^0-9а-яё]+")
ASKED = "SELECT patient_id, branch_id, address, last_visit FROM clinic_patient"
FORMS = (
    "г. {town}, {kind} {street}, д. {house}, кв. {flat}", "{kind} {street}, {house}-{flat}",
    "{street} {house} кв {flat}", "{town}, {kind}{street} д.{house} кв.{flat}", "{kind} {street}, {house}",
)  # fmt: skip


class Case:
    """A network and its store in one database."""

    def __init__(self, url: str, patients: int, buildings: int) -> None:
        self.patients = patients
        self.store = open_store(url)
        self.store.migrate()
        self.engine = create_engine(url)
        self.clinic = ClinicSource(self.engine)
        _fill(self.engine, patients, buildings)
        self.desired = read(self.clinic, {}).desired

    def fetch(self) -> None:
        """The driver alone: the rows that the plan is made of."""
        connection = self.engine.raw_connection()
        cursor = connection.cursor()
        cursor.execute(ASKED)
        assert len(cursor.fetchall()) == self.patients
        connection.close()

    def ours(self) -> int:
        """Plan; give how many buildings are due."""
        return int(asyncio.run(self._plan()).counts["left"])

    async def _plan(self) -> Any:
        run = self._run()
        wanted = await run.clinic_read(lambda clinic: read(clinic, {}))
        return await mirror(
            run, STREAM, wanted.desired, weight=len(wanted.desired), make=_nothing, deliver=Together(_nothing, 1),
            shelf=Places(1, 1), step=STEP, brake=Brake(floor=100), queue=wanted.queue, budget_ms=0,
        )  # fmt: skip

    def naive(self) -> int:
        """The same in plain Python."""
        connection = self.engine.raw_connection()
        cursor = connection.cursor()
        cursor.execute(ASKED)
        newest: dict[str, int] = {}
        for _patient, branch, address, day in cursor.fetchall():
            key = f"{branch} {NOISE.sub(' ', address.lower())}"
            newest[key] = max(newest.get(key, -1), day or -1)
        cursor.execute(f"SELECT address FROM {'identsync.' * (self.engine.dialect.name != 'sqlite')}geo_place")
        known = {row[0] for row in cursor.fetchall()}
        connection.close()
        return len(sorted(newest.keys() - known, key=lambda key: -newest[key]))

    def forget(self) -> None:
        """Know nothing."""
        with self.store.write() as connection:
            connection.execute(delete(geo_place))
            connection.execute(delete(mirror_stream))

    def know(self) -> None:
        """Know everything."""
        self.forget()
        rows = zip(self.desired.keys, self.desired.digests, strict=True)
        values = [
            {"key": key, "digest": digest, "state": "confirmed", "address": str(key), "changed_ms": 1, "precision": 5}
            for key, digest in rows
        ]
        with self.store.write() as connection:
            connection.execute(insert(geo_place), values)

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()

    def _run(self) -> Any:
        async def reading(function: Callable[[Any], Any]) -> Any:
            with self.store.read() as connection:
                return function(connection)

        async def writing(function: Callable[[Any], Any]) -> Any:
            with self.store.write() as connection:
                return function(connection)

        async def clinic_read(function: Callable[[ClinicSource], Any]) -> Any:
            return function(self.clinic)

        return SimpleNamespace(
            read=reading, write=writing, clinic_read=clinic_read, now_ms=lambda: 1, scope=0, progress=lambda **_: None,
            task=SimpleNamespace(interval_ms=600_000),
        )  # fmt: skip


async def _nothing(_some: Any) -> list[Any]:
    return []


def _fill(engine: Engine, patients: int, buildings: int) -> None:
    contract.create_all(engine)
    rng = random.Random(1)
    towns = [town(1, number % 11) for number in range(TOWNS)]
    names = [f"{place.name[:-2]}{SYLLABLES[number // 11]}ск" for number, place in enumerate(towns)]
    with engine.begin() as connection:
        branches = [
            {"branch_id": number + 1, "name": f"г. {name}, ул. Мира, 1", "time_zone": "Europe/Moscow"}
            for number, name in enumerate(names)
        ]
        connection.execute(insert(clinic_branch), branches)
    each = buildings // TOWNS

    def row(number: int) -> dict[str, Any]:
        branch = number % TOWNS
        building = number // TOWNS % each if number < buildings else rng.randrange(each)
        street = towns[branch].streets[building % 60]
        parts = {"town": names[branch], "kind": street.kind, "street": street.name}
        address = FORMS[number % len(FORMS)].format(house=building // 60 + 1, flat=number % 120 + 1, **parts)
        return {
            "patient_id": number + 1, "surname": "x", "name": "", "patronymic": "", "address": address,
            "branch_id": branch + 1, "last_visit": 20_000 + number % 700,
        }  # fmt: skip

    insert_rows(engine, clinic_patient, map(row, range(patients)))
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def run(*, quick: bool) -> Iterator[Result]:
    """Measure on every database there is."""
    patients, buildings, runs = (20_000, 8_000, 2) if quick else (1_000_000, 400_000, 3)
    with databases() as urls:
        for dialect, url in urls.items():
            case = Case(url, patients, buildings)
            works = {"floor:fetch": case.fetch, OURS: case.ours, "plain Python": case.naive}
            print(f"  {dialect}: {len(case.desired):,} buildings of {patients:,} patients", flush=True)
            for name, prepare in (("planned anew", case.forget), ("planned again", case.know)):
                prepare()
                yield from measure("places", f"{name}, {dialect}", works, items=patients, runs=runs, slow=20)
            case.close()
