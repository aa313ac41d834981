"""Events against a plain Python twin, and against whatever does not belong into them."""

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
import twins
from hypothesis import example, given, settings
from hypothesis import strategies as st

from identsync.clinic.clock import to_ms, zone_table
from identsync.core.columns import Columns
from identsync.core.events import APPOINTMENT, BUSY, LONGEST, MARGIN, RESERVE, SHIFT, Events

DAY = 1440
SPRING, AUTUMN = 20_541, 20_751  # Berlin: 23 and 25 hours
ZONES = {1: "Europe/Berlin", 2: "Asia/Omsk", 3: "America/Scoresbysund"}
DOCTORS = (5, 6, 9)
Row = tuple[int, ...]
Found = tuple[int, int, int, int, int, int, int]  # what, branch, doctor, id, start, minutes, changed


def windows(first: int, days: int) -> dict[int, tuple[int, int, "array[int]"]]:
    """Give the windows of all branches; they begin a day apart."""
    return {
        branch: (first + branch, days, zone_table(zone, first + branch - MARGIN, days + 2 * MARGIN))
        for branch, zone in ZONES.items()
    }


def xxh(numbers: Sequence[int], seed: int = 0) -> int:
    return twins.signed(twins.xxh64(struct.pack(f"<{len(numbers)}Q", *(n & twins.MASK for n in numbers)), seed))


def text_hash(texts: Sequence[str | None]) -> int:
    h = 1
    for text in texts:
        h = twins.xxh64((text or "").encode("utf-8", "surrogatepass"), h)
    return h


