# The grammar: from tokens to the parts of an address. Part of address.pyx, register.pyx.

cdef enum:
    FREE = 12  # names without a word that says what they are
    UNNAMED = 127  # a place without a word that says what it is
    UNKNOWN_KIND = 255  # of a street

cdef struct Range:
    int first
    int end  # exclusive; equal to first where there is nothing

cdef struct Loose:
    Range range
    bint late  # behind the house
    bint early  # before any street or house

cdef struct Piece:
    int32_t number
    uint32_t letter

cdef struct City:  # the default one
    int size
    uint32_t[104] folded  # hyphens are spaces
    int octets_size
    uint8_t[208] octets  # as it is written
    uint8_t[208] canons


cdef struct Reading:
    Letters *text
    const City *home
    int n
    int32_t index
    Range region, district, city, place, street
    int land  # a region or city out of the tables: its number, or -1
    int big
    bint at_home  # the city named is the default one
    uint8_t region_kind, district_kind, place_kind, street_kind
    bint told  # the city is
    bint marked  # the street's kind is told
    bint sure  # the house's word is told
    bint dashed  # the flat was told by a dash alone
    int house_at
    Piece house, part, flat
    Piece[3] subs
    Loose[FREE] free
    int n_free
    Range group
    int open  # the sense of the word before the group, 0 for none
    uint8_t open_kind
    int lost  # names nobody needed
    int orphan


cdef inline bint empty(const Range *range) noexcept nogil:
    return range.first >= range.end


cdef inline Range span(int first, int end) noexcept nogil:
    cdef Range made
    made.first = first
    made.end = end
    return made


cdef inline const Token *token_at(const Reading *r, int i) noexcept nogil:
    return &r.text.tokens[i if 0 <= i < r.n else r.n]


cdef inline uint32_t letter_at(const Reading *r, int i) noexcept nogil:
    """The letter of a token of one, 0 for any other."""
    cdef const Token *token = token_at(r, i)
    return r.text.folded[token.at] if token.kind == WORD and token.size == 1 else 0


cdef inline uint32_t last_letter(const Reading *r, int i, int back) noexcept nogil:
    cdef const Token *token = token_at(r, i)
    return r.text.folded[token.at + token.size - back] if token.size >= back else 0


cdef inline bint near(const Reading *r, int i, int kind) noexcept nogil:
    """Whether token i is of this kind and no comma stands before it."""
    return token_at(r, i).kind == kind and token_at(r, i).gap != PARTED


cdef inline bint is_adjective(const Reading *r, int i) noexcept nogil:
    """Whether a word has the ending of an adjective: ая яя ый ий ой ое ее ые ие."""
    cdef uint32_t last = last_letter(r, i, 1)
    cdef uint32_t other = last_letter(r, i, 2)
    if token_at(r, i).size < 4:
        return False
    if last == 0x44F:
        return other == 0x430 or other == 0x44F
    if last == 0x439:
        return other == 0x44B or other == 0x438 or other == 0x43E
    return last == 0x435 and (other == 0x43E or other == 0x435 or other == 0x44B or other == 0x438)


cdef int known(const Reading *r, int i, int end, int sense, int *number) noexcept nogil:
    """How many words from token i on are a name of the tables: the longest, 0 for none; hyphens are spaces."""
    cdef uint32_t word[64]
    cdef const Token *token
    cdef const Entry *entry
    cdef int n = 0
    cdef int best = 0
    cdef int k, j
    if not token_at(r, i).begins:
        return 0
    for k in range(3):
        token = token_at(r, i + k)
        if i + k >= end or token.kind != WORD or (k and token.gap == PARTED) or n + token.size > 60:
            break
        if k:
            word[n] = 0x20
            n += 1
        for j in range(token.size):
            word[n] = r.text.folded[token.at + j]
            if word[n] == 0x2D:
                word[n] = 0x20
            n += 1
        entry = look_up(word, n)
        if entry != NULL and entry.sense == sense:
            best = k + 1
            number[0] = entry.number
    return best


