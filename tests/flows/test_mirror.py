"""The mirror, run by run."""

import pytest

from identsync.engine.integration import Status
from identsync.errors import Refused, StaleFence, SuspiciousChange, Untrusted
from identsync.flows.mirror import Brake, Item, Later, Patience, approve, doubt, keep, send_again

from .mirror_world import STREAM, Died, World


@pytest.fixture
def world() -> World:
    return World({1: 11, 2: 22, 3: 33})


def test_only_differences_are_delivered(world: World):
    outcome = world.go()
    assert (outcome.status, outcome.counts["confirmed"], outcome.counts["desired"]) == (Status.OK, 3, 3)
    world.desired |= {2: 222, 4: 44}
    del world.desired[1]
    world.calls.clear()
    outcome = world.go()
    assert sorted(world.calls) == [("deliver", 2), ("deliver", 4), ("remove", 1)]
    assert world.street == world.desired
    assert outcome.counts["removed"] == 1
    row = world.rows()[2]
    assert (row.state, row.answer, row.label, row.payload, row.attempts) == ("confirmed", "ok", "item 2", b"222", 0)
    assert 1 not in world.rows()


def test_nothing_to_do_writes_nothing(world: World):
    world.go()
    writes, world.calls = world.writes, []
    assert world.go().status is Status.OK
    assert (world.writes, world.calls) == (writes, [])


def test_a_large_stream_is_written_in_few_steps():
    world = World({key: key for key in range(6400)})
    world.go(concurrency=4)
    assert world.street == world.desired
    assert world.writes <= 70


def test_without_remove_what_vanished_is_forgotten(world: World):
    world.go(removing=False)
    del world.desired[3]
    outcome = world.go(removing=False)
    assert (outcome.status, outcome.counts["forgotten"]) == (Status.OK, 1)
    assert world.street[3] == 33
    assert 3 not in world.rows()
    writes = world.writes
    world.go(removing=False)
    assert world.writes == writes


def test_several_are_delivered_in_one_request():
    world = World({key: key for key in range(23)})
    outcome = world.go(removing=False, together=10, step=20)
    assert [calls for _request, calls in world.calls] == [10, 10, 3]
    assert (outcome.status, outcome.counts["confirmed"], world.street) == (Status.OK, 23, world.desired)


def test_the_fate_of_a_request_is_that_of_all_its_items_and_of_no_other():
    world = World({key: key for key in range(30)}, faults=[None, "garbage, not done", None])
    outcome = world.go(removing=False, together=10)
    assert {key: row.state for key, row in world.rows().items()} == {
        key: "unknown" if 10 <= key < 20 else "confirmed" for key in range(30)
    }
    assert (outcome.counts["unknown"], outcome.counts["confirmed"]) == (10, 20)
    world.now += 5001
    world.go(removing=False, together=10)
    assert world.street == world.desired


def test_a_request_that_is_refused_ends_the_run_and_the_others_are_not_begun():
    world = World({key: key for key in range(40)}, faults=[None, "limited"])
    outcome = world.go(removing=False, together=10, step=20)
    assert (outcome.status, len(world.calls), outcome.counts["later"]) == (Status.LATER, 2, 10)
    world.now += 301
    world.go(removing=False, together=10, step=20)
    assert world.street == world.desired
    assert sum(count for _request, count in world.calls) == 50, "each once, but for those that were refused"


def test_rejected_rests_until_it_changes_or_long_has_passed(world: World):
    world.faults = ["rejected"]
    outcome = world.go()
    assert (outcome.status, outcome.counts["rejected"]) == (Status.PARTIAL, 1)
    assert world.rows()[1].answer == "not like this"
    world.calls.clear()
    assert world.go().status is Status.PARTIAL, "still told every time"
    assert world.calls == []
    world.desired[1] = 12
    world.faults = ["rejected"]
    world.go()
    assert world.calls == [("deliver", 1)]
    world.now += 5001
    assert world.go().status is Status.OK
    assert world.street == world.desired


def test_rejected_and_changed_back_is_settled(world: World):
    world.go()
    world.desired[1], world.faults = 12, ["rejected"]
    world.go()
    world.desired[1] = 11
    world.calls.clear()
    assert world.go().status is Status.OK
    assert world.calls == []
    assert world.rows()[1].state == "confirmed"
    world.desired[9], world.faults = 99, ["rejected"]
    world.go()
    del world.desired[9]
    assert world.go().status is Status.OK
    assert 9 not in world.rows()


