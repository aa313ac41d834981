# The difference of two Columns. Part of columns.pyx, so that its loop sees their memory.


@cython.final
cdef class Changes:
    """Keys that differ between old and new columns, each list sorted; made by Columns.difference."""

    cdef readonly object added
    cdef readonly object changed
    cdef readonly object removed

    def __cinit__(self, Columns old not None, Columns new not None):
        cdef _Pairs alone = _Pairs()  # first: removed, second: added
        cdef _Pairs both = _Pairs()  # first: changed
        cdef Found found
        with nogil:
            compare(old, new, alone, both, &found)
        self.added = array_of(alone.second, found.added)
        self.changed = array_of(both.first, found.changed)
        self.removed = array_of(alone.first, found.removed)

    def __len__(self):
        return len(self.added) + len(self.changed) + len(self.removed)

    def __repr__(self):
        return f"Changes({len(self.added)} added, {len(self.changed)} changed, {len(self.removed)} removed)"


cdef struct Found:
    Py_ssize_t added
    Py_ssize_t changed
    Py_ssize_t removed


cdef int compare(Columns old, Columns new, _Pairs alone, _Pairs both, Found *found) except -1 nogil:
    """Run over both columns: equal blocks are skipped, others walked, the longer the more of them come in a row."""
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t j = 0
    cdef Py_ssize_t steps = BLOCK
    cdef Py_ssize_t left
    cdef int t
    found[0] = Found(0, 0, 0)
    while True:
        left = min(old.size - i, new.size - j)
        if left == 0:
            break
        for t in range(AHEAD, AHEAD + BLOCK, 8):  # a cache line of each column
            fetch(old.k + i + t)
            fetch(new.k + j + t)
            fetch(old.v + i + t)
            fetch(new.v + j + t)
        if left >= BLOCK and same(old.k + i, new.k + j, old.v + i, new.v + j, BLOCK):
            i += BLOCK
            j += BLOCK
            steps = BLOCK
            continue
        steps = min(steps, left)
        if found.changed + steps > both.room or max(found.added, found.removed) + steps > alone.room:
            both._hold(found.changed + steps)
            alone._hold(max(found.added, found.removed) + steps)
        walk(old, new, &i, &j, steps, alone, both, found)
        steps = min(steps * 2, LONGEST_WALK)
    left = max(found.added + new.size - j, found.removed + old.size - i)
    if left > 0:
        alone._hold(left)
        memcpy(alone.first + found.removed, old.k + i, (old.size - i) * 8)
        memcpy(alone.second + found.added, new.k + j, (new.size - j) * 8)
    found.removed += old.size - i
    found.added += new.size - j
    return 0


cdef inline bint same(const int64_t *a, const int64_t *b, const int64_t *x, const int64_t *y, int n) noexcept nogil:
    """Tell whether n pairs are the same on both sides; no branch, so that compilers make SIMD of it (n is constant)."""
    cdef int64_t differs = 0
    cdef int t
    for t in range(n):
        differs |= (a[t] ^ b[t]) | (x[t] ^ y[t])
    return differs == 0


cdef void walk(
    Columns old, Columns new, Py_ssize_t *i, Py_ssize_t *j, Py_ssize_t steps, _Pairs alone, _Pairs both, Found *found,
) noexcept nogil:
    """Merge so many steps: equal keys in runs with a branch-free test of the digests, the rest one by one.

    Both sides of ``alone`` have room for all steps, so a key is written to both and counted where it belongs.
    """
    cdef const int64_t *a = old.k + i[0]
    cdef const int64_t *b = new.k + j[0]
    cdef const int64_t *x = old.v + i[0]
    cdef const int64_t *y = new.v + j[0]
    cdef int64_t *out = both.first + found.changed
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t to = 0
    cdef Py_ssize_t changed = 0
    cdef bint less
    while steps >= PART and same(a + at, b + to, x + at, y + to, PART):
        at += PART
        to += PART
        steps -= PART
    while steps > 0:
        while steps > 0 and a[at] == b[to]:
            out[changed] = a[at]
            changed += x[at] != y[to]
            at += 1
            to += 1
            steps -= 1
        if steps == 0:
            break
        steps -= 1
        less = a[at] < b[to]
        alone.first[found.removed] = a[at]
        alone.second[found.added] = b[to]
        found.removed += less
        found.added += not less
        at += less
        to += not less
    found.changed += changed
    i[0] += at
    j[0] += to
