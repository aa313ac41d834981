"""What a client itself remembers of the limiter: due times by slot, and a local pace (GCRA)."""

cimport cython
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from clock cimport monotonic_ns

cdef enum:
    MAX_SLOTS = 1 << 24

cdef int64_t FARTHEST = <int64_t>1 << 62  # a time; with the longest tolerance on top it still fits 64 bits
cdef int64_t LONGEST = <int64_t>1 << 61


def now_ms():
    return monotonic_ns() // 1000000


def now_ns():
    return monotonic_ns()


@cython.final
cdef class Memory:
    """When each slot is due, by index 0..slots-1; every slot is due at once until told otherwise."""

    cdef int64_t *dues
    cdef Py_ssize_t size

    def __cinit__(self, slots):
        cdef Py_ssize_t i
        if not 0 <= slots <= MAX_SLOTS:
            raise ValueError(f"{slots} slots are not in 0..2**24")
        self.size = slots
        self.dues = <int64_t *>calloc(self.size + 1, 8)
        if self.dues == NULL:
            raise MemoryError
        for i in range(self.size):
            self.dues[i] = -FARTHEST

    def __dealloc__(self):
        free(self.dues)

    def __len__(self):
        return self.size

    cdef inline int _inside(self, Py_ssize_t i) except -1:
        if i < 0 or i >= self.size:
            raise IndexError(f"no slot {i}")
        return 0

    def set(self, Py_ssize_t i, int64_t due_ms):
        self._inside(i)
        self.dues[i] = due_ms

    def get(self, Py_ssize_t i):
        self._inside(i)
        return self.dues[i]

    def check(self, Py_ssize_t i):
        self._inside(i)
        return self.dues[i] <= monotonic_ns() // 1000000

    def check_at(self, Py_ssize_t i, int64_t now_ms):
        self._inside(i)
        return self.dues[i] <= now_ms

    def due(self, int64_t now_ms):
        cdef Py_ssize_t i
        cdef list found = []
        for i in range(self.size):
            if self.dues[i] <= now_ms:
                found.append(i)
        return found

    def next(self):
        cdef Py_ssize_t i
        cdef int64_t earliest
        if self.size == 0:
            return None
        earliest = self.dues[0]
        for i in range(1, self.size):
            if self.dues[i] < earliest:
                earliest = self.dues[i]
        return earliest


@cython.final
cdef class Pace:
    """A steady pace with a burst, by GCRA."""

    cdef int64_t period
    cdef int64_t tolerance
    cdef int64_t most
    cdef int64_t arrival  # theoretical arrival time of the next permit
    cdef int64_t latest  # the latest time seen
    cdef bint started

    def __cinit__(self, period_ns, burst=1):
        if period_ns < 1 or burst < 1 or period_ns * burst > LONGEST:
            raise ValueError("the period or the burst is out of range")
        self.period = period_ns
        self.most = burst
        self.tolerance = self.period * self.most

    def take(self, int64_t n=1):
        return self._take(n, monotonic_ns())

    def take_at(self, int64_t n, int64_t now_ns):
        return self._take(n, now_ns)

    cdef int64_t _take(self, int64_t n, int64_t now) except -1:
        cdef int64_t ahead  # how far the arrival time would lie ahead of now
        if n < 1 or n > self.most:
            raise ValueError(f"{n} permits are not in 1..{self.most}")
        now = max(-FARTHEST, min(FARTHEST, now))
        if not self.started:
            self.started = True
            self.arrival = self.latest = now
        if now < self.latest:
            now = self.latest
        self.latest = now
        if self.arrival < now:
            self.arrival = now
        ahead = self.arrival - now + n * self.period
        if ahead > self.tolerance:
            return ahead - self.tolerance
        self.arrival += n * self.period
        return 0
