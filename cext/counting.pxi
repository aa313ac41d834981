# Counting patients under a filter, and summing that by cell, street, ring and house. Part of census.pyx.


@cython.final
cdef class Count:
    """What one filter finds, building by building; cells, rings and points are summed from it."""

    cdef Census census
    cdef Tally *sums
    cdef int64_t[SUMS] totals
    cdef readonly int64_t people
    cdef readonly int64_t new
    cdef readonly int64_t revenue

    def __dealloc__(self):
        free(self.sums)

    cdef int _open(self, Census census) except -1:
        self.census = census
        self.sums = <Tally *>zeroed(census.n_places, sizeof(Tally))
        return 0

    cdef void _run(self, const Wanted *wanted) noexcept nogil:
        cdef Person *person = self.census.people
        cdef Py_ssize_t i
        cdef int precision
        cdef Tally *sum_
        for i in range(self.census.size):
            if not fits(person + i, wanted) or (wanted.among and not wanted.among[i]):
                continue
            self.people += 1
            self.revenue += person[i].revenue
            if person[i].first >= wanted.new_from:
                self.new += 1
            if person[i].building < 0:
                self.totals[HOMELESS] += 1
                continue
            sum_ = self.sums + person[i].building
            sum_.people += 1
            sum_.revenue += person[i].revenue
            sum_.new += person[i].first >= wanted.new_from
        for i in range(self.census.n_places):
            precision = self.census.places[i].precision
            self.totals[WAITING if precision < 0 else precision] += self.sums[i].people

    @property
    def by_precision(self):
        return tuple([self.totals[i] for i in range(PRECISIONS)])

    @property
    def waiting(self):
        return self.totals[WAITING]

    @property
    def without(self):
        return self.totals[HOMELESS]

    def cells(self, resolution, rough=True):
        cdef int level = FINE - resolution
        cdef Py_ssize_t i, n
        cdef Sum *sums
        cdef list made = []
        if not 0 <= level < LEVELS:
            raise ValueError(f"resolution {resolution} is not in {FINE - LEVELS + 1}..{FINE}")
        n = self.census.n_cells[level]
        sums = <Sum *>zeroed(n, sizeof(Sum))
        try:
            self._cells(level, sums, rough)
            for i in range(n):
                if sums[i].people:
                    made.append((
                        self.census.cells[level][i], sums[i].people, sums[i].new, sums[i].revenue, sums[i].rough,
                        sums[i].latitude, sums[i].longitude,
                    ))
        finally:
            free(sums)
        return made

    cdef void _cells(self, int level, Sum *sums, bint rough):
        cdef Place *place = self.census.places
        cdef Sum *sum_
        cdef Py_ssize_t i
        cdef int32_t *up = self.census.up[level]
        with nogil:
            for i in range(self.census.n_places):
                if place[i].cell < 0 or self.sums[i].people == 0 or (place[i].precision <= STREET_ and not rough):
                    continue
                sum_ = sums + up[place[i].cell]
                sum_.people += self.sums[i].people
                sum_.new += self.sums[i].new
                sum_.revenue += self.sums[i].revenue
                sum_.latitude = place[i].latitude
                sum_.longitude = place[i].longitude
                if place[i].precision <= STREET_:
                    sum_.rough += self.sums[i].people

    def rings(self):
        cdef Py_ssize_t i, at
        cdef int64_t[8] within
        cdef list made = []
        for i in range(self.census.n_points):
            memset(within, 0, sizeof(within))
            for at in range(self.census.near_from[i], self.census.near_from[i + 1]):
                within[self.census.near[at].ring] += self.sums[self.census.near[at].building].people
            for at in range(1, self.census.n_rings):
                within[at] += within[at - 1]
            made.append(tuple([within[at] for at in range(self.census.n_rings)]))
        return made

    def streets(self):
        cdef Py_ssize_t i
        cdef Py_ssize_t n = self.census.n_streets
        cdef int64_t *people
        cdef list made = []
        if n == 0:
            return made
        people = <int64_t *>zeroed(n, 8)
        for i in range(self.census.n_places):
            if self.census.street[i] >= 0:
                people[self.census.street[i]] += self.sums[i].people
        for i in range(n):
            if people[i]:
                made.append((i, people[i]))
        free(people)
        return made

    def points(self, south, west, north, east, most):
        cdef int64_t low = south
        cdef int64_t left = west
        cdef int64_t high = north
        cdef int64_t right = east
        cdef Py_ssize_t i
        cdef Py_ssize_t limit = most
        cdef Place *place = self.census.places
        cdef list made = []
        for i in range(self.census.n_places):
            if self.sums[i].people == 0 or place[i].precision <= STREET_ or place[i].cell < 0:
                continue
            if low <= place[i].latitude <= high and left <= place[i].longitude <= right:
                made.append((place[i].latitude, place[i].longitude, self.sums[i].people, self.sums[i].new))
                if len(made) >= limit:
                    break
        return made


cdef inline bint fits(const Person *person, const Wanted *wanted) noexcept nogil:
    if wanted.first and not (person.first != UNKNOWN and wanted.first_from <= person.first <= wanted.first_to):
        return False
    if wanted.born and not (person.born != UNKNOWN and wanted.born_from <= person.born <= wanted.born_to):
        return False
    if wanted.sexes and not (wanted.sexes >> person.sex) & 1:
        return False
    if wanted.branches and not wanted.branches[person.branch]:
        return False
    return not wanted.sources or wanted.sources[person.source]
