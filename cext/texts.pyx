"""The text of an SMS: which alphabet it needs, how many units and segments, and the octets of each segment.

Characters are read by PyUnicode_AsUCS4, which the limited API has, too, and which takes lone surrogates.
"""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset


cdef extern from "Python.h":
    Py_ssize_t PyUnicode_GetLength(object text) except -1
    uint32_t *PyUnicode_AsUCS4(object text, uint32_t *buffer, Py_ssize_t room, int end_with_null) except NULL
    object PyUnicode_DecodeUTF16(const char *octets, Py_ssize_t size, const char *errors, int *order)
    object PyBytes_FromStringAndSize(const char *octets, Py_ssize_t size)
    char *PyBytes_AsString(object data) except NULL
    Py_ssize_t PyBytes_Size(object data) except -1


cdef enum:
    SHORT = 512  # characters for which the stack has room
    KNOWN = 0x20AD  # the table ends behind the euro
    NONE = 0xFF  # no character of the GSM alphabet
    FURTHER = 0x80  # behind an escape
    ESCAPE = 0x1B
    UNKNOWN = 0xFFFD
    MOST_LONG = 65536
    MOST_SEGMENTS = 255

LONGEST = MOST_LONG

# 3GPP TS 23.038, 6.2.1; the space at 0x1B stands for the escape and is never looked up.
cdef object DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
cdef object EXTENSION = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40, "€": 0x65,
}

cdef uint8_t[KNOWN] CODES  # of each character its code, FURTHER + code, or NONE
cdef uint16_t[128] BASIC  # and back
cdef uint16_t[128] EXTENDED
cdef uint16_t ONE = 1  # its first octet tells the machine's byte order


cdef int fill_tables() except -1:
    """Turn the two alphabets into tables."""
    cdef int code
    memset(CODES, NONE, sizeof(CODES))
    for code in range(128):
        BASIC[code] = EXTENDED[code] = ord(DEFAULT[code])
        CODES[BASIC[code]] = <uint8_t>code
    for character, number in EXTENSION.items():
        EXTENDED[<int>number] = ord(character)
        CODES[<int>ord(character)] = FURTHER | <int>number
    CODES[ESCAPE] = NONE  # the octet means something, the character is none
    BASIC[ESCAPE] = EXTENDED[ESCAPE] = 0x20
    return 0


fill_tables()


cdef struct Coded:
    uint8_t *data  # the whole text
    Py_ssize_t size  # in octets, as all sizes here
    Py_ssize_t unit
    Py_ssize_t alone  # most in a text of one segment
    Py_ssize_t each  # most in one of several
    void *room  # where the stack had none
    uint32_t[SHORT] characters
    uint8_t[4 * SHORT] octets


cdef int code(object text, Coded *coded) except -1:
    """Read a text and write its octets in the alphabet it needs; ``coded.room`` must be freed."""
    cdef Py_ssize_t length
    cdef uint32_t *characters = coded.characters
    coded.room = NULL
    coded.data = coded.octets
    if not isinstance(text, str):
        raise TypeError("text is no str")
    length = PyUnicode_GetLength(text)
    if length > MOST_LONG:
        raise ValueError(f"a text of {length} characters: at most {LONGEST}")
    if length > SHORT:
        coded.room = malloc(8 * length)
        if coded.room == NULL:
            raise MemoryError
        characters = <uint32_t *>coded.room
        coded.data = <uint8_t *>(characters + length)
    if length:
        PyUnicode_AsUCS4(text, characters, length, 0)
    coded.unit, coded.alone, coded.each = 1, 160, 153
    coded.size = as_gsm(characters, length, coded.data)
    if coded.size < 0:
        coded.unit, coded.alone, coded.each = 2, 140, 134
        coded.size = as_ucs2(characters, length, coded.data)
    return 0


cdef Py_ssize_t as_gsm(const uint32_t *characters, Py_ssize_t length, uint8_t *out) noexcept:
    """Write septets, one an octet; -1 where a character is not of this alphabet."""
    cdef Py_ssize_t i
    cdef Py_ssize_t n = 0
    cdef uint8_t found
    for i in range(length):
        if characters[i] >= KNOWN:
            return -1
        found = CODES[characters[i]]
        if found >= FURTHER:
            if found == NONE:
                return -1
            out[n] = ESCAPE
            n += 1
            found &= 0x7F
        out[n] = found
        n += 1
    return n


