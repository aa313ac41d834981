"""The addresses of all patients as buildings: one key, one text and one count each, for a mirror and its questions.

Every row is parsed as it comes; of its text nothing stays but the building's, without the flat.
"""

cimport cython
from cpython.buffer cimport PyBUF_READ
from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from libc.stdint cimport INT64_MIN, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

from bits cimport fetch, hash64, le64
from pages cimport pages
from rows cimport integer

from array import array

from identsync.core.address import Address
from identsync.core.columns import Columns

cdef enum:
    WIDE = 2048  # digits of a first, coarse sort
    WIDE_BITS = 11
    MAX_DAY = 0x7FFFFFFF
    AHEAD = 16  # buildings asked for before they are read
    RING = 8  # rows on their way into the table: a power of two
    LATE = 6  # rows that come in between: each asks for memory that the one before it needs


cdef extern from "Python.h":
    Py_ssize_t PyUnicode_GetLength(object text) except -1
    object PyUnicode_Substring(object text, Py_ssize_t start, Py_ssize_t end)
    uint32_t *PyUnicode_AsUCS4(object text, uint32_t *buffer, Py_ssize_t room, int end_with_null) except NULL
    object PyUnicode_DecodeUTF8(const char *octets, Py_ssize_t size, const char *errors)


include "pairs.pxi"
include "hashes.pxi"
include "vocabulary.pxi"
include "letters.pxi"
include "reading.pxi"
include "spelling.pxi"
include "units.pxi"


cdef struct Building:
    int64_t key
    int64_t at  # of its text in the arena
    int32_t size
    int32_t count
    int32_t newest
    uint8_t shown
    uint8_t kind
    uint8_t confidence


cdef struct Coming:
    int64_t key
    Py_ssize_t row
    int32_t day
    int32_t size
    uint8_t shown
    uint8_t kind
    uint8_t confidence
    uint8_t[ROOM] text


cdef object view_of(const void *data, Py_ssize_t size, str code):
    """A read-only view of a copy."""
    return memoryview(PyBytes_FromStringAndSize(<const char *>data, size)).cast(code)


cdef object lent(const int64_t *values, Py_ssize_t n):
    """A view of plain memory, for as long as that lasts."""
    return PyMemoryView_FromMemory(<char *>values, n * 8, PyBUF_READ).cast("q")