cdef int home(const Reading *r, int i, int end) noexcept nogil:
    """How many words from token i on are the default city's name, 0 where they are not."""
    cdef const Token *token
    cdef int n = 0
    cdef int start = i
    cdef int j
    cdef uint32_t one
    if r.home.size == 0:
        return 0
    while i < end:
        token = token_at(r, i)
        if n:
            if r.home.folded[n] != 0x20:
                return 0
            n += 1
        if n + token.size > r.home.size:
            return 0
        for j in range(token.size):
            one = r.text.folded[token.at + j]
            if one == 0x2D:
                one = 0x20
            if one != r.home.folded[n + j]:
                return 0
        n += token.size
        i += 1
        if n == r.home.size:
            return i - start
    return 0


cdef inline bint is_town(const Reading *r, int i) noexcept nogil:
    """Whether a town's name begins with token i."""
    cdef int number = 0
    return home(r, i, r.n) > 0 or known(r, i, r.n, BIG, &number) > 0


cdef bint is_name(const Reading *r, int i) noexcept nogil:
    """Whether a name can begin with token i, right behind the one before."""
    cdef const Token *token = token_at(r, i)
    if token.gap == PARTED:
        return False
    if token.kind == NTH:
        return True
    if token.kind == NUMBER:
        return is_numeric_name(r, i)
    if token.kind != WORD:
        return False
    if token.size == 1:
        return is_initial(r, i)
    if token.sense == SKIP:
        return is_name(r, i + 1)
    return token.sense in (PLAIN, DATE, RANK, SIZE, ISLAND) or (token.sense == QUALIFIER and not qualifies(r, i))


cdef bint is_numeric_name(const Reading *r, int i) noexcept nogil:
    """Whether a number begins a name: 8 Марта, 60 лет Октября, 26 Бакинских комиссаров, 1 Парковая."""
    cdef const Token *next = token_at(r, i + 1)
    if next.kind != WORD or next.gap != SPACED or token_at(r, i).value < 0:
        return False
    if next.sense == DATE:
        return True
    return next.sense in (PLAIN, SIZE) and next.size > 3


cdef bint is_initial(const Reading *r, int i) noexcept nogil:
    """Whether a single letter stands for a first name."""
    cdef const Token *token = token_at(r, i)
    cdef const Token *next = token_at(r, i + 1)
    cdef int number = 0
    if token.kind != WORD or token.size != 1 or next.kind != WORD or next.gap == PARTED:
        return False
    if known(r, i, i + 2, LOW, &number) == 2:
        return True
    if not token.dot:
        return False
    if next.size == 1:
        return next.dot and is_initial(r, i + 1)
    if next.sense != PLAIN or next.size < 4:
        return False
    return r.open == STREET or is_sized(r, i)


cdef bint is_sized(const Reading *r, int i) noexcept nogil:
    """Whether Б., Нов., Верх. stand before a word that can be large, new, upper: an adjective, a Полянка, an Арбат."""
    cdef const Token *token = token_at(r, i)
    if token.sense != SIZE or not near(r, i + 1, WORD):
        return False
    if is_adjective(r, i + 1):
        return True
    if token_at(r, i + 1).sense != PLAIN:
        return False
    if token.size == 1:
        return last_letter(r, i + 1, 1) == 0x430 and last_letter(r, i + 1, 2) == 0x43A
    return token.dot and token_at(r, i + 1).size > 3


cdef bint qualifies(const Reading *r, int i) noexcept nogil:
    """Whether a word like рабочий stands before the word that it goes with."""
    cdef const Token *token = token_at(r, i)
    cdef const Token *next = token_at(r, i + 1)
    return next.kind == WORD and next.gap != PARTED and (
        next.sense == token.number >> 5 or letter_at(r, i + 1) == 0x43F
        or (token.number >> 5 == SETTLEMENT and next.sense == QUALIFIER))


