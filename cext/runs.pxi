# Busy runs of events that overlap or touch. Part of events.pyx.


cdef int merge(Events events) except -1:
    """Make busy runs of what overlaps or touches, doctor by doctor over all branches; shifts stay as they are."""
    cdef _Pairs order = _Pairs()
    cdef Py_ssize_t i
    cdef int64_t least = 0
    cdef Row *moved = <Row *>realloc(events.runs, (events.size + 1) * sizeof(Row))
    if moved == NULL:
        raise MemoryError
    events.runs = moved
    order._hold(events.size + 1)
    for i in range(events.size):
        least = min(least, events.rows[i].start) if i else events.rows[0].start
    events.n_shown = 0
    for i in range(events.size):
        if events.rows[i].what == SHIFT_:
            events.runs[events.n_shown] = events.rows[i]
            events.n_shown += 1
        else:
            order.first[order.size] = <int64_t>events.rows[i].doctor << 32 | (events.rows[i].start - least)
            order.second[order.size] = i
            order.size += 1
    if order.size:
        sort_pairs(order)
    with nogil:
        join(events, order)
    events.shown = events.runs
    return 0


cdef void join(Events events, _Pairs order) noexcept nogil:
    cdef const Row *row
    cdef Row *run = NULL
    cdef Py_ssize_t i
    cdef int64_t end
    for i in range(order.size):
        row = events.rows + order.second[i]
        end = row.start + row.length
        if run != NULL and run.doctor == row.doctor and row.start <= run.start + run.length \
                and end - run.start <= 0x7FFFFFFF:
            if end > run.start + run.length:
                run.length = <int32_t>(end - run.start)
            if row.start == run.start and row.branch < run.branch:
                run.branch = row.branch
            continue
        run = events.runs + events.n_shown
        events.n_shown += 1
        run[0] = Row(row.start, row.start, 0, 0, row.length, row.doctor, row.branch, BUSY_)
