"""Who may be calling: the patients of a number with what the desk wants to see of them before it says hello."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Select, Table, and_, bindparam, func, or_, select

from identsync.clinic.people import Patient, Visit

MOST = 12
"""Patients of one number: a family, or a number that a clinic writes for everybody it has none of."""
PERSON = 9
"""Columns of a patient, then those of his visit."""


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
        self._patient, self._visit = tables["clinic_patient"], tables["clinic_appointment"]
        p = self._patient.c
        key, linked = p.phone_key == bindparam("key"), p.patient_id.in_(bindparam("linked", expanding=True))
        self._of_number = self._asked(key)
        self._of_both = self._asked(or_(key, linked))

    def of_number(self, connection: Connection, key: str, minute: int, linked: Collection[int]) -> list[Caller]:
        """Give up to :data:`MOST` patients with the last ten digits ``key``, and those of the numbers ``linked``."""
        values = {"key": key, "minute": minute}
        if linked:
            found = connection.execute(self._of_both, values | {"linked": list(linked)})
        else:
            found = connection.execute(self._of_number, values)
        return [_caller(rows, minute) for _patient, rows in groupby(found, itemgetter(0))]

    def _asked(self, where: ColumnElement[bool]) -> Select[Any]:
        """Ask for patients and the visits beside now in one statement: a round trip is most of what a card costs.

        When they begin is looked for first and the visits joined by it: LATERAL and APPLY are not the same everywhere.
        """
        p, v = self._patient.c, self._visit.c
        person = (p.patient_id, p.surname, p.name, p.patronymic, p.phone, p.email, p.branch_id, p.born, p.debt)
        minute: BindParameter[int] = bindparam("minute")
        his = v.patient_id == p.patient_id, v.kind == 0
        before = select(func.max(v.start_minute)).where(*his, v.start_minute < minute)
        after = select(func.min(v.start_minute)).where(*his, v.start_minute >= minute)
        beside = before.scalar_subquery().label("last_minute"), after.scalar_subquery().label("next_minute")
        who = select(*person, *beside).where(where).order_by(p.patient_id).limit(MOST).subquery("who")
        at = or_(v.start_minute == who.c.last_minute, v.start_minute == who.c.next_minute)
        joined = who.outerjoin(self._visit, and_(v.patient_id == who.c.patient_id, v.kind == 0, at))
        visit = (v.appointment_id, v.branch_id, v.doctor_id, v.patient_id, v.start_minute, v.service)
        asked = select(*list(who.c)[:PERSON], *visit).select_from(joined)
        return asked.order_by(who.c.patient_id, v.start_minute, v.appointment_id)


def _caller(rows: Iterable[Any], minute: int) -> Caller:
    every = list(rows)
    *person, debt = every[0][:PERSON]
    visits = list(_visits(every))
    last = next((visit for visit in visits if visit.start_minute < minute), None)
    coming = next((visit for visit in visits if visit.start_minute >= minute), None)
    return Caller(Patient(*person), debt, last, coming)


def _visits(rows: Iterable[Any]) -> Iterator[Visit]:
    return (Visit(*row[PERSON:]) for row in rows if row[PERSON] is not None)
