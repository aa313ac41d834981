"""Clients killed at every step, answers lost, N3 talking nonsense, two clients at once: N3 has every case, as it is.

``IDENTSYNC_STORM=2000 pytest tests/egisz/test_storm.py`` makes two thousand faults; every day fewer. Meanwhile people
change cases, take some back, and make them again.
"""

import json
import os
import random
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select, update

from identsync.clinic.contract import clinic_patient
from identsync.clinic.contract_cases import clinic_case
from identsync.demo.clinic.cases import fill
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.demo.clinic.names import SURNAMES
from identsync.demo.n3.process import N3Process
from identsync.engine.integration import Status
from identsync.integrations.egisz.assembling import own_id
from identsync.store.tables import egisz_exchange, egisz_item

from . import n3_desk
from .sending_desk import Desk

n3_process, cloud = n3_desk.n3_process, n3_desk.cloud
FAULTS = int(os.environ.get("IDENTSYNC_STORM", "24"))
SEED = int(os.environ.get("IDENTSYNC_STORM_SEED", "0")) or secrets.randbelow(10**6) + 1
CLIENT = str(Path(__file__).with_name("sending_desk.py"))
KINDS = ("lose", "cut", "html", "half", "bomb", "extra", "other", "fail", "hang")
STEPS = ("asking", "answered", "announcing", "saving")
CASES = 60
pytestmark = [pytest.mark.processes, pytest.mark.timeout(180 + FAULTS * 3)]


class Storm:
    """A clinic whose people go on working, and clients that do not live long."""

    def __init__(self, store: str, folder: Path, cloud: N3Process) -> None:
        self.cloud, self.chance = cloud, random.Random(SEED)
        self.told = {"store": store, "clinic": f"sqlite:///{folder / 'clinic.db'}", "url": cloud.url}
        self.engine = create_engine(self.told["clinic"])
        self.desk = Desk(store, self.told["clinic"], cloud.url, rate=1000.0)
        now = self.desk.store.now_ms()
        generate(self.engine, GeneratorSettings(branches=1, doctors=3, days=2, patients=CASES,
                                                first_day=now // 86_400_000 - 1))  # fmt: skip
        fill(self.engine, seed=SEED, now_ms=now, per_branch=CASES, faulty=0.0)
        self.kills = 0

    def live(self) -> None:
        """Let people change some cases and patients, take some back, and make some of those again."""
        with self.engine.begin() as connection:
            for number in self.chance.sample(range(1, CASES + 1), 8):
                mine = clinic_case.c.case_id == number
                words = f"Заключение {self.chance.randrange(10**6)}"
                # A third at most is taken back: more, and the brake would ask a person.
                gone = int(number % 4 == 0 and self.chance.random() < 0.5)
                connection.execute(update(clinic_case).where(mine).values(conclusion=words, is_cancelled=gone))
            patients = connection.execute(select(clinic_case.c.patient_id)).scalars().all()
            for patient in self.chance.sample(patients, 2):
                card = clinic_patient.c.patient_id == patient
                change = update(clinic_patient).where(card)
                connection.execute(change.values(surname=self.chance.choice(SURNAMES)))

    def misbehave(self) -> None:
        self.cloud.behave()
        for _each in range(4):
            kind = self.chance.choice(KINDS)
            taken = self.chance.random() < 0.5 if kind != "hang" else None
            self.cloud.fault(kind, times=1, skip=self.chance.randrange(12), taken=taken)

    def work(self) -> None:
        """Run one client or two at once; half of them die."""
        clients = [self._client() for _each in range(self.chance.choice((1, 1, 2)))]
        for client in clients:
            client.wait()
            self.kills += client.returncode < 0

    def _client(self) -> "subprocess.Popen[str]":
        told: dict[str, Any] = dict(self.told)
        if self.chance.random() < 0.5:
            told["dies"] = [self.chance.choice(STEPS), self.chance.randrange(10)]
        command = [sys.executable, CLIENT, json.dumps(told)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)

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

    def close(self) -> None:
        self.desk.close()
        self.engine.dispose()


@pytest.fixture
def storm(clone: Callable[[str], str], tmp_path: Path, cloud: N3Process) -> Iterator[Storm]:
    storm = Storm(clone("sqlite"), tmp_path, cloud)
    yield storm
    storm.close()


def test_no_case_is_lost_or_left_as_it_was_whatever_happens(storm: Storm) -> None:
    while storm.faults < FAULTS:
        storm.live()
        storm.misbehave()
        storm.work()
    storm.calm()
    lpu = storm.desk.settings.lpu
    with storm.engine.connect() as connection:
        cases = {own_id(lpu, "case", row.case_id): row for row in connection.execute(select(clinic_case))}
        surnames = {
            own_id(lpu, "patient", number): surname
            for number, surname in connection.execute(select(clinic_patient.c.patient_id, clinic_patient.c.surname))
        }
    theirs = Counter(each["id"] for each in storm.cloud.cases())
    assert max(theirs.values()) == 1, f"seed {SEED}"
    assert theirs.keys() <= cases.keys()
    wanted = {own: row.conclusion for own, row in cases.items() if not row.is_cancelled}
    there = {each["id"]: each["content"]["Comment"] for each in storm.cloud.cases() if each["state"] == "closed"}
    assert there == wanted, f"seed {SEED}"
    patients = {each["id"]: each["content"]["FamilyName"] for each in storm.cloud.patients()}
    for row in cases.values():
        if not row.is_cancelled:
            own = own_id(lpu, "patient", row.patient_id)
            assert patients[own] == surnames[own], f"seed {SEED}"
    with storm.desk.store.read() as connection:
        states = Counter(connection.execute(select(egisz_item.c.state).where(egisz_item.c.what == "case")).scalars())
    assert states["taken"] == len(wanted), (states, f"seed {SEED}")
    assert states.keys() <= {"taken", "cancelled"}, (states, f"seed {SEED}")
