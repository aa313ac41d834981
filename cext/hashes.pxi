# Sorting pairs by keys that are hashes. Part of events.pyx.


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
