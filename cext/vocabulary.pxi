# Looking words up in the tables of words.pxi. Part of address.pyx, register.pyx.

cdef enum:
    PLAIN, STREET, CITY, REGION, DISTRICT, SETTLEMENT, INNER, HOUSE, SUB, FLAT, VALUE, TAIL, SKIP, DATE, ORDINAL
    RANK, SIZE, QUALIFIER, ISLAND, BIG, LAND, LOW

cdef enum:
    SLOTS = 4096  # of the hash table: a power of two, at least twice the words
    DEPOT = 24000  # characters of all words
    AVENUE = 1  # numbers of kinds that the grammar asks for
    BOULEVARD = 4
    HIGHWAY = 5
    EMBANKMENT = 6
    LINE = 10
    VILLAGE = 1
    HAMLET = 0
    OKRUG = 1
    REPUBLIC = 2
    BROTHERS = 9  # of RANK
    CORPUS = 0
    BUILDING = 1
    LITERA = 2

include "words.pxi"


cdef struct Entry:
    uint32_t at  # in the depot
    uint16_t size  # 0: an empty slot
    uint8_t sense
    uint8_t number


cdef struct Spelled:
    uint32_t at  # in the depot of octets
    uint16_t size

cdef Entry[SLOTS] TABLE
cdef uint32_t[DEPOT] WORDS
cdef uint32_t depot_size = 0
cdef uint8_t[DEPOT] OCTETS  # of full words, as UTF-8
cdef uint8_t[DEPOT] CANONS  # the same, as they are compared
cdef uint32_t octets_size = 0
cdef Spelled[22][256] FULL  # of each sense and number the full word


cdef uint8_t[512] BEGINNINGS  # a bit for all five letters with which a name of the tables begins
cdef uint8_t[1024] LIKELY  # a bit for the ends and the size of every word of the tables


cdef inline uint32_t beginning(const uint32_t *word, uint32_t size) noexcept nogil:
    """Which bit is that of a word: by its first five letters, up to a hyphen."""
    cdef uint32_t h = 0
    cdef uint32_t i
    for i in range(min(size, <uint32_t>5)):
        if word[i] == 0x2D or word[i] == 0x20:
            break
        h = h * 37 + word[i]
    return (h ^ h >> 7) & 4095


cdef inline bint may_begin(const uint32_t *word, uint32_t size) noexcept nogil:
    cdef uint32_t i = beginning(word, size)
    return BEGINNINGS[i >> 3] >> (i & 7) & 1


cdef inline uint32_t likely(const uint32_t *word, uint32_t size) noexcept nogil:
    """Which bit is that of a word, by what is quickly read of it."""
    cdef uint32_t h = ((word[0] * 37 + word[size >> 1]) * 37 + word[size - 1]) * 37 + size
    return (h ^ h >> 13) & 8191


cdef inline uint32_t fold(uint32_t one) noexcept nogil:
    """The letter under which a word is looked up: lower, ё = е."""
    if 0x410 <= one <= 0x42F:
        return one + 0x20
    if one == 0x401 or one == 0x451:
        return 0x435
    if 0x41 <= one <= 0x5A:
        return one + 0x20
    return one


cdef Spelled keep(str text):
    """Put a full word into the depot of octets."""
    global octets_size
    cdef bytes octets = text.encode()
    cdef bytes canons = text.lower().replace("ё", "е").encode()
    cdef Spelled made
    made.at = octets_size
    made.size = <uint16_t>len(octets)
    if octets_size + made.size > DEPOT or len(octets) != len(canons):
        raise RuntimeError("the depot of full words is full")
    for shown, canon in zip(octets, canons):
        OCTETS[octets_size] = shown
        CANONS[octets_size] = canon
        octets_size += 1
    return made