@dataclass
class Twin:
    """The same in plain Python."""

    scope: int
    first: int
    days: int
    merged: bool
    kept: list[tuple[Found, int]] = field(default_factory=list)  # and the hash of its texts
    ignored: int = 0

    def add(self, branch: int, doctor: int, what: int, id_: int, start: int, length: int, *more: int) -> None:
        changed, text = more or (0, 0)
        begin = (self.first + branch) * DAY
        inside = start < begin + self.days * DAY and start + length > begin
        if (
            branch not in ZONES
            or doctor not in DOCTORS
            or not 0 < length <= LONGEST
            or not inside
            or what not in range(3)
        ):
            self.ignored += 1
            return
        at, end = (to_ms(ZONES[branch], minute) // 60_000 for minute in (start, start + length))
        if end <= at:
            end = at + length
        self.kept.append(((what, branch, doctor, at if what == SHIFT else id_, at, end - at, changed), text))

    def runs(self) -> list[tuple[Found, int]]:
        shifts = [one for one in self.kept if one[0][0] == SHIFT]
        found: list[tuple[Found, int]] = []
        for doctor in DOCTORS:
            mine = sorted((f[4], f[1], f[5]) for f, _ in self.kept if f[0] != SHIFT and f[2] == doctor)
            reach = None
            for start, branch, length in mine:
                if reach is not None and start <= reach:
                    reach = max(reach, start + length)
                    head = found[-1][0]
                    found[-1] = ((*head[:5], reach - head[4], 0), 0)  # type: ignore[assignment]
                else:
                    found.append(((BUSY, branch, doctor, start, start, length, 0), 0))
                    reach = start + length
        return shifts + found

    def result(self, salt: int) -> dict[int, tuple[Found, int]]:
        best: dict[int, tuple[tuple[int, ...], Found]] = {}
        for found, text in self.runs() if self.merged else self.kept:
            what, branch, doctor, id_, start, length, changed = found
            key = xxh((self.scope, doctor, what, id_))
            rank = (start, -length, text, -changed, branch)
            if key not in best or rank < best[key][0]:
                best[key] = rank, found
        return {key: (found, xxh((found[4], found[5], rank[2]), salt)) for key, (rank, found) in best.items()}


branches, doctors = st.sampled_from([1, 2, 3, 3, 4]), st.sampled_from([*DOCTORS, *DOCTORS, 7])
extremes = st.sampled_from([-(2**63), 2**63 - 1, 0, -1])
starts = st.one_of(
    st.integers(SPRING * DAY - 3000, SPRING * DAY + 3 * DAY),
    st.builds(lambda day, step: day * DAY + step * 15, st.integers(SPRING - 2, SPRING + 4), st.integers(0, 95)),
    extremes,
)
lengths = st.one_of(st.integers(-5, 3000), st.integers(1, 8).map(lambda n: n * 15), st.just(LONGEST), extremes)
texts = st.sampled_from([None, "", "a", "Лечение", "\ud800"])
changes = st.integers(0, 3) | extremes
ids = st.integers(1, 12) | extremes
visits = st.tuples(branches, doctors, ids, st.integers(0, 3), starts, lengths, changes, texts, texts)
shifts = st.tuples(branches, doctors, starts, lengths)


def twin_of(merged: bool, first: int, days: int, rows: Sequence[Row], worked: Sequence[Row], wide: int) -> Twin:
    twin = Twin(3, first, days, merged)
    for row in rows:
        what = row[3] if row[3] in (APPOINTMENT, RESERVE) else -1
        twin.add(row[0], row[1], what, row[2], row[4], row[5], row[6], text_hash(row[7:wide]) if wide > 7 else 0)  # type: ignore[arg-type]
    for branch, doctor, start, length in worked:
        twin.add(branch, doctor, SHIFT, 0, start, length)
    return twin


@given(
    st.booleans(),
    st.integers(SPRING - 4, SPRING + 2),
    st.integers(0, 5),
    st.lists(visits, max_size=25),
    st.lists(shifts, max_size=8),
    st.sampled_from([7, 8, 9]),
    st.integers(-(2**63), 2**63 - 1),
)
@example(
    False, SPRING - 2, 5, [(1, 5, 1, 0, SPRING * DAY + 150, 60, 0, None, None)], [], 7, 0
)  # from the gap to behind it
@example(True, SPRING - 2, 5, [(1, 5, 1, 0, SPRING * DAY + 90, 60, 0, None, None)], [], 7, 0)
def test_columns_and_rows_are_those_of_the_twin(
    merged: bool, first: int, days: int, rows: list[Row], worked: list[Row], wide: int, salt: int
) -> None:
    twin = twin_of(merged, first, days, rows, worked, wide)
    events = Events(3, DOCTORS, windows(first, days), merged)
    ignored = events.add_appointments([row[:wide] for row in rows]) + events.add_shifts(worked)
    expected = twin.result(salt)
    columns = events.columns(salt)
    assert ignored == events.ignored == twin.ignored
    assert dict(zip(columns.keys, columns.digests, strict=True)) == {key: one[1] for key, one in expected.items()}
    assert {key: events.get(key) for key in columns.keys} == {key: one[0] for key, one in expected.items()}
    assert len(events) == len(columns)
    assert events.repeated == len(twin.runs() if merged else twin.kept) - len(columns)


@given(st.booleans(), st.lists(visits, max_size=25), st.lists(shifts, max_size=8), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_columns_in_any_order_are_as_good_as_rows(
    merged: bool, rows: list[Row], worked: list[Row], rng: object
) -> None:
    by_rows, by_columns = (Events(0, DOCTORS, windows(SPRING - 2, 4), merged) for _ in range(2))
    ignored = by_rows.add_appointments([row[:7] for row in rows]) + by_rows.add_shifts(worked)
    rng.shuffle(rows)  # type: ignore[attr-defined]
    rng.shuffle(worked)  # type: ignore[attr-defined]
    again = by_columns.add_shift_columns(*(array("q", [row[i] for row in worked]) for i in range(4)))
    again += by_columns.add_appointment_columns(*(array("q", [row[i] for row in rows]) for i in range(7)))
    assert ignored == again
    assert by_rows.columns(1) == by_columns.columns(1)
    assert [by_rows.get(key) for key in by_rows.columns(1).keys] == [
        by_columns.get(key) for key in by_columns.columns(1).keys
    ]


def plain(
    rows: Sequence[Sequence[object]] = (), *, merged: bool = False, first: int = SPRING - 2, days: int = 5
) -> Events:
    events = Events(1, DOCTORS, windows(first, days), merged)
    events.add_appointments(rows)
    return events


@given(st.sets(st.integers(0, 2**31 - 1) | st.integers(0, 40), max_size=60), st.sets(st.integers(0, 40), max_size=9))
@example({n << 24 for n in range(60)}, {0})  # all in one corner of a table
def test_of_any_ids_those_that_were_given_count_and_no_others(known: set[int], places: set[int]) -> None:
    window = (SPRING, 1, zone_table("UTC", SPRING - MARGIN, 1 + 2 * MARGIN))
    events = Events(1, known, dict.fromkeys(places, window))
    near = [id_ + step for id_ in known for step in (-1, 0, 1)]
    rows = [(branch, doctor, 1, 0, SPRING * DAY, 30, 0) for branch in range(-1, 42) for doctor in near]
    assert events.add_appointments(rows) == sum(row[0] not in places or row[1] not in known for row in rows)
    assert events.add_shifts((branch, 2**62, SPRING * DAY, 30) for branch in places) == len(places)


def test_rows_may_come_after_the_columns_were_made() -> None:
    events = plain([(1, 5, 1, 0, SPRING * DAY, 30, 0)])
    before = events.columns(0)
    events.add_appointments([(1, 5, 2, 0, SPRING * DAY, 30, 0)])
    assert len(before.difference(events.columns(0)).added) == 1


def test_rows_may_come_while_the_columns_are_looked_at() -> None:
    """What was handed out must not point into memory that later rows have moved."""
    events = plain()

    def rows() -> Iterator[Row]:
        for i in range(2000):
            assert len(events.columns(0)) == len(events) == i if i % 100 == 0 else True
            yield (1, 5, i, 0, SPRING * DAY + i % 50, 30, 0)

    events.add_appointments(rows())
    assert len(events.columns(0)) == 2000
    assert sorted(row[3] for key in events.columns(0).keys if (row := events.get(key))) == list(range(2000))


def test_25_hours_make_an_event_over_the_switch_an_hour_longer() -> None:
    events = plain([(1, 5, 1, 0, AUTUMN * DAY + 60, 180, 0), (1, 5, 2, 0, AUTUMN * DAY + 150, 10, 0)], first=AUTUMN - 2)
    found = {row[3]: row[5] for key in events.columns(0).keys if (row := events.get(key))}
    assert found == {1: 240, 2: 10}


def test_a_salt_changes_every_digest_and_no_key() -> None:
    events = plain([(1, 5, i, 0, SPRING * DAY + i, 30, 0) for i in range(9)])
    one, two = events.columns(1), events.columns(2)
    assert one.keys == two.keys
    assert len(one.difference(two).changed) == 9


def test_merged_runs_cross_branches_by_utc() -> None:
    """10:00 in Berlin is 15:00 in Omsk (in March, before the switch)."""
    day = (SPRING - 1) * DAY
    events = plain([(1, 5, 1, 0, day + 540, 60, 0), (2, 5, 2, 1, day + 900, 60, 0)], merged=True, first=SPRING - 4)
    (key,) = events.columns(0).keys
    assert events.get(key) == (BUSY, 1, 5, day + 480, day + 480, 120, 0)
    assert events.start(key) == day + 480
    assert events.doctor(key) == 5
    assert events.counts(day + 599) == {5: 1}
    assert events.counts(day + 600) == {}


def test_texts_are_those_of_the_row_that_won() -> None:
    late, early = (1, 5, 1, 0, SPRING * DAY + 15, 30, 0, "b", None), (1, 5, 1, 0, SPRING * DAY, 30, 0, "a", "c")
    events = Events(1, DOCTORS, windows(SPRING - 2, 5))
    events.add_shifts([(1, 5, SPRING * DAY, 60)])
    events.add_appointments([(1, 5, 8, 0, SPRING * DAY, 30, 0), late, (9, *early[1:]), early])
    events.add_shifts([(1, 5, SPRING * DAY + 200, 60)])
    found = {row[0]: events.texts(key) for key in events.columns(0).keys if (row := events.get(key)) and row[3] != 8}
    assert found == {APPOINTMENT: ("a", "c"), SHIFT: ()}


def test_what_is_not_there() -> None:
    events = plain()
    assert events.columns(0) == Columns()
    assert events.get(5) is events.get(2**70) is None
    assert events.texts(5) == ()
    for ask in (events.start, events.doctor):
        with pytest.raises(KeyError):
            ask(5)


def test_ids_whose_hashes_are_alike_are_sorted_all_the_same() -> None:
    """Nobody can choose 64-bit hashes here, but the same id a thousand times is the same hash."""
    events = plain([(1, 5, i % 3, 0, SPRING * DAY + i % 7, 30, 0) for i in range(3000)])
    assert len(events.columns(0)) == 3
    assert events.repeated == 2997


class Shrinking:
    """A number that empties the row it stands in while it is read."""

    def __init__(self, row: list[object]) -> None:
        self.row = row

    def __index__(self) -> int:
        self.row.clear()
        return 1


def test_a_row_that_shrinks_while_it_is_read() -> None:
    row: list[object] = []
    row += [Shrinking(row), 5, 1, 0, SPRING * DAY, 30, 0, "a"]
    with pytest.raises(ValueError, match="row 0"):
        plain([row])


@pytest.mark.parametrize(
    "row",
    [
        (),
        (1, 5, 1, 0, 5, 5),
        (1, 5, 1, 0, 5, 2.5, 0),
        (1, 5, 1, 0, 5, 2**64, 0),
        (1, 5, 1, 0, 5, 5, None),
        (1, 5, 1, 0, 5, 5, 0, 7),
        8,
    ],
)
def test_a_row_that_is_none_names_its_number_and_those_before_it_stay(row: object) -> None:
    events = Events(1, DOCTORS, windows(SPRING - 2, 5))
    with pytest.raises(ValueError, match="row 1"):
        events.add_appointments([(1, 5, 1, 0, SPRING * DAY, 30, 0), row])  # type: ignore[list-item]
    assert len(events) == 1


def test_the_door_is_shut_to_what_is_out_of_range() -> None:
    good = windows(SPRING, 3)
    table = good[1][2]
    spoilt = array("q", table)
    spoilt[1] = 1441
    for scope, ids, window in [
        (-1, DOCTORS, good),
        (2**31, DOCTORS, good),
        (1, [2**31], good),
        (1, [-1], good),
        (1, DOCTORS, {2**40: good[1]}),
        (1, DOCTORS, {1: (SPRING, -1, table)}),
        (1, DOCTORS, {1: (SPRING, 2**40, table)}),
        (1, DOCTORS, {1: (2**60, 3, table)}),
        (1, DOCTORS, {1: (SPRING, 4, table)}),
        (1, DOCTORS, {1: (SPRING, 3, None)}),
        (1, DOCTORS, {1: (SPRING, 3, spoilt)}),
        (1, DOCTORS, {1: good[1], 2: (SPRING + 40_000, 3, table)}),
    ]:
        with pytest.raises(ValueError):
            Events(scope, ids, window)  # type: ignore[arg-type]
    with pytest.raises((ValueError, TypeError)):
        Events(1, ["5"], good)  # type: ignore[list-item]
    with pytest.raises(ValueError):
        plain().add_shift_columns(array("q"), array("q"), array("q"), array("q", [1]))
    with pytest.raises(OverflowError):
        plain().columns(2**63)


@pytest.mark.parametrize("days", [0, 5])
def test_nothing_at_all(days: int) -> None:
    events = Events(0, [], {}, True)
    assert events.add_appointments([(1, 5, 1, 0, SPRING * DAY, 30, 0)]) == 1
    assert events.add_appointment_columns(*[array("q", [1])] * 7) == 1
    assert len(events) == 0
    assert len(plain(days=days)) == 0
