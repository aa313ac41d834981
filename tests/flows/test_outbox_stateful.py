"""The outbox against every fault in every order: nothing is done twice, every row is accounted for."""

import contextlib
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from identsync.errors import IdentsyncError
from identsync.flows import outbox_book as book
from identsync.flows.sending import Fate, Receipt

from .mirror_world import Died
from .outbox_world import DONE, HOUR, NOT_DONE, STREAM, World

KEYS = ("a", "b", "c", "d")
keys = st.sampled_from(KEYS)
CERTAINLY_NOT = {"planned", "held", "skipped", "cancelled"}


class Outboxed(RuleBasedStateMachine):
    @initialize(batch=st.integers(1, 3), window=st.integers(1, 3))
    def start(self, batch, window):
        self.world = World(batch=batch, window=window)
        self.again: Counter[str] = Counter()
        self.said: set[str] = set()  # keys that a person declared sent

    @rule(key=keys, rank=st.integers(0, 2), state=st.sampled_from(("planned", "planned", "held")))
    def plans(self, key, rank, state):
        before = key in self.world.states()
        assert (key in self.world.plan(key, rank=rank, state=state, lot=1)) is not before

    @rule(ms=st.sampled_from((50, 150, 700, 6000, HOUR)))
    def time_passes(self, ms):
        self.world.now += ms

    @rule(key=keys, off=st.booleans())
    def visit_is_cancelled_or_not(self, key, off):
        (self.world.skipped.add if off else self.world.skipped.discard)(key)

    @rule(key=keys, ms=st.sampled_from((0, 100, 5000)))
    def quiet_hours(self, key, ms):
        self.world.waits[key] = self.world.now + ms

    @rule(
        faults=st.lists(st.sampled_from((None, None, *DONE, *NOT_DONE)), max_size=8),
        dies=st.none() | st.tuples(st.integers(1, 5), st.booleans()),
        stale=st.none() | st.integers(1, 5),
    )
    def runs(self, faults, dies, stale):
        world = self.world
        world.faults = faults
        world.dies_at_write = (world.writes + dies[0], dies[1]) if dies else None
        world.stale_at_write = world.writes + stale if stale else None
        with contextlib.suppress(Died, IdentsyncError, ZeroDivisionError):
            world.go()

    @rule(key=keys, decision=st.sampled_from(tuple(book.DECISIONS)))
    def person_decides(self, key, decision):
        row = self.world.rows().get(key)
        if row is None:
            return
        with contextlib.suppress(book.Changed), self.world.engine.begin() as connection:
            until = self.world.now + HOUR
            book.decide(connection, row.id, row.changed_ms, decision, "Иванова", self.world.now, until_ms=until)
            self.again[key] += decision == "again"
            if decision == "was sent":
                self.said.add(key)

    @rule(key=keys, decision=st.sampled_from(("cancel", "again")))
    def person_decides_while_a_run_reads(self, key, decision):
        row = self.world.rows().get(key)
        if row is None:
            return

        def act():
            with contextlib.suppress(book.Changed), self.world.engine.begin() as connection:
                until = self.world.now + HOUR
                book.decide(connection, row.id, row.changed_ms, decision, "Иванова", self.world.now, until_ms=until)
                self.again[key] += decision == "again"

        self.world.meanwhile = act
        self.runs_clean()
        self.world.meanwhile = None

    @rule(hold=st.booleans())
    def lot_is_held_or_released(self, hold):
        with self.world.engine.begin() as connection:
            if hold:
                book.hold(connection, STREAM, 1, self.world.now)
            else:
                book.free(connection, STREAM, 1, 2, self.world.now, self.world.now)

    @rule(fate=st.sampled_from(Fate), number=st.integers(0, 5), twice=st.booleans())
    def receipt_comes(self, fate, number, twice):
        """Also before the answer it belongs to: ids are counted up, the next ones are known."""
        receipt = Receipt(fate, provider_id=f"id {number}")
        if f"id {number}" not in self.world.street:
            return
        with self.world.engine.begin() as connection:
            for _ in range(1 + twice):
                book.receive(connection, STREAM, "channel", [receipt], self.world.now)

    @rule()
    def runs_clean(self):
        """Without faults one run leaves nothing in hand and nothing due."""
        world = self.world
        world.faults, world.dies_at_write, world.stale_at_write = [], None, None
        world.go()
        assert "submitting" not in world.states().values()
        due = [row.key for row in world.rows().values() if row.state == "planned" and row.due_ms <= world.now]
        assert not due

    @invariant()
    def nothing_is_done_twice_and_everything_is_accounted_for(self):
        if not hasattr(self, "world"):
            return
        effects = self.world.effects
        for key, row in self.world.rows().items():
            assert effects[key] <= 1 + self.again[key]
            if effects[key] and not self.again[key]:
                assert row.state not in CERTAINLY_NOT
            if row.state == "accepted" and key not in self.said:
                assert effects[key]

    def teardown(self):
        if hasattr(self, "world"):
            self.runs_clean()
            self.world.engine.dispose()


Outboxed.TestCase.settings = settings(
    max_examples=200, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestOutboxed = Outboxed.TestCase
