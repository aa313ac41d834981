"""Boards against their twin."""

import random
from array import array
from collections.abc import Sequence

import pytest
import twins
from hypothesis import given
from hypothesis import strategies as st

from identsync.core.board import GRIDS, Boards

DAY = 20_000
BASE = DAY * 1440
SEATS = [(1, 10), (1, 11), (2, 10), (7, 2**31 - 1)]

ids = st.sampled_from([1, 2, 7, 10, 11, 2**31 - 1, 2**31, -1, 2**62])
starts = st.one_of(
    st.integers(BASE - 3000, BASE + 6 * 1440),
    st.sampled_from([-(2**63), 2**63 - 1, 0, BASE, BASE + 1440, BASE - 1, BASE - 1440 * 400]),
)
lengths = st.one_of(st.integers(-5, 1500), st.sampled_from([-(2**63), 2**63 - 1, 2**62, 720, 721, 1440, 2880, 600_000]))
known = st.sampled_from(SEATS).flatmap(lambda seat: st.tuples(st.just(seat[0]), st.just(seat[1]), starts, lengths))
row_lists = st.lists(st.one_of(known, known, known, st.tuples(ids, ids, starts, lengths)), max_size=12)
grids = st.sampled_from(GRIDS)


def columns(rows: Sequence[Sequence[int]]) -> "list[array[int]]":
    return [array("q", [row[i] for row in rows]) for i in range(4)]


@st.composite
def pairs(draw: st.DrawFn, grid: int | None = None) -> tuple[Boards, twins.Boards]:
    """The same boards twice: compiled and twin."""
    seats = draw(st.lists(st.sampled_from(SEATS), max_size=4))
    first, days = DAY + draw(st.integers(-1, 1)), draw(st.integers(0, 4))
    grid = grid or draw(grids)
    mine, twin = Boards(seats, first, days, grid), twins.Boards(seats, first, days, grid)
    shifts, busy = draw(row_lists), draw(row_lists)
    assert mine.add_shifts(shifts) == twin.add_shifts(shifts)
    assert mine.add_busy(busy) == twin.add_busy(busy)
    return mine, twin


def cells_of(boards: Boards) -> tuple[set[twins.Cell], set[twins.Cell]]:
    planes: tuple[set[twins.Cell], set[twins.Cell]] = (set(), set())
    for branch, doctor in boards.seats:
        for day in range(boards.first_day, boards.first_day + boards.days):
            for plane, strip in zip(planes, boards.strip(branch, doctor, day), strict=True):
                plane.update((branch, doctor, day, cell) for cell, there in enumerate(strip) if there)
    return planes


@given(pairs())
def test_boards_are_their_twin(pair: tuple[Boards, twins.Boards]) -> None:
    mine, twin = pair
    assert mine.seats == twin.seats
    assert cells_of(mine) == (twin.working, twin.busy)
    assert mine.counts() == twin.counts()
    assert list(zip(*mine.runs(), strict=True)) == twin.runs()
    assert len(mine) == len(twin.seats) * twin.days


@given(pairs())
def test_spans_are_those_of_the_twin(pair: tuple[Boards, twins.Boards]) -> None:
    mine, twin = pair
    for spans, plane in ((mine.busy_spans, twin.busy), (mine.free_spans, twin.working - twin.busy)):
        expected = twin.spans(plane)
        edges = array("q", [-1] * (2 * len(expected) + 1))
        assert spans(edges) == len(expected)
        assert list(zip(edges[0:-1:2], edges[1::2], strict=True)) == expected
        assert edges[-1] == -1
        assert spans(array("q")) == len(expected)


