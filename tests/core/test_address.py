"""The parser of addresses: what holds for any text whatever."""

import json
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from identsync.core.address import LONGEST, VERSION, Address, parse
from identsync.core.columns import digest

PARTS = ("index", "region", "district", "city", "place", "street_kind", "street", "house", "flat")
_WORDS = """
ул. улица пр-т пр. пер наб. г. г обл. р-н респ. край АО г.о. мкр м-н кв-л с. д. дом д п. пос рп п.г.т. СНТ кв кв. к
корп. стр лит. А б Б. М. ак. им. и в В.О. 5-я 1-й 8 60 лет Октября Марта 1905 года Ленина Мира Садовая Морской реки
Новосибирск Ростов-на-Дону Н. Новгород Завьялово линия подъезд
этаж домофон р\\п а\\б тел. +7 8 913 000-00-00 630099 12 25А 12/3 12-5 11/-89
12к1 , , . - / № ( ) ; « » россия частный дом 2-й 40-летия Сакко Тверь Татарстан ж/д
\u200b \x00 \ud83d 🏠 \u202e e\u0301 Ы\u0306 и\u0306 Ә
"""
WORDS = _WORDS.split()
typed = st.lists(st.sampled_from(WORDS), max_size=14).flatmap(
    lambda words: st.lists(st.sampled_from(["", " ", ", ", "  "]), min_size=len(words), max_size=len(words)).map(
        lambda gaps: "".join(a + b for a, b in zip(words, gaps, strict=True))
    )
)
anything = st.text(st.characters(codec=None), max_size=120) | typed


def canon(text: str) -> bytes:
    return text.lower().replace("ё", "е").encode()


@given(anything, anything)
@example("ул. " + "д" * 500, "")
@example("с." * 300, "г. " * 200)
@example("1-я " * 200, "а" * 1000)
@example("Б. Садовая " * 60, "ё" * 103)
@example("\x00" * 500, "\ud800" * 500)
@example("9" * 500, "9" * 500)
@example("12" + "/1" * 250, "-" * 500)
@example("ул. Ѐ ҁ Ӂ ӂ Ӏ ӏ ԯ, 5", "")
@example("мкр 0", "")
@example("респ. 0, 0 р-н, мкр. 0-й, ул. 0", "")
def test_any_text_is_read(text: str, city: str) -> None:
    read = parse(text, city)
    assert (read.key != 0) == bool(read.text)
    assert 0 <= read.confidence <= 100
    assert read.key == (digest(canon(read.text)) % 2**64 >> 1 if read.text else 0)
    assert re.fullmatch(r"[A-Za-zЀ-ԯ0-9 ,.\-/]*", read.text + read.city)
    assert json.loads(json.dumps(read.text)) == read.text
    for name in PARTS:
        part = getattr(read, name)
        assert "," not in part
        assert part == part.strip()
        assert "  " not in part
    assert re.fullmatch(r"(\d{6})?", read.index)
    assert re.fullmatch(r"(\d{1,4}[А-ЯЁA-ZЀ-ԯ]?(/\d{1,4}.?)?( [кс](\d{1,4}.?|.\d{0,4}))*( лит .*)?)?", read.house)


@given(anything)
def test_capitals_and_yo_make_no_other_building(text: str) -> None:
    one = parse(text, "Тверь")
    assert parse(text.replace("ё", "е").replace("Ё", "Е"), "Тверь").key == one.key


NOISE = [
    "",
    " (вход со двора)",
    ", домофон 12",
    ", 2 подъезд",
    " этаж 3",
    ", тел. 8 913 000-00-00",
    "; 89130000000",
    " частный дом",
]


@given(st.integers(1, 9999), st.integers(1, 9999), st.sampled_from(NOISE), st.sampled_from(["", "170000, ", "Тверь "]))
def test_a_flat_an_index_and_noise_make_no_other_building(house: int, flat: int, noise: str, before: str) -> None:
    one = parse(f"{before}ул. Садовая, {house}-{flat}{noise}", "Тверь")
    assert (one.house, one.flat) == (str(house), str(flat))
    assert one.key == parse(f"{before}Садовая ул., д.{house}{noise}", "Тверь").key


STREETS = [
    "улица Садовая",
    "улица Ленина",
    "проспект Мира",
    "проспект Морской",
    "улица 8 Марта",
    "улица 60 лет Октября",
    "линия 5-я В.О.",
    "улица 1-я Парковая",
    "набережная реки Фонтанки",
    "шоссе Бердское",
    "улица 40-летия Победы",
    "улица Большая Садовая",
    "улица Сакко и Ванцетти",
    "улица Набережная",
    "площадь 1905 года",
    "переулок 3-й Тихий",
    "улица Академика Павлова",
    "село Завьялово, улица Мира",
    "посёлок Новый Мир, улица Лесная",
    "СНТ Ромашка-2",
    "микрорайон 5",
    "квартал Северный",
    "село Красное",
]
TOWNS = [
    "Тверь",
    "Нижний Новгород",
    "Ростов-на-Дону",
    "Московская область, Химки",
    "Республика Татарстан, Казань",
    "Мухосранск",
]
houses = st.builds(
    lambda number, letter, part, subs: f"{number}{letter}{part}{subs}",
    st.integers(1, 9999),
    st.sampled_from(["", "А", "Б", "Г", "Е", "К", "С"]),  # 1Е may be the first of an ordinal, too
    st.sampled_from(["", "/1", "/2А", "/15"]),
    st.sampled_from(["", " к1", " с2", " к3 с1", " лит А", " к1 лит Б", " кА", " к12Б"]),
).filter(lambda house: not house.endswith("Е кА"))  # the only one that is taken for words


