# Names: which belong together, and what they are names of. Part of reading.pxi.


# ---- groups


cdef void collect(Reading *r, int i, int end) noexcept nogil:
    if empty(&r.group):
        r.group.first = i
    r.group.end = end


cdef void push(Reading *r, Range range) noexcept nogil:
    if empty(&range):
        return
    if r.n_free == FREE:
        r.lost += 1
        return
    r.free[r.n_free].range = range
    r.free[r.n_free].late = r.house.number > 0
    r.free[r.n_free].early = empty(&r.street) and r.house.number == 0
    r.n_free += 1


cdef void close(Reading *r) noexcept nogil:
    """End the group: it belongs to the word before it, or to none."""
    cdef Range group = r.group
    r.group = span(0, 0)
    if empty(&group):
        return
    if r.open:
        assign(r, r.open, r.open_kind, group)
        r.open = 0
    else:
        push(r, group)


cdef void assign(Reading *r, int sense, uint8_t kind, Range name) noexcept nogil:
    """Give a name its place among the parts."""
    if sense == STREET:
        name = without_places(r, name)
        if not empty(&r.street):
            r.lost += 1
            return
        r.street = name
        r.street_kind = kind
        r.marked = True
    elif sense == CITY:
        set_city(r, name, empty(&r.street) and r.house.number == 0)
        r.told = True
    elif sense == REGION:
        if empty(&r.region):
            r.region = name
            r.region_kind = kind
            known(r, name.first, name.end, LAND, &r.land)
    elif sense == DISTRICT:
        if empty(&r.district) or kind < r.district_kind:
            r.district = name
            r.district_kind = kind
    elif empty(&r.place) or (sense == SETTLEMENT and r.place_kind >= 64):
        r.place = name
        r.place_kind = kind if sense == SETTLEMENT else kind + 64


cdef void set_city(Reading *r, Range name, bint early) noexcept nogil:
    """Name the city; of two the later, as long as it comes before the street."""
    if not empty(&r.city) and not early:
        r.lost += 1
        return
    r.city = name
    r.big = -1
    r.at_home = home(r, name.first, name.end) == name.end - name.first
    if not r.at_home:
        known(r, name.first, name.end, BIG, &r.big)


cdef Range without_places(Reading *r, Range name) noexcept nogil:
    """Take regions and cities from the beginning of a name that goes on; what is left is the street's."""
    cdef int words
    while True:
        words = leading_place(r, name)
        if words == 0 or name.first + words >= name.end:
            return name
        take_place(r, name.first, words, True)
        name.first += words


cdef int leading_place(const Reading *r, Range name) noexcept nogil:
    """How many words at the beginning are a region or city: known ones, or by their ending, where more follows."""
    cdef int number = 0
    cdef int words = home(r, name.first, name.end)
    if words == 0:
        words = known(r, name.first, name.end, BIG, &number)
    if words == 0:
        words = known(r, name.first, name.end, LAND, &number)
    if words == 0 and name.end - name.first > 1 and empty(&r.city) and is_townish(r, name.first):
        words = 1
    return words


cdef bint is_townish(const Reading *r, int i) noexcept nogil:
    """Whether a word ends as towns do and streets do not: -ск, -град, -бург, -город, -ово."""
    cdef uint32_t a = last_letter(r, i, 1)
    cdef uint32_t b = last_letter(r, i, 2)
    cdef uint32_t c = last_letter(r, i, 3)
    if token_at(r, i).size < 5 or token_at(r, i).kind != WORD:
        return False
    if a == 0x43A:
        return b == 0x441 or b == 0x446
    if a == 0x434:
        return c == 0x440 and (b == 0x43E or b == 0x430)
    if a == 0x433:
        return b == 0x440 and c == 0x443
    return a == 0x43E and b == 0x432 and (c == 0x43E or c == 0x435)


