"""The outbox: what is planned, what goes out, what is heard of it, what people decide."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import event, select

from identsync.engine.integration import Status
from identsync.errors import AskPerson, Limited, Unexpected
from identsync.flows import outbox_book as book
from identsync.flows import receipts as heard
from identsync.flows.outbox import Draft, Row
from identsync.flows.sending import Accepted, Fate, Lost, NotTaken, Receipt, Refused
from identsync.store import Store
from identsync.store.tables import outbox, outbox_event

from .outbox_world import HOUR, World

NOW = 1_000_000
STREAM = "room/out"


def planned(store: Store, *keys: str, **how: Any) -> dict[str, int]:
    drafts = [Draft(**{"key": key, "due_ms": NOW, "until_ms": NOW + HOUR} | how) for key in keys]
    with store.write() as connection:
        return book.plan(connection, STREAM, 0, drafts, NOW)


def sent(store: Store, key: str, verdict: Any, **how: Any) -> str:
    """Plan, take and settle one row; give its token."""
    planned(store, key, **how)
    token = book.token()
    with store.write() as connection:
        row = next(row for row in book.due(connection, STREAM, 0, NOW, 99) if row.key == key)
        taken = book.Taken(row, "channel", f"to {key}", token)
        assert book.take(connection, [taken], 1, NOW) == {row.id}
        if verdict is not None:
            book.settle(connection, [(taken, verdict, NOW)], NOW + 1)
    return token


def receive(store: Store, *receipts: Receipt) -> int:
    with store.write() as connection:
        return heard.receive(connection, STREAM, "channel", receipts, NOW + 2)


def row(store: Store, key: str) -> Any:
    with store.read() as connection:
        return connection.execute(select(outbox).where(outbox.c.key == key)).one()


# -- planning


def test_planned_twice_is_one_row(store: Store) -> None:
    first = planned(store, *(str(number) for number in range(1200)))
    assert len(first) == 1200
    assert planned(store, "7", "new").keys() == {"new"}
    assert planned(store, "twice", "twice").keys() == {"twice"}


def test_the_urgent_goes_first_then_the_old(store: Store) -> None:
    planned(store, "bulk", rank=9)
    planned(store, "late", due_ms=NOW - 1, rank=5)
    planned(store, "early", due_ms=NOW - 9, rank=5)
    planned(store, "tomorrow", due_ms=NOW + 1)
    planned(store, "never", state="skipped", reason="no phone")
    with store.read() as connection:
        assert [found.key for found in book.due(connection, STREAM, 0, NOW, 99)] == ["early", "late", "bulk"]
        assert [found.key for found in book.due(connection, STREAM, 0, NOW, 1)] == ["early"]
        assert book.due(connection, STREAM, 1, NOW, 9) == []
        assert book.next_due(connection, STREAM, 0) == NOW - 9
        assert book.next_due(connection, "other", 0) is None


def test_a_lot_is_held_released_in_portions_and_cancelled(store: Store) -> None:
    planned(store, *"abcde", state="held", lot=3)
    planned(store, "mine")
    with store.write() as connection:
        assert book.free(connection, STREAM, 3, 2, NOW, NOW) == 2
        assert {found.key for found in book.due(connection, STREAM, 0, NOW, 9)} == {"a", "b", "mine"}
        assert book.hold(connection, book.in_line(connection, STREAM, 3), NOW) == 2
        assert book.free(connection, STREAM, 3, 1, NOW, NOW) == 1
        assert book.cancel(connection, book.in_line(connection, STREAM, 3), NOW) == 5
    assert row(store, "mine").state == "planned"


# -- receipts


@pytest.mark.parametrize("mark", [{"provider_id": "77"}, {"token": ...}])
def test_a_receipt_is_known_by_the_others_id_and_by_our_token(store: Store, mark: dict[str, Any]) -> None:
    token = sent(store, "a", Accepted("77"))
    mark = {name: token if value is ... else value for name, value in mark.items()}
    assert receive(store, Receipt(Fate.FAILED, reason="no such number", answer="err 1", **mark)) == 1
    found = row(store, "a")
    assert (found.state, found.reason, found.answer) == ("failed", "no such number", "err 1")


def test_an_end_is_not_taken_back_by_what_comes_late_or_twice(store: Store) -> None:
    sent(store, "a", Accepted("77"))
    assert receive(store, *[Receipt(Fate.DELIVERED, "77")] * 2) == 1
    assert receive(store, Receipt(Fate.ACCEPTED, "77"), Receipt(Fate.EXPIRED, "77")) == 0
    assert row(store, "a").state == "delivered"


def test_a_receipt_that_is_faster_than_its_answer_waits_for_it(store: Store) -> None:
    assert receive(store, Receipt(Fate.DELIVERED, "77"), Receipt(Fate.DELIVERED, "77")) == 0
    sent(store, "a", Accepted("77"))
    assert row(store, "a").state == "delivered"


def test_a_lost_answer_is_settled_by_what_the_other_side_says(store: Store) -> None:
    token = sent(store, "a", Lost("cut off"))
    assert row(store, "a").state == "unknown"
    assert receive(store, Receipt(Fate.ACCEPTED, "77", token)) == 1
    found = row(store, "a")
    assert (found.state, found.provider_id, found.reason) == ("accepted", "77", None)
    assert receive(store, Receipt(Fate.DELIVERED, "77")) == 1


def test_a_receipt_of_nobody_belongs_to_the_only_lost_row_of_that_address(store: Store) -> None:
    sent(store, "a", Lost("cut off"))
    sent(store, "b", Lost("cut off"))
    receive(store, Receipt(Fate.DELIVERED, "77", to="to a"), Receipt(Fate.DELIVERED, "78", to="somebody"))
    with store.write() as connection:
        assert heard.adopt_by_address(connection, STREAM, "channel", NOW + 3) == 1
        assert heard.adopt_by_address(connection, STREAM, "channel", NOW + 4) == 0
    assert (row(store, "a").state, row(store, "b").state) == ("delivered", "unknown")


def test_a_receipt_of_nobody_is_not_given_to_one_of_two(store: Store) -> None:
    sent(store, "a", Lost("cut off"))
    sent(store, "b", Lost("cut off"))
    with store.write() as connection:
        connection.execute(outbox.update().values(address="the same"))
        heard.receive(connection, STREAM, "channel", [Receipt(Fate.DELIVERED, "77", to="the same")], NOW)
        assert heard.adopt_by_address(connection, STREAM, "channel", NOW + 3) == 0
    assert {row(store, key).state for key in "ab"} == {"unknown"}


def test_receipts_of_nobody_cost_nothing_however_many_there_are(store: Store) -> None:
    """Each further part of a long message leaves one for good."""
    sent(store, "a", Accepted("77"))
    sent(store, "b", Lost("cut off"))
    receive(store, *(Receipt(Fate.DELIVERED, f"part {n}", to=f"to {n}") for n in range(50)))
    receive(store, Receipt(Fate.DELIVERED, "78", to="to b"))
    said: list[str] = []
    with store.write() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: said.append(told[2]))
        assert heard.adopt_by_address(connection, STREAM, "channel", NOW + 3) == 1
    assert len(said) < 10
    assert row(store, "b").state == "delivered"


STRANGE = "a\0b\ud800" + "😀" * 300


def test_whatever_the_other_side_says_is_written_down(store: Store) -> None:
    """What a column did not take would lose the verdicts of a whole batch."""
    for key, verdict in {"a": Refused(STRANGE, STRANGE), "b": NotTaken(STRANGE, 0, STRANGE)}.items():
        sent(store, key, verdict)
        found = row(store, key)
        assert found.reason == found.answer
        assert len(found.reason.encode("utf-16-le")) == 2 * 399
    sent(store, "c", Lost(STRANGE, "\0"))
    assert (row(store, "c").reason[:4], row(store, "c").answer) == ("ab\ufffd😀", None)


def test_a_message_is_known_by_whatever_the_other_side_calls_it(store: Store) -> None:
    sent(store, "a", Accepted(STRANGE))
    assert receive(store, Receipt(Fate.DELIVERED, STRANGE, token=STRANGE, to=STRANGE, reason=STRANGE)) == 1
    assert row(store, "a").state == "delivered"
    early = Receipt(Fate.DELIVERED, f"early {STRANGE}", token="x" * 99, to=STRANGE, reason=STRANGE, answer=STRANGE)
    assert receive(store, early) == 0
    sent(store, "b", Accepted(f"early {STRANGE}"))
    assert row(store, "b").state == "delivered"


def test_a_person_of_any_name_may_decide(store: Store) -> None:
    with store.write() as connection:
        book.note(connection, 1, "planned", STRANGE, NOW, STRANGE)


# -- people


def test_a_person_decides_on_what_he_saw(store: Store) -> None:
    sent(store, "a", Lost("cut off"))
    seen = row(store, "a")
    receive(store, Receipt(Fate.ACCEPTED, "77", seen.token))
    with pytest.raises(book.Changed), store.write() as connection:
        book.decide(connection, seen.id, seen.changed_ms, "again", "Иванова", NOW + 9, until_ms=NOW + HOUR)
    assert row(store, "a").state == "accepted"


def test_again_is_due_at_once_and_kept_in_the_history(store: Store) -> None:
    sent(store, "a", Lost("cut off"))
    seen = row(store, "a")
    with store.write() as connection:
        book.decide(connection, seen.id, seen.changed_ms, "again", "Иванова", NOW + 9, until_ms=NOW + HOUR)
        found = book.due(connection, STREAM, 0, NOW + 9, 9)
        assert [(each.key, each.until_ms) for each in found] == [("a", NOW + HOUR)]
        events = connection.execute(select(outbox_event.c.by, outbox_event.c.state)).all()
    assert [tuple(event) for event in events] == [("Иванова", "planned")]


@pytest.mark.parametrize(
    ("fate", "state"), [(Fate.DELIVERED, "delivered"), (Fate.ACCEPTED, "accepted"), (Fate.FAILED, "planned")]
)
def test_what_a_person_sends_again_goes_no_second_time_once_it_is_heard_that_it_arrived(
    store: Store, fate: Fate, state: str
) -> None:
    token = sent(store, "a", Lost("cut off"))
    seen = row(store, "a")
    with store.write() as connection:
        book.decide(connection, seen.id, seen.changed_ms, "again", "Иванова", NOW + 1, until_ms=NOW + HOUR)
    receive(store, Receipt(fate, "77", token))
    assert row(store, "a").state == state


@pytest.mark.parametrize("decision", ["again", "leave", "was sent"])
def test_what_is_on_its_way_is_nobodys_to_decide(store: Store, decision: str) -> None:
    sent(store, "a", None)
    seen = row(store, "a")
    with pytest.raises(book.Changed), store.write() as connection:
        book.decide(connection, seen.id, seen.changed_ms, decision, "Иванова", NOW + 9, until_ms=NOW + HOUR)


def test_an_unknown_decision_is_refused(store: Store) -> None:
    with pytest.raises(Unexpected), store.write() as connection:
        book.decide(connection, 1, 0, "delete", "Иванова", NOW)


def test_taken_back_is_as_it_was(store: Store) -> None:
    planned(store, "a")
    with store.write() as connection:
        [found] = book.due(connection, STREAM, 0, NOW, 9)
        taken = book.Taken(found, "channel", "to a", book.token())
        book.take(connection, [taken], 1, NOW + 1)
        book.release(connection, [taken], NOW + 2)
    assert (row(store, "a").state, row(store, "a").attempts) == ("planned", 0)


def test_only_the_token_of_the_attempt_may_settle_it(store: Store) -> None:
    sent(store, "a", None)
    found = row(store, "a")
    old = Row(found.id, "a", NOW, NOW + HOUR, 0, None, None, NOW)
    with store.write() as connection:
        book.settle(connection, [(book.Taken(old, "channel", "to a", book.token()), Accepted("1"), NOW)], NOW)
    assert row(store, "a").state == "submitting"


# -- a run


def test_a_run_sends_what_is_due_in_small_batches() -> None:
    world = World(batch=2, window=2)
    world.plan(*"abcde")
    outcome = world.go()
    assert outcome.status is Status.OK
    assert outcome.counts["accepted"] == 5
    assert set(world.states().values()) == {"accepted"}
    assert sorted(world.announced) == list("abcde")
    assert sorted(key for key, _ in world.settled) == list("abcde")


def test_what_came_too_late_is_not_sent_and_says_why() -> None:
    world = World()
    world.plan("a", until_ms=world.now)
    world.go()
    assert (world.rows()["a"].state, world.rows()["a"].reason) == ("skipped", book.TOO_LATE)
    assert not world.street


def test_what_is_not_wanted_any_more_is_not_sent() -> None:
    world = World(skipped={"a"}, waits={"b": 2_000_000})
    world.plan(*"abc")
    outcome = world.go()
    assert world.states() == {"a": "skipped", "b": "planned", "c": "accepted"}
    assert world.rows()["b"].due_ms == 2_000_000
    assert outcome.counts | {"skipped": 1, "waiting": 1, "accepted": 1} == outcome.counts


def test_hundreds_that_are_not_wanted_end_in_one_run() -> None:
    world = World(skipped={f"key {number}" for number in range(1200)}, batch=1)
    world.plan(*world.skipped, "wanted", rank=3)
    world.go()
    assert world.effects == {"wanted": 1}


def test_a_channel_that_is_full_is_tried_again_when_it_says() -> None:
    world = World(faults=["limited"])
    world.plan("a")
    assert world.go().status is Status.PARTIAL
    assert world.rows()["a"].due_ms == world.now + 300
    world.now += 300
    assert world.go().status is Status.OK
    assert world.effects == {"a": 1}


def test_no_channel_ends_the_run_and_nothing_is_lost() -> None:
    world = World()
    world.plan(*"ab")

    async def none(rows: Any) -> Any:
        raise Limited("the channel is full", after_ms=500)

    world.prepare = none  # type: ignore[method-assign]
    outcome = world.go()
    assert (outcome.status, outcome.retry_ms) == (Status.LATER, 500)
    assert set(world.states().values()) == {"planned"}


def test_a_channel_that_asks_a_person_ends_the_run_with_that() -> None:
    world = World(faults=["asks"], batch=1, look=1)
    world.plan(*"ab")
    prepare, asked = world.prepare, [0]

    async def closed(rows: Any) -> Any:
        asked[0] += 1
        if asked[0] > 2:
            raise AskPerson("no money")
        return await prepare(rows)

    world.prepare = closed  # type: ignore[method-assign]
    with pytest.raises(AskPerson):
        world.go()
    assert world.states() == {"a": "planned", "b": "accepted"}


def test_what_was_not_taken_may_go_another_way_in_the_same_run() -> None:
    world = World(batch=1)
    world.plan("a")
    submit, tries = world.submit, [0]

    async def twice(ready: Any) -> Any:
        tries[0] += 1
        return NotTaken("closed", 0) if tries[0] == 1 else await submit(ready)

    world.submit = twice  # type: ignore[method-assign]
    world.go()
    assert (world.effects, world.rows()["a"].attempts) == ({"a": 1}, 2)


def test_a_run_ends_when_its_time_is_up_and_says_so() -> None:
    world = World(batch=1)
    world.plan(*"abc")
    submit = world.submit

    async def slow(ready: Any) -> Any:
        world.now += 5_000
        return await submit(ready)

    world.submit = slow  # type: ignore[method-assign]
    outcome = world.go(budget_ms=4_000)
    assert outcome.retry_ms == 1_000
    assert set(world.states().values()) == {"accepted", "planned"}
    assert len(world.street) < 3


def test_what_was_read_long_ago_is_read_again() -> None:
    """The client slept between the reading and the first byte: the visit may have been moved meanwhile."""
    world = World(batch=2, window=1)
    world.plan(*"ab")
    submit = world.submit

    async def slow(ready: Any) -> Any:
        world.now += 90_000
        world.skipped.add("b")
        return await submit(ready)

    world.submit = slow  # type: ignore[method-assign]
    world.go()
    world.go()
    assert world.states() == {"a": "accepted", "b": "skipped"}


def test_a_slow_one_holds_up_nobody() -> None:
    world = World(batch=2, window=2, look=4)
    world.plan(*(f"{number}" for number in range(20)))
    submit, slow = world.submit, asyncio.Event()

    async def stuck(ready: Any) -> Any:
        if ready.row.key == "0":
            await slow.wait()
        verdict = await submit(ready)
        if len(world.street) == 19:
            slow.set()
        return verdict

    world.submit = stuck  # type: ignore[method-assign]
    world.go()
    assert len(world.street) == 20
    assert set(world.states().values()) == {"accepted"}


def test_a_run_that_has_lost_its_task_begins_nothing_more() -> None:
    world = World(batch=3, window=1)
    world.plan(*"abc")
    submit = world.submit

    async def lost(ready: Any) -> Any:
        world.runs[-1].lost = True
        return await submit(ready)

    world.submit = lost  # type: ignore[method-assign]
    asyncio.run(world.run())
    assert world.effects == {"a": 1}
