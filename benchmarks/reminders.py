"""Planning ten thousand reminders out of a million appointments, beside the bare driver's fetch of the same rows.

The run is the task's own but for the fence; the store and the clinic are one database, as in an embedded client.
"Planned again" is the usual run: everything is written down already. The naive way beside it does what is first thought
of: a query and a transaction for each visit, phonenumbers for each number. PostgreSQL is measured as in ``round``.
"""

import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import phonenumbers
from sqlalchemy import Engine, Table, create_engine, delete, insert, select, text

from benchmarks.round import databases
from identsync.clinic.clock import minute_now, to_ms
from identsync.clinic.contract import clinic_appointment, clinic_branch, clinic_patient, contract
from identsync.clinic.source import ClinicSource
from identsync.flows.outbox import Draft
from identsync.flows.outbox import plan as write_down
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.plan import key_of, plan_reminders
from identsync.integrations.messaging.rules import Rule, Template, save_rule, save_template
from identsync.store import open_store
from identsync.store.tables import message, outbox

Result = dict[str, Any]
ZONE = "Europe/Moscow"
DAY = 20_787
NOW = DAY * 1440 + 8 * 60
BEFORE = 1440
BRANCH = 1
NAIVE = 500  # visits the naive way is tried on


class Case:
    """A clinic whose only branch has ``visits`` in a million that begin within the window."""

    def __init__(self, url: str, appointments: int, visits: int) -> None:
        self.visits = visits
        self.store = open_store(url)
        self.store.migrate()
        self.engine = create_engine(url)
        self.clinic = ClinicSource(self.engine)
        _fill(self.engine, appointments, visits)
        with self.store.write() as connection:
            text_ = Template(name="x", medium=Medium.SMS, kind=Kind.SERVICE, text="{имя}, ждём вас {дата} в {время}")
            number = save_template(connection, text_, by="", now_ms=0)
            save_rule(connection, Rule(name="x", template_id=number, before_minutes=BEFORE), by="", now_ms=0)
        self.longest_write = 0.0

    def ours(self) -> None:
        """Plan."""
        planned = asyncio.run(plan_reminders(self._run())).counts["planned"]
        assert planned in (0, self.visits), planned

    def fetch(self) -> None:
        """The driver alone: the rows that the plan is made of."""
        first = minute_now(ZONE, self._now())
        connection = self.engine.raw_connection()
        cursor = connection.cursor()
        cursor.execute(
            "SELECT a.appointment_id, a.doctor_id, a.patient_id, a.start_minute, p.phone FROM clinic_appointment a "
            "LEFT JOIN clinic_patient p ON p.patient_id = a.patient_id WHERE a.branch_id = 1 AND a.kind = 0 AND "
            f"a.patient_id IS NOT NULL AND a.start_minute >= {first} AND a.start_minute < {first + BEFORE + 2880}"
        )
        assert len(cursor.fetchall()) == self.visits
        connection.close()

    def naive(self) -> None:
        """A query, the library for numbers and a transaction for each visit; of ``NAIVE`` visits."""
        first = minute_now(ZONE, self._now())
        visit, patient = clinic_appointment.c, clinic_patient.c
        with self.engine.connect() as clinic:
            here = visit.branch_id == BRANCH, visit.start_minute >= first, visit.start_minute < first + BEFORE + 2880
            for row in clinic.execute(select(clinic_appointment).where(*here).limit(NAIVE)).all():
                phone = clinic.execute(select(patient.phone).where(patient.patient_id == row.patient_id)).scalar_one()
                number = phonenumbers.parse(phone, "RU")
                address = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
                start = to_ms(ZONE, row.start_minute)
                key = key_of(1, row.patient_id, row.appointment_id, row.start_minute, "sms")
                draft = Draft(key=key, due_ms=start - BEFORE * 60_000, until_ms=start, address=address)
                with self.store.write() as connection:
                    made = write_down(connection, "messaging/sms", 0, [draft], self._now())
                    values = {"outbox_id": made[key], "medium": "sms", "kind": "service", "purpose": "reminder"}
                    connection.execute(insert(message).values(values | {"patient_id": row.patient_id, "made_by": ""}))

    def empty(self) -> None:
        """Forget what was planned."""
        with self.store.write() as connection:
            connection.execute(delete(message))
            connection.execute(delete(outbox))

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()

    @staticmethod
    def _now() -> int:
        return to_ms(ZONE, NOW)

    def _run(self) -> Any:
        async def read(function: Callable[[Any], Any]) -> Any:
            with self.store.read() as connection:
                return function(connection)

        async def write(function: Callable[[Any], Any]) -> Any:
            started = time.perf_counter()
            with self.store.write() as connection:
                made = function(connection)
            self.longest_write = max(self.longest_write, time.perf_counter() - started)
            return made

        async def clinic_read(function: Callable[[ClinicSource], Any]) -> Any:
            return function(self.clinic)

        return SimpleNamespace(
            read=read,
            write=write,
            clinic_read=clinic_read,
            now_ms=self._now,
            scope=BRANCH,
            progress=lambda **counts: None,
        )