@given(st.sampled_from(TOWNS), st.sampled_from(STREETS), houses)
def test_what_was_written_is_read_as_the_same(town: str, street: str, house: str) -> None:
    text = f"{town}, {street}, {house}"
    assert (parse(text).text, parse(text).house) == (text, house)
    assert parse(parse(text).text, "Тверь").key == parse(text).key or town == "Тверь"


SAME = [
    "ул. Садовая, д. 12, корп. 1, кв. 5",
    "Садовая ул, дом № 12, корпус 1, квартира 7",
    "САДОВАЯ 12К1-9",
    "г. Тверь, Садовая 12 к. 1",
    "170000, Тверь, ул.Садовая,12/к1, домофон 5",
    "Тверская обл., г. Тверь, ул Садовая, 12 корп 1",
    "yл. Садoвaя 12к1",
]


def test_one_building_has_one_key() -> None:
    assert {parse(one, "Тверь").text for one in SAME} == {"Тверь, улица Садовая, 12 к1"}
    assert len({parse(one, "Тверь").key for one in SAME}) == 1


def test_different_buildings_have_different_keys() -> None:
    different = [
        "ул. Садовая 12", "ул. Садовая 12а", "ул. Садовая 12/1", "ул. Садовая 12 с1", "ул. Садовая 12 лит А", "Тула",
        "пер. Садовый 12", "пр. Садовый 12", "ул. 1-я Садовая 12", "ул. Садовая", "Химки, ул. Садовая 12",
        "ул. Садовая 121", "с. Садовое, 12",
        "Московская обл., г. Химки, ул. Садовая 12", "мкр. Садовый 12", "Тверь",
    ]  # fmt: skip
    assert len({parse(one, "Тверь").key for one in different}) == len(different)


def test_a_region_counts_only_where_the_town_is_another() -> None:
    assert parse("Тверская обл., ул. Мира 5", "Тверь").text == "Тверь, улица Мира, 5"
    assert parse("Тверская обл., г. Тверь, ул. Мира 5", "Тверь").text == "Тверь, улица Мира, 5"
    assert parse("Тверская обл., г. Ржев, ул. Мира 5", "Тверь").text == "Тверская область, Ржев, улица Мира, 5"
    assert parse("Тверская обл., с. Медное, ул. Мира 5", "Тверь").text == "Тверская область, село Медное, улица Мира, 5"
    assert parse("с. Медное, ул. Мира 5", "Тверь").text == "Тверь, село Медное, улица Мира, 5"


@pytest.mark.parametrize(
    "text", ["", " ", "-", "не указан", "12", "кв. 5", "89130000000", "\x00", ",,,", "🏠", "\ud800"]
)
def test_nothing_to_ask_for(text: str) -> None:
    read = parse(text, "Тверь")
    assert (read.key, read.text, read.confidence) == (0, "", 0)


def test_confidence_says_how_much_is_there() -> None:
    whole, unmarked, street, town = (
        parse(one, "Тверь").confidence for one in ("ул. Мира, д. 5", "Мира 5", "ул. Мира", "г. Ржев")
    )
    assert 100 == whole > unmarked >= 80 > street >= 40 > town > 0
    assert parse("ул. Мира, д. 5").confidence < whole  # in which town?


def test_composed_and_decomposed_letters_are_one() -> None:
    text = "Тверь, Йошкаролинская ул. 5ё"
    assert parse(unicodedata.normalize("NFD", text)) == parse(text)


def test_a_long_text_is_read_up_to_its_cap() -> None:
    assert parse("ул. Мира 5" + "," * 1_000_000 + "ул. Ленина").text == "улица Мира, 5"
    assert parse(" " * LONGEST + "ул. Мира 5").key == 0
    assert parse(" " * (LONGEST - 10) + "ул. Мира 5").house == "5"


def test_what_is_no_text_is_refused() -> None:
    for thing in (None, b"text", 5):
        with pytest.raises(TypeError):
            parse(thing)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            parse("", thing)  # type: ignore[arg-type]
    assert VERSION >= 1


def test_an_address_tells_nothing_of_itself_in_a_log() -> None:
    read = parse("ул. Садовая, д. 12, кв. 5", "Тверь")
    assert not re.search("[а-яё]", repr(read), re.IGNORECASE)
    assert read == Address(**{name: getattr(read, name) for name in (*PARTS, "confidence", "key", "text")})
    assert hash(read) == hash(parse("ул. Садовая, д. 12, кв. 5", "Тверь")) != hash(Address())
    with pytest.raises(AttributeError):
        read.city = "Ржев"  # type: ignore[misc]
