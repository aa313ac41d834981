"""Reading the clinic: branches, staff and patients as records, the schedule straight into the core's boards."""

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, bindparam, func, select

from identsync.clinic import contract, contract_cases
from identsync.clinic.callers import Caller, Callers
from identsync.clinic.cases import CaseRows, Cases, Rows
from identsync.clinic.clock import DAY, minute_now, to_ms, zone_table
from identsync.clinic.cursor import AddRows, stream
from identsync.clinic.people import Guest, Patient, People, Visit
from identsync.clinic.residents import Residents
from identsync.clinic.search import Search
from identsync.clinic.session import reading
from identsync.core.board import Boards
from identsync.core.events import Events
from identsync.errors import Problem

__all__ = [
    "Appointment", "Branch", "Caller", "ClinicSource", "Doctor", "Guest", "Patient", "Visit", "minute_now", "to_ms",
    "zone_table",
]  # fmt: skip

PHONES = IDS = 500
"""Parameters of one lookup by phone or number: far below the limits of SQLite (999 of old) and SQL Server (2,100)."""
FIELDS = ("initials", "first_name", "service", "room", "comment")
"""What can be read of an appointment beside its numbers, in this order.

``initials`` are three columns: the first letters of surname, name and patronymic; no more of them leaves the database.
"""
DEADLINE_S = 120.0
"""Seconds any one statement may take, where the driver can be told."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch; ``zone`` is the IANA name of its wall clock's time zone."""

    id: int
    name: str
    zone: str
    phone: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Doctor:
    """A doctor of one branch; who works in two branches is two of these with the same ``id``."""

    branch_id: int
    id: int
    name: str
    speciality: str


@dataclass(frozen=True, slots=True)
class Appointment:
    """A visit (``kind`` 0) or reserve (1), in wall minutes since 1970-01-01 00:00; without its patient."""

    id: int
    kind: int
    start_minute: int
    length_minutes: int


