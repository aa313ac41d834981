# What the words of an address mean: the tables of the parser, and the look-up in them. Part of address.pyx, register.pyx.

cdef enum:
    PLAIN, STREET, CITY, REGION, DISTRICT, SETTLEMENT, INNER, HOUSE, SUB, FLAT, VALUE, TAIL, SKIP, DATE, ORDINAL
    RANK, SIZE, QUALIFIER, ISLAND, BIG, LAND, LOW

cdef enum:
    SLOTS = 4096  # of the hash table: a power of two, at least twice the words
    DEPOT = 24000  # characters of all words
    AVENUE = 1  # numbers of kinds that the grammar asks for
    HIGHWAY = 5
    EMBANKMENT = 6
    LINE = 10
    VILLAGE = 1
    HAMLET = 0
    OKRUG = 1
    REPUBLIC = 2
    CORPUS = 0
    BUILDING = 1
    LITERA = 2

# Of each kind its full word, then how else it is typed; a kind's number is its place here.
cdef tuple STREETS = (
    "улица ул улиц ул-ца улиса", "проспект пр-т пр-кт просп пр прт пркт прос пр-спект пр-та", "переулок пер пер-к пр-к п-к переул пероулок",
    "проезд пр-д пр-зд прзд пр-езд", "бульвар б-р бул бульв бр б-вар бульв-р", "шоссе ш шос ш-се", "набережная наб наб-я н-я",
    "площадь пл пл-дь площ", "тупик туп тупик-к", "аллея ал алл", "линия лин л-я", "тракт тр-т тракт-т", "просека прос-ка",
    "просек", "въезд взд", "спуск", "дорога дор", "кольцо", "взвоз", "заезд", "проулок", "съезд", "магистраль", "эспланада", "тропа",
)
cdef tuple REGIONS = ("область обл обл-ть область-ть", "край кр", "республика респ респ-ка", "автономный-округ ао авт-округ", "автономная-область аобл")
cdef tuple DISTRICTS = (
    "район р-н рн р-он рай р-он-н рон", "округ го г-о г.о. мо м.о. м-о окр", "сельсовет с/с сс сельсов с/совет с/а", "поселение с/п сп с.п. г/п",
    "улус", "область-район",
)
cdef tuple SETTLEMENTS = (
    "деревня дер д-ня дерев", "село сел", "посёлок пос поселок п-к-н посел п-ок", "рабочий-посёлок рп р/п р.п. рабочий-поселок",
    "посёлок-городского-типа пгт п.г.т. п/г/т", "дачный-посёлок дп д.п.", "станица ст-ца стца стан", "хутор хут х", "аул", "слобода сл слоб",
    "станция ст ж/д_ст", "разъезд рзд", "СНТ снт нст", "ДНТ днт", "ДНП днп", "СТ с/т сот ст-во товарищество садоводство садов-во с/о", "территория тер терр",
    "ГСК гск", "кордон", "заимка", "выселки", "местечко", "КП кп к/п к.п.", "ТСН тсн", "ДПК дпк дск", "совхоз свх с-з с/з",
    "жилучасток", "улус", "починок", "погост", "лесничество", "санаторий", "СПК спк", "ОНТ онт",
)
cdef tuple INNERS = (
    "микрорайон мкр мкрн мкр-н м-н м/р мкрн-н мк-н мр-н мр м-р м-он м/н м-рн микр микр-н микрор мкрайон", "квартал кв-л кварт-л квл кв-ал",
    "ЖК жк комплекс", "жилмассив ж/м жм жилмас массив", "городок гор-к", "промзона п/з", "зона", "усадьба", "военный-городок в/г",
)
cdef tuple HOUSES = ("дом дм д-м домик", "владение вл влд влад вл-ние", "домовладение двлд д/вл дв домовлад", "участок уч уч-к участ", "здание зд", "сооружение соор")
cdef tuple SUBS = ("корпус корп кор кпус корпус корп-с кор-с крп кп-с", "строение стр строен стр-е", "литера лит литер литр литера")
cdef tuple FLATS = ("квартира кв квар к-ра кв-ра квартиры квар-ра кварт", "комната ком комн к-та", "офис оф", "помещение пом помещ", "апартаменты апарт ап", "каб кабинет", "бокс", "палата")

