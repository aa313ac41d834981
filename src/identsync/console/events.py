"""What changed: the pages' versions, asked at most once a second and only while a browser listens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import orjson

PERIOD = 1.0  # seconds between two looks
HEARTBEAT = 15.0  # seconds of silence after which a browser and the proxies before it get a sign of life


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look found: each page's version, how much waits for a person, whether the database failed."""

    versions: dict[str, str]
    attention: dict[str, int]
    trouble: bool = False


Look = Callable[[Sight | None], Awaitable[Sight]]


class Watch:
    """One looker for all listeners; it sleeps while there is none."""

    def __init__(self, look: Look, period: float = PERIOD) -> None:
        self._look = look
        self._period = period
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.sight: Sight | None = None

    async def follow(self, now_ms: Callable[[], int], boot: str) -> AsyncIterator[bytes]:
        """Yield server-sent events: the sight at first and whenever it changed, a comment after long silence."""
        changed = asyncio.Event()
        self._listeners.add(changed)
        self._wake()
        shown: Sight | None = None
        try:
            yield b"retry: 1000\n\n"
            while not self._closing:
                if self.sight is not None and self.sight is not shown:
                    shown = self.sight
                    yield _event(shown, now_ms(), boot)
                changed.clear()
                if not await _within(changed, HEARTBEAT):
                    yield b": still here\n\n"
        finally:
            self._listeners.discard(changed)

    def close(self) -> None:
        """End every stream and the looker."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
        self._ring()

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self.sight = None  # what was seen before the pause may be long gone
            self._task = asyncio.get_running_loop().create_task(self._looking())

    async def _looking(self) -> None:
        while self._listeners and not self._closing:
            sight = await self._look(self.sight)
            if sight != self.sight:
                self.sight = sight
                self._ring()
            await asyncio.sleep(self._period)

    def _ring(self) -> None:
        for listener in self._listeners:
            listener.set()


async def _within(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
            return True
    return False


def _event(sight: Sight, now_ms: int, boot: str) -> bytes:
    data = {
        "versions": sight.versions,
        "attention": sight.attention,
        "trouble": sight.trouble,
        "now": now_ms,
        "boot": boot,
    }
    return b"event: sight\ndata: " + orjson.dumps(data) + b"\n\n"
