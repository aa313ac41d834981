# What the walk does at each kind of word and number. Part of reading.pxi.


cdef int single(const Reading *r, int i, uint8_t *kind) noexcept nogil:
    """What a single letter means here."""
    cdef uint32_t one = letter_at(r, i)
    cdef bint counted = near(r, i + 1, NUMBER)
    cdef bint pending = not empty(&r.group) and r.open == 0
    cdef bint named
    cdef int number = 0
    if is_initial(r, i) or (token_at(r, i).sense == SIZE and near(r, i + 1, WORD) and is_adjective(r, i + 1)):
        return PLAIN
    if token_at(r, i).sense == SIZE and known(r, i, r.n, BIG, &number) > 1:
        return PLAIN  # Н. Новгород
    if token_at(r, i).number == 1 and token_at(r, i).sense == PLAIN and not token_at(r, i).dot \
            and not empty(&r.group) and near(r, i + 1, WORD):
        return PLAIN  # Сакко и Ванцетти
    named = is_name(r, i + 1)
    if one == 0x433:  # г
        return CITY if named or pending else SKIP
    if one == 0x434:  # д
        kind[0] = HAMLET
        return HOUSE if counted else SETTLEMENT if named or pending else SKIP
    if one == 0x441:  # с
        kind[0] = BUILDING if counted and r.house.number else VILLAGE
        return SUB if counted and r.house.number else SETTLEMENT if (named and not counted) or pending else SKIP
    if one == 0x43A:  # к
        kind[0] = CORPUS
        if r.house.number and r.flat.number == 0 and (counted or letter_at(r, i + 1) or near(r, i + 1, DASH)):
            return SUB
        return VALUE if r.house.number else SKIP
    if one == 0x43F:  # п
        kind[0] = 2
        return VALUE if counted else SETTLEMENT if named or pending else SKIP
    if one == 0x445:  # х
        kind[0] = 7
        return SETTLEMENT if named or pending else SKIP
    if one == 0x448:  # ш
        kind[0] = HIGHWAY
        return STREET
    if one == 0x43B:  # л
        kind[0] = LITERA
        return SUB if r.house.number else SKIP
    if one == 0x442:  # т
        return TAIL if counted or near(r, i + 1, PLUS) else SKIP
    if one == 0x44D:  # э
        return VALUE
    return SKIP


cdef int read_qualified(Reading *r, int i) noexcept nogil:
    """рабочий посёлок, городской округ, жилой комплекс: both words make one sense."""
    cdef uint8_t number = token_at(r, i).number
    cdef int sense = number >> 5
    cdef uint8_t kind = number & 31
    r.text.tokens[i].sense = SKIP
    if token_at(r, i + 1).sense == QUALIFIER:
        return i + 1
    if sense == DISTRICT and kind == 7:  # автономный
        sense, kind = REGION, 3
    elif sense == DISTRICT and kind == 0:
        kind = token_at(r, i + 1).number
    return read_marker(r, i + 1, sense, kind)


cdef bint is_flat(const Reading *r, int i) noexcept nogil:
    """Whether кв means a flat: not where a name comes behind it."""
    return near(r, i + 1, NUMBER) or near(r, i + 1, DASH) or not is_name(r, i + 1)


# ---- names


cdef int read_name(Reading *r, int i) noexcept nogil:
    """Collect a word; the name of a place ends by itself, that of a street where something else begins."""
    cdef int words
    if r.open <= STREET or not empty(&r.group):
        collect(r, i, i + 1)
        return i + 1
    words = place_words(r, i)
    collect(r, i, i + words)
    if not (near(r, i + words, DASH) and token_at(r, i + words).gap == GLUED):
        close(r)
    return i + words


cdef int place_words(const Reading *r, int i) noexcept nogil:
    """How many words a place's name has that begins with token i."""
    cdef int number = 0
    cdef int words = home(r, i, r.n)
    cdef const Token *token = token_at(r, i)
    cdef const Token *second = token_at(r, i + 1)
    if words == 0:
        words = known(r, i, r.n, LAND if r.open == REGION else BIG, &number)
    if words:
        return words
    if second.kind != WORD or second.gap == PARTED or second.size < 2 or second.sense not in (PLAIN, RANK):
        return 1
    if token.size == 1 or token.sense in (SIZE, RANK):
        return 2
    if r.open == DISTRICT or r.open == REGION or not is_adjective(r, i) or is_adjective(r, i + 1):
        return 1
    if not agrees(r, i):
        return 1  # мкр. Северный Героев Труда
    return 1 if in_genitive(r, i + 1) and begins_house(r, i + 2) else 2


