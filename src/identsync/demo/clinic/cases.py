"""Cases of service for the demo's clinic: doctors and papers as ЕГИСЗ wants them, the last days' cases, some faulty.

Fills the further relations of ``clinic/contract_cases.py`` beside what ``generate`` made. Nobody here exists.
"""

from collections import defaultdict
from random import Random
from typing import Any

from sqlalchemy import Connection, Engine, Table, insert, select, update

from identsync.clinic.clock import DAY, minute_now
from identsync.clinic.contract import clinic_branch, clinic_patient, clinic_staff
from identsync.clinic.contract_cases import (
    RELATIONS,
    clinic_case,
    clinic_case_diagnosis,
    clinic_case_service,
    clinic_case_visit,
    clinic_employee,
    clinic_identity,
)
from identsync.demo.clinic import names
from identsync.integrations.egisz import snils

POSITION, SPECIALITY, PASSPORT, FOREIGN = 33, 75, 14, 10  # codes that are in the stand-ins' books
YEAR = 365
FAULTS = ("no diagnosis", "no guardian", "no conclusion", "no snils", "no service code")
KINDS = ("usual", "usual", "usual", "two doctors", "foreign", "no patronymic", "child")
"""What is complete, however unusual."""

Rows = defaultdict[Table, list[dict[str, Any]]]


def fill(
    engine: Engine,
    *,
    seed: int,
    now_ms: int,
    per_branch: int = 30,
    faulty: float = 0.2,
    days: int = 9,
    still_open: float = 0.0,
) -> int:
    """Add so many cases to every branch, of the last ``days``, a share not closed; give how many there are."""
    with engine.begin() as connection:
        clinic_case.metadata.create_all(connection, tables=list(RELATIONS))
        if connection.execute(select(clinic_case.c.case_id).limit(1)).first() is not None:
            return 0
        return _Filling(connection, Random(f"cases {seed}"), faulty, still_open).fill(now_ms, per_branch, days)


