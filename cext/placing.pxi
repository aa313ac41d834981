# Putting rows of shifts and appointments into boards. Part of board.pyx.


cdef int64_t find(Boards boards, int64_t branch, int64_t doctor, int64_t hint) noexcept nogil:
    """The index of a seat or -1; ``hint`` is where the last row was."""
    cdef int64_t key, low, half, left
    if <uint64_t>branch > <uint64_t>MAX_ID or <uint64_t>doctor > <uint64_t>MAX_ID or boards.size == 0:
        return -1
    key = branch << 32 | doctor
    if boards.keys[hint] == key:
        return hint
    low = 0
    left = boards.size
    while left > 1:
        half = left >> 1
        low += half * (boards.keys[low + half] <= key)
        left -= half
    return low if boards.keys[low] == key else -1


cdef int place(Boards boards, int64_t seat, int plane, int64_t start, int64_t length) noexcept nogil:
    """Add one row to a seat's boards; 1 when the row has to be ignored."""
    cdef int64_t base = boards.start * MINUTES
    cdef int64_t low, high, day, first, last
    cdef int64_t inward = boards.minutes - 1 if plane == WORKING else 0
    cdef int64_t outward = boards.minutes - 1 if plane == BUSY else 0
    if length <= 0:
        return 1
    high = start + length if start <= INT64_MAX - length else INT64_MAX
    if high > base + boards.span * MINUTES:
        high = base + boards.span * MINUTES
    low = start if start > base else base
    if low >= high:
        return 1
    low -= base
    high -= base
    day = low // MINUTES
    low -= day * MINUTES
    high -= day * MINUTES
    while True:
        first = <int64_t>((<uint64_t>(low + inward) * boards.inverse) >> 20)
        last = <int64_t>((<uint64_t>((high if high < MINUTES else MINUTES) + outward) * boards.inverse) >> 20)
        if first < last:
            fill(boards._board(seat, day) + plane * boards.wide, first, last)
        if high <= MINUTES:
            return 0
        day += 1
        low = 0
        high -= MINUTES


cdef struct Day:
    uint64_t before[MAX_SHORT + 1][2]  # the cells before each cell, as a bitmap
    uint8_t first[MINUTES + 1]  # of a row that begins in this minute
    uint8_t last[MINUTES + 1]  # the cell behind the last of a row that ends there


cdef void make_day(Day *day, Boards boards, int plane) noexcept nogil:
    """Look up once what every row of a day of up to two words asks for; shifts are rounded inward."""
    cdef int64_t cell, minute
    cdef int64_t inward = boards.minutes - 1 if plane == WORKING else 0
    cdef int64_t outward = boards.minutes - 1 if plane == BUSY else 0
    for cell in range(MAX_SHORT + 1):
        day.before[cell][0] = ones(cell if cell < 64 else 64)
        day.before[cell][1] = ones(cell - 64)
    for minute in range(MINUTES + 1):
        day.first[minute] = <uint8_t>((<uint64_t>(minute + inward) * boards.inverse) >> 20)
        day.last[minute] = <uint8_t>((<uint64_t>(minute + outward) * boards.inverse) >> 20)


cdef Py_ssize_t place_all(
    Boards boards, const int64_t *branch, const int64_t *doctor, const int64_t *start, const int64_t *length,
    Py_ssize_t n, int plane,
) noexcept nogil:
    """Add all rows, as many at a time as lie in one board; what is odd in any way goes one by one."""
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t taken = 0
    cdef Py_ssize_t ignored = 0
    cdef Py_ssize_t at
    cdef int64_t seat
    cdef int64_t hint = 0
    cdef uint64_t base = <uint64_t>(boards.start * MINUTES)
    cdef uint64_t minute
    cdef Day day
    if boards.wide <= 2:
        make_day(&day, boards, plane)
    while i < n:
        for at in range(i + AHEAD, i + AHEAD + taken, 8):  # a cache line of each column
            fetch(branch + at)
            fetch(doctor + at)
            fetch(start + at)
            fetch(length + at)
        seat = find(boards, branch[i], doctor[i], hint)
        if seat < 0:
            ignored += 1
            i += 1
            continue
        hint = seat
        minute = <uint64_t>start[i] - base
        taken = 0
        if boards.wide <= 2 and minute < <uint64_t>(boards.span * MINUTES):
            minute //= MINUTES
            taken = place_day(
                &day, branch + i, doctor + i, start + i, length + i, n - i,
                boards._board(seat, <int64_t>minute) + plane * boards.wide, boards.wide, base + minute * MINUTES)
            i += taken
        if taken == 0:
            ignored += place(boards, seat, plane, start[i], length[i])
            i += 1
    return ignored


cdef Py_ssize_t place_day(
    const Day *day, const int64_t *branch, const int64_t *doctor, const int64_t *start, const int64_t *length,
    Py_ssize_t n, uint64_t *bitmap, int64_t wide, uint64_t morning,
) noexcept nogil:
    """Add the rows that lie in one board, until one does not; return how many did."""
    cdef Py_ssize_t i = 0
    cdef int64_t b = branch[0]
    cdef int64_t d = doctor[0]
    cdef uint64_t low = 0
    cdef uint64_t high = 0
    cdef uint64_t minute, size, first, last
    while i < n and ((branch[i] ^ b) | (doctor[i] ^ d)) == 0:
        minute = <uint64_t>start[i] - morning
        size = <uint64_t>length[i]
        if minute >= MINUTES or size - 1 >= MINUTES - minute:
            break
        first = day.first[minute]
        last = day.last[minute + size]
        low |= day.before[last][0] & ~day.before[first][0]
        high |= day.before[last][1] & ~day.before[first][1]
        i += 1
    bitmap[0] |= low
    if wide == 2:
        bitmap[1] |= high
    return i
