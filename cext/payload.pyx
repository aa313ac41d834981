"""The timetable's bytes, written straight from boards: templates patched in place into one reused buffer.

A doctor's day in a branch is *prepared* as three bitmaps (free cells, busy cells, cells where an interval starts); then
the starts of all his branches are walked together, so that a doctor of two branches comes out in order of time.
"""

cimport cython
from cpython.bytearray cimport PyByteArray_AsString
from cpython.bytes cimport PyBytes_AsString
from libc.stdint cimport int64_t, uint64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, strlen

from bitmap cimport next_zero
from bits cimport ctz64, ones, popcount64

from array import array

from identsync.core.board import Boards

cdef enum:
    MINUTES = 1440
    MAX_RUN = 720
    MAX_WORDS = 5
    FORM = 128  # no interval is longer: 127 bytes with two ids of ten digits and a length of three
    TAIL = 24  # `720,"IsBusy":true}` and what is copied with it
    SMALLEST = 4096
    LARGEST = 1 << 30


cdef struct Form:
    # An interval of one seat on one day, ready but for its time; and where its parts are.
    char text[FORM]
    int date  # place of YYYY-MM-DD
    int time  # place of HH:MM:00
    int offset  # place of +HH:MM
    int length  # place of the digits of the length
    int size  # bytes of a free interval
    char after[8]  # the offset from cell `switch` on
    int64_t switch
    uint64_t free[MAX_WORDS]
    uint64_t busy[MAX_WORDS]
    uint64_t starts[MAX_WORDS]


cdef struct Cursor:
    int64_t group
    int64_t day
    int64_t cell
    int64_t member
    bint begun  # the first interval is written
    bint paused  # there was no more room


