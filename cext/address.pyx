"""Russian addresses as registrars type them: their parts, and one spelling and key of the building.

Nothing here makes an object per word: characters, tokens, parts and the text live in one block of memory a call.
"""

cimport cython
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from bits cimport hash64


cdef extern from "Python.h":
    Py_ssize_t PyUnicode_GetLength(object text) except -1
    object PyUnicode_Substring(object text, Py_ssize_t start, Py_ssize_t end)
    uint32_t *PyUnicode_AsUCS4(object text, uint32_t *buffer, Py_ssize_t room, int end_with_null) except NULL
    object PyUnicode_DecodeUTF8(const char *octets, Py_ssize_t size, const char *errors)


VERSION = 2
LONGEST = 400

include "vocabulary.pxi"
include "letters.pxi"
include "reading.pxi"
include "spelling.pxi"
include "units.pxi"


cdef str word_of(const Fields *fields, Field one):
    return PyUnicode_DecodeUTF8(<char *>fields.octets + one.at, one.size, NULL)


@cython.final
cdef class Address:
    """The parts of an address."""

    cdef readonly str index
    cdef readonly str region
    cdef readonly str district
    cdef readonly str city
    cdef readonly str place
    cdef readonly str street_kind
    cdef readonly str street
    cdef readonly str house
    cdef readonly str flat
    cdef readonly int confidence
    cdef readonly int64_t key
    cdef readonly str text

    def __cinit__(self, *, str index="", str region="", str district="", str city="", str place="", str street_kind="",
                  str street="", str house="", str flat="", int confidence=0, int64_t key=0, str text=""):
        self.index, self.region, self.district, self.city, self.place = index, region, district, city, place
        self.street_kind, self.street, self.house, self.flat = street_kind, street, house, flat
        self.confidence, self.key, self.text = confidence, key, text

    cdef tuple _all(self):
        return (self.index, self.region, self.district, self.city, self.place, self.street_kind, self.street,
                self.house, self.flat, self.confidence, self.key, self.text)

    def __eq__(self, other):
        if not isinstance(other, Address):
            return NotImplemented
        return self._all() == (<Address>other)._all()

    def __hash__(self):
        return hash(self._all())

    def __repr__(self):
        return f"Address(key={self.key}, confidence={self.confidence})"  # no more: it is somebody's


def parse(text, city=""):
    """parse(text, city="") -> Address"""
    cdef Work *work = <Work *>malloc(sizeof(Work))
    cdef Fields *f
    cdef int size
    if work == NULL:
        raise MemoryError
    try:
        size = units_of(city, work.units)
        take_city(&work.city, &work.letters, work.units, size)
        size = units_of(text, work.units)
        with nogil:
            parse_units(work.units, size, &work.city, &work.letters, &work.fields)
        f = &work.fields
        return Address(
            index=str(f.index) if f.index else "", region=word_of(f, f.region), district=word_of(f, f.district),
            city=word_of(f, f.city), place=word_of(f, f.place), street_kind=word_of(f, f.street_kind),
            street=word_of(f, f.street), house=word_of(f, f.house), flat=word_of(f, f.flat),
            confidence=f.confidence, key=f.key, text=PyUnicode_DecodeUTF8(<char *>f.text, f.text_size, NULL),
        )
    finally:
        free(work)
