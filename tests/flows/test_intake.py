"""Windows, pages, cursor and worklist of the intake, on SQLite and PostgreSQL."""

import time

import pytest
from sqlalchemy import select

from identsync.engine.integration import Status
from identsync.errors import StaleFence, Unavailable, Unexpected
from identsync.flows.flaw import loaded
from identsync.flows.intake import OPEN_END_MS, Periods, fingerprint
from identsync.store import Store
from identsync.store.tables import intake_reject
from identsync.store.texts import printable

from .intake_world import DAY, HOUR, Killed, World, cursor_of, rejected, run_once, stored

NOW = 1_800_000_000_000
PERIODS = Periods(first_ms=90 * DAY, window_ms=30 * DAY, overlap_ms=DAY, limit=3)
NEAR = Periods(first_ms=20 * DAY, window_ms=30 * DAY, overlap_ms=DAY, limit=3)  # one window


class TestWindows:
    def test_the_first_time_goes_back_in_windows_that_touch(self) -> None:
        windows = list(PERIODS.windows(None, NOW))
        assert windows[0].start_ms == NOW - 90 * DAY
        assert [a.end_ms for a in windows[:-1]] == [b.start_ms for b in windows[1:]]
        assert all(w.end_ms - w.start_ms == 30 * DAY for w in windows[:-1])
        assert windows[-1].end_ms == OPEN_END_MS
        assert [w.last for w in windows] == [False, False, True]

    def test_later_only_the_overlap_is_asked_again(self) -> None:
        (window,) = PERIODS.windows(NOW - HOUR, NOW)
        assert window.start_ms == NOW - HOUR - DAY

    def test_a_closed_end_keeps_every_window_short(self) -> None:
        periods = Periods(first_ms=10 * DAY, window_ms=DAY, open_end=False, ahead_ms=DAY)
        windows = list(periods.windows(None, NOW))
        assert all(w.end_ms - w.start_ms <= DAY for w in windows)
        assert windows[-1].end_ms > NOW

    def test_a_cursor_in_the_future_is_now(self) -> None:
        (window,) = PERIODS.windows(NOW + 365 * DAY, NOW)
        assert window.start_ms == NOW - DAY


def test_a_clock_that_stood_in_the_future_costs_no_row_of_a_later_absence(store: Store) -> None:
    world = World()
    run_once(store, world, PERIODS, NOW + 365 * DAY)  # and is set right
    run_once(store, world, PERIODS, NOW)
    world.lead("of the absence", NOW + DAY)
    run_once(store, world, PERIODS, NOW + 10 * DAY)  # nobody was there for days
    assert stored(store) == ["of the absence"]


class TestRows:
    def test_everything_once_over_pages_and_windows(self, store: Store) -> None:
        world = World()
        for number in range(20):
            world.lead(f"lead {number}", NOW - 80 * DAY + number * 4 * DAY)
        outcome, _run = run_once(store, world, PERIODS, NOW)
        assert outcome.status is Status.OK
        assert outcome.counts["new"] == 20
        assert sorted(stored(store)) == sorted(f"lead {number}" for number in range(20))
        outcome, _run = run_once(store, world, PERIODS, NOW + 1000)
        assert outcome.counts["new"] == 0

    def test_a_bad_row_costs_only_itself(self, store: Store) -> None:
        world = World()
        world.lead("before", NOW - 3000)
        for bad in (None, "text", {"at": 1}, {"id\0": "\ud83d"}, [[1]], "x" * 20_000):
            world.add(NOW - 2000, bad)
        world.lead("after", NOW - 1000)
        for _again in range(2):
            outcome, _run = run_once(store, world, PERIODS, NOW)
            assert sorted(stored(store)) == ["after", "before"]
            assert len(rejected(store)) == 6
        assert outcome.status is Status.OK  # the bad rows are listed already
        with store.read() as connection:
            row = connection.execute(select(intake_reject)).first()
        assert row is not None
        assert [str(flaw) for flaw in loaded(row.problems)] == ["not a row", "and nothing in it"]
        assert max(len(raw) for raw in rejected(store)) == 8000

    def test_new_bad_rows_are_said(self, store: Store) -> None:
        world = World()
        world.add(NOW, 7)
        outcome, _run = run_once(store, world, PERIODS, NOW)
        assert outcome.status is Status.PARTIAL
        assert "1" in outcome.note

    def test_a_row_of_the_future_does_not_push_the_cursor_past_real_ones(self, store: Store) -> None:
        world = World()
        world.lead("2099", NOW + 70 * 365 * DAY)
        run_once(store, world, PERIODS, NOW)
        assert cursor_of(store) is not None
        assert cursor_of(store) <= NOW + 1000
        world.lead("real", NOW + HOUR)
        run_once(store, world, PERIODS, NOW + 2 * HOUR)
        assert sorted(stored(store)) == ["2099", "real"]

    def test_ten_thousand_in_one_page_are_one_transaction_and_fast(self, store: Store) -> None:
        world = World()
        for number in range(10_000):
            world.lead(f"lead {number}", NOW - 1000)
        began = time.monotonic()
        outcome, run = run_once(store, world, Periods(first_ms=DAY, window_ms=30 * DAY, limit=0), NOW)
        assert outcome.counts["new"] == 10_000
        assert run.writes == 1
        assert time.monotonic() - began < 10  # seconds; row by row it would be minutes on a remote server

    def test_nothing_new_writes_nothing(self, store: Store) -> None:
        world = World()
        world.lead("one", NOW - 1000)
        run_once(store, world, PERIODS, NOW)
        _outcome, run = run_once(store, world, PERIODS, NOW + 1000)
        assert run.writes == 0