cdef bint agrees(const Reading *r, int i) noexcept nogil:
    """Whether an adjective may go with the word behind it, in the nominative: Красный Яр, Красная Поляна."""
    cdef uint32_t gender_ = last_letter(r, i, 1)
    cdef uint32_t last = last_letter(r, i + 1, 1)
    cdef uint32_t other = last_letter(r, i + 1, 2)
    if gender_ == 0x439:  # й
        return last not in (0x430, 0x44F, 0x44B, 0x438, 0x43E, 0x435, 0x445) and not (
            last == 0x432 and (other == 0x43E or other == 0x435))
    if gender_ == 0x44F:  # я
        return last in (0x430, 0x44F, 0x44C)
    return last != 0x432 and last != 0x445


cdef bint in_genitive(const Reading *r, int i) noexcept nogil:
    """Whether a word may be a person's name in a street's: Ленина, Горького."""
    cdef uint32_t last = last_letter(r, i, 1)
    return last in (0x430, 0x44F, 0x44B, 0x438, 0x43E, 0x445, 0x439)  # а я ы и о х й


cdef bint begins_house(const Reading *r, int i) noexcept nogil:
    cdef const Token *token = token_at(r, i)
    if token.gap == PARTED or token.kind == NUMBER:
        return token.gap != PARTED
    return token.kind == WORD and (token.sense == HOUSE or token.sense == STREET or letter_at(r, i) == 0x434)


cdef int read_marker(Reading *r, int i, int sense, uint8_t kind) noexcept nogil:
    """A word that says what a name is, which stands before it or behind."""
    cdef const Token *token = token_at(r, i)
    cdef Range name = r.group
    if sense == STREET and is_named_like_kind(r, i, kind):
        collect(r, i, i + 1)
        return i + 1
    if sense == STREET and kind == BOULEVARD and r.open == STREET and token.size == 2 and empty(&name):
        r.text.tokens[i].sense = RANK  # ул. Бр. Кашириных
        r.text.tokens[i].number = BROTHERS
        return read_name(r, i)
    if sense == STREET and kind != LINE and r.open == 0 and is_name(r, i + 1) and name.end == name.first + 1 \
            and token_at(r, name.first).kind == NTH:
        r.text.tokens[i].sense = SKIP  # 2-й пер. Пархоменко
        r.open = STREET
        r.open_kind = kind
        return i + 1
    if sense == STREET and r.open == STREET and token.gap != PARTED and (
            empty(&r.group) or (r.open_kind == 0 and token.size > 4 and not is_name(r, i + 1))):
        r.open_kind = kind
        return i + 1
    if empty(&name) or r.open or not stands_behind(r, i, sense, kind):
        close(r)
        r.open = sense
        r.open_kind = kind
        return i + 1
    r.group = span(0, 0)
    if sense == DISTRICT and name.end - name.first > 1:
        push(r, span(name.first, name.end - 1))
        name.first = name.end - 1
    elif sense == CITY or sense == SETTLEMENT or sense == INNER:
        name = without_places(r, name)
    assign(r, sense, kind, name)
    if sense == STREET and token_at(r, i + 1).sense == ISLAND and near(r, i + 1, WORD) and r.street.end == i:
        r.text.tokens[i].sense = SKIP
        r.street.end = i + 2
        return i + 2
    return i + 1


cdef bint is_named_like_kind(const Reading *r, int i, uint8_t kind) noexcept nogil:
    """ул. Набережная, Набережная ул., Набережная 5: the word is the name."""
    cdef const Token *token = token_at(r, i)
    cdef int after = i + 2 if token_at(r, i + 1).sense == SKIP else i + 1
    if kind == 0 or token.size <= 4 or is_hyphened(r, i) or is_name(r, i + 1):
        return False
    if near(r, after, WORD) and token_at(r, after).size == 1 and token_at(r, after).dot and near(r, after + 1, WORD):
        return False  # проспект им. В. И. Ленина
    if kind == LINE:
        return False
    if r.open == STREET:
        return token.gap != PARTED and kind == EMBANKMENT
    return empty(&r.group) and empty(&r.street)


