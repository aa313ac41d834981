"""Where calls come from in the tests of a session: the demo's PBX, or a real Asterisk that IDENTSYNC_TEST_AMI names.

For a real one, ``host:port:user:secret`` of an account with ``read = system,call`` and ``write = originate,call,
reporting``, and these lines in extensions.conf::

    [phones]
    exten => 101,1,Answer()
     same => n,Echo()
    exten => 102,1,Wait(30)
    [incoming]
    exten => s,1,Dial(Local/101@phones,10)
    exten => missed,1,Dial(Local/102@phones,2)
    [outgoing]
    exten => _X.,1,Dial(Local/${EXTEN}@pstn,20)
    [pstn]
    exten => _X.,1,Answer()
     same => n,Wait(3)
"""

import asyncio
import os
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from identsync.demo.pbx.peer import USER
from identsync.demo.pbx.process import PbxProcess
from identsync.integrations.telephony.call import Call, Command, Exchange
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import asterisk
from identsync.integrations.telephony.wire.ami_login import logged_in

REAL = "IDENTSYNC_TEST_AMI"
SECRET = "IDENTSYNC_TEST_AMI_KEY"
PATIENCE_S = 30.0


async def permit() -> None:
    """Let everything through."""


def line(port: int, **changes: Any) -> Line:
    """Settings of the demo's PBX; its key is in SECRET."""
    usual = {"kind": "asterisk", "host": "127.0.0.1", "port": port, "user": USER, "password": f"env:{SECRET}"}
    return Line(**{**usual, "ring": 1_500, "timeout": 5_000, **changes})


def command(extension: str = "101", to: str = "+79161234567") -> Command:
    """An order with a token of its own."""
    return Command(secrets.token_hex(16), extension, to)


async def done(function: Callable[..., Any], *args: Any, **named: Any) -> Any:
    """Ask the PBX's back door, which blocks, beside the loop."""
    return await asyncio.to_thread(function, *args, **named)


class Ear:
    """Writes down what it is told, as the room does; a call that is over never comes back."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.told: list[Call] = []
        self.open: set[str] = set()
        self.wholes = 0
        self.fails = 0  # times that writing down will fail
        self.free = asyncio.Event()  # cleared: writing down takes until it is set
        self.free.set()
        self._news = asyncio.Event()

    async def __call__(self, calls: Sequence[Call], whole: bool) -> None:
        await self.free.wait()
        if self.fails:
            self.fails -= 1
            raise OSError("the database is away")
        for call in calls:
            before = self.calls.get(call.key)
            assert before is None or before.ended_ms is None or call.ended_ms is not None, f"{call.key} came back"
            self.calls[call.key] = call
            self.told.append(call)
            (self.open.discard if call.ended_ms is not None else self.open.add)(call.key)
        if whole:
            self.open &= {call.key for call in calls}
            self.wholes += 1
        self._news.set()

    async def until(self, fits: Callable[["Ear"], Any]) -> Any:
        """Wait until something is so, and return it."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := fits(self)):
                self._news.clear()
                await self._news.wait()
        return found

    async def call(self, key: str, fits: Callable[[Call], Any]) -> Call:
        """Wait until a call is so."""
        await self.until(lambda ear: key in ear.calls and fits(ear.calls[key]))
        return self.calls[key]

    async def synchronised(self, wholes: int = 1) -> None:
        """Wait until all that goes on has been told so many times."""
        await self.until(lambda ear: ear.wholes >= wholes)


class Listening:
    """An exchange that listens to an ear; ``ended`` is what its connection ended with."""

    def __init__(self, settings: Line) -> None:
        self.exchange: Exchange = asterisk.open(settings, permit)
        self.ear = Ear()
        self._task: asyncio.Task[None] | None = None

    async def again(self) -> None:
        """Listen, once more where a connection has ended."""
        wholes = self.ear.wholes
        self._task = asyncio.create_task(self.exchange.listen(self.ear))
        synchronised = asyncio.create_task(self.ear.synchronised(wholes + 1))
        await asyncio.wait({self._task, synchronised}, return_when=asyncio.FIRST_COMPLETED)
        synchronised.cancel()
        if self._task.done():
            await self._task

    async def ended(self) -> Exception:
        """Wait for the end of the connection and return why."""
        assert self._task is not None
        async with asyncio.timeout(PATIENCE_S):
            (ended,) = await asyncio.gather(self._task, return_exceptions=True)
        assert isinstance(ended, Exception)
        return ended

    async def __aenter__(self) -> "Listening":
        await self.exchange.__aenter__()
        await self.again()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.exchange.__aexit__(None, None, None)


class DemoStreet:
    """Calls staged by the demo's PBX."""

    def __init__(self, pbx: PbxProcess) -> None:
        self.pbx = pbx
        self.line = line(pbx.ami)

    async def calls(self, phone: str, *, answered: bool) -> None:
        """Somebody calls 101 or, in vain, 102, and hangs up after a short talk."""
        who = "101" if answered else "102"
        behaves = {"mood": "answers", "talk_s": 0.2} if answered else {"mood": "silent"}
        await done(self.pbx.phones, **{who: behaves})
        await done(self.pbx.call, phone, [who], ring_s=0.3)

    async def behave(self) -> None:
        """101 answers, 102 does not, whoever is called outside answers."""
        await done(self.pbx.phones, **{"101": {"mood": "answers"}, "102": {"mood": "silent"}})
        await done(self.pbx.people, anyone={"mood": "answers", "talk_s": 0.2})


class RealStreet:
    """Calls staged by Originate on a real Asterisk."""

    def __init__(self, where: str) -> None:
        host, port, user, key = where.split(":", 3)
        os.environ[SECRET] = key
        self.line = line(int(port), host=host, user=user, channel="Local/{extension}@phones", context="outgoing")

    async def calls(self, phone: str, *, answered: bool) -> None:
        """A Local channel calls in."""
        session = await logged_in(self.line, lambda _message: None, "off")
        channel = "Local/s@incoming" if answered else "Local/missed@incoming"
        fields = [("Channel", channel), ("Application", "Wait"), ("Data", "2"), ("CallerID", f"<{phone}>")]
        await session.ask("Originate", *fields, ("Async", "true"))
        await session.leave()

    async def behave(self) -> None:
        """The dial plan does."""
