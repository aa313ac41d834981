"""The pages' time is the database's, whatever this computer's clock says."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from seed import add_lead, now_ms, rooms, tasks, town

from identsync.console.clock import DatabaseClock
from identsync.console.server import Console
from identsync.errors import Unavailable
from identsync.store import open_store
from identsync.store.limiter.sqlite import CLOCK

HOUR = 3_600_000


class Answers:
    """A database's clock that a test sets; None = it does not answer."""

    def __init__(self, told: int | None) -> None:
        self.told = told
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        if self.told is None:
            raise Unavailable("no answer", sent=False)
        return self.told


def test_it_is_asked_now_and_then_and_goes_on_without_an_answer() -> None:
    at, answers = [1_000], Answers(5_000_000)
    clock = DatabaseClock(answers, every_ms=30_000, monotonic=lambda: at[0])
    clock.renew()
    assert clock.now_ms() == 5_000_000
    at[0], answers.told = 20_000, 9_000_000
    clock.renew()
    assert (clock.now_ms(), answers.asked) == (5_019_000, 1)
    at[0] = 40_000
    clock.renew()
    assert clock.now_ms() == 9_000_000
    at[0], answers.told = 90_000, None
    clock.renew()
    assert clock.now_ms() == 9_050_000


def test_the_computers_clock_serves_until_the_database_has_answered() -> None:
    clock = DatabaseClock(Answers(None))
    clock.renew()
    assert abs(clock.now_ms() - now_ms()) < 60_000


@pytest.mark.parametrize("fast_ms", [-7 * HOUR, 7 * HOUR])
async def test_a_computer_whose_clock_is_wrong_shows_the_waiting_time_of_all_the_others(
    clone: Callable[[str], str], fast_ms: int
) -> None:
    store = open_store(clone("sqlite"), clock=f"({CLOCK}+{fast_ms})")
    add_lead(store, 1, ago_ms=600_000 - fast_ms)
    console = Console(store, town(1), rooms=rooms(), tasks=tasks(), port=0)
    await console.start()
    try:
        html = await asyncio.to_thread(lambda: httpx.get(f"{console.url}leads", timeout=20).text)
    finally:
        await console.stop()
        store.close()
    assert ">10\N{NO-BREAK SPACE}мин</time>" in html
