"""Boards: the schedule as bits, one pair of bitmaps (working, busy) per branch, doctor and day."""

from array import array
from collections.abc import Collection, Iterable, Sequence
from typing import Self, final

from typing_extensions import Buffer

GRIDS: tuple[int, ...]
"""The lengths a cell may have, in minutes: 5, 10, 15, 20, 30, 60."""

LONGEST_RUN: int
"""A busy run is cut after so many minutes (720: the longest interval IDENT's wire speaks of)."""

@final
class Boards:
    """The boards of some seats over consecutive days: which cells are working time and which are busy.

    A *seat* is a pair (branch_id, doctor_id), both 0..2**31-1; seats are kept sorted and unique. A *board* is one
    seat on one day: two bitmaps of 1440 / ``grid`` cells. Times are whole minutes of the branch's wall clock since
    1970-01-01 00:00, so a day has 1440 minutes always; days are counted from 1970-01-01 and lie in the years 1..9999.

    What happens to awkward rows, decided once:

    - overlapping, nested and repeated rows: the union; adding a row twice changes nothing;
    - a row across midnight goes on in the next day's board;
    - a shift is rounded inward (a cell works only if it lies wholly in *one* shift row), an appointment outward
      (a cell touched is a cell busy), so nobody is ever offered time that is not there;
    - an appointment outside any shift is kept as busy; free is "working and not busy", so it is never free;
    - length zero or less: ignored and counted; of a seat that is not here: ignored and counted; wholly outside the
      window: ignored and counted; partly outside: clipped to the window, not counted;
    - start and length may be any 64-bit numbers: the sum saturates instead of overflowing.

    Bits beyond the last cell of a board are always zero. The size never changes after construction.
    Raises ValueError for an unknown grid, ids or days out of range, or more than 2 GiB of boards; TypeError for
    things that are not integers.
    """

    def __new__(cls, seats: Iterable[tuple[int, int]], first_day: int, days: int, grid: int) -> Self: ...
    @property
    def first_day(self) -> int:
        """The first day of the window, counted from 1970-01-01."""
    @property
    def days(self) -> int:
        """How many days the window has."""
    @property
    def grid(self) -> int:
        """Minutes in a cell."""
    @property
    def cells(self) -> int:
        """Cells in a day: 1440 / grid."""
    @property
    def words(self) -> int:
        """64-bit words in one bitmap of one board."""
    @property
    def seats(self) -> list[tuple[int, int]]:
        """The seats (branch_id, doctor_id), sorted."""
    @property
    def nbytes(self) -> int:
        """Bytes the bitmaps take."""
    def __len__(self) -> int:
        """How many boards there are: seats x days."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def add_shifts(self, rows: Iterable[Sequence[int]]) -> int:
        """Add working time from rows (branch_id, doctor_id, start_minute, length_minutes), rounded inward.

        Returns how many rows were ignored. A row that is not four 64-bit integers raises ValueError naming its number;
        the rows before it stay added. Tuples are read fastest; anything with ``[0]..[3]`` will do.
        """
    def add_busy(self, rows: Iterable[Sequence[int]]) -> int:
        """Add busy time from rows (branch_id, doctor_id, start_minute, length_minutes), rounded outward.

        Returns how many rows were ignored; errors as in add_shifts.
        """
    def add_shift_columns(self, branch: Buffer, doctor: Buffer, start: Buffer, length: Buffer) -> int:
        """Add working time from four contiguous int64 buffers of equal size; returns how many rows were ignored.

        No Python object per row and no GIL. ValueError when sizes or item type differ from that, ValueError or the
        buffer's own BufferError for another layout.
        """
    def add_busy_columns(self, branch: Buffer, doctor: Buffer, start: Buffer, length: Buffer) -> int:
        """Add busy time from four contiguous int64 buffers of equal size; returns how many rows were ignored."""
    def counts(self) -> tuple[int, int, int]:
        """Count the cells that are working, busy, and free (working and not busy)."""
    def digest(self, first_seat: int, last_seat: int, salt: int) -> int:
        """Hash the boards of seats[first_seat:last_seat]: a signed 64-bit number, the same on every machine, for ever.

        It covers first_day, days, grid, the seats' ids and both bitmaps. ValueError unless
        0 <= first_seat <= last_seat <= number of seats; salt is any signed 64-bit number.
        """
    def select(self, branches: Collection[int] | None, doctors: Collection[int] | None) -> Boards:
        """Copy the seats whose branch is in ``branches`` and whose doctor is in ``doctors`` (None = all)."""
    def coarsen(self, grid: int) -> Boards:
        """Copy to a coarser grid, a multiple of this one: working inward, busy outward."""
    def strip(self, branch: int, doctor: int, day: int) -> tuple[bytes, bytes]:
        """Return one board as (working, busy), one byte of 0 or 1 a cell; ValueError when there is no such board."""
    def runs(self) -> tuple[array[int], array[int], array[int], array[int], array[int]]:
        """List free cells one by one and busy runs merged, as int64 columns sorted by seat, then start.

        Columns: branch_id, doctor_id, start_minute (wall clock since 1970-01-01), length_minutes, busy (0 or 1).
        A busy run is merged as far as it goes within its day and cut after every LONGEST_RUN minutes.
        """
    def busy_spans(self, edges: Buffer) -> int:
        """Write the maximal busy spans into a writable int64 buffer: first cell, cell behind the last, and so on.

        Cells are counted over all boards: (seat index x days + day index) x cells + cell of the day; a span ends with
        its day, and is not cut at LONGEST_RUN. Returns how many spans there are; what has no room is not written. What
        the buffer holds behind the last span is undefined.
        """
    def free_spans(self, edges: Buffer) -> int:
        """Write the maximal free spans (working and not busy) in the same way."""
    def difference(self, other: Boards) -> Difference:
        """Compare these boards (old) with ``other`` (new), cell by cell in both bitmaps.

        Days present in both windows are compared, others are not looked at; a seat on one side only counts as all
        zero on the other. ValueError when the grids differ.
        """
    def pack(self) -> bytes:
        """Return everything as bytes: versioned header, checksum, ids, bitmaps; little-endian on every machine."""
    @staticmethod
    def unpack(data: Buffer) -> Boards:
        """Read what pack() made; ValueError for anything else, truncated or changed in a single bit."""

@final
class Difference:
    """What differs between two Boards; made by Boards.difference."""

    @property
    def cells(self) -> int:
        """Cells that differ, counted in each bitmap by itself."""
    @property
    def count(self) -> int:
        """Boards that differ."""
    @property
    def boards(self) -> list[tuple[int, int, int]]:
        """The boards that differ as (branch_id, doctor_id, day), sorted; made when asked for."""
    def __bool__(self) -> bool:
        """Tell whether anything differs."""
