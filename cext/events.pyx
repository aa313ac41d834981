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

include "pairs.pxi"


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
    int64_t branch
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


@cython.boundscheck(True)
cdef uint64_t text_of(object row, Py_ssize_t first) except? 0:
    """Hash the strings of a row from ``first`` on; None is as good as an empty one."""
    cdef const uint8_t[::1] view
    cdef uint64_t h = 1
    cdef Py_ssize_t i
    cdef bytes text
    for i in range(first, len(row)):
        value = row[i]
        if value is None:
            value = ""
        if not isinstance(value, str):
            raise TypeError(f"a {type(value).__name__} for a text")
        text = (<str>value).encode("utf-8", "surrogatepass")
        view = text
        h = hash64(&view[0] if view.shape[0] else NULL, <uint64_t>view.shape[0], h)
    return h


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


cdef int sort_hashes(_Pairs pairs, _Pairs other) except -1:
    """Sort pairs by keys that are hashes: two passes by their first 22 bits, the rest by insertion."""
    cdef Py_ssize_t counts[2][WIDE]
    cdef Py_ssize_t i
    cdef Py_ssize_t n = pairs.size
    cdef uint64_t key
    other._hold(pairs.size + 1)
    with nogil:
        memset(counts, 0, sizeof(counts))
        for i in range(n):
            key = <uint64_t>pairs.first[i] ^ <uint64_t>INT64_MIN
            counts[0][(key >> (64 - 2 * WIDE_BITS)) & (WIDE - 1)] += 1
            counts[1][key >> (64 - WIDE_BITS)] += 1
        for i in range(2):
            radix_pass(pairs.first, pairs.second, other.first, other.second, counts[i], n,
                       <int>(64 - (2 - i) * WIDE_BITS), WIDE)
            exchange(pairs, other)
    pairs.room = other.room = min(pairs.room, other.room)
    if not insert_all(pairs):
        sort_pairs(pairs)  # somebody chose ids whose hashes are alike
    return 0


cdef bint insert_all(_Pairs pairs) noexcept nogil:
    """Sort what is nearly sorted; false where it was not."""
    cdef int64_t *k = pairs.first
    cdef int64_t *v = pairs.second
    cdef int64_t key, value
    cdef Py_ssize_t left = 8 * pairs.size + 64
    cdef Py_ssize_t i, at
    for i in range(1, pairs.size):
        if k[i] >= k[i - 1]:
            continue
        key = k[i]
        value = v[i]
        at = i
        while at > 0 and k[at - 1] > key:
            k[at] = k[at - 1]
            v[at] = v[at - 1]
            at -= 1
        k[at] = key
        v[at] = value
        left -= i - at
        if left < 0:
            return False
    return True