cdef int enter(object word, int sense, int number) except -1:
    """Let a word be found; the first meaning of two stays."""
    global depot_size
    cdef uint32_t size = len(word)
    cdef uint32_t *kept = WORDS + depot_size
    cdef uint32_t h = 0
    cdef uint32_t i, slot
    if depot_size + size > DEPOT:
        raise RuntimeError("the depot of words is full")
    for i in range(size):
        kept[i] = fold(ord(word[i])) if word[i] != "_" else 0x20
        h = mix(h, kept[i])
    i = likely(kept, size)
    LIKELY[i >> 3] |= 1 << (i & 7)
    if sense >= BIG:
        i = beginning(kept, size)
        BEGINNINGS[i >> 3] |= 1 << (i & 7)
    slot = settle(h)
    while TABLE[slot].size:
        if same(&TABLE[slot], kept, size):
            return 0
        slot = (slot + 1) & (SLOTS - 1)
    TABLE[slot] = Entry(depot_size, <uint16_t>size, <uint8_t>sense, <uint8_t>number)
    depot_size += size
    return 0


cdef int enter_kinds(str kinds, int sense) except -1:
    for number, line in enumerate(kinds.strip().split("\n")):
        words = line.split()
        full = words[0].replace("-", " ") if sense in (REGION, SETTLEMENT, INNER) else words[0]
        FULL[sense][<int>number] = keep(full)
        for word in words:
            enter(word, sense, number)
    return 0


cdef int enter_names(str names, int sense) except -1:
    if names.count(",") > 255:
        raise RuntimeError("too many names for a number of eight bits")
    for number, line in enumerate(names.split(",")):
        spellings = line.strip().split("=")
        full = spellings[0].replace("_", " ")
        FULL[sense][<int>number] = keep(full)
        for one in [*spellings[1:], full]:
            enter(one.replace("-", " "), sense, number)
    return 0


cdef int fill_words() except -1:
    for kinds, sense in (
        (STREETS, STREET), (REGIONS, REGION), (DISTRICTS, DISTRICT), (SETTLEMENTS, SETTLEMENT), (INNERS, INNER),
        (HOUSES, HOUSE), (SUBS, SUB), (FLATS, FLAT), (RANKS, RANK), (SIZES, SIZE),
    ):
        enter_kinds(kinds, sense)
    for word in ("город", "г", "гор", "гор-д"):
        enter(word, CITY, 0)
    for words, sense, number in (
        (LOWS, PLAIN, 1), (VALUES, VALUE, 0), (TAILS, TAIL, 0), (SKIPS, SKIP, 0), (YEARS, DATE, 1), (DATES, DATE, 0),
    ):
        for word in words.split():
            enter(word, sense, number)
    for number, one in enumerate(PEOPLE.split()):
        person, _, name = one.partition("=")
        FULL[LOW][<int>number] = keep(name)
        enter(person, LOW, number)
    for one in QUALIFIERS.split():
        word, _, both = one.partition("=")
        sense, _, kind = both.partition(":")
        enter(word, QUALIFIER, int(sense) << 5 | int(kind))
    enter("во", ISLAND, 0)
    enter("пс", ISLAND, 1)
    enter_names(CITIES, BIG)
    enter_names(LANDS, LAND)
    return 0


cdef inline uint32_t mix(uint32_t h, uint32_t unit) noexcept nogil:
    return (h ^ unit) * 0x01000193 + 0x9E37


cdef inline uint32_t settle(uint32_t h) noexcept nogil:
    h ^= h >> 15
    h *= 0x85EBCA6BU
    return (h ^ h >> 13) & (SLOTS - 1)


cdef inline bint same(const Entry *entry, const uint32_t *word, uint32_t size) noexcept nogil:
    cdef uint32_t i
    if entry.size != size:
        return False
    for i in range(size):
        if WORDS[entry.at + i] != word[i]:
            return False
    return True


cdef inline const Entry *look_up(const uint32_t *word, uint32_t size) noexcept nogil:
    """What a folded word means, or NULL."""
    cdef uint32_t h = 0
    cdef uint32_t i, slot
    if size == 0:
        return NULL
    i = likely(word, size)
    if not LIKELY[i >> 3] >> (i & 7) & 1:
        return NULL
    for i in range(size):
        h = mix(h, word[i])
    slot = settle(h)
    while TABLE[slot].size:
        if same(&TABLE[slot], word, size):
            return &TABLE[slot]
        slot = (slot + 1) & (SLOTS - 1)
    return NULL


fill_words()
