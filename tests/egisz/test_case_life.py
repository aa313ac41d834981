"""The life of some cases, in any order: worked on, taken back, lost and found, while answers are lost and clients die.

Whatever happened, when all is quiet N3 has exactly what the clinic has, no step was offered twice, and nothing more is
asked. ``IDENTSYNC_LIFE=300 pytest tests/egisz/test_case_life.py`` lives so many lives; every day few.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import Connection, create_engine, delete, func, insert, select, update

from identsync.clinic.contract_cases import clinic_case, clinic_case_visit
from identsync.demo.clinic.cases import fill
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.demo.n3.process import N3Process
from identsync.engine.integration import Status
from identsync.integrations.egisz import decisions
from identsync.integrations.egisz.assembling import own_id
from identsync.store import open_store
from identsync.store.tables import egisz_item

from . import mortal_client, n3_desk
from .mortal_client import STEPS, Died, Mortal
from .sending_desk import Desk

n3_process, cloud, mortal = n3_desk.n3_process, n3_desk.cloud, mortal_client.mortal
LIVES = int(os.environ.get("IDENTSYNC_LIFE", "6"))
LOSSES = ("lose", "half", "fail", "html")
pytestmark = pytest.mark.timeout(120 + LIVES * 20)
OWN = st.sampled_from((1, 2, 3))  # the fourth stays as it is, so that the clinic is never empty


class Life(RuleBasedStateMachine):
    """One clinic with four cases, its store, and N3."""

    cloud: N3Process
    ground: Path
    mortal: Mortal

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="identsync-life-"))
        for name in ("clinic.db", "store.db"):
            shutil.copy(self.ground / name, self.folder / name)
        self.cloud.clear()
        self.mortal.step = ""
        urls = [f"sqlite:///{self.folder / name}" for name in ("store.db", "clinic.db")]
        self.desk = Desk(*urls, self.cloud.url, rate=1000.0, open_cases=True)
        self.away: dict[int, list[tuple[Any, dict[str, Any]]]] = {}
        self.number = 1_000

    # -- what people do

    @rule(case=OWN, number=st.integers(1, 10**6))
    def rename(self, case: int, number: int) -> None:
        self._change(case, number=f"К-{number}")

    @rule(case=OWN)
    def add_visit(self, case: int) -> None:
        with self.desk.engine.begin() as connection:
            row, last = self._case(connection, case), self._last(connection, case)
            if row is None:
                return
            self.number += 1
            values = {"visit_id": self.number, "case_id": case, "doctor_id": row.doctor_id, "start_minute": last}
            connection.execute(insert(clinic_case_visit).values(values | {"end_minute": last + 1}))
            if row.closed_minute is not None:
                mine = clinic_case.c.case_id == case
                connection.execute(update(clinic_case).where(mine).values(closed_minute=last + 1))

    @rule(case=OWN, words=st.sampled_from(("а", "б")), which=st.sampled_from((func.min, func.max)))
    def rewrite_visit(self, case: int, words: str, which: Any) -> None:
        with self.desk.engine.begin() as connection:
            connection.execute(update(clinic_case_visit).where(self._one_of(case, which)).values(comment=words))

    @rule(case=OWN, which=st.sampled_from((func.min, func.max)))
    def remove_visit(self, case: int, which: Any) -> None:
        own = clinic_case_visit.c
        with self.desk.engine.begin() as connection:
            if connection.execute(select(func.count()).where(own.case_id == case)).scalar_one() > 1:
                connection.execute(delete(clinic_case_visit).where(self._one_of(case, which)))

    @rule(case=OWN, words=st.sampled_from(("Здоров", "Лечение завершено")))
    def close(self, case: int, words: str) -> None:
        with self.desk.engine.begin() as connection:
            last = self._last(connection, case)
        self._change(case, closed_minute=last, conclusion=words)

    @rule(case=OWN)
    def open_again(self, case: int) -> None:
        self._change(case, closed_minute=None)

    @rule(case=OWN, gone=st.integers(0, 1))
    def cancel(self, case: int, gone: int) -> None:
        self._change(case, is_cancelled=gone)

    @rule(case=OWN)
    def take_for_another_patient(self, case: int) -> None:
        with self.desk.engine.begin() as connection:
            others = select(clinic_case.c.patient_id).where(clinic_case.c.case_id == 4)
            self._change(case, patient_id=connection.execute(others).scalar_one())

    @rule(case=OWN)
    def vanish(self, case: int) -> None:
        with self.desk.engine.begin() as connection:
            for table in (clinic_case, clinic_case_visit):
                mine = table.c.case_id == case
                rows = [dict(row._mapping) for row in connection.execute(select(table).where(mine))]
                self.away.setdefault(case, []).extend((table, row) for row in rows)
                connection.execute(delete(table).where(mine))

    @precondition(lambda self: self.away)
    @rule()
    def come_back(self) -> None:
        with self.desk.engine.begin() as connection:
            for table, row in [each for rows in self.away.values() for each in rows]:
                connection.execute(insert(table).values(row))
        self.away.clear()

    @rule(is_on=st.booleans())
    def settle(self, is_on: bool) -> None:
        self.desk.settle(open_cases=is_on)

    # -- what goes wrong

    @rule(kind=st.sampled_from(LOSSES), taken=st.booleans(), skip=st.integers(0, 4))
    def lose(self, kind: str, taken: bool, skip: int) -> None:
        self.cloud.fault(kind, taken=taken, skip=skip)

    @rule(step=st.sampled_from(STEPS), left=st.integers(0, 6))
    def die_at(self, step: str, left: int) -> None:
        self.mortal.die(step, left)

    # -- and the client

    @rule()
    def send(self) -> None:
        self.desk.hurry()
        with contextlib.suppress(Died):
            self.desk.send()

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        try:
            self._rest()
        finally:
            self.desk.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _rest(self) -> None:
        """Let everything become quiet, and compare."""
        self.mortal.step = ""
        self.cloud.behave()
        self.desk.settle(open_cases=True)
        self._quiet()
        for case in (1, 2, 3):
            if self._has("closed", case):
                self.close(case, "В конце концов")  # N3 opens none again: it waits until the clinic closes it
        self._decide()
        self._quiet()
        assert self._theirs() == self._wanted()
        assert "33" not in self.cloud.books()["refused"]
        before = self.cloud.books()["counts"]
        assert self.desk.send().status is Status.OK
        assert self.cloud.books()["counts"] == before
        with self.desk.store.read() as connection:
            states = set(connection.execute(select(egisz_item.c.state)).scalars())
        assert states <= {"taken", "cancelled", "gone"}, states

    def _quiet(self) -> None:
        for _each in range(4):
            self.desk.hurry()
            self.desk.send()

    def _decide(self) -> None:
        """Have a person take back what N3 has of cases that are gone, and send again what N3 refused to cancel."""
        i = egisz_item.c
        with self.desk.store.write() as connection:
            there = (i.sent.is_not(None)) | (i.tried.is_not(None))
            for row in connection.execute(select(egisz_item).where(i.state == "gone", there)).all():
                decisions.cancel(connection, row.id, row.changed_ms, "Анна", self.desk.store.now_ms())

    def _wanted(self) -> dict[str, Any]:
        with self.desk.engine.connect() as connection:
            visits: dict[int, dict[str, str]] = {}
            for row in connection.execute(select(clinic_case_visit)):
                visits.setdefault(row.case_id, {})[str(row.visit_id)] = row.comment or ""
            return {
                self._key(row.case_id): (
                    "open" if row.closed_minute is None else "closed", self._key(row.patient_id, "patient"), row.number,
                    "" if row.closed_minute is None else row.conclusion, visits[row.case_id],
                )
                for row in connection.execute(select(clinic_case)) if not row.is_cancelled
            }  # fmt: skip

    def _theirs(self) -> dict[str, Any]:
        cases = [each for each in self.cloud.cases() if each["state"] != "cancelled"]
        assert len({each["id"] for each in cases}) == len(cases)
        return {
            each["id"]: (
                each["state"], each["patient"], each["content"]["HistoryNumber"], each["content"].get("Comment", ""),
                {step["IdStepMis"]: step.get("Comment", "") for step in each["content"].get("Steps", [])},
            )
            for each in cases
        }  # fmt: skip

    def _has(self, state: str, case: int) -> bool:
        return any(each["id"] == self._key(case) and each["state"] == state for each in self.cloud.cases())

    def _key(self, number: int, what: str = "case") -> str:
        return own_id(self.desk.settings.lpu, what, number)

    def _change(self, case: int, **values: Any) -> None:
        with self.desk.engine.begin() as connection:
            connection.execute(update(clinic_case).where(clinic_case.c.case_id == case).values(**values))

    def _case(self, connection: Connection, case: int) -> Any:
        return connection.execute(select(clinic_case).where(clinic_case.c.case_id == case)).first()

    def _last(self, connection: Connection, case: int) -> int:
        ends = select(func.max(clinic_case_visit.c.end_minute)).where(clinic_case_visit.c.case_id == case)
        return int(connection.execute(ends).scalar() or 0)

    def _one_of(self, case: int, which: Callable[[Any], Any]) -> Any:
        own = clinic_case_visit.c
        return own.visit_id == select(which(own.visit_id)).where(own.case_id == case).scalar_subquery()


def test_when_all_is_quiet_n3_has_what_the_clinic_has(
    clone: Callable[[str], str], tmp_path: Path, cloud: N3Process, mortal: Mortal
) -> None:
    shutil.copy(clone("sqlite").removeprefix("sqlite:///"), tmp_path / "store.db")
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    now = store.now_ms()
    store.close()
    engine = create_engine(f"sqlite:///{tmp_path / 'clinic.db'}")
    generate(engine, GeneratorSettings(branches=1, doctors=2, days=1, patients=4, first_day=now // 86_400_000 - 1))
    fill(engine, seed=3, now_ms=now, per_branch=4, faulty=0.0)
    with engine.begin() as connection:
        connection.execute(update(clinic_case).where(clinic_case.c.case_id < 3).values(closed_minute=None))
    engine.dispose()
    Life.cloud, Life.ground, Life.mortal = cloud, tmp_path, mortal
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=LIVES, stateful_step_count=20, deadline=None, database=None,
            phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck), print_blob=True,
        ),
    )  # fmt: skip
