"""Reading journals: moments and lengths in many spellings, spans without gaps, legs put together and none lost."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from identsync.flows.intake import OPEN_END_MS, Window
from identsync.integrations.telephony.call import Employee
from identsync.integrations.telephony.wire import journal
from identsync.integrations.telephony.wire import journal_read as read
from identsync.spans import DAY_MS

SECONDS = st.integers(946_684_800 + 86_400, 4_102_444_800 - 86_400)
AHEAD = st.integers(-12 * 4, 14 * 4).map(lambda quarters: quarters * 15)


@given(at=SECONDS, ahead=AHEAD, spelling=st.sampled_from([form for form in read.SPELLINGS if "%S" in form]))
def test_a_moment_written_by_any_clock_is_read_back(at: int, ahead: int, spelling: str) -> None:
    clock = 0 if spelling.endswith("Z") else ahead
    assert read.moment(read.spelled(at * 1_000, spelling, clock), ahead) == at * 1_000


@given(at=SECONDS, ahead=AHEAD)
def test_a_moment_that_says_its_zone_needs_no_clock(at: int, ahead: int) -> None:
    said = read.spelled(at * 1_000, read.ISO)
    for each in (said, said.replace("Z", "+00:00"), at, str(at), at * 1_000, {"seconds": str(at), "nanos": 5}):
        assert read.moment(each, ahead) == at * 1_000


@given(value=st.one_of(st.text(), st.floats(), st.integers(), st.dictionaries(st.text(), st.text()), st.none()))
def test_a_moment_is_one_of_this_century_or_none(value: Any) -> None:
    told = read.moment(value)
    assert told is None or 946_684_800_000 <= told < 4_102_444_800_000


@given(seconds=st.integers(0, 86_400))
def test_a_length_is_read_in_every_spelling(seconds: int) -> None:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    for said in (seconds, str(seconds), f"{seconds}.0", f"{hours}:{minutes:02}:{rest:02}"):
        assert read.length_ms({"x": said}, "y", "x") == seconds * 1_000


def test_a_length_that_is_none_is_nothing() -> None:
    for said in (None, "", "долго", -1, "1e99", float("nan"), [], True):
        assert read.length_ms({"x": said}, "x") == 0


@given(start=SECONDS, length=st.integers(0, 10**8), longest=st.integers(1_000, 10**7))
def test_spans_cover_a_window_without_a_gap(start: int, length: int, longest: int) -> None:
    window = Window(start * 1_000, start * 1_000 + length * 60, last=True)
    spans = list(journal.spans(window, longest * 60))
    last = min(window.end_ms, journal.now_ms() + DAY_MS)
    if window.start_ms >= last:
        assert spans == []
        return
    assert spans[0][0] == window.start_ms
    assert abs(spans[-1][1] - last) < 60_000
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert all(0 < end - begin <= longest * 60 for begin, end in spans)


def test_an_open_window_ends_tomorrow() -> None:
    now = journal.now_ms()
    [(start, end)] = journal.spans(Window(now - 1_000, OPEN_END_MS, last=True), 2 * DAY_MS)
    assert start == now - 1_000
    assert abs(end - now - DAY_MS) < 60_000


@given(keys=st.lists(st.sampled_from(["a", "b", "c", ""])))
def test_legs_are_put_together_and_none_is_lost(keys: list[str]) -> None:
    rows = [{"key": key, "at": at} for at, key in enumerate(keys)]
    groups = journal.gathered(rows, lambda row: str(row["key"]))
    flat = [row for group in groups for row in (group if isinstance(group, list) else [group])]
    assert sorted(flat, key=lambda row: row["at"]) == rows
    assert [len({row["key"] for row in group}) for group in groups if isinstance(group, list)] == [
        1 for group in groups if isinstance(group, list)
    ]
    assert len([group for group in groups if isinstance(group, list)]) == len(set(keys) - {""})
    assert all(group["key"] == "" for group in groups if isinstance(group, dict))


def test_a_phone_is_named_once_and_with_its_name() -> None:
    people = [
        Employee("101"),
        Employee(""),
        Employee("102", "Вера"),
        Employee("101", "Егор"),
        Employee("102", "Другая"),
    ]
    assert read.distinct(people) == (Employee("101", "Егор"), Employee("102", "Вера"))


def test_a_phone_inside_is_short_and_nothing_but_digits() -> None:
    assert [
        number for number in ("1", "12", "101", "12345", "123456", "10a", "+101", "²²²", "") if read.is_inner(number, 5)
    ] == [
        "12",
        "101",
        "12345",
    ]
