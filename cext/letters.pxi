# From the characters of an address to its words and numbers. Part of address.pyx, register.pyx.

cdef enum:
    MOST = 400  # characters of an address that are read
    TOKENS = 160
    GLUED = 0  # how a token stands behind the one before
    SPACED = 1
    PARTED = 2  # a comma lies between
    RANGE = 0x530  # characters of the tables: Latin and Cyrillic

cdef enum:
    END, WORD, NUMBER, NTH, DASH, SLASH, PLUS

cdef enum:
    OTHER, LETTER, DIGIT, SPACE, DOT, PARTING, HYPHEN, STROKE, ADDITION, NOTHING, LATIN

cdef struct Token:
    int16_t at  # in the letters
    int16_t size
    uint8_t kind
    uint8_t sense
    uint8_t number  # of the kind within a sense
    uint8_t gap
    uint8_t dot  # stands behind it
    uint8_t begins  # a name of the tables may begin with this word
    uint8_t hyphened
    int32_t value  # of a number, -1 where it is none that a house has


cdef struct Letters:
    int size
    uint32_t[MOST + 8] plain  # lower, ё kept
    uint32_t[MOST + 8] folded  # ё = е
    uint8_t[MOST + 8] classes
    int n
    Token[TOKENS + 4] tokens

cdef Token BLANK = Token(0, 1, DASH, PLAIN, 0, GLUED, 0, 0, 0, -1)
cdef Token LAST = Token(0, 0, END, PLAIN, 0, PARTED, 0, 0, 0, -1)

cdef uint8_t[128] ASCII
cdef uint32_t[128] ALIKE  # of a Latin letter the Cyrillic one that looks like it


cdef struct Written:  # a character as UTF-8, as it is shown and as it is compared: both have one size
    uint8_t[2] shown
    uint8_t[2] canon

cdef uint8_t[RANGE] CLASSES
cdef uint16_t[RANGE] LOWER
cdef uint16_t[RANGE] FOLDED
cdef Written[RANGE] WRITTEN


cdef int fill_letters() except -1:
    for i in range(128):
        ASCII[i] = DIGIT if 48 <= i < 58 else LATIN if chr(i).isalpha() else OTHER
    for characters, class_ in (
        (" \"'`#_:*=<>\t", SPACE), (".", DOT), (",;\n\r()[]{}|", PARTING), ("-~", HYPHEN), ("/\\", STROKE),
        ("+", ADDITION),
    ):
        for one in characters:
            if ord(one) < 128:
                ASCII[<int>ord(one)] = class_
    for latin, cyrillic in zip("aceopxykmtbhnru", "асеорхукмтвнпги", strict=True):
        if latin not in "nru":  # these only in italics
            ALIKE[<int>ord(latin)] = ord(cyrillic)
    for i in range(RANGE):
        CLASSES[<int>i] = class_of(i)
        LOWER[<int>i] = 0x2D if class_of(i) == HYPHEN else 0x2F if class_of(i) == STROKE else lower(i)
        FOLDED[<int>i] = fold(LOWER[<int>i])
    for i in range(RANGE):
        WRITTEN[<int>i] = written(i, FOLDED[<int>i])
    return 0


fill_letters()


cdef inline void encode(uint8_t *out, uint32_t one) noexcept nogil:
    out[0] = <uint8_t>(one if one < 0x80 else 0xC0 | one >> 6)
    out[1] = <uint8_t>(0x80 | (one & 0x3F))


cdef Written written(uint32_t shown, uint32_t canon) noexcept nogil:
    cdef Written made
    encode(made.shown, shown)
    encode(made.canon, canon)
    return made


cdef inline uint8_t class_of(uint32_t one) noexcept nogil:
    if one < 128:
        return ASCII[one]
    if 0x400 <= one <= 0x52F and not 0x482 <= one <= 0x489:
        return LETTER
    if one == 0xAD or 0x200B <= one <= 0x200F or 0x202A <= one <= 0x202E or 0x2060 <= one <= 0x2069 or one == 0xFEFF:
        return NOTHING
    if 0x300 <= one <= 0x36F or 0xFE00 <= one <= 0xFE0F:
        return NOTHING
    if 0x2010 <= one <= 0x2015 or one == 0x2212:
        return HYPHEN
    return OTHER


cdef inline uint32_t lower(uint32_t one) noexcept nogil:
    if one < 0x400:
        return one + 0x20 if 0x41 <= one <= 0x5A else one
    if one < 0x410:
        return one + 0x50
    if one < 0x430:
        return one + 0x20
    if one < 0x460 or 0x4C0 <= one <= 0x4CF:
        return one
    return one | 1


