"""A clinic of two branches and a few people, in a real database, at a moment of the test's choice."""

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, create_engine, delete, insert, select, update

from identsync.clinic.clock import to_ms
from identsync.clinic.contract import clinic_appointment, clinic_branch, clinic_patient, clinic_staff, contract
from identsync.clinic.source import ClinicSource
from identsync.engine.integration import Outcome
from identsync.flows import outbox_book as book
from identsync.flows.outbox import Row, Skip
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.plan import plan_reminders
from identsync.integrations.messaging.portions import release_portions
from identsync.integrations.messaging.rules import Rule, Template, save_rule, save_template
from identsync.integrations.messaging.whether import Go, decide
from identsync.store import Store, open_store
from identsync.store.tables import message, outbox

MOSCOW, OMSK = "Europe/Moscow", "Asia/Omsk"
DAY = 20_787  # Monday, 30 November 2026
ERSHOVA, BELOV = 5, 6
ANNA, OLEG = 1, 2


def at(hour: int, minute: int = 0, day: int = 0) -> int:
    """A wall minute, counted from Monday."""
    return (DAY + day) * 1440 + hour * 60 + minute


class SmallClinic:
    """``now`` is a wall minute of Moscow; runs are real but for the fence."""

    def __init__(self, url: str) -> None:
        self.store: Store = open_store(url)
        self.engine = create_engine(url)
        self.source = ClinicSource(self.engine)
        self.now = at(10)

    def found(self) -> None:
        """Make its tables, its branches, its doctors and its first two patients."""
        contract.create_all(self.engine)
        self.change(
            insert(clinic_branch).values(
                [
                    {
                        "branch_id": 1,
                        "name": "Садовая",
                        "time_zone": MOSCOW,
                        "phone": "8 945 1",
                        "address": "Садовая, 12",
                    },
                    {"branch_id": 2, "name": "Ленина", "time_zone": OMSK, "phone": None, "address": None},
                ]
            ),
            insert(clinic_staff).values(
                [
                    {"branch_id": 1, "doctor_id": ERSHOVA, "name": "Ершова Анна Ильинична", "speciality": ""},
                    {"branch_id": 2, "doctor_id": BELOV, "name": "Белов Пётр", "speciality": ""},
                ]
            ),
        )
        self.patient(ANNA, phone="8 (945) 000-00-01", email="Anna@Example.com")
        self.patient(OLEG, name="Олег", phone="+79450000002")

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()

    def change(self, *statements: Any) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)

    def patient(self, number: int, *, name: str = "Анна", phone: str | None = None, **more: Any) -> None:
        person = {"patient_id": number, "surname": "Лапина", "name": name, "patronymic": "", "phone": phone}
        self.change(insert(clinic_patient).values(person | {"branch_id": 1} | more))

    def repatient(self, number: int, **values: Any) -> None:
        self.change(update(clinic_patient).where(clinic_patient.c.patient_id == number).values(values))

    def book(self, key: int, start: int, patient: int | None = ANNA, branch: int = 1, **more: Any) -> None:
        visit = {"appointment_id": key, "branch_id": branch, "doctor_id": ERSHOVA if branch == 1 else BELOV, "kind": 0}
        visit |= {"patient_id": patient, "start_minute": start, "length_minutes": 30}
        self.change(insert(clinic_appointment).values(visit | more))

    def move(self, key: int, start: int) -> None:
        self.change(
            update(clinic_appointment).where(clinic_appointment.c.appointment_id == key).values(start_minute=start)
        )

    def cancel(self, key: int) -> None:
        self.change(delete(clinic_appointment).where(clinic_appointment.c.appointment_id == key))

    def template(self, text: str = "{имя|Здравствуйте}, ждём вас {дата} в {время}.", **more: Any) -> int:
        given = {"name": "напоминание", "medium": Medium.SMS, "kind": Kind.SERVICE} | more
        return self.write(save_template, Template(text=text, **given), by="Вера", now_ms=self.now_ms())

    def rule(self, before: int = 1440, template: int | None = None, **more: Any) -> int:
        rule = Rule(name="за день", template_id=template or self.template(), before_minutes=before, **more)
        return self.write(save_rule, rule, by="Вера", now_ms=self.now_ms())

    def write(self, function: Callable[..., Any], *values: Any, **named: Any) -> Any:
        with self.store.write() as connection:
            return function(connection, *values, **named)

    def read(self, function: Callable[..., Any], *values: Any) -> Any:
        with self.store.read() as connection:
            return function(connection, *values)

    def now_ms(self) -> int:
        return to_ms(MOSCOW, self.now)

    def plan(self, branch: int = 1) -> Outcome:
        return asyncio.run(plan_reminders(self.run(branch)))

    def release(self) -> Outcome:
        return asyncio.run(release_portions(self.run(0)))

    def decide(self, medium: Medium = Medium.SMS) -> list[Any]:
        """What is due now, decided as right before it is sent."""
        return asyncio.run(decide(self.run(0), self.due(medium), medium))

    def send(self, medium: Medium = Medium.SMS) -> list[Any]:
        """Decide and write down as the flow does: taken rows are submitting, skipped ones skipped."""
        decided = self.decide(medium)
        now = self.now_ms()

        def write(connection: Connection) -> None:
            going = [book.Taken(each.row, "sms", each.to, book.token()) for each in decided if isinstance(each, Go)]
            book.take(connection, going, 1, now)
            book.skip(connection, [(e.row, e.reason) for e in decided if isinstance(e, Skip)], now)

        self.write(write)
        return decided

    def due(self, medium: Medium = Medium.SMS) -> list[Row]:
        return list(self.read(book.due, f"messaging/{medium}", 0, self.now_ms(), 1000))

    def rows(self) -> list[Any]:
        """Outbox rows beside their messages, the first planned first."""
        asked = select(outbox, message).join_from(outbox, message, message.c.outbox_id == outbox.c.id)
        with self.store.read() as connection:
            return list(connection.execute(asked.order_by(outbox.c.id)))

    def states(self) -> list[tuple[str, str | None]]:
        return [(row.state, row.reason) for row in self.rows()]

    def run(self, scope: int) -> Any:
        async def read(function: Callable[[Connection], Any]) -> Any:
            return self.read(function)

        async def write(function: Callable[[Connection], Any]) -> Any:
            return self.write(function)

        async def clinic_read(function: Callable[[ClinicSource], Any]) -> Any:
            return function(self.source)

        return SimpleNamespace(
            read=read, write=write, clinic_read=clinic_read, now_ms=self.now_ms, scope=scope,
            progress=lambda **counts: None, log=structlog.get_logger(),
        )  # fmt: skip


def url_of(store: Store) -> str:
    return store.engine.url.render_as_string(hide_password=False)


@pytest.fixture
def small_clinic(dialect: str, filled: Callable[..., Any]) -> Iterator[SmallClinic]:
    """A clinic of this test's own, on SQLite and on PostgreSQL."""

    def fill(store: Store) -> None:
        clinic = SmallClinic(url_of(store))
        clinic.found()
        clinic.close()

    store, _nothing = filled(dialect, "a small clinic", fill)
    clinic = SmallClinic(url_of(store))
    yield clinic
    clinic.close()
