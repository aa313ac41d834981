"""Reading integers out of database rows, strictly: no float is rounded, no Decimal cut."""

from cpython.long cimport PyLong_CheckExact
from cpython.number cimport PyNumber_Index
from libc.stdint cimport int64_t


cdef inline int64_t integer(object value) except? -1:
    """An int, or something with __index__, as int64; TypeError or OverflowError otherwise."""
    if PyLong_CheckExact(value):
        return <int64_t>value
    return <int64_t>PyNumber_Index(value)
