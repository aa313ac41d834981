"""The events of doctors' calendars as sorted (key, digest) columns, made of rows of appointments and shifts.

Rows are turned into UTC and filtered as they come, hashed and sorted when the columns are asked for; until then no row
costs a Python object beyond what the driver made of it.
"""

cimport cython
from cpython.buffer cimport PyBUF_READ
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport INT64_MIN, int32_t, int64_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from bits cimport hash64, le64
from pages cimport pages
from rows cimport integer

from identsync.core.columns import Columns

APPOINTMENT, RESERVE, SHIFT, BUSY = range(4)
LONGEST = 366 * 1440
MARGIN = 367

cdef enum:
    MINUTES = 1440
    LONGEST_ = 366 * 1440
    MARGIN_ = 367
    SHIFT_ = 2
    BUSY_ = 3
    MAX_DAYS = 40000
    WIDE = 2048  # digits of a first, coarse sort
    WIDE_BITS = 11

cdef int64_t MAX_ID = 0x7FFFFFFF
cdef int64_t FIRST_DAY = -719162 + MARGIN_  # 0001-01-01, and the margin
cdef int64_t LAST_DAY = 2932896 - MARGIN_  # 9999-12-31

include "known.pxi"
include "pairs.pxi"
include "hashes.pxi"


cdef struct Row:
    int64_t id
    int64_t start  # UTC minute
    uint64_t text
    int64_t changed
    int32_t length  # as time goes by, not on the wall
    int32_t doctor
    int32_t branch
    int32_t what


cdef struct Place:
    int64_t first  # wall minutes of the window
    int64_t after
    const int64_t *zone  # four numbers a day, from MARGIN days before the window to as many behind it


cdef int64_t id_of(object value, str what) except -1:
    cdef int64_t number
    try:
        number = integer(value)
    except OverflowError:
        number = -1
    if number < 0 or number > MAX_ID:
        raise ValueError(f"{what} {value!r} is not in 0..2**31-1")
    return number


cdef inline int64_t offset_at(const Place *place, int64_t minute) noexcept nogil:
    """The offset of a wall minute: of the first where there are two, of the one before where there is none."""
    cdef int64_t since = minute - place.first + MARGIN_ * MINUTES
    cdef const int64_t *day = place.zone + since // MINUTES * 4
    return day[0] if since % MINUTES < day[1] + day[3] else day[2]


cdef object lent(const int64_t *values, Py_ssize_t n):
    """A view of plain memory, for as long as that lasts."""
    return PyMemoryView_FromMemory(<char *>values, n * 8, PyBUF_READ).cast("q")


cdef inline bint better(const Row *a, const Row *b) noexcept nogil:
    """Of two rows with one key: the earlier, then the longer; the others decide the rest, so that order never does."""
    if a.start != b.start:
        return a.start < b.start
    if a.length != b.length:
        return a.length > b.length
    if a.text != b.text:
        return a.text < b.text
    if a.changed != b.changed:
        return a.changed > b.changed
    return a.branch < b.branch


