"""Who may be calling: the patients of a number with what the desk wants to see of them before it says hello."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, bindparam, or_, select, union_all

from identsync.clinic.people import Patient, Visit

MOST = 12
"""Patients of one number: a family, or a number that a clinic writes for everybody it has none of."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A patient who may be calling: his debt in kopecks (None = not told), his last visit and his next one."""

    patient: Patient
    debt: int | None
    last_visit: Visit | None
    next_visit: Visit | None


class Callers:
    """The statements of this module, built once, for the relations of one schema."""

    def __init__(self, tables: dict[str, Table]) -> None:
        p, v = tables["clinic_patient"].c, tables["clinic_appointment"].c
        person = (p.patient_id, p.surname, p.name, p.patronymic, p.phone, p.email, p.branch_id, p.born, p.debt)
        self._of_number = select(*person).where(p.phone_key == bindparam("key")).order_by(p.patient_id).limit(MOST)
        linked = p.patient_id.in_(bindparam("linked", expanding=True))
        self._of_both = select(*person).where(or_(p.phone_key == bindparam("key"), linked)).order_by(p.patient_id)
        visit = (v.appointment_id, v.branch_id, v.doctor_id, v.patient_id, v.start_minute, v.service)
        his = v.patient_id == bindparam("patient"), v.kind == 0
        before = select(*visit).where(*his, v.start_minute < bindparam("minute"))
        after = select(*visit).where(*his, v.start_minute >= bindparam("minute"))
        last = before.order_by(v.start_minute.desc()).limit(1).subquery()
        coming = after.order_by(v.start_minute).limit(1).subquery()
        self._visits = union_all(select(last), select(coming))

    def of_number(self, connection: Connection, key: str, minute: int, linked: Collection[int]) -> list[Caller]:
        """Give up to :data:`MOST` patients with the last ten digits ``key``, and those of the numbers ``linked``."""
        if linked:
            found = connection.execute(self._of_both.limit(MOST), {"key": key, "linked": list(linked)}).all()
        else:
            found = connection.execute(self._of_number, {"key": key}).all()
        return [self._caller(connection, row, minute) for row in found]

    def _caller(self, connection: Connection, row: Any, minute: int) -> Caller:
        *person, debt = row
        visits = [Visit(*each) for each in connection.execute(self._visits, {"patient": row[0], "minute": minute})]
        last = next((visit for visit in visits if visit.start_minute < minute), None)
        coming = next((visit for visit in visits if visit.start_minute >= minute), None)
        return Caller(Patient(*person), debt, last, coming)
