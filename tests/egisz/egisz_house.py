"""A small clinic with cases, its store, and N3 beside it, for tests of a whole run."""

import functools
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, insert, select, update

from identsync.clinic.contract_cases import clinic_case, clinic_case_visit
from identsync.demo.clinic.cases import fill
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.demo.n3.process import N3Process
from identsync.integrations.egisz.assembling import own_id
from identsync.store.tables import egisz_item

from .sending_desk import Desk

FRESH_NS = 300_000_000_000
CASES = 12


@functools.cache
def _clinic(minutes: int, faulty: float) -> bytes:
    """Give the clinic's file, made once for every five minutes."""
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/clinic.db")
        now = minutes * FRESH_NS // 1_000_000
        size = GeneratorSettings(branches=2, doctors=3, days=2, patients=20, first_day=now // 86_400_000 - 1)
        generate(engine, size)
        fill(engine, seed=3, now_ms=now, per_branch=CASES // 2, faulty=faulty)
        engine.dispose()
        return Path(folder, "clinic.db").read_bytes()


class House(Desk):
    """A clinic of so many CASES, all complete unless told otherwise."""

    def __init__(self, store: str, folder: Path, cloud: N3Process, faulty: float = 0.0, **more: Any) -> None:
        self.clinic_url = f"sqlite:///{folder / 'clinic.db'}"
        (folder / "clinic.db").write_bytes(_clinic(time.time_ns() // FRESH_NS, faulty))
        super().__init__(store, self.clinic_url, cloud.url, **more)
        self.store_url = store
        self.cloud = cloud

    def change(self, number: int, /, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(update(clinic_case).where(clinic_case.c.case_id == number).values(**values))

    def open(self, number: int) -> None:
        """Have a case that is not closed yet, with what only its end knows not written."""
        self.change(number, closed_minute=None, conclusion=None)

    def close_case(self, number: int, conclusion: str = "Лечение завершено") -> None:
        """Close a case with its last visit."""
        with self.engine.begin() as connection:
            ends = connection.execute(
                select(func.max(clinic_case_visit.c.end_minute)).where(clinic_case_visit.c.case_id == number)
            ).scalar()
            opened = connection.execute(
                select(clinic_case.c.opened_minute).where(clinic_case.c.case_id == number)
            ).scalar_one()
        self.change(number, closed_minute=max(ends or 0, opened + 90), conclusion=conclusion)

    def visit(self, number: int, visit: int, lasts: int | None = 20) -> None:
        """Add a visit to a case, after its last one; ``lasts`` None = it goes on."""
        with self.engine.begin() as connection:
            case = connection.execute(select(clinic_case).where(clinic_case.c.case_id == number)).one()
            of_case = clinic_case_visit.c.case_id == number
            last = connection.execute(select(func.max(clinic_case_visit.c.end_minute)).where(of_case)).scalar()
            start = max(last or 0, case.opened_minute) + 1
            connection.execute(
                insert(clinic_case_visit).values(
                    visit_id=visit, case_id=number, doctor_id=case.doctor_id, start_minute=start,
                    end_minute=None if lasts is None else start + lasts,
                )
            )  # fmt: skip

    def items(self, what: str = "case") -> dict[int, Any]:
        with self.store.read() as connection:
            rows = connection.execute(select(egisz_item).where(egisz_item.c.what == what).order_by(egisz_item.c.key))
            return {row.key: row for row in rows}

    def states(self, what: str = "case") -> Counter[str]:
        return Counter(row.state for row in self.items(what).values())

    def theirs(self, number: int) -> dict[str, Any]:
        own = own_id(self.settings.lpu, "case", number)
        [found] = [each for each in self.cloud.cases() if each["id"] == own]
        return found


@pytest.fixture
def make(clone: Callable[[str], str], tmp_path: Path, cloud: N3Process) -> Iterator[Callable[..., House]]:
    made: list[House] = []

    def one(database: str = "sqlite", **more: Any) -> House:
        made.append(House(clone(database), tmp_path, cloud, **more))
        return made[-1]

    yield one
    for house in made:
        house.close()
