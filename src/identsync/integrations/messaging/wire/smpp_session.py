"""One SMPP session: a bound connection, its window, its heartbeat, and what is certain when it breaks.

Requests are collected and written together once the loop has run what is ready; ``NotSent`` is raised for what was
still waiting to be written when the connection broke, ``NoAnswer`` for what may have arrived.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, cast

from identsync.integrations.messaging.wire.smpp_pdu import (
    LAST_SEQUENCE,
    RESPONSE,
    Command,
    Frames,
    Malformed,
    Pdu,
    Status,
    bind,
    pack,
)

HEARTBEAT_S = 30.0
LEAVE_S = 2.0
MOST_WAITING = 500
"""Pushed PDUs that may wait to be written down; then nothing more is read."""
SILENT = (Command.GENERIC_NACK, Command.OUTBIND, Command.ALERT_NOTIFICATION)  # requests that nobody answers


class NotSent(Exception):
    """The connection was gone before a byte of the request was written."""


class NoAnswer(Exception):
    """No answer came in time, or the connection broke: the request may have arrived."""


class Answer(NamedTuple):
    """A response: its status and its body."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Peer:
    """Where and as whom: seconds; ``context`` None = without TLS."""

    host: str
    port: int
    system_id: str
    password: str
    system_type: str
    timeout_s: float
    context: ssl.SSLContext | None


class _Request:
    __slots__ = ("answered", "deadline", "late", "written")

    def __init__(self, answered: "asyncio.Future[Answer]", deadline: float, late: Callable[[Answer], None] | None):
        self.answered = answered
        self.deadline = deadline
        self.late = late
        self.written = False


Take = Callable[[list[Pdu]], Awaitable[None]]
"""Writes pushed PDUs down; they are acknowledged only after it has returned."""