class _Filling:
    def __init__(self, connection: Connection, rng: Random, faulty: float, still_open: float) -> None:
        self._connection, self._rng, self._faulty, self._still_open = connection, rng, faulty, still_open
        self._rows: Rows = defaultdict(list)
        self._number = 0

    def fill(self, now_ms: int, per_branch: int, days: int) -> int:
        staff = self._staff()
        for branch, zone in self._connection.execute(select(clinic_branch.c.branch_id, clinic_branch.c.time_zone)):
            now = minute_now(zone, now_ms)
            here = select(clinic_patient.c.patient_id).where(clinic_patient.c.branch_id == branch)
            patients = self._connection.execute(here.order_by(clinic_patient.c.patient_id).limit(per_branch)).scalars()
            for patient in patients.all():
                start = (now // DAY - self._rng.randrange(1, days + 1)) * DAY + self._rng.randrange(540, 1_080, 15)
                self._case(branch, patient, staff[branch], start)
        for table, rows in self._rows.items():
            self._connection.execute(insert(table), rows)
        return self._number

    def _staff(self) -> dict[int, list[int]]:
        """Write the doctors down as ФРМР has them; the last of many has no СНИЛС yet."""
        staff: dict[int, list[int]] = defaultdict(list)
        for branch, doctor in self._connection.execute(select(clinic_staff.c.branch_id, clinic_staff.c.doctor_id)):
            staff[branch].append(doctor)
        doctors = sorted({doctor for each in staff.values() for doctor in each})
        lacking = doctors[-1] if len(doctors) > 3 else None
        for doctor in doctors:
            surname, name, patronymic, sex = self._person()
            self._rows[clinic_employee].append({
                "doctor_id": doctor, "surname": surname, "name": name, "patronymic": patronymic, "sex": sex,
                "born": -YEAR * self._rng.randrange(1, 20), "position_code": POSITION, "speciality_code": SPECIALITY,
                "snils": None if doctor == lacking and self._faulty else self._snils(),
            })  # fmt: skip
        return staff

    def _person(self) -> tuple[str, str, str, int]:
        one = names.full_name(self._rng)
        return one.surname, one.name, one.patronymic, 2 if one.female else 1

    def _case(self, branch: int, patient: int, staff: list[int], start: int) -> None:
        rng = self._rng
        self._number += 1
        kind = rng.choice(KINDS)
        fault = rng.choice(FAULTS) if rng.random() < self._faulty else ""
        self._patient(patient, kind, fault, start)
        doctor = rng.choice(staff)
        other = next((each for each in staff if each != doctor), doctor) if kind == "two doctors" else doctor
        is_open = self._still_open > 0 and rng.random() < self._still_open
        closed = None if is_open else start + 90
        ends = None if fault == "no conclusion" or is_open else "Лечение завершено, даны рекомендации"
        self._rows[clinic_case].append({
            "case_id": self._number, "branch_id": branch, "patient_id": patient, "doctor_id": doctor,
            "number": f"{branch}-{self._number}", "opened_minute": start, "closed_minute": closed,
            "is_first": self._number % 2, "is_cancelled": 0,
            "conclusion": ends,
        })  # fmt: skip
        for at, own in enumerate([doctor] if other == doctor else [doctor, other]):
            self._visit(at, own, start + 40 * at, fault)
        if fault != "no diagnosis":
            self._rows[clinic_case_diagnosis].append({
                "diagnosis_id": self._number, "case_id": self._number, "doctor_id": doctor, "is_main": 1,
                "code": f"K0{rng.randrange(1, 9)}.{rng.randrange(0, 9)}", "made_minute": start + 10,
            })  # fmt: skip

    def _visit(self, at: int, doctor: int, start: int, fault: str) -> None:
        visit = self._number * 10 + at
        self._rows[clinic_case_visit].append({
            "visit_id": visit, "case_id": self._number, "doctor_id": doctor, "start_minute": start,
            "end_minute": start + 35,
        })  # fmt: skip
        code = self._rng.randrange(1, 90)
        self._rows[clinic_case_service].append({
            "service_id": visit, "case_id": self._number, "visit_id": visit, "doctor_id": doctor, "quantity": 1,
            "code": None if fault == "no service code" else f"A16.07.{code:03d}",
            "name": f"Учебная работа стоматолога {code}", "start_minute": start, "end_minute": start + 30,
        })  # fmt: skip

    def _patient(self, patient: int, kind: str, fault: str, start: int) -> None:
        """Write down what the card says: birth and sex where ``generate`` left them out, papers, a guardian."""
        rng = self._rng
        surname, name, patronymic, sex = self._person()
        is_child = kind == "child" or fault == "no guardian"
        born = start // DAY - YEAR * (rng.randrange(5, 12) if is_child else rng.randrange(20, 80))
        values = {"surname": surname, "name": name, "patronymic": patronymic, "sex": sex, "born": born}
        if kind == "no patronymic":
            values["patronymic"] = ""
        card = clinic_patient.c.patient_id == patient
        self._connection.execute(update(clinic_patient).where(card).values(values))
        identity: dict[str, Any] = {column.name: None for column in clinic_identity.columns}
        identity |= {"patient_id": patient}
        if kind == "foreign":
            identity |= {"paper_kind": FOREIGN, "paper_number": f"N{rng.randrange(10**6, 10**7)}",
                         "paper_issuer": "Учебное ведомство"}  # fmt: skip
        elif fault != "no snils":
            identity["snils"] = self._snils()
        if is_child and fault != "no guardian":
            surname, name, patronymic, sex = self._person()
            identity |= {
                "guardian_surname": surname, "guardian_name": name, "guardian_patronymic": patronymic,
                "guardian_sex": sex, "guardian_born": born - 25 * YEAR, "guardian_snils": self._snils(),
                "guardian_relation": 2, "guardian_paper": "Свидетельство о рождении",
            }  # fmt: skip
        self._rows[clinic_identity].append(identity)

    def _snils(self) -> str:
        nine = f"{self._rng.randrange(10**8, 10**9):09d}"
        return nine + snils.check(nine)
