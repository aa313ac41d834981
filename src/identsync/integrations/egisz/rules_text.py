"""What texts may hold: names that papers know, characters that XML carries."""

import re
import unicodedata

PLAIN = re.compile(r"[А-ЯЁа-яё]{2,}(?:-[А-ЯЁа-яё]{2,})?")
BESIDE = frozenset(" -'’ʼ`.")
MIXED = re.compile(r"\b(?=\w*[A-Za-zÀ-ɏ])(?=\w*[Ѐ-ԯ])\w+")
INITIAL = re.compile(r"\w\.|\w\.\s?\w\.")
FILLERS = frozenset(("нет", "без отчества", "не указано", "не указан", "неизвестно", "отсутствует", "б/о", "бо"))
UNCARRIED = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def is_plain(name: str) -> bool:
    """Tell whether a name is one or two Russian words, as most are: then nothing else is to be looked at."""
    return PLAIN.fullmatch(name) is not None


def strange(name: str) -> str:
    """Return the first sign that no name has, spelled so that people see it; '' = none."""
    sign = next((sign for sign in name if not sign.isalpha() and sign not in BESIDE), "")
    seen = sign.isprintable() and unicodedata.category(sign)[0] != "M" if sign else True
    return sign if seen else f"U+{ord(sign):04X}"


def is_mixed(name: str) -> bool:
    """Tell whether a word of a name has Russian and Latin letters."""
    return MIXED.search(name) is not None


def is_initial(name: str) -> bool:
    """Tell whether there stands «А.» or «А. Б.» for a name."""
    return INITIAL.fullmatch(name) is not None


def is_filler(patronymic: str) -> bool:
    """Tell whether somebody wrote «нет» or a dash because he has no patronymic."""
    return patronymic.casefold().strip(" .-–—") in FILLERS or not any(map(str.isalpha, patronymic))


def is_carried(text: str) -> bool:
    """Tell whether XML can carry a text."""
    return text.isprintable() or UNCARRIED.search(text) is None