cdef Py_ssize_t as_ucs2(const uint32_t *characters, Py_ssize_t length, uint8_t *out) noexcept:
    """Write UTF-16 BE; half a surrogate pair becomes U+FFFD."""
    cdef Py_ssize_t i
    cdef uint32_t rare = 0
    for i in range(length):  # nothing but this in most texts, and so plain that compilers make vectors of it
        out[2 * i] = <uint8_t>(characters[i] >> 8)
        out[2 * i + 1] = <uint8_t>characters[i]
        rare |= (characters[i] >> 16) | <uint32_t>(characters[i] >> 11 == 0x1B)
    return 2 * length if rare == 0 else as_pairs(characters, length, out)


cdef Py_ssize_t as_pairs(const uint32_t *characters, Py_ssize_t length, uint8_t *out) noexcept:
    cdef Py_ssize_t i
    cdef Py_ssize_t n = 0
    cdef uint32_t one
    for i in range(length):
        one = characters[i]
        if one > 0xFFFF:
            one -= 0x10000
            n = put(out, n, 0xD800 | one >> 10)
            n = put(out, n, 0xDC00 | (one & 0x3FF))
        else:
            n = put(out, n, UNKNOWN if one >> 11 == 0x1B else one)
    return n


cdef inline Py_ssize_t put(uint8_t *out, Py_ssize_t n, uint32_t unit) noexcept:
    out[n] = unit >> 8
    out[n + 1] = unit & 0xFF
    return n + 2


cdef inline Py_ssize_t cut(const Coded *coded, Py_ssize_t start) noexcept:
    """Return where the segment that begins at ``start`` ends: never inside a pair."""
    cdef Py_ssize_t end = start + (coded.alone if coded.size <= coded.alone else coded.each)
    if end >= coded.size:
        return coded.size
    if coded.unit == 1:
        return end - 1 if coded.data[end - 1] == ESCAPE else end
    return end - 2 if coded.data[end - 2] >> 2 == 0xD8 >> 2 else end


cdef inline int data_coding(const Coded *coded) noexcept:
    return 0 if coded.unit == 1 else 8


def measure(text):
    """measure(text) -> (alphabet, units, segments)"""
    cdef Coded coded
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t segments = 0
    try:
        code(text, &coded)
        while at < coded.size or segments == 0:
            at = cut(&coded, at)
            segments += 1
        return "gsm" if coded.unit == 1 else "ucs2", coded.size // coded.unit, segments
    finally:
        free(coded.room)


def split(text):
    """split(text) -> (data_coding, segments)"""
    cdef Coded coded
    cdef Py_ssize_t at = 0
    cdef Py_ssize_t end
    cdef list segments = []
    try:
        code(text, &coded)
        if coded.size <= coded.alone:
            return data_coding(&coded), [PyBytes_FromStringAndSize(<char *>coded.data, coded.size)]
        while at < coded.size:
            if len(segments) == MOST_SEGMENTS:
                raise ValueError("a text of more than 255 segments")
            end = cut(&coded, at)
            segments.append(PyBytes_FromStringAndSize(<char *>coded.data + at, end - at))
            at = end
        return data_coding(&coded), segments
    finally:
        free(coded.room)


def encode(text):
    """encode(text) -> (data_coding, octets)"""
    cdef Coded coded
    try:
        code(text, &coded)
        return data_coding(&coded), PyBytes_FromStringAndSize(<char *>coded.data, coded.size)
    finally:
        free(coded.room)


def decode_gsm(data):
    """decode_gsm(data) -> text"""
    cdef Py_ssize_t i
    cdef Py_ssize_t n = 0
    cdef bint further = False
    cdef int order = 0
    cdef const uint8_t *octets
    cdef uint16_t *units
    cdef Py_ssize_t size
    if not isinstance(data, bytes):
        raise TypeError("data is no bytes")
    size = PyBytes_Size(data)
    if size > 2 * MOST_LONG:
        raise ValueError(f"a text of {size} octets: at most {2 * MOST_LONG}")
    octets = <const uint8_t *>PyBytes_AsString(data)
    units = <uint16_t *>malloc(2 * size + 2)
    if units == NULL:
        raise MemoryError
    try:
        for i in range(size):
            if octets[i] == ESCAPE and not further and i + 1 < size:
                further = True
                continue
            units[n] = UNKNOWN if octets[i] >= 0x80 else EXTENDED[octets[i]] if further else BASIC[octets[i]]
            further = False
            n += 1
        order = -1 if (<uint8_t *>&ONE)[0] else 1
        return PyUnicode_DecodeUTF16(<char *>units, 2 * n, NULL, &order)
    finally:
        free(units)