# Words that say nothing of a building: a number goes with them; all up to the next comma goes; they alone go.
cdef str VALUES = "подъезд подьезд подезд пд п-д п-зд подъез подьез парадная пар этаж эт э этажа секция секц блок бл уровень цех склад гараж павильон"
cdef str TAILS = (
    "домофон дмф дом-фон домоф дф вход код тел телефон моб мобильный т сот-т вход-со ориентир возле рядом напротив около за "
    "звонить остановка ост метро ключ домофона спросить через между вторая-дверь е-mail email mail почта сзади позади угол"
)
cdef str SKIPS = (
    "россия рф федерация адрес прописка проживает проживания регистрация регистрации факт фактический индекс имени им "
    "нет неизвестно частный частн ч/д ч-д чд сектор ч/с общежитие общ общ-тие обш типа городского номер этажный без н/у "
    "российская б/н не помнит знает указан указано указана отсутствует прож адр почтовый ул-ул страна населенный пункт нп н/п квартиры-нет тест новый-адрес"
)
cdef str YEARS = "лет летия летие года годов год гг км"  # written lower, as the words below
cdef str LOWS = "и на реки канала под над"
cdef str DATES = (
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря"
)

# A rank before a surname.
cdef tuple RANKS = (
    "Академика акад ак ак-ка академ", "Генерала ген ген-ла", "Маршала марш мар-ла", "Профессора проф", "Адмирала адм", "Капитана кап",
    "Лейтенанта лейт", "Полковника полк", "Героев гер", "Братьев бр-ев бр-в", "Космонавта косм", "Лётчика летч", "Партизана парт", "Комиссара ком-ра",
    "Командира ком-ира", "Сержанта серж", "Доктора д-ра", "Святого св", "Архитектора арх", "Писателя пис", "Композитора комп",
)
# Before an adjective, which gives the ending.
cdef tuple SIZES = (
    "Больш б бол больш", "Мал м мал", "Средн ср сред", "Верхн в верх верхн", "Нижн н ниж нижн", "Стар ст стар", "Нов нов", "Красн кр красн",
    "Северн сев", "Южн юж", "Восточн вост", "Западн зап",
)

# An initial, and whom it means: as the signs of streets have it.
cdef str PEOPLE = (
    "к_маркса=Карла к_либкнехта=Карла р_люксембург=Розы б_хмельницкого=Богдана м_горького=Максима л_толстого=Льва "
    "а_невского=Александра д_бедного=Демьяна з_космодемьянской=Зои о_кошевого=Олега а_матросова=Александра "
    "с_разина=Степана е_пугачева=Емельяна с_лазо=Сергея п_морозова=Павлика г_титова=Германа в_терешковой=Валентины "
    "у_громовой=Ульяны л_шевцовой=Любови к_цеткин=Клары и_франко=Ивана т_шевченко=Тараса д_донского=Дмитрия "
    "и_сусанина=Ивана м_джалиля=Мусы я_гашека=Ярослава н_островского=Николая ю_гагарина=Юрия м_жукова=Маршала "
    "с_есенина=Сергея ф_энгельса=Фридриха в_маяковского=Владимира а_пушкина=Александра э_тельмана=Эрнста л_чайкиной=Лизы "
    "м_расковой=Марины п_осипенко=Полины в_гризодубовой=Валентины с_кирова=Сергея с_тюленина=Сергея п_лумумбы=Патриса"
)

cdef str QUALIFIERS = (  # a word that means something only before another: that one's sense, and the kind that comes of both
    "городской=4:1 муниципальный=4:0 сельское=4:3 городское=4:3 автономный=4:7 автономная=3:4 рабочий=5:3 рабоч=5:3 раб=5:3 дачный=5:5 "
    "коттеджный=5:22 жилой=6:2 жил=6:2 военный=6:8 садовое=5:15 садоводческое=5:15 некоммерческое=5:15 дачное=5:15 авт=4:7 "
    "гаражный=5:17 железнодорожная=5:10"
)

