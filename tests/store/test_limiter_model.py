"""The statements against the model: hypothesis makes histories, SQLite and PostgreSQL must answer as the model does."""

import os
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from limiter_asks import in_order
from limiter_model import Model, Slot
from sqlalchemy import delete, insert, select, text, update

from identsync.errors import StaleFence
from identsync.store import Fence, Store, slots
from identsync.store.limiter import ClaimAsk, Ending, Limiter, Renewal, SeatAsk
from identsync.store.tables import mirror_stream, presence, rate_slot, run_log, task_slot

START = 1_800_000_000_000
INTERVAL, LEASE, TTL = 10_000, 3_000, 5_000
CLIENTS = {"a": 0, "d": 1, "e": 1, "doctor": 2}
CLIENT = st.sampled_from(sorted(CLIENTS))
SLOT = st.sampled_from([("x/one", 7), ("x/one", 7), ("x/two", 0)])  # few, so that clients meet
SCOPE = st.sampled_from([7, 7, 0])
TURN_SLOTS = [("x/one", 7), ("x/two", 0), ("x/three", 7), ("x/four", 7), ("x/five", 0), ("x/six", 7)]
TABLES = (task_slot, rate_slot, presence, run_log, mirror_stream)
OUTCOME = st.sampled_from(["ok", "partial", "ask", "later", "failed", "late"])


