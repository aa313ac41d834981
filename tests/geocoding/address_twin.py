"""Everyday addresses read by regular expressions: the parser's twin in plain Python, slow, and of another making.

It is written from how registrars type (the forms of the sheet), not from the parser, and knows the words it needs for
that. ``clean`` is its reading of characters, which holds for any text whatever.
"""

import re
import unicodedata
from dataclasses import dataclass

KINDS = {
    "улица": "улица|ул", "проспект": "проспект|пр-кт|пр-т|просп|пр", "переулок": "переулок|пер",
    "площадь": "площадь|пл",
    "бульвар": "бульвар|б-р|бул", "шоссе": "шоссе|ш", "проезд": "проезд|пр-д", "набережная": "набережная|наб",
    "тупик": "тупик|туп", "аллея": "аллея|ал", "тракт": "тракт",
}  # fmt: skip
ALIKE = dict(zip("aceopxykmtbh", "асеорхукмтвн", strict=True))
DASHES = "‐‑‒–—―−~"
ENDS = ",;\n\r()[]{}|"

KIND = "|".join(sorted((re.escape(word) for words in KINDS.values() for word in words.split("|")), key=len)[::-1])
NUMBER = r"\d{1,4}"
LETTER = r"[а-я](?![а-я])"
SUB = rf"[\s,]*(?:(?:корпус|корп\.?|к\.?)\s?(?P<corpus>{NUMBER})"
SUB += rf"|(?:строение|стр\.?)\s?(?P<building>{NUMBER})"
SUB += rf"|(?:литера|лит\.?)\s?(?P<litera>{LETTER}))"
HOUSE = rf"(?:(?<![а-я-])(?:дом|д\.?|владение|вл\.?)\s*)?(?P<house>{NUMBER})"
HOUSE += rf"(?:[\s-]?(?P<letter>{LETTER}))?(?:/(?P<part>{NUMBER}))?"
FLAT = r"(?:[\s,]*(?:квартира|кв\.?)\s?|\s?-\s?)(?P<flat>\d{1,5})"
AT_HOUSE = re.compile(rf"{HOUSE}(?:{SUB})?(?:{FLAT})?[\s,.]*")
ADDRESS = re.compile(rf"(?P<street>.+?)[\s,]*(?:(?<=\D)|(?<=\d[\s,])){AT_HOUSE.pattern}")
PLACES = {
    "село": "село|с", "посёлок": "посёлок|поселок|пос|п", "деревня": "деревня|дер|д",
    "станица": "станица|ст-ца", "микрорайон": "микрорайон|мкр|мкр-н|м-н", "СНТ": "снт",
}  # fmt: skip
PLACE_WORD = "|".join(
    sorted((re.escape(word) for words in PLACES.values() for word in words.split("|")), key=len)[::-1]
)
PLACE = re.compile(rf"^({PLACE_WORD})(?:\.\s*|\s+)([а-я]+(?:ово|ино|ый|ка)|\d{{1,2}})(?=[\s,]|$)[\s,]*")
REGION = re.compile(r"^([а-я]+(?:ская|ский)) (?:(область|обл)|(край|кр))\.?[\s,]+")
INDEX = re.compile(r"^(\d{6})[\s,]+")
CITY = re.compile(r"^(?:город |гор\.|г\.|г )\s*([а-я-]+(?: новгород)?)[\s,]+")
NOISE = re.compile(
    r"[\s,]+(?:\d+-?(?:й|ый)? ?подъезд|подъезд \d+|этаж \d+|\d+ этаж|домофон \d*|код \d+|тел\.? [\d -]+|вход со двора)"
)


@dataclass(frozen=True, slots=True)
class Plain:
    """What an address says, in lower letters and with е for ё."""

    index: str = ""
    region: str = ""
    place: str = ""
    city: str = ""
    kind: str = ""
    street: str = ""
    house: str = ""
    flat: str = ""


def clean(text: str) -> str:
    """Lower letters of one alphabet, digits and a few signs: what nobody sees is gone, all else parts words."""
    joined = unicodedata.normalize("NFC", "".join(_sign(one) for one in text[:400]))
    seen = "".join(one for one in joined if not _unseen(one))
    return re.sub(r"[a-zа-яѐ-ԯ]+", _one_alphabet, seen.lower().replace("ё", "е"))


def _sign(one: str) -> str:
    if one in DASHES:
        return "-"
    if one in ENDS:
        return ","
    if one == "\\":
        return "/"
    return one if _unseen(one) or re.match(r"[A-Za-z0-9Ѐ-ҁҊ-ԯ.+/-]", one) else " "


def _unseen(one: str) -> bool:
    """Soft hyphens, zero widths, marks of direction, combining marks."""
    return bool(re.match("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u0300-\u036f\ufe00-\ufe0f]", one))


def _one_alphabet(word: "re.Match[str]") -> str:
    latin = set(re.findall("[a-z]", word[0]))
    return "".join(ALIKE.get(one, one) for one in word[0]) if latin <= ALIKE.keys() else word[0]


def read(text: str, home: str) -> Plain | None:
    """Read an everyday address; None where it is none."""
    line = re.sub(r"\s+", " ", clean(text)).strip(" ,.")
    index = INDEX.match(line)
    line = INDEX.sub("", line)
    region, line = _region(line)
    city = clean(home)
    named = CITY.match(line) or re.match(rf"({re.escape(city)})[\s,]+", line)
    if named:
        city, line = named[1], line[named.end() :]
    place, line = _place(line)
    if region and place and not named and not place.startswith("микрорайон"):
        city = ""  # a village of that region, not of the clinic's town
    line = NOISE.sub("", f"{line} ").strip(" ,.")
    code = index[1] if index else ""
    alone = AT_HOUSE.fullmatch(line)
    if place and alone:
        return Plain(code, region, place, city, "", "", _house(alone), alone["flat"] or "")
    found = ADDRESS.fullmatch(line)
    if not found:
        return None
    kind, street = _street(found["street"].strip(" ,."))
    return Plain(code, region, place, city, kind, street, _house(found), found["flat"] or "")


def _region(line: str) -> tuple[str, str]:
    found = REGION.match(line)
    return (f"{found[1]} {'область' if found[2] else 'край'}", line[found.end() :]) if found else ("", line)


def _place(line: str) -> tuple[str, str]:
    found = PLACE.match(line)
    if not found:
        return "", line
    full = next(full for full, words in PLACES.items() if found[1] in words.split("|"))
    return clean(f"{full} {found[2]}"), line[found.end() :]


def _street(words: str) -> tuple[str, str]:
    before = re.match(rf"({KIND})(?:\.\s*|\s+)(.+)", words)
    behind = re.match(rf"(.+?)\s+({KIND})\.?$", words)
    if before:
        return _full(before[1]), before[2]
    return (_full(behind[2]), behind[1]) if behind else ("улица", words)


def _full(word: str) -> str:
    return next(full for full, words in KINDS.items() if word in words.split("|"))


def _house(found: "re.Match[str]") -> str:
    made = f"{int(found['house'])}{found['letter'] or ''}" + (f"/{int(found['part'])}" if found["part"] else "")
    subs = ("к", found["corpus"]), ("с", found["building"]), ("лит ", found["litera"])
    return made + "".join(f" {mark}{value}" for mark, value in subs if value)