# ---- the walk


cdef void read(Reading *r) noexcept nogil:
    """Read all tokens, from left to right."""
    cdef int i = 0
    cdef const Token *token
    while i < r.n:
        token = token_at(r, i)
        if token.gap == PARTED and not empty(&r.group):
            close(r)
        if token.kind == NUMBER:
            i = read_number(r, i)
        elif token.kind == NTH:
            i = read_nth(r, i)
        elif token.kind == WORD:
            i = read_word(r, i)
        elif token.kind == PLUS:
            i = past_phone(r, i + 1)
        else:
            i += 1
    close(r)


cdef int past_phone(const Reading *r, int i) noexcept nogil:
    while token_at(r, i).kind == NUMBER or token_at(r, i).kind == DASH or token_at(r, i).kind == PLUS:
        if token_at(r, i).kind == NUMBER and token_at(r, i).size > 11:
            return i + 1
        i += 1
    return i


cdef int phone_end(const Reading *r, int i) noexcept nogil:
    """Where a telephone number ends that begins with token i; i where none does."""
    cdef int digits = 0
    cdef int groups = 0
    cdef int j = i
    cdef bint dashed = True
    if token_at(r, i).size >= 7:
        return i + 1
    while token_at(r, j).kind == NUMBER and digits < 12:
        digits += token_at(r, j).size
        groups += 1
        j += 1
        if token_at(r, j).kind == DASH:
            j += 1
        else:
            dashed = False if token_at(r, j).kind == NUMBER else dashed
    if token_at(r, i).value in (7, 8) and token_at(r, i).size == 1 and digits == 11:
        return j
    if groups >= 3 and dashed and digits >= 6:
        return j
    return i


cdef int read_number(Reading *r, int i) noexcept nogil:
    """An index, a telephone number, part of a name, the house, or the flat."""
    cdef const Token *token = token_at(r, i)
    cdef const Token *next = token_at(r, i + 1)
    cdef int end = phone_end(r, i)
    if end > i:
        close(r)
        return end
    if token.size == 6 and token.value >= 100000 and not is_letter_glued(r, i):
        if r.index == 0:
            r.index = token.value
        close(r)
        return i + 1
    if next.kind == WORD and next.gap != PARTED and next.sense == VALUE and token_at(r, i + 2).kind != NUMBER:
        close(r)
        return i + 2
    if next.kind == WORD and next.gap == SPACED and r.house.number == 0 \
            and (next.sense == INNER or (next.sense == STREET and next.number == LINE)):
        collect(r, i, i + 1)
        return i + 1
    if letter_at(r, i + 1) and token_at(r, i + 1).gap == GLUED and token_at(r, i + 2).sense == INNER \
            and near(r, i + 2, WORD) and r.house.number == 0:  # 12а мкр
        collect(r, i, i + 2)
        return i + 2
    if r.open == INNER and empty(&r.group) and numbers_inner(r, i):
        return read_numbered(r, i)
    if may_name(r, i):
        collect(r, i, i + 2)
        return i + 2
    if empty(&r.group) and r.open in (INNER, STREET) and r.house.number == 0 and empty(&r.street):
        return read_numbered(r, i)
    if dashed_name(r, i):
        collect(r, i, i + 1)
        return i + 1
    close(r)
    if r.house.number == 0:
        if empty(&r.street) and empty(&r.place) and r.n_free == 0:
            if r.orphan < 0:
                r.orphan = i
                return i + 1
        return read_house(r, i, False)
    if r.flat.number == 0:
        return read_flat(r, i)
    return i + 1


cdef inline bint is_letter_glued(const Reading *r, int i) noexcept nogil:
    return token_at(r, i + 1).kind == WORD and token_at(r, i + 1).gap == GLUED


