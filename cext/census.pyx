"""Patients as packed rows beside the places of their buildings, counted by cell, ring and building under filters.

A count is two passes: over the patients into one number a building, over the buildings into one a cell or ring.
"""

cimport cython
from libc.math cimport asin, cos, sin, sqrt
from libc.stdint cimport INT32_MIN, INT64_MIN, int32_t, int64_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from pages cimport pages
from rows cimport integer

COARSEST, FINEST = 7, 9

include "pairs.pxi"

cdef enum:
    LEVELS = 3  # resolutions 9, 8, 7
    FINE = 9
    HOUSE_ = 5
    STREET_ = 3
    PRECISIONS = 6
    WAITING = 6  # after the precisions: buildings nobody answered for, patients without a building
    HOMELESS = 7
    SUMS = 8

cdef int32_t UNKNOWN = INT32_MIN
cdef int64_t MOST_KOPECKS = 1 << 53
cdef double METRES = 6371008.8  # the earth's mean radius
cdef double RADIANS = 1.7453292519943295e-08  # of a micro-degree


cdef struct Person:
    int64_t revenue
    int32_t building
    int32_t branch
    int32_t born
    int32_t first
    int32_t source
    int32_t sex


cdef struct Place:
    int32_t latitude
    int32_t longitude
    int32_t cell  # index among the finest cells, -1 = none
    int32_t precision  # -1 = nobody answered


cdef struct Tally:  # of a building
    int64_t revenue
    int32_t people
    int32_t new


cdef struct Sum:  # of a cell
    int64_t revenue
    int32_t people
    int32_t new
    int32_t rough  # of them known to the street only
    int32_t latitude  # of one building there
    int32_t longitude
    int32_t unused


cdef struct Near:
    int32_t building
    int32_t ring


cdef struct Wanted:
    int64_t first_from
    int64_t first_to
    int64_t born_from
    int64_t born_to
    int64_t new_from
    bint first
    bint born
    int sexes
    const uint8_t *branches  # NULL = all
    const uint8_t *sources
    const uint8_t *among


cdef inline int32_t small(object value) except? -2147483648:
    """A number of 32 bits, UNKNOWN for None and for what does not fit."""
    cdef int64_t number
    if value is None:
        return UNKNOWN
    try:
        number = integer(value)
    except OverflowError:
        return UNKNOWN
    return <int32_t>number if -0x7FFFFFFF <= number <= 0x7FFFFFFF else UNKNOWN


cdef inline int64_t parent(int64_t cell, int resolution) noexcept nogil:
    """The H3 cell of a coarser resolution that holds this one: digits behind it become 7."""
    cdef int64_t below = ((<int64_t>1) << (3 * (15 - resolution))) - 1
    return (cell & ~((<int64_t>15) << 52)) | ((<int64_t>resolution) << 52) | below


cdef inline double metres(int32_t lat1, int32_t lon1, int32_t lat2, int32_t lon2) noexcept nogil:
    """The way over the sphere between two points in micro-degrees (haversine)."""
    cdef double half = (lat2 - lat1) * RADIANS / 2
    cdef double across = (<double>lon2 - <double>lon1) * RADIANS / 2
    cdef double s = sin(half)
    cdef double t = sin(across)
    cdef double a = s * s + cos(lat1 * RADIANS) * cos(lat2 * RADIANS) * t * t
    return 2 * METRES * asin(sqrt(a if a < 1 else 1))


cdef Py_ssize_t found_at(const int64_t *keys, Py_ssize_t n, int64_t key) noexcept nogil:
    """The index of a key in a sorted column, -1 where it is not there."""
    cdef Py_ssize_t low = 0
    cdef Py_ssize_t high = n
    cdef Py_ssize_t middle
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < n and keys[low] == key else -1


cdef void *grown(void *old, Py_ssize_t size) except NULL:
    cdef void *made = realloc(old, size) if old else pages(size)
    if made == NULL:
        raise MemoryError
    return made