cdef bint is_named_like_quay(const Reading *r, int i) noexcept nogil:
    """Набережная 5: the word is a name, not the kind of one."""
    cdef const Token *token = token_at(r, i)
    return token.number == EMBANKMENT and token.size > 4 and token.gap != PARTED and near(r, i + 1, NUMBER)


cdef inline bint is_hyphened(const Reading *r, int i) noexcept nogil:
    """пр-кт, ш-се: an abbreviation, however long."""
    return token_at(r, i).hyphened


cdef bint stands_behind(const Reading *r, int i, int sense, uint8_t kind) noexcept nogil:
    """Whether the name stands before its word: there is one on that side."""
    cdef bint named = is_name(r, i + 1)
    cdef int last = r.group.end - 1
    cdef bint counted = token_at(r, last).kind != WORD
    cdef int number = 0
    if sense == STREET and kind != EMBANKMENT and token_at(r, i + 1).sense == STREET \
            and is_named_like_quay(r, i + 1):
        return False  # Тверь улица Набережная 5
    if sense == INNER:
        return counted or (not named and (is_adjective(r, last) or not near(r, i + 1, NUMBER)))
    if not named or token_at(r, i + 1).sense == ISLAND:
        return True
    if sense == STREET:
        return (counted and kind == LINE) or is_town(r, i + 1) or is_told_later(r, i + 1)
    if sense == CITY:
        return not token_at(r, i).dot and known(r, r.group.first, r.group.end, LAND, &number) == 0
    if sense == REGION or sense == DISTRICT:
        return is_adjective(r, last) and (kind != OKRUG or sense == REGION)
    return False


cdef bint is_told_later(const Reading *r, int i) noexcept nogil:
    """Whether the name that begins with token i has a word of its own behind it."""
    cdef const Token *next = token_at(r, i + 1)
    return is_adjective(r, i) and next.kind == WORD and next.gap != PARTED and next.sense in (REGION, DISTRICT)


# ---- houses and flats


cdef int read_house_word(Reading *r, int i) noexcept nogil:
    close(r)
    i += 1
    if near(r, i, DASH):
        i += 1
    if not near(r, i, NUMBER):
        return i
    return past_value(r, i, False) if r.sure else read_house(r, i, True)


cdef int read_house(Reading *r, int i, bint sure) noexcept nogil:
    """The house that begins with number i, and what hangs on it: 12А, 12/3, 12-5, 11/-89."""
    close(r)
    r.open = 0
    if not 0 < token_at(r, i).value <= 9999:
        return i + 1
    r.house = Piece(token_at(r, i).value, 0)
    r.part = r.subs[0] = r.subs[1] = r.subs[2] = Piece(0, 0)
    r.sure = sure
    r.house_at = i
    i += 1
    while True:
        if r.house.letter == 0 and r.part.number == 0 and letter_at(r, i) and is_house_letter(r, i):
            r.house.letter = letter_at(r, i)
            i += 1
        elif near(r, i, DASH) and r.house.letter == 0 and letter_at(r, i + 1) and token_at(r, i + 1).gap == GLUED \
                and is_house_letter(r, i + 1):
            r.house.letter = letter_at(r, i + 1)
            i += 2
        elif near(r, i, SLASH):
            i = read_stroke(r, i + 1)
        elif near(r, i, DASH) and near(r, i + 1, NUMBER) and r.flat.number == 0:
            i = read_dashed(r, i + 1)
        else:
            return i


cdef int read_stroke(Reading *r, int i) noexcept nogil:
    """Behind a stroke: a second number, a letter, or the flat."""
    cdef uint32_t letter = letter_at(r, i)
    if near(r, i, DASH) and near(r, i + 1, NUMBER):
        return read_flat(r, i + 1)
    if near(r, i, NUMBER):
        if r.part.number:
            return read_flat(r, i)
        r.part.number = token_at(r, i).value if token_at(r, i).value <= 9999 else 0
        i += 1
        if letter_at(r, i) and token_at(r, i).gap == GLUED and is_house_letter(r, i):
            r.part.letter = letter_at(r, i)
            i += 1
        return i
    if letter and r.house.letter == 0 and is_house_letter(r, i):
        r.house.letter = letter
        return i + 1
    return i


cdef int read_dashed(Reading *r, int i) noexcept nogil:
    """Behind a dash: the flat; where two numbers come, the block and the flat."""
    if near(r, i + 1, DASH) and near(r, i + 2, NUMBER) and r.subs[CORPUS].number == 0:
        r.subs[CORPUS].number = min(token_at(r, i).value, 9999)
        i += 2
    else:
        r.dashed = True
    return read_flat(r, i)


