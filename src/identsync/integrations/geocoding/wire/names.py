"""Names of streets and towns compared: a geocoder that guesses must not put one town's patients into another."""

import re
from collections.abc import Iterable

WORD = re.compile(r"\w+")
SHORT = {
    "ул": "улица", "пр": "проспект", "пркт": "проспект", "прт": "проспект", "просп": "проспект", "пер": "переулок",
    "бр": "бульвар", "бул": "бульвар", "бульв": "бульвар", "ш": "шоссе", "наб": "набережная", "пл": "площадь",
    "прд": "проезд", "туп": "тупик", "ал": "аллея", "мкр": "микрорайон", "квл": "квартал", "тер": "территория",
}  # fmt: skip
KINDS = ("улица", *(kind for kind in dict.fromkeys(SHORT.values()) if kind != "улица"), "линия", "спуск", "тракт")
_TELLING_LINES = """
большая большой малая малый новая новый старая старый верхняя верхний нижняя нижний
"""
TELLING = frozenset(_TELLING_LINES.split())
"""These tell two streets of one name apart, as numbers do; a first name or a rank does not."""
_TOWN_LINES = """
город г городской городское округ го село с деревня д посёлок поселок пос п пгт рабочий станица хутор
муниципальное муниципальный образование район сельское поселение
"""
TOWN = frozenset(_TOWN_LINES.split())
"""Words for kinds of places, no names."""


def _words(name: str) -> list[str]:
    plain = name.lower().replace("ё", "е").replace("пр-", "пр").replace("б-р", "бр").replace("кв-л", "квл")
    return [SHORT.get(word, word) for word in WORD.findall(plain)]


def _street(name: str) -> tuple[str, frozenset[str]]:
    """Take a street's name apart: its kind ('' where not told), its own words."""
    words = _words(name)
    kind = next((kind for kind in KINDS if kind in words and len(words) > 1), "")
    if kind:
        words.remove(kind)
    return kind, frozenset(words)


def kindless(street: str) -> str:
    """Return a street's name without its kind, as whoever does not remember it; '' where there is no kind."""
    kind, _own = _street(street)
    return " ".join(word for word in street.split() if _words(word) != [kind]) if kind else ""


def alike(asked: str, told: str) -> int:
    """Say how alike two names are: 2 equal, 1 the same street, 0 other words altogether, -1 two streets of a town.

    ``улица Садовая`` and ``Садовая улица`` are equal, ``улица Павлова`` and ``улица Академика Павлова`` the same;
    ``Садовый переулок`` has other words, ``Большая Садовая улица`` is another street. Not told: 1.
    """
    (kind, mine), (other_kind, other) = _street(asked), _street(told)
    if not mine or not other:
        return -1 if bool(asked) and bool(told) else 1
    apart = mine ^ other
    if kind and other_kind and kind != other_kind:
        return -1 if mine & other else 0
    if not mine & other:
        return 0
    if any(word in TELLING or word[0].isdigit() for word in apart):
        return -1
    return 2 if not apart else 1 if mine <= other or other <= mine else 0


def same_street(asked: str, told: str) -> bool:
    """Say whether two names can be of one street."""
    return alike(asked, told) > 0


def same_town(asked: str, told: Iterable[str]) -> bool:
    """Say whether the town asked for is among those told; where either says nothing it may be."""
    mine = set(_words(asked)) - TOWN
    others = [set(_words(name)) - TOWN for name in told if name]
    return not mine or not others or any(mine <= other or (other and other <= mine) for other in others)
