"""What a strict site demands of a PostTimeTable body (source: facts/ident-http.md, 'POST /PostTimeTable')."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

_START = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00[+-]\d\d:\d\d")
_LONGEST_BUSY = 720
_SHOWN = 20


class Named(msgspec.Struct, rename="pascal", forbid_unknown_fields=True, gc=False):
    """A doctor or a branch of the body."""

    id: int
    name: str


class Interval(msgspec.Struct, rename="pascal", forbid_unknown_fields=True, gc=False):
    """One interval of the body; ``start_date_time`` is kept as text, its spelling is checked too."""

    doctor_id: int
    branch_id: int
    start_date_time: str
    length_in_minutes: int
    is_busy: bool


class Timetable(msgspec.Struct, rename="pascal", forbid_unknown_fields=True):
    """The whole body; all three lists are always there."""

    doctors: list[Named]
    branches: list[Named]
    intervals: list[Interval]


@dataclass(slots=True)
class _Seat:
    """Where the last interval of one doctor in one branch ended, in minutes UTC."""

    end: int
    busy: int = 0  # length of the busy run that ends there, 0 = it was free time


class BadBody(Exception):
    """The body is refused; ``reasons`` are sentences for people, the first twenty of them."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


def read_timetable(body: bytes, grid: int = 15) -> Timetable:
    """Decode and check a body; ``grid`` = minutes of a free cell. Raises :class:`BadBody` with the reasons."""
    try:
        timetable = msgspec.json.decode(body, type=Timetable)
    except msgspec.DecodeError as error:
        raise BadBody([f"not the JSON of a timetable: {error}"]) from None
    except RecursionError:
        raise BadBody(["not the JSON of a timetable: nested too deep"]) from None
    reasons = []
    for reason in _problems(timetable, grid):
        reasons.append(reason)
        if len(reasons) == _SHOWN:
            break
    if reasons:
        raise BadBody(reasons)
    return timetable


def _problems(timetable: Timetable, grid: int) -> Iterator[str]:
    yield from _named("Doctors", timetable.doctors)
    yield from _named("Branches", timetable.branches)
    doctors = {row.id for row in timetable.doctors}
    branches = {row.id for row in timetable.branches}
    seats: dict[tuple[int, int], _Seat] = {}
    seen: set[tuple[int, int, int]] = set()
    order = _Order()
    for index, row in enumerate(timetable.intervals):
        where = f"Intervals[{index}]"
        if row.doctor_id not in doctors:
            yield f"{where}: DoctorId {row.doctor_id} is not declared in Doctors"
        if row.branch_id not in branches:
            yield f"{where}: BranchId {row.branch_id} is not declared in Branches"
        start = _minute(row.start_date_time)
        if start is None:
            yield f"{where}: StartDateTime {row.start_date_time[:40]!r} is not YYYY-MM-DDTHH:mm:00+hh:mm"
            continue
        order.see(row, start)
        yield from _length(where, row, grid)
        key = (row.branch_id, row.doctor_id, start)
        if key in seen:
            yield f"{where}: the same doctor, branch and start were there already"
        seen.add(key)
        yield from _follows(where, seats, row, start)
    if not (order.doctors or order.branches):
        yield "Intervals: not sorted by DoctorId, then StartDateTime"


def _named(what: str, rows: list[Named]) -> Iterator[str]:
    seen: set[int] = set()
    for index, row in enumerate(rows):
        if row.id <= 0:
            yield f"{what}[{index}]: Id {row.id} is not positive"
        if row.id in seen:
            yield f"{what}[{index}]: Id {row.id} is declared twice"
        if not row.name.strip():
            yield f"{what}[{index}]: no Name"
        seen.add(row.id)


def _minute(text: str) -> int | None:
    if not _START.fullmatch(text):
        return None
    try:
        return int(datetime.fromisoformat(text).timestamp()) // 60
    except ValueError:
        return None


def _length(where: str, row: Interval, grid: int) -> Iterator[str]:
    length = row.length_in_minutes
    if length <= 0:
        yield f"{where}: LengthInMinutes {length} is not positive"
    elif not row.is_busy and length != grid:
        yield f"{where}: free time of {length} minutes; one record per cell of {grid}"
    elif length % grid or length > _LONGEST_BUSY:
        yield f"{where}: busy time of {length} minutes; multiples of {grid} up to {_LONGEST_BUSY}"
    if int(row.start_date_time[11:13]) * 60 % grid + int(row.start_date_time[14:16]) % grid:
        yield f"{where}: StartDateTime is not on the grid of {grid} minutes"


def _follows(where: str, seats: dict[tuple[int, int], _Seat], row: Interval, start: int) -> Iterator[str]:
    """Overlap with the interval before it, and busy runs that should have been one record."""
    end = start + max(row.length_in_minutes, 0)
    busy = row.length_in_minutes if row.is_busy else 0
    seat = seats.get((row.branch_id, row.doctor_id))
    if seat is None:
        seats[row.branch_id, row.doctor_id] = _Seat(end, busy)
        return
    if start < seat.end:
        yield f"{where}: overlaps the interval before it, or stands before it"
    midnight = row.start_date_time[11:16] == "00:00"
    if busy and seat.busy and start == seat.end and seat.busy < _LONGEST_BUSY and not midnight:
        yield f"{where}: busy time is not merged with the run before it"
    seat.end, seat.busy = max(end, seat.end), busy


class _Order:
    """Whether intervals came by doctor and start; in a body of several branches, branch by branch is in order too."""

    def __init__(self) -> None:
        self._by_doctor = self._by_branch = (0, 0, 0)
        self.doctors = self.branches = True

    def see(self, row: Interval, start: int) -> None:
        by_doctor, by_branch = (row.doctor_id, start, 0), (row.branch_id, row.doctor_id, start)
        self.doctors &= by_doctor >= self._by_doctor
        self.branches &= by_branch >= self._by_branch
        self._by_doctor, self._by_branch = by_doctor, by_branch
