"""Clients killed at every step, answers lost, N3 talking nonsense, two clients at once: N3 has every case, as it is.

``IDENTSYNC_STORM=2000 pytest tests/egisz/test_storm.py`` makes two thousand faults on each database; every day fewer,
on SQLite. Meanwhile people open cases, add visits, close and change cases, take some back, and make them again.
"""

import os
import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, create_engine, func, insert, select, update

from identsync.clinic.contract import clinic_patient
from identsync.clinic.contract_cases import clinic_case, clinic_case_visit
from identsync.demo.clinic.cases import fill
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.demo.clinic.names import SURNAMES
from identsync.demo.n3.process import N3Process
from identsync.engine.integration import Status
from identsync.integrations.egisz.assembling import own_id
from identsync.store.tables import egisz_exchange, egisz_item

from . import n3_desk
from .mortal_client import STEPS
from .sending_desk import Clients, Desk

n3_process, cloud = n3_desk.n3_process, n3_desk.cloud
FAULTS = int(os.environ.get("IDENTSYNC_STORM", "16"))
SEED = int(os.environ.get("IDENTSYNC_STORM_SEED", "0")) or secrets.randbelow(10**6) + 1
KINDS = ("lose", "cut", "html", "half", "bomb", "extra", "other", "fail", "hang")
IS_LONG = FAULTS > 100
CASES = 60 if IS_LONG else 24
SHARE = 0.011  # of the requests, of each kind, taken and not: hardly ever three in a row, which would end a run
IMPATIENT = {"rate": 1000.0, "timeout": 1_000}
pytestmark = [pytest.mark.processes, pytest.mark.timeout(180 + FAULTS * 3)]