@cython.final
cdef class Events:
    """Rows that become events, and the columns of them."""

    cdef int64_t scope
    cdef bint merged
    cdef bint settled  # index and shown are those of the rows
    cdef Place *places
    cdef int64_t *zones
    cdef Ids branches  # where each one's place is
    cdef Ids doctors
    cdef Py_ssize_t n_doctors
    cdef Row *rows
    cdef Py_ssize_t size
    cdef Py_ssize_t room
    cdef Row *runs  # busy runs and shifts, where merged
    cdef Row *shown  # rows or runs
    cdef Py_ssize_t n_shown
    cdef _Pairs index  # key, place in shown; sorted
    cdef _Pairs spare  # memory to sort and hash in
    cdef list told  # texts by place in rows, where there are any
    cdef readonly Py_ssize_t ignored
    cdef readonly Py_ssize_t repeated

    def __cinit__(self, scope, doctors, windows, merged=False):
        self.scope = id_of(scope, "scope")
        self.merged = merged
        self.index = _Pairs()
        self.spare = _Pairs()
        self._open_doctors(sorted({id_of(one, "doctor") for one in doctors}))
        self._open_places(sorted([(id_of(branch, "branch"), window) for branch, window in dict(windows).items()]))

    cdef int _open_doctors(self, list ids) except -1:
        cdef Py_ssize_t i
        self.n_doctors = len(ids)
        open_ids(&self.doctors, self.n_doctors)
        for i in range(self.n_doctors):
            note_id(&self.doctors, ids[i], i)
        return 0

    cdef int _open_places(self, list windows) except -1:
        cdef Py_ssize_t i
        cdef int64_t total = 0
        for _branch, (first_day, days, _zone) in windows:
            if not (0 <= days <= MAX_DAYS and FIRST_DAY <= first_day <= LAST_DAY - days):
                raise ValueError("a window of negative length, over 40,000 days, or outside the years 2..9998")
            total += days + 2 * MARGIN_
        if windows and max(w[0] + w[1] for _, w in windows) - min(w[0] for _, w in windows) > MAX_DAYS:
            raise ValueError("windows of over 40,000 days")
        self.places = <Place *>calloc(len(windows) + 1, sizeof(Place))
        self.zones = <int64_t *>calloc(4 * total + 1, 8)
        if self.places == NULL or self.zones == NULL:
            raise MemoryError
        open_ids(&self.branches, len(windows))
        total = 0
        for i, (branch, (first_day, days, zone)) in enumerate(windows):
            self.places[i] = Place(first_day * MINUTES, (first_day + days) * MINUTES, self.zones + total)
            total += self._open_zone(self.zones + total, zone, 4 * (days + 2 * MARGIN_))
            note_id(&self.branches, branch, i)
        return 0

    cdef int64_t _open_zone(self, int64_t *to, const int64_t[::1] zone, int64_t size) except -1:
        """Copy a zone table and believe nothing of it."""
        cdef int64_t i
        if zone is None or zone.shape[0] != size:
            raise ValueError("a zone table that is not the window's and MARGIN days on either side")
        for i in range(0, size, 4):
            if not (-MINUTES < zone[i] < MINUTES and -MINUTES < zone[i + 2] < MINUTES
                    and 0 <= zone[i + 1] <= MINUTES and 0 <= zone[i + 3] <= MINUTES):
                raise ValueError("a zone table with impossible numbers")
        memcpy(to, &zone[0], size * 8)
        return size

    def __dealloc__(self):
        free(self.places)
        free(self.zones)
        free(self.branches.slots)
        free(self.doctors.slots)
        free(self.rows)
        free(self.runs)

    # ---- rows

    cdef int _hold(self, Py_ssize_t room) except -1 nogil:
        cdef Row *moved
        if room <= self.room:
            return 0
        if room < self.room * 2:
            room = self.room * 2
        moved = <Row *>(realloc(self.rows, room * sizeof(Row)) if self.rows else pages(room * sizeof(Row)))
        if moved == NULL:
            with gil:
                raise MemoryError
        self.rows = moved
        self.room = room
        return 0

    def add_appointments(self, rows):
        return take_rows(self, rows, False)

    def add_shifts(self, rows):
        return take_rows(self, rows, True)

    def add_appointment_columns(
        self, const int64_t[::1] branch not None, const int64_t[::1] doctor not None, const int64_t[::1] ids not None,
        const int64_t[::1] kind not None, const int64_t[::1] start not None, const int64_t[::1] length not None,
        const int64_t[::1] changed not None,
    ):
        cdef Py_ssize_t n = branch.shape[0]
        cdef Py_ssize_t before = self.size
        cdef Py_ssize_t i
        if (doctor.shape[0], ids.shape[0], kind.shape[0]) != (n, n, n) \
                or (start.shape[0], length.shape[0], changed.shape[0]) != (n, n, n):
            raise ValueError("the seven columns are not of one size")
        with nogil:
            self._hold(self.size + n)
            for i in range(n):
                if kind[i] != SHIFT_:
                    take(self, branch[i], doctor[i], kind[i], ids[i], start[i], length[i], changed[i], 0)
        self.ignored += n - (self.size - before)
        return n - (self.size - before)

    def add_shift_columns(
        self, const int64_t[::1] branch not None, const int64_t[::1] doctor not None,
        const int64_t[::1] start not None, const int64_t[::1] length not None,
    ):
        cdef Py_ssize_t n = branch.shape[0]
        cdef Py_ssize_t before = self.size
        cdef Py_ssize_t i
        if (doctor.shape[0], start.shape[0], length.shape[0]) != (n, n, n):
            raise ValueError("the four columns are not of one size")
        with nogil:
            self._hold(self.size + n)
            for i in range(n):
                take(self, branch[i], doctor[i], SHIFT_, 0, start[i], length[i], 0, 0)
        self.ignored += n - (self.size - before)
        return n - (self.size - before)

    # ---- columns

    cdef int _settle(self) except -1:
        """Merge where asked, hash the identities, sort, and decide between rows of one key."""
        if self.settled:
            return 0
        self.shown = self.rows
        self.n_shown = self.size
        if self.merged:
            merge(self)
        self.index.size = 0
        self.index._hold(self.n_shown + 1)
        with nogil:
            self._identify()
        sort_hashes(self.index, self.spare)
        with nogil:
            self.repeated = self._single()
        self.settled = True
        return 0

    cdef void _identify(self) noexcept nogil:
        cdef uint64_t words[4]
        cdef Py_ssize_t i
        words[0] = le64(<uint64_t>self.scope)
        for i in range(self.n_shown):
            words[1] = le64(<uint64_t>self.shown[i].doctor)
            words[2] = le64(<uint64_t>self.shown[i].what)
            words[3] = le64(<uint64_t>self.shown[i].id)
            self.index.first[i] = <int64_t>hash64(words, 32, 0)
            self.index.second[i] = i
        self.index.size = self.n_shown

    cdef Py_ssize_t _single(self) noexcept nogil:
        """Leave one row a key; return how many went."""
        cdef int64_t *k = self.index.first
        cdef int64_t *v = self.index.second
        cdef Py_ssize_t n = 0
        cdef Py_ssize_t i
        for i in range(self.index.size):
            if n and k[n - 1] == k[i]:
                if better(self.shown + v[i], self.shown + v[n - 1]):
                    v[n - 1] = v[i]
                continue
            k[n] = k[i]
            v[n] = v[i]
            n += 1
        i = self.index.size - n
        self.index.size = n
        return i

    def columns(self, salt):
        cdef int64_t seed = integer(salt)
        cdef _Pairs digests = self.spare
        cdef Py_ssize_t i, n
        self._settle()
        n = self.index.size
        if n == 0:
            return Columns()
        digests._hold(self.n_shown)
        with nogil:
            self._digest(digests.second, <uint64_t>seed)
            for i in range(n):
                digests.first[i] = digests.second[self.index.second[i]]
        return Columns.from_buffers(lent(self.index.first, n), lent(digests.first, n))

    cdef void _digest(self, int64_t *to, uint64_t seed) noexcept nogil:
        """Hash all rows in their own order, which is that of memory; the sorted one would wait for each."""
        cdef uint64_t words[3]
        cdef const Row *row
        cdef Py_ssize_t i
        for i in range(self.n_shown):
            row = self.shown + i
            words[0] = le64(<uint64_t>row.start)
            words[1] = le64(<uint64_t>row.length)
            words[2] = le64(row.text)
            to[i] = <int64_t>hash64(words, 24, seed)

    # ---- what is behind a key

    cdef const Row *_row(self, object key) except? NULL:
        cdef Py_ssize_t low = 0
        cdef Py_ssize_t left, half
        cdef int64_t wanted
        self._settle()
        left = self.index.size
        if left == 0 or not -(1 << 63) <= key < (1 << 63):
            return NULL
        wanted = key
        while left > 1:
            half = left >> 1
            if self.index.first[low + half] <= wanted:
                low += half
            left -= half
        return self.shown + self.index.second[low] if self.index.first[low] == wanted else NULL

    def __len__(self):
        self._settle()
        return self.index.size

    def __repr__(self):
        return f"Events({self.size} rows, {self.n_doctors} doctors)"

    def get(self, key):
        cdef const Row *row = self._row(key)
        if row == NULL:
            return None
        return row.what, row.branch, row.doctor, row.id, row.start, row.length, row.changed

    def texts(self, key):
        cdef const Row *row = self._row(key)
        if row == NULL or self.merged or self.told is None or row - self.rows >= len(self.told):
            return ()
        return self.told[row - self.rows]

    def start(self, key):
        cdef const Row *row = self._row(key)
        if row == NULL:
            raise KeyError(key)
        return row.start

    def doctor(self, key):
        cdef const Row *row = self._row(key)
        if row == NULL:
            raise KeyError(key)
        return row.doctor

    def counts(self, minute):
        cdef int64_t since = minute
        cdef dict found = {}
        cdef Py_ssize_t i
        cdef const Row *row
        self._settle()
        for i in range(self.index.size):
            row = self.shown + self.index.second[i]
            if row.start + row.length > since:
                found[row.doctor] = found.get(row.doctor, 0) + 1
        return found


include "taking.pxi"
include "runs.pxi"