@pytest.mark.parametrize("fault", ["lost answer", "garbage, done", "unknown, done"])
def test_a_lost_answer_and_a_change_of_mind(world: World, fault):
    world.go()
    world.desired[1], world.faults = 12, [fault]
    world.go()
    assert world.street[1] == 12
    assert world.rows()[1].state == "unknown"
    world.desired[1], world.faults = 11, ["rejected"]  # back to what was confirmed: still not known to be there
    world.now += 1000
    world.go()
    world.now += 5001
    world.go()
    assert world.street == world.desired


def test_a_death_and_a_change_of_mind(world: World):
    world.go()
    world.desired[1], world.faults = 12, ["dies after"]
    with pytest.raises(Died):
        world.go()
    world.desired[1] = 11
    assert world.street[1] == 12
    assert world.go().status is Status.OK
    assert world.street == world.desired


def test_the_room_hears_of_doubt(world: World):
    world.faults = ["lost answer"]
    world.go()
    doubts = {}

    async def deliver(item):
        doubts[item.key] = item.doubtful
        return await World.deliver(world, item)

    world.deliver = deliver  # type: ignore[method-assign]
    world.now += 1000
    world.go()
    assert doubts == {1: True, 2: False, 3: False}


def test_an_unavailable_side_ends_the_run_and_the_untried_go_first_next_time(world: World):
    world.faults = ["lost request"]
    outcome = world.go()
    assert outcome.status is Status.LATER
    assert 80 <= outcome.retry_ms <= 120
    assert world.calls == [("deliver", 1)]
    world.now += 1000
    world.faults = [None, None, "lost request"]  # the one that breaks the other side costs the others nothing
    world.go()
    assert world.calls[1:] == [("deliver", 2), ("deliver", 3), ("deliver", 1)]
    assert world.rows()[1].attempts == 2


def test_an_item_that_waits_long_does_not_put_off_the_next_run_of_all_others(world: World):
    plain = world.deliver

    async def deliver(item):
        return Later("busy", 3_600_000) if item.key == 1 else await plain(item)

    world.deliver = deliver  # type: ignore[method-assign]
    outcome = world.go()
    assert (outcome.status, outcome.counts["later"], outcome.retry_ms) == (Status.PARTIAL, 1, None)


@pytest.mark.parametrize("fault", ["rejected", "later"])
def test_a_clock_that_stood_in_the_future_leaves_no_item_alone_for_ever(world: World, fault: str):
    right = world.now
    world.now += 70 * 365 * 86_400_000
    world.faults = [fault]
    assert world.go().status is Status.PARTIAL
    world.now = right + 1000
    assert world.go().status is Status.OK
    assert world.street == world.desired


def test_named_times_are_obeyed(world: World):
    world.faults = ["limited"]
    outcome = world.go()
    assert (outcome.status, outcome.retry_ms) == (Status.LATER, 300)
    world.now += 299
    world.calls.clear()
    outcome = world.go()
    assert ("deliver", 1) not in world.calls
    assert (outcome.status, outcome.retry_ms) == (Status.PARTIAL, 1)
    world.now += 1
    assert world.go().status is Status.OK


def test_refusal_asks_a_person_and_keeps_what_was_done(world: World):
    world.faults = [None, "refused"]
    with pytest.raises(Refused):
        world.go()
    assert {key: row.state for key, row in world.rows().items()} == {1: "confirmed", 2: "later"}
    assert world.rows()[2].answer == "no such key"
    assert world.go().status is Status.OK, "as soon as the person has done it, without waiting"


def test_what_this_computer_does_not_trust_ends_the_run_and_another_delivers_it_at_once(world: World):
    world.faults = [None, "untrusted"]
    with pytest.raises(Untrusted):
        world.go()
    assert {key: row.state for key, row in world.rows().items()} == {1: "confirmed", 2: "later"}
    assert world.go().status is Status.OK


def test_with_a_stop_the_rest_of_the_batch_is_not_tried(world: World):
    world.faults = ["no connection"]
    world.go(concurrency=1)
    world.go(concurrency=3)
    assert world.rows()[3].attempts == 0


def test_a_defect_is_raised_after_the_others_are_written_down(world: World):
    world.faults = [None, "defect", "rejected"]
    with pytest.raises(ZeroDivisionError):
        world.go(concurrency=3)
    assert {key: row.state for key, row in world.rows().items()} == {1: "confirmed", 2: "unknown", 3: "rejected"}


