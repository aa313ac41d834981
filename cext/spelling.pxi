# From the parts of an address to its fields and its one spelling. Part of address.pyx, register.pyx.

cdef enum:
    ROOM = 3072  # octets of one field or text

cdef struct Field:
    int at
    int size

cdef struct Fields:
    Field region, district, city, place, street_kind, street, house, flat
    int index
    int confidence
    int64_t key
    int text_size
    uint8_t shown  # which parts the text has: bits by Part
    uint8_t kind  # of the street
    int used
    uint8_t[2 * ROOM] octets  # behind all that is shown, ROOM octets on, the same as it is compared: lower, ё = е
    uint8_t[2 * ROOM] text

cdef enum:
    HAS_REGION = 1
    HAS_DISTRICT = 2
    HAS_CITY = 4
    HAS_PLACE = 8
    HAS_STREET = 16
    HAS_HOUSE = 32


cdef inline int put(uint8_t *out, int n, uint32_t one) noexcept nogil:
    """Write a character as UTF-8, of which an address has two lengths."""
    if n + 2 > ROOM:
        return n
    memcpy(out + n, WRITTEN[one].shown, 2)
    memcpy(out + ROOM + n, WRITTEN[one].canon, 2)
    return n + 1 + (one >= 0x80)


cdef inline int put_octets(uint8_t *out, int n, const uint8_t *shown, const uint8_t *canon, int size) noexcept nogil:
    """Write what is UTF-8 already."""
    if n + size > ROOM:
        return n
    memcpy(out + n, shown, size)
    memcpy(out + ROOM + n, canon, size)
    return n + size


cdef inline uint32_t upper(uint32_t one) noexcept nogil:
    if one < 0x80:
        return one - 0x20 if 0x61 <= one <= 0x7A else one
    if 0x430 <= one <= 0x44F:
        return one - 0x20
    if 0x450 <= one <= 0x45F:
        return one - 0x50
    return one & ~<uint32_t>1 if one >= 0x460 and not 0x4C0 <= one <= 0x4CF else one


cdef int put_full(uint8_t *out, int n, Spelled spelled) noexcept nogil:
    return put_octets(out, n, OCTETS + spelled.at, CANONS + spelled.at, spelled.size)


