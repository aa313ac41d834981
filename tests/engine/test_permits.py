"""Permits: sixteen clients in a minute of virtual time, then one client and what may happen to it."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from ceiling import excess, share
from engine.permits_world import World, for_seconds, hungry, world
from identsync.engine.channel import SLACK_MS, Channel
from identsync.errors import Limited, StaleFence, Unavailable
from identsync.store.limiter import Grant

SMS = Channel("sms", 20, 20)
EPS = 1e-6  # of a permit: floating point


@pytest.mark.parametrize("need", [None, 7, 1_000])
@pytest.mark.parametrize("channel", [SMS, Channel("x", 90, 20), Channel("x", 1, 2), Channel("x", 3, 3)], ids=str)
def test_sixteen_clients_use_nearly_all_of_a_minute(channel: Channel, need: int | None) -> None:
    with world() as w:
        for_seconds(w, 60, *[hungry(w, channel, need) for _ in range(16)])
    assert excess(w.uses, channel.rate, channel.burst) <= EPS
    assert len(w.uses) >= 0.95 * (channel.burst + 60 * channel.rate)


def test_statements_are_by_the_block_however_many_clients() -> None:
    channel = Channel("pbx", 100, 50)
    with world() as w:
        for_seconds(w, 60, *[hungry(w, channel, 400) for _ in range(16)])
    used_up, under_way = len(w.uses) / (2 * channel.rate), 16
    assert w.ledger.statements <= used_up + 2 * under_way  # those are given back at the end


def test_a_long_way_costs_a_little_of_the_pace_and_never_the_ceiling() -> None:
    """A database 150 ms away, and no burst to make up for it: the block learns how long the way is."""
    channel = Channel("geocoder", 1, 1)
    with world(trip_ms=150) as w:
        for_seconds(w, 120, hungry(w, channel))
    assert excess(w.uses, channel.rate, channel.burst) <= EPS
    assert len(w.uses) >= 60


def test_the_dead_lose_their_block_and_no_more() -> None:
    """Of sixteen clients eight stop, block in hand, and give nothing back: two seconds of the channel each."""

    async def dies(w: World, after: int) -> None:
        permits = w.client().open(SMS, need=500)
        await permits.__aenter__()
        await w.use(permits, after)

    with world() as w:
        for_seconds(w, 60, *[hungry(w, SMS, 100) for _ in range(8)], *[dies(w, n) for n in range(1, 9)])
    assert excess(w.uses, SMS.rate, SMS.burst) <= EPS
    assert len(w.uses) >= 0.95 * (SMS.burst + 60 * SMS.rate) - 8 * 2 * SMS.rate


@pytest.mark.parametrize("back_ms", [700, 9_000, 3 * 3_600_000])
def test_a_clock_set_back_lifts_no_ceiling_and_stops_nobody_for_long(back_ms: int) -> None:
    async def set_back(w: World) -> None:
        for _ in range(3):
            await asyncio.sleep(15)
            w.offset -= back_ms

    with world() as w:
        for_seconds(w, 60, set_back(w), *[hungry(w, SMS, 30) for _ in range(4)])
    assert excess(w.uses, SMS.rate, SMS.burst) <= EPS
    lost_s = 3 * back_ms / 1000 if back_ms <= 10_000 else 0  # small steps are waited out, large ones followed
    assert len(w.uses) >= 0.9 * (60 - lost_s) * SMS.rate


def test_a_clock_set_forward_costs_what_was_under_way_and_no_more() -> None:
    """Nothing can tell it from time gone by: a burst grows anew, beside the blocks already granted."""

    async def set_forward(w: World) -> None:
        await asyncio.sleep(20)
        w.offset += 3_600_000

    with world() as w:
        for_seconds(w, 60, set_forward(w), *[hungry(w, SMS, 30) for _ in range(4)])
    assert excess(w.uses, SMS.rate, SMS.burst) <= SMS.burst + 4 * 30
    assert excess([at for at in w.uses if at < 20_000], SMS.rate, SMS.burst) <= EPS
    assert excess([at for at in w.uses if at > 27_000], SMS.rate, SMS.burst) <= EPS


def test_a_client_that_is_slower_than_the_channel_takes_smaller_blocks() -> None:
    """One use in 0.5 s where twenty a second are allowed: the others get what it cannot use."""
    with world() as w:
        slow: list[float] = []

        async def takes_its_time() -> None:
            async with w.client().open(SMS, need=1_000) as permits:
                while True:
                    await permits.take()
                    slow.append(w.time())
                    await asyncio.sleep(0.5)

        for_seconds(w, 60, takes_its_time(), *[hungry(w, SMS, 100) for _ in range(3)])
    assert len(slow) >= 10
    assert len(w.uses) + len(slow) >= 0.8 * 60 * SMS.rate


@pytest.fixture
def w() -> Iterator[World]:
    with world() as w:
        yield w


def test_several_tasks_and_runs_of_a_client_share_a_block(w: World) -> None:
    async def main() -> None:
        channels = w.client()
        async with channels.open(SMS, need=20) as one, channels.open(SMS, need=10) as other:
            await asyncio.gather(*[w.use(one, 5) for _ in range(4)], *[w.use(other, 5) for _ in range(2)])
        assert channels.counts == {"granted": 1, "denied": 0, "used": 30, "missed": 0, "given_back": 0}

    w.run_until_complete(main())
    assert w.ledger.statements == 1
    assert excess(w.uses, SMS.rate, SMS.burst) <= EPS


def test_a_burst_after_a_rest_then_the_pace(w: World) -> None:
    async def main() -> None:
        async with w.client().open(SMS, need=40) as permits:
            await w.use(permits, 40)

    w.run_until_complete(main())
    at_once = [at for at in w.uses if at < w.uses[0] + 1]
    assert len(at_once) >= SMS.burst - 1 - SLACK_MS / 30  # the rest of the burst is room for lateness
    assert all(b - a == pytest.approx(50, abs=1.5) for a, b in pairwise(w.uses[20:]))


def test_a_full_channel_says_when_and_takes_nothing(w: World) -> None:
    geocoder = Channel.quota("geocoder", 1_000, 86_400, at_once=2)

    async def main() -> None:
        async with w.client().open(geocoder, need=5) as permits:
            await w.use(permits, 2)
            before = dict(w.ledger.rows)
            with pytest.raises(Limited) as caught:
                await permits.take()
            assert w.ledger.rows == before
            assert caught.value.after_ms == pytest.approx(86_400, abs=200)
            asked = w.ledger.statements
            await asyncio.sleep(caught.value.after_ms / 1000)
            await w.use(permits)
            assert w.ledger.statements == asked + 1  # no second question

    w.run_until_complete(main())
    assert excess(w.uses, geocoder.rate, geocoder.burst) <= EPS


def test_a_quota_holds_in_every_window_of_its_length() -> None:
    quota = Channel.quota("day", 100, 3_600, at_once=20)
    with world() as w:
        client = w.client()

        async def greedy() -> None:
            async with client.open(quota) as permits:
                while True:
                    try:
                        await w.use(permits)
                    except Limited as error:
                        await asyncio.sleep((error.after_ms or 0) / 1000)

        for_seconds(w, 4 * 3_600, greedy())
    assert all(sum(at <= x <= at + 3_600_000 for x in w.uses) <= 100 for at in w.uses)
    assert len(w.uses) >= 0.95 * (20 + 4 * 80)


def test_what_a_run_leaves_over_comes_back(w: World) -> None:
    async def main() -> None:
        channels = w.client()
        async with channels.open(SMS, need=40) as permits:
            await w.use(permits, 25)
        await asyncio.sleep(0.1)
        assert channels.counts["given_back"] == 1
        async with w.client().open(SMS, need=1) as permits:
            await w.use(permits)

    w.run_until_complete(main())
    assert w.uses[-1] - w.uses[-2] < 200  # not behind the fifteen that nobody used
    assert excess(w.uses, SMS.rate, SMS.burst) <= EPS


def test_nothing_comes_back_once_another_has_asked(w: World) -> None:
    async def main() -> None:
        one, other = w.client(), w.client()
        async with one.open(SMS, need=40) as permits:
            await w.use(permits, 25)
            async with other.open(SMS, need=20) as others:
                waiting = asyncio.ensure_future(w.use(others, 20))
                await asyncio.sleep(0.1)
                await permits.__aexit__()
                await waiting
        async with one.open(SMS, need=40) as permits:
            await w.use(permits, 40)

    w.run_until_complete(main())
    assert len(w.uses) == 85
    assert excess(w.uses, SMS.rate, SMS.burst) <= EPS


def test_a_retry_after_stops_everybody(w: World) -> None:
    async def main() -> None:
        one, other = w.client(), w.client()
        async with one.open(SMS, need=40) as permits, other.open(SMS, need=1) as others:
            await w.use(permits, 5)
            await permits.postpone(7_000)
            told = w.time()
            await asyncio.gather(w.use(permits), w.use(others))
            assert all(at >= (told + 6.98) * 1000 for at in w.uses[5:])
            await permits.postpone(3_600_000)
            with pytest.raises(Limited) as caught:
                await permits.take()
            assert 3_590_000 < (caught.value.after_ms or 0) <= 3_600_000

    w.run_until_complete(main())


def test_an_answer_that_was_on_its_way_does_not_outlive_a_retry_after(w: World) -> None:
    async def main() -> None:
        async with w.client().open(SMS, need=9) as permits:
            asking = asyncio.ensure_future(w.use(permits))
            await asyncio.sleep(0)
            await permits.postpone(5_000)
            await asking
        assert w.uses[0] > 4_900

    w.run_until_complete(main())


def test_a_cancelled_wait_loses_no_block(w: World) -> None:
    async def main() -> None:
        channels = w.client()
        async with channels.open(SMS, need=20) as permits:
            asking = asyncio.ensure_future(permits.take())
            await asyncio.sleep(0.0001)
            asking.cancel()
            await w.use(permits, 20)
        assert channels.counts["granted"] == 1
        assert w.ledger.statements == 1

    w.run_until_complete(main())


def test_a_run_cancelled_while_asking_gives_its_block_back(w: World) -> None:
    async def main() -> None:
        async def run() -> None:
            async with channels.open(SMS, need=20) as permits:
                await permits.take()

        channels = w.client()
        running = asyncio.ensure_future(run())
        await asyncio.sleep(0.0001)
        running.cancel()
        await asyncio.sleep(1)
        assert channels.counts["given_back"] == 1
        (first, stamp) = w.ledger.rows["sms", 0]
        assert first <= stamp  # nothing is taken

    w.run_until_complete(main())


def test_a_run_that_lost_its_task_gets_no_permit(w: World) -> None:
    """Lost while it waited for its permit to become good: the use would be a second client's as well."""
    lost = False

    def check() -> None:
        if lost:
            raise StaleFence("taken over")

    async def main() -> None:
        nonlocal lost
        channel = Channel("slow", 1, 1)
        async with w.client().open(channel, need=2, check=check) as permits:
            await w.use(permits)
            waiting = asyncio.ensure_future(permits.take())
            await asyncio.sleep(0.2)
            lost = True
            with pytest.raises(StaleFence):
                await waiting

    w.run_until_complete(main())