cdef str CITIES = (  # of over 100,000 people, and some beside them; other spellings behind "="
    "Москва=мск=масква,Санкт-Петербург=спб=с-пб=питер=с-петербург=санкт_петербург=с_петербург,Новосибирск=нск=новосиб=н-ск,Екатеринбург=екб,Казань,"
    "Нижний_Новгород=н_новгород=нн,Красноярск=крск,Челябинск=чел,Самара,Уфа,Ростов-на-Дону=ростов=ростов_н/д=ростов_на_дону,Краснодар,Омск,Воронеж,"
    "Пермь,Волгоград,Саратов,Тюмень,Тольятти,Махачкала,Барнаул,Ижевск,Хабаровск,Ульяновск,Иркутск,Владивосток,Ярославль,"
    "Севастополь,Ставрополь,Томск,Кемерово,Набережные_Челны=н_челны=наб_челны,Оренбург,Новокузнецк,Балашиха,Рязань,Чебоксары,Калининград,"
    "Пенза,Липецк,Киров,Астрахань,Тула,Сочи,Курск,Улан-Удэ,Сургут,Тверь,Магнитогорск,Якутск,Брянск,Иваново,Симферополь,"
    "Владимир,Чита,Белгород,Нижний_Тагил=н_тагил,Калуга,Волжский,Смоленск,Саранск,Вологда,Курган,Череповец,Орёл,"
    "Архангельск,Владикавказ,Подольск,Йошкар-Ола,Грозный,Мурманск,Тамбов,Петрозаводск,Стерлитамак,Кострома,Новороссийск,Нижневартовск,"
    "Таганрог,Химки,Сыктывкар,Комсомольск-на-Амуре,Нальчик,Шахты,Дзержинск,Нижнекамск,Братск,Орск,Мытищи,Люберцы,Ангарск,"
    "Благовещенск,Королёв,Старый_Оскол=ст_оскол,Великий_Новгород=в_новгород,Энгельс,Псков,Бийск,Прокопьевск,Балаково,Рыбинск,Южно-Сахалинск,"
    "Армавир,Северодвинск,Сызрань,Норильск,Петропавловск-Камчатский,Каменск-Уральский,Волгодонск,Абакан,Златоуст,Красногорск,"
    "Новочеркасск,Уссурийск,Электросталь,Салават,Находка,Миасс,Альметьевск,Керчь,Копейск,Пятигорск,Рубцовск,Березники,"
    "Одинцово,Хасавюрт,Коломна,Майкоп,Ковров,Кисловодск,Нефтекамск,Домодедово,Нефтеюганск,Новочебоксарск,Серпухов,"
    "Щёлково,Новомосковск,Батайск,Каспийск,Дербент,Первоуральск,Кызыл,Орехово-Зуево,Невинномысск,Раменское,Димитровград,Обнинск,"
    "Октябрьский,Новый_Уренгой=н_уренгой,Муром,Ессентуки,Северск,Ачинск,Пушкино,Ногинск,Черкесск,Евпатория,Арзамас,"
    "Елец,Новокуйбышевск,Сергиев_Посад,Ноябрьск,Элиста,Железногорск,Бердск,Артём,Зеленодольск,Реутов,Ханты-Мансийск,Долгопрудный,"
    "Искитим,Обь,Жуковский,Тобольск,Междуреченск,Магадан,Лобня,Видное,Ивантеевка,Фрязино,Дмитров,Клин,Чехов,Гатчина,Выборг,"
    "Зеленоград,Анапа,Геленджик,Ялта,Феодосия,Туапсе,Горно-Алтайск,Назрань,Куйбышев,Кольцово,Краснообск"
)
cdef str LANDS = (  # regions as they are called without their word
    "Республика_Татарстан=татарстан=рт,Республика_Башкортостан=башкортостан=башкирия=рб,Республика_Бурятия=бурятия,"
    "Республика_Саха=саха=якутия=саха_якутия,Республика_Хакасия=хакасия,Республика_Тыва=тыва=тува,Республика_Адыгея=адыгея,"
    "Республика_Дагестан=дагестан,Республика_Ингушетия=ингушетия,Республика_Калмыкия=калмыкия,Республика_Карелия=карелия,"
    "Республика_Коми=коми,Республика_Мордовия=мордовия,Республика_Марий_Эл=марий_эл,Республика_Алтай=алтай,Удмуртская_республика=удмуртия,"
    "Чувашская_республика=чувашия,Чеченская_республика=чечня,Республика_Крым=крым,Республика_Северная_Осетия=северная_осетия=осетия,"
    "Кабардино-Балкарская_республика=кабардино-балкария=кбр,Карачаево-Черкесская_республика=карачаево-черкесия=кчр,"
    "Московская_область=подмосковье=моск_обл=мос_обл,Ленинградская_область=лен_обл=ло,Новосибирская_область=нсо,Ханты-Мансийский_автономный_округ=хмао=хмао-югра=югра,"
    "Ямало-Ненецкий_автономный_округ=янао,Казахстан=рк,Кыргызстан=киргизия,Беларусь=белоруссия,Узбекистан,Таджикистан,Украина,Армения"
)


