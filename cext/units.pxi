# The memory of one parse, and the characters of a str. Part of address.pyx, register.pyx.


cdef struct Work:
    City city
    Letters letters
    Fields fields
    uint32_t[MOST] units


cdef int units_of(object text, uint32_t *units) except -1:
    """Copy the characters of a str, as many as are read."""
    cdef Py_ssize_t size
    if not isinstance(text, str):
        raise TypeError("text is no str")
    size = PyUnicode_GetLength(text)
    if size > MOST:
        text = PyUnicode_Substring(text, 0, MOST)
        size = MOST
    if size:
        PyUnicode_AsUCS4(text, units, size, 0)
    return <int>size