cdef void take_letters(Letters *to, const uint32_t *text, int size) noexcept nogil:
    """Copy characters lower, without what nobody sees; a breve or two dots join their letter."""
    cdef int i
    cdef int n = 0
    cdef uint32_t one
    cdef uint8_t class_
    for i in range(size):
        one = text[i]
        if one < RANGE:
            class_ = CLASSES[one]
            if class_ != NOTHING:
                to.plain[n] = LOWER[one]
                to.folded[n] = FOLDED[one]
                to.classes[n] = class_
                n += 1
                continue
        class_ = class_of(one)
        if class_ == NOTHING:
            if n and one == 0x306 and to.plain[n - 1] == 0x438:
                to.plain[n - 1] = to.folded[n - 1] = 0x439
            elif n and one == 0x308 and to.plain[n - 1] == 0x435:
                to.plain[n - 1] = 0x451
            continue
        to.plain[n] = to.folded[n] = 0x2D if class_ == HYPHEN else one
        to.classes[n] = class_
        n += 1
    to.size = n
    to.classes[n] = to.classes[n + 1] = SPACE
    to.plain[n] = to.folded[n] = 0x20


cdef inline bint is_letter(uint8_t class_) noexcept nogil:
    return class_ == LETTER or class_ == LATIN


cdef bint make_cyrillic(Letters *text, int start, int end) noexcept nogil:
    """Latin letters that look Cyrillic become so, in a word where no other Latin letter is."""
    cdef int i
    cdef uint32_t alike
    for i in range(start, end):
        if text.classes[i] == LATIN and ALIKE[text.plain[i]] == 0:
            return False
    for i in range(start, end):
        if text.classes[i] == LATIN:
            alike = ALIKE[text.plain[i]]
            text.plain[i] = alike
            text.folded[i] = alike
            text.classes[i] = LETTER
    return True


cdef int32_t number_of(Letters *text, int start, int end) noexcept nogil:
    cdef int i
    cdef int32_t value = 0
    for i in range(start, end):
        value = value * 10 + <int32_t>(text.plain[i] - 48)
        if value > 9999999:
            return -1
    return value


cdef int before_marker(Letters *text, int at, int end) noexcept nogil:
    """Where a word ends to which a hyphen has tied the next one's abbreviation: Бердск-ул."""
    cdef const Entry *entry
    cdef int i = end - 1
    while i > at and text.classes[i] != HYPHEN:
        i -= 1
    entry = look_up(text.folded + i + 1, end - i - 1) if i > at else NULL
    return i if entry != NULL and entry.sense == STREET else end


cdef int after_marker(Letters *text, int at, int end) noexcept nogil:
    """Where a street's abbreviation ends to which its name is glued: б-рСеверный; where there is a hyphen in it."""
    cdef const Entry *entry
    cdef int i
    if text.classes[at + 1] != HYPHEN and text.classes[at + 2] != HYPHEN:
        return end
    for i in range(min(at + 6, end - 3), at + 2, -1):
        entry = look_up(text.folded + at, i - at)
        if entry != NULL and entry.sense == STREET:
            return i
    return end


cdef void take_word(Letters *text, Token *token, int at) noexcept nogil:
    """Take a word: a hyphen between letters is in it, a stroke only in short ones (р/п, ж/д)."""
    cdef const Entry *entry
    cdef int i, end = at
    cdef uint8_t class_
    cdef bint latin = False
    while True:
        class_ = text.classes[end]
        while class_ == LETTER:
            end += 1
            class_ = text.classes[end]
        if class_ == LATIN:
            latin = True
        elif not is_letter(text.classes[end + 1]) or not (
                class_ == HYPHEN
                or (class_ == STROKE and end - at <= 2 and (at == 0 or text.classes[at - 1] != DIGIT))):
            break
        else:
            token.hyphened |= class_ == HYPHEN
        end += 1
    if latin:
        make_cyrillic(text, at, end)
    entry = look_up(text.folded + at, end - at)
    if entry == NULL and text.classes[end] == DOT:
        end = before_marker(text, at, end)
    elif entry == NULL:
        i = after_marker(text, at, end)
        if i < end:
            end = i
            entry = look_up(text.folded + at, end - at)
    token.kind = WORD
    token.size = <int16_t>(end - at)
    token.begins = may_begin(text.folded + at, end - at)
    if entry != NULL and entry.sense < BIG:
        token.sense = entry.sense
        token.number = entry.number


