"""Generated towns: streets with houses, and addresses the way a registrar types them."""

from dataclasses import dataclass
from functools import cache
from random import Random

_FIRST_LINES = """
Бело Ново Верхне Старо Светло Нижне Тихо Добро Ясно Велико Мало Лесо
"""
_FIRST = tuple(_FIRST_LINES.split())
_LAST_LINES = """
зубовск улыбинск жемчужинск эмалевск коренёвск моляровск резцовск
"""
_LAST = tuple(_LAST_LINES.split())
_STREETS_LINES = """
Садовая Центральная Молодёжная Школьная Лесная Советская Новая Набережная Заречная Зелёная Мира Ленина Полевая Луговая
Октябрьская Комсомольская Гагарина Первомайская Северная Солнечная Степная Южная Береговая Пушкина Кирова Пролетарская
Рабочая Колхозная Юбилейная Подгорная Лермонтова Речная Почтовая Победы Чапаева Горького Калинина Чехова
Железнодорожная Спортивная Озёрная Строителей Парковая Восточная Западная Дачная Вокзальная Революции Некрасова
Тургенева Толстого Маяковского Космонавтов Ломоносова Менделеева Тимирязева Суворова Кутузова Нахимова Белинского
Гоголя Островского Фрунзе Дзержинского Энтузиастов Металлургов Химиков Геологов Шахтёров Машиностроителей Учительская
Больничная Весенняя Вишнёвая Яблоневая Сиреневая Рябиновая Кленовая Берёзовая Тополиная Сосновая Дубовая Цветочная
"""
_STREETS = tuple(_STREETS_LINES.split())
_KINDS = (("ул.", 78), ("пр-т", 7), ("пер.", 8), ("б-р", 4), ("ш.", 3))
_MASCULINE = {"пр-т", "пер.", "б-р"}  # these take "Садовый", not "Садовая"


@dataclass(frozen=True, slots=True)
class Street:
    """A street: ``kind`` is its short word (ул., пр-т), houses are numbered 1 to ``houses``."""

    kind: str
    name: str
    houses: int


@dataclass(frozen=True, slots=True)
class Town:
    """A town that does not exist, with its streets; ``number`` tells its time zone."""

    name: str
    streets: tuple[Street, ...]
    number: int = 0

    def __hash__(self) -> int:  # what is reckoned of a town is kept by it: sixty streets need not be read each time
        return hash((self.name, self.number))


@cache
def town(seed: int, number: int) -> Town:
    """Generate town ``number`` of the world ``seed``."""
    rng = Random(f"town {seed} {number}")
    name = _FIRST[(number + seed) % len(_FIRST)] + rng.choice(_LAST)
    streets = tuple(_street(rng, each) for each in rng.sample(_STREETS, 60))
    return Town(name, streets, number)


def _street(rng: Random, name: str) -> Street:
    kind = rng.choices([kind for kind, _ in _KINDS], [weight for _, weight in _KINDS])[0]
    if name.endswith(("ая", "яя")):
        if kind in _MASCULINE:
            name = name[:-2] + ("ий" if name.endswith(("яя", "кая")) else "ый")
        elif kind == "ш.":
            name = name[:-2] + ("ее" if name.endswith("яя") else "ое")
    return Street(kind, name, rng.randrange(12, 150))


def address(rng: Random, place: Town) -> str:
    """Type an address in ``place`` as busy people do: several habits of abbreviation, sometimes a part is missing."""
    draw = rng.random
    street = place.streets[int(draw() ** 1.5 * len(place.streets))]
    house = str(1 + int(draw() * street.houses))
    extra = draw()
    if extra < 0.08:
        house += f"к{1 + int(draw() * 4)}" if extra < 0.05 else "абвг"[int(draw() * 4)]
    flat = 1 + int(draw() * 120)
    habit = int(draw() * 20)
    if habit < 9:
        return f"г. {place.name}, {street.kind} {street.name}, д. {house}, кв. {flat}"
    if habit < 13:
        return f"{street.kind} {street.name}, {house}-{flat}"
    if habit < 15:
        return f"{street.name} {house} кв {flat}"
    if habit < 17:
        return f"{place.name}, {street.kind}{street.name} д.{house} кв.{flat}"
    if habit < 18:
        return f"{place.name.lower()} {street.name.lower()} {house}/{flat}"
    return (
        f"г.{place.name} {street.kind} {street.name} {house}" if habit < 19 else f"{street.kind} {street.name}, {house}"
    )
