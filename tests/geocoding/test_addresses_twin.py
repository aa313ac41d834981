"""The parser beside its twin: everyday addresses in every combination of forms, and any characters at all."""

from hypothesis import assume, given
from hypothesis import strategies as st

import geocoding.address_twin as twin
from identsync.core.address import parse

HOME = "Тестоград"
NAMES = (
    """
Садовая|Ленина|Мира|Берёзовая|Карла Маркса|1-я Парковая|60 лет Октября|8 Марта|1905 года|Красных Партизан|Зорге
3-я Заречная|Лермонтова|Героев Труда|Дуси Ковальчук|Некрасова|Степана Разина|Лётчиков|Щорса|Юбилейная|50 лет Победы
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
UNSEEN = "\u00ad\u200b\u200e\u202e\u2066\ufeff\ufe0f"
ODD = [" ", "  ", "\t", "\x00", "\ud800", "🏠", "№", "«", "\u0600", "_"]


@st.composite
def everyday(draw: st.DrawFn) -> str:
    """An address as somebody types it: index, city, street, house, flat, noise, each in one of its forms."""
    one = lambda *forms: draw(st.sampled_from(forms))  # noqa: E731
    gap = one(", ", " ", ",", " , ")
    kind = one(*(word for words in twin.KINDS.values() for word in words.split("|")))
    dotted = kind + ("." if len(kind) < 5 and "-" not in kind else "")
    name = one(*NAMES)
    street = one(f"{dotted} {name}", f"{name} {dotted}", name)
    house = str(draw(st.integers(1, 999)))
    house += one("", "", "", "А", "б", "/3", "/12")
    house += one("", "", f"{gap}корп. 2", " к3", ", корпус 1", " стр. 4", ", строение 2", " лит. А")
    mark = one("", "д. ", "д.", "дом ", "д ")
    number = draw(st.integers(1, 400))
    flat = one("", f"{gap}кв. {number}", f" кв {number}", f"{gap}квартира {number}", f"-{number}", f" - {number}")
    assume("лит" not in house or not flat.strip().startswith("-"))
    start = one("", "", "630001, ", "630001 ") + one("", "", "Тестовская обл., ", "Лунский край, ", "Лунская область, ")
    start += one("", "", f"г. {HOME}{gap}", f"г.Бердск{gap}", f"{HOME}{gap}")
    places = "с. Завьялово", "пос. Светлый", "дер.Ромашкино", "мкр. Северный", "мкр 5", "м-н Радужный", "СНТ Ромашка"
    place = one("", "", "", *places)
    if place:
        assume(not (place == "мкр 5" and name.startswith("Красных")))  # as 26 Бакинских: it may be one name
        start, street = f"{start}{place}{one(', ', ' ', ',')}", one(street, f"{dotted} {name}", "")
    street += one(", ", " ", gap) if street else ""
    return start + street + mark + house + flat + one("", "", ", подъезд 2", ", этаж 3", ".")


def compared(text: str) -> twin.Plain:
    read = parse(text, HOME)
    fold = lambda part: part.lower().replace("ё", "е")  # noqa: E731
    parts = read.index, read.region, read.place, read.city, read.street_kind, read.street, read.house, read.flat
    return twin.Plain(*map(fold, parts))


@given(everyday(), st.sampled_from([str, str.lower, str.upper, str.title]))
def test_everyday_addresses_are_read_as_the_twin_reads_them(text: str, case: type[str]) -> None:
    typed = case(text)
    expected = twin.read(typed, HOME)
    assert expected is not None
    assert compared(typed) == expected


@given(everyday(), st.lists(st.tuples(st.integers(0, 80), st.sampled_from(UNSEEN)), max_size=5))
def test_what_nobody_sees_changes_nothing(text: str, unseen: list[tuple[int, str]]) -> None:
    typed = text
    for at, one in unseen:
        typed = typed[:at] + one + typed[at:]
    assert parse(typed, HOME) == parse(text, HOME)
    assert compared(typed) == twin.read(typed, HOME)


@given(
    st.lists(
        st.sampled_from([*ODD, *"abcекорсхАЁёйЙ12-/.,;(", "и\u0306", "е\u0308", "ул", "д", "кв", "Мира"]), max_size=40
    )
    | st.text(st.characters(codec=None), max_size=80).map(list)
)
def test_characters_are_read_as_the_twin_reads_them(parts: list[str]) -> None:
    text = "".join(parts)
    read, again = parse(text, HOME), parse(twin.clean(text), HOME)
    assert (again.key, again.flat, again.index) == (read.key, read.flat, read.index)
