"""One AMI connection: banner, login, actions and their answers, the heartbeat, and what is certain when it breaks."""

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from identsync.integrations.telephony.wire.ami import Malformed, Message, Messages, packet

PING_S = 10.0
DEAD_S = 25.0
"""Nothing was heard for so long, two pings among it: the other side is gone, whatever TCP says."""
LEAVE_S = 2.0
MOST_ACTIONS = 2_000  # without an answer at one time

Heard = Callable[[Message], None]


class NotSent(Exception):
    """The connection was gone before the action was written."""


class NoAnswer(Exception):
    """No answer came in time, or the connection broke: the action may have been done."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Where and as whom: seconds; ``context`` None = without TLS."""

    host: str
    port: int
    user: str
    password: str
    timeout_s: float
    context: ssl.SSLContext | None


class Session(asyncio.Protocol):
    """A connection to Asterisk; ``connect`` makes one, ``login`` opens it, ``heard`` gets every event that counts."""

    def __init__(self, heard: Heard, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard, self._timeout_s = heard, timeout_s
        self._messages = Messages()
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self._number = 0
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._read_at = self._loop.time()
        self._pinged_at = self._read_at
        self.greeted: asyncio.Future[str] = self._loop.create_future()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.fed = asyncio.Event()
        """Set when events have been heard; whoever looks clears it."""
        self.is_silent = False
        """The connection was given up because the other side said nothing."""
        self.is_strange = False
        """The other side does not speak AMI."""

    @property
    def connected(self) -> bool:
        """Whether the connection still stands, as far as is known on this side."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def left_out(self) -> int:
        """How many messages were too long to be read."""
        return self._messages.left_out

    async def ask(self, action: str, *fields: tuple[str, str], action_id: str = "") -> Message:
        """Send an action and return the response to it; Unsendable, NotSent or NoAnswer."""
        action_id = action_id or self._next()
        data = packet(action, [("ActionID", action_id), *fields])
        if self._transport is None or not self.connected or len(self._answers) >= MOST_ACTIONS:
            raise NotSent
        if action_id in self._answers:
            raise NotSent
        answer: asyncio.Future[Message] = self._loop.create_future()
        self._answers[action_id] = answer
        self._transport.write(data)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await answer
        except TimeoutError:
            raise NoAnswer from None
        finally:
            self._answers.pop(action_id, None)

    async def login(self, user: str, password: str, events: str) -> Message:
        """Log in without showing the password where the other side knows how; return its response, good or bad."""
        challenge = await self.ask("Challenge", ("AuthType", "MD5"))
        nonce = challenge.get(b"Challenge")
        if nonce:
            digest = hashlib.md5(f"{nonce}{password}".encode(), usedforsecurity=False).hexdigest()
            key = (("AuthType", "MD5"), ("Username", user), ("Key", digest))
            return await self.ask("Login", *key, ("Events", events))
        return await self.ask("Login", ("Username", user), ("Secret", password), ("Events", events))

    async def leave(self) -> None:
        """Say good-bye and close, with a short patience."""
        if self.connected:
            with suppress(NotSent, NoAnswer, TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await self.ask("Logoff")
        self.close()
        await asyncio.wait({self.closed}, timeout=LEAVE_S)

    def close(self) -> None:
        """Close; what has no answer yet never gets one."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self, *, paused: bool) -> None:
        """Read no more, or again."""
        if self._transport is None or not self.connected or paused is not self._transport.is_reading():
            return
        if paused:
            self._transport.pause_reading()
        else:
            self._read_at = self._loop.time()  # it was we who did not listen
            self._transport.resume_reading()

    # ---- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self._tick()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._read_at = self._loop.time()
        try:
            for message in self._messages.feed(data):
                if message.event is None:
                    self._answered(message)
                else:
                    self._heard(message)
                    self.fed.set()
        except Malformed:
            self.is_strange = True
            self.close()
            return
        if self._messages.version and not self.greeted.done():
            self.greeted.set_result(self._messages.version)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  how it broke does not matter
        """Tell everybody who waits what is certain."""
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._answers = self._answers, {}
        open_ones: list[asyncio.Future[Any]] = [*waiting.values(), self.greeted]
        for answer in open_ones:
            if not answer.done():
                answer.set_exception(Malformed() if self.is_strange else NoAnswer())
                answer.exception()  # whoever waits gets it; nobody need
        if not self.closed.done():
            self.closed.set_result(None)
        self.fed.set()

    # ---- inside

    def _next(self) -> str:
        self._number += 1
        return f"a{self._number}"

    def _answered(self, message: Message) -> None:
        answer = self._answers.get(message.get(b"ActionID"))
        if answer is not None and not answer.done():
            answer.set_result(message)

    def _tick(self) -> None:
        """Look once a second whether the other side is still there."""
        now = self._loop.time()
        if self._transport is not None and self._transport.is_reading():
            if now - self._read_at >= DEAD_S:
                self.is_silent = True
                self.close()
            elif self._messages.version and now - max(self._read_at, self._pinged_at) >= PING_S:
                self._pinged_at = now
                self._transport.write(packet("Ping", [("ActionID", "ping")]))
        if self.connected:
            self._timer = self._loop.call_later(min(1.0, PING_S / 4), self._tick)


async def connect(peer: Peer, heard: Heard) -> Session:
    """Connect and wait for the banner; OSError, TimeoutError, NoAnswer or Malformed where nobody greets."""
    loop = asyncio.get_running_loop()
    name = peer.host if peer.context is not None else None
    async with asyncio.timeout(peer.timeout_s):
        _transport, session = await loop.create_connection(
            lambda: Session(heard, peer.timeout_s), peer.host, peer.port, ssl=peer.context, server_hostname=name
        )
        try:
            await asyncio.shield(session.greeted)
        except BaseException:
            session.close()
            raise
    return session


def is_good(answer: Message) -> bool:
    """Tell whether a response says that it was done."""
    return answer.get(b"Response") == "Success"