cdef void take_tokens(Letters *text) noexcept nogil:
    """Cut the letters into tokens."""
    cdef int at = 0
    cdef uint8_t gap = PARTED
    cdef uint8_t class_
    cdef Token *token
    text.n = 0
    while at < text.size and text.n < TOKENS:
        class_ = text.classes[at]
        if class_ == SPACE or class_ == OTHER or class_ == DOT or class_ == PARTING:
            if class_ == DOT and gap == GLUED and text.n:
                text.tokens[text.n - 1].dot = 1
            gap = PARTED if class_ == PARTING else max(gap, <uint8_t>SPACED)
            at += 1
            continue
        token = &text.tokens[text.n]
        token[0] = BLANK
        token.at = <int16_t>at
        token.gap = gap
        if is_letter(class_):
            take_word(text, token, at)
        elif class_ == DIGIT:
            token.kind = NUMBER
            while text.classes[at + token.size] == DIGIT:
                token.size += 1
            token.value = number_of(text, at, at + token.size)
        elif class_ != HYPHEN:
            token.kind = SLASH if class_ == STROKE else PLUS
        at += token.size
        text.n += 1
        gap = GLUED
    join_tokens(text)
    for at in range(4):
        text.tokens[text.n + at] = LAST
        text.tokens[text.n + at].at = <int16_t>text.size


cdef bint is_ending(Letters *text, const Token *token) noexcept nogil:
    """Whether a word is what stands behind the number of an ordinal (5-я, 40-летия)."""
    cdef uint32_t first = text.folded[token.at]
    cdef uint32_t second = text.folded[token.at + 1]
    if token.kind != WORD or token.gap != GLUED:
        return False
    if token.size == 1:
        return first == 0x44F or first == 0x439 or first == 0x435  # я й е
    if token.size == 2:
        return second in (0x44F, 0x439, 0x435, 0x43E) and first in (0x430, 0x44B, 0x43E, 0x438, 0x433, 0x44C, 0x442)
    return token.sense == DATE and first == 0x43B  # летия


cdef uint8_t ending_of(Letters *text, const Token *token) noexcept nogil:
    """Of an ordinal's ending: 0 я, 1 й, 2 е, 3 го."""
    cdef uint32_t last = text.folded[token.at + token.size - 1]
    return 1 if last == 0x439 else 2 if last == 0x435 else 3 if last == 0x43E else 0


cdef inline bint is_named(const Token *token) noexcept nogil:
    return token.kind == WORD and token.gap != PARTED and token.size > 1 and token.sense in (PLAIN, STREET, INNER, RANK)


cdef uint16_t pair_sense(Letters *text, const Token *a, const Token *b, const Token *c) noexcept nogil:
    """What single letters with dots mean together (г.о., р.п., п.г.т., В.О.): sense and kind, 0 for nothing."""
    cdef uint32_t x = text.folded[a.at]
    cdef uint32_t y = text.folded[b.at]
    if x == 0x433 and y == 0x43E:  # г.о.
        return DISTRICT << 8 | OKRUG
    if x == 0x43C and y == 0x43E:
        return DISTRICT << 8 | OKRUG
    if x == 0x440 and y == 0x43F:  # р.п.
        return SETTLEMENT << 8 | 3
    if x == 0x43F and y == 0x433 and c.size == 1 and text.folded[c.at] == 0x442:
        return SETTLEMENT << 8 | 4
    if x == 0x434 and y == 0x43F and c.kind == WORD and c.size > 2:
        return SETTLEMENT << 8 | 5
    if x == 0x441 and y == 0x43F and c.kind == WORD and c.size > 2:
        return DISTRICT << 8 | 3
    if (x == 0x432 and y == 0x43E) or (x == 0x43F and y == 0x441):  # В.О., П.С.
        return ISLAND << 8 | <uint16_t>(x == 0x43F)
    return 0


cdef void join_tokens(Letters *text) noexcept nogil:
    """Make one token of what is one: ordinals, and letters with dots."""
    cdef int i = 0
    cdef int n = 0
    cdef int used
    cdef uint16_t found
    cdef Token *token
    for used in range(3):
        text.tokens[text.n + used] = LAST
    while i < text.n:
        token = &text.tokens[i]
        used = 1
        if token.kind == NUMBER and 0 < token.value < 1000:
            if is_ending(text, &text.tokens[i + 1]) and (text.tokens[i + 1].size > 1 or is_named(&text.tokens[i + 2])):
                used = 2
            elif text.tokens[i + 1].kind == DASH and text.tokens[i + 1].gap == GLUED \
                    and is_ending(text, &text.tokens[i + 2]):
                used = 3
            if used > 1:
                token.kind = NTH
                token.sense = text.tokens[i + used - 1].sense
                token.number = ending_of(text, &text.tokens[i + used - 1])
                token.dot = 0
        elif token.kind == WORD and token.size == 1 and token.dot and text.tokens[i + 1].kind == WORD \
                and text.tokens[i + 1].size == 1 and text.tokens[i + 1].gap != PARTED:
            found = pair_sense(text, &text.tokens[i], &text.tokens[i + 1], &text.tokens[i + 2])
            if found:
                used = 3 if found == (SETTLEMENT << 8 | 4) else 2
                token.sense = <uint8_t>(found >> 8)
                token.number = <uint8_t>found
                token.size = 2
        if n != i:
            text.tokens[n] = token[0]
        n += 1
        i += used
    text.n = n