class Storm:
    """A clinic whose people go on working, and clients that do not live long."""

    def __init__(self, store: str, folder: Path, cloud: N3Process, open_cases: bool) -> None:
        self.cloud, self.chance = cloud, random.Random(SEED)
        self.told = {"store": store, "clinic": f"sqlite:///{folder / 'clinic.db'}", "url": cloud.url}
        self.told |= {"settings": IMPATIENT | {"open_cases": open_cases}}
        self.engine, self.clients = create_engine(self.told["clinic"]), Clients(folder)
        self.desk = Desk(store, self.told["clinic"], cloud.url, rate=1000.0, open_cases=open_cases)
        now = self.desk.store.now_ms()
        generate(self.engine, GeneratorSettings(branches=1, doctors=3, days=2, patients=CASES,
                                                first_day=now // 86_400_000 - 1))  # fmt: skip
        fill(self.engine, seed=SEED, now_ms=now, per_branch=CASES, faulty=0.0)
        with self.engine.begin() as connection:
            connection.execute(update(clinic_case).where(clinic_case.c.case_id % 2 == 0).values(closed_minute=None))
        self.kills, self.visits = 0, 10_000

    def live(self) -> None:
        """Let people work on some cases, and correct some patients' cards."""
        with self.engine.begin() as connection:
            for number in self.chance.sample(range(1, CASES + 1), CASES * 2 // 3):
                mine = clinic_case.c.case_id == number
                connection.execute(update(clinic_case).where(mine).values(**self._work(connection, number)))
            patients = connection.execute(select(clinic_case.c.patient_id)).scalars().all()
            for patient in self.chance.sample(patients, CASES // 4):
                card = clinic_patient.c.patient_id == patient
                change = update(clinic_patient).where(card)
                connection.execute(change.values(surname=self.chance.choice(SURNAMES)))

    def _work(self, connection: Any, number: int) -> dict[str, Any]:
        """Return what becomes of a case: a third at most is taken back, more and the brake would ask a person."""
        case = connection.execute(select(clinic_case).where(clinic_case.c.case_id == number)).one()
        gone = {"is_cancelled": int(number % 4 < 2 and self.chance.random() < 0.5)}
        words = {"conclusion": f"Заключение {self.chance.randrange(10**6)}"}
        if case.closed_minute is not None:
            return gone | words
        does = self.chance.choice(("number", "visit", "visit", "visit", "close"))
        if does == "number":
            return gone | {"number": f"К-{self.chance.randrange(10**6)}"}
        last = self._visit(connection, case)
        return gone | ({"closed_minute": last, **words} if does == "close" else {})

    def _visit(self, connection: Any, case: "Row[Any]") -> int:
        """Add a visit, or write the last one anew; give the minute in which the last one is over."""
        own = clinic_case_visit.c
        last = connection.execute(select(func.max(own.end_minute)).where(own.case_id == case.case_id)).scalar_one()
        if self.chance.random() < 0.3:
            words = f"Запись {self.chance.randrange(10**6)}"
            connection.execute(
                update(clinic_case_visit)
                .where(own.case_id == case.case_id, own.end_minute == last)
                .values(comment=words)
            )
            return int(last)
        self.visits += 1
        values = {"visit_id": self.visits, "case_id": case.case_id, "doctor_id": case.doctor_id}
        connection.execute(insert(clinic_case_visit).values(values | {"start_minute": last, "end_minute": last + 1}))
        return int(last) + 1

    def misbehave(self) -> None:
        self.cloud.behave()
        for kind in KINDS:
            for taken in (True, False):
                share = SHARE / 4 if kind == "hang" else SHARE  # it costs a second of waiting
                self.cloud.fault(kind, times=None, share=share, taken=taken)

    def work(self) -> None:
        """Run one client or two at once; half of them die."""
        self.desk.hurry()
        ends = self.clients.live([self._client() for _each in range(self.chance.choice((1, 1, 2)))])
        assert max(ends) <= 0, f"seed {SEED}"
        self.kills += sum(each < 0 for each in ends)

    def _client(self) -> dict[str, Any]:
        if self.chance.random() < 0.5:
            return self.told
        return self.told | {"dies": [self.chance.choice(STEPS), self.chance.randrange(12)]}

    @property
    def faults(self) -> int:
        e = egisz_exchange.c
        with self.desk.store.read() as connection:
            lost = connection.execute(select(func.count()).where(e.fate.in_(("lost", "later")))).scalar() or 0
        return lost + self.kills

    def calm(self) -> None:
        """Let everything arrive."""
        self.cloud.behave()
        for _each in range(5):
            self.desk.hurry()
            if self.desk.send().status is Status.OK:
                return

    def wanted(self) -> dict[str, Any]:
        """Return what N3 is to have of the cases that are not taken back, by its own ids."""
        lpu, shows_open = self.desk.settings.lpu, self.desk.settings.open_cases
        with self.engine.connect() as connection:
            visits: dict[int, dict[str, str]] = {}
            for row in connection.execute(select(clinic_case_visit)):
                visits.setdefault(row.case_id, {})[str(row.visit_id)] = row.comment or ""
            return {
                own_id(lpu, "case", row.case_id): told(
                    row.closed_minute is None, row.number, row.conclusion, visits[row.case_id]
                )
                for row in connection.execute(select(clinic_case).where(clinic_case.c.is_cancelled == 0))
                if shows_open or row.closed_minute is not None
            }

    def theirs(self) -> dict[str, Any]:
        """Return the same of what N3 has."""
        return {
            each["id"]: told(
                each["state"] == "open", each["content"]["HistoryNumber"], each["content"].get("Comment", ""),
                {step["IdStepMis"]: step.get("Comment", "") for step in each["content"]["Steps"]},
            )
            for each in self.cloud.cases() if each["state"] != "cancelled"
        }  # fmt: skip

    def close(self) -> None:
        self.clients.close()
        self.desk.close()
        self.engine.dispose()


def told(is_open: bool, number: str, conclusion: str, visits: dict[str, str]) -> tuple[Any, ...]:
    return is_open, number, "" if is_open else conclusion, visits


@pytest.fixture(
    params=[
        pytest.param(("sqlite", True), id="open"),
        *([pytest.param(("sqlite", False), id="whole")] if IS_LONG else []),
        *([pytest.param(("postgresql", True), id="postgresql", marks=pytest.mark.postgresql)] if IS_LONG else []),
    ]
)
def storm(
    request: pytest.FixtureRequest, clone: Callable[[str], str], tmp_path: Path, cloud: N3Process
) -> Iterator[Storm]:
    database, open_cases = request.param
    storm = Storm(clone(database), tmp_path, cloud, open_cases)
    yield storm
    storm.close()


def test_no_case_is_lost_or_left_as_it_was_whatever_happens(storm: Storm) -> None:
    while storm.faults < FAULTS:
        storm.live()
        storm.misbehave()
        storm.work()
    storm.calm()
    doubled = [own for own, times in Counter(each["id"] for each in storm.cloud.cases()).items() if times > 1]
    wanted, theirs = storm.wanted(), storm.theirs()
    lost, wrong = wanted.keys() - theirs.keys(), {own for own in theirs if theirs[own] != wanted.get(own)}
    refused = storm.cloud.books()["refused"]
    figures = f"lost {len(lost)}, wrong {len(wrong)}, twice {len(doubled)}, refused by N3, by code: {refused}"
    print(f"seed {SEED}: {storm.faults} faults, {storm.kills} of them kills; {figures}")
    assert (lost, wrong, doubled) == (set(), set(), []), f"seed {SEED}"
    assert "33" not in refused, f"a step twice, seed {SEED}"
    assert people_there(storm) == people_wanted(storm), f"seed {SEED}"
    with storm.desk.store.read() as connection:
        states = Counter(connection.execute(select(egisz_item.c.state).where(egisz_item.c.what == "case")).scalars())
    assert states["taken"] == len(wanted), (states, f"seed {SEED}")
    assert states.keys() <= {"taken", "cancelled"}, (states, f"seed {SEED}")


def people_wanted(storm: Storm) -> dict[str, str]:
    """Return the surnames of those whose cases N3 has."""
    lpu, shown = storm.desk.settings.lpu, storm.wanted()
    with storm.engine.connect() as connection:
        cases = connection.execute(select(clinic_case.c.case_id, clinic_case.c.patient_id)).all()
        whose = {patient for number, patient in cases if own_id(lpu, "case", number) in shown}
        names = select(clinic_patient.c.patient_id, clinic_patient.c.surname).where(
            clinic_patient.c.patient_id.in_(whose)
        )
        return {own_id(lpu, "patient", number): surname for number, surname in connection.execute(names)}


def people_there(storm: Storm) -> dict[str, str]:
    wanted = people_wanted(storm)
    theirs = {each["id"]: each["content"]["FamilyName"] for each in storm.cloud.patients()}
    return {own: name for own, name in theirs.items() if own in wanted}
