"""A PBX that only answers: asked again and again what goes on, told on where that differs from the last answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from identsync.integrations.telephony.call import Call, Told

SILENCE_S = 30.0  # the same is told again after that: whoever listens knows that we are alive


async def polled(ask: Callable[[], Awaitable[Sequence[Call]]], told: Told, wait_s: Callable[[], float]) -> None:
    """Ask until cancelled, ``wait_s()`` seconds between; ``ask`` returns all calls that go on; its errors end it."""
    last: Sequence[Call] | None = None
    told_at = 0.0
    while True:
        calls = await ask()
        if calls != last or time.monotonic() - told_at >= SILENCE_S:
            await told(calls, True)
            last, told_at = calls, time.monotonic()
        await asyncio.sleep(wait_s())
