"""Reading patients for the map: numbers and addresses of all of them, and who was at a doctor or for a service."""

from array import array
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, func, select

from identsync.clinic.cursor import AddRows, fetched, portions, stream

HOME = ("patient_id", "branch_id", "address", "last_visit")
ROW = (*HOME, "born", "sex", "first_visit", "revenue")


class Residents:
    """The statements of this module, built once, for the relations of one schema."""

    def __init__(self, tables: dict[str, Table]) -> None:
        visit, patient, staff = tables["clinic_appointment"].c, tables["clinic_patient"].c, tables["clinic_staff"].c
        self._all = select(*(patient[name] for name in ROW)).order_by(patient.patient_id)
        self._homes = select(*(patient[name] for name in HOME))
        some = select(patient.address).where(patient.branch_id == bindparam("branch"), patient.address.is_not(None))
        self._some_addresses = some
        who = select(visit.patient_id).distinct().where(visit.kind == 0, visit.patient_id.is_not(None))
        at = select(staff.branch_id).where(staff.doctor_id == bindparam("doctor"))  # the index begins with the branch
        of_doctor = who.where(visit.branch_id.in_(at), visit.doctor_id == bindparam("doctor"))
        self._of_doctor = of_doctor.order_by(visit.patient_id)
        self._of_service = who.where(visit.service == bindparam("service")).order_by(visit.patient_id)
        known = select(visit.service).where(visit.kind == 0, visit.service.is_not(None), visit.service != "")
        self._services = known.group_by(visit.service).order_by(func.count().desc())

    def all(self, connection: Connection, add: AddRows) -> None:
        """Hand all patients to ``add``."""
        portions(connection, self._all, {}, add)

    def homes(self, connection: Connection, add: AddRows) -> None:
        """Hand all patients to the core, as :data:`HOME` names their rows, in any order."""
        stream(connection, self._homes, {}, add, None)

    def some_addresses(self, connection: Connection, branch: int, most: int) -> list[str]:
        """Give up to ``most`` addresses of a branch's patients, as they were written."""
        return list(connection.execute(self._some_addresses.limit(most), {"branch": branch}).scalars())

    def of_doctor(self, connection: Connection, doctor: int) -> "array[int]":
        """Give the patients of a doctor."""
        return _numbers(connection, self._of_doctor, {"doctor": doctor})

    def of_service(self, connection: Connection, service: str) -> "array[int]":
        """Give the patients of a service."""
        return _numbers(connection, self._of_service, {"service": service})

    def services(self, connection: Connection, most: int) -> list[str]:
        """Give the most frequent services, by name."""
        return sorted(row[0] for row in fetched(connection, self._services.limit(most), {}))


def _numbers(connection: Connection, asked: Select[Any], values: dict[str, Any]) -> "array[int]":
    return array("q", (row[0] for row in fetched(connection, asked, values)))
