"""Reading cases of service: the rows of a period with everything that belongs to them, a statement a relation.

Rows are the driver's own tuples in the order of the columns named here: ten thousand cases are a hundred thousand rows.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, MetaData, Select, Table, bindparam, or_, select

from identsync.clinic.contract_cases import RELATIONS
from identsync.clinic.cursor import fetched

Rows = Sequence[tuple[Any, ...]]
IDS = 500

CASE = (
    "case_id", "branch_id", "patient_id", "doctor_id", "number", "opened_minute", "closed_minute", "is_first",
    "conclusion", "aid_code", "payment_code", "result_code", "purpose_code", "outcome_code", "is_cancelled",
)  # fmt: skip
VISIT = ("case_id", "visit_id", "doctor_id", "start_minute", "end_minute", "comment")
SERVICE = ("case_id", "visit_id", "doctor_id", "code", "name", "start_minute", "end_minute", "quantity")
DIAGNOSIS = ("case_id", "doctor_id", "code", "is_main", "made_minute", "comment")
EMPLOYEE = ("doctor_id", "surname", "name", "patronymic", "sex", "born", "snils", "position_code", "speciality_code")
PATIENT = ("patient_id", "surname", "name", "patronymic", "sex", "born", "address", "phone")
IDENTITY = (
    "patient_id", "snils", "paper_kind", "paper_series", "paper_number", "paper_issuer", "paper_issued",
    "guardian_surname", "guardian_name", "guardian_patronymic", "guardian_sex", "guardian_born", "guardian_snils",
    "guardian_relation", "guardian_paper",
)  # fmt: skip
SIGNED = (
    "document_id", "case_id", "branch_id", "patient_id", "doctor_id", "kind", "header", "created_minute", "content",
    "doctor_sign", "clinic_sign",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CaseRows:
    """Cases of a period and what belongs to them; each list in the columns named above, by case and number."""

    cases: Rows
    visits: Rows
    services: Rows
    diagnoses: Rows
    employees: Rows
    patients: Rows
    identities: Rows


class Cases:
    """The statements of this module, built once, for the relations of one schema."""

    def __init__(self, tables: dict[str, Table], schema: str | None) -> None:
        home = MetaData()
        own = {table.name: table.to_metadata(home, schema=schema) if schema else table for table in RELATIONS}
        case, patient = own["clinic_case"], tables["clinic_patient"]
        period = (
            case.c.branch_id.in_(bindparam("branches", expanding=True)),
            or_(
                case.c.opened_minute >= bindparam("since"),
                case.c.closed_minute >= bindparam("since"),
                case.c.case_id.in_(bindparam("also", expanding=True)),
            ),
        )
        self._cases = _columns(case, CASE).where(*period).order_by(case.c.case_id)
        self._of_cases = {
            name: _columns(own[name], columns)
            .join(case, case.c.case_id == own[name].c.case_id)
            .where(*period)
            .order_by(own[name].c.case_id, own[name].c[number])
            for name, columns, number in (
                ("clinic_case_visit", VISIT, "visit_id"),
                ("clinic_case_service", SERVICE, "service_id"),
                ("clinic_case_diagnosis", DIAGNOSIS, "diagnosis_id"),
            )
        }
        self._employees = _columns(own["clinic_employee"], EMPLOYEE)
        who = select(case.c.patient_id).where(*period)
        self._patients = _columns(patient, PATIENT).where(patient.c.patient_id.in_(who))
        identity = own["clinic_identity"]
        self._identities = _columns(identity, IDENTITY).where(identity.c.patient_id.in_(who))
        signed = own["clinic_signed"]
        since = (
            signed.c.branch_id.in_(bindparam("branches", expanding=True)),
            or_(
                signed.c.created_minute >= bindparam("since"),
                signed.c.document_id.in_(bindparam("also", expanding=True)),
            ),
        )
        self._signed = _columns(signed, SIGNED).where(*since).order_by(signed.c.document_id)
        whose = select(signed.c.patient_id).where(*since)
        self._signed_patients = _columns(patient, PATIENT).where(patient.c.patient_id.in_(whose))
        self._signed_identities = _columns(identity, IDENTITY).where(identity.c.patient_id.in_(whose))
        self._there = select(case.c.case_id, case.c.branch_id).where(
            case.c.case_id.in_(bindparam("ids", expanding=True))
        )

    def of_period(self, connection: Connection, branches: Iterable[int], since: int, also: Collection[int]) -> CaseRows:
        """Give the cases of these branches opened, or closed, from a wall minute on, and ``also`` IDS at most."""
        values = {"branches": sorted(set(branches)), "since": since, "also": list(also)}
        visits, services, diagnoses = (fetched(connection, each, values) for each in self._of_cases.values())
        cases, patients, identities = (
            fetched(connection, each, values) for each in (self._cases, self._patients, self._identities)
        )
        return CaseRows(cases, visits, services, diagnoses, self.employees(connection), patients, identities)

    def employees(self, connection: Connection) -> Rows:
        """Give all doctors as the law knows them."""
        return fetched(connection, self._employees, {})

    def signed(
        self, connection: Connection, branches: Iterable[int], since: int, also: Collection[str]
    ) -> tuple[Rows, CaseRows]:
        """Give the documents of these branches made from a wall minute on, ``also`` IDS at most, and their people."""
        values = {"branches": sorted(set(branches)), "since": since, "also": list(also)}
        documents, patients, identities = (
            fetched(connection, each, values) for each in (self._signed, self._signed_patients, self._signed_identities)
        )
        return documents, CaseRows((), (), (), (), self.employees(connection), patients, identities)

    def there(self, connection: Connection, ids: Iterable[int]) -> dict[int, int]:
        """Give the branches of those of these cases that are in the clinic, whenever they were opened."""
        wanted, found = sorted(set(ids)), dict[int, int]()
        for at in range(0, len(wanted), IDS):
            found |= dict(fetched(connection, self._there, {"ids": wanted[at : at + IDS]}))
        return found


def _columns(table: Table, names: Sequence[str]) -> Select[Any]:
    return select(*(table.c[name] for name in names))
