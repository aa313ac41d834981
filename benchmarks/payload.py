"""The timetable's body: boards in, bytes out, beside orjson on dicts that are ready and on dicts that must be built."""

from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson

from benchmarks.harness import OURS, Result, Work, measure
from identsync.core.board import Boards
from identsync.core.payload import TimetableBody

FIRST_DAY = 20_600
DAYS = 14
OFFSET = 180
CHUNK = 262_144  # what the body's own buffer holds


def boards(branches: int) -> Boards:
    """Make 36 free quarter hours a doctor and day, with one busy run in the middle."""
    seats = [(branch, branch * 100 + doctor) for branch in range(1, branches + 1) for doctor in range(20)]
    made = Boards(seats, FIRST_DAY, DAYS, 15)
    days = range(FIRST_DAY, FIRST_DAY + DAYS)
    made.add_shifts((*seat, day * 1440 + 540, 570) for seat in seats for day in days)
    made.add_busy((*seat, day * 1440 + 780, 30) for seat in seats for day in days)
    return made


def run(*, quick: bool) -> Iterator[Result]:
    """Write a million intervals (a tenth with ``quick``)."""
    made = boards(10 if quick else 100)
    doctors = {doctor: f"Врач {doctor}" for _, doctor in made.seats}
    branches = {branch: f"Филиал {branch}" for branch, _ in made.seats}
    zone = array("q", [OFFSET, 1440, OFFSET, 0] * DAYS)
    body = TimetableBody(made, doctors, branches, dict.fromkeys(branches, zone))
    whole = body.tobytes()
    ready, target = build(made), bytearray(len(whole))
    head = {"Doctors": [{"Id": key, "Name": name} for key, name in doctors.items()],
            "Branches": [{"Id": key, "Name": name} for key, name in branches.items()]}  # fmt: skip
    assert orjson.loads(whole)["Intervals"] == sorted(ready, key=lambda one: (one["DoctorId"], one["StartDateTime"]))

    def copy() -> None:
        memoryview(target)[:] = whole

    def copy_chunks() -> None:
        source, chunk = memoryview(whole), memoryview(target)[:CHUNK]
        for at in range(0, len(whole), CHUNK):
            piece = source[at : at + CHUNK]
            chunk[: len(piece)] = piece

    contenders: dict[str, Work] = {
        OURS: lambda: sum(len(chunk) for chunk in body.chunks()),
        "orjson, dicts ready": lambda: orjson.dumps({**head, "Intervals": ready}),
        "orjson, dicts built": lambda: orjson.dumps({**head, "Intervals": build(made)}),
        "floor:memcpy": copy,
        "floor:memcpy, one chunk reused": copy_chunks,
    }
    yield from measure("payload", f"{body.count():,} intervals", contenders, items=body.count(), size=len(whole))


def build(made: Boards) -> list[dict[str, Any]]:
    """Build from columns what most people would hand to orjson."""
    epoch, zone = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None), timezone(timedelta(minutes=OFFSET))
    return [
        {"DoctorId": doctor, "BranchId": branch,
         "StartDateTime": (epoch + timedelta(minutes=start)).replace(tzinfo=zone).isoformat(),
         "LengthInMinutes": length, "IsBusy": bool(busy)}
        for branch, doctor, start, length, busy in zip(*made.runs(), strict=True)
    ]  # fmt: skip
