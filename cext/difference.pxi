# The difference of two Boards. Part of board.pyx, so that its loops see their memory.


@cython.final
cdef class Difference:
    """What differs between two Boards; made by Boards.difference."""

    cdef int64_t *keys  # of the seats of both sides, merged
    cdef uint64_t *flags  # one bit a board: (seat, common day)
    cdef int64_t size
    cdef int64_t start
    cdef int64_t span
    cdef int64_t total

    def __cinit__(self, Boards old not None, Boards new not None):
        cdef int64_t end = min(old.start + old.span, new.start + new.span)
        if old.minutes != new.minutes:
            raise ValueError(f"grids differ: {old.minutes} and {new.minutes} minutes")
        self.start = max(old.start, new.start)
        self.span = max(end - self.start, 0)
        self.keys = <int64_t *>malloc((old.size + new.size) * 8 + 8)
        self.flags = <uint64_t *>calloc(((old.size + new.size) * self.span >> 6) + 1, 8)
        cdef uint64_t *zeros = <uint64_t *>calloc(self.span * 2 * old.wide + 1, 8)
        if self.keys == NULL or self.flags == NULL or zeros == NULL:
            free(zeros)
            raise MemoryError
        with nogil:
            self._merge(old, new, zeros)
        free(zeros)

    def __dealloc__(self):
        free(self.keys)
        free(self.flags)

    cdef void _merge(self, Boards old, Boards new, const uint64_t *zeros) noexcept nogil:
        """Walk the seats of both sides in order; a seat that one side lacks is compared with zeros."""
        cdef int64_t i = 0
        cdef int64_t j = 0
        cdef int64_t key
        cdef int64_t a = self.start - old.start
        cdef int64_t b = self.start - new.start
        cdef const uint64_t *x
        cdef const uint64_t *y
        if self.span == 0:
            return
        while i < old.size or j < new.size:
            key = INT64_MAX
            if i < old.size:
                key = old.keys[i]
            if j < new.size and new.keys[j] < key:
                key = new.keys[j]
            x = zeros
            y = zeros
            if i < old.size and old.keys[i] == key:
                x = old._board(i, a)
                i += 1
            if j < new.size and new.keys[j] == key:
                y = new._board(j, b)
                j += 1
            self.keys[self.size] = key
            self._compare(x, y, old.wide)
            self.size += 1

    cdef void _compare(self, const uint64_t *x, const uint64_t *y, int64_t wide) noexcept nogil:
        """Count the cells that differ in one seat and flag its boards."""
        cdef int64_t total = 0
        cdef int64_t at = self.size * self.span
        cdef int64_t i, j
        cdef uint64_t changed
        for i in range(self.span * 2 * wide):
            total += popcount64(x[i] ^ y[i])
        self.total += total
        if total == 0:
            return
        for i in range(self.span):
            changed = 0
            for j in range(2 * wide):
                changed |= x[j] ^ y[j]
            self.flags[at >> 6] |= <uint64_t>(changed != 0) << (at & 63)
            at += 1
            x += 2 * wide
            y += 2 * wide

    @property
    def cells(self):
        return self.total

    @property
    def count(self):
        cdef int64_t n = 0
        cdef int64_t i
        for i in range((self.size * self.span + 63) >> 6):
            n += popcount64(self.flags[i])
        return n

    @property
    def boards(self):
        cdef list boards = []
        cdef int64_t w, at
        cdef uint64_t left
        for w in range((self.size * self.span + 63) >> 6):
            left = self.flags[w]
            while left:
                at = (w << 6) + ctz64(left)
                left &= left - 1
                key = self.keys[at // self.span]
                boards.append((key >> 32, key & MAX_ID, self.start + at % self.span))
        return boards

    def __bool__(self):
        return self.total != 0