@cython.final
cdef class Register:
    """Rows of patients, and the buildings where they live."""

    cdef Work *work
    cdef City *cities
    cdef dict branches  # id -> place in cities
    cdef _Pairs rows  # patient, key; in their order
    cdef _Pairs index  # key, place in buildings; sorted
    cdef bint settled
    cdef Building *buildings_
    cdef Py_ssize_t n
    cdef Py_ssize_t room
    cdef int32_t *slots  # a hash table: places in buildings, -1 for none
    cdef uint64_t mask
    cdef uint8_t *arena
    cdef int64_t filled
    cdef int64_t arena_room
    cdef Coming *ring
    cdef uint64_t pushed
    cdef uint64_t entered
    cdef readonly Py_ssize_t collided

    def __cinit__(self, cities):
        cdef Py_ssize_t i
        cdef int size
        cdef list known_cities = sorted((integer(branch), city) for branch, city in dict(cities).items())
        self.rows = _Pairs()
        self.index = _Pairs()
        self.branches = {0: 0}
        self.work = <Work *>malloc(sizeof(Work))
        self.cities = <City *>calloc(len(known_cities) + 1, sizeof(City))
        self.ring = <Coming *>calloc(RING, sizeof(Coming))
        if self.work == NULL or self.cities == NULL or self.ring == NULL:
            raise MemoryError
        for i, (branch, city) in enumerate(known_cities, 1):
            size = units_of(city, self.work.units)
            self.branches[branch] = i
            take_city(&self.cities[i], &self.work.letters, self.work.units, size)
        self._widen(1024)

    def __dealloc__(self):
        free(self.work)
        free(self.cities)
        free(self.buildings_)
        free(self.slots)
        free(self.arena)
        free(self.ring)

    def __repr__(self):
        return f"Register({self.rows.size} patients, {self.n} buildings)"

    def __len__(self):
        return self.n

    # ---- rows

    def add(self, rows):
        cdef Py_ssize_t number = -1
        cdef Py_ssize_t before = self.rows.size
        cdef bint reading = False
        try:
            for row in rows:
                number += 1
                reading = True
                if len(row) != 4:
                    raise ValueError(f"row {number} has {len(row)} values, not 4")
                if type(row) is tuple:
                    self._add((<tuple>row)[0], (<tuple>row)[1], (<tuple>row)[2], (<tuple>row)[3])
                else:
                    self._add(row[0], row[1], row[2], row[3])
                reading = False
        except (TypeError, OverflowError, LookupError):
            if not reading:
                raise
            raise ValueError(f"row {number} is not (patient, branch, address, day)") from None
        finally:
            self._arrive(0)
        return self.rows.size - before

    cdef int _add(self, object patient, object branch, object address, object newest) except -1:
        cdef int64_t id_ = integer(patient)
        cdef int64_t day = -1 if newest is None else integer(newest)
        cdef Fields *fields = &self.work.fields
        cdef Py_ssize_t place = self.branches.get(branch, self.branches[0])
        if branch is not None:
            integer(branch)
        if day > MAX_DAY:
            raise OverflowError
        self.work.fields.key = 0
        if address is not None:
            parse_units(self.work.units, units_of(address, self.work.units), self.cities + place, &self.work.letters,
                        fields)
        self.rows._hold(self.rows.size + 1)
        self.rows.first[self.rows.size] = id_
        self.rows.second[self.rows.size] = fields.key
        self.rows.size += 1
        if fields.key:
            self._push(fields, <int32_t>max(day, -1))
        return 0

    cdef int _push(self, const Fields *fields, int32_t day) except -1:
        """Let the last row come: what it needs of far memory is asked for while others are parsed."""
        cdef Coming *coming = self.ring + (self.pushed & (RING - 1))
        coming.key, coming.row, coming.day, coming.size = fields.key, self.rows.size - 1, day, fields.text_size
        coming.shown, coming.kind, coming.confidence = fields.shown, fields.kind, <uint8_t>fields.confidence
        memcpy(coming.text, fields.text, fields.text_size)
        fetch(self.slots + (<uint64_t>coming.key & self.mask))
        if self.n:
            fetch(self._first(self.ring[(self.pushed - 2) & (RING - 1)].key))
            fetch(self.arena + self._first(self.ring[(self.pushed - 4) & (RING - 1)].key).at)
        self.pushed += 1
        return self._arrive(LATE)

    cdef int _arrive(self, uint64_t late) except -1:
        """Enter the rows that have come, all but the last few."""
        while self.pushed - self.entered > late:
            self.entered += 1
            self._enter(self.ring + ((self.entered - 1) & (RING - 1)))
        return 0

    cdef int _enter(self, const Coming *coming) except -1:
        """Count a patient in his building."""
        cdef uint64_t slot = <uint64_t>coming.key & self.mask
        cdef Building *building
        while self.slots[slot] >= 0:
            building = self.buildings_ + self.slots[slot]
            if building.key == coming.key:
                if self._same(building, coming):
                    building.count += 1
                    building.newest = max(building.newest, coming.day)
                else:
                    self.rows.second[coming.row] = 0
                    self.collided += 1
                return 0
            slot = (slot + 1) & self.mask
        return self._build(coming, slot)

    cdef bint _same(self, const Building *building, const Coming *coming) noexcept:
        """Whether a building is of this text, but for ё."""
        cdef const uint8_t *text = self.arena + building.at
        cdef uint8_t[2][ROOM] canon
        if building.size != coming.size:
            return False
        if memcmp(text, coming.text, coming.size) == 0:
            return True
        write_canon(text, building.size, canon[0])
        write_canon(coming.text, coming.size, canon[1])
        return memcmp(canon[0], canon[1], coming.size) == 0

    cdef int _build(self, const Coming *coming, uint64_t slot) except -1:
        """Add a building at a slot of the table that is free."""
        if self.n == self.room:
            self.room *= 2
            self.buildings_ = <Building *>grown(
                self.buildings_, self.n * sizeof(Building), self.room * sizeof(Building))
        if self.filled + coming.size > self.arena_room:
            self.arena = <uint8_t *>grown(self.arena, self.filled, self.arena_room * 2 + ROOM)
            self.arena_room = self.arena_room * 2 + ROOM
        memcpy(self.arena + self.filled, coming.text, coming.size)
        self.buildings_[self.n] = Building(
            coming.key, self.filled, coming.size, 1, coming.day, coming.shown, coming.kind, coming.confidence)
        self.slots[slot] = <int32_t>self.n
        self.filled += coming.size
        self.n += 1
        self.settled = False
        if <uint64_t>self.n * 2 > self.mask:
            self._widen(self.mask * 2 + 2)
        return 0

    cdef int _widen(self, uint64_t size) except -1:
        """Make the table so wide (a power of two)."""
        cdef int32_t *slots
        cdef uint64_t slot
        cdef Py_ssize_t i
        if self.room == 0:
            self.room = 256
            self.buildings_ = <Building *>grown(NULL, 0, self.room * sizeof(Building))
        if size > <uint64_t>1 << 31:
            raise MemoryError
        slots = <int32_t *>grown(NULL, 0, size * 4)
        free(self.slots)
        self.slots = slots
        self.mask = size - 1
        memset(slots, 0xFF, size * 4)
        for i in range(self.n):
            slot = <uint64_t>self.buildings_[i].key & self.mask
            while slots[slot] >= 0:
                slot = (slot + 1) & self.mask
            slots[slot] = <int32_t>i
        return 0

    # ---- what came of them

    @property
    def patients(self):
        return view_of(self.rows.first, self.rows.size * 8, "q")

    @property
    def keys(self):
        return view_of(self.rows.second, self.rows.size * 8, "q")

    cdef int _settle(self) except -1:
        """Sort the buildings by their keys."""
        cdef Py_ssize_t i
        if self.settled:
            return 0
        self.index.size = 0
        self.index._hold(self.n + 1)
        for i in range(self.n):
            self.index.first[i] = self.buildings_[i].key
            self.index.second[i] = i
        self.index.size = self.n
        sort_hashes(self.index, _Pairs())
        self.settled = True
        return 0

    @property
    def buildings(self):
        self._settle()
        return view_of(self.index.first, self.n * 8, "q")

    @property
    def counts(self):
        return self._column(False)

    @property
    def newest(self):
        return self._column(True)

    cdef object _column(self, bint newest):
        cdef bytes made = PyBytes_FromStringAndSize(NULL, self.n * 4)
        cdef int32_t *to = <int32_t *>PyBytes_AsString(made)
        cdef const Building *building
        cdef Py_ssize_t i
        self._settle()
        for i in range(self.n):
            building = self.buildings_ + self.index.second[i]
            to[i] = building.newest if newest else building.count
        return memoryview(made).cast("i")

    def desired(self, salt):
        cdef uint64_t seed = <uint64_t>integer(salt)
        cdef _Pairs digests = _Pairs()
        cdef uint64_t word
        cdef Py_ssize_t i
        self._settle()
        if self.n == 0:
            return Columns()
        digests._hold(self.n)
        for i in range(self.n):
            word = le64(<uint64_t>self.index.first[i])
            digests.first[i] = <int64_t>hash64(&word, 8, seed)
        return Columns.from_buffers(lent(self.index.first, self.n), lent(digests.first, self.n))

    def queue(self, const int64_t[::1] keys not None, int32_t span, uint64_t seed):
        cdef Py_ssize_t n = keys.shape[0]
        cdef _Pairs line = _Pairs()
        cdef const Building *building
        cdef uint64_t word
        cdef Py_ssize_t i
        if span < 1:
            raise ValueError("a span has no days")
        line._hold(n + 1)
        for i in range(n):
            if i + AHEAD < n:
                fetch(self.slots + (<uint64_t>keys[i + AHEAD] & self.mask))
            if i + AHEAD // 2 < n and self.n:
                fetch(self._first(keys[i + AHEAD // 2]))
            building = self._find(keys[i])
            word = le64(<uint64_t>keys[i])
            if building == NULL:
                line.first[i] = -MAX_DAY - 1
            else:
                line.first[i] = 1 if building.newest < 0 else -(building.newest // span)
            line.first[i] = <int64_t>(<uint64_t>line.first[i] << 32 | hash64(&word, 8, seed) >> 32)
            line.second[i] = keys[i]
        line.size = n
        if n:
            sort_pairs(line)
        made = array("q")
        made.frombytes(PyMemoryView_FromMemory(<char *>line.second, n * 8, PyBUF_READ))
        return made

    # ---- one building, and many

    cdef const Building *_find(self, int64_t key) noexcept:
        cdef uint64_t slot = <uint64_t>key & self.mask
        while self.slots[slot] >= 0:
            if self.buildings_[self.slots[slot]].key == key:
                return self.buildings_ + self.slots[slot]
            slot = (slot + 1) & self.mask
        return NULL

    cdef const Building *_first(self, int64_t key) noexcept:
        """The building in the slot where a key's own should be."""
        cdef int32_t at = self.slots[<uint64_t>key & self.mask]
        return self.buildings_ + (at if at >= 0 else 0)

    cdef const Building *_building(self, object key) except NULL:
        cdef const Building *building = NULL
        if -(1 << 63) <= key < (1 << 63):
            building = self._find(key)
        if building == NULL:
            raise KeyError(key)
        return building

    def __contains__(self, key):
        return -(1 << 63) <= key < (1 << 63) and self._find(key) != NULL

    def text(self, key):
        cdef const Building *building = self._building(key)
        return PyUnicode_DecodeUTF8(<char *>self.arena + building.at, building.size, NULL)

    def address(self, key):
        cdef const Building *building = self._building(key)
        cdef list parts = self.text(key).split(", ")
        cdef dict fields = {}
        cdef str kind
        for name, bit in (("region", HAS_REGION), ("district", HAS_DISTRICT), ("city", HAS_CITY), ("place", HAS_PLACE),
                          ("street", HAS_STREET), ("house", HAS_HOUSE)):
            fields[name] = parts.pop(0) if building.shown & bit else ""
        if fields["street"] and building.kind != UNKNOWN_KIND:
            kind = spelled(FULL[STREET][building.kind])
            fields["street_kind"], fields["street"] = kind, fields["street"][len(kind) + 1:]
        return Address(key=building.key, confidence=building.confidence, text=self.text(key), **fields)

    def batch(self, const int64_t[::1] keys not None):
        """No octet of a text needs an escape: the parser lets through letters, digits and ' ,-./' alone."""
        cdef Py_ssize_t n = keys.shape[0]
        cdef Py_ssize_t size = 2 + max(n - 1, 0)
        cdef Py_ssize_t i
        cdef const Building **found = <const Building **>malloc((n + 1) * sizeof(void *))
        cdef bytes made
        if found == NULL:
            raise MemoryError
        try:
            for i in range(min(n, AHEAD)):
                fetch(self.slots + (<uint64_t>keys[i] & self.mask))
            for i in range(min(n, AHEAD // 2)):
                fetch(self._first(keys[i]))
            for i in range(n):
                if i + AHEAD < n:
                    fetch(self.slots + (<uint64_t>keys[i + AHEAD] & self.mask))
                if i + AHEAD // 2 < n:
                    fetch(self._first(keys[i + AHEAD // 2]))
                found[i] = self._find(keys[i])
                if found[i] == NULL:
                    raise KeyError(keys[i])
                size += found[i].size + 2
                if i < AHEAD:
                    fetch(self.arena + found[i].at)
            made = PyBytes_FromStringAndSize(NULL, size)
            write_array(PyBytes_AsString(made), found, n, self.arena)
            return made
        finally:
            free(found)


cdef void write_array(char *to, const Building **found, Py_ssize_t n, const uint8_t *arena) noexcept nogil:
    """Write texts as a JSON array; what is far in memory is asked for some texts before."""
    cdef Py_ssize_t i, size
    to[0] = c'['
    to += 1
    for i in range(n):
        if i + AHEAD < n:
            fetch(arena + found[i + AHEAD].at)
        size = found[i].size
        to[0] = c'"'
        memcpy(to + 1, arena + found[i].at, size)
        to[size + 1] = c'"'
        to[size + 2] = c','
        to += size + 3
    to[0 if n == 0 else -1] = c']'


cdef void *grown(void *memory, size_t used, size_t size) except NULL:
    """Memory of this size, in large pages where it can be, with what was there; the old is freed."""
    cdef void *moved = pages(size)
    if moved == NULL:
        raise MemoryError
    if used:
        memcpy(moved, memory, used)
    free(memory)
    return moved


cdef str spelled(Spelled word):
    return PyUnicode_DecodeUTF8(<char *>OCTETS + word.at, word.size, NULL)
