"""House numbers, streets and towns compared: one house in several spellings is one, its neighbour is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync import errors
from identsync.integrations.geocoding.place import Precision, Question
from identsync.integrations.geocoding.wire import house
from identsync.integrations.geocoding.wire.judging import Told, judged, point
from identsync.integrations.geocoding.wire.names import alike, same_street, same_town

BLOCK = st.sampled_from(["", "к{}", " к{}", " к {}", " корп. {}", " корпус {}", ", корп {}", "К{}"])
BUILDING = st.sampled_from(["", " с{}", " стр. {}", "с{}", " строение {}"])
NUMBER, DIGIT = st.integers(1, 400), st.integers(1, 9)


@given(NUMBER, st.sampled_from(["", "а", "А", " а", "A"]), BLOCK, BUILDING, DIGIT, DIGIT, st.data())
def test_one_house_is_one_in_every_spelling(
    number: int, letter: str, block: str, building: str, first: int, second: int, data: st.DataObject
) -> None:
    one = f"{number}{letter}{block.format(first)}{building.format(second)}"
    other_block = data.draw(BLOCK.filter(bool)) if block else ""
    other_building = data.draw(BUILDING.filter(bool)) if building else ""
    other = f"д. {number}{letter.strip().upper()}{other_block.format(first)}{other_building.format(second)}"
    assert house.same(one, other)
    assert house.same(other, one)
    assert not house.same(one, f"{number + 1}{letter}{block.format(first)}{building.format(second)}")
    if block:
        assert not house.same(one, f"{number}{letter}{block.format(first + 1)}{building.format(second)}")
        assert not house.same(one, f"{number}{letter}{building.format(second)}")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("12/3", "12/3", True),
        ("12/3", "123", False),
        ("12/3", "12 к3", False),
        ("12 лит А", "12 литера А", True),
        ("12 лит А", "12литА", True),
        ("12 лит А", "12А", False),
        ("12Ас1", "12А с1", True),
        ("12", "1", False),
        ("", "", False),
        ("12", "", False),
        ("вл. 5", "5", True),
    ],
)
def test_house_numbers(one: str, other: str, is_same: bool) -> None:
    assert house.same(one, other) is is_same


@pytest.mark.parametrize(
    ("asked", "told", "is_same"),
    [
        ("улица Садовая", "Садовая улица", True),
        ("улица Садовая", "ул Садовая", True),
        ("улица Садовая", "Садовый переулок", False),
        ("улица Садовая", "Большая Садовая улица", False),
        ("проспект Мира", "улица Мира", False),
        ("проспект Мира", "пр-кт Мира", True),
        ("улица Павлова", "улица Академика Павлова", True),
        ("улица 1-я Парковая", "2-я Парковая улица", False),
        ("улица 8 Марта", "улица Марта", False),
        ("улица Набережная", "Набережная улица", True),
        ("набережная Северная", "Северная улица", False),
        ("улица Берёзовая", "Березовая улица", True),
        ("улица Ленина", "", True),
        ("", "улица Ленина", True),
    ],
)
def test_streets(asked: str, told: str, is_same: bool) -> None:
    assert same_street(asked, told) is is_same
    assert same_street(told, asked) is is_same


@pytest.mark.parametrize(
    ("asked", "told", "likeness"),
    [
        ("улица Садовая", "Садовая улица", 2),
        ("улица Павлова", "улица Академика Павлова", 1),
        ("улица Кирова", "улица Старорежимная", 0),
        ("улица Садовая", "Большая Садовая улица", -1),
        ("проспект Мира", "улица Мира", -1),
        ("Мира", "проспект Мира", 2),
        ("улица Мира", "", 1),
    ],
)
def test_of_several_streets_the_likest_counts(asked: str, told: str, likeness: int) -> None:
    assert alike(asked, told) == likeness


@pytest.mark.parametrize("number", ["12 к1", "12А к1 с2", "12 с2", "12 лит А", "12", "12А", "12/3", "", "А"])
def test_other_spellings_are_of_the_same_house_and_the_last_is_its_number(number: str) -> None:
    others = house.others(number)
    assert len(others) == len(set(others))
    assert number not in others
    assert all(house.same(number, each) for each in others[:-1])
    assert others[-1:] in ([], ["12"])


@pytest.mark.parametrize(
    ("asked", "told", "is_same"),
    [
        ("Бердск", ["Новосибирская область", "городской округ Бердск"], True),
        ("Бердск", ["Новосибирск"], False),
        ("село Ивановка", ["Ивановка"], True),
        ("Москва", ["Зеленоград", "Москва"], True),
        ("Королёв", ["городской округ Королев"], True),
        ("Нижний Новгород", ["Великий Новгород"], False),
        ("Бердск", [], True),
        ("", ["Бердск"], True),
        ("Бердск", ["", ""], True),
    ],
)
def test_towns(asked: str, told: list[str], is_same: bool) -> None:
    assert same_town(asked, told) is is_same


@given(
    st.sampled_from(Precision), st.sampled_from(["", "12", "12 к1", "14", "112", "12А"]),
    st.sampled_from(["", "12", "12к1", "13", "200"]),
    st.sampled_from(["", "улица Мира", "Садовая улица"]), st.sampled_from([[], ["Бердск"], ["Омск"]]),
)  # fmt: skip
def test_an_answer_is_never_worth_more_than_it_claims(
    claimed: Precision, asked: str, told: str, street: str, towns: list[str]
) -> None:
    question = Question(1, "", "", "Бердск", "улица Мира", asked)
    answer = Told(
        precision=claimed, latitude=54_900_000, longitude=39_600_000, detail="x", house=told, street=street, towns=towns
    )
    found = judged(question, answer)
    assert found.precision <= claimed
    if found.precision is Precision.HOUSE:
        assert house.same(asked, told)
    if towns == ["Омск"] or (street == "Садовая улица" and claimed >= Precision.STREET):
        assert (found.precision, found.latitude) == (Precision.NONE, None)


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        (0, 0),
        (91, 40),
        ("nan", "40"),
        ("inf", "1"),
        (None, 40),
        ("", ""),
        (40, 181),
        ([], {}),
        (37.6, 55.7),
        (82.9, 55.0),
    ],
)
def test_no_place_is_unexpected(latitude: object, longitude: object) -> None:
    with pytest.raises(errors.Unexpected):
        point(latitude, longitude)


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [("55.75", "37.61"), (64.4, -173.2), (54.7, 20.5), (43.1, 131.9), (52.5, 13.4), (41.3, 69.2)],
)
def test_places(latitude: object, longitude: object) -> None:
    """Of Russia's ends, and where our patients may come from."""
    assert point(latitude, longitude) == (round(float(str(latitude)) * 1e6), round(float(str(longitude)) * 1e6))