class Machine(RuleBasedStateMachine):
    def __init__(self, store: Store, limiter: Limiter) -> None:
        super().__init__()
        self.store, self.limiter = store, limiter
        self.model = Model(START)
        self.fences: list[Fence] = []
        self.asks: dict[tuple[str, str, int], str] = {}
        self.asked = 0
        self.effects: list[tuple[str, int, int]] = []
        self.backup: tuple[Model, list[tuple[str, int, int]], list[list[dict[str, Any]]]] | None = None
        with store.write() as connection:
            for table in TABLES:
                connection.execute(delete(table))
        self.set_clock()

    def set_clock(self) -> None:
        with self.store.write() as connection:
            table = self.store.clock.split(" FROM ")[1].rstrip(")")
            connection.execute(text(f"UPDATE {table} SET now_ms=:now"), {"now": self.model.now})

    @rule(ms=st.sampled_from([1, 500, 1500, LEASE, INTERVAL, 3 * INTERVAL]))
    def time_passes(self, ms: int) -> None:
        self.model.now += ms
        self.set_clock()

    @rule(ms=st.sampled_from([700, LEASE + 1, 3_600_000, 2 * INTERVAL]))
    def clock_is_set_back(self, ms: int) -> None:
        self.model.now -= ms
        self.set_clock()

    @rule()
    def backup_is_made(self) -> None:
        with self.store.read() as connection:
            rows = [[row._asdict() for row in connection.execute(select(table))] for table in TABLES]
        self.backup = deepcopy(self.model), [*self.effects], rows

    @precondition(lambda self: self.backup)
    @rule()
    def backup_is_restored(self) -> None:
        """Fences go back, and the clients that held them live on."""
        now, (model, effects, tables) = self.model.now, self.backup
        self.model, self.effects = deepcopy(model), [*effects]
        self.model.now = now
        with self.store.write() as connection:
            for table, rows in zip(TABLES, tables, strict=True):
                connection.execute(delete(table))
                if rows:
                    connection.execute(insert(table), rows)

    @rule(client=CLIENT, slot=SLOT, proto=st.sampled_from([1, 1, 1, 2]), repeat=st.booleans())
    def claim(self, client: str, slot: tuple[str, int], proto: int, repeat: bool) -> None:
        kind, scope = slot
        ask = (client, kind, scope)
        if not repeat or ask not in self.asks:
            self.asked += 1
            self.asks[ask] = f"request{self.asked}"
        p = {"holder": client, "role": CLIENTS[client], "request": self.asks[ask], "proto": proto}
        p |= {"lease_ms": LEASE, "interval_ms": INTERVAL, "presence_ttl_ms": TTL}
        expected = self.model.claim(kind, scope, **p)
        claim = self.limiter.claim(kind, scope, **p)
        assert claim == expected
        if claim.granted:
            fence = Fence.of(kind, scope, claim, client)
            self.fences = [*self.fences, fence][-8:]

    @rule(data=st.data(), lease=st.sampled_from([LEASE, 500]))
    def renew(self, data: st.DataObject, lease: int) -> None:
        if self.fences:
            fence = data.draw(st.sampled_from(self.fences))
            assert self.limiter.renew(fence, lease) == self.model.renew(fence, lease)

    @rule(data=st.data(), outcome=OUTCOME, retry=st.sampled_from([None, None, 50, 90_000_000]))
    def finish(self, data: st.DataObject, outcome: str, retry: int | None) -> None:
        if self.fences:
            fence = data.draw(st.sampled_from(self.fences))
            p = {"interval_ms": INTERVAL, "outcome": outcome, "counts": {"sent": 3}, "note": "why", "retry_ms": retry}
            assert self.limiter.finish(fence, **p) == self.model.finish(fence, **p)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.fences:
            fence = data.draw(st.sampled_from(self.fences))
            assert self.limiter.release(fence) == self.model.release(fence)

    @rule(client=CLIENT, data=st.data())
    def turn(self, client: str, data: st.DataObject) -> None:
        """A turn of several: each slot in one part of it at most."""
        mine = {(f.kind, f.scope): f for f in self.fences if f.holder == client}
        part = st.sampled_from(["ending", "release", "renewal", "claim", "claim", ""])
        parts = {slot: data.draw(part) for slot in TURN_SLOTS}
        chosen = {name: [mine[s] for s, p in parts.items() if p == name and s in mine] for name in parts.values()}
        outcome = data.draw(OUTCOME)
        p = {
            "seats": [SeatAsk(scope, LEASE, TTL) for scope in data.draw(st.sampled_from([(), (7,), (7, 0)]))],
            "endings": [
                *(Ending(f, INTERVAL, outcome, {"n": 1}, "because") for f in chosen.get("ending", ())),
                *(Ending(f, INTERVAL, "released", {}, "", release=True) for f in chosen.get("release", ())),
            ],
            "renewals": [Renewal(f, LEASE) for f in chosen.get("renewal", ())],
            "claims": [self.claim_ask(client, *slot) for slot, name in parts.items() if name == "claim"],
        }
        if client == "doctor":
            p["seats"] = []
        if any(p.values()):
            expected = self.model.turn(client, CLIENTS[client], **p)
            reply = self.limiter.turn(client, CLIENTS[client], **p)
            assert replace(reply, seats=tuple(map(in_order, reply.seats))) == expected
            for ask, claim in zip(p["claims"], reply.claims, strict=True):
                if claim.granted:
                    self.fences = [*self.fences, Fence.of(ask.kind, ask.scope, claim, client)][-8:]

    def claim_ask(self, client: str, kind: str, scope: int) -> ClaimAsk:
        self.asked += 1
        self.asks[client, kind, scope] = f"request{self.asked}"
        return ClaimAsk(kind, scope, LEASE, INTERVAL, self.asks[client, kind, scope], TTL)

    @rule(data=st.data())
    def write_an_effect(self, data: st.DataObject) -> None:
        if not self.fences:
            return
        fence = data.draw(st.sampled_from(self.fences))
        fresh = self.model.held(fence) is not None
        row = {"stream": f"effect{len(self.effects)}", "scope": fence.scope, "changed_ms": 0}
        try:
            with self.store.write(fence) as connection:
                connection.execute(insert(mirror_stream).values(**row))
            assert fresh
            self.effects.append((fence.kind, fence.scope, fence.number))
        except StaleFence:
            assert not fresh

    @rule(client=st.sampled_from(["a", "d", "e"]), scope=SCOPE)
    def seat(self, client: str, scope: int) -> None:
        p = {"lease_ms": LEASE, "presence_ttl_ms": TTL}
        expected = self.model.seat(scope, client, CLIENTS[client], **p)
        reply = self.limiter.seat(scope, client, CLIENTS[client], **p)
        assert in_order(reply) == expected

    @rule(client=CLIENT)
    def leave(self, client: str) -> None:
        self.limiter.leave(client, [0, 7])
        self.model.leave(client, [0, 7])

    @rule(slot=SLOT, paused=st.booleans())
    def pause(self, slot: tuple[str, int], paused: bool) -> None:
        kind, scope = slot
        with self.store.write() as connection:
            there = slots.pause(connection, kind, scope, paused)
        assert there == ((kind, scope) in self.model.slots)
        if there:
            self.model.slots[kind, scope].paused = int(paused)

    @rule(slot=SLOT)
    def run_now(self, slot: tuple[str, int]) -> None:
        kind, scope = slot
        with self.store.write() as connection:
            assert slots.run_now(connection, kind, scope) == self.model.run_now(kind, scope)

    @precondition(lambda self: any(slot.min_proto > 1 for slot in self.model.slots.values()))
    @rule()
    def old_version_is_allowed_again(self) -> None:
        with self.store.write() as connection:
            connection.execute(update(task_slot).values(min_proto=1))
        for slot in self.model.slots.values():
            slot.min_proto = 1

    @rule(n=st.integers(1, 5))
    def permits(self, n: int) -> None:
        p = {"period_ms": 300, "burst": 5}
        assert self.limiter.permits("sms", 0, n, **p) == self.model.permits("sms", 0, n, **p)

    def row(self, key: tuple[str, int], x: Slot) -> tuple:
        times = (x.eligible, x.stamp, x.fence, x.holder, x.request, x.started, x.finished, x.attempt, x.last_ok)
        return (*key, *times, x.error, x.paused, x.min_proto)

    @invariant()
    def tables_are_as_the_model(self) -> None:
        t, r = task_slot.c, run_log.c
        fields = (t.kind, t.scope, t.eligible_ms, t.stamp_ms, t.fence, t.holder, t.request, t.started_ms)
        with self.store.read() as connection:
            query = select(*fields, t.finished_ms, t.attempt, t.last_ok_ms, t.last_error, t.paused, t.min_proto)
            rows = {tuple(row) for row in connection.execute(query.where(t.kind != "seat"))}
            runs = {(k, s, f): o for k, s, f, o in connection.execute(select(r.kind, r.scope, r.fence, r.outcome))}
            effects = len(connection.execute(select(mirror_stream.c.stream)).all())
        assert rows == {self.row(key, slot) for key, slot in self.model.slots.items()}
        assert runs == self.model.runs
        assert effects == len(self.effects)


@pytest.mark.hypothesis
def test_every_history_is_answered_as_the_model_answers(clocked_store):
    limiter = clocked_store.limiter()
    limiter._jitter = lambda: 0.5  # the middle: no jitter
    run_state_machine_as_test(
        lambda: Machine(clocked_store, limiter),
        settings=settings(
            max_examples=int(os.environ.get("IDENTSYNC_EXAMPLES", "10")),
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
