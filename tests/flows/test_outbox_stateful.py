"""The outbox against every fault in every order: nothing is done twice, every row is accounted for.

Walks are drawn by a seed, not by hypothesis: its swarms seldom put a plan, a death and two runs behind each other.
``IDENTSYNC_STORM=10000 pytest tests/flows/test_outbox_stateful.py`` takes more of them.
"""

import asyncio
import contextlib
import os
from collections import Counter
from random import Random

import pytest

from identsync.errors import IdentsyncError
from identsync.flows import outbox as flow
from identsync.flows import outbox_book as book
from identsync.flows import receipts as heard
from identsync.flows.sending import Fate, Receipt

from .mirror_world import Died
from .outbox_world import DONE, HOUR, NOT_DONE, STREAM, World

KEYS = ("a", "b", "c", "d")
CERTAINLY_NOT = {"planned", "held", "skipped", "cancelled"}
WALKS = int(os.environ.get("IDENTSYNC_STORM", "80"))
BUNDLES = 4


class Walk:
    """One world and what people did to it."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.world = World(batch=self.draw.randint(1, 3), window=self.draw.randint(1, 3), look=self.draw.randint(1, 4))
        self.again: Counter[str] = Counter()
        self.said: set[str] = set()  # keys that a person declared sent
        self.most: dict[str, int] = {}  # effects of keys that a person cancelled: no more of them
        self.ended: dict[str, str] = {}  # keys with a last word
        self.trace: list[str] = []

    def walk(self, steps: int) -> None:
        ways = [self.plans, self.runs, self.runs, self.cancelled_run, self.time_passes, self.visit, self.quiet_hours,
                self.person, self.person_during_a_run, self.lot, self.receipt, self.runs_clean]  # fmt: skip
        for _ in range(steps):
            way = self.draw.choice(ways)
            self.trace.append(way.__name__)
            way()
            self.check()
        self.runs_clean()
        self.check()
        self.world.engine.dispose()

    def plans(self) -> None:
        key, before = self.draw.choice(KEYS), self.world.states()
        new = self.world.plan(key, rank=self.draw.randint(0, 2), state=self.draw.choice(("planned", "held")), lot=1)
        assert (key in new) is (key not in before)

    def time_passes(self) -> None:
        self.world.now += self.draw.choice((150, 1500, 6000, 25 * HOUR))

    def visit(self) -> None:
        key = self.draw.choice(KEYS)
        self.draw.choice((self.world.skipped.add, self.world.skipped.discard))(key)

    def quiet_hours(self) -> None:
        self.world.waits[self.draw.choice(KEYS)] = self.world.now + self.draw.choice((0, 100, 5000))

    def runs(self) -> None:
        world, draw = self.world, self.draw
        world.faults = draw.choices((None, *DONE, *NOT_DONE), k=draw.randint(0, 5))
        world.dies_at_write = (world.writes + draw.randint(1, 4), draw.random() < 0.5) if draw.random() < 0.2 else None
        world.stale_at_write = world.writes + draw.randint(1, 4) if draw.random() < 0.2 else None
        world.silent_at_writes = {world.writes + n: draw.random() < 0.5 for n in range(1, 9) if draw.random() < 0.2}
        with contextlib.suppress(Died, IdentsyncError, ZeroDivisionError):
            world.go()

    def cancelled_run(self) -> None:
        """The client ends: what hangs is unknown, what was not begun is as it was."""
        world = self.world
        world.faults = self.draw.choices((None, None, "hangs, done", "hangs, not done"), k=4)
        world.dies_at_write = world.stale_at_write = None
        world.silent_at_writes = {world.writes + n: self.draw.random() < 0.5 for n in range(1, 3)}
        turns = self.draw.randint(1, 25)

        async def cancelled() -> None:
            task = asyncio.ensure_future(world.run())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, IdentsyncError):
                await task

        asyncio.run(cancelled())
        assert not [row.key for row in world.rows().values() if (row.state, row.fence) == ("submitting", world.fence)]

    def person(self) -> None:
        self.decides(self.draw.choice(KEYS), self.draw.choice(tuple(book.DECISIONS)))

    def person_during_a_run(self) -> None:
        key, decision = self.draw.choice(KEYS), self.draw.choice(("cancel", "again"))
        self.world.meanwhile = lambda: self.decides(key, decision)
        self.world.faults, self.world.dies_at_write, self.world.stale_at_write = [], None, None
        self.world.silent_at_writes = {}
        self.world.go()
        self.world.meanwhile = None

    def decides(self, key: str, decision: str) -> None:
        row = self.world.rows().get(key)
        if row is None:
            return
        now = self.world.now
        with contextlib.suppress(book.Changed), self.world.engine.begin() as connection:
            book.decide(connection, row.id, row.changed_ms, decision, "Иванова", now, until_ms=now + HOUR)
            self.again[key] += decision == "again"
            self.ended.pop(key, None)
            if decision == "cancel":
                self.most[key] = self.world.effects[key]
            else:
                self.most.pop(key, None)
            if decision == "was sent":
                self.said.add(key)

    def lot(self) -> None:
        with self.world.engine.begin() as connection:
            if self.draw.random() < 0.3:
                book.hold(connection, book.in_line(connection, STREAM, 1), self.world.now)
            else:
                book.free(connection, STREAM, 1, 2, self.world.now, self.world.now)

    def receipt(self) -> None:
        if not self.world.street:
            return
        number = self.draw.choice(list(self.world.street))
        receipt = Receipt(self.draw.choice(list(Fate)), provider_id=number)
        with self.world.engine.begin() as connection:
            for _ in range(self.draw.randint(1, 2)):
                heard.receive(connection, STREAM, "channel", [receipt], self.world.now)
        row = self.world.rows()[self.world.street[number]]
        if row.state in ("delivered", "failed", "expired"):
            self.ended.setdefault(row.key, row.state)

    def runs_clean(self) -> None:
        """Without faults one run leaves nothing in hand and nothing due."""
        world = self.world
        world.faults, world.dies_at_write, world.stale_at_write, world.silent_at_writes = [], None, None, {}
        world.go()
        assert "submitting" not in world.states().values()
        due = [row.key for row in world.rows().values() if row.state == "planned" and row.due_ms <= world.now]
        assert not due

    def check(self) -> None:
        effects = self.world.effects
        for key, row in self.world.rows().items():
            assert effects[key] <= 1 + self.again[key], f"{key} was done twice"
            assert effects[key] <= self.most.get(key, 99), f"{key} was cancelled and is done"
            assert row.state == self.ended.get(key, row.state), f"{key} was {self.ended.get(key)} and is {row.state}"
            if effects[key] and not self.again[key]:
                assert row.state not in CERTAINLY_NOT, f"{key} was done and is {row.state}"
            if row.state == "accepted" and key not in self.said:
                assert effects[key], f"{key} was not done and is accepted"


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "ANSWER_S", 0.005)


@pytest.mark.parametrize("bundle", range(BUNDLES))
def test_nothing_is_done_twice_and_every_row_is_accounted_for(bundle: int) -> None:
    for seed in range(bundle, WALKS, BUNDLES):
        walk = Walk(seed)
        try:
            walk.walk(40)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}\n{walk.trace}") from error
