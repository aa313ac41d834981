"""Sorted columns (key, digest): made from rows or buffers, compared, packed; and the 64-bit hash that makes digests.

Both columns of a Columns live in memory that never changes nor moves, so views of them stay valid and threads need no
lock.
"""

cimport cython
from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from cpython.memoryview cimport PyMemoryView_FromMemory
from cpython.buffer cimport PyBUF_READ, PyBuffer_FillInfo
from libc.stdint cimport INT64_MIN, int64_t, uint64_t, uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memset

from bits cimport fetch, hash64, load64, store64
from pages cimport pages
from rows cimport integer

from array import array

cdef enum:
    HEADER = 24
    AHEAD = 128  # pairs asked for before they are read
    BLOCK = 32  # pairs compared at once
    PART = 4  # the same, on the way to the first pair of a block that differs
    LONGEST_WALK = 4096  # steps before equal blocks are looked for again

cdef bytes MAGIC = b"IDSCOL\x01\n"


def digest(data, seed=0):
    cdef const uint8_t[::1] view = memoryview(data).cast("B")
    cdef uint64_t start
    if not -(1 << 63) <= seed < (1 << 64):
        raise ValueError("the seed has more than 64 bits")
    start = seed & 0xFFFFFFFFFFFFFFFF
    return <int64_t>hash64(&view[0] if view.shape[0] else NULL, view.shape[0], start)


include "pairs.pxi"


cdef Columns columns_of(_Pairs pairs):
    """Make Columns of collected pairs: sorted where needed, duplicates refused."""
    cdef Py_ssize_t at = unsorted_at(pairs.first, pairs.size)
    if at < pairs.size:
        sort_pairs(pairs)
        at = unsorted_at(pairs.first, pairs.size)
    if at < pairs.size:
        raise ValueError(f"key {pairs.first[at]} comes twice")
    return columns_from(pairs.first, pairs.second, pairs.size)


cdef Columns columns_from(const int64_t *keys, const int64_t *values, Py_ssize_t n):
    """Copy sorted unique pairs."""
    cdef Columns made = Columns()
    made._keys = column_of(keys, n)
    made._values = column_of(values, n)
    made._open(n)
    return made


cdef _Column column_of(const int64_t *values, Py_ssize_t n):
    """Copy one column."""
    cdef _Column made = _Column()
    made.at = <int64_t *>pages(n * 8)
    if made.at == NULL:
        raise MemoryError
    made.size = n
    if n > 0:
        memcpy(made.at, values, n * 8)
    return made


cdef object array_of(const int64_t *values, Py_ssize_t n):
    made = array("q")
    if n:
        made.frombytes(PyMemoryView_FromMemory(<char *>values, n * 8, PyBUF_READ))
    return made


@cython.final
cdef class _Column:
    """The memory of one column: read-only bytes to the outside."""

    cdef int64_t *at
    cdef Py_ssize_t size

    def __dealloc__(self):
        free(self.at)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.at, self.size * 8, 1, flags)


