"""The gate before an account: the pace it allows, how long it asked to wait, and an hour after it refused a password.

All of it is the limiter's, so all clients hear what one was told. A server that says Retry-After postpones the pace of
its account. A refused password shuts a gate of its own, named by the account and one byte of a digest of what was
refused: another password finds another gate, and who reads the name can tell no password by it. Yandex and iCloud lock
accounts that fail to log in again and again.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, or_, update

from identsync.engine.channel import Channel
from identsync.errors import IdentsyncError, Limited, Refused, Unavailable
from identsync.integrations.calendar.chosen import stream_of
from identsync.integrations.calendar.event import Barred
from identsync.language import keyed as _
from identsync.spans import HOUR_MS, MINUTE_MS
from identsync.store.tables import rate_slot

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from identsync.engine.permits import Permits
    from identsync.engine.run import Run
    from identsync.integrations.calendar.settings import CalendarDestination

DAY_S = 86_400
SHUT_MS = HOUR_MS  # after a refused password
_NAME = 64  # characters of a channel's name
_WIDE = 1_000  # permits of the gate a second: it is open, or it is shut
_DAY = "/day"


@dataclass(slots=True)
class Gate:
    """What each request to an account passes, and what hears of its failures."""

    pace: "Permits"
    lock: "Permits"
    day: "Permits | None" = None
    open: bool = False

    async def permit(self) -> None:
        """Wait for a request's turn; Refused as long as the gate is shut, Limited where the turn is far off."""
        if not self.open:
            await self._unlocked()
        try:
            if self.day is not None:
                await self.day.take()
            await self.pace.take()
        except Limited as error:
            words = _("сейчас не наша очередь: сервер просил подождать или им заняты другие программы")
            raise Limited(words, after_ms=error.after_ms) from None

    async def _unlocked(self) -> None:
        try:
            await self.lock.take()
        except Limited as error:
            minutes = max(1, round((error.after_ms or SHUT_MS) / MINUTE_MS))
            words = _("сервер не принял имя и пароль; сами попробуем снова через {minutes} мин.", minutes=minutes)
            raise Refused(words, hint=_("исправьте пароль, тогда сразу: identsync calendar resume")) from None
        self.open = True

    async def heard(self, error: IdentsyncError) -> None:
        """Let nobody ask before an account wants to be asked again."""
        if isinstance(error, Refused) and not isinstance(error, Barred):
            self.open = False
            await self.lock.postpone(SHUT_MS)
        elif isinstance(error, Limited):
            await self.pace.postpone(MINUTE_MS if error.after_ms is None else error.after_ms)
        elif isinstance(error, Unavailable) and error.after_ms is not None:
            await self.pace.postpone(error.after_ms)


async def gate(
    run: "Run", stack: "AsyncExitStack", name: str, destination: "CalendarDestination", whose: int, mark: str
) -> Gate:
    """Open the gate of an account in a run; ``mark`` is mark_of() what it is entered with."""
    pace = Channel(_channel(name, f"/{whose}" if whose else ""), destination.pace, max(2, round(destination.pace)))
    lock = Channel(_channel(name, f"/{whose}-{mark}"), _WIDE, _WIDE)
    return Gate(
        await stack.enter_async_context(run.permits(pace)),
        await stack.enter_async_context(run.permits(lock, need=1, patience_ms=1_000)),
        await _quota(run, stack, name, destination.day_quota),
    )


async def _quota(run: "Run", stack: "AsyncExitStack", name: str, quota: int) -> "Permits | None":
    """A tenth of the day's quota may go at once, the rest evenly: the whole is never exceeded in any day."""
    if not quota:
        return None
    burst = max(1, quota // 10)
    channel = Channel(_channel(name, _DAY), max(1, quota - burst) / DAY_S, burst)
    return await stack.enter_async_context(run.permits(channel))


def mark_of(login: str, password: str) -> str:
    """Return what tells one password of an account from another, nearly always."""
    return hashlib.sha256(f"{login}\0{password}".encode()).hexdigest()[:2]


def release(connection: Connection, name: str) -> None:
    """Open all gates of a destination now: a person has mended something, or wants to know."""
    channel, stream = rate_slot.c.channel, stream_of(name)
    ours = or_(channel == stream, channel.startswith(f"{stream}/", autoescape=True))
    connection.execute(update(rate_slot).where(ours, channel != f"{stream}{_DAY}").values(tat_ms=0))


def _channel(name: str, suffix: str) -> str:
    return stream_of(name)[: _NAME - len(suffix)] + suffix
