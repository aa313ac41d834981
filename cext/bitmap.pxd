"""Walking and filling the bitmap of one day; padding bits beyond its last cell are zero."""

from libc.stdint cimport int64_t, uint64_t

from bits cimport ctz64, ones, popcount64


cdef inline void fill(uint64_t *bitmap, int64_t first, int64_t last) noexcept nogil:
    """Set the cells first..last-1 of one bitmap; 0 <= first < last <= cells."""
    cdef int64_t w = first >> 6
    cdef int64_t end = (last - 1) >> 6
    cdef int64_t shift = first & 63
    if w == end:
        bitmap[w] |= ones(last - first) << shift
        return
    bitmap[w] |= ~<uint64_t>0 << shift
    w += 1
    while w < end:
        bitmap[w] = ~<uint64_t>0
        w += 1
    bitmap[end] |= ones(last - (end << 6))


cdef inline int has(const uint64_t *bitmap, int64_t cell) noexcept nogil:
    return (bitmap[cell >> 6] >> (cell & 63)) & 1


cdef inline int64_t next_one(const uint64_t *bitmap, int64_t cell, int64_t cells) noexcept nogil:
    """The first set cell at or after ``cell``, or ``cells``."""
    cdef int64_t w = cell >> 6
    cdef uint64_t x
    if cell >= cells:
        return cells
    x = bitmap[w] >> (cell & 63)
    if x != 0:
        return cell + ctz64(x)
    w += 1
    while (w << 6) < cells:
        if bitmap[w] != 0:
            return (w << 6) + ctz64(bitmap[w])
        w += 1
    return cells


cdef inline int64_t next_zero(const uint64_t *bitmap, int64_t cell, int64_t cells) noexcept nogil:
    """The first clear cell at or after ``cell``, or ``cells``."""
    cdef int64_t w = cell >> 6
    cdef int64_t at
    cdef uint64_t x
    if cell >= cells:
        return cells
    x = ~bitmap[w] >> (cell & 63)
    if x != 0:
        at = cell + ctz64(x)
        return at if at < cells else cells
    w += 1
    while (w << 6) < cells:
        x = ~bitmap[w]
        if x != 0:
            at = (w << 6) + ctz64(x)
            return at if at < cells else cells
        w += 1
    return cells


cdef inline int64_t spell(
    uint64_t *bitmap, int64_t wide, int64_t base, int64_t *places, int64_t n, int64_t room,
) noexcept nogil:
    """Write where the ones are, counted from ``base``, to places[n..room-1]; return n and how many there are.

    The bitmap, which has a zero word behind it, is used up. A day's ones mostly lie within 64 cells, so each turn takes
    64 cells from the first one on, across the border of a word: one loop of a guessable length instead of two.
    """
    cdef int64_t w
    cdef int first
    cdef uint64_t window
    for w in range(wide):
        if bitmap[w] == 0:
            continue
        first = ctz64(bitmap[w])
        window = bitmap[w] >> first | bitmap[w + 1] << 1 << (63 - first)
        bitmap[w + 1] = bitmap[w + 1] >> first << first
        n = spell_word(window, base + (w << 6) + first, places, n, room)
    return n


cdef inline int64_t spell_word(uint64_t word, int64_t base, int64_t *places, int64_t n, int64_t room) noexcept nogil:
    """The same for one word. Where there is room for any word, eight at a time: what is too much is written over."""
    cdef int64_t count = popcount64(word)
    cdef int64_t i = n
    cdef int _eight
    if room - n < 64:
        while word:
            if i < room:
                places[i] = base + ctz64(word)
            i += 1
            word &= word - 1
        return i
    while i < n + count:
        for _eight in range(4):
            places[i] = base + ctz64(word | <uint64_t>1 << 63)
            word &= word - 1
            i += 1
    return n + count
