"""What changed, asked while a browser listens: pages' versions once a second, corners' beats every 0.2 s."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace

import orjson

PERIOD = 1.0  # seconds between two looks
QUICK = 0.2  # seconds between two questions for the corners' beats
HEARTBEAT = 15.0  # seconds of silence after which a browser and the proxies before it get a sign of life


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look found: each page's version, how much waits for a person, the corners' beats, a failed database."""

    versions: dict[str, str]
    attention: dict[str, int]
    corners: dict[str, str] = field(default_factory=dict)
    trouble: bool = False


Beats = Callable[[], Awaitable[dict[str, str] | None]]
"""Gives the corners' beats, None where the database fails."""
Look = Callable[[Sight | None], Awaitable[Sight]]


class Watch:
    """One looker for all listeners; it sleeps while there is none. ``beats`` is asked between its looks."""

    def __init__(self, look: Look, beats: Beats | None = None, *, period: float = PERIOD, quick: float = QUICK) -> None:
        self._look = look
        self._beats = beats
        self._period = period
        self._quick = quick
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
            self._show(await self._look(self.sight))
            await self._until(asyncio.get_running_loop().time() + self._period)

    async def _until(self, next_look: float) -> None:
        """Wait for the next look; meanwhile a beat that changed is shown at once."""
        left = self._period
        while left > 0 and self._listeners and not self._closing:
            await asyncio.sleep(min(left, self._quick) if self._beats else left)
            left = next_look - asyncio.get_running_loop().time()
            if left > 0 and self._beats is not None and self.sight is not None:
                corners = await self._beats()
                if corners is not None:
                    self._show(replace(self.sight, corners=corners))

    def _show(self, sight: Sight) -> None:
        if sight != self.sight:
            self.sight = sight
            self._ring()

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
        "corners": sight.corners,
        "trouble": sight.trouble,
        "now": now_ms,
        "boot": boot,
    }
    return b"event: sight\ndata: " + orjson.dumps(data) + b"\n\n"