cdef void *zeroed(Py_ssize_t n, Py_ssize_t size) except NULL:
    cdef void *made = calloc(n + 1, size)
    if made == NULL:
        raise MemoryError
    return made


@cython.final
cdef class Census:
    """Patients, the buildings they live in, where those are, and the branches round which rings are drawn."""

    cdef Person *people
    cdef int64_t *ids
    cdef Py_ssize_t size
    cdef Py_ssize_t room
    cdef int64_t *keys  # of the buildings, sorted
    cdef Place *places
    cdef Py_ssize_t n_places
    cdef int64_t *cells[LEVELS]
    cdef int32_t *up[LEVELS]  # from an index of the finest cells to one of this level
    cdef Py_ssize_t n_cells[LEVELS]
    cdef Near *near
    cdef Py_ssize_t *near_from
    cdef Py_ssize_t n_points
    cdef Py_ssize_t n_rings
    cdef dict branch_of  # branch or source number -> small index
    cdef dict source_of
    cdef int32_t *street  # of each building, -1 = none
    cdef Py_ssize_t n_streets
    cdef readonly Py_ssize_t paid

    def __cinit__(self):
        self.branch_of = {}
        self.source_of = {}

    def __dealloc__(self):
        cdef int level
        for level in range(LEVELS):
            free(self.cells[level])
            free(self.up[level])
        free(self.people)
        free(self.ids)
        free(self.keys)
        free(self.places)
        free(self.street)
        free(self.near)
        free(self.near_from)

    def __len__(self):
        return self.size

    @property
    def buildings(self):
        return self.n_places

    def add(self, rows):
        cdef Py_ssize_t before = self.size
        for row in rows:
            self._add(row)
        return self.size - before

    cdef int _add(self, row) except -1:
        cdef Person *person
        cdef int64_t patient
        identity, branch, born, sex, first, revenue = row
        patient = integer(identity)
        if self.size and patient <= self.ids[self.size - 1]:
            raise ValueError(f"patient {patient} does not come after patient {self.ids[self.size - 1]}")
        if self.size == self.room:
            self._grow()
        self.ids[self.size] = patient
        person = self.people + self.size
        person.building = -1
        person.source = 0
        person.branch = number_of(self.branch_of, 0 if branch is None else branch)
        person.born = small(born)
        person.first = small(first)
        person.sex = small(sex)
        person.sex = person.sex if person.sex == 1 or person.sex == 2 else 0
        person.revenue = 0
        if revenue is not None:
            person.revenue = max(0, min(integer(revenue), MOST_KOPECKS))
            self.paid += 1
        self.size += 1
        return 0

    cdef int _grow(self) except -1:
        cdef Py_ssize_t room = max(1024, self.room * 2)
        self.people = <Person *>grown(self.people, room * sizeof(Person))
        self.ids = <int64_t *>grown(self.ids, room * 8)
        self.room = room
        return 0

    def settle(self, keys, buildings):
        cdef const int64_t[::1] of = memoryview(keys).cast("B").cast("q")
        cdef const int64_t[::1] known = memoryview(buildings).cast("B").cast("q")
        cdef Py_ssize_t i
        cdef Py_ssize_t n = known.shape[0]
        if of.shape[0] != self.size:
            raise ValueError(f"{of.shape[0]} keys for {self.size} patients")
        if n and unsorted_at(&known[0], n) < n:
            raise ValueError("the buildings are not in ascending order")
        self._hold(&known[0] if n else NULL, n)
        with nogil:
            for i in range(self.size):
                self.people[i].building = <int32_t>found_at(self.keys, n, of[i])

    cdef int _hold(self, const int64_t *known, Py_ssize_t n) except -1:
        self.keys = <int64_t *>grown(self.keys, (n + 1) * 8)
        self.places = <Place *>grown(self.places, (n + 1) * sizeof(Place))
        if n:
            memcpy(self.keys, known, n * 8)
        self.n_places = n
        self._nowhere()
        return 0

    cdef void _nowhere(self) noexcept:
        cdef Py_ssize_t i
        cdef int level
        for i in range(self.n_places):
            self.places[i] = Place(0, 0, -1, -1)
        self.n_streets = 0
        for level in range(LEVELS):
            self.n_cells[level] = 0
        self.n_points = 0

    def sources(self, rows):
        cdef Py_ssize_t at
        cdef Py_ssize_t known = 0
        for patient, source in rows:
            at = found_at(self.ids, self.size, integer(patient))
            if at >= 0 and not self.people[at].source:
                self.people[at].source = number_of(self.source_of, source) + 1
                known += 1
        return known

    def locate(self, rows):
        cdef _Pairs found = _Pairs()
        cdef Py_ssize_t at
        cdef Py_ssize_t known = 0
        cdef Place *place
        self._nowhere()
        for key, precision, latitude, longitude, cell in rows:
            at = found_at(self.keys, self.n_places, integer(key))
            if at < 0:
                continue
            known += 1
            place = self.places + at
            place.precision = max(0, min(integer(precision), HOUSE_))
            if latitude is None or longitude is None or not cell:
                continue
            place.latitude = small(latitude)
            place.longitude = small(longitude)
            if place.precision >= STREET_:
                found._hold(found.size + 1)
                found.first[found.size] = integer(cell)
                found.second[found.size] = at
                found.size += 1
        if found.size:
            sort_pairs(found)
        self._number(found)
        return known

    cdef int _number(self, _Pairs found) except -1:
        """Number the finest cells, and of each the coarser ones that hold it."""
        cdef Py_ssize_t i
        cdef Py_ssize_t n = 0
        cdef int level
        self.cells[0] = <int64_t *>grown(self.cells[0], (found.size + 1) * 8)
        self.up[0] = <int32_t *>grown(self.up[0], (found.size + 1) * 4)
        for i in range(found.size):
            if n == 0 or self.cells[0][n - 1] != found.first[i]:
                self.cells[0][n] = found.first[i]
                self.up[0][n] = <int32_t>n
                n += 1
            self.places[found.second[i]].cell = <int32_t>(n - 1)
        self.n_cells[0] = n
        for level in range(1, LEVELS):
            self._coarser(level)
        return 0

    cdef int _coarser(self, int level) except -1:
        cdef _Pairs found = _Pairs()
        cdef Py_ssize_t i
        cdef Py_ssize_t n = self.n_cells[0]
        cdef Py_ssize_t m = 0
        found._hold(n + 1)
        found.size = n
        for i in range(n):
            found.first[i] = parent(self.cells[0][i], FINE - level)
            found.second[i] = i
        if n:
            sort_pairs(found)
        self.cells[level] = <int64_t *>grown(self.cells[level], (n + 1) * 8)
        self.up[level] = <int32_t *>grown(self.up[level], (n + 1) * 4)
        for i in range(n):
            if m == 0 or self.cells[level][m - 1] != found.first[i]:
                self.cells[level][m] = found.first[i]
                m += 1
            self.up[level][found.second[i]] = <int32_t>(m - 1)
        self.n_cells[level] = m
        return 0

    def streets(self, rows):
        cdef Py_ssize_t i, at
        self.street = <int32_t *>grown(self.street, (self.n_places + 1) * 4)
        self.n_streets = 0
        for i in range(self.n_places):
            self.street[i] = -1
        for key, number in rows:
            at = found_at(self.keys, self.n_places, integer(key))
            if at >= 0:
                self.street[at] = small(number)
                self.n_streets = max(self.n_streets, <Py_ssize_t>self.street[at] + 1)

    def rings(self, points, radii):
        cdef list wide = [float(radius) for radius in radii]
        cdef Py_ssize_t n = 0
        cdef Py_ssize_t room = 0
        if wide != sorted(wide) or not 0 < len(wide) <= 8:
            raise ValueError("one to eight radii in ascending order are wanted")
        self.n_points = 0
        self.n_rings = len(wide)
        self.near_from = <Py_ssize_t *>grown(self.near_from, (len(points) + 1) * sizeof(Py_ssize_t))
        self.near_from[0] = 0
        for i, (latitude, longitude) in enumerate(points):
            n = self._round(small(latitude), small(longitude), wide, n, &room)
            self.near_from[i + 1] = n
        self.n_points = len(points)

    cdef Py_ssize_t _round(
        self, int32_t latitude, int32_t longitude, list radii, Py_ssize_t n, Py_ssize_t *room,
    ) except -1:
        cdef double[8] radius
        cdef double far
        cdef Py_ssize_t i
        cdef int ring
        cdef int32_t reach
        for ring in range(<int>self.n_rings):
            radius[ring] = radii[ring]
        reach = <int32_t>(radius[self.n_rings - 1] / METRES / RADIANS) + 1
        for i in range(self.n_places):
            if self.places[i].precision < STREET_ or self.places[i].cell < 0:
                continue
            if self.places[i].latitude - latitude > reach or latitude - self.places[i].latitude > reach:
                continue
            far = metres(latitude, longitude, self.places[i].latitude, self.places[i].longitude)
            if far > radius[self.n_rings - 1]:
                continue
            ring = 0
            while far > radius[ring]:
                ring += 1
            if n == room[0]:
                room[0] = max(1024, room[0] * 2)
                self.near = <Near *>grown(self.near, room[0] * sizeof(Near))
            self.near[n] = Near(<int32_t>i, ring)
            n += 1
        return n

    def count(self, *, first=None, born=None, sexes=0, branches=None, sources=None, among=(), new_from=None):
        cdef Wanted wanted
        cdef bytes of_branches = chosen(self.branch_of, branches, 0)
        cdef bytes of_sources = chosen(self.source_of, sources, 1)
        cdef bytes marks = self._marks(among)
        cdef Count made = Count()
        wanted.first = first is not None
        wanted.born = born is not None
        wanted.first_from, wanted.first_to = first or (0, 0)
        wanted.born_from, wanted.born_to = born or (0, 0)
        wanted.new_from = 1 << 40 if new_from is None else new_from
        wanted.sexes = sexes
        wanted.branches = <const uint8_t *>of_branches if of_branches is not None else NULL
        wanted.sources = <const uint8_t *>of_sources if of_sources is not None else NULL
        wanted.among = <const uint8_t *>marks if marks is not None else NULL
        made._open(self)
        with nogil:
            made._run(&wanted)
        return made

    cdef bytes _marks(self, among):
        """One byte a patient: whether he is in every one of the lists; None where there are no lists."""
        cdef const int64_t[::1] ids
        cdef Py_ssize_t i, at
        cdef uint8_t *mark
        cdef int turn = 0
        if not among:
            return None
        cdef bytearray marks = bytearray(self.size + 1)
        cdef uint8_t[::1] view = marks
        mark = &view[0]
        for one in among:
            ids = memoryview(one).cast("B").cast("q")
            for i in range(ids.shape[0]):
                at = found_at(self.ids, self.size, ids[i])
                if at >= 0 and mark[at] == turn:
                    mark[at] = <uint8_t>(turn + 1)
            turn += 1
        for i in range(self.size):
            mark[i] = mark[i] == turn
        return bytes(marks)


cdef int number_of(dict numbers, value) except -1:
    cdef object known = numbers.get(value)
    if known is None:
        numbers[value] = known = len(numbers)
    return known


cdef bytes chosen(dict numbers, wanted, int shift):
    """One byte a number: whether it is wanted; None for all."""
    if wanted is None:
        return None
    cdef bytearray made = bytearray(len(numbers) + 1 + shift)
    for value in wanted:
        if value in numbers:
            made[numbers[value] + shift] = 1
        elif shift and value is None:
            made[0] = 1
    return bytes(made)


include "counting.pxi"
