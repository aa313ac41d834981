"""A PBX that cannot call into a clinic: its journal, asked for whole, the legs of a call put together.

Such journals are lists of legs, or cannot be paged: ``fetch`` asks for a window and what is around it once, puts the
legs of each call together and hands the flow portions of the calls that began in the window. Cut at its border, a call
would be told anew without its first legs, and so without who took it and what was recorded. ``listen`` is not there.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from identsync.errors import Limited, Unexpected
from identsync.flows.answer import Reply
from identsync.flows.intake import Window
from identsync.integrations.telephony.call import Abilities, Permit
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asking
from identsync.language import _
from identsync.spans import DAY_MS, HOUR_MS

AROUND_MS = 2 * HOUR_MS  # of a call that began in a window some legs may be outside it
SLOWER_MS = 60_000  # how long a PBX that asks for a slower pace without naming a time is left alone


def able(words: str) -> Abilities:
    """Return what such a PBX can do, with its own ``words``: a click is taken, and more is heard when it is over."""
    return Abilities(live=False, click=True, history=True, recordings=True, certain=False, words=words)


class Journal(asking.Asking):
    """A PBX over HTTP whose calls are known when they are over."""

    def __init__(self, line: Line, permit: Permit) -> None:
        super().__init__(line, permit)
        self._kept: tuple[Window, list[Any]] | None = None

    async def journal(self, window: Window) -> list[Any]:
        """Return every call of a window, each with all its legs there."""
        raise NotImplementedError

    async def fetch(self, window: Window, limit: int, offset: int) -> object:
        """Return a portion of the calls of a window; at offset 0 the journal is asked anew."""
        if offset == 0 or self._kept is None or self._kept[0] != window:
            wide = Window(window.start_ms - AROUND_MS, window.end_ms + AROUND_MS, window.last)
            self._kept = window, await asyncio.to_thread(self._begun, window, await self.journal(wide))
        calls = self._kept[1]
        return calls[offset : offset + limit] if limit else calls

    def _begun(self, window: Window, calls: Iterable[Any]) -> list[Any]:
        """Return those that began in a window; what cannot be read belongs to every one."""
        told = ((raw, self.parse(raw)) for raw in calls)
        return [raw for raw, call in told if isinstance(call, list) or _is_within(window, call.start_ms)]

    async def reply(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        passing: Collection[int] = (),
        max_bytes: int = asking.MAX_ANSWER,
    ) -> Reply:
        """Send one request as ``Asking`` does; a PBX that asks for a slower pace is left alone for a minute."""
        try:
            return await super().reply(method, url, headers, body, passing=passing, max_bytes=max_bytes)
        except Limited as error:
            error.after_ms = SLOWER_MS if error.after_ms is None else error.after_ms
            raise

    def told(self, reply: Reply) -> Any:
        """Return the JSON of a refusal, nothing where it is none: that it was refused is said by its status."""
        try:
            return self.decoded(reply)
        except Unexpected:
            return None

    def words(self, answer: object, *names: str) -> str:
        """Return what an answer that is an object says under the first of ``names``, discreetly."""
        if not isinstance(answer, dict):
            return ""
        found = next((answer[name] for name in names if answer.get(name) not in (None, "", [], {})), "")
        return self.discreet(found if isinstance(found, str) else str(found))


def listed(answer: Any, *names: str) -> list[Any]:
    """Return the list an answer is, or holds under one of ``names``; Unexpected where there is none."""
    if isinstance(answer, list):
        return answer
    held = (answer.get(name) for name in names) if isinstance(answer, dict) else ()
    for value in held:
        if isinstance(value, list):
            return value
    raise asking.nonsense(answer)


def not_liked(words: str) -> Unexpected:
    """Return the error of a question that the PBX refused, with its own words."""
    return Unexpected(_("АТС не приняла вопрос"), raw=words)


def without_end() -> Unexpected:
    """Return the error of a journal whose pages have no end."""
    return Unexpected(_("АТС отдаёт страницы без конца"))


def no_recording(raw: str = "") -> Unexpected:
    """Return the error of a recording that is not there."""
    return Unexpected(_("записи этого разговора нет"), raw=raw)


def now_ms() -> int:
    """Return this computer's time, epoch milliseconds."""
    return time.time_ns() // 1_000_000


def spans(window: Window, longest_ms: int) -> Iterator[tuple[int, int]]:
    """Yield a window as pieces of at most ``longest_ms``; nothing is asked beyond a day from now."""
    start, end = window.start_ms, min(window.end_ms, now_ms() + DAY_MS)
    while start < end:
        yield start, min(start + longest_ms, end)
        start += longest_ms


def _is_within(window: Window, at_ms: int) -> bool:
    return window.start_ms <= at_ms <= window.end_ms


def gathered(rows: Iterable[Any], key: Callable[[Any], str]) -> list[Any]:
    """Put the legs of each call together, in the order of their first; what has no key stays as it came."""
    groups: dict[str, list[Any]] = {}
    alone = "\0"
    for at, row in enumerate(rows):
        groups.setdefault(key(row) or f"{alone}{at}", []).append(row)
    return [legs[0] if name.startswith(alone) else legs for name, legs in groups.items()]
