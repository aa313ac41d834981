# Boards as bytes: versioned header, checksum, ids, bitmaps. Part of board.pyx.


cdef bytes pack_boards(Boards boards):
    """Header (7 words): magic, checksum of all that follows, first day, days, grid, seats, 0. Then keys, bitmaps."""
    cdef int64_t size = HEADER + boards.size * 8 + boards._words() * 8
    cdef bytes packed = PyBytes_FromStringAndSize(NULL, size)
    cdef char *p = PyBytes_AsString(packed)
    cdef int64_t i
    memcpy(p, <char *>MAGIC, 8)
    store64(p + 16, <uint64_t>boards.start)
    store64(p + 24, <uint64_t>boards.span)
    store64(p + 32, <uint64_t>boards.minutes)
    store64(p + 40, <uint64_t>boards.size)
    store64(p + 48, 0)
    with nogil:
        for i in range(boards.size):
            store64(p + HEADER + i * 8, <uint64_t>boards.keys[i])
        for i in range(boards._words()):
            store64(p + HEADER + (boards.size + i) * 8, boards.bits[i])
        store64(p + 8, hash64(p + 16, size - 16, 0))
    return packed


cdef Boards unpack_boards(const uint8_t[::1] view):
    cdef int64_t size = view.shape[0]
    cdef const uint8_t *p
    cdef int64_t first, days, grid, seats
    if size < HEADER or bytes(view[:8]) != MAGIC:
        raise ValueError("not packed boards of this version")
    p = &view[0]
    if load64(p + 8) != hash64(p + 16, size - 16, 0):
        raise ValueError("packed boards are damaged")
    first = signed(load64(p + 16))
    days = signed(load64(p + 24))
    grid = signed(load64(p + 32))
    seats = signed(load64(p + 40))
    if load64(p + 48) != 0 or not 0 <= seats <= (size - HEADER) // 8:
        raise ValueError("packed boards are damaged")
    return boards_of(p + HEADER, size - HEADER, first, days, grid, seats)


cdef Boards boards_of(const uint8_t *p, int64_t size, int64_t first, int64_t days, int64_t grid, int64_t seats):
    """Read keys and bitmaps behind a header whose checksum is right: still nothing is believed."""
    cdef list pairs = []
    cdef int64_t i, key
    cdef int64_t before = -1
    cdef Boards boards
    for i in range(seats):
        key = signed(load64(p + i * 8))
        if key <= before or key & 0x80000000:
            raise ValueError("packed seats are damaged")
        before = key
        pairs.append((key >> 32, key & MAX_ID))
    boards = Boards(pairs, first, days, grid)
    if size != seats * 8 + boards._words() * 8:
        raise ValueError("packed boards are damaged")
    for i in range(boards._words()):
        boards.bits[i] = load64(p + (seats + i) * 8)
    if boards.a_day & 63:
        for i in range(boards.wide - 1, boards._words(), boards.wide):
            if boards.bits[i] >> (boards.a_day & 63):
                raise ValueError("packed boards are damaged")
    return boards
