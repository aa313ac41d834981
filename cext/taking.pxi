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


cdef inline bint has_doctor(Events events, int64_t doctor, Py_ssize_t *hint) noexcept nogil:
    cdef Py_ssize_t low = 0
    cdef Py_ssize_t left = events.n_doctors
    cdef Py_ssize_t half
    if left == 0:
        return False
    if events.doctors[hint[0]] == doctor:
        return True
    while left > 1:
        half = left >> 1
        low += half * (events.doctors[low + half] <= doctor)
        left -= half
    hint[0] = low
    return events.doctors[low] == doctor


cdef inline const Place *place_of(Events events, int64_t branch, Py_ssize_t *hint) noexcept nogil:
    cdef Py_ssize_t low = 0
    cdef Py_ssize_t left = events.n_places
    cdef Py_ssize_t half
    if left == 0:
        return NULL
    if events.places[hint[0]].branch == branch:
        return &events.places[hint[0]]
    while left > 1:
        half = left >> 1
        low += half * (events.places[low + half].branch <= branch)
        left -= half
    hint[0] = low
    return &events.places[low] if events.places[low].branch == branch else NULL


cdef bint take(
    Events events, int64_t branch, int64_t doctor, int64_t what, int64_t id_, int64_t start, int64_t length,
    int64_t changed, uint64_t text, Py_ssize_t *hints,
) noexcept nogil:
    """Add one row, for which there is room; false when it has to be ignored."""
    cdef const Place *place = place_of(events, branch, hints)
    cdef Row *row = events.rows + events.size
    cdef int64_t begin, end
    if place == NULL or not has_doctor(events, doctor, hints + 1):
        return False
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
    cdef Py_ssize_t hints[2]
    cdef Py_ssize_t number = -1
    cdef Py_ssize_t ignored = 0
    cdef Py_ssize_t at = 2 if shifts else 4
    cdef Py_ssize_t wide
    cdef bint reading = False
    hints[0] = hints[1] = 0
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
            if not take(events, branch, doctor, kind, id_, start, length, changed, text, hints):
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