class Session(asyncio.Protocol):
    """A connection to an SMSC; ``connect`` makes and binds one."""

    def __init__(self, take: Take, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._take, self._timeout_s = take, timeout_s
        self._frames = Frames()
        self._requests: dict[int, _Request] = {}
        self._late: dict[int, Callable[[Answer], None]] = {}
        self._out: list[bytes] = []
        self._unwritten: list[_Request] = []
        self._pushed: list[Pdu] = []
        self._taking: asyncio.Task[None] | None = None
        self._paused = False
        self._sequence = 0
        self._transport: asyncio.Transport | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._beating: asyncio.Future[Answer] | None = None
        self._read_at = self._loop.time()
        self.pushed_at = self._read_at
        self.trouble: Exception | None = None

    @property
    def connected(self) -> bool:
        """Whether the connection still stands, as far as is known on this side."""
        return self._transport is not None and not self._transport.is_closing()

    # ---- requests

    def ask(
        self, command: int, body: bytes = b"", late: Callable[[Answer], None] | None = None
    ) -> "asyncio.Future[Answer]":
        """Send a request; its answer, or NotSent or NoAnswer, comes by the future, and too late by ``late``."""
        answered: asyncio.Future[Answer] = self._loop.create_future()
        if not self.connected:
            answered.set_exception(NotSent())
            return answered
        self._sequence = sequence = self._sequence % LAST_SEQUENCE + 1
        request = _Request(answered, self._loop.time() + self._timeout_s, late)
        self._requests[sequence] = request
        self._unwritten.append(request)
        self._put(pack(command, sequence, body))
        return answered

    async def leave(self) -> None:
        """Have what was pushed written down, unbind and close; each with a short patience."""
        if self._taking is not None:
            await asyncio.wait({self._taking}, timeout=LEAVE_S)
        if self.connected:
            unbound = self.ask(Command.UNBIND)
            await asyncio.wait({unbound}, timeout=LEAVE_S)
            unbound.cancelled() or (unbound.done() and unbound.exception())
        self.close()
        await asyncio.wait({self._closed}, timeout=LEAVE_S)

    def close(self) -> None:
        """Close; what has no answer yet never gets one."""
        if self._transport is not None:
            self._transport.abort()

    async def quiet(self, quiet_s: float) -> None:
        """Wait until nothing was pushed for so long and all is written down, or the connection is gone."""
        until = self._loop.time() + quiet_s
        while not self._closed.done():
            if self._taking is not None:
                await asyncio.wait({self._taking, self._closed}, return_when=asyncio.FIRST_COMPLETED)
                continue
            left = max(until, self.pushed_at + quiet_s) - self._loop.time()
            if left <= 0:
                return
            await asyncio.wait({self._closed}, timeout=left)

    # ---- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        self._tick()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self._read_at = self._loop.time()
        try:
            for pdu in self._frames.feed(data):
                self._got(pdu)
        except Malformed:
            self._put(pack(Command.GENERIC_NACK, 0, status=Status.INVALID_LENGTH))
            self._flush()
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  how it broke does not matter
        """Tell everybody who waits what is certain."""
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._requests = self._requests, {}
        for request in waiting.values():
            _fail(request.answered, NoAnswer() if request.written else NotSent())
        self._out.clear()
        self._unwritten.clear()
        if not self._closed.done():
            self._closed.set_result(None)

    # ---- inside

    def _put(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        if not self._out or self._transport is None or not self.connected:
            return
        for request in self._unwritten:
            request.written = True
        self._unwritten.clear()
        data = b"".join(self._out)
        self._out.clear()
        self._transport.write(data)

    def _got(self, pdu: Pdu) -> None:
        if pdu.command >= RESPONSE:
            self._answered(pdu)
        elif pdu.command == Command.DELIVER_SM:
            self._push(pdu)
        elif pdu.command in (Command.ENQUIRE_LINK, Command.UNBIND):
            self._put(pack(pdu.command | RESPONSE, pdu.sequence))
            if pdu.command == Command.UNBIND:
                self._flush()
                if self._transport is not None:
                    self._transport.close()  # the response still goes out
        elif pdu.command not in SILENT:
            self._put(pack(Command.GENERIC_NACK, pdu.sequence, status=Status.INVALID_COMMAND))

    def _answered(self, pdu: Pdu) -> None:
        request = self._requests.pop(pdu.sequence, None)
        answer = Answer(pdu.status, pdu.body)
        if request is None:
            late = self._late.pop(pdu.sequence, None)
            if late is not None:
                late(answer)
        elif not request.answered.done():
            request.answered.set_result(answer)
        elif request.late is not None:
            request.late(answer)

    def _push(self, pdu: Pdu) -> None:
        self._pushed.append(pdu)
        self.pushed_at = self._read_at
        if self._taking is None:
            self._taking = self._loop.create_task(self._take_all())
        if len(self._pushed) >= MOST_WAITING and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    async def _take_all(self) -> None:
        """Have pushed PDUs written down, portion by portion, and only then say so to the other side."""
        try:
            while self._pushed:
                portion, self._pushed = self._pushed, []
                status = await self._written_down(portion)
                for pdu in portion:
                    self._put(pack(Command.DELIVER_SM | RESPONSE, pdu.sequence, b"\0", status))
                self._resume()
        finally:
            self._taking = None
            self.pushed_at = self._loop.time()

    async def _written_down(self, portion: list[Pdu]) -> Status:
        try:
            await self._take(portion)
        except Exception as error:  # whoever listens hears of it; the other side keeps what it has
            self.trouble = error
            return Status.TRY_LATER
        self.trouble = None
        return Status.OK

    def _resume(self) -> None:
        if self._paused and self._transport is not None and self.connected:
            self._paused = False
            self._transport.resume_reading()

    def _tick(self) -> None:
        """Look once in a while for what has waited too long, and whether the other side is still there."""
        now = self._loop.time()
        for sequence, request in list(self._requests.items()):
            if request.deadline > now:
                break  # the others were asked later
            del self._requests[sequence]
            if request.late is not None:
                self._late[sequence] = request.late
            _fail(request.answered, NoAnswer())
        if self._beating is None and not self._paused and now - self._read_at >= HEARTBEAT_S:
            self._beating = self.ask(Command.ENQUIRE_LINK)
            self._beating.add_done_callback(self._beaten)
        if self.connected:
            self._timer = self._loop.call_later(min(1.0, self._timeout_s / 4), self._tick)

    def _beaten(self, beating: "asyncio.Future[Answer]") -> None:
        self._beating = None
        if not beating.cancelled() and beating.exception() is not None:
            self.close()


def _fail(answered: "asyncio.Future[Answer]", error: Exception) -> None:
    if not answered.done():
        answered.set_exception(error)
        answered.exception()  # whoever waits gets it; nobody need


async def connect(peer: Peer, take: Take) -> tuple[Session, Answer]:
    """Connect and ask to be bound; OSError, NotSent or NoAnswer where that is not answered, else the answer."""
    loop = asyncio.get_running_loop()
    body = bind(peer.system_id, peer.password, peer.system_type)
    async with asyncio.timeout(peer.timeout_s):
        name = peer.host if peer.context is not None else None
        _transport, session = await loop.create_connection(
            lambda: Session(take, peer.timeout_s), peer.host, peer.port, ssl=peer.context, server_hostname=name
        )
    try:
        return session, await session.ask(Command.BIND_TRANSCEIVER, body)
    except BaseException:
        session.close()
        with suppress(Exception):
            await asyncio.wait({session._closed}, timeout=LEAVE_S)
        raise
