"""Reading people for messages: patients by number, visits by number, visits ahead with how to reach their patients."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, Table, bindparam, case, func, select

from identsync.clinic.clock import DAY
from identsync.clinic.cursor import fetched

IDS = 500
COMING = ("service", "phone", "email")
"""What can be read of a visit ahead beside its numbers, in this order."""


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient as messages need him; ``born`` is a day since 1970-01-01."""

    id: int
    surname: str
    name: str
    patronymic: str
    phone: str | None
    email: str | None
    branch_id: int | None
    born: int | None


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit of a patient, in wall minutes of its branch."""

    id: int
    branch_id: int
    doctor_id: int
    patient_id: int | None
    start_minute: int
    service: str | None


@dataclass(frozen=True, slots=True)
class Guest:
    """A patient and his visits: the day of the last one (None = none known), whether one is booked ahead."""

    patient: Patient
    last_visit: int | None
    booked: bool


class People:
    """The statements of this module, built once, for the relations of one schema."""

    def __init__(self, tables: dict[str, Table]) -> None:
        visit, patient = tables["clinic_appointment"], tables["clinic_patient"]
        self._visit, self._patient = visit, patient
        v, p = visit.c, patient.c
        self._person = (p.patient_id, p.surname, p.name, p.patronymic, p.phone, p.email, p.branch_id, p.born)
        self._patients = select(*self._person).where(p.patient_id.in_(_MANY))
        numbers = v.appointment_id, v.branch_id, v.doctor_id, v.patient_id, v.start_minute, v.service
        self._visits = select(*numbers).where(v.appointment_id.in_(_MANY), v.kind == 0)
        self._ahead: dict[tuple[str, ...], Select[Any]] = {}

    def patients(self, connection: Connection, ids: Collection[int]) -> dict[int, Patient]:
        """Give the patients of these numbers; who is not there is absent."""
        return {row[0]: Patient(*row) for row in _of(connection, self._patients, ids)}

    def visits(self, connection: Connection, ids: Collection[int]) -> dict[int, Visit]:
        """Give the visits of these numbers; cancelled ones are absent."""
        return {row[0]: Visit(*row) for row in _of(connection, self._visits, ids)}

    def coming(
        self, connection: Connection, branch: int, window: tuple[int, int], fields: Sequence[str]
    ) -> list[tuple[Any, ...]]:
        """Give the visits of a branch that begin in ``window`` (wall minutes, the second behind the last).

        Rows: appointment, doctor, patient, start minute, then ``fields`` of :data:`COMING` in that order.
        """
        asked = self._ahead.setdefault(tuple(fields), self._coming(fields))
        return fetched(connection, asked, {"branch": branch, "first": window[0], "after": window[1]})

    def guests(self, connection: Connection, now_minute: int, doctors: Collection[int] = ()) -> Iterator[Guest]:
        """Give all patients, or those who were at one of ``doctors``, with their visits before and after now."""
        v, p = self._visit.c, self._patient.c
        past = func.max(case((v.start_minute < now_minute, v.start_minute)))  # SQL Server knows no FILTER
        mine = select(v.patient_id, past.label("past"), func.max(v.start_minute).label("last")).where(
            v.kind == 0, v.patient_id.is_not(None)
        )
        seen = mine.group_by(v.patient_id).subquery()
        asked = select(*self._person, p.last_visit, seen.c.past, seen.c.last).order_by(p.patient_id)
        asked = asked.select_from(self._patient.outerjoin(seen, seen.c.patient_id == p.patient_id))
        if doctors:
            at = select(v.patient_id).where(v.kind == 0, v.doctor_id.in_(doctors), v.start_minute < now_minute)
            asked = asked.where(p.patient_id.in_(at))
        for *person, told, past_minute, last_minute in fetched(connection, asked, {}):
            days = [day for day in (told, past_minute and past_minute // DAY) if day is not None]
            yield Guest(Patient(*person), max(days, default=None), (last_minute or 0) >= now_minute)

    def _coming(self, fields: Sequence[str]) -> Select[Any]:
        visit, patient = self._visit, self._patient
        v, texts = visit.c, {"service": visit.c.service, "phone": patient.c.phone, "email": patient.c.email}
        here = v.branch_id == bindparam("branch"), v.kind == 0, v.patient_id.is_not(None)
        asked = select(v.appointment_id, v.doctor_id, v.patient_id, v.start_minute, *(texts[one] for one in fields))
        asked = asked.where(*here, v.start_minute >= bindparam("first"), v.start_minute < bindparam("after"))
        if {"phone", "email"} & set(fields):
            return asked.select_from(visit.outerjoin(patient, patient.c.patient_id == v.patient_id))
        return asked


_MANY: BindParameter[Any] = bindparam("ids", expanding=True)


def _of(connection: Connection, asked: Select[Any], ids: Iterable[int]) -> Iterator[Any]:
    every = sorted(set(ids))
    for at in range(0, len(every), IDS):
        yield from connection.execute(asked, {"ids": every[at : at + IDS]})
