"""Addresses whose parts are known, typed as registrars type them."""

from dataclasses import dataclass
from random import Random

KINDS = {
    "улица": ("ул.", "ул", "ул. ", "улица", "Ул."),
    "проспект": ("пр-т", "пр.", "пр-кт", "просп.", "проспект"),
    "переулок": ("пер.", "пер", "переулок"),
    "бульвар": ("б-р", "бул.", "бульвар"),
    "шоссе": ("ш.", "шоссе"),
    "проезд": ("пр-д", "проезд"),
    "набережная": ("наб.", "набережная"),
    "тупик": ("туп.", "тупик"),
    "площадь": ("пл.", "площадь"),
}
_PLAIN = """
Садовая|Ленина|Молодёжная|Берёзовая|1-я Парковая|60 лет Октября|8 Марта|Карла Маркса|Академика Павлова|Большая Садовая
Богдана Хмельницкого|1905 года|40-летия Победы|Лермонтова|Красных Партизан|Дуси Ковальчук|Героев Труда|Степана Разина
Никитина|Зорге|Связистов|Тополёвая
"""
_MARKED = """
проспект Мира|проспект Морской|проспект Карла Маркса|переулок Садовый|переулок 3-й Тихий|бульвар Победы|шоссе Бердское
шоссе Энтузиастов|проезд Весенний|набережная Речная|тупик Тихий|площадь Ленина|проспект 50 лет Победы
"""
STREETS = [("улица", name) for line in _PLAIN.split("\n") for name in line.split("|") if name] + [
    (kind, street)
    for line in _MARKED.split("\n")
    for name in line.split("|")
    for kind, space, street in [name.partition(" ")]
    if space
]
_NOISE = """
, 2 подъезд|, подъезд 3, этаж 2| (домофон не работает)|, код 45к12|, тел. 8-913-000-00-00|, 8 (383) 000-00-00
 частный дом|, 3 этаж|; домофон 14|, вход со двора
"""
NOISE = [one for line in _NOISE.split("\n") for one in line.split("|") if one]
LOOKS = str.maketrans("асеорхуАСЕОРХКМТВН", "aceopxyACEOPXKMTBH")


@dataclass(frozen=True, slots=True)
class Known:
    """What an address is: the kind of street in full, the house as the parser spells it."""

    city: str
    kind: str
    street: str
    house: str
    flat: str = ""


def known(rng: Random, city: str) -> Known:
    """Draw an address of ``city`` on one of STREETS."""
    kind, street = rng.choice(STREETS)
    return Known(city, kind, street, house(rng), str(rng.randrange(1, 250)) if rng.random() < 0.8 else "")


def house(rng: Random) -> str:
    """Draw a house: most are plain numbers."""
    number = str(rng.randrange(1, 200))
    extra = rng.random()
    if extra < 0.7:
        return number
    if extra < 0.8:
        return number + rng.choice("АБВ")
    if extra < 0.9:
        return f"{number}/{rng.randrange(1, 12)}"
    return f"{number} {rng.choice('кккс')}{rng.randrange(1, 6)}"


def mangle(rng: Random, what: Known) -> str:
    """Type an address as somebody in a hurry does: the parts stay what they are."""
    typed = _rest(rng, what)
    typed = _city(rng, what.city) + typed
    if rng.random() < 0.1:
        typed = f"{rng.randrange(100_000, 700_000)}{rng.choice((', ', ' '))}{typed}"
    if rng.random() < 0.12:
        typed += rng.choice(NOISE)
    return _keys(rng, typed)


def _rest(rng: Random, what: Known) -> str:
    street, marked = _street(rng, what)
    number, flat = _house(rng, what.house), what.flat
    draw = rng.random()
    gap = rng.choice((", ", " ", ",", ", "))
    if draw < 0.45:
        tail = f"{rng.choice(('д. ', 'д.', 'дом ', 'д ', 'д. №'))}{number}"
        return f"{street}{gap}{tail}" + (
            f"{gap}{rng.choice(('кв. ', 'кв.', 'кв ', 'квартира '))}{flat}" if flat else ""
        )
    if draw < 0.75 and ("/" not in number or marked):
        return f"{street}{rng.choice((', ', ' '))}{number}" + (f"{rng.choice(('-', ' - ', '-'))}{flat}" if flat else "")
    return f"{street}{rng.choice((', ', ' '))}{number}" + (
        f"{rng.choice((' кв. ', ', кв.', ' кв '))}{flat}" if flat else ""
    )


def _street(rng: Random, what: Known) -> tuple[str, bool]:
    name = what.street
    if name.startswith("Большая ") and rng.random() < 0.5:
        name = "Б. " + name.split()[1]
    if name.startswith("Академика ") and rng.random() < 0.5:
        name = rng.choice(("Ак. ", "Акад. ")) + name.split()[1]
    if name.startswith(("Карла ", "Степана ", "Богдана ")) and rng.random() < 0.3:
        name = f"{name[0]}. {name.split()[1]}"
    word = rng.choice(KINDS[what.kind]).strip()
    draw = rng.random()
    if draw < 0.12 and what.kind == "улица":
        return name, False
    if draw < 0.25:
        return f"{name} {word}", True
    return f"{word}{'' if word.endswith('.') and draw < 0.5 else ' '}{name}", True


def _house(rng: Random, number: str) -> str:
    plain, _, sub = number.partition(" ")
    if sub:
        words = (
            ("к", " к", " корп. ", " корп.", ", корпус ", "к")
            if sub[0] == "к"
            else ("с", " стр. ", ", строение ", "стр")
        )
        return f"{plain}{rng.choice(words)}{sub[1:]}"
    if plain[-1].isalpha():
        letter = rng.choice((plain[-1], plain[-1].lower(), f" {plain[-1].lower()}", f'"{plain[-1]}"', f"-{plain[-1]}"))
        return plain[:-1] + letter
    return plain


def _city(rng: Random, city: str) -> str:
    draw = rng.random()
    if draw < 0.4:
        return ""
    mark = rng.choice(("г. ", "г.", "г ", "", "город "))
    return f"{mark}{city}{rng.choice((', ', ' ', ','))}"


def _keys(rng: Random, typed: str) -> str:
    draw = rng.random()
    if draw < 0.08:
        typed = typed.upper()
    elif draw < 0.25:
        typed = typed.lower()
    if rng.random() < 0.5:
        typed = typed.replace("ё", "е").replace("Ё", "Е")
    if rng.random() < 0.05:
        typed = "".join(one.translate(LOOKS) if rng.random() < 0.3 else one for one in typed)
    if rng.random() < 0.1:
        typed = typed.replace(" ", "  ")
    return typed + rng.choice(("", "", "", ".", " ", ","))
