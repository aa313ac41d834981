"""What a client remembers of the limiter."""

import time

import pytest
import twins
from hypothesis import given
from hypothesis import strategies as st

from identsync.core.limiter import Memory, Pace, now_ms, now_ns

times = st.integers(-(2**62), 2**62)


@given(st.lists(times, max_size=20), times)
def test_memory_is_a_list_of_due_times(dues: list[int], now: int) -> None:
    memory = Memory(len(dues))
    for i, due in enumerate(dues):
        assert memory.check_at(i, now)
        memory.set(i, due)
    assert [memory.get(i) for i in range(len(memory))] == dues
    assert memory.due(now) == [i for i, due in enumerate(dues) if due <= now]
    assert [memory.check_at(i, now) for i in range(len(dues))] == [due <= now for due in dues]
    assert memory.next() == min(dues, default=None)


def test_check_reads_the_clock_of_now_ms() -> None:
    memory = Memory(2)
    memory.set(0, now_ms())
    memory.set(1, now_ms() + 3_600_000)
    assert memory.check(0)
    assert not memory.check(1)
    before = now_ns()
    assert before <= now_ns()
    assert abs(now_ms() - before // 1_000_000) < 60_000


def test_the_clock_is_that_of_time_monotonic() -> None:
    tick = int(time.get_clock_info("monotonic").resolution * 1e9)  # 16 ms on Windows, where the core counts finer
    before = time.monotonic_ns()
    assert before <= now_ns() <= time.monotonic_ns() + tick


@pytest.mark.parametrize("i", [-1, 3, 2**62, -(2**62)])
def test_slots_that_are_not_there(i: int) -> None:
    memory = Memory(3)
    for call in (memory.check, memory.get, lambda i: memory.set(i, 0), lambda i: memory.check_at(i, 0)):
        with pytest.raises(IndexError):
            call(i)


def test_impossible_memories_are_refused() -> None:
    for slots in (-1, 2**24 + 1, 2**70):
        with pytest.raises(ValueError):
            Memory(slots)
    with pytest.raises(OverflowError):
        Memory(1).set(0, 2**63)
    with pytest.raises(OverflowError):
        Memory(1).check(2**70)


@given(
    st.integers(1, 10**12),
    st.integers(1, 1000),
    st.lists(st.tuples(st.integers(1, 1000), times | st.integers(0, 10**13))),
)
def test_pace_is_gcra(period: int, burst: int, asks: list[tuple[int, int]]) -> None:
    pace, twin = Pace(period, burst), twins.Pace(period, burst)
    for n, now in asks:
        if n > burst:
            with pytest.raises(ValueError):
                pace.take_at(n, now)
        else:
            assert pace.take_at(n, now) == twin.take_at(n, now)


def test_pace_grants_a_burst_then_one_each_period() -> None:
    pace = Pace(1_000_000_000_000, 3)
    assert [pace.take(), pace.take(2)] == [0, 0]
    assert 0 < pace.take() <= 1_000_000_000_000
    again = Pace(10, 3)
    assert [again.take_at(3, 0), again.take_at(1, 9), again.take_at(1, 10)] == [0, 1, 0]


@pytest.mark.parametrize(("period", "burst"), [(0, 1), (1, 0), (-1, -1), (2**62, 2), (2**70, 1), (1, 2**70)])
def test_impossible_paces_are_refused(period: int, burst: int) -> None:
    with pytest.raises(ValueError):
        Pace(period, burst)


def test_times_at_the_ends_of_64_bits_do_not_overflow() -> None:
    pace = Pace(2**60, 2)
    assert pace.take_at(2, -(2**63)) == 0
    assert pace.take_at(2, 2**63 - 1) == 0
    assert pace.take_at(1, 2**63 - 1) > 0
