"""The back door over HTTP: it stages calls, misbehaves when told, and says what has happened."""

import asyncio
import base64
from typing import Any

import msgspec
import orjson

from identsync.demo import serving
from identsync.demo.pbx.alive import Alive, Life
from identsync.demo.pbx.house import House, Phone
from identsync.demo.pbx.peer import Account, Exchange


class Stage:
    """What the back door can do; every method runs in the PBX's loop."""

    def __init__(self, house: House, exchange: Exchange, loop: asyncio.AbstractEventLoop) -> None:
        self.house, self.exchange, self.loop = house, exchange, loop
        self.alive = Alive(house)

    async def done(self, what: str, body: Any) -> Any:
        """Do one thing."""
        does = getattr(self, what.lower().replace(" ", "_"), None)
        if does is None or what.startswith("_"):
            raise KeyError(what)
        answer = does(**(body or {}))
        return await answer if asyncio.iscoroutine(answer) else answer

    # ---- staging

    def post_calls(self, phone: str, line: str, to: list[str], name: str = "", **how: Any) -> dict[str, str]:
        """Let somebody call: queue, ring_s; ``name`` is base64, since a caller's name may be any bytes."""
        how["name"] = base64.b64decode(name).decode("utf-8", "surrogateescape")
        return {"key": self.house.incoming(phone, line, to, **how).key}

    def post_outgoing(self, extension: str, number: str, ring_s: float = 0.0) -> dict[str, str]:
        """Let an employee dial by hand."""
        return {"key": self.house.outgoing(extension, number, ring_s).key}

    def post_answer(self, key: str, extension: str = "") -> None:
        """Let a phone, or the number outside, be answered."""
        self.house.answer(key, extension)

    def post_hangup(self, key: str, by: str = "caller") -> None:
        """End a call: by caller, employee, timeout, busy, failed."""
        self.house.call(key).hang_up(by)

    def post_transfer(self, key: str, to: str, ring_s: float = 0.0) -> None:
        """Hand a caller on without a word."""
        self.house.call(key).blind(to, ring_s)

    def post_consult(self, key: str, to: str) -> dict[str, str]:
        """Let the employee ask a colleague on a second line."""
        return {"key": self.house.call(key).consult(to).key}

    def post_complete(self, key: str, asked: str) -> None:
        """Connect the caller with the colleague who was asked."""
        self.house.call(key).complete(self.house.call(asked))

    def post_park(self, key: str) -> None:
        """Park a caller."""
        self.house.call(key).park()

    def post_take(self, key: str, extension: str) -> None:
        """Let a phone take a parked caller."""
        self.house.call(key).take(extension)

    def post_phones(self, **phones: Any) -> None:
        """Say how phones inside behave, see ``Phone``; by their extension."""
        self.house.phones |= msgspec.convert(phones, dict[str, Phone])

    def post_people(self, anyone: Any = None, **people: Any) -> None:
        """Say how numbers outside behave; ``anyone`` all others."""
        self.house.people |= msgspec.convert(people, dict[str, Phone])
        if anyone is not None:
            self.house.anyone = msgspec.convert(anyone, Phone)

    def post_alive(self, **life: Any) -> None:
        """Let people call by themselves, see ``Life``; without numbers they stop."""
        self.alive.live(msgspec.convert(life, Life))

    # ---- misbehaving

    def post_burst(self, calls: int, to: list[str]) -> None:
        """Let so many calls come, be answered and end, without a pause."""
        for number in range(calls):
            call = self.house.incoming(f"7916{number:07}", "74951234567", to)
            call.answer(to[0])
            call.hang_up("caller")

    def post_raw(self, data: str) -> None:
        """Send bytes (base64) to every session."""
        self.house.board.raw("call", base64.b64decode(data))

    def post_account(self, **account: Any) -> None:
        """Change manager.conf and how the PBX misbehaves, see ``Account``; ``mute``: no OriginateResponse."""
        self.house.mute = account.pop("mute", False)
        self.exchange.account = msgspec.convert(account, Account)

    def post_cut(self) -> None:
        """Break every connection; calls go on."""
        self.exchange.cut()

    async def post_restart(self, down_s: float = 0.0) -> None:
        """Lose every call, be away for a while, come back."""
        await self.exchange.restart(down_s)

    def delete_faults(self) -> None:
        """Behave again, hang everything up, forget what was counted."""
        self.alive.live(Life())
        self.exchange.account = Account()
        for call in list(self.house.calls.values()):
            call.hang_up("caller")
        self.house.forget()
        for kept in (self.exchange.asked, self.house.orders, self.house.board.cdrs, self.house.board.counts):
            kept.clear()

    # ---- telling

    def get_books(self) -> dict[str, Any]:
        """Tell the AMI's port, sessions, channels, calls, counts."""
        board = self.house.board
        return {
            "ami": self.exchange.port,
            "sessions": len(board.hear),
            "channels": len(board.channels),
            "calls": list(self.house.calls),
            "counts": dict(board.counts),
        }

    def get_orders(self) -> Any:
        """Tell every call that was ordered, in order."""
        return msgspec.to_builtins(self.house.orders)

    def get_cdrs(self) -> Any:
        """Tell every call record."""
        return self.house.board.cdrs

    def get_asked(self) -> Any:
        """Tell every action that came."""
        return self.exchange.asked


class Handler(serving.Handler[Stage]):
    """One request to the back door; there is nothing else here."""

    door, door_key = "/_pbx/", "X-Pbx-Key"
    longest = 16 << 20

    def ordered(self, what: str, body: bytes) -> Any:
        """Do it in the PBX's loop."""
        stage = self.server.desk
        return asyncio.run_coroutine_threadsafe(
            stage.done(what, orjson.loads(body) if body else None), stage.loop
        ).result(30)
