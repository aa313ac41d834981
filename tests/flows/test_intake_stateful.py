"""The intake against a world that loses answers, repeats rows, makes late, future and bad ones, and clients that die.

After any history one run that ends well has every row, once, and every bad row on the worklist, once.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from identsync.errors import StaleFence, Unavailable
from identsync.flows.intake import Periods, fingerprint
from identsync.store import open_store

from .intake_world import DAY, HOUR, Killed, World, cursor_of, rejected, run_once, stored

START = 1_800_000_000_000
OVERLAP = 6 * HOUR
BAD = (None, 7, "text", [], {}, {"at": 1}, {"Id": "\ud83d\0"})

ends = st.one_of(
    st.tuples(st.sampled_from(["before", "inside", "after", "stale"]), st.integers(1, 4)),
    st.integers(1, 6),  # the answer to that page is lost
)


def machine_on(template: Path) -> type[RuleBasedStateMachine]:
    class Intake(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = tempfile.TemporaryDirectory()
            path = Path(self.folder.name) / "identsync.db"
            shutil.copy(template, path)
            self.store = open_store(f"sqlite:///{path}")
            self.now = START
            self.good: set[str] = set()
            self.bad: set[str] = set()

        @initialize(newest_first=st.booleans(), limit=st.integers(2, 4), open_end=st.booleans())
        def begin(self, newest_first: bool, limit: int, open_end: bool) -> None:
            self.world = World(newest_first=newest_first)
            self.periods = Periods(
                first_ms=100 * DAY, window_ms=20 * DAY, overlap_ms=OVERLAP, limit=limit, open_end=open_end, ahead_ms=DAY
            )

        def lead(self, at_ms: int) -> None:
            identity = f"lead {len(self.good)} 🦷"
            self.good.add(identity)
            self.world.lead(identity, at_ms)

        @rule(count=st.integers(1, 7), step=st.sampled_from([0, 999, HOUR]))
        def leads_now(self, count: int, step: int) -> None:
            for _number in range(count):
                self.now += step
                self.lead(self.now)

        @rule(behind=st.integers(0, OVERLAP - 1000))
        def lead_that_comes_late(self, behind: int) -> None:
            self.lead(self.now - behind)

        @rule(ahead=st.integers(1, 20 * HOUR))
        def lead_of_the_future(self, ahead: int) -> None:
            self.lead(self.now + ahead)

        @rule(data=st.data())
        def lead_again(self, data: st.DataObject) -> None:
            if self.world.rows:
                at_ms, _number, row = data.draw(st.sampled_from(self.world.rows))
                self.world.add(data.draw(st.sampled_from([at_ms, self.now])), row)

        @rule(row=st.sampled_from(BAD))
        def bad_row(self, row: object) -> None:
            self.bad.add(fingerprint(row))
            self.world.add(self.now, row)

        @rule(hours=st.integers(1, 100))
        def time_passes(self, hours: int) -> None:
            self.now += hours * HOUR

        @rule(end=ends)
        def run_that_may_fail(self, end: tuple[str, int] | int) -> None:
            self.now += 1000
            lose, killed = (end, None) if isinstance(end, int) else (None, end)
            try:
                run_once(self.store, self.world, self.periods, self.now, end=killed, lose=lose)
            except (Unavailable, Killed, StaleFence):
                return

        @rule()
        def run_to_the_end(self) -> None:
            self.now += 1000
            run_once(self.store, self.world, self.periods, self.now)
            print("RUN", len(self.good), len(self.bad), self.now - START)
            assert set(stored(self.store)) == self.good
            assert len(rejected(self.store)) == len(self.bad)

        @invariant()
        def nothing_is_doubled_or_made_up(self) -> None:
            here = stored(self.store)
            assert len(here) == len(set(here))
            assert set(here) <= self.good
            assert (cursor_of(self.store) or 0) <= self.now + 1000

        def teardown(self) -> None:
            if hasattr(self, "world"):
                self.run_to_the_end()
            self.store.close()
            self.folder.cleanup()

    return Intake


@pytest.mark.hypothesis
@pytest.mark.timeout(120)
def test_nothing_lost_nothing_doubled(migrated_sqlite: Path) -> None:
    run_state_machine_as_test(machine_on(migrated_sqlite), settings=settings(stateful_step_count=15))