def test_items_nobody_could_make_wait(world: World):
    async def make(keys):
        return [item for item in await World.make(world, keys) if item.key != 2]

    world.make = make  # type: ignore[method-assign]
    world.go(concurrency=3)
    assert sorted(world.street) == [1, 3]
    del world.make
    world.go()
    assert world.street == world.desired


def test_items_that_wait_are_not_touched_whether_wanted_or_gone(world: World):
    world.go()
    del world.desired[1]
    world.desired |= {2: 222, 3: 333}
    before, world.calls = world.rows(), []

    async def waits(item: Item) -> bool:
        assert item.known is not None, "it brings what was kept of it"
        return item.key in {1, 2}

    assert world.go(waits=waits).status is Status.OK
    assert world.calls == [("deliver", 3)]
    assert [world.rows()[key] for key in (1, 2)] == [before[key] for key in (1, 2)]
    world.go()
    assert world.street == world.desired


def test_refresh(world: World):
    world.go(refresh_ms=10_000)
    world.now += 9_999
    world.calls.clear()
    world.go(refresh_ms=10_000)
    assert world.calls == []
    world.street.clear()  # the other side has lost everything
    world.now += 1
    assert world.go(refresh_ms=10_000).counts["confirmed"] == 3
    assert world.street == world.desired


def test_the_brake(world: World):
    brake = Brake(share=0.3, floor=0)
    world.desired = {key: key for key in range(10)}
    world.go(brake=brake)
    street = dict(world.street)
    world.desired = {key: key + 1 for key in range(6)}
    for _ in range(2):
        with pytest.raises(SuspiciousChange) as caught:
            world.go(brake=brake)
        assert (caught.value.before, caught.value.after) == (10, 6)
        assert world.street == street
    with world.engine.begin() as connection:
        assert approve(connection, STREAM, 7)
    del world.desired[5]  # smaller than what was allowed
    with pytest.raises(SuspiciousChange):
        world.go(brake=brake)
    with world.engine.begin() as connection:
        assert approve(connection, STREAM, 7)
    assert world.go(brake=brake).status is Status.OK
    assert world.street == world.desired
    with world.engine.begin() as connection:
        assert not approve(connection, STREAM, 7), "once"


def test_the_brake_lets_go_when_the_data_is_back(world: World):
    world.go(brake=Brake())
    desired, world.desired = world.desired, {}
    with pytest.raises(SuspiciousChange):
        world.go(brake=Brake(floor=100))  # empty is suspicious however small it was
    assert world.streams()[STREAM].asked_weight == 0
    world.desired = desired
    assert world.go(brake=Brake()).status is Status.OK
    assert world.streams()[STREAM].asked_weight is None


def test_several_weights(world: World):
    brake = Brake(0.3)
    world.go(weight={"": 100, "busy": 50}, brake=brake)
    world.desired[1] = 12
    with pytest.raises(SuspiciousChange) as caught:
        world.go(weight={"": 99, "busy": 0}, brake=brake)
    assert (caught.value.before, caught.value.after) == (50, 0)
    assert world.streams()[STREAM].weight == 100, "nothing is accepted while one waits"
    with world.engine.begin() as connection:
        assert approve(connection, STREAM, 7)
        assert not approve(connection, "room/ther", 7)
    assert world.go(weight={"": 99, "busy": 0}, brake=brake).status is Status.OK
    assert world.go(weight={"": 99, "busy, another choice": 1}, brake=brake).status is Status.OK
    assert set(world.streams()) == {STREAM, f"{STREAM}:busy, another choice"}


def test_no_weight_is_forgotten_while_one_waits(world: World):
    """A choice that came out of the failed read itself, and was taken back with it, is no new beginning."""
    world.go(weight={"": 100, "busy": 50})
    with pytest.raises(SuspiciousChange):
        world.go(weight={"": 0, "busy, fewer doctors": 0})
    with pytest.raises(SuspiciousChange):
        world.go(weight={"": 100, "busy": 0})


def test_a_stale_fence_writes_nothing(world: World):
    world.stale_at_write = 3
    with pytest.raises(StaleFence):
        world.go()
    before = world.rows()
    assert {key: row.state for key, row in before.items()} == {1: "unknown"}
    assert world.go().status is Status.OK
    assert world.street == world.desired


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("number", range(1, 6))
def test_dying_at_any_write_repeats_one_item_at_most(world: World, number, committed):
    world.dies_at_write = (number, committed)
    with pytest.raises(Died):
        world.go()
    world.dies_at_write = None
    first = len(world.calls)
    assert world.go().status is Status.OK
    assert world.street == world.desired
    assert len(world.calls) <= 4
    assert first <= 3