class ClinicSource:
    """Reads the contract's relations through ``engine``, from ``schema`` where they are not in the default one.

    Blocking, read-only, free of state: any thread may call it. Errors: :class:`NoDatabase` when the database does not
    answer or a statement outlasts ``deadline_s`` seconds, :class:`ContractError` when a relation is not as promised.
    """

    def __init__(self, engine: Engine, schema: str | None = None, *, deadline_s: float = DEADLINE_S) -> None:
        self._engine = engine
        self._schema = schema
        self._deadline_s = deadline_s
        self._ask = _Statements(contract.relations(schema))
        self._people = People(contract.relations(schema))
        self._callers = Callers(contract.relations(schema))
        self._search = Search(contract.relations(schema))
        self._residents = Residents(contract.relations(schema))
        self._cases = Cases(contract.relations(schema), schema)
        self._held: Connection | None = None

    @contextmanager
    def snapshot(self) -> Iterator[Self]:
        """Give this source inside one transaction: what is read there by one thread is one state of the database."""
        with self._reading() as connection:
            inside = copy(self)
            inside._held = connection
            yield inside

    def branches(self) -> list[Branch]:
        """Give all branches by id."""
        with self._reading() as connection:
            return [Branch(*row) for row in connection.execute(self._ask.branches)]

    def staff(self, branches: Collection[int] | None = None) -> list[Doctor]:
        """Give the doctors of all branches, or of those in ``branches``, by (branch, id)."""
        ask, some = (self._ask.staff, {}) if branches is None else (self._ask.staff_of, {"branches": sorted(branches)})
        with self._reading() as connection:
            return [Doctor(*row) for row in connection.execute(ask, some)]

    def boards(self, first_day: int, days: int, grid: int, branches: Collection[int] | None = None) -> Boards:
        """Build the boards of all doctors, or of those in ``branches``, for ``days`` days from ``first_day``.

        ``first_day`` counts days since 1970-01-01, ``grid`` is the cell in minutes. Seats, shifts and appointments are
        one snapshot (``session``). Rows of doctors not on the staff are left out.
        """
        ask, some = (self._ask.all, {}) if branches is None else (self._ask.some, {"branches": sorted(branches)})
        window = {"first": first_day * DAY, "after": (first_day + days) * DAY, **some}
        with self._reading() as connection:
            boards = Boards([tuple(row) for row in connection.execute(ask.seats, some)], first_day, days, grid)
            stream(connection, ask.shifts, window, boards.add_shifts, boards.add_shift_columns)
            stream(connection, ask.busy, window, boards.add_busy, boards.add_busy_columns)
        return boards

    def appointments(self, branch: int, doctor: int, day: int) -> list[Appointment]:
        """Give what occupies a doctor on ``day`` (since 1970-01-01) by start, with what reaches into it from before."""
        at = {"branch": branch, "doctor": doctor, "first": day * DAY, "after": (day + 1) * DAY}
        with self._reading() as connection:
            return [Appointment(*row) for row in connection.execute(self._ask.day, at)]

    def events(
        self,
        into: Events,
        doctors: Collection[int],
        branches: Collection[int],
        window: tuple[int, int],
        *,
        kinds: Collection[int] = (0, 1),
        shifts: bool = False,
        fields: Sequence[str] = (),
    ) -> None:
        """Add the appointments (of ``kinds``), and the shifts, of ``doctors`` in ``branches`` to the core's events.

        What lies in ``window`` or reaches into it is read: wall minutes, the second behind the last. ``fields`` are of
        :data:`FIELDS`, read in that order; without any, numbers alone leave the database.
        """
        ask = self._ask.calendar(tuple(fields))
        columns = None if fields else into.add_appointment_columns
        everybody = sorted(doctors)
        with self._reading() as connection:
            for at in range(0, len(everybody), IDS):
                of = {"doctors": everybody[at : at + IDS], "branches": sorted(branches)}
                values = {"first": window[0], "after": window[1], "kinds": sorted(kinds), **of}
                if kinds:
                    stream(connection, ask, values, into.add_appointments, columns)
                if shifts:
                    stream(connection, self._ask.worked, values, into.add_shifts, into.add_shift_columns)

    def patients_by_phone(self, phone_keys: Collection[str]) -> dict[str, tuple[int, ...]]:
        """Give the ids of the patients behind each phone key (last ten digits), ascending; unknown keys are absent."""
        keys, found = sorted(set(phone_keys)), dict[str, list[int]]()
        with self._reading(brief=True) as connection:
            for at in range(0, len(keys), PHONES):
                for key, patient in connection.execute(self._ask.phones, {"keys": keys[at : at + PHONES]}):
                    found.setdefault(key, []).append(patient)
        return {key: tuple(patients) for key, patients in found.items()}

    def patient_name(self, patient_id: int) -> str | None:
        """Give a patient's surname, name and patronymic in one line; None where there is no such patient."""
        with self._reading() as connection:
            row = connection.execute(self._ask.patient, {"patient": patient_id}).first()
        return None if row is None else " ".join(part for part in row if part)

    def patients(self, ids: Iterable[int]) -> dict[int, Patient]:
        """Give the patients of these numbers; who is not there is absent."""
        with self._reading() as connection:
            return self._people.patients(connection, set(ids))

    def find_patients(self, wanted: str, most: int = 12) -> list[Patient]:
        """Give patients by a telephone (four digits of it or more) or by how their names begin, in any order."""
        with self._reading() as connection:
            return self._search.find(connection, wanted, most)

    def callers(self, phone_key: str, minute: int, linked: Collection[int] = ()) -> list[Caller]:
        """Give the patients with the last ten digits ``phone_key``, and those ``linked`` to it by a person, at most 12.

        ``minute`` is now by the wall clock of the branch: it divides last visits from next ones.
        """
        with self._reading(brief=True) as connection:
            return self._callers.of_number(connection, phone_key, minute, linked)

    def next_visit(self, patient: int, minute: int) -> Visit | None:
        """Give a patient's first visit from a wall minute on; None where nothing is booked."""
        with self._reading(brief=True) as connection:
            return self._search.next_visit(connection, patient, minute)

    def visits(self, ids: Iterable[int]) -> dict[int, Visit]:
        """Give the visits of these numbers as they are now; cancelled ones are absent."""
        with self._reading() as connection:
            return self._people.visits(connection, set(ids))

    def coming(self, branch: int, window: tuple[int, int], fields: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """Give the visits of a branch that begin in ``window``: appointment, doctor, patient, start minute, ``fields``.

        ``window`` is in wall minutes, the second behind the last; ``fields`` are of :data:`people.COMING`.
        """
        with self._reading() as connection:
            return self._people.coming(connection, branch, window, fields)

    def addresses(self, add: AddRows) -> None:
        """Hand all patients to ``add``: patient, branch, address as it was written, day of the last visit."""
        with self._reading() as connection:
            self._residents.homes(connection, add)

    def some_addresses(self, branch: int, most: int) -> list[str]:
        """Give up to ``most`` addresses of a branch's patients, as they were written."""
        with self._reading() as connection:
            return self._residents.some_addresses(connection, branch, most)

    def residents(self, add: AddRows) -> None:
        """Hand all patients by number to ``add``, in batches; rows as :data:`residents.ROW` names them."""
        with self._reading() as connection:
            self._residents.all(connection, add)

    def patients_of(self, doctor: int) -> "array[int]":
        """Give the patients who were, or are booked, at a doctor, by number."""
        with self._reading() as connection:
            return self._residents.of_doctor(connection, doctor)

    def patients_for(self, service: str) -> "array[int]":
        """Give the patients of a service, by number."""
        with self._reading() as connection:
            return self._residents.of_service(connection, service)

    def services(self, most: int = 200) -> list[str]:
        """Give the services of all visits, the most frequent ones, by name."""
        with self._reading() as connection:
            return self._residents.services(connection, most)

    def guests(self, now_minute: int, doctors: Collection[int] = ()) -> list[Guest]:
        """Give all patients, or those who were at one of ``doctors``, with the day of their last visit.

        Of IDENT's appointments only the last month is to be seen; ``clinic_patient.last_visit`` knows more.
        """
        with self._reading() as connection:
            return list(self._people.guests(connection, now_minute, doctors))

    def cases(self, branches: Collection[int], since: int, also: Collection[int] = ()) -> CaseRows:
        """Give the cases of these branches opened or closed from a wall minute on, with all that belongs to them.

        ``also`` are numbers of others of these branches, at most 500.
        """
        with self._reading() as connection:
            return self._cases.of_period(connection, branches, since, also)

    def case_problems(self) -> list[Problem]:
        """Say everything that is wrong with the relations of cases."""
        return contract_cases.check(self._engine, self._schema)

    def cases_there(self, ids: Collection[int]) -> dict[int, int]:
        """Give the branches of those of these cases, by number, that the clinic still has."""
        with self._reading() as connection:
            return self._cases.there(connection, ids)

    def signed(self, branches: Collection[int], since: int, also: Collection[str] = ()) -> tuple[Rows, CaseRows]:
        """Give the documents of these branches made from a wall minute on, and their doctors and patients.

        ``also`` are others of these branches, at most 500.
        """
        with self._reading() as connection:
            return self._cases.signed(connection, branches, since, also)

    def _reading(self, *, brief: bool = False) -> AbstractContextManager[Connection]:
        if self._held:
            return nullcontext(self._held)
        return reading(self._engine, self._schema, self._deadline_s, brief=brief)


@dataclass(frozen=True, slots=True)
class _Schedule:
    seats: Select[Any]
    shifts: Select[Any]
    busy: Select[Any]


class _Statements:
    """All statements of a source, built once: building one anew costs more than running it."""

    def __init__(self, tables: dict[str, Table]) -> None:
        self._tables = tables
        self._calendars: dict[tuple[str, ...], Select[Any]] = {}
        branch, staff, patient = tables["clinic_branch"].c, tables["clinic_staff"].c, tables["clinic_patient"].c
        busy = tables["clinic_appointment"].c
        shown = (func.coalesce(column, "") for column in (branch.phone, branch.address))
        self.branches = select(branch.branch_id, branch.name, branch.time_zone, *shown).order_by(branch.branch_id)
        self.staff = select(staff.branch_id, staff.doctor_id, staff.name, staff.speciality).order_by(
            staff.branch_id, staff.doctor_id
        )
        self.staff_of = self._of_branches(self.staff)
        self.all = _Schedule(self._seats(), self._window("clinic_shift"), self._window("clinic_appointment"))
        self.some = _Schedule(*(self._of_branches(each) for each in (self.all.seats, self.all.shifts, self.all.busy)))
        self.day = (
            select(busy.appointment_id, busy.kind, busy.start_minute, busy.length_minutes)
            .where(busy.branch_id == bindparam("branch"), busy.doctor_id == bindparam("doctor"))
            .where(*_touches(busy))
            .order_by(busy.start_minute, busy.appointment_id)
        )
        shift = tables["clinic_shift"].c
        self.worked = self._window("clinic_shift").where(*_of_doctors(shift))
        self.phones = (
            select(patient.phone_key, patient.patient_id)
            .where(patient.phone_key.in_(bindparam("keys", expanding=True)))
            .order_by(patient.phone_key, patient.patient_id)
        )
        self.patient = select(patient.surname, patient.name, patient.patronymic).where(
            patient.patient_id == bindparam("patient")
        )

    def calendar(self, fields: tuple[str, ...]) -> Select[Any]:
        """Give the statement that reads appointments of some doctors with those fields."""
        if fields not in self._calendars:
            self._calendars[fields] = self._calendar(fields)
        return self._calendars[fields]

    def _calendar(self, fields: tuple[str, ...]) -> Select[Any]:
        visit, patient = self._tables["clinic_appointment"], self._tables["clinic_patient"]
        rows = visit.c
        changed = func.coalesce(rows.changed_ms, 0).label("changed_ms")
        numbers = (
            rows.branch_id,
            rows.doctor_id,
            rows.appointment_id,
            rows.kind,
            rows.start_minute,
            rows.length_minutes,
        )
        asked = select(*numbers, changed, *self._texts(fields)).where(
            *_of_doctors(rows), rows.kind.in_(bindparam("kinds", expanding=True)), *_touches(rows)
        )
        if {"initials", "first_name"} & set(fields):
            return asked.select_from(visit.outerjoin(patient, patient.c.patient_id == rows.patient_id))
        return asked

    def _texts(self, fields: Sequence[str]) -> Iterator[ColumnElement[Any]]:
        visit, patient = self._tables["clinic_appointment"].c, self._tables["clinic_patient"].c
        for field in FIELDS:
            if field not in fields:
                continue
            if field == "initials":
                yield from (_letter(name) for name in (patient.surname, patient.name, patient.patronymic))
            else:
                yield patient.name.label(field) if field == "first_name" else visit[field]

    def _seats(self) -> Select[Any]:
        staff = self._tables["clinic_staff"].c
        return select(staff.branch_id, staff.doctor_id)

    def _window(self, name: str) -> Select[Any]:
        rows = self._tables[name].c
        return select(rows.branch_id, rows.doctor_id, rows.start_minute, rows.length_minutes).where(*_touches(rows))

    def _of_branches(self, statement: Select[Any]) -> Select[Any]:
        branch = statement.selected_columns[0]
        return statement.where(branch.in_(bindparam("branches", expanding=True)))


def _letter(name: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.substring(func.ltrim(name), 1, 1).label(f"{name.name}_letter")


def _of_doctors(rows: Any) -> tuple[Any, Any]:
    """Name the branches too: the index begins with them."""
    doctors = rows.doctor_id.in_(bindparam("doctors", expanding=True))
    return rows.branch_id.in_(bindparam("branches", expanding=True)), doctors


def _touches(rows: Any) -> tuple[Any, Any]:
    """Rows that lie in the window or reach into it: a night shift of yesterday works this morning."""
    return rows.start_minute < bindparam("after"), rows.start_minute + rows.length_minutes > bindparam("first")