cdef int put_number(uint8_t *out, int n, int32_t number) noexcept nogil:
    cdef int32_t ten = 1
    if number <= 0:
        return n
    while ten <= number // 10:
        ten *= 10
    while ten:
        n = put(out, n, 48 + number // ten % 10)
        ten //= 10
    return n


cdef int put_piece(uint8_t *out, int n, const Piece *piece) noexcept nogil:
    n = put_number(out, n, piece.number)
    return put(out, n, upper(piece.letter)) if piece.letter else n


cdef int put_word(const Reading *r, uint8_t *out, int n, const Token *token, bint low) noexcept nogil:
    """Write a word with capitals, each part of a hyphenated one but на and по."""
    cdef int i
    cdef int start = token.at
    cdef int end = token.at + token.size
    cdef uint32_t one
    if n + 2 * token.size > ROOM:
        return n
    for i in range(start, end):
        one = r.text.plain[i]
        if not low and (i == start or (token.hyphened and r.text.classes[i - 1] == HYPHEN
                                       and not is_small_part(r, i, end))):
            one = upper(one)
        memcpy(out + n, WRITTEN[one].shown, 2)
        memcpy(out + ROOM + n, WRITTEN[one].canon, 2)
        n += 1 + (one >= 0x80)
    return n


cdef inline bint is_small_part(const Reading *r, int i, int end) noexcept nogil:
    """на, по, де inside a name."""
    return i + 2 < end and r.text.classes[i + 2] == HYPHEN


cdef uint32_t gender(const Reading *r, int i, uint8_t kind) noexcept nogil:
    """The ending of an ordinal by the adjective behind it, or by the kind of street: я, й, е."""
    cdef uint32_t last
    if near(r, i, WORD):
        last = last_letter(r, i, 1)
        if not is_adjective(r, i):
            return 0x44F if last == 0x430 or last == 0x44F else 0x439
        return last if last == 0x44F or last == 0x439 else 0x435
    if kind in (0, EMBANKMENT, 7, 9, LINE, 12, 16, 22, 24):
        return 0x44F
    return 0x435 if kind in (HIGHWAY, 17) else 0x439


cdef int put_size(const Reading *r, uint8_t *out, int n, int i) noexcept nogil:
    """Большая, Малый: the stem of an abbreviation with the ending of the adjective behind it."""
    cdef uint8_t kind = token_at(r, i).number
    cdef uint32_t last = gender(r, i + 1, 0)
    cdef bint soft = 2 <= kind <= 4
    n = put_full(out, n, FULL[SIZE][kind])
    if last == 0x44F:
        return put(out, put(out, n, 0x44F if soft else 0x430), last)
    if last == 0x439:
        return put(out, put(out, n, 0x438 if soft else 0x43E if kind == 0 else 0x44B), last)
    return put(out, put(out, n, 0x435 if soft else 0x43E), last)


cdef int put_nth(const Reading *r, uint8_t *out, int n, int i, bint more, uint8_t kind) noexcept nogil:
    """What stands behind the number of an ordinal: its ending, as the next word or the kind of street wants it."""
    cdef const Token *token = token_at(r, i)
    if token.kind == NTH and token.sense == DATE:
        return put_letiya(out, put(out, n, 0x2D))
    if more and not is_adjective(r, i + 1):
        if token.number == 3 or token_at(r, i + 1).sense == DATE:
            return n  # 1-го Мая
        return put(out, put(out, n, 0x2D), 0x439 if token.number == 1 else 0x435 if token.number == 2 else 0x44F)
    return put(out, put(out, n, 0x2D), gender(r, i + 1 if more else r.n, kind))


cdef int put_token(const Reading *r, uint8_t *out, int n, int i, Range name, uint8_t kind) noexcept nogil:
    """Write one token of a name; nothing where it says nothing."""
    cdef const Token *token = token_at(r, i)
    cdef const Token *next = token_at(r, i + 1)
    cdef bint more = i + 1 < name.end and next.kind == WORD
    cdef int number = 0
    if token.kind == NTH or (token.kind == NUMBER and more and next.sense == PLAIN and is_nominative(r, i + 1)):
        return put_nth(r, out, put_number(out, n, token.value), i, more, kind)
    if token.kind == NUMBER:
        n = put_number(out, n, token.value)
        return put(out, put(out, n, 0x2D), 0x44F) if kind == LINE and name.end == i + 1 else n
    if token.kind != WORD:
        return n
    if token.sense == ISLAND:
        return put_island(out, n, token.number)
    if token.size == 1:
        if known(r, i, name.end, LOW, &number) == 2:
            return put_full(out, n, FULL[LOW][number])
        if more and is_sized(r, i):
            return put_size(r, out, n, i)
        if more and token.sense == PLAIN and token.number == 1 and not token.dot:
            return put_word(r, out, n, token, True)
        return put_word(r, out, n, token, False) if name.end - name.first == 1 or is_letter_of(r, i, name) else n
    if more and is_sized(r, i):
        return put_size(r, out, n, i)
    if token.sense == RANK and more:
        return put_full(out, n, FULL[RANK][token.number])
    return put_word(r, out, n, token, (token.sense == PLAIN or token.sense == DATE) and token.number == 1)


cdef inline bint is_letter_of(const Reading *r, int i, Range name) noexcept nogil:
    return i > name.first and token_at(r, i).gap == GLUED and token_at(r, i - 1).kind == NUMBER


cdef inline bint is_nominative(const Reading *r, int i) noexcept nogil:
    """Whether an adjective is in the singular: 1 Парковая is the first one, 26 Бакинских is twenty-six of them."""
    return is_adjective(r, i) and last_letter(r, i, 2) != 0x44B and last_letter(r, i, 1) != 0x435 or (
        is_adjective(r, i) and last_letter(r, i, 1) == 0x439 and last_letter(r, i, 2) == 0x44B)


cdef int put_letiya(uint8_t *out, int n) noexcept nogil:
    return put(out, put(out, put(out, put(out, put(out, n, 0x43B), 0x435), 0x442), 0x438), 0x44F)


cdef int put_island(uint8_t *out, int n, uint8_t number) noexcept nogil:
    n = put(out, put(out, n, 0x41F if number else 0x412), 0x2E)
    return put(out, put(out, n, 0x421 if number else 0x41E), 0x2E)


cdef int put_name(const Reading *r, uint8_t *out, int n, Range name, uint8_t kind) noexcept nogil:
    """Write a name word by word; an ordinal at its end comes first."""
    cdef int i, before, after
    cdef int start = n
    cdef bint apart
    cdef Range left = name
    cdef bint joined = False
    if name.end - name.first > 1 and token_at(r, name.end - 1).kind == NTH and token_at(r, name.first).kind == WORD:
        left.end -= 1
        n = put(out, put_number(out, n, token_at(r, left.end).value), 0x2D)
        n = put(out, n, gender(r, left.first, kind))
    for i in range(left.first, left.end):
        if token_at(r, i).sense == SKIP and left.end - left.first > 1:
            continue
        if token_at(r, i).kind == DASH:
            joined = True
            n = put(out, n, 0x2D)
            continue
        apart = n > start and not joined and not is_letter_of(r, i, left)
        joined = False
        before = put(out, n, 0x20) if apart else n
        after = put_token(r, out, before, i, left, kind)
        n = after if after > before else n
    return n


# ---- fields


cdef inline Field field(Fields *to, int end) noexcept nogil:
    """Close the field that was written up to ``end``."""
    cdef Field made
    made.at = to.used
    made.size = end - to.used
    to.used = end
    return made


cdef int put_kinded(const Reading *r, uint8_t *out, int n, Range name, int sense, uint8_t kind) noexcept nogil:
    """A name, a space, the word for what it is; a name that says nothing, 0, has none."""
    cdef int named = put_name(r, out, n, name, 1)
    return put_full(out, put(out, named, 0x20), FULL[sense][kind]) if named > n else n


cdef void write_fields(const Reading *r, Fields *to) noexcept nogil:
    """Write the fields one after another."""
    cdef uint8_t *out = to.octets
    to.used = 0
    to.kind = r.street_kind
    to.index = r.index
    to.region = field(to, put_region(r, out, 0))
    if not empty(&r.district):
        to.district = field(to, put_kinded(r, out, to.used, r.district, DISTRICT, r.district_kind))
    else:
        to.district = field(to, to.used)
    to.city = field(to, put_city(r, out, to.used))
    to.place = field(to, put_place(r, out, to.used))
    to.street_kind = field(to, to.used if to.kind == UNKNOWN_KIND else put_full(out, to.used, FULL[STREET][to.kind]))
    to.street = field(to, put_name(r, out, to.used, r.street, to.kind))
    if to.street.size == 0:
        to.street_kind.size = 0
    to.house = field(to, put_house(r, out, to.used))
    to.flat = field(to, put_piece(out, to.used, &r.flat) if r.flat.number else to.used)


cdef int put_region(const Reading *r, uint8_t *out, int n) noexcept nogil:
    cdef int named, end
    if empty(&r.region):
        return n
    if r.land >= 0:
        return put_full(out, n, FULL[LAND][r.land])
    if r.region_kind == REPUBLIC and not is_adjective(r, r.region.end - 1):
        named = put(out, put_full(out, n, FULL[REGION][REPUBLIC]), 0x20)
        end = put_name(r, out, named, r.region, 0)
        return end if end > named else n
    return put_kinded(r, out, n, r.region, REGION, r.region_kind)


cdef int put_city(const Reading *r, uint8_t *out, int n) noexcept nogil:
    if r.at_home:
        return put_octets(out, n, r.home.octets, r.home.canons, r.home.octets_size)
    if empty(&r.city):
        return n
    return put_full(out, n, FULL[BIG][r.big]) if r.big >= 0 else put_name(r, out, n, r.city, 1)


cdef int put_place(const Reading *r, uint8_t *out, int n) noexcept nogil:
    cdef Spelled kind
    cdef int named = n
    cdef int end
    if empty(&r.place):
        return n
    if r.place_kind != UNNAMED:
        kind = FULL[INNER][r.place_kind - 64] if r.place_kind >= 64 else FULL[SETTLEMENT][r.place_kind]
        named = put(out, put_full(out, n, kind), 0x20)
    if named > n and r.place.end == r.place.first + 1 and token_at(r, r.place.first).kind == NTH:
        end = put_number(out, named, token_at(r, r.place.first).value)
    else:
        end = put_name(r, out, named, r.place, 1)
    return end if end > named else n


cdef int put_house(const Reading *r, uint8_t *out, int n) noexcept nogil:
    """12, 12А, 12/3, 12 к1, 12 с2, 12 лит А."""
    cdef int k
    if r.house.number == 0:
        return n
    n = put_piece(out, n, &r.house)
    if r.part.number:
        n = put_piece(out, put(out, n, 0x2F), &r.part)
    for k in range(3):
        if r.subs[k].number == 0 and r.subs[k].letter == 0:
            continue
        n = put(out, n, 0x20)
        if k == LITERA:
            n = put(out, put(out, put(out, put(out, n, 0x43B), 0x438), 0x442), 0x20)
            n = put(out, n, upper(r.subs[k].letter)) if r.subs[k].letter else n
            n = put_number(out, n, r.subs[k].number)
        else:
            n = put_piece(out, put(out, n, 0x43A if k == CORPUS else 0x441), &r.subs[k])
    return n


# ---- the text and the key


cdef int add_part(Fields *to, int n, const Field *part, uint8_t bit) noexcept nogil:
    if part.size == 0 or n + part.size + 2 > ROOM:
        return n
    if n:
        n = put(to.text, put(to.text, n, 0x2C), 0x20)
    to.shown |= bit
    return put_octets(to.text, n, to.octets + part.at, to.octets + ROOM + part.at, part.size)


cdef void write_text(const Reading *r, Fields *to) noexcept nogil:
    """Put the parts together that a geocoder needs, and hash them as they are compared."""
    cdef int n = 0
    cdef Field street = to.street
    cdef bint settled = not empty(&r.place) and r.place_kind < 64
    to.shown = 0
    to.text_size = 0
    to.key = 0
    if to.street.size == 0 and to.place.size == 0 and empty(&r.city):
        return
    if not r.at_home:
        n = add_part(to, n, &to.region, HAS_REGION)
        if to.city.size == 0:
            n = add_part(to, n, &to.district, HAS_DISTRICT)
    n = add_part(to, n, &to.city, HAS_CITY)
    if settled or to.street.size == 0:
        n = add_part(to, n, &to.place, HAS_PLACE)
    n = add_street(to, n)
    if to.street.size or to.place.size:
        n = add_part(to, n, &to.house, HAS_HOUSE)
    to.text_size = n
    to.key = <int64_t>(hash64(to.text + ROOM, n, 0) >> 1)  # never below zero: there a program has room for its own


cdef int add_street(Fields *to, int n) noexcept nogil:
    cdef Field kinded = to.street_kind
    if to.street.size == 0 or to.street_kind.size == 0:
        return add_part(to, n, &to.street, HAS_STREET)
    n = add_part(to, n, &kinded, HAS_STREET)
    if n + to.street.size + 1 > ROOM:
        return n
    n = put(to.text, n, 0x20)
    return put_octets(to.text, n, to.octets + to.street.at, to.octets + ROOM + to.street.at, to.street.size)


cdef void write_canon(const uint8_t *text, int size, uint8_t *out) noexcept nogil:
    """Lower letters, ё = е: under this an address is known. No letter has another length for it."""
    cdef int i = 0
    cdef uint32_t one
    while i < size:
        if text[i] < 0x80:
            out[i] = <uint8_t>FOLDED[text[i]]
            i += 1
            continue
        one = FOLDED[(<uint32_t>text[i] & 0x1F) << 6 | (text[i + 1] & 0x3F)]
        out[i] = <uint8_t>(0xC0 | one >> 6)
        out[i + 1] = <uint8_t>(0x80 | (one & 0x3F))
        i += 2


cdef int trust(const Reading *r, const Fields *to) noexcept nogil:
    """How sure the reading is, 0 to 100."""
    cdef int sure = 0
    if to.text_size == 0:
        return 0
    if to.shown & HAS_STREET:
        sure = 100 if to.house.size else 50
    elif to.place.size:
        sure = 85 if to.house.size else 30
    else:
        return 20
    if to.shown & HAS_STREET and not r.marked:
        sure -= 10
    if to.city.size == 0 and to.region.size == 0:
        sure -= 15
    sure -= 10 * r.lost
    return max(sure, 5)


cdef void parse_units(const uint32_t *text, int size, const City *city, Letters *letters, Fields *to) noexcept nogil:
    """The whole way, from characters to fields, text and key."""
    cdef Reading r
    memset(&r, 0, sizeof(Reading))
    take_letters(letters, text, size)
    take_tokens(letters)
    r.text = letters
    r.home = city
    r.n = letters.n
    r.land = r.big = r.orphan = -1
    read(&r)
    resolve(&r)
    write_fields(&r, to)
    write_text(&r, to)
    to.confidence = trust(&r, to)


cdef inline void put_letter(City *city, uint32_t one) noexcept nogil:
    memcpy(city.octets + city.octets_size, WRITTEN[one].shown, 2)
    memcpy(city.canons + city.octets_size, WRITTEN[one].canon, 2)
    city.octets_size += 1 + (one >= 0x80)


cdef void take_city(City *city, Letters *letters, const uint32_t *text, int size) noexcept nogil:
    """Read a default city: its words with capitals, without г."""
    cdef int i, j
    cdef int n = 0
    cdef uint32_t one
    cdef const Token *token
    take_letters(letters, text, size)
    take_tokens(letters)
    city.octets_size = 0
    for i in range(letters.n):
        token = &letters.tokens[i]
        if token.kind != WORD or n + token.size > 100 or (token.sense == CITY and i == 0):
            continue
        if n:
            city.folded[n] = 0x20
            put_letter(city, 0x20)
            n += 1
        for j in range(token.at, token.at + token.size):
            one = letters.plain[j]
            city.folded[n] = 0x20 if one == 0x2D else letters.folded[j]
            put_letter(city, upper(one) if j == token.at or (letters.classes[j - 1] == HYPHEN and not (
                j + 2 < token.at + token.size and letters.classes[j + 2] == HYPHEN)) else one)
            n += 1
    city.size = n
