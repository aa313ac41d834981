# Taking rows of appointments and shifts into events. Part of events.pyx.


@cython.boundscheck(True)
cdef uint64_t text_of(object row, Py_ssize_t first) except? 0:
    """Hash the strings of a row from ``first`` on; None is as good as an empty one."""
    cdef const uint8_t[::1] view
    cdef uint64_t h = 1
    cdef Py_ssize_t i
    cdef bytes text
    for i in range(first, len(row)):
        value = row[i]
        if value is None:
            value = ""
        if not isinstance(value, str):
            raise TypeError(f"a {type(value).__name__} for a text")
        text = (<str>value).encode("utf-8", "surrogatepass")
        view = text
        h = hash64(&view[0] if view.shape[0] else NULL, <uint64_t>view.shape[0], h)
    return h


cdef bint take(
    Events events, int64_t branch, int64_t doctor, int64_t what, int64_t id_, int64_t start, int64_t length,
    int64_t changed, uint64_t text,
) noexcept nogil:
    """Add one row, for which there is room; false when it has to be ignored."""
    cdef Py_ssize_t at = place_of_id(&events.branches, branch)
    cdef const Place *place
    cdef Row *row = events.rows + events.size
    cdef int64_t begin, end
    if at < 0 or place_of_id(&events.doctors, doctor) < 0:
        return False
    place = events.places + at
    if not 0 <= what <= SHIFT_ or not 0 < length <= LONGEST_:
        return False
    if start >= place.after or start <= place.first - LONGEST_ or start + length <= place.first:
        return False
    begin = start - offset_at(place, start)
    end = start + length - offset_at(place, start + length)
    if end <= begin:  # it lies where clocks were put forward
        end = begin + length
    row[0] = Row(id_ if what < SHIFT_ else begin, begin, text, changed, <int32_t>(end - begin), <int32_t>doctor,
                 <int32_t>branch, <int32_t>what)
    events.size += 1
    events.settled = False
    return True


@cython.boundscheck(True)  # a number's __index__ may shorten the row it stands in
cdef object take_rows(Events events, object rows, bint shifts):
    cdef int64_t branch, doctor, id_, kind, start, length
    cdef int64_t changed = 0
    cdef uint64_t text = 0
    cdef Py_ssize_t number = -1
    cdef Py_ssize_t ignored = 0
    cdef Py_ssize_t at = 2 if shifts else 4
    cdef Py_ssize_t wide
    cdef bint reading = False
    try:
        for row in rows:
            number += 1
            reading = True
            wide = len(row)
            if wide < 7 if not shifts else wide != 4:
                raise ValueError(f"row {number} has {wide} values")
            branch = integer(row[0])
            doctor = integer(row[1])
            id_ = 0 if shifts else integer(row[2])
            kind = SHIFT_ if shifts else integer(row[3])
            start = integer(row[at])
            length = integer(row[at + 1])
            if not shifts:
                changed = integer(row[6])
                kind = -1 if kind == SHIFT_ else kind
            if wide > 7:
                text = text_of(row, 7)
            reading = False
            events._hold(events.size + 1)
            if not take(events, branch, doctor, kind, id_, start, length, changed, text):
                ignored += 1
            elif wide > 7 and not events.merged:
                tell(events, tuple(row[7:]))
    except (TypeError, OverflowError, LookupError) as error:
        if not reading:
            raise
        raise ValueError(f"row {number} is not 64-bit integers and texts: {error}") from None
    events.ignored += ignored
    return ignored


cdef int tell(Events events, tuple texts) except -1:
    """Keep the texts of the last row at its place."""
    if events.told is None:
        events.told = []
    while len(events.told) < events.size - 1:
        events.told.append(())
    events.told.append(texts)
    return 0