def _fill(engine: Engine, appointments: int, visits: int) -> None:
    contract.create_all(engine)
    patients = 100_000
    with engine.begin() as connection:
        connection.execute(insert(clinic_branch).values(branch_id=BRANCH, name="x", time_zone=ZONE))
    phone = ("+7 945 {}-{}-{}", "8 (945) {}-{}-{}", "8945{}{}{}", "8-945-{}-{}-{}")
    people = (
        {
            "patient_id": number + 1, "surname": "Лапина", "name": "Анна", "patronymic": "",
            "phone": phone[number % 4].format(*(f"{part:0{size}d}" for part, size in _digits(number))),
        }
        for number in range(patients)
    )  # fmt: skip
    first = NOW + BEFORE + 1
    every = (
        {
            "appointment_id": number + 1, "branch_id": BRANCH, "doctor_id": number % 200 + 1, "kind": 0,
            "patient_id": number * 7919 % patients + 1, "length_minutes": 30,
            "start_minute": first + number % 720 if number < visits else DAY * 1440 - number % 400_000 - 600,
        }
        for number in range(appointments)
    )  # fmt: skip
    for table, rows in ((clinic_patient, people), (clinic_appointment, every)):
        insert_rows(engine, table, rows)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _digits(number: int) -> Iterator[tuple[int, int]]:
    return iter(((number // 10_000, 3), (number // 100 % 100, 2), (number % 100, 2)))


def insert_rows(engine: Engine, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    """Insert rows by the quickest way a driver has."""
    first = next(rows)
    names = list(first)
    with engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        values = (tuple(row.values()) for row in (first, *rows))
        if engine.dialect.name == "postgresql":
            with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
        else:
            marks = ", ".join("?" * len(names))
            driver.executemany(f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})", values)


def measure(case: Case, dialect: str, runs: int) -> Iterator[Result]:
    """Time planning anew, planning again, the fetch, and the naive way in turns."""
    works = {
        "planned anew": {"identsync": (case.ours, case.visits), "floor:fetch": (case.fetch, case.visits)},
        "planned again": {"identsync": (case.ours, case.visits), "floor:fetch": (case.fetch, case.visits)},
        "one by one": {"naive": (case.naive, NAIVE)},
    }
    for name, contenders in works.items():
        times: dict[str, list[float]] = {contender: [] for contender in contenders}
        for turn in range(runs + 1):
            for contender, (work, _items) in contenders.items():
                if name != "planned again":
                    case.empty()
                gc.collect()
                started = time.perf_counter()
                work()
                if turn:
                    times[contender].append(time.perf_counter() - started)
        for contender, (_work, items) in contenders.items():
            yield {
                "benchmark": "reminders", "case": f"{name}, {dialect}", "contender": contender, "bytes": 0,
                "seconds": statistics.median(times[contender]), "runs": runs, "items": items, "peak_bytes": 0,
            }  # fmt: skip


def run(*, quick: bool) -> Iterator[Result]:
    """Measure on every database there is."""
    appointments, visits, runs = (10_000, 300, 2) if quick else (1_000_000, 10_000, 5)
    with databases() as urls:
        for dialect, url in urls.items():
            case = Case(url, appointments, visits)
            yield from measure(case, dialect, runs)
            print(f"  longest write lock, {dialect}: {case.longest_write * 1e3:.0f} ms")
            case.close()