def test_a_database_that_does_not_answer_is_said_and_asked_again_later(w: World) -> None:
    broken = True

    async def ask(work: Callable[..., object]) -> object:
        if broken:
            raise Unavailable("no answer")
        return await w.ask(work)

    async def main() -> None:
        nonlocal broken
        from identsync.engine.permits import Channels

        async with Channels(ask).open(SMS) as permits:
            with pytest.raises(Unavailable):
                await permits.take()
            broken = False
            await w.use(permits)

    w.run_until_complete(main())


def test_a_row_that_is_locked_is_asked_for_again_and_not_for_ever(w: World) -> None:
    locked = 3
    real = w.ledger.block

    def block(*values: Any, **named: Any) -> Grant:
        nonlocal locked
        locked -= 1
        return Grant(False, 0, 0) if locked >= 0 else real(*values, **named)

    async def main() -> None:
        nonlocal locked
        w.ledger.block = block  # type: ignore[method-assign]
        async with w.client().open(SMS, need=5, patience_ms=2_000) as permits:
            await w.use(permits, 5)
            locked = 1_000
            with pytest.raises(Unavailable, match="занята"):
                await permits.take()
            assert 2_000 <= w.time() * 1000 - w.uses[-1] < 2_300

    w.run_until_complete(main())
    assert len(w.uses) == 5