@pytest.mark.parametrize("grid", GRIDS)
def test_spans_of_crowded_days_in_any_room(grid: int) -> None:
    """Every cell by chance: runs over the borders of words, more edges in a day than a word has bits."""
    chance = random.Random(grid)
    mine, twin = Boards(SEATS, DAY, 2, grid), twins.Boards(SEATS, DAY, 2, grid)
    rows = [
        (*seat, (DAY * 1440) + cell * grid, grid)
        for seat in SEATS
        for cell in range(2 * 1440 // grid)
        if chance.random() < chance.choice([0.1, 0.5, 0.9])
    ]
    assert mine.add_busy_columns(*columns(rows)) == twin.add_busy(rows) == 0
    expected = [edge for span in twin.spans(twin.busy) for edge in span]
    for room in (0, 1, 63, 64, 65, len(expected) - 1, len(expected), len(expected) + 70):
        kept = array("q", [-1] * (room + 8))
        assert mine.busy_spans(memoryview(kept)[:room]) == len(expected) // 2
        seen = min(room, len(expected))
        assert kept[:seen].tolist() == expected[:seen]
        assert kept[room:].tolist() == [-1] * 8


@given(row_lists, row_lists, grids, st.integers(0, 4))
def test_columns_give_what_rows_give(shifts: list[twins.Row], busy: list[twins.Row], grid: int, days: int) -> None:
    by_rows, by_columns = Boards(SEATS, DAY, days, grid), Boards(SEATS, DAY, days, grid)
    assert by_columns.add_shift_columns(*columns(shifts)) == by_rows.add_shifts(shifts)
    assert by_columns.add_busy_columns(*columns(busy)) == by_rows.add_busy(busy)
    assert by_columns == by_rows


@given(grids, st.data())
def test_difference_is_that_of_the_twin(grid: int, data: st.DataObject) -> None:
    old, old_twin = data.draw(pairs(grid))
    new, new_twin = data.draw(pairs(grid))
    cells, boards = old_twin.difference(new_twin)
    difference = old.difference(new)
    assert (difference.cells, difference.boards, difference.count) == (cells, boards, len(boards))
    assert bool(difference) == (cells > 0)


@given(pairs(5), st.sampled_from(GRIDS))
def test_coarsen_is_that_of_the_twin(pair: tuple[Boards, twins.Boards], grid: int) -> None:
    mine, twin = pair
    coarse = twin.coarsen(grid)
    assert cells_of(mine.coarsen(grid)) == (coarse.working, coarse.busy)


@given(pairs(), st.integers(-(2**63), 2**63 - 1))
def test_digest_is_that_of_the_twin(pair: tuple[Boards, twins.Boards], salt: int) -> None:
    mine, twin = pair
    n = len(twin.seats)
    assert mine.digest(0, n, salt) == twin.digest(0, n, salt)
    assert mine.digest(n // 2, n, salt) == twin.digest(n // 2, n, salt)


@given(pairs())
def test_packed_boards_come_back(pair: tuple[Boards, twins.Boards]) -> None:
    mine, _ = pair
    packed = mine.pack()
    back = Boards.unpack(bytearray(packed))
    assert back == mine
    assert back.pack() == packed


@given(pairs(), st.none() | st.sets(st.sampled_from([1, 2, 3])), st.none() | st.sets(st.sampled_from([10, 11])))
def test_select_keeps_the_boards_of_its_seats(
    pair: tuple[Boards, twins.Boards], branches: set[int] | None, doctors: set[int] | None
) -> None:
    mine, twin = pair
    kept = [(b, d) for b, d in twin.seats if (branches is None or b in branches) and (doctors is None or d in doctors)]
    chosen = mine.select(branches, doctors)
    assert chosen.seats == kept
    assert [
        chosen.strip(b, d, day) for b, d in kept for day in range(chosen.first_day, chosen.first_day + chosen.days)
    ] == [twin.strip(b, d, day) for b, d in kept for day in range(twin.first_day, twin.first_day + twin.days)]


def test_a_shift_is_rounded_inward_and_an_appointment_outward() -> None:
    boards = Boards([(1, 1)], DAY, 1, 15)
    boards.add_shifts([(1, 1, BASE + 541, 58)])  # 09:01-09:59
    assert boards.counts() == (2, 0, 2)
    boards.add_busy([(1, 1, BASE + 556, 1)])  # 09:16
    assert boards.counts() == (2, 1, 1)


def test_a_night_shift_goes_on_in_the_next_board() -> None:
    boards = Boards([(1, 1)], DAY, 2, 60)
    boards.add_shifts([(1, 1, BASE + 22 * 60, 4 * 60)])
    assert boards.strip(1, 1, DAY)[0] == bytes(22) + b"\x01\x01"
    assert boards.strip(1, 1, DAY + 1)[0] == b"\x01\x01" + bytes(22)


def test_what_lies_outside_the_shift_is_busy_and_never_free() -> None:
    boards = Boards([(1, 1)], DAY, 1, 30)
    boards.add_busy([(1, 1, BASE, 60)])
    assert boards.counts() == (0, 2, 0)


def test_a_long_run_is_cut_after_twelve_hours() -> None:
    boards = Boards([(1, 1)], DAY, 2, 60)
    boards.add_busy([(1, 1, BASE + 60, 2 * 1440)])
    _, _, start, length, _ = boards.runs()
    assert [s - BASE for s in start] == [60, 780, 1440, 2160]
    assert list(length) == [720, 660, 720, 720]


def test_days_before_1970_are_days() -> None:
    boards = Boards([(1, 1)], -2, 2, 60)
    assert boards.add_busy([(1, 1, -1441, 2)]) == 0
    assert boards.strip(1, 1, -2)[1][-1] == 1
    assert boards.strip(1, 1, -1)[1][0] == 1


def test_the_window_may_be_the_whole_calendar_of_nobody() -> None:
    boards = Boards([], -719162, 719162 + 2932897, 5)
    assert len(boards) == 0
    assert boards.difference(boards).boards == []


@pytest.mark.parametrize(
    ("seats", "first", "days", "grid"),
    [
        ([(1, 1)], DAY, 1, 7),
        ([(1, 1)], DAY, 1, 0),
        ([(1, 1)], DAY, 1, 2**70),
        ([(1, 1)], DAY, -1, 15),
        ([(1, 1)], DAY, 2**62, 15),
        ([(1, 1)], 2**70, 1, 15),
        ([(1, 1)], -719163, 1, 15),
        ([(1, 1)], 2932896, 2, 15),
        ([(-1, 1)], DAY, 1, 15),
        ([(1, 2**31)], DAY, 1, 15),
        ([(1, 2**70)], DAY, 1, 15),
        ([(1, i) for i in range(1000)], 0, 2_932_896, 5),
        ([(1, 1, 1)], DAY, 1, 15),
    ],
)
def test_impossible_boards_are_refused(seats: list[tuple[int, int]], first: int, days: int, grid: int) -> None:
    with pytest.raises(ValueError):
        Boards(seats, first, days, grid)


def test_other_grids_do_not_compare() -> None:
    with pytest.raises(ValueError, match="grids differ"):
        Boards([], DAY, 1, 15).difference(Boards([], DAY, 1, 30))
    with pytest.raises(ValueError, match="multiple"):
        Boards([], DAY, 1, 20).coarsen(30)
    with pytest.raises(ValueError, match="no board"):
        Boards([(1, 1)], DAY, 1, 15).strip(1, 1, DAY + 1)
    with pytest.raises(ValueError, match="no board"):
        Boards([(1, 1)], DAY, 1, 15).strip(1, 2, DAY)
    with pytest.raises(ValueError, match="no such seats"):
        Boards([(1, 1)], DAY, 1, 15).digest(0, 2, 0)
