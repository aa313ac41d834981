"""The register against a plain twin: a dict of buildings."""

import json
import struct
from array import array
from collections.abc import Sequence

import pytest
import twins
from hypothesis import given
from hypothesis import strategies as st

from identsync.core.address import parse
from identsync.core.columns import Columns, digest
from identsync.core.register import Register

CITIES = {0: "Тверь", 1: "Ржев", 7: "г. Нижний Новгород", 9: ""}
Row = tuple[int, int | None, str | None, int | None]
TYPED = """
ул. Садовая 12-5|Садовая ул, д.12 кв 9|ул. Берёзовая, 3|ул. Березовая, 3|с. Медное, ул. Мира 5|Ржев, Мира 1|г. Тверь
мкр. 5, 12|Московская обл., г. Химки, мкр Сходня, ул. Мира, д. 5||не указан|5-я линия В.О. 3|Морской 5|пр. "Мира" 5/6
ул. \x00Садовая 12|обл. Московская, р-н Раменский, п. Ильинский|\ud800|п. а\\б 3
"""
typed = st.sampled_from([one for line in TYPED.strip().split("\n") for one in line.split("|")])
days = st.none() | st.integers(-5, 2**31 - 1)
rows = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1), st.none() | st.integers(-2, 9), st.none() | typed | st.text(max_size=30), days
    ),
    max_size=60,
)


def twin(given_rows: Sequence[Row]) -> tuple[list[int], dict[int, tuple[str, int, int]]]:
    """Keys by row, and of each building text, patients and newest day."""
    keys: list[int] = []
    buildings: dict[int, tuple[str, int, int]] = {}
    for _, branch, text, day in given_rows:
        city = CITIES.get(branch or 0, CITIES[0])
        read = parse(text or "", city)
        keys.append(read.key)
        if read.key:
            first, count, newest = buildings.get(read.key, (read.text, 0, -1))
            buildings[read.key] = (first, count + 1, max(newest, -1 if day is None else day))
    return keys, buildings


@given(rows, st.integers(-(2**63), 2**63 - 1))
def test_as_the_twin(given_rows: list[Row], salt: int) -> None:
    register = Register(CITIES)
    half = len(given_rows) // 2
    assert register.add(given_rows[:half]) == half
    assert len(register) == len(register.buildings) <= half
    assert register.add(list(row) for row in given_rows[half:]) == len(given_rows) - half
    keys, buildings = twin(given_rows)
    order = sorted(buildings)
    assert list(register.patients) == [row[0] for row in given_rows]
    assert list(register.keys) == keys
    assert list(register.buildings) == order
    assert list(zip(register.counts, register.newest, strict=True)) == [buildings[key][1:] for key in order]
    assert [register.text(key) for key in order] == [buildings[key][0] for key in order]
    assert len(register) == len(order)
    assert json.loads(register.batch(register.buildings)) == [buildings[key][0] for key in order]
    assert register.desired(salt) == Columns.from_rows(
        (key, twins.signed(twins.xxh64(struct.pack("<q", key), salt))) for key in order
    )
    assert register.collided == 0


@given(typed)
def test_the_parts_of_a_building_are_those_of_its_text(text: str) -> None:
    register = Register(CITIES)
    register.add([(1, 0, text, None)])
    one = parse(text, CITIES[0])
    for key in register.buildings:
        read = register.address(key)
        assert (read.key, read.text, read.confidence) == (one.key, one.text, one.confidence)
        assert (read.city, read.street_kind, read.street, read.house) == (
            one.city,
            one.street_kind,
            one.street,
            one.house,
        )
        assert read.flat == read.index == ""
        assert read.place in (one.place, "")
        assert read.region in (one.region, "")


def test_a_building_is_asked_for_once() -> None:
    register = Register({0: "Тверь", 1: "Ржев"})
    register.add(
        [
            (1, 0, "ул. Садовая 12-5", 100),
            (2, 5, "Садовая ул, 12", 300),
            (3, None, "САДОВАЯ 12 КВ 7", 200),
            (4, 1, "Садовая 12", 7),
        ]
    )
    counts = {register.text(key): count for key, count in zip(register.buildings, register.counts, strict=True)}
    assert counts == {"Тверь, улица Садовая, 12": 3, "Ржев, улица Садовая, 12": 1}
    assert sorted(register.newest) == [7, 300]


def test_the_digest_changes_with_the_salt_alone() -> None:
    register = Register(CITIES)
    register.add([(1, 0, "ул. Берёзовая 5", 1)])
    other = Register(CITIES)
    other.add([(9, 0, "Березовая улица, д. 5, кв. 9", 2)])
    assert register.desired(1) == other.desired(1)
    assert not len(register.desired(1).difference(register.desired(1)))
    assert len(register.desired(1).difference(register.desired(2))) == 1