def test_patience_grows_to_its_limit():
    patience = Patience(100, 1000)
    assert all(80 <= patience.after(1) <= 120 for _ in range(50))
    assert all(800 <= patience.after(99) <= 1200 for _ in range(50))


def test_one_lane_is_walked_in_order_and_lanes_side_by_side(world: World):
    world.desired = {number: 10 + number for number in range(1, 9)}
    under_way: set[int] = set()
    together: list[frozenset[int]] = []
    plain = world.deliver

    async def deliver(item):
        lane = item.key % 2
        assert lane not in under_way
        under_way.add(lane)
        together.append(frozenset(under_way))
        try:
            return await plain(item)
        finally:
            under_way.remove(lane)

    world.deliver = deliver  # type: ignore[method-assign]
    world.go(concurrency=8, lane=lambda item: item.key % 2, order=lambda key: -key)
    keys = [key for _, key in world.calls]
    assert [key for key in keys if key % 2] == [7, 5, 3, 1]
    assert [key for key in keys if not key % 2] == [8, 6, 4, 2]
    assert frozenset({0, 1}) in together


def test_what_is_gone_goes_before_what_is_wanted(world: World):
    world.go()
    del world.desired[1]
    world.desired |= {5: 15, 4: 14}
    world.calls.clear()
    world.go()
    assert world.calls == [("remove", 1), ("deliver", 4), ("deliver", 5)]


def test_an_item_brings_what_was_kept_of_it(world: World):
    world.go()
    brought: dict[int, bytes | None] = {}
    plain, taken = world.deliver, world.remove

    async def deliver(item):
        brought[item.key] = item.known
        return await plain(item)

    async def remove(item):
        brought[item.key] = item.known
        return await taken(item)

    world.deliver, world.remove = deliver, remove  # type: ignore[method-assign]
    kept = {1: b"%d" % world.desired.pop(1), 2: b"noted"}
    world.desired |= {2: 99, 9: 19}
    with world.engine.begin() as connection:
        keep(connection, STREAM, 7, {2: b"noted", 77: b"no such item"})
    world.go()
    assert brought == kept | {9: None}


def test_what_is_doubted_is_delivered_again_and_nothing_else(world: World):
    world.go()
    world.calls.clear()
    with world.engine.begin() as connection:
        assert doubt(connection, STREAM, 7, [2, 77]) == 1
    world.go()
    assert world.calls == [("deliver", 2)]


def test_what_may_have_arrived_can_be_removed(world: World):
    world.faults = ["lost answer"]
    world.go()
    assert world.street == {1: 11}
    del world.desired[1]
    taken: list[bytes | None] = []
    plain = world.remove

    async def remove(item):
        taken.append(item.known)
        return await plain(item)

    world.remove = remove  # type: ignore[method-assign]
    world.now += 10_000
    assert world.go().status is Status.OK
    assert taken == [b"11"]
    assert world.street == world.desired


def test_a_run_whose_time_is_up_leaves_the_rest_to_the_next_and_says_so(world: World):
    world.desired = {number: 10 + number for number in range(1, 7)}
    plain = world.deliver

    async def deliver(item):
        world.now += 100
        return await plain(item)

    world.deliver = deliver  # type: ignore[method-assign]
    outcome = world.go(budget_ms=250)
    assert (outcome.status, outcome.counts["confirmed"], outcome.counts["left"]) == (Status.PARTIAL, 3, 3)
    assert outcome.retry_ms == 1000
    assert outcome.note == "ещё не дошла очередь: 3"
    outcome = world.go(budget_ms=1000)
    assert (outcome.status, outcome.counts["left"]) == (Status.OK, 0)
    assert world.street == world.desired


def test_what_a_person_wants_sent_again_during_a_run_is_sent_by_the_next(world: World):
    world.go()
    world.desired |= {4: 14, 5: 15}
    world.calls.clear()
    plain = world.deliver

    async def deliver(item):
        if item.key == 4:
            with world.engine.begin() as connection:
                send_again(connection, STREAM, 7)
        return await plain(item)

    world.deliver = deliver  # type: ignore[method-assign]
    world.go()
    assert [key for _, key in world.calls] == [4, 5]
    world.calls.clear()
    assert world.go().status is Status.OK
    assert {1, 2, 3} <= {key for _, key in world.calls}
    world.calls.clear()
    world.go()
    assert world.calls == []
