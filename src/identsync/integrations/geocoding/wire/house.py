"""House numbers compared: ``12 к1``, ``12к1`` and ``12 корпус 1`` are one house, ``12`` is its neighbour."""

import re

PIECES = re.compile(r"\d+|[^\W\d_](?=[кс]\d)|лит(?=[^\W\d_]\b)|[^\W\d_]+|/")  # 12ас1 is 12, а, с, 1
NUMBER = re.compile(r"\d+")
NAMED = {
    "к": ("к", "кор", "корп", "корпус"),
    "с": ("с", "стр", "строен", "строение"),
    "лит": ("лит", "литер", "литера"),
    "": ("д", "дом", "вл", "владение", "двлд", "домовладение", "зд", "здание", "уч", "участок"),
}
SPELLED = {word: short for short, words in NAMED.items() for word in words}
SPELLINGS = (
    (re.compile(r" ?к(\d+)"), r" корпус \1"),
    (re.compile(r" ?с(\d+)"), r" стр. \1"),
    (re.compile(r" лит (\w+)"), r"лит\1"),
)
LOOKS = str.maketrans("abcehkmoptxyё", "авсенкмортхуе")
"""Latin letters that look like Russian ones, as in ``12A``."""
BESIDE = 10
"""Numbers that differ by no more are near each other: five houses along one side."""


def canonical(number: str) -> tuple[str, ...]:
    """Return what makes a house number: digits, letters, parts by their short words; spaces and case do not."""
    pieces = PIECES.findall(number.lower().translate(LOOKS))
    return tuple(word for piece in pieces if (word := SPELLED.get(piece, piece)))


def same(asked: str, told: str) -> bool:
    """Say whether two spellings are of one house."""
    return canonical(asked) == canonical(told) != ()


def beside(asked: str, told: str) -> bool:
    """Say whether a house is the other one's neighbour."""
    mine, other = NUMBER.search(asked), NUMBER.search(told)
    return mine is not None and other is not None and abs(int(mine[0]) - int(other[0])) <= BESIDE


def others(number: str) -> list[str]:
    """Return what else to ask for: the other spelling that maps have (``12 корпус 1``), the number alone."""
    known = [number, *(pattern.sub(word, number) for pattern, word in SPELLINGS), bare(number)]
    return [each for each in dict.fromkeys(known) if each not in ("", number)]


def bare(number: str) -> str:
    """Return a house's number without what comes after it: ``12`` of ``12 к1``."""
    found = NUMBER.search(number)
    return found[0] if found else ""
