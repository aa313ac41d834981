"""Asterisk by its manager interface (facts: telephony.md 1): who is calling, calls in one click, recordings.

One connection serves everything: ``listen`` makes it and tells of the calls, ``dial`` uses it. After each connection,
and once in a while, all channels are asked for, since the interface repeats nothing. In manager.conf the account needs
``read = system,call`` and ``write = originate,call,reporting``.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from identsync.errors import Unexpected
from identsync.flows.flaw import Flaw
from identsync.flows.intake import Window
from identsync.flows.sending import Verdict
from identsync.integrations.telephony.call import Abilities, Audio, Call, Command, Exchange, Permit, Told, computers_ms
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import ami_recording
from identsync.integrations.telephony.wire import ami_words as words
from identsync.integrations.telephony.wire.ami import Event, Message
from identsync.integrations.telephony.wire.ami_calls import Calls
from identsync.integrations.telephony.wire.ami_dial import Orders, unconnected
from identsync.integrations.telephony.wire.ami_login import ended, forbidden, logged_in
from identsync.integrations.telephony.wire.ami_session import NoAnswer, NotSent, Session, is_good
from identsync.language import _

ABILITIES = Abilities(live=True, click=True, history=False, recordings=True, words=words.LIVE_ONLY)
RATE = 10.0
EVENTS = "call,system"
BOOT_S = 2.0
RESYNC_S = 300.0
LISTS = 3  # tries for a complete list of channels
MOST_WAITING = 5_000  # changed calls that wait to be written down; then nothing more is read
MOST_UNTOLD = 50_000  # calls that are kept while they cannot be written down at all; then the oldest are given up
MOST_ASKED = 200  # channels asked for their recording after a connection
NEEDED = ("Originate", "CoreShowChannels", "Getvar")


def open(line: Line, permit: Permit) -> Exchange:
    """Make the PBX; nothing is connected yet."""
    return Asterisk(line, permit)


class Asterisk:
    """An Asterisk as a PBX of the clinic."""

    def __init__(self, line: Line, permit: Permit) -> None:
        self._line, self._permit = line, permit
        self._calls = Calls(line.inside)
        self._orders = Orders(line, self._calls)
        self._session: Session | None = None
        self._untold: list[Call] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._listed: asyncio.Future[bool] | None = None
        self._booted = asyncio.Event()
        self.clock = computers_ms

    async def __aenter__(self) -> Self:
        """Get ready; nothing is connected."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection where there is one."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            self._session.close()

    # ---- what goes on

    async def listen(self, told: Told) -> None:
        """Tell of the calls over one connection until it ends; see ``Exchange``."""
        self._booted.clear()
        session = await logged_in(self._line, self._heard, EVENTS)
        try:
            await self._boot()
            await self._synchronise(session, told)
            self._session = session
            self._later(self._find_recordings(session))
            await self._tell(session, told)
        finally:
            self._session = None
            session.close()

    async def _boot(self) -> None:
        """Wait a little for the word that Asterisk has started; an account without the class `system` never gets it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(BOOT_S):
                await self._booted.wait()
        self._booted.clear()

    async def _tell(self, session: Session, told: Told) -> None:
        """Tell of what changes; ask for everything once in a while and when the PBX says that it has started."""
        loop = asyncio.get_running_loop()
        due = loop.time() + RESYNC_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await session.fed.wait()
            session.fed.clear()
            await self._tell_changed(told)
            session.pause(paused=False)
            if not session.connected:
                raise ended(session)
            if self._booted.is_set() or loop.time() >= due:
                self._booted.clear()
                await self._synchronise(session, told)
                due = loop.time() + RESYNC_S

    async def _synchronise(self, session: Session, told: Told) -> None:
        """Ask for every channel, tell of calls that have ended meanwhile, then of all that go on."""
        for _attempt in range(LISTS):
            if await self._list(session):
                break
        await self._tell_changed(told)
        await told(self._calls.ongoing(), True)

    async def _tell_changed(self, told: Told) -> None:
        """Tell of what has changed; what could not be written down is told again, a call that is over above all."""
        self._untold = [*self._untold, *self._calls.drain()][-MOST_UNTOLD:]
        if self._untold:
            await told(self._untold, False)
            self._untold = []

    async def _list(self, session: Session) -> bool:
        """Have every channel listed; False where the list came incomplete."""
        await self._permit()
        listed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._listed = listed
        self._calls.expect_list()
        try:
            answer = await session.ask("CoreShowChannels")
        except (NotSent, NoAnswer):
            raise ended(session) from None
        if not is_good(answer):
            raise forbidden("CoreShowChannels", answer)
        either: set[asyncio.Future[Any]] = {listed, session.closed}
        await asyncio.wait(either, timeout=self._line.timeout / 1000, return_when=asyncio.FIRST_COMPLETED)
        if not listed.done():
            raise ended(session)
        return listed.result()

    def _heard(self, message: Message) -> None:
        now_ms = self.clock()
        self._calls.take(message, now_ms)
        match message.event:
            case Event.ORIGINATED:
                self._orders.told(message)
            case Event.RECORDING:
                self._later(self._find_recording(message.get(b"Uniqueid"), message.get(b"Channel")))
            case Event.CHANNELS_COMPLETE:
                self._list_ended(message, now_ms)
            case Event.BOOTED:
                self._booted.set()
        if self._calls.waiting > MOST_WAITING and self._session is not None:
            self._session.pause(paused=True)

    def _list_ended(self, message: Message, now_ms: int) -> None:
        count = message.get(b"ListItems")
        is_whole = self._calls.list_complete(int(count) if count.isdecimal() else 0, now_ms)
        if self._listed is not None and not self._listed.done():
            self._listed.set_result(is_whole)

    # ---- calls in one click

    async def dial(self, command: Command) -> Verdict:
        """Have Asterisk call the employee's phone, then the number; the verdict is OriginateResponse's."""
        flaw = self._orders.flaw(command)
        if flaw is not None:
            return flaw
        if self._session is None:
            raise unconnected()
        await self._permit()
        session = self._session  # it may have gone while we waited
        if session is None:
            raise unconnected()
        return self._orders.flaw(command) or await self._orders.give(session, command)

    # ---- recordings and history

    async def recording(self, reference: str) -> Audio:
        """Read a recording from where the clinic shares them."""
        if self._line.recordings is None:
            raise Unexpected(_("в настройках линии не сказано, где лежат записи (recordings)"))
        return await ami_recording.fetch(self._line.recordings, reference)

    async def fetch(self, window: Window, limit: int, offset: int) -> object:
        """Asterisk's manager interface has no history."""
        raise NotImplementedError

    def parse(self, raw: object) -> Call | list[Flaw]:
        """Asterisk's manager interface has no history."""
        raise NotImplementedError

    async def _find_recordings(self, session: Session) -> None:
        """Ask where calls are recorded that were there before us."""
        for leg_id, channel in self._calls.unrecorded()[:MOST_ASKED]:
            if session.connected:
                await self._find_recording(leg_id, channel)

    async def _find_recording(self, leg_id: str, channel: str) -> None:
        """Ask a channel for the file it is recorded to: the event does not say it."""
        trail, session = self._calls.trail_of(leg_id), self._session
        if trail is None or session is None or not channel:
            return
        try:
            answer = await session.ask("Getvar", ("Channel", channel), ("Variable", ami_recording.VARIABLE))
        except (NotSent, NoAnswer, ValueError):
            return
        path = answer.get(b"Value")
        if is_good(answer) and path and (found := ami_recording.reference(path, trail.start_ms)):
            self._calls.recorded(trail, found)
            session.fed.set()

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- trying it

    async def check(self) -> None:
        """Log in on a connection of its own and ask what this account may do."""
        session = await logged_in(self._line, _ignored, "off")
        try:
            may = await session.ask("ListCommands")
        except (NotSent, NoAnswer):
            raise ended(session) from None
        finally:
            await session.leave()
        for action in NEEDED:
            if is_good(may) and not may.get(action.encode()):
                raise forbidden(action, may)


def _ignored(_message: Message) -> None:
    """Hear nothing."""