cdef bint dashed_name(const Reading *r, int i) noexcept nogil:
    """СНТ Ромашка-2: the number is the name's."""
    return not empty(&r.group) and r.open == SETTLEMENT and r.open_kind >= 12 and token_at(r, i).gap == GLUED \
        and token_at(r, i - 1).kind == DASH and token_at(r, i - 1).gap == GLUED


cdef bint may_name(const Reading *r, int i) noexcept nogil:
    """Whether a number is part of a name here."""
    cdef int k, number
    cdef const Token *next = token_at(r, i + 1)
    if not is_numeric_name(r, i):
        return False
    if next.sense == DATE:
        return True
    if not empty(&r.group) or not empty(&r.street) or r.house.number or not empty(&r.place):
        return False
    for k in range(r.n_free):
        if leading_place(r, r.free[k].range) < r.free[k].range.end - r.free[k].range.first:
            return False
    return not is_town(r, i + 1)


cdef bint numbers_inner(const Reading *r, int i) noexcept nogil:
    """мкр 5 Щорса 12: the number is the district's name, what stands behind is the street's; not мкр 60 лет Октября."""
    cdef const Token *next = token_at(r, i + 1)
    cdef uint32_t last = last_letter(r, i + 1, 1)
    return near(r, i + 1, WORD) and next.gap == SPACED and next.sense == PLAIN and r.house.number == 0 \
        and empty(&r.street) and (last == 0x44F or not is_adjective(r, i + 1)) and last != 0x445  # 26 Бакинских


cdef int read_numbered(Reading *r, int i) noexcept nogil:
    """мкр 5, линия 8: the number is the name."""
    if r.open == STREET and r.open_kind != LINE:
        r.open = 0
        return read_house(r, i, False)
    collect(r, i, i + 1)
    close(r)
    if letter_at(r, i + 1) and token_at(r, i + 1).gap == GLUED and not near(r, i + 2, NUMBER):
        if r.place.end == i + 1:
            r.place.end = i + 2
        return i + 2
    return i + 1


cdef int read_nth(Reading *r, int i) noexcept nogil:
    cdef const Token *next = token_at(r, i + 1)
    if next.kind == WORD and next.gap != PARTED and next.sense == VALUE:
        close(r)
        return i + 2
    if r.house.number and not empty(&r.street):
        return i + 1
    collect(r, i, i + 1)
    return i + 1


cdef int read_word(Reading *r, int i) noexcept nogil:
    cdef const Token *token = token_at(r, i)
    cdef int sense = token.sense
    cdef uint8_t kind = token.number
    cdef int number = 0
    if token.size == 1:
        sense = single(r, i, &kind)
    elif sense == QUALIFIER:
        if qualifies(r, i):
            return read_qualified(r, i)
        sense = PLAIN
    elif sense in (STREET, SETTLEMENT) and token.size < 4 and known(r, i, r.n, BIG, &number) > 1:
        sense = PLAIN  # Наб. Челны, Ст. Оскол
    elif sense == ISLAND and empty(&r.group):
        return i + 1
    elif sense == FLAT and not is_flat(r, i) and token.size == 2:  # кв. Северный
        sense = INNER
        kind = 1
    elif sense == SUB and r.house.number == 0 and not (near(r, i + 1, NUMBER) and token.size > 2):
        sense = SKIP if near(r, i + 1, NUMBER) else PLAIN
    if sense == PLAIN and token.size == 2 and is_tied(r, i):
        return read_tied(r, i)
    if sense == PLAIN or sense == RANK or sense == SIZE or sense == DATE or sense == ISLAND:
        return read_name(r, i)
    if sense <= INNER:
        return read_marker(r, i, sense, kind)
    if sense == HOUSE:
        return read_house_word(r, i)
    if sense == SUB:
        return read_sub(r, i, kind)
    if sense == FLAT:
        close(r)
        return read_flat(r, i + 1)
    if sense == SKIP:
        return i + 1
    close(r)
    return past_value(r, i + 1, sense == TAIL)


include "naming.pxi"
include "walking.pxi"
