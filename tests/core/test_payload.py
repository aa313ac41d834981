"""The timetable's bytes against json over the twin."""

import json
from array import array
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import twins
from hypothesis import given
from hypothesis import strategies as st

from identsync.core.board import GRIDS, Boards
from identsync.core.payload import TimetableBody

DAY = 20_000
BASE = DAY * 1440
SEATS = [(1, 10), (2, 10), (7, 10), (2, 11), (2**31 - 1, 2**31 - 1), (0, 0)]
NAMES = {0: "", 10: 'Ёлкин "Ю" \\ \n\x00', 11: "🦷", 2**31 - 1: "O'Neil", 5: "без расписания"}
BRANCHES = dict.fromkeys([0, 1, 2, 7, 2**31 - 1], "Филиал")

zone_days = st.one_of(
    st.tuples(st.integers(-1439, 1439), st.just(1440), st.just(0), st.just(0)),
    st.tuples(st.integers(-1439, 1439), st.integers(0, 1440), st.integers(-1439, 1439), st.just(0)),
    st.tuples(st.integers(-720, 720), st.integers(0, 1380), st.integers(-720, 720), st.sampled_from([1, 30, 60])),
    st.tuples(st.just(-600), st.just(0), st.just(840), st.just(1440)),
)
near = st.tuples(st.integers(BASE - 60, BASE + 3 * 1440), st.integers(1, 1600))


@st.composite
def bodies(draw: st.DrawFn) -> tuple[TimetableBody, bytes]:
    """A compiled body with a chunk of its own, and the bytes of the twin."""
    seats, grid, days = draw(st.lists(st.sampled_from(SEATS), max_size=5)), draw(st.sampled_from(GRIDS)), 3
    boards, twin = Boards(seats, DAY, days, grid), twins.Boards(seats, DAY, days, grid)
    for seat in twin.seats:
        shifts = [(*seat, *row) for row in draw(st.lists(near, max_size=3))]
        busy = [(*seat, *row) for row in draw(st.lists(near, max_size=3))]
        assert boards.add_shifts(shifts) == twin.add_shifts(shifts)
        assert boards.add_busy(busy) == twin.add_busy(busy)
    zones = {b: [n for _ in range(days) for n in draw(zone_days)] for b in BRANCHES}
    tables = {b: array(draw(st.sampled_from("qih")), numbers) for b, numbers in zones.items()}
    body = TimetableBody(boards, NAMES, BRANCHES, tables, draw(st.sampled_from([4096, 5000, 262144])))
    return body, twins.timetable(twin, NAMES, BRANCHES, zones)


@given(bodies())
def test_body_is_that_of_the_twin(pair: tuple[TimetableBody, bytes]) -> None:
    body, expected = pair
    chunks = [bytes(chunk) for chunk in body.chunks()]
    assert b"".join(chunks) == expected
    assert body.length() == len(expected)
    assert body.count() == body.intervals == len(json.loads(expected)["Intervals"])
    assert body.tobytes() == expected


def moscow(days: int) -> "array[int]":
    return array("q", [180, 1440, 180, 0] * days)


def test_chunks_reuse_one_buffer_of_the_size_asked_for() -> None:
    boards = Boards([(1, d) for d in range(40)], DAY, 7, 5)
    boards.add_shifts([(1, d, BASE, 7 * 1440) for d in range(40)])
    body = TimetableBody(boards, dict.fromkeys(range(40), "Врач" * 50), {1: "Ф"}, {1: moscow(7)}, 8192)
    buffers, sizes = set(), []
    for chunk in body.chunks():
        assert chunk.readonly
        buffers.add(id(chunk.obj))
        sizes.append(len(chunk))
    assert len(buffers) == 1
    assert max(sizes) <= 8192
    assert sum(sizes) == body.length()
    assert json.loads(body.tobytes())["Intervals"][-1]["StartDateTime"] == "2024-10-10T23:55:00+03:00"


def test_two_passes_at_once_do_not_disturb_each_other() -> None:
    boards = Boards([(1, d) for d in range(20)], DAY, 7, 5)
    boards.add_shifts([(1, d, BASE, 7 * 1440) for d in range(20)])
    body = TimetableBody(boards, dict.fromkeys(range(20), "В"), {1: "Ф"}, {1: moscow(7)}, 4096)
    expected = body.tobytes()
    first, second = [], []
    for one, two in zip(body.chunks(), body.chunks(), strict=True):
        first.append(bytes(one))
        second.append(bytes(two))
    assert b"".join(first) == b"".join(second) == expected


def test_a_body_without_boards_still_has_its_three_arrays() -> None:
    body = TimetableBody(Boards([], DAY, 30, 15), {}, {}, {})
    assert body.tobytes() == b'{"Doctors":[],"Branches":[],"Intervals":[]}'
    assert body.length() == 43