@cython.final
cdef class Events:
    """Rows that become events, and the columns of them."""

    cdef int64_t scope
    cdef bint merged
    cdef bint settled  # index and shown are those of the rows
    cdef Place *places
    cdef int64_t *zones
    cdef Py_ssize_t n_places
    cdef int64_t *doctors
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
        self.doctors = <int64_t *>calloc(self.n_doctors + 1, 8)
        if self.doctors == NULL:
            raise MemoryError
        for i in range(self.n_doctors):
            self.doctors[i] = ids[i]
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
        total = 0
        for i, (branch, (first_day, days, zone)) in enumerate(windows):
            self.places[i] = Place(branch, first_day * MINUTES, (first_day + days) * MINUTES, self.zones + total)
            total += self._open_zone(self.zones + total, zone, 4 * (days + 2 * MARGIN_))
            self.n_places = i + 1
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
        free(self.doctors)
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

    cdef inline bint _has_doctor(self, int64_t doctor, Py_ssize_t *hint) noexcept nogil:
        cdef Py_ssize_t low = 0
        cdef Py_ssize_t left = self.n_doctors
        cdef Py_ssize_t half
        if left == 0:
            return False
        if self.doctors[hint[0]] == doctor:
            return True
        while left > 1:
            half = left >> 1
            low += half * (self.doctors[low + half] <= doctor)
            left -= half
        hint[0] = low
        return self.doctors[low] == doctor

    cdef inline const Place *_place(self, int64_t branch, Py_ssize_t *hint) noexcept nogil:
        cdef Py_ssize_t low = 0
        cdef Py_ssize_t left = self.n_places
        cdef Py_ssize_t half
        if left == 0:
            return NULL
        if self.places[hint[0]].branch == branch:
            return &self.places[hint[0]]
        while left > 1:
            half = left >> 1
            low += half * (self.places[low + half].branch <= branch)
            left -= half
        hint[0] = low
        return &self.places[low] if self.places[low].branch == branch else NULL

    cdef bint _take(
        self, int64_t branch, int64_t doctor, int64_t what, int64_t id_, int64_t start, int64_t length,
        int64_t changed, uint64_t text, Py_ssize_t *hints,
    ) noexcept nogil:
        """Add one row, for which there is room; false when it has to be ignored."""
        cdef const Place *place = self._place(branch, hints)
        cdef Row *row = self.rows + self.size
        cdef int64_t begin, end
        if place == NULL or not self._has_doctor(doctor, hints + 1):
            return False
        if not 0 <= what <= SHIFT_ or not 0 < length <= LONGEST_:
            return False
        if start >= place.after or start <= place.first - LONGEST_ or start + length <= place.first:
            return False
        begin = start - offset_at(place, start)
        end = start + length - offset_at(place, start + length)
        if end <= begin:  # it lies where clocks were put forward
            end = begin + length
        row[0] = Row(id_ if what < SHIFT_ else begin, begin, text, changed, <int32_t>(end - begin), <int32_t>doctor,
                     <int32_t>branch, <int32_t>what)
        self.size += 1
        return True

    @cython.boundscheck(True)  # a number's __index__ may shorten the row it stands in
    cdef object _add_rows(self, object rows, bint shifts):
        cdef int64_t branch, doctor, id_, kind, start, length
        cdef int64_t changed = 0
        cdef uint64_t text = 0
        cdef Py_ssize_t hints[2]
        cdef Py_ssize_t number = -1
        cdef Py_ssize_t ignored = 0
        cdef Py_ssize_t at = 2 if shifts else 4
        cdef Py_ssize_t wide
        cdef bint reading = False
        hints[0] = hints[1] = 0
        self.settled = False
        try:
            for row in rows:
                number += 1
                reading = True
                wide = len(row)
                if wide < 7 if not shifts else wide != 4:
                    raise ValueError(f"row {number} has {wide} values")
                branch = integer(row[0])
                doctor = integer(row[1])
                id_ = 0 if shifts else integer(row[2])
                kind = SHIFT_ if shifts else integer(row[3])
                start = integer(row[at])
                length = integer(row[at + 1])
                if not shifts:
                    changed = integer(row[6])
                    kind = -1 if kind == SHIFT_ else kind
                if wide > 7:
                    text = text_of(row, 7)
                reading = False
                self._hold(self.size + 1)
                if not self._take(branch, doctor, kind, id_, start, length, changed, text, hints):
                    ignored += 1
                elif wide > 7 and not self.merged:
                    self._tell(tuple(row[7:]))
        except (TypeError, OverflowError, LookupError) as error:
            if not reading:
                raise
            raise ValueError(f"row {number} is not 64-bit integers and texts: {error}") from None
        self.ignored += ignored
        return ignored

    cdef int _tell(self, tuple texts) except -1:
        """Keep the texts of the last row at its place."""
        if self.told is None:
            self.told = []
        while len(self.told) < self.size - 1:
            self.told.append(())
        self.told.append(texts)
        return 0

    def add_appointments(self, rows):
        return self._add_rows(rows, False)

    def add_shifts(self, rows):
        return self._add_rows(rows, True)

    def add_appointment_columns(
        self, const int64_t[::1] branch not None, const int64_t[::1] doctor not None, const int64_t[::1] ids not None,
        const int64_t[::1] kind not None, const int64_t[::1] start not None, const int64_t[::1] length not None,
        const int64_t[::1] changed not None,
    ):
        cdef Py_ssize_t hints[2]
        cdef Py_ssize_t n = branch.shape[0]
        cdef Py_ssize_t before = self.size
        cdef Py_ssize_t i
        if (doctor.shape[0], ids.shape[0], kind.shape[0]) != (n, n, n) \
                or (start.shape[0], length.shape[0], changed.shape[0]) != (n, n, n):
            raise ValueError("the seven columns are not of one size")
        hints[0] = hints[1] = 0
        self.settled = False
        with nogil:
            self._hold(self.size + n)
            for i in range(n):
                if kind[i] != SHIFT_:
                    self._take(branch[i], doctor[i], kind[i], ids[i], start[i], length[i], changed[i], 0, hints)
        self.ignored += n - (self.size - before)
        return n - (self.size - before)

    def add_shift_columns(
        self, const int64_t[::1] branch not None, const int64_t[::1] doctor not None,
        const int64_t[::1] start not None, const int64_t[::1] length not None,
    ):
        cdef Py_ssize_t hints[2]
        cdef Py_ssize_t n = branch.shape[0]
        cdef Py_ssize_t before = self.size
        cdef Py_ssize_t i
        if (doctor.shape[0], start.shape[0], length.shape[0]) != (n, n, n):
            raise ValueError("the four columns are not of one size")
        hints[0] = hints[1] = 0
        self.settled = False
        with nogil:
            self._hold(self.size + n)
            for i in range(n):
                self._take(branch[i], doctor[i], SHIFT_, 0, start[i], length[i], 0, 0, hints)
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
            self._merge()
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

    cdef int _merge(self) except -1:
        """Make busy runs of what overlaps or touches, doctor by doctor over all branches; shifts stay as they are."""
        cdef _Pairs order = _Pairs()
        cdef Py_ssize_t i
        cdef int64_t least = 0
        cdef Row *moved = <Row *>realloc(self.runs, (self.size + 1) * sizeof(Row))
        if moved == NULL:
            raise MemoryError
        self.runs = moved
        order._hold(self.size + 1)
        for i in range(self.size):
            least = min(least, self.rows[i].start) if i else self.rows[0].start
        self.n_shown = 0
        for i in range(self.size):
            if self.rows[i].what == SHIFT_:
                self.runs[self.n_shown] = self.rows[i]
                self.n_shown += 1
            else:
                order.first[order.size] = <int64_t>self.rows[i].doctor << 32 | (self.rows[i].start - least)
                order.second[order.size] = i
                order.size += 1
        if order.size:
            sort_pairs(order)
        with nogil:
            self._join(order)
        self.shown = self.runs
        return 0

    cdef void _join(self, _Pairs order) noexcept nogil:
        cdef const Row *row
        cdef Row *run = NULL
        cdef Py_ssize_t i
        cdef int64_t end
        for i in range(order.size):
            row = self.rows + order.second[i]
            end = row.start + row.length
            if run != NULL and run.doctor == row.doctor and row.start <= run.start + run.length \
                    and end - run.start <= 0x7FFFFFFF:
                if end > run.start + run.length:
                    run.length = <int32_t>(end - run.start)
                if row.start == run.start and row.branch < run.branch:
                    run.branch = row.branch
                continue
            run = self.runs + self.n_shown
            self.n_shown += 1
            run[0] = Row(row.start, row.start, 0, 0, row.length, row.doctor, row.branch, BUSY_)

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
