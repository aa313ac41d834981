"""Events of doctors' calendars: rows of appointments and shifts in, sorted (key, digest) columns out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self, final

from typing_extensions import Buffer

from identsync.core.columns import Columns

APPOINTMENT: Final[int]
"""What an event is of: 0, a visit; its id is the appointment's."""
RESERVE: Final[int]
"""1, reserved time; its id is the appointment's."""
SHIFT: Final[int]
"""2, working time; its id is the UTC minute of its start."""
BUSY: Final[int]
"""3, a merged run of visits and reserves; its id is the UTC minute of its start."""

LONGEST: Final[int]
"""Minutes of the longest row that is believed: 366 days."""
MARGIN: Final[int]
"""Days of its zone table that a window needs before its first and behind its last day: 367."""

@final
class Events:
    """The events of some doctors in some branches, and the columns that a mirror compares.

    ``scope`` is part of every key (0..2**31-1). ``doctors`` are those whose rows count. ``windows`` gives for each
    branch (first day, days, zone table): days since 1970-01-01, and rows of four int64 as the timetable's body wants
    them (see payload), beginning MARGIN days before the window and ending MARGIN days behind it. ``merged``: visits
    and reserves become busy runs.

    What happens to awkward rows, decided once:

    - of a doctor or branch that is not here, of length zero or less or over LONGEST, of a kind that is neither 0 nor 1,
      wholly outside the branch's window: ignored and counted;
    - what reaches into the window is an event of full length, never clipped: a clipped one would change every day;
    - overlapping, nested and touching rows are events of their own; merged, one run, over all branches of the doctor;
    - a row across midnight is one event;
    - times are wall minutes since 1970-01-01 00:00 and become UTC by the branch's zone: a minute that happens twice
      means its first time; one that never happens the instant as far behind the switch as on the wall; where that
      leaves a row without any time (it lies in the gap), it keeps its length. So an event keeps its clock time, and
      lasts an hour more or less where clocks are changed within it;
    - rows with one key (an id that comes twice, shifts that begin at once): the earliest, then the longest, then the
      one whose text has the lesser hash, the later change, the lesser branch; the others are counted as ``repeated``.
      The order of rows never matters;
    - any 64-bit numbers may come.

    A key is XXH64 of four little-endian int64: scope, doctor, what, id. A digest is XXH64, seeded with the salt, of the
    UTC minute of the start, the minutes to the end and the hash of the texts. ValueError for ids, days or tables out of
    range, TypeError for what is not an integer. Not for two threads at once.
    """

    def __new__(
        cls,
        scope: int,
        doctors: Iterable[int],
        windows: Mapping[int, tuple[int, int, Buffer]],
        merged: bool = False,
    ) -> Self: ...
    def add_appointments(self, rows: Iterable[Sequence[object]]) -> int:
        """Add rows (branch, doctor, id, kind, start, length, changed, texts...); returns how many were ignored.

        ``changed`` is any number, kept and given back, no part of the digest. Texts are str or None (as good as an
        empty one), as many as there are, kept where there are any. ValueError names the number of a row that is not
        so; the rows before it stay added.
        """
    def add_shifts(self, rows: Iterable[Sequence[object]]) -> int:
        """Add rows (branch, doctor, start_minute, length_minutes); returns how many were ignored, errors as above."""
    def add_appointment_columns(
        self,
        branch: Buffer,
        doctor: Buffer,
        ids: Buffer,
        kind: Buffer,
        start: Buffer,
        length: Buffer,
        changed: Buffer,
    ) -> int:
        """Add appointments without texts from seven int64 buffers of equal size, without the GIL."""
    def add_shift_columns(self, branch: Buffer, doctor: Buffer, start: Buffer, length: Buffer) -> int:
        """Add shifts from four int64 buffers of equal size, without the GIL."""
    @property
    def ignored(self) -> int:
        """Rows ignored so far."""
    @property
    def repeated(self) -> int:
        """Rows that gave way to another of the same key, when the columns were last made."""
    def columns(self, salt: int) -> Columns:
        """Make the columns of all rows so far; ``salt`` is a signed 64-bit number that is part of every digest."""
    def __len__(self) -> int:
        """How many events there are."""
    def get(self, key: int) -> tuple[int, int, int, int, int, int, int] | None:
        """Return (what, branch, doctor, id, UTC minute of the start, minutes, changed) of an event, or None."""
    def texts(self, key: int) -> tuple[str | None, ...]:
        """Return the texts of an event as they came; () where there are none."""
    def start(self, key: int) -> int:
        """Return the UTC minute in which an event starts; KeyError where there is none."""
    def doctor(self, key: int) -> int:
        """Return the doctor of an event; KeyError where there is none."""
    def counts(self, minute: int) -> dict[int, int]:
        """Count by doctor the events that end after a UTC minute; doctors without any are left out."""