@pytest.mark.parametrize("day", [-719162, -719162 + 364, -1, 0, 11016, 11017, 19782, 2932896])
def test_dates_are_those_of_the_calendar(day: int) -> None:
    boards = Boards([(1, 1)], day, 1, 60)
    boards.add_busy([(1, 1, day * 1440, 60)])
    body = json.loads(TimetableBody(boards, {1: "В"}, {1: "Ф"}, {1: moscow(1)}).tobytes())
    assert body["Intervals"][0]["StartDateTime"] == (date(1970, 1, 1) + timedelta(day)).isoformat() + "T00:00:00+03:00"


def starts_on(day: date, table: list[int]) -> list[datetime]:
    """The free hours the body has of a day wholly worked."""
    number = (day - date(1970, 1, 1)).days
    boards = Boards([(1, 1)], number, 1, 60)
    boards.add_shifts([(1, 1, number * 1440, 1440)])
    body = json.loads(TimetableBody(boards, {1: "В"}, {1: "Ф"}, {1: array("q", table)}).tobytes())
    return [datetime.fromisoformat(interval["StartDateTime"]) for interval in body["Intervals"]]


def test_a_day_of_23_hours_leaves_out_the_hour_that_is_not_there() -> None:
    starts = starts_on(date(2010, 3, 28), [180, 120, 240, 60])  # Moscow, 02:00 becomes 03:00
    assert [start.hour for start in starts] == [0, 1, *range(3, 24)]
    zone = ZoneInfo("Europe/Moscow")
    assert all(start.replace(tzinfo=zone).utcoffset() == start.utcoffset() for start in starts)
    assert starts[-1] - starts[0] == timedelta(hours=22)


def test_a_day_of_25_hours_gives_the_ambiguous_hour_its_first_offset() -> None:
    starts = starts_on(date(2010, 10, 31), [240, 180, 180, 0])  # Moscow, 03:00 becomes 02:00
    zone = ZoneInfo("Europe/Moscow")
    assert len(starts) == 24
    assert all(start.replace(tzinfo=zone, fold=0).utcoffset() == start.utcoffset() for start in starts)


BOARDS = Boards([(1, 1)], DAY, 1, 15)
GOOD = {1: array("q", [180, 1440, 180, 0])}


@pytest.mark.parametrize(
    ("doctors", "branches", "zones", "chunk"),
    [
        ({}, {1: "Ф"}, GOOD, 4096),
        ({1: "В"}, {2: "Ф"}, GOOD, 4096),
        ({1: "В"}, {1: "Ф"}, {}, 4096),
        ({1: "\ud800"}, {1: "Ф"}, GOOD, 4096),
        ({1: "В", -1: "В"}, {1: "Ф"}, GOOD, 4096),
        ({1: "В", 2**70: "В"}, {1: "Ф"}, GOOD, 4096),
        ({1: "В"}, {1: "Ф"}, GOOD, 4095),
        ({1: "В"}, {1: "Ф"}, GOOD, 2**62),
        ({1: "В"}, {1: "Ф"}, {1: array("q", [180, 1440, 180])}, 4096),
        ({1: "В"}, {1: "Ф"}, {1: array("q", [180, 1440, 180, 0] * 2)}, 4096),
        ({1: "В"}, {1: "Ф"}, {1: array("q", [1440, 1440, 180, 0])}, 4096),
        ({1: "В"}, {1: "Ф"}, {1: array("q", [-(2**63), 1440, 180, 0])}, 4096),
        ({1: "В"}, {1: "Ф"}, {1: array("q", [180, 1441, 180, 0])}, 4096),
        ({1: "В"}, {1: "Ф"}, {1: array("q", [180, -1, 180, 0])}, 4096),
        ({1: "В"}, {1: "Ф"}, {1: array("q", [180, 1440, 180, 1])}, 4096),
        ({1: "В"}, {1: "Ф"}, {1: array("q", [180, 0, 180, 2**63 - 1])}, 4096),
        ({1: "В"}, {1: "Ф"}, {1: array("d", [180, 1440, 180, 0])}, 4096),
        ({1: "В"}, {1: "Ф"}, {1: b"abcd"[:3]}, 4096),
    ],
)
def test_impossible_bodies_are_refused(doctors: object, branches: object, zones: object, chunk: int) -> None:
    with pytest.raises(ValueError):
        TimetableBody(BOARDS, doctors, branches, zones, chunk)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("boards", "doctors", "zones"),
    [
        (None, {1: "В"}, GOOD),
        (b"", {1: "В"}, GOOD),
        (BOARDS, {1: 5}, GOOD),
        (BOARDS, {"1": "В"}, GOOD),
        (BOARDS, {1: "В"}, {1: 5}),
    ],
)
def test_things_of_the_wrong_kind_are_refused(boards: object, doctors: object, zones: object) -> None:
    with pytest.raises(TypeError):
        TimetableBody(boards, doctors, {1: "Ф"}, zones)  # type: ignore[arg-type]