cdef void take_place(Reading *r, int first, int words, bint early) noexcept nogil:
    cdef int number = 0
    if home(r, first, first + words) == 0 and known(r, first, first + words, BIG, &number) == 0 \
            and known(r, first, first + words, LAND, &number) == words:
        if empty(&r.region):
            r.region = span(first, first + words)
            r.land = number
    else:
        set_city(r, span(first, first + words), early and not r.told)


# ---- names nobody has claimed


cdef void resolve(Reading *r) noexcept nogil:
    """Give the loose names their places, and decide what was left open."""
    cdef int k
    cdef int chosen
    if r.part.number >= 60 and r.flat.number == 0 and not r.sure:  # 12/89: nobody builds so many corners
        r.flat, r.part = r.part, Piece(0, 0)
        r.lost += 1
    for k in range(r.n_free):
        strip_places(r, k)
    chosen = street_of(r)
    if chosen >= 0:
        r.street = r.free[chosen].range
        r.free[chosen].range.end = r.free[chosen].range.first
    for k in range(r.n_free):
        place_loose(r, &r.free[k])
    if r.house.number == 0 and r.orphan >= 0 and not (empty(&r.street) and empty(&r.place)):
        read_house(r, r.orphan, False)
    if empty(&r.city) and empty(&r.place) and not empty(&r.district) and r.district_kind == OKRUG \
            and not is_adjective(r, r.district.first):
        set_city(r, r.district, True)
        r.district.end = r.district.first
    if empty(&r.city) and r.home.size and not (
            not empty(&r.place) and r.place_kind < 64 and not (empty(&r.region) and empty(&r.district))):
        r.at_home = True
    if not r.marked:
        r.street_kind = guessed_kind(r)


cdef void strip_places(Reading *r, int k) noexcept nogil:
    """Take regions and cities from the beginning of a loose name."""
    cdef Loose *loose = &r.free[k]
    cdef int words
    while not empty(&loose.range):
        words = leading_place(r, loose.range)
        if words == 0:
            return
        if words == loose.range.end - loose.range.first and is_adjective(r, loose.range.first) and street_of(r) == k:
            return  # Октябрьский 12
        take_place(r, loose.range.first, words, loose.early)
        loose.range.first += words


cdef int street_of(const Reading *r) noexcept nogil:
    """Which loose name is the street, -1 for none: the last before the house."""
    cdef int k
    if not empty(&r.street):
        return -1
    for k in range(r.n_free - 1, -1, -1):
        if empty(&r.free[k].range) or r.free[k].late:
            continue
        if not empty(&r.place) and r.free[k].range.first < r.place.first \
                and (r.house.number == 0 or r.house_at > r.place.first):
            return -1
        if r.house.number or is_adjective(r, r.free[k].range.end - 1) or not empty(&r.city) or r.home.size:
            return k
        return -1
    return -1


cdef void place_loose(Reading *r, const Loose *loose) noexcept nogil:
    cdef Range name = loose.range
    if empty(&name) or (letter_at(r, name.first) == 0x43C and not empty(&r.street)):  # м. Студенческая: an underground
        return
    if loose.late:
        if empty(&r.city) and r.home.size == 0 and name.end - name.first <= 2:
            set_city(r, name, False)
        else:
            r.lost += 1
    elif empty(&r.district) and name.end == name.first + 1 and is_adjective(r, name.first) \
            and last_letter(r, name.first, 1) == 0x439:
        r.district = name
        r.district_kind = 0
    elif empty(&r.city):
        set_city(r, name, True)
    elif empty(&r.place):
        r.place = name
        r.place_kind = UNNAMED
    else:
        r.lost += 1


cdef uint8_t guessed_kind(const Reading *r) noexcept nogil:
    """The kind of a street nobody has told: улица, but a Морской is none and a Бердское is a highway."""
    cdef int last = r.street.end - 1
    cdef uint32_t letter
    if empty(&r.street):
        return UNKNOWN_KIND
    letter = last_letter(r, last, 1)
    if not is_adjective(r, last) or letter == 0x44F or r.street.end - r.street.first > 2:
        return 0
    if letter == 0x439:
        return UNKNOWN_KIND
    return HIGHWAY
