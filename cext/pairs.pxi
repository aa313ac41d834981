# Growing pairs of columns, and how they are sorted. Part of columns.pyx and of events.pyx.


cdef class _Pairs:
    """Growing pairs of columns in plain memory, freed with the object."""

    cdef int64_t *first
    cdef int64_t *second
    cdef Py_ssize_t size
    cdef Py_ssize_t room

    def __dealloc__(self):
        free(self.first)
        free(self.second)

    cdef int _hold(self, Py_ssize_t room) except -1 nogil:
        """Make room for so many pairs."""
        cdef int64_t *moved
        if room <= self.room:
            return 0
        if room < self.room * 2:
            room = self.room * 2
        moved = <int64_t *>(realloc(self.first, room * 8) if self.first else pages(room * 8))
        if moved == NULL:
            with gil:
                raise MemoryError
        self.first = moved
        moved = <int64_t *>(realloc(self.second, room * 8) if self.second else pages(room * 8))
        if moved == NULL:
            with gil:
                raise MemoryError
        self.second = moved
        self.room = room
        return 0


cdef int64_t unsorted_at(const int64_t *keys, Py_ssize_t n) noexcept nogil:
    """The first index whose key is not above the one before it, or n."""
    cdef Py_ssize_t i
    for i in range(1, n):
        if keys[i] <= keys[i - 1]:
            return i
    return n


cdef void radix_pass(
    const int64_t *keys, const int64_t *values, int64_t *to_keys, int64_t *to_values,
    Py_ssize_t *places, Py_ssize_t n, int shift, Py_ssize_t digits,
) noexcept nogil:
    """Move pairs to their places by one digit of the key (a power of two); ``places`` are the counts of that digit."""
    cdef Py_ssize_t i, at
    cdef Py_ssize_t sum_ = 0
    cdef Py_ssize_t count
    for i in range(digits):
        count = places[i]
        places[i] = sum_
        sum_ += count
    for i in range(n):
        at = ((<uint64_t>keys[i] ^ <uint64_t>INT64_MIN) >> shift) & (digits - 1)
        to_keys[places[at]] = keys[i]
        to_values[places[at]] = values[i]
        places[at] += 1


cdef void exchange(_Pairs pairs, _Pairs other) noexcept nogil:
    """Swap the memory of two."""
    cdef int64_t *first = pairs.first
    cdef int64_t *second = pairs.second
    pairs.first = other.first
    pairs.second = other.second
    other.first = first
    other.second = second


cdef int sort_pairs(_Pairs pairs) except -1:
    """Sort pairs by key in place: radix sort, least byte first, bytes that are all equal skipped."""
    cdef _Pairs other = _Pairs()
    cdef Py_ssize_t counts[8][256]
    cdef Py_ssize_t i, n
    cdef int byte
    cdef uint64_t key
    n = pairs.size
    other._hold(pairs.room)
    with nogil:
        memset(counts, 0, sizeof(counts))
        for i in range(n):
            key = <uint64_t>pairs.first[i] ^ <uint64_t>INT64_MIN
            for byte in range(8):
                counts[byte][(key >> (8 * byte)) & 255] += 1
        for byte in range(8):
            key = <uint64_t>pairs.first[0] ^ <uint64_t>INT64_MIN
            if counts[byte][(key >> (8 * byte)) & 255] == n:
                continue
            radix_pass(pairs.first, pairs.second, other.first, other.second, counts[byte], n, 8 * byte, 256)
            exchange(pairs, other)
    pairs.room = other.room = min(pairs.room, other.room)
    return 0
