"""The bytes of the timetable on the wire, written straight from boards."""

from collections.abc import Iterator, Mapping
from typing import Self, final

from typing_extensions import Buffer

from identsync.core.board import Boards

@final
class TimetableBody:
    """The body of IDENT's PostTimeTable, as compact JSON bytes without a Python object per interval.

    ``{"Doctors":[{"Id":..,"Name":..}],"Branches":[..],"Intervals":[{"DoctorId":..,"BranchId":..,"StartDateTime":
    "2026-05-12T10:00:00+03:00","LengthInMinutes":15,"IsBusy":false},..]}``: all three arrays always present; doctors
    and branches sorted by id; intervals sorted by doctor, then wall-clock start, then branch. A free cell is one
    interval of ``grid`` minutes, a busy run is merged within its day and cut after every 720 minutes.

    ``doctors`` and ``branches`` give the names; every doctor and branch of the boards' seats needs one, others are
    written as well. Names are any strings that UTF-8 can hold. ``chunk`` is the size of the reused buffer, 4096..2**30.

    ``zones`` gives for each branch of the seats an int64 buffer of ``days`` x 4 numbers, one row a day:

    - [0] offset of the local time from UTC in minutes, at the start of the day;
    - [1] wall minute of the day (0..1440) from which the second offset holds; 1440 = no switch on this day;
    - [2] the offset from then on;
    - [3] how many wall minutes from [1] on do not exist (spring forward), 0 otherwise.

    Where the clock is set back, an ambiguous minute has the first offset (PEP 495's fold=0): [1] is the first minute
    that is no longer ambiguous (03:00 when 03:00 becomes 02:00). Cells that touch minutes that do not exist are left
    out, and a busy run ends before them and starts anew behind them. A run keeps its wall-clock length and the offset
    of its start. A gap over midnight is two rows: the end of one day and the start of the next.

    The boards are read anew on every pass; whoever changes them between length() and chunks() gets other lengths.
    ValueError for a missing name or zone, a buffer of the wrong type or size, an offset of 24 hours or more, a lone
    surrogate in a name. TypeError for things that are not what the signature says.
    """

    def __new__(
        cls,
        boards: Boards,
        doctors: Mapping[int, str],
        branches: Mapping[int, str],
        zones: Mapping[int, Buffer],
        chunk: int = 262144,
    ) -> Self: ...
    def chunks(self) -> Iterator[memoryview]:
        """Write the body piece by piece: read-only views of ONE reused buffer, each valid until the next step."""
    def tobytes(self) -> bytes:
        """Return the whole body as new bytes."""
    def length(self) -> int:
        """Return the exact length of the body in bytes, without writing it."""
    def count(self) -> int:
        """Count the intervals of the body, without writing it."""
    @property
    def intervals(self) -> int:
        """How many intervals the body has (the same as count())."""