@cython.final
cdef class Columns:
    """Sorted unique int64 keys, each with an int64 digest; never changes once made."""

    cdef _Column _keys
    cdef _Column _values
    cdef const int64_t *k
    cdef const int64_t *v
    cdef Py_ssize_t size

    def __cinit__(self):
        self._keys = self._values = _Column()

    cdef void _open(self, Py_ssize_t n):
        self.k = self._keys.at
        self.v = self._values.at
        self.size = n

    @staticmethod
    def from_rows(rows):
        cdef _Pairs pairs = _Pairs()
        cdef Py_ssize_t number = -1
        cdef bint reading = False
        cdef int64_t key, value
        try:
            for row in rows:
                number += 1
                reading = True
                if len(row) != 2:
                    raise ValueError(f"row {number} has {len(row)} values, not 2")
                if type(row) is tuple:
                    key = integer((<tuple>row)[0])
                    value = integer((<tuple>row)[1])
                else:
                    key = integer(row[0])
                    value = integer(row[1])
                reading = False
                if pairs.size == pairs.room:
                    pairs._hold(pairs.size + 1024)
                pairs.first[pairs.size] = key
                pairs.second[pairs.size] = value
                pairs.size += 1
        except (TypeError, OverflowError, LookupError) as error:
            if not reading:
                raise
            raise ValueError(f"row {number} is not two 64-bit integers: {error}") from None
        return columns_of(pairs)

    @staticmethod
    def from_buffers(const int64_t[::1] keys not None, const int64_t[::1] digests not None):
        cdef Py_ssize_t n = keys.shape[0]
        cdef _Pairs pairs = _Pairs()
        if digests.shape[0] != n:
            raise ValueError("keys and digests are not of one size")
        if n == 0:
            return Columns()
        if unsorted_at(&keys[0], n) == n:
            return columns_from(&keys[0], &digests[0], n)
        pairs._hold(n)
        memcpy(pairs.first, &keys[0], n * 8)
        memcpy(pairs.second, &digests[0], n * 8)
        pairs.size = n
        return columns_of(pairs)

    @property
    def keys(self):
        return memoryview(self._keys).cast("q")

    @property
    def digests(self):
        return memoryview(self._values).cast("q")

    def __len__(self):
        return self.size

    def __repr__(self):
        return f"Columns({self.size} keys)"

    def __eq__(self, other):
        if not isinstance(other, Columns):
            return NotImplemented
        return self._same(<Columns>other)

    __hash__ = None

    cdef bint _same(self, Columns other) noexcept nogil:
        if self.size != other.size or self.size == 0:
            return self.size == other.size
        return memcmp(self.k, other.k, self.size * 8) == 0 and memcmp(self.v, other.v, self.size * 8) == 0

    cdef Py_ssize_t _find(self, int64_t key) noexcept nogil:
        """The index of the last key not above ``key``, or -1 if there is none or it is another."""
        cdef Py_ssize_t low = 0
        cdef Py_ssize_t left = self.size
        cdef Py_ssize_t half
        if left == 0:
            return -1
        while left > 1:
            half = left >> 1
            if self.k[low + half] <= key:
                low += half
            left -= half
        return low if self.k[low] == key else -1

    def __contains__(self, key):
        return self.get(key) is not None

    def get(self, key):
        cdef Py_ssize_t at
        cdef int64_t wanted
        if not -(1 << 63) <= key < (1 << 63):
            return None
        wanted = key
        at = self._find(wanted)
        return None if at < 0 else self.v[at]

    def difference(self, Columns new not None):
        return Changes(self, new)

    def with_(self, const int64_t[::1] keys not None, const int64_t[::1] digests not None,
              const int64_t[::1] removed not None):
        cdef Columns set_ = Columns.from_buffers(keys, digests)
        cdef Columns gone = Columns.from_buffers(removed, removed)
        cdef _Pairs merged = _Pairs()
        cdef int64_t twice = 0
        cdef bint clash
        merged._hold(self.size + set_.size + 1)
        with nogil:
            clash = overlay(self, set_, gone, merged, &twice)
        if clash:
            raise ValueError(f"key {twice} is both set and removed")
        return columns_from(merged.first, merged.second, merged.size)

    def pack(self):
        """Header (3 words): magic, checksum of all that follows, number of keys. Then keys, digests."""
        cdef Py_ssize_t size = HEADER + self.size * 16
        cdef bytes packed = PyBytes_FromStringAndSize(NULL, size)
        cdef char *p = PyBytes_AsString(packed)
        cdef Py_ssize_t i
        memcpy(p, <char *>MAGIC, 8)
        store64(p + 16, <uint64_t>self.size)
        with nogil:
            for i in range(self.size):
                store64(p + HEADER + i * 8, <uint64_t>self.k[i])
                store64(p + HEADER + (self.size + i) * 8, <uint64_t>self.v[i])
            store64(p + 8, hash64(p + 16, size - 16, 0))
        return packed

    @staticmethod
    def unpack(data):
        cdef const uint8_t[::1] view = memoryview(data).cast("B")
        cdef Py_ssize_t size = view.shape[0]
        cdef _Pairs pairs = _Pairs()
        cdef const uint8_t *p
        cdef Py_ssize_t i, n
        if size < HEADER or (size - HEADER) % 16 or bytes(view[:8]) != MAGIC:
            raise ValueError("not packed columns of this version")
        p = &view[0]
        n = (size - HEADER) // 16
        if load64(p + 8) != hash64(p + 16, size - 16, 0) or load64(p + 16) != <uint64_t>n:
            raise ValueError("packed columns are damaged")
        pairs._hold(n + 1)
        pairs.size = n
        for i in range(n):
            pairs.first[i] = <int64_t>load64(p + HEADER + i * 8)
            pairs.second[i] = <int64_t>load64(p + HEADER + (n + i) * 8)
        if unsorted_at(pairs.first, n) < n:
            raise ValueError("packed columns are damaged")
        return columns_from(pairs.first, pairs.second, n)


cdef bint overlay(Columns old, Columns set_, Columns gone, _Pairs merged, int64_t *twice) noexcept nogil:
    """Merge old and set_ without gone into ``merged`` (which has room); true if a key is in set_ and gone."""
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t j = 0
    cdef Py_ssize_t r = 0
    cdef Py_ssize_t n = 0
    cdef int64_t key
    cdef bint fresh
    while i < old.size or j < set_.size:
        fresh = j < set_.size and (i >= old.size or set_.k[j] <= old.k[i])
        key = set_.k[j] if fresh else old.k[i]
        while r < gone.size and gone.k[r] < key:
            r += 1
        if r < gone.size and gone.k[r] == key:
            if fresh:
                twice[0] = key
                return True
            i += 1
            continue
        merged.first[n] = key
        merged.second[n] = set_.v[j] if fresh else old.v[i]
        n += 1
        if fresh:
            j += 1
        if i < old.size and old.k[i] == key:
            i += 1
    merged.size = n
    return False


include "changes.pxi"
