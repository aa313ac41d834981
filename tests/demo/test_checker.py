"""The checker of journals finds each kind of fault it was made for, and nothing in a good journal."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.demo.checker import Effect, Grid, JournalRow, Life, Verdict, check

SLOT = ("leads/site", 1)
GRID = Grid(phase_ms=300, interval_ms=1000)


def journal(count: int = 10, late: int = 20, takes: int = 50) -> list[JournalRow]:
    """A good journal: ``count`` runs from the instant 10,300 on."""
    starts = [10_300 + 1000 * i + late for i in range(count)]
    return [JournalRow(*SLOT, i + 1, "a", start, start + takes, "ok") for i, start in enumerate(starts)]


def judged(rows: list[JournalRow], since: int = 10_300, until: int = 20_300) -> Verdict:
    return check(rows, {SLOT: GRID}, since_ms=since, until_ms=until)


@given(late=st.integers(0, 900), takes=st.integers(0, 90), seed=st.randoms())
def test_a_good_journal_has_no_fault_in_any_order(late: int, takes: int, seed: Random) -> None:
    rows = journal(late=late, takes=takes)
    seed.shuffle(rows)
    verdict = judged(rows)
    assert (verdict.runs, verdict.good, verdict.double_runs) == (10, 10, 0)
    assert not verdict.missed
    assert not verdict.fences


@given(st.integers(0, 9))
def test_a_run_too_few_is_missed(which: int) -> None:
    rows = journal()
    gone = rows.pop(which)
    assert judged(rows).missed == ((*SLOT, GRID.instant(gone.started_ms)),)


@given(st.integers(0, 9), st.sampled_from(["failed", "later", "running", "released", "lost", "late", "ask"]))
def test_only_a_success_serves_an_interval(which: int, outcome: str) -> None:
    rows = journal()
    rows[which] = replace(rows[which], outcome=outcome, finished_ms=None if outcome == "running" else 1)
    assert len(judged(rows).missed) == 1


@given(st.integers(0, 9))
def test_a_second_success_that_the_first_asked_for_is_none_too_many(which: int) -> None:
    rows = journal()
    rows = [replace(row, fence=row.fence + (row.fence > which + 1), again=row.fence == which + 1) for row in rows]
    early = rows[which].started_ms + 100
    again = replace(rows[which], fence=which + 2, started_ms=early, finished_ms=early + 10, again=False)
    assert judged([*rows, again]).double_runs == 0
    third = replace(again, fence=99, started_ms=early + 20, finished_ms=early + 30)
    assert judged([*rows, again, third]).double_runs == 1


@given(st.integers(0, 9))
def test_a_second_success_in_one_interval_is_double(which: int) -> None:
    rows = journal()
    again = replace(rows[which], fence=which + 1, started_ms=rows[which].started_ms + 100, finished_ms=99_999)
    rows = [replace(row, fence=row.fence + (row.fence > which + 1)) for row in rows]
    again = replace(again, fence=which + 2, finished_ms=again.started_ms + 10)
    verdict = judged([*rows, again])
    assert verdict.double == ((*SLOT, GRID.instant(again.started_ms)),)
    assert verdict.double_runs == 1


def test_overlap_counts_unless_the_first_was_fenced_off_or_died() -> None:
    rows = journal()
    for outcome, end, expected in [("ok", 12_400, 1), ("failed", 12_400, 1), ("lost", 12_400, 0), ("running", None, 0)]:
        rows[1] = replace(rows[1], outcome=outcome, finished_ms=end)
        assert len(judged(rows).overlapping) == expected


def test_a_run_into_the_next_interval_serves_both() -> None:
    rows = journal()
    del rows[4]
    rows[3] = replace(rows[3], started_ms=14_200, finished_ms=14_500)
    assert not judged(rows).missed
    rows[3] = replace(rows[3], finished_ms=14_250)
    assert judged(rows).missed


def test_only_whole_intervals_count_and_absence_is_excused() -> None:
    assert not judged([], since=10_301, until=12_299).missed
    assert len(judged([], since=10_300, until=12_300).missed) == 2
    excused = check([], {SLOT: GRID}, since_ms=10_300, until_ms=14_300, absent={1: [(11_400, 11_500)]})
    assert [at for _kind, _scope, at in excused.missed] == [10_300, 12_300, 13_300]


def test_fences_must_rise_with_time() -> None:
    rows = journal()
    rows[2], rows[3] = replace(rows[2], fence=4), replace(rows[3], fence=3)
    assert len(judged(rows).fences) == 1
    assert len(judged([*journal(), journal()[0]]).fences) == 1


def test_other_slots_are_left_alone() -> None:
    assert check(journal(), {("x", 0): GRID}, since_ms=0, until_ms=1).runs == 0


LEASED = Grid(phase_ms=300, interval_ms=1000, lease_ms=500)


def judged_by_lives(rows: list[JournalRow], *lives: Life) -> Verdict:
    return check(rows, {SLOT: LEASED}, lives=lives, slack_ms=250, settle_ms=2_000)


@given(st.integers(1, 9))
def test_a_claim_the_journal_does_not_know_is_a_hole(fence: int) -> None:
    rows = [row for row in journal() if row.fence != fence]
    assert check(rows, {SLOT: GRID}, newest={SLOT: 10}).holes == ((*SLOT, fence),)
    assert check(journal(), {SLOT: GRID}, newest={SLOT: 11}).holes == ((*SLOT, 11),)
    assert not check(journal(), {SLOT: GRID}, newest={SLOT: 10}).holes


def test_an_effect_under_an_old_fence_is_stale() -> None:
    verdict = check(journal(), {SLOT: GRID}, effects=[Effect(*SLOT, 3, 3), Effect(*SLOT, 3, 4), Effect(*SLOT, 4, 4)])
    assert verdict.stale == ((*SLOT, 3),)
    assert verdict.faults() == ["stale: leads/site 1 at 3"]


@pytest.mark.parametrize("role", [0, 1])
def test_a_slot_starves_only_where_one_client_that_may_run_it_lived_through_the_gap(role: int) -> None:
    rows = [row for row in journal() if row.fence not in (5, 6)]  # nothing from 13,320 to 16,320
    assert judged_by_lives(rows, Life(role, 1, 10_000, 20_000)).starved == ((*SLOT, 13_320),)
    assert not judged_by_lives(rows, Life(role, 2, 10_000, 20_000)).starved  # of another branch
    assert not judged_by_lives(rows, Life(2, 1, 10_000, 20_000)).starved  # a doctor owes nothing
    assert not judged_by_lives(rows, Life(role, 1, 10_000, 15_000), Life(role, 1, 14_600, 20_000)).starved


def test_a_director_owes_no_run_where_there_is_an_administrator() -> None:
    rows = [row for row in journal() if row.fence not in (5, 6)]
    assert not judged_by_lives(rows, Life(1, 1, 10_000, 20_000), Life(0, 1, 18_000, 20_000)).starved


def test_a_doctor_never_runs_and_a_director_never_beside_an_administrator() -> None:
    rows = journal()
    rows[3] = replace(rows[3], role=2)
    assert judged_by_lives(rows).roles == ((*SLOT, 4),)
    rows[3] = replace(rows[3], role=1)
    assert judged_by_lives(rows, Life(0, 1, 11_000, 13_500)).roles == ((*SLOT, 4),)
    for administrator in [Life(0, 1, 12_000, 20_000), Life(0, 1, 9_000, 13_000), Life(0, 2, 9_000, 20_000)]:
        assert not judged_by_lives(rows, administrator).roles  # not known yet, no more, elsewhere