cdef inline void two_digits(char *to, int64_t value) noexcept nogil:
    to[0] = 48 + <char>(value // 10)
    to[1] = 48 + <char>(value % 10)


cdef int number_into(char *to, int64_t value) noexcept nogil:
    """Write a number >= 0 in decimal; return how many digits."""
    cdef char digits[20]
    cdef int n = 0
    cdef int i
    while True:
        digits[n] = 48 + <char>(value % 10)
        value //= 10
        n += 1
        if value == 0:
            break
    for i in range(n):
        to[i] = digits[n - 1 - i]
    return n


cdef void offset_into(char *to, int64_t minutes) noexcept nogil:
    """Write +HH:MM; |minutes| < 1440."""
    cdef int64_t size = -minutes if minutes < 0 else minutes
    to[0] = 45 if minutes < 0 else 43
    two_digits(to + 1, size // 60)
    to[3] = 58
    two_digits(to + 4, size % 60)


cdef void date_into(char *to, int64_t day) noexcept nogil:
    """Write YYYY-MM-DD of a day since 1970-01-01 in the years 1..9999 (Hinnant's civil-from-days arithmetic)."""
    cdef int64_t z = day + 719468
    cdef int64_t era = z // 146097
    cdef int64_t of_era = z - era * 146097
    cdef int64_t year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    cdef int64_t of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    cdef int64_t shifted = (5 * of_year + 2) // 153
    cdef int64_t month = shifted + 3 if shifted < 10 else shifted - 9
    cdef int64_t year = year_of_era + era * 400 + (month <= 2)
    two_digits(to, year // 100)
    two_digits(to + 2, year % 100)
    to[4] = 45
    two_digits(to + 5, month)
    to[7] = 45
    two_digits(to + 8, of_year - (153 * shifted + 2) // 5 + 1)


cdef inline int64_t run_end(const uint64_t *busy, int64_t cell, int64_t cells, int64_t longest) noexcept nogil:
    """Where the busy run that is going on at ``cell`` ends, at most ``longest`` cells on."""
    return next_zero(busy, cell, cells if cells - cell < longest else cell + longest)


cdef int put(char *to, int n, const char *text) noexcept nogil:
    """Append a text at place n; return the place behind it."""
    cdef int size = <int>strlen(text)
    memcpy(to + n, text, size)
    return n + size


cdef object whole_numbers(object table):
    """A zone table as an int64 buffer; a buffer of narrower integers will do."""
    view = memoryview(table)
    if view.format in ("q", "l") and view.itemsize == 8 and view.ndim == 1:
        return view
    if view.format not in ("b", "B", "h", "H", "i", "I", "l", "q"):
        raise ValueError(f"a zone table of type {view.format!r} is not of integers")
    return array("q", view.cast("B").cast(view.format))


cdef int check_zone(const int64_t *zone, object branch) except -1:
    if (abs(zone[0]) >= MINUTES or abs(zone[2]) >= MINUTES or not 0 <= zone[1] <= MINUTES
            or not 0 <= zone[3] <= MINUTES - zone[1]):
        raise ValueError(f"the zone of branch {branch} has an impossible day: "
                         f"{zone[0]}, {zone[1]}, {zone[2]}, {zone[3]}")
    return 0


cdef bytes named(object names, object kind, set needed):
    """The JSON array [{"Id":..,"Name":..},..] sorted by id; every id of ``needed`` must have a name."""
    import orjson
    cdef list items = []
    for number in sorted(names):
        if type(number) is not int:
            raise TypeError(f"{kind} {number!r} is no int")
        if not 0 <= number <= 0x7FFFFFFF:
            raise ValueError(f"{kind} {number} is not in 0..2**31-1")
        name = names[number]
        if not isinstance(name, str):
            raise TypeError(f"the name of {kind} {number} is no string")
        items.append({"Id": number, "Name": name})
    missing = needed.difference(names)
    if missing:
        raise ValueError(f"no name for {kind} {', '.join(map(str, sorted(missing)))}")
    try:
        return orjson.dumps(items, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"a name of the {kind} list cannot be written: {error}") from None


@cython.final
cdef class TimetableBody:
    """The body of IDENT's PostTimeTable, as compact JSON bytes without a Python object per interval."""

    cdef object boards
    cdef const uint8_t[::1] view  # keeps the boards' memory
    cdef const uint64_t *bits
    cdef bytes head
    cdef object spare  # the chunk buffer while nobody uses it
    cdef int64_t chunk
    cdef int64_t start
    cdef int64_t span
    cdef int64_t minutes
    cdef int64_t cells
    cdef int64_t wide
    cdef int64_t longest  # cells of the longest run
    cdef int64_t size  # seats
    cdef int64_t groups  # doctors
    cdef int64_t *order  # seats by doctor, then branch
    cdef int64_t *firsts  # where each doctor begins in order; one more at the end
    cdef int64_t *zone_of  # for each place in order, where its branch's table begins
    cdef int64_t *zones
    cdef Form *forms  # one for each place in order
    cdef char *dates  # 16 bytes a day
    cdef char times[288][8]  # "HH:MM:00" of each cell
    cdef char tails[145][TAIL]  # of each length in cells
    cdef int tail_sizes[145]

    def __cinit__(self, boards, doctors, branches, zones, chunk=262144):
        cdef list seats
        if not isinstance(boards, Boards):
            raise TypeError("boards is no Boards")
        if not SMALLEST <= chunk <= LARGEST:
            raise ValueError(f"a chunk of {chunk} bytes is not in {SMALLEST}..{LARGEST}")
        self.boards = boards
        self.view = boards
        self.bits = <const uint64_t *>&self.view[0] if self.view.shape[0] else NULL
        self.chunk = chunk
        self.start, self.span, self.minutes = boards.first_day, boards.days, boards.grid
        self.cells, self.wide = boards.cells, boards.words
        self.longest = MAX_RUN // self.minutes
        seats = boards.seats
        self.size = len(seats)
        self.head = (b'{"Doctors":' + named(doctors, "doctor", {d for _, d in seats})
                     + b',"Branches":' + named(branches, "branch", {b for b, _ in seats}) + b',"Intervals":')
        self._allocate(len({b for b, _ in seats}))
        self._arrange(seats)
        self._read_zones(seats, zones)
        self._write_tables()

    cdef int _allocate(self, int64_t branches) except -1:
        self.order = <int64_t *>calloc(self.size + 1, 8)
        self.firsts = <int64_t *>calloc(self.size + 2, 8)
        self.zone_of = <int64_t *>calloc(self.size + 1, 8)
        self.zones = <int64_t *>malloc(branches * self.span * 32 + 8)
        self.forms = <Form *>calloc(self.size + 1, sizeof(Form))
        self.dates = <char *>malloc(self.span * 16 + 16)
        if (self.order == NULL or self.firsts == NULL or self.zone_of == NULL or self.zones == NULL
                or self.forms == NULL or self.dates == NULL):
            raise MemoryError
        return 0

    def __dealloc__(self):
        free(self.order)
        free(self.firsts)
        free(self.zone_of)
        free(self.zones)
        free(self.forms)
        free(self.dates)

    cdef int _arrange(self, list seats) except -1:
        """Order the seats by doctor, then branch; write what is constant of each one's interval."""
        cdef int64_t place = 0
        cdef int64_t index, branch, doctor
        cdef int64_t last = -1
        for index in sorted(range(self.size), key=lambda i: (seats[i][1], seats[i][0])):
            branch, doctor = seats[index]
            self.order[place] = index
            if doctor != last:
                self.firsts[self.groups] = place
                self.groups += 1
                last = doctor
            self._form(&self.forms[place], branch, doctor)
            place += 1
        self.firsts[self.groups] = place
        return 0

    cdef void _form(self, Form *form, int64_t branch, int64_t doctor) noexcept:
        cdef int n = 0
        n = put(form.text, n, b',{"DoctorId":')
        n += number_into(form.text + n, doctor)
        n = put(form.text, n, b',"BranchId":')
        n += number_into(form.text + n, branch)
        n = put(form.text, n, b',"StartDateTime":"')
        form.date = n
        n = put(form.text, n, b"0000-00-00T")
        form.time = n
        n = put(form.text, n, b"00:00:00")
        form.offset = n
        n = put(form.text, n, b'+00:00","LengthInMinutes":')
        form.length = n
        n += number_into(form.text + n, self.minutes)
        form.size = put(form.text, n, b',"IsBusy":false}')

    cdef int _read_zones(self, list seats, object zones) except -1:
        """Check and copy the zone table of each branch."""
        cdef dict places = {}
        cdef int64_t place, at, i
        cdef const int64_t[::1] table
        for place in range(self.size):
            branch = seats[self.order[place]][0]
            if branch not in places:
                if branch not in zones:
                    raise ValueError(f"no zone for branch {branch}")
                at = len(places) * self.span * 4
                places[branch] = at
                table = whole_numbers(zones[branch])
                if table.shape[0] != self.span * 4:
                    raise ValueError(f"the zone of branch {branch} is not {self.span} x 4 numbers")
                for i in range(self.span * 4):
                    self.zones[at + i] = table[i]
                for i in range(self.span):
                    check_zone(self.zones + at + i * 4, branch)
            self.zone_of[place] = places[branch]
        return 0

    cdef void _write_tables(self) noexcept:
        cdef int64_t i
        cdef int n
        for i in range(self.span):
            date_into(self.dates + i * 16, self.start + i)
        for i in range(self.cells):
            two_digits(self.times[i], i * self.minutes // 60)
            two_digits(self.times[i] + 3, i * self.minutes % 60)
            self.times[i][2] = self.times[i][5] = 58
            self.times[i][6] = self.times[i][7] = 48
        for i in range(1, self.longest + 1):
            n = number_into(self.tails[i], i * self.minutes)
            self.tail_sizes[i] = put(self.tails[i], n, b',"IsBusy":true}')

    # ---- one day of one seat

    cdef void _prepare(self, int64_t place, int64_t day) noexcept nogil:
        """Set a seat's form to a day: date, offsets, and its bitmaps."""
        cdef Form *form = self.forms + place
        cdef const uint64_t *working = self.bits + (self.order[place] * self.span + day) * 2 * self.wide
        cdef const uint64_t *busy = working + self.wide
        cdef const int64_t *zone = self.zones + self.zone_of[place] + day * 4
        cdef uint64_t carry = 0
        cdef uint64_t taken = 0
        cdef int64_t w
        memcpy(form.text + form.date, self.dates + day * 16, 10)
        offset_into(form.text + form.offset, zone[0])
        form.switch = self.cells
        for w in range(self.wide):
            form.busy[w] = busy[w]
            form.free[w] = working[w] & ~busy[w]
        if zone[1] < MINUTES:
            self._switch(form, zone)
        for w in range(self.wide):
            form.starts[w] = form.free[w] | (form.busy[w] & ~(form.busy[w] << 1 | carry))
            carry = form.busy[w] >> 63
            taken += popcount64(form.busy[w])
        if <int64_t>taken > self.longest:
            self._cut(form)

    cdef void _switch(self, Form *form, const int64_t *zone) noexcept nogil:
        """A day on which the clock is changed: the second offset, and no cell in time that does not exist."""
        cdef int64_t cell
        cdef int64_t end = zone[1] + zone[3]
        offset_into(form.after, zone[2])
        form.switch = (zone[1] + self.minutes - 1) // self.minutes
        if zone[3] == 0:
            return
        for cell in range(zone[1] // self.minutes, (end + self.minutes - 1) // self.minutes):
            form.busy[cell >> 6] &= ~(<uint64_t>1 << (cell & 63))
            form.free[cell >> 6] &= ~(<uint64_t>1 << (cell & 63))

    cdef void _cut(self, Form *form) noexcept nogil:
        """Start a new interval wherever a busy run has lasted as long as one may."""
        cdef int64_t cell = self.longest
        cdef int64_t since
        cdef int64_t first = -1
        for cell in range(self.cells):
            if not (form.busy[cell >> 6] >> (cell & 63)) & 1:
                first = -1
                continue
            if first < 0:
                first = cell
            since = cell - first
            if since and since % self.longest == 0:
                form.starts[cell >> 6] |= <uint64_t>1 << (cell & 63)

    # ---- writing

    cdef int64_t _write(self, Cursor *cursor, char *buffer, int64_t room) noexcept nogil:
        """Write intervals from the cursor on as long as there is room; return the bytes written."""
        cdef char *p = buffer
        cdef char *limit = buffer + room - 2 * FORM
        cdef int64_t first, last, place
        cursor.paused = False
        while cursor.group < self.groups:
            first = self.firsts[cursor.group]
            last = self.firsts[cursor.group + 1]
            while cursor.day < self.span:
                for place in range(first, last):
                    self._prepare(place, cursor.day)
                p = self._day(cursor, first, last, p, limit)
                if cursor.paused:
                    return p - buffer
                cursor.day += 1
                cursor.cell = 0
            cursor.group += 1
            cursor.day = 0
        return p - buffer

    cdef char *_day(self, Cursor *cursor, int64_t first, int64_t last, char *p, char *limit) noexcept nogil:
        """Write a doctor's day from the cursor's cell on, until it ends or the next interval could pass ``limit``."""
        cdef int64_t w, cell, place
        cdef uint64_t left
        for w in range(cursor.cell >> 6, self.wide):
            left = 0
            for place in range(first, last):
                left |= self.forms[place].starts[w]
            left &= ~ones(cursor.cell - (w << 6))
            while left:
                cell = (w << 6) + ctz64(left)
                left &= left - 1
                for place in range(first + cursor.member, last):
                    if not (self.forms[place].starts[w] >> (cell & 63)) & 1:
                        continue
                    if p > limit:
                        cursor.cell = cell
                        cursor.member = place - first
                        cursor.paused = True
                        return p
                    p = self._interval(cursor, self.forms + place, cell, p)
                cursor.member = 0
        return p

    cdef inline char *_interval(self, Cursor *cursor, const Form *form, int64_t cell, char *p) noexcept nogil:
        """Write one interval; the first one of all opens the array where others have a comma."""
        cdef int64_t length
        memcpy(p, form.text, FORM)
        memcpy(p + form.time, self.times[cell], 8)
        if cell >= form.switch:
            memcpy(p + form.offset, form.after, 6)
        if not cursor.begun:
            cursor.begun = True
            p[0] = 91
        if (form.free[cell >> 6] >> (cell & 63)) & 1:
            return p + form.size
        length = run_end(form.busy, cell, self.cells, self.longest) - cell
        memcpy(p + form.length, self.tails[length], TAIL)
        return p + form.length + self.tail_sizes[length]

    cdef void _measure(self, int64_t *count, int64_t *size) noexcept nogil:
        """Count intervals and their bytes."""
        cdef int64_t place, day, w, cell
        cdef Form *form
        cdef uint64_t left, cells
        for place in range(self.size):
            form = self.forms + place
            for day in range(self.span):
                self._prepare(place, day)
                cells = 0
                for w in range(self.wide):
                    cells += popcount64(form.free[w])
                    left = form.starts[w] & form.busy[w]
                    while left:
                        cell = (w << 6) + ctz64(left)
                        left &= left - 1
                        cell = run_end(form.busy, cell, self.cells, self.longest) - cell
                        size[0] += form.length + self.tail_sizes[cell]
                        count[0] += 1
                count[0] += cells
                size[0] += <int64_t>cells * form.size

    def length(self):
        cdef int64_t count = 0
        cdef int64_t size = len(self.head) + 2
        with nogil:
            self._measure(&count, &size)
        return size if count else size + 1

    def count(self):
        cdef int64_t count = 0
        cdef int64_t size = 0
        with nogil:
            self._measure(&count, &size)
        return count

    @property
    def intervals(self):
        return self.count()

    def chunks(self):
        cdef Cursor cursor
        cdef int64_t used, sent
        cdef char *p
        buffer, self.spare = self.spare or bytearray(self.chunk), None
        view = memoryview(buffer).toreadonly()
        p = PyByteArray_AsString(buffer)
        cursor.group = cursor.day = cursor.cell = cursor.member = 0
        cursor.begun = False
        cursor.paused = True
        sent = 0
        try:
            while cursor.paused:
                used = min(<int64_t>len(self.head) - sent, self.chunk - 2 * FORM)
                memcpy(p, PyBytes_AsString(self.head) + sent, used)
                sent += used
                if sent < len(self.head):
                    yield view[:used]
                    continue
                with nogil:
                    used += self._write(&cursor, p + used, self.chunk - used)
                if not cursor.paused:
                    used = put(p, used, b"]}" if cursor.begun else b"[]}")
                yield view[:used]
        finally:
            self.spare = buffer

    def tobytes(self):
        return b"".join([bytes(chunk) for chunk in self.chunks()])
