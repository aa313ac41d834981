"""The mirror against every fault in every order: in the end the street looks as the clinic says."""

import contextlib
import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from identsync.engine.integration import Status
from identsync.errors import IdentsyncError, SuspiciousChange
from identsync.flows.mirror import approve

from .mirror_world import FAULTS, STREAM, Died, World

keys = st.integers(0, 2)
faults = st.lists(st.sampled_from((None, None, *FAULTS)), max_size=8)


class Mirrored(RuleBasedStateMachine):
    @initialize(removing=st.booleans())
    def start(self, removing):
        self.world = World()
        self.removing = removing

    @rule(key=keys, digest=st.integers(1, 2))
    def clinic_changes(self, key, digest):
        self.world.desired[key] = digest

    @rule(key=keys)
    def clinic_drops(self, key):
        self.world.desired.pop(key, None)

    @rule(ms=st.sampled_from((50, 150, 700, 6000)))
    def time_passes(self, ms):
        self.world.now += ms

    @rule(
        faults=faults,
        concurrency=st.integers(1, 3),
        dies=st.none() | st.tuples(st.integers(1, 6), st.booleans()),
        stale=st.none() | st.integers(1, 6),
    )
    def runs(self, faults, concurrency, dies, stale):
        world = self.world
        world.faults = faults
        world.dies_at_write = (world.writes + dies[0], dies[1]) if dies else None
        world.stale_at_write = world.writes + stale if stale else None
        with contextlib.suppress(Died, IdentsyncError, ZeroDivisionError):
            world.go(concurrency=concurrency, removing=self.removing)

    @rule()
    def reads_nothing_by_mistake(self):
        world = self.world
        if not world.desired:
            return
        self.settles()
        desired, world.desired = world.desired, {}
        street = dict(world.street)
        with pytest.raises(SuspiciousChange):
            world.go(removing=self.removing)
        assert world.street == street
        world.desired = desired

    @rule()
    def settles(self):
        """Without faults one run is enough, whatever came before; a person allows what really shrank."""
        world = self.world
        world.faults, world.dies_at_write, world.stale_at_write = [], None, None
        world.now += 10_000
        try:
            outcome = world.go(removing=self.removing)
        except SuspiciousChange:
            assert not world.desired
            with world.engine.begin() as connection:
                assert approve(connection, STREAM, 7)
            outcome = world.go(removing=self.removing)
        assert outcome.status is Status.OK
        there = world.street if self.removing else {key: world.street[key] for key in world.desired}
        assert there == world.desired
        rows = {key: (row.state, row.digest, row.payload) for key, row in world.rows().items()}
        assert rows == {key: ("confirmed", digest, b"%d" % digest) for key, digest in world.desired.items()}

    def teardown(self):
        if hasattr(self, "world"):
            self.settles()
            self.world.engine.dispose()


Mirrored.TestCase.settings = settings(
    max_examples=int(os.environ.get("IDENTSYNC_EXAMPLES", "50")),
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestMirrored = Mirrored.TestCase
