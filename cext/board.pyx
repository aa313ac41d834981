"""A day's schedule as bits: building boards, free cells, busy runs, the difference of two snapshots.

Memory of one Boards, in this order and never resized: seat by seat, day by day, the words of ``working`` then the words
of ``busy``. A comparison of two equal windows is therefore one stream through both.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from libc.stdint cimport INT64_MAX, int64_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from bitmap cimport fill, has, next_one, next_zero, spell
from bits cimport ctz64, fetch, hash64, le64, load64, ones, popcount64, store64
from rows cimport integer

from array import array

GRIDS = (5, 10, 15, 20, 30, 60)
LONGEST_RUN = 720

cdef enum:
    MINUTES = 1440
    MAX_RUN = 720
    WORKING = 0
    BUSY = 1
    MAX_WORDS = 5
    MAX_SHORT = 96  # cells of the longest board of two words
    HEADER = 56
    AHEAD = 128  # rows asked for before they are read

cdef int64_t MAX_ID = 0x7FFFFFFF
cdef int64_t FIRST_DAY = -719162  # 0001-01-01
cdef int64_t LAST_DAY = 2932896  # 9999-12-31
cdef int64_t MAX_BYTES = 1 << 31
cdef bytes MAGIC = b"IDSBRD\x01\n"


cdef inline int64_t signed(uint64_t value) noexcept nogil:
    return <int64_t>value


cdef int64_t id_of(object value, str what) except -1:
    cdef int64_t number
    try:
        number = integer(value)
    except OverflowError:
        number = -1
    if number < 0 or number > MAX_ID:
        raise ValueError(f"{what} {value!r} is not in 0..2**31-1")
    return number


cdef object int64_array(Py_ssize_t size):
    return array("q", bytes(8)) * size


cdef set ids_of(object ids):
    return None if ids is None else set(ids)


@cython.final
cdef class Boards:
    """The boards of some seats over consecutive days: which cells are working time and which are busy."""

    cdef int64_t *keys
    cdef uint64_t *bits
    cdef Py_ssize_t size  # seats
    cdef int64_t start  # first day
    cdef int64_t span  # days
    cdef int64_t minutes  # in a cell
    cdef int64_t a_day  # cells in a day
    cdef int64_t wide  # words in a bitmap
    cdef uint64_t inverse  # ceil(2**20 / minutes): cell = minute * inverse >> 20, exact for minutes up to 1500

    def __cinit__(self, seats, first_day, days, grid):
        if grid not in GRIDS:
            raise ValueError(f"a grid of {grid!r} minutes is not one of {GRIDS}")
        self.minutes = grid
        if not (FIRST_DAY <= first_day <= LAST_DAY):
            raise ValueError("first_day is outside the years 1..9999")
        if not (0 <= days <= LAST_DAY + 1 - first_day):
            raise ValueError("days is negative or the window leaves the years 1..9999")
        self.start = integer(first_day)
        self.span = integer(days)
        self.a_day = MINUTES // self.minutes
        self.wide = (self.a_day + 63) >> 6
        self.inverse = ((1 << 20) + self.minutes - 1) // self.minutes
        self._seat(sorted(dict.fromkeys([id_of(b, "branch") << 32 | id_of(d, "doctor") for b, d in seats])))

    cdef int _seat(self, list keys) except -1:
        """Take the seats' sorted keys and make the boards, all of them zero."""
        cdef Py_ssize_t i
        self.size = len(keys)
        if self.size * self.span > MAX_BYTES // (16 * self.wide):
            raise ValueError("boards of more than 2 GiB")
        self.keys = <int64_t *>malloc(8 * self.size + 8)
        self.bits = <uint64_t *>calloc(self._words() + 1, 8)
        if self.keys == NULL or self.bits == NULL:
            raise MemoryError
        for i in range(self.size):
            self.keys[i] = keys[i]
        return 0

    def __dealloc__(self):
        free(self.keys)
        free(self.bits)

    def __getbuffer__(self, Py_buffer *view, int flags):
        """Lend the bitmaps as read-only bytes, for the kernels that write payloads."""
        PyBuffer_FillInfo(view, self, self.bits, self._words() * 8, 1, flags)

    cdef inline int64_t _words(self) noexcept nogil:
        return self.size * self.span * 2 * self.wide

    cdef inline uint64_t *_board(self, int64_t seat, int64_t day) noexcept nogil:
        return self.bits + (seat * self.span + day) * 2 * self.wide

    @property
    def first_day(self):
        return self.start

    @property
    def days(self):
        return self.span

    @property
    def grid(self):
        return self.minutes

    @property
    def cells(self):
        return self.a_day

    @property
    def words(self):
        return self.wide

    @property
    def nbytes(self):
        return self._words() * 8

    @property
    def seats(self):
        return [(self.keys[i] >> 32, self.keys[i] & MAX_ID) for i in range(self.size)]

    def __len__(self):
        return self.size * self.span

    def __repr__(self):
        return f"Boards({self.size} seats, {self.span} days from {self.start}, {self.minutes} minutes)"

    def __eq__(self, other):
        if not isinstance(other, Boards):
            return NotImplemented
        return self._same(<Boards>other)

    __hash__ = None

    cdef bint _same(self, Boards other):
        cdef int64_t i
        if (self.size, self.start, self.span, self.minutes) != (other.size, other.start, other.span, other.minutes):
            return False
        for i in range(self.size):
            if self.keys[i] != other.keys[i]:
                return False
        for i in range(self._words()):
            if self.bits[i] != other.bits[i]:
                return False
        return True

    # ---- building

    cdef object _add_rows(self, object rows, int plane):
        cdef int64_t branch, doctor, start, length, seat
        cdef int64_t hint = 0
        cdef Py_ssize_t number = -1
        cdef Py_ssize_t ignored = 0
        cdef bint reading = False
        try:
            for row in rows:
                number += 1
                reading = True
                if len(row) != 4:
                    raise ValueError(f"row {number} has {len(row)} values, not 4")
                if type(row) is tuple:
                    branch = integer((<tuple>row)[0])
                    doctor = integer((<tuple>row)[1])
                    start = integer((<tuple>row)[2])
                    length = integer((<tuple>row)[3])
                else:
                    branch = integer(row[0])
                    doctor = integer(row[1])
                    start = integer(row[2])
                    length = integer(row[3])
                reading = False
                seat = find(self, branch, doctor, hint)
                if seat < 0:
                    ignored += 1
                    continue
                hint = seat
                ignored += place(self, seat, plane, start, length)
        except (TypeError, OverflowError, LookupError) as error:
            if not reading:
                raise
            raise ValueError(f"row {number} is not four 64-bit integers: {error}") from None
        return ignored

    cdef object _add_columns(
        self, const int64_t[::1] branch, const int64_t[::1] doctor,
        const int64_t[::1] start, const int64_t[::1] length, int plane,
    ):
        cdef Py_ssize_t n = branch.shape[0]
        cdef Py_ssize_t ignored
        if doctor.shape[0] != n or start.shape[0] != n or length.shape[0] != n:
            raise ValueError("the four columns are not of one size")
        if n == 0:
            return 0
        with nogil:
            ignored = place_all(self, &branch[0], &doctor[0], &start[0], &length[0], n, plane)
        return ignored

    def add_shifts(self, rows):
        return self._add_rows(rows, WORKING)

    def add_busy(self, rows):
        return self._add_rows(rows, BUSY)

    def add_shift_columns(self, branch, doctor, start, length):
        return self._add_columns(branch, doctor, start, length, WORKING)

    def add_busy_columns(self, branch, doctor, start, length):
        return self._add_columns(branch, doctor, start, length, BUSY)

    # ---- reading

    def counts(self):
        cdef int64_t _board, j
        cdef int64_t working = 0
        cdef int64_t busy = 0
        cdef int64_t idle = 0
        cdef const uint64_t *p = self.bits
        with nogil:
            for _board in range(self.size * self.span):
                for j in range(self.wide):
                    working += popcount64(p[j])
                    busy += popcount64(p[self.wide + j])
                    idle += popcount64(p[j] & ~p[self.wide + j])
                p += 2 * self.wide
        return working, busy, idle

    def digest(self, first_seat, last_seat, salt):
        cdef int64_t first = first_seat
        cdef int64_t last = last_seat
        cdef int64_t seed = salt
        cdef int64_t i
        cdef uint64_t head[3]
        cdef uint64_t key, h
        if not (0 <= first <= last <= self.size):
            raise ValueError("no such seats")
        head[0] = le64(<uint64_t>self.start)
        head[1] = le64(<uint64_t>self.span)
        head[2] = le64(<uint64_t>self.minutes)
        with nogil:
            h = hash64(head, 24, <uint64_t>seed)
            for i in range(first, last):
                key = le64(<uint64_t>self.keys[i])
                h = hash64(&key, 8, h)
                h = self._hash_words(i, h)
        return signed(h)

    cdef uint64_t _hash_words(self, int64_t seat, uint64_t seed) noexcept nogil:
        return hash64(self._board(seat, 0), <uint64_t>(self.span * 2 * self.wide) * 8, seed)

    def select(self, branches, doctors):
        cdef set b = ids_of(branches)
        cdef set d = ids_of(doctors)
        cdef list chosen = [i for i, seat in enumerate(self.seats)
                            if (b is None or seat[0] in b) and (d is None or seat[1] in d)]
        cdef list seats = self.seats
        cdef Boards copy = Boards([seats[i] for i in chosen], self.start, self.span, self.minutes)
        cdef int64_t size = self.span * 2 * self.wide
        cdef int64_t to, i
        for to, i in enumerate(chosen):
            memcpy(copy.bits + to * size, self.bits + i * size, size * 8)
        return copy

    def coarsen(self, grid):
        cdef Boards copy = Boards(self.seats, self.start, self.span, grid)
        if copy.minutes % self.minutes != 0:
            raise ValueError(f"a grid of {copy.minutes} minutes is no multiple of {self.minutes}")
        with nogil:
            self._coarsen(copy)
        return copy

    cdef void _coarsen(self, Boards copy) noexcept nogil:
        cdef int64_t _board, cell, sub
        cdef int64_t ratio = copy.minutes // self.minutes
        cdef int working, busy
        cdef const uint64_t *old = self.bits
        cdef uint64_t *new = copy.bits
        for _board in range(self.size * self.span):
            for cell in range(copy.a_day):
                working = 1
                busy = 0
                for sub in range(cell * ratio, (cell + 1) * ratio):
                    working &= has(old, sub)
                    busy |= has(old + self.wide, sub)
                new[cell >> 6] |= <uint64_t>working << (cell & 63)
                new[copy.wide + (cell >> 6)] |= <uint64_t>busy << (cell & 63)
            old += 2 * self.wide
            new += 2 * copy.wide

    def strip(self, branch, doctor, day):
        cdef int64_t seat = find(self, id_of(branch, "branch"), id_of(doctor, "doctor"), 0)
        cdef int64_t at, i
        cdef uint64_t *board
        if seat < 0 or not (self.start <= day < self.start + self.span):
            raise ValueError(f"no board of branch {branch}, doctor {doctor}, day {day}")
        at = day - self.start
        board = self._board(seat, at)
        return (bytes([has(board, i) for i in range(self.a_day)]),
                bytes([has(board + self.wide, i) for i in range(self.a_day)]))

    def runs(self):
        cdef int64_t n = 0
        cdef int64_t i
        cdef int64_t[::1] branch, doctor, start, length, busy
        cdef tuple columns
        with nogil:
            for i in range(self.size * self.span):
                n = self._run(i, n, NULL, NULL, NULL, NULL, NULL)
        columns = tuple([int64_array(n) for _ in range(5)])
        if n == 0:
            return columns
        branch, doctor, start, length, busy = columns
        i = n
        with nogil:
            n = 0
            for i in range(self.size * self.span):
                n = self._run(i, n, &branch[0], &doctor[0], &start[0], &length[0], &busy[0])
        return columns

    cdef int64_t _run(
        self, int64_t board, int64_t n,
        int64_t *branch, int64_t *doctor, int64_t *start, int64_t *length, int64_t *busy,
    ) noexcept nogil:
        """Write (or, without columns, count) the runs of one board from place n on; return the next place."""
        cdef const uint64_t *working = self.bits + board * 2 * self.wide
        cdef const uint64_t *taken = working + self.wide
        cdef uint64_t either[MAX_WORDS]
        cdef int64_t cell = 0
        cdef int64_t end, w
        cdef int64_t seat = board // self.span
        cdef int64_t base = (self.start + board % self.span) * MINUTES
        cdef int is_busy
        for w in range(self.wide):
            either[w] = working[w] | taken[w]
        while True:
            cell = next_one(either, cell, self.a_day)
            if cell == self.a_day:
                return n
            is_busy = has(taken, cell)
            end = cell + 1
            if is_busy:
                end = next_zero(taken, cell, self.a_day)
                if end - cell > MAX_RUN // self.minutes:
                    end = cell + MAX_RUN // self.minutes
            if branch != NULL:
                branch[n] = self.keys[seat] >> 32
                doctor[n] = self.keys[seat] & MAX_ID
                start[n] = base + cell * self.minutes
                length[n] = (end - cell) * self.minutes
                busy[n] = is_busy
            n += 1
            cell = end

    def busy_spans(self, int64_t[::1] edges not None):
        return self._spans(edges, 0, ~<uint64_t>0)

    def free_spans(self, int64_t[::1] edges not None):
        return self._spans(edges, ~<uint64_t>0, 0)

    cdef object _spans(self, int64_t[::1] edges, uint64_t working, uint64_t flip):
        """Write the edges of either busy (0, ~0) or working-and-not-busy (~0, 0) spans."""
        cdef int64_t room = edges.shape[0]
        cdef int64_t n
        with nogil:
            n = self._edges(&edges[0] if room else NULL, room, working, flip)
        return n // 2

    cdef int64_t _edges(self, int64_t *edges, int64_t room, uint64_t working, uint64_t flip) noexcept nogil:
        """Spell out each board's bits that differ from the cell before; count on when there is no more room."""
        cdef const uint64_t *p = self.bits
        cdef int64_t n = 0
        cdef int64_t board, w
        cdef uint64_t x, carry
        cdef uint64_t edge[MAX_WORDS + 1]
        for board in range(self.size * self.span):
            carry = 0
            for w in range(self.wide):
                x = (p[w] | ~working) & (p[self.wide + w] ^ ~flip)
                edge[w] = x ^ (x << 1 | carry)
                carry = x >> 63
            edge[self.wide] = 0
            n = spell(edge, self.wide, board * self.a_day, edges, n, room)
            p += 2 * self.wide
        return n

    def difference(self, other):
        return Difference(self, other)

    # ---- packing

    def pack(self):
        return pack_boards(self)

    @staticmethod
    def unpack(data):
        return unpack_boards(memoryview(data).cast("B"))


include "placing.pxi"
include "packing.pxi"
include "difference.pxi"
