# Where an id stands among those that are known: a hash table, as rows come in any order. Part of events.pyx.


cdef struct Known:
    int32_t id
    int32_t at  # its place + 1; 0 where nothing is


cdef struct Ids:
    Known *slots  # a power of two of them, at most half of them taken
    uint64_t mask
    int shift


cdef int open_ids(Ids *ids, Py_ssize_t n) except -1:
    """Make room for n ids."""
    ids.shift = 63
    while (<Py_ssize_t>1 << (64 - ids.shift)) < 2 * n:
        ids.shift -= 1
    ids.mask = (<uint64_t>1 << (64 - ids.shift)) - 1
    ids.slots = <Known *>calloc(ids.mask + 1, sizeof(Known))
    if ids.slots == NULL:
        raise MemoryError
    return 0


cdef inline uint64_t first_slot(const Ids *ids, int64_t id_) noexcept nogil:
    return (<uint64_t>id_ * <uint64_t>0x9E3779B97F4A7C15) >> ids.shift


cdef void note_id(Ids *ids, int64_t id_, Py_ssize_t place) noexcept nogil:
    """Write down where an id stands, of at most as many as there is room for."""
    cdef uint64_t slot = first_slot(ids, id_)
    while ids.slots[slot].at:
        slot = (slot + 1) & ids.mask
    ids.slots[slot] = Known(<int32_t>id_, <int32_t>(place + 1))


cdef inline Py_ssize_t place_of_id(const Ids *ids, int64_t id_) noexcept nogil:
    """The place of an id, or -1."""
    cdef uint64_t slot = first_slot(ids, id_)
    while ids.slots[slot].at and ids.slots[slot].id != id_:
        slot = (slot + 1) & ids.mask
    return <Py_ssize_t>ids.slots[slot].at - 1