cdef struct Entry:
    uint32_t at  # in the depot
    uint16_t size  # 0: an empty slot
    uint8_t sense
    uint8_t number


cdef struct Spelled:
    uint32_t at
    uint16_t size

cdef Entry[SLOTS] TABLE
cdef uint32_t[DEPOT] WORDS
cdef uint32_t depot_size = 0
cdef Spelled[22][256] FULL  # of each sense and number the full word


cdef uint8_t[512] BEGINNINGS  # a bit for each three letters with which a name of the tables begins


cdef inline uint32_t beginning(const uint32_t *word, uint32_t size) noexcept nogil:
    """Which bit is that of a word: by its first three letters, up to a hyphen."""
    cdef uint32_t h = 0
    cdef uint32_t i
    for i in range(min(size, <uint32_t>3)):
        if word[i] == 0x2D or word[i] == 0x20:
            break
        h = h * 37 + word[i]
    return (h ^ h >> 7) & 4095


cdef inline uint32_t fold(uint32_t one) noexcept nogil:
    """The letter under which a word is looked up: lower, ё = е."""
    if 0x410 <= one <= 0x42F:
        return one + 0x20
    if one == 0x401 or one == 0x451:
        return 0x435
    if 0x41 <= one <= 0x5A:
        return one + 0x20
    return one


cdef Spelled keep(object text):
    """Put a spelling into the depot."""
    global depot_size
    cdef Spelled made
    made.at = depot_size
    made.size = len(text)
    if depot_size + made.size > DEPOT:
        raise RuntimeError("the depot of words is full")
    for character in text:
        WORDS[depot_size] = ord(character)
        depot_size += 1
    return made


cdef int enter(object word, int sense, int number) except -1:
    """Let a word be found; the first meaning of two stays."""
    cdef Spelled spelled = keep([chr(fold(ord(one))) for one in word.replace("_", " ")])
    cdef uint32_t h = 0
    cdef uint32_t i, slot
    if sense >= BIG:
        i = beginning(WORDS + spelled.at, spelled.size)
        BEGINNINGS[i >> 3] |= 1 << (i & 7)
    for i in range(spelled.size):
        h = mix(h, WORDS[spelled.at + i])
    slot = settle(h)
    while TABLE[slot].size:
        if same(&TABLE[slot], WORDS + spelled.at, spelled.size):
            return 0
        slot = (slot + 1) & (SLOTS - 1)
    TABLE[slot] = Entry(spelled.at, spelled.size, <uint8_t>sense, <uint8_t>number)
    return 0


cdef int enter_kinds(tuple kinds, int sense) except -1:
    for number, line in enumerate(kinds):
        words = line.split()
        FULL[sense][<int>number] = keep(words[0].replace("-", " ") if sense in (REGION, SETTLEMENT, INNER) else words[0])
        for word in words:
            enter(word, sense, number)
    return 0


cdef int enter_names(str names, int sense) except -1:
    for number, line in enumerate(names.split(",")):
        spellings = line.split("=")
        full = spellings[0].replace("_", " ")
        FULL[sense][<int>number] = keep(full)
        for one in [*spellings[1:], full]:
            enter(one.replace("-", " "), sense, number)
    return 0


cdef int fill_words() except -1:
    for kinds, sense in (
        (STREETS, STREET), (REGIONS, REGION), (DISTRICTS, DISTRICT), (SETTLEMENTS, SETTLEMENT), (INNERS, INNER), (HOUSES, HOUSE),
        (SUBS, SUB), (FLATS, FLAT), (RANKS, RANK), (SIZES, SIZE),
    ):
        enter_kinds(kinds, sense)
    for word in ("город", "г", "гор", "гор-д"):
        enter(word, CITY, 0)
    for words, sense, number in ((LOWS, PLAIN, 1), (VALUES, VALUE, 0), (TAILS, TAIL, 0), (SKIPS, SKIP, 0), (YEARS, DATE, 1), (DATES, DATE, 0)):
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
    cdef uint32_t i
    for i in range(size):
        h = mix(h, word[i])
    return look_up_hash(word, size, h)


cdef inline const Entry *look_up_hash(const uint32_t *word, uint32_t size, uint32_t h) noexcept nogil:
    cdef uint32_t slot = settle(h)
    while TABLE[slot].size:
        if same(&TABLE[slot], word, size):
            return &TABLE[slot]
        slot = (slot + 1) & (SLOTS - 1)
    return NULL


fill_words()