def test_views_stay_what_they_were() -> None:
    register = Register(CITIES)
    register.add([(1, 0, "Мира 1", 1)])
    views = [register.patients, register.keys, register.buildings, register.counts, register.newest]
    before = [list(view) for view in views]
    register.add((n, 0, f"Мира {n}", n) for n in range(1, 5001))
    assert [list(view) for view in views] == before
    assert all(view.readonly for view in views)
    assert len(register) == 5000


def test_many_buildings_are_all_found() -> None:
    register = Register({0: "Тверь"})
    register.add((n, 0, f"ул. Садовая, {n % 9999 + 1} к{n // 9999 + 1}", n) for n in range(30_000))
    assert len(register) == 30_000
    assert list(register.counts) == [1] * 30_000
    assert sorted(register.keys) == list(register.buildings)
    assert register.buildings[0] in register


@pytest.mark.parametrize(
    "row",
    [(1, 0, "a"), (1, 0, "a", 1, 2), ("1", 0, "a", 1), (1, "0", "a", 1), (1, 0, b"a", 1), (1, 0, 5, 1),
     (1, 0, "a", "1"), (1, 0, "a", 2**31), (1, 0, "a", 1.5),
     (2**63, 0, "a", 1), (1, [], "a", 1), 5, None, (1.0, 0, "a", 1)],
)  # fmt: skip
def test_rows_that_are_none_are_named_by_number_only(row: object) -> None:
    register = Register(CITIES)
    with pytest.raises((ValueError, TypeError)) as caught:
        register.add([(1, 0, "ул. Тайная 5", 1), row])  # type: ignore[list-item]
    assert "row 1" in str(caught.value)
    assert "Тайная" not in str(caught.value)
    assert list(register.patients) == [1]


def test_errors_of_the_source_itself_pass_through() -> None:
    def broken() -> object:
        yield (1, 0, "Мира 1", 1)
        raise TypeError("the driver's own")

    with pytest.raises(TypeError, match="the driver's own"):
        Register(CITIES).add(broken())  # type: ignore[arg-type]


def test_keys_that_are_not_there() -> None:
    register = Register(CITIES)
    register.add([(1, 0, "Мира 1", 1)])
    for key in (0, 5, -1, 2**63, -(2**70)):
        assert key not in register
        with pytest.raises(KeyError):
            register.text(key)
        with pytest.raises(KeyError):
            register.address(key)
    with pytest.raises(KeyError):
        register.batch(array("q", [register.buildings[0], 5]))
    assert register.batch(array("q")) == b"[]"
    assert Register({}).desired(1) == Columns()


@pytest.mark.parametrize("cities", [5, {"a": "b"}, {1: 5}, {2**70: "a"}, {1: None}])
def test_impossible_cities_are_refused(cities: object) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        Register(cities)  # type: ignore[arg-type]


def test_the_key_is_the_digest_of_the_text() -> None:
    register = Register({0: "Тверь"})
    register.add([(1, 0, "ул. Берёзовая 5", 1)])
    assert register.keys[0] == digest("тверь, улица березовая, 5".encode()) % 2**64 >> 1


@given(rows, st.lists(st.integers(-9, -1), unique=True, max_size=3), st.integers(1, 400), st.integers(0, 2**64 - 1))
def test_what_was_visited_last_is_asked_first(given_rows: list[Row], others: list[int], span: int, seed: int) -> None:
    register = Register(CITIES)
    register.add(given_rows)
    newest = dict(zip(register.buildings, register.newest, strict=True))
    keys = [*others, *register.buildings]
    line = register.queue(array("q", keys), span, seed)
    assert sorted(line) == sorted(keys)
    assert set(line[: len(others)]) == set(others)
    spans = [newest[key] // span for key in line[len(others) :]]
    assert spans == sorted(spans, reverse=True)


def test_within_a_month_the_order_is_another_each_time() -> None:
    register = Register(CITIES)
    register.add([(number, None, f"ул. Садовая, {number}", 20_000) for number in range(1, 60)])
    lines = [list(register.queue(register.buildings, 30, seed)) for seed in range(3)]
    assert lines[0] != lines[1] != lines[2] != lines[0]
    assert lines[0] == list(register.queue(register.buildings, 30, 0))


def test_a_queue_by_no_days_is_refused() -> None:
    with pytest.raises(ValueError, match="no days"):
        Register(CITIES).queue(array("q"), 0, 1)
