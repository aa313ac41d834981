"""The whole task against every fault in every order: at rest each calendar holds what the clinic says, once.

A failing example is printed by hypothesis as steps to paste; ``--hypothesis-seed=N`` repeats a whole search, and
IDENTSYNC_EXAMPLES=N tries N of them (hours for thousands).
"""

import os
from dataclasses import replace as changed

import pytest
import structlog
from calendar_network import visit
from calendar_world import FAULTS, HOUR, LOST, NAME, TODAY, World
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec.structs import replace

from identsync.engine.integration import Status
from identsync.integrations.calendar import books, keeping, task

EXAMPLES = int(os.environ.get("IDENTSYNC_EXAMPLES", "12"))
EACH = 7  # appointments of a doctor
TABLES = ("clinic_appointment", "clinic_staff")
AT_REST = 12  # runs of both branches that must be enough

faults = st.dictionaries(st.integers(0, 16), st.sampled_from(FAULTS), max_size=8)
scopes = st.sampled_from((1, 2))
doctors = st.sampled_from((1, 2, 3))
ANY_FAULT = st.sampled_from((*FAULTS, *LOST * 4))
any_ = st.integers(0, 10**6)


class Calendars(RuleBasedStateMachine):
    @initialize(trashbin=st.booleans(), forgetful=st.booleans(), parallel=st.sampled_from((1, 3)), filled=st.booleans())
    def start(self, trashbin, forgetful, parallel, filled):
        self.world = World(trashbin=trashbin, forgetful=forgetful, parallel=parallel)
        self.booked = 0
        for branch, zone in (1, "Europe/Moscow"), (2, "Asia/Yekaterinburg"):
            self.world.sql("INSERT INTO clinic_branch VALUES (:id, '', :zone, NULL, NULL)", id=branch, zone=zone)
        for branch, doctor in (1, 1), (1, 2), (2, 3):
            self._joins(branch, doctor)
            for number in range(EACH):
                self._books(branch, doctor, number)
        if filled:
            self.world.go(1)
            self.world.go(2)

    def teardown(self):
        if hasattr(self, "world"):
            self.world.close()

    def _joins(self, branch, doctor):
        self.world.sql("INSERT OR IGNORE INTO clinic_staff VALUES (:b, :d, 'N', '')", b=branch, d=doctor)

    def _books(self, branch, doctor, number):
        self.booked += 1
        visit(self.world.sql, self.booked, branch, doctor, _minute(number))

    def _one_of(self, rows, number):
        return rows[number % len(rows)] if rows else None

    # -- the clinic

    @rule(branch=scopes, doctor=doctors, number=any_)
    def books(self, branch, doctor, number):
        self._books(branch, doctor, number)

    @rule(which=any_, number=any_)
    def moves(self, which, number):
        row = self._one_of(self.world.booked(), which)
        change = "UPDATE clinic_appointment SET start_minute=:at WHERE appointment_id=:id"
        self.world.sql(change, at=_minute(number), id=row)

    @rule(which=any_, doctor=doctors, branch=scopes)
    def goes_to_another(self, which, doctor, branch):
        row = self._one_of(self.world.booked(), which)
        change = "UPDATE clinic_appointment SET doctor_id=:d, branch_id=:b WHERE appointment_id=:id"
        self.world.sql(change, d=doctor, b=branch, id=row)

    @rule(which=any_)
    def cancels(self, which):
        row = self._one_of(self.world.booked(), which)
        self.world.sql("DELETE FROM clinic_appointment WHERE appointment_id=:id", id=row)

    @rule(
        what=st.sampled_from(("book", "move", "cancel")),
        which=any_,
        scope=scopes,
        fault=ANY_FAULT,
        at=st.integers(0, 3),
    )
    def thinks_better_of_it(self, what, which, scope, fault, at):
        """A change that is taken back after one run, which met a fault."""
        world, doctor = self.world, (which % 2 + 1 if scope == 1 else 3)
        if what == "book":
            self._books(scope, doctor, which)
            undo = f"DELETE FROM clinic_appointment WHERE appointment_id={self.booked}"
        else:
            row = self._one_of(world.booked(), which) or 0
            world.sql("DROP TABLE IF EXISTS before")
            world.sql(f"CREATE TABLE before AS SELECT * FROM clinic_appointment WHERE appointment_id={row}")
            change = (
                "DELETE FROM clinic_appointment" if what == "cancel" else "UPDATE clinic_appointment SET kind=1-kind"
            )
            world.sql(f"{change} WHERE appointment_id={row}")
            undo = "INSERT OR REPLACE INTO clinic_appointment SELECT * FROM before"
        self._runs(scope, {at: fault}, None, None, None)
        world.sql(undo)

    @rule(
        which=any_, scope=scopes, fault=st.sampled_from(("lost answer", "dies after")), at=st.sampled_from((0, 2, 2, 3))
    )
    def comes_again_and_goes(self, which, scope, fault, at):
        """Cancelled, booked anew as it was (a trashbin does not take the name back), and cancelled after a fault."""
        world, row = self.world, self._one_of(self.world.booked(), which) or 0
        world.sql("DROP TABLE IF EXISTS before")
        world.sql(f"CREATE TABLE before AS SELECT * FROM clinic_appointment WHERE appointment_id={row}")
        world.sql(f"DELETE FROM clinic_appointment WHERE appointment_id={row}")
        for each in (1, 2):
            self._runs(each, {}, None, None, None)
        world.sql("INSERT INTO clinic_appointment SELECT * FROM before")
        self._runs(scope, {at: fault}, None, None, None)
        world.sql(f"DELETE FROM clinic_appointment WHERE appointment_id={row}")
        self._runs(scope, {}, None, None, None)

    @rule(scope=scopes, number=any_)
    def somebody_deletes_what_has_just_come(self, scope, number):
        world = self.world
        before = {at: set(shelf.there) for at, shelf in world.shelves.items()}
        self._books(scope, number % 2 + 1 if scope == 1 else 3, number)
        self._runs(scope, {}, None, None, None)
        for at, shelf in world.shelves.items():
            for name in set(shelf.there) - before.get(at, set(shelf.there)):
                shelf.drop(name)

    @rule(branch=scopes, doctor=doctors)
    def joins(self, branch, doctor):
        self._joins(branch, doctor)

    @rule(branch=scopes, doctor=doctors)
    def leaves_the_staff(self, branch, doctor):
        self.world.sql("DELETE FROM clinic_staff WHERE branch_id=:b AND doctor_id=:d", b=branch, d=doctor)

    @rule(show=st.sampled_from(([], ["service"], ["room", "comment"])), word=st.sampled_from(("Занято", "Приём")))
    def policy_changes(self, show, word):
        self.world.destination = replace(self.world.destination, show=show, busy_text=word)

    # -- people outside

    def _shelf(self, doctor):
        link = self.world.links().get(doctor)
        return self.world.shelves.get(link.address) if link else None

    def _name(self, doctor, which):
        shelf = self._shelf(doctor)
        return self._one_of(sorted(shelf.there), which) if shelf else None

    @rule(doctor=doctors, which=any_, word=st.sampled_from(("обед", "моё")))
    def edits_by_hand(self, doctor, which, word):
        if (name := self._name(doctor, which)) is not None:
            self._shelf(doctor).edit(name, word)

    @rule(doctor=doctors, which=any_)
    def deletes_by_hand(self, doctor, which):
        if (name := self._name(doctor, which)) is not None:
            self._shelf(doctor).drop(name)

    @rule(doctor=doctors)
    def adds_or_copies_an_event(self, doctor):
        if (shelf := self._shelf(doctor)) is not None:
            shelf.strangers += 1

    @rule(doctor=doctors)
    def deletes_the_calendar(self, doctor):
        link = self.world.links().get(doctor)
        if link is not None:
            self.world.shelves.pop(link.address, None)

    @rule(doctor=doctors)
    def server_forgets_its_tokens(self, doctor):
        if (shelf := self._shelf(doctor)) is not None:
            shelf.forgets_tokens = True

    # -- people at the page

    @rule(doctor=doctors, state=st.sampled_from(("paused", "leaving")))
    def pauses_or_takes_back(self, doctor, state):
        link = self.world.links().get(doctor)
        if link is not None and link.address:
            self.world.set_state(link.address, state)

    @rule(doctor=doctors)
    def resumes(self, doctor):
        link = self.world.links().get(doctor)
        if link is not None and link.state in {"paused", "refused", "off"}:
            with self.world.engine.begin() as connection:
                if link.state == "off":  # he connects again
                    books.put_link(connection, NAME, changed(link, state="on", looked_ms=None), self.world.now)
                books.set_state(connection, NAME, doctor, "on", self.world.now)
            self.world.orders.pop(doctor, None)

    # -- the engine

    @rule(ms=st.sampled_from((1_000, 70_000, HOUR + 1, 5 * HOUR)))
    def time_passes(self, ms):
        self.world.now += ms

    @rule(scope=scopes, fault=ANY_FAULT, at=st.integers(0, 5))
    def meets_one_fault(self, scope, fault, at):
        self._runs(scope, {at: fault}, None, None, None)

    @rule(scope=scopes, verb=st.sampled_from(LOST), share=st.integers(1, 3))
    def loses_many_answers(self, scope, verb, share):
        self._runs(scope, dict.fromkeys(range(share, 40, share), verb), None, None, None)

    @rule(
        scope=scopes,
        met=faults,
        dies=st.none() | st.tuples(st.integers(1, 8), st.booleans()),
        stale=st.none() | st.integers(1, 8),
        budget=st.sampled_from((None, None, 20, 80)),
    )
    def runs(self, scope, met, dies, stale, budget):
        self._runs(scope, met, dies, stale, budget)

    def _runs(self, scope, met, dies, stale, budget):
        world = self.world
        world.faults, world.dies_at_write, world.stale_at_write = met, dies, stale
        whole, task.BUDGET_MS = task.BUDGET_MS, budget or task.BUDGET_MS
        try:
            outcome = world.go(scope)
        finally:
            task.BUDGET_MS = whole
        assert outcome is None or outcome.status is not Status.FAILED, outcome

    def reads_nothing_by_mistake(self, what):
        """A read that failed never deletes; what was asked of a person is over when it is well again."""
        world = self.world
        there = {at: dict(shelf.there) for at, shelf in world.shelves.items()}
        world.sql(f"CREATE TABLE away AS SELECT * FROM {what}")
        world.sql(f"DELETE FROM {what}")
        for scope in (1, 2):
            world.go(scope)
        world.sql(f"INSERT INTO {what} SELECT * FROM away")
        world.sql("DROP TABLE away")
        assert {at: dict(shelf.there) for at, shelf in world.shelves.items()} == there, "deleted by mistake"

    def lists_nothing_once(self):
        """A calendar that is shown empty by mistake is asked a second time, and nothing is written."""
        world = self.world
        for shelf in world.shelves.values():
            shelf.forgets_tokens = shelf.empty_once = len(shelf.there) > keeping.FEW
        world.now += HOUR + 60_000
        before, wanted = len(world.requests), {at: dict(shelf.there) for at, shelf in world.shelves.items()}
        for scope in (1, 2):
            world.go(scope)
        full = {at for at, there in wanted.items() if len(there) > keeping.FEW}
        put = [name for at, verb, name in world.requests[before:] if verb == "put" and at in full]
        assert all(name is not None and name not in wanted[at] for at in full for name in put), "written for nothing"
        for shelf in world.shelves.values():
            shelf.forgets_tokens = shelf.empty_once = False

    @rule(then=st.sampled_from(("nothing", "lists", *TABLES, "changes")), which=any_, number=any_)
    def settles(self, then, which, number):
        """Everything comes to rest; then one thing alone happens, whose price is known."""
        self._settles()
        if then in TABLES:
            self.reads_nothing_by_mistake(then)
        elif then == "lists":
            self.lists_nothing_once()
        elif then == "changes":
            self.one_change_costs_one_request(which, number)

    def _settles(self):
        world = self.world
        for shelf in world.shelves.values():
            shelf.forgets_tokens = False
        quiet = 0
        for _round in range(AT_REST):
            with world.engine.begin() as connection:
                for link in world.links().values():
                    if link.state == "refused":
                        books.set_state(connection, NAME, link.doctor, "on", world.now)
            world.hurry()
            before = len(world.requests)
            outcomes = [world.go(scope) for scope in (1, 2)]
            if any(outcome.status is Status.ASK for outcome in outcomes):
                world.allow()
            verbs = {verb for _, verb, _ in world.requests[before:]}
            quiet = quiet + 1 if verbs <= {"changes"} and Status.ASK not in {one.status for one in outcomes} else 0
            if quiet == 2:
                break
        else:
            raise AssertionError(f"it never comes to rest: {outcomes}")
        self._is_right()
        before = len(world.requests)
        world.now += 1_000
        for scope in (1, 2):
            world.go(scope)
        assert world.requests[before:] == [], "a request for nothing"

    def _is_right(self):
        world, linked = self.world, set()
        for link in world.links().values():
            linked.add(link.address)
            match link.state:
                case "on":
                    assert world.there(link) == world.wanted(link), link.doctor
                case "off":
                    assert world.there(link) == [], "something of ours is left"
                    assert self._may_stay(link), "an empty calendar is left"
                case state:
                    assert state == "paused", state
        assert {at for at, shelf in world.shelves.items() if shelf.there} <= linked, "an orphan"

    def _may_stay(self, link):
        shelf = self.world.shelves.get(link.address)
        return shelf is None or shelf.strangers > 0

    def one_change_costs_one_request(self, which, number):
        """Where nothing else happened: a time that changed is a PUT, a cancellation is a DELETE."""
        world = self.world
        row = self._one_of(world.booked(), which)
        before, links = len(world.requests), world.links()
        wanted = {link.doctor: world.wanted(link) for link in links.values() if link.state == "on"}
        if number % 2:
            world.sql("UPDATE clinic_appointment SET length_minutes=length_minutes+5 WHERE appointment_id=:id", id=row)
        else:
            world.sql("DELETE FROM clinic_appointment WHERE appointment_id=:id", id=row)
        for scope in (1, 2):
            world.go(scope)
        now = {link.doctor: world.wanted(link) for link in links.values() if link.state == "on"}
        verbs = [verb for _, verb, _ in world.requests[before:]]
        events = [len(now[doctor]) for doctor in now], [len(wanted[doctor]) for doctor in now]
        if now == wanted:
            assert verbs == []
        elif events[0] == events[1]:
            assert verbs == ["put"]
        else:
            assert verbs in (["remove"], []), verbs  # [] where the brake asks


def _minute(number):
    return (TODAY - 1 + number % 5) * 1440 + 600 + number * 35 % 480


structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[lambda *_: ""])
TestCalendars = pytest.mark.timeout(120 + 20 * EXAMPLES)(Calendars.TestCase)
TestCalendars.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],  # explaining traces every line: minutes
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