cdef bint is_house_letter(const Reading *r, int i) noexcept nogil:
    """Whether a single letter behind a house is the house's: no к, с, д, п, т with a number, no г with a town."""
    cdef uint32_t one = letter_at(r, i)
    cdef const Token *next = token_at(r, i + 1)
    if (one == 0x43A or one == 0x441 or one == 0x43B) and near(r, i + 1 + near(r, i + 1, DASH), NUMBER):
        return False
    if one == 0x43B and letter_at(r, i + 1):
        return False
    if one == 0x433 and next.kind == WORD and next.gap == SPACED and is_town(r, i + 1):
        return False
    if token_at(r, i).gap == GLUED:
        return True
    if token_at(r, i).gap == PARTED:
        return False
    if next.kind == END or next.gap == PARTED or next.kind == SLASH or next.kind == DASH:
        return True
    if next.kind == NUMBER:
        return one not in (0x434, 0x43F, 0x442, 0x44D, 0x43C)
    return next.kind == WORD and next.sense in (SUB, FLAT, VALUE, TAIL, SKIP)


cdef int read_sub(Reading *r, int i, uint8_t kind) noexcept nogil:
    """корпус, строение, литера: a number, a letter, or both."""
    cdef Piece *sub = &r.subs[kind]
    close(r)
    i += 1
    if near(r, i, DASH):
        i += 1
    if r.house.number == 0:
        return read_house(r, i, True) if near(r, i, NUMBER) else i
    if letter_at(r, i) and near(r, i, WORD):
        sub.letter = letter_at(r, i)
        i += 1
        if near(r, i, NUMBER) and token_at(r, i).gap == GLUED:
            sub.number = min(token_at(r, i).value, 9999)
            i += 1
    elif near(r, i, NUMBER) and token_at(r, i).value > 0:
        sub.number = min(token_at(r, i).value, 9999)
        i += 1
        if letter_at(r, i) and token_at(r, i).gap == GLUED:
            sub.letter = letter_at(r, i)
            i += 1
    return i


cdef bint is_tied(const Reading *r, int i) noexcept nogil:
    """12 кА, 12 сБ: a sub with its letter, behind a house."""
    cdef const Token *before = token_at(r, i - 1)
    cdef uint32_t one = r.text.folded[token_at(r, i).at]
    return r.house.number and r.flat.number == 0 and token_at(r, i).gap != PARTED and (one == 0x43A or one == 0x441) \
        and (before.kind != WORD or before.size == 1)


cdef int read_tied(Reading *r, int i) noexcept nogil:
    cdef int at = token_at(r, i).at
    r.subs[CORPUS if r.text.folded[at] == 0x43A else BUILDING].letter = r.text.folded[at + 1]
    if near(r, i + 1, NUMBER) and token_at(r, i + 1).gap == GLUED:
        r.subs[CORPUS if r.text.folded[at] == 0x43A else BUILDING].number = min(token_at(r, i + 1).value, 9999)
        return i + 2
    return i + 1


cdef int read_flat(Reading *r, int i) noexcept nogil:
    """The flat's number from token i on, where one stands there."""
    if near(r, i, DASH):
        i += 1
    if token_at(r, i).kind != NUMBER:
        return i
    if r.dashed and r.flat.number and r.subs[CORPUS].number == 0:
        r.subs[CORPUS].number = r.flat.number
    r.flat = Piece(token_at(r, i).value if 0 < token_at(r, i).value <= 99999 else 0, 0)
    i += 1
    if letter_at(r, i) and token_at(r, i).gap == GLUED and not near(r, i + 1, NUMBER):
        r.flat.letter = letter_at(r, i)
        i += 1
    return i


cdef int past_value(const Reading *r, int i, bint all_) noexcept nogil:
    """Skip what goes with подъезд (a number) or домофон (all up to a comma or to something that counts)."""
    cdef const Token *token
    if not all_:
        if near(r, i, DASH):
            i += 1
        if near(r, i, NUMBER) or near(r, i, NTH):
            i += 1
            if letter_at(r, i) and token_at(r, i).gap == GLUED:
                i += 1
        return i
    while i < r.n:
        token = token_at(r, i)
        if token.gap == PARTED or (token.kind == WORD and token.sense in (STREET, FLAT, HOUSE)):
            return i
        i += 1
    return i
