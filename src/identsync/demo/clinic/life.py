"""The clinic goes on living: patients book, move and cancel, and nobody is ever booked twice or outside a shift."""

from dataclasses import dataclass
from random import Random
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, func, insert, select, update

from identsync.clinic.clock import minute_now
from identsync.clinic.contract import clinic_appointment, clinic_branch, clinic_patient, clinic_shift, clinic_staff
from identsync.demo.clinic.generate import LENGTHS, texts

STEP = 5
"""Appointments begin at multiples of so many minutes."""
_TRIES = 8  # doctors asked before an event is given up: one may have no free time, or nobody to cancel


@dataclass(frozen=True, slots=True)
class Lived:
    """What happened: how many appointments were booked, moved and cancelled."""

    booked: int = 0
    moved: int = 0
    cancelled: int = 0


@dataclass(frozen=True, slots=True)
class _Seat:
    branch: int
    doctor: int
    zone: str


class Life:
    """Changes the appointments of a generated clinic, the same way for the same seed and the same clinic.

    One Life at a time for a database: two would not see each other's uncommitted bookings.
    """

    def __init__(self, engine: Engine, seed: int = 1) -> None:
        self._engine = engine
        self._rng = Random(f"life {seed}")
        self._seats: list[_Seat] = []
        self._patients: dict[int, tuple[int, int]] = {}

    def step(self, n: int, now_ms: int) -> Lived:
        """Let ``n`` things happen at ``now_ms`` (epoch ms UTC) in one transaction; only the future is touched.

        Of ten, six are bookings, two moves, two cancellations. Fewer happen where everything is full or empty.
        """
        counts = {"booked": 0, "moved": 0, "cancelled": 0}
        with self._engine.begin() as connection:
            _lock(connection)
            self._know(connection)
            for _ in range(n):
                what = self._rng.choices(("booked", "moved", "cancelled"), (6, 2, 2))[0]
                act = {"booked": self._book, "moved": self._move, "cancelled": self._cancel}[what]
                counts[what] += any(act(connection, self._rng.choice(self._seats), now_ms) for _ in range(_TRIES))
        return Lived(**counts)

    def _know(self, connection: Connection) -> None:
        if not self._seats:
            self._seats = [_Seat(*row) for row in connection.execute(_SEATS)]
            self._patients = {branch: (first, last) for branch, first, last in connection.execute(_PATIENTS)}
        if not self._seats:
            raise LookupError("the clinic has no doctors")

    def _book(self, connection: Connection, seat: _Seat, now_ms: int) -> bool:
        place = self._free(connection, seat, self._rng.choice(LENGTHS), now_ms)
        if place is None:
            return False
        start, length = place
        key = (connection.execute(_LAST).scalar() or 0) + 1
        row = {
            "appointment_id": key,
            "branch_id": seat.branch,
            "doctor_id": seat.doctor,
            "patient_id": self._patient(connection, seat.branch),
            "kind": 0,
            "start_minute": start,
            "length_minutes": length,
            "changed_ms": now_ms,
        } | dict(zip(("service", "room", "comment"), texts(key, seat.doctor, 0), strict=True))
        connection.execute(_BOOK, row)
        return True

    def _move(self, connection: Connection, seat: _Seat, now_ms: int) -> bool:
        chosen = self._coming(connection, seat, now_ms)
        place = chosen and self._free(connection, seat, chosen[1], now_ms)
        if not chosen or not place:
            return False
        connection.execute(_MOVE, {"key": chosen[0], "start": place[0], "now": now_ms})
        return True

    def _cancel(self, connection: Connection, seat: _Seat, now_ms: int) -> bool:
        chosen = self._coming(connection, seat, now_ms)
        if chosen:
            connection.execute(_CANCEL, {"key": chosen[0]})
        return chosen is not None

    def _coming(self, connection: Connection, seat: _Seat, now_ms: int) -> tuple[int, int] | None:
        rows = connection.execute(_COMING, _key(seat, now_ms)).all()
        return tuple(self._rng.choice(rows)) if rows else None

    def _free(self, connection: Connection, seat: _Seat, length: int, now_ms: int) -> tuple[int, int] | None:
        """Find free time of ``length`` minutes in one of the doctor's coming shifts."""
        shifts = connection.execute(_SHIFTS, _key(seat, now_ms)).all()
        if not shifts:
            return None
        begin, minutes = self._rng.choice(shifts)
        end = begin + minutes
        at = {"branch": seat.branch, "doctor": seat.doctor, "first": begin, "after": end}
        taken = [(start, start + long) for start, long in connection.execute(_TAKEN, at)]
        begin = max(begin, minute_now(seat.zone, now_ms) + 1)
        starts = [
            at for at in range(-(-begin // STEP) * STEP, end - length + 1, STEP) if _is_free(taken, at, at + length)
        ]
        return (self._rng.choice(starts), length) if starts else None

    def _patient(self, connection: Connection, branch: int) -> int | None:
        if branch not in self._patients:
            return None
        return connection.execute(_PATIENT, {"from": self._rng.randint(*self._patients[branch])}).scalar()


def _is_free(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    return all(end <= first or last <= start for first, last in taken)


def _key(seat: _Seat, now_ms: int) -> dict[str, Any]:
    return {"branch": seat.branch, "doctor": seat.doctor, "now": minute_now(seat.zone, now_ms)}


def _lock(connection: Connection) -> None:
    """Begin as a writer on SQLite: a reader that becomes one later is refused when somebody else wrote meanwhile."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite" and not driver.in_transaction:
        driver.execute("BEGIN IMMEDIATE")


_a, _s = clinic_appointment.c, clinic_shift.c
_SEATS = (
    select(clinic_staff.c.branch_id, clinic_staff.c.doctor_id, clinic_branch.c.time_zone)
    .join(clinic_branch, clinic_branch.c.branch_id == clinic_staff.c.branch_id)
    .order_by(clinic_staff.c.branch_id, clinic_staff.c.doctor_id)
)
_PATIENTS = (
    select(clinic_patient.c.branch_id, func.min(clinic_patient.c.patient_id), func.max(clinic_patient.c.patient_id))
    .where(clinic_patient.c.branch_id.is_not(None))
    .group_by(clinic_patient.c.branch_id)
)
_PATIENT = select(func.min(clinic_patient.c.patient_id)).where(clinic_patient.c.patient_id >= bindparam("from"))
_LAST = select(func.max(_a.appointment_id))
_OF_SHIFT = (_s.branch_id == bindparam("branch"), _s.doctor_id == bindparam("doctor"))
_OF_SEAT = (_a.branch_id == bindparam("branch"), _a.doctor_id == bindparam("doctor"))
_SHIFTS = (
    select(_s.start_minute, _s.length_minutes)
    .where(*_OF_SHIFT, _s.start_minute + _s.length_minutes > bindparam("now"))
    .order_by(_s.start_minute)
)
_TAKEN = select(_a.start_minute, _a.length_minutes).where(
    *_OF_SEAT, _a.start_minute < bindparam("after"), _a.start_minute + _a.length_minutes > bindparam("first")
)
_COMING = (
    select(_a.appointment_id, _a.length_minutes)
    .where(*_OF_SEAT, _a.kind == 0, _a.start_minute > bindparam("now"))
    .order_by(_a.start_minute, _a.appointment_id)
)
_BOOK = insert(clinic_appointment)
_MOVE = (
    update(clinic_appointment)
    .where(_a.appointment_id == bindparam("key"))
    .values(start_minute=bindparam("start"), changed_ms=bindparam("now"))
)
_CANCEL = delete(clinic_appointment).where(_a.appointment_id == bindparam("key"))