class TestPaging:
    def test_a_server_that_repeats_its_page_for_ever_is_noticed(self, store: Store) -> None:
        world = World()
        world.repeat_page = True
        for number in range(5):
            world.lead(f"lead {number}", NOW - 1000)
        with pytest.raises(Unexpected) as stopped:
            run_once(store, world, PERIODS, NOW)
        assert "limit = 0" in stopped.value.hint
        assert len(world.asked) < 20
        assert len(stored(store)) == 3  # what did come is kept

    def test_a_server_that_ignores_the_limit_has_given_everything(self, store: Store) -> None:
        world = World()
        world.ignore_limit = True
        for number in range(10):
            world.lead(f"lead {number}", NOW - 1000)
        run_once(store, world, Periods(first_ms=DAY, window_ms=30 * DAY, limit=3), NOW)
        assert len(stored(store)) == 10
        assert len(world.asked) == 1

    @pytest.mark.parametrize("answer", [None, {"error": 1}, "text", 7])
    def test_what_is_no_list_is_unexpected(self, store: Store, answer: object) -> None:
        world = World()

        async def fetch(*_page: object) -> object:
            return answer

        world.fetch = fetch  # type: ignore[method-assign]
        with pytest.raises(Unexpected) as refused:
            run_once(store, world, PERIODS, NOW)
        assert refused.value.raw
        assert cursor_of(store) is None


class TestEnds:
    def test_a_lost_answer_loses_nothing(self, store: Store) -> None:
        world = World()
        for number in range(9):
            world.lead(f"lead {number}", NOW - 40 * DAY + number)
        with pytest.raises(Unavailable):
            run_once(store, world, PERIODS, NOW, lose=3)
        assert 0 < len(stored(store)) < 9
        run_once(store, world, PERIODS, NOW)
        assert len(stored(store)) == len(set(stored(store))) == 9

    @pytest.mark.parametrize("how", ["before", "inside", "after"])
    def test_a_kill_around_a_write_loses_and_doubles_nothing(self, store: Store, how: str) -> None:
        world = World()
        for number in range(9):
            world.lead(f"lead {number}", NOW - number * 1000)
        with pytest.raises(Killed):
            run_once(store, world, NEAR, NOW, end=(how, 2))
        assert len(stored(store)) == (6 if how == "after" else 3)
        run_once(store, world, PERIODS, NOW)
        assert len(stored(store)) == len(set(stored(store))) == 9

    def test_a_stale_fence_writes_nothing(self, store: Store) -> None:
        world = World()
        for number in range(9):
            world.lead(f"lead {number}", NOW - number * 1000)
        with pytest.raises(StaleFence):
            run_once(store, world, NEAR, NOW, end=("stale", 2))
        assert len(stored(store)) == 3


def test_texts_every_database_takes() -> None:
    assert printable("a\0b") == "ab"
    assert printable("a\ud83d") == "a\ufffd"
    assert printable("🦷") == "🦷"
    deep: list[object] = []
    for _level in range(100_000):
        deep = [deep]
    assert len(fingerprint(deep)) == 64
    while deep:  # CPython frees a deep list without recursion only when taken apart
        deep = deep.pop()  # type: ignore[assignment]