def test_waiting_is_a_timer_and_not_a_loop(w: World) -> None:
    async def main() -> None:
        async with w.client().open(Channel("slow", 5, 1), need=50) as permits:
            await w.use(permits, 50)

    w.run_until_complete(main())
    assert w.reads <= 4 * 50


def test_twenty_thousand_a_second(w: World) -> None:
    """Periods far below the clock's millisecond: blocks cost whole ones and hold all that fits in."""
    fast = Channel("fast", 20_000, 2_000)
    for_seconds(w, 2, *[hungry(w, fast) for _ in range(2)])
    assert excess(w.uses, fast.rate, fast.burst) <= EPS
    assert share(w.uses, fast.rate, fast.burst) >= 0.9
    assert w.reads <= 3 * len(w.uses)  # no spinning until the next twentieth of a millisecond
    one = fast.terms(1, 40)
    assert (one.cost_ms, one.n) == (1, 20)


def test_permits_are_taken_inside_their_run(w: World) -> None:
    permits = w.client().open(SMS)
    with pytest.raises(RuntimeError, match="async with"):
        w.run_until_complete(permits.take())


def test_more_permits_than_the_burst_are_paced_not_refused(w: World) -> None:
    async def main() -> None:
        async with w.client().open(Channel("x", 10, 2), need=15) as permits:
            await w.use(permits, 15)

    w.run_until_complete(main())
    assert w.ledger.statements == 1
