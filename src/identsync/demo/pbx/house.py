"""The clinic's PBX as a whole: its phones, the people outside, the calls that go on, and calls that were ordered."""

import random
import time
import wave
from array import array
from collections.abc import Callable
from math import pi, sin
from pathlib import Path
from typing import Literal

import msgspec

from identsync.demo.pbx.board import Board
from identsync.demo.pbx.call import TRUNK, Call
from identsync.demo.pbx.channel import DOWN, RING, UP, Channel

Mood = Literal["manual", "answers", "silent", "busy", "dead"]
"""manual: rings until the back door says more; silent: rings until its time is up; dead: not connected at all."""
RATE = 8_000
MOST_RECORDED_S = 20


class Phone(msgspec.Struct, forbid_unknown_fields=True):
    """A phone inside, or somebody outside: what happens when it rings; a talk ends after ``talk_s``, 0 = never."""

    mood: Mood = "manual"
    name: str = ""
    after_s: float = 0.0
    talk_s: float = 0.0


class Order(msgspec.Struct):
    """A call that was ordered by Originate."""

    channel: str
    context: str
    exten: str
    number: str
    title: str
    timeout_s: float
    channel_id: str
    action_id: str


class House:
    """One PBX; use it in its event loop."""

    def __init__(self, seed: int = 1) -> None:
        self.board = Board()
        self.random = random.Random(seed)
        self.calls: dict[str, Call] = {}
        self.orders: list[Order] = []
        self.recordings: Path | None = None
        self.mute = False  # orders get no OriginateResponse
        self.forget()

    def forget(self) -> None:
        """Put phones and people back to where they were at the start."""
        self.phones = {"101": Phone(name="Registratura"), "102": Phone()}
        self.people: dict[str, Phone] = {}
        self.anyone = Phone()  # outside
        self.mute = False
        self.takes_orders_s = 0.0  # seconds until an employee takes his phone for a call he ordered; 0 = as it is told

    def phone(self, extension: str) -> Phone:
        """Return a phone inside; those that nobody named are not connected."""
        return self.phones.get(extension) or Phone(mood="dead")

    def is_outside(self, channel: Channel) -> bool:
        """Tell whether a leg leads outside."""
        return channel.device == TRUNK

    def call(self, key: str) -> Call:
        """Return a call that goes on; KeyError where there is none."""
        return self.calls[key]

    # ---- calls

    def incoming(
        self, phone: str, line: str, to: list[str], *, name: str = "", queue: bool = False, ring_s: float = 0.0
    ) -> Call:
        """Let somebody call; '' = a hidden number. A queue answers at once and plays music."""
        trunk = self.board.new(TRUNK, RING, number=phone, title=name, context="incoming", exten=line)
        trunk.application = "Queue" if queue else "Dial"
        call = Call(self, trunk)
        if queue:
            self.board.state(trunk, UP)
        self.record(trunk)
        trunk.priority = 2
        call.ring(to, ring_s)
        return call

    def outgoing(self, extension: str, number: str, ring_s: float = 0.0) -> Call:
        """Let an employee dial by hand."""
        known = {"number": extension, "title": self.phone(extension).name, "exten": number, "application": "Dial"}
        desk = self.board.new(f"PJSIP/{extension}", RING, **known)
        call = Call(self, desk)
        if len(number) <= 4:
            call.ring([number], ring_s)
        else:
            self.record(desk)
            call.dial_out(number, ring_s)
        return call

    def order(self, order: Order) -> None:
        """Do what Originate asked for: the employee's phone first."""
        self.orders.append(order)
        extension = order.channel.rpartition("/")[2].partition("@")[0]
        phone = self.phone(extension)
        is_taken = any(each.uniqueid == order.channel_id for each in self.board.channels.values())
        if phone.mood == "dead" or is_taken:
            self._told(order, None, 0)
            return
        known = {"number": extension if phone.name else "", "title": phone.name, "context": order.context}
        leg = self.board.new(order.channel, DOWN, uniqueid=order.channel_id, **known)
        if order.number:
            self.board.call_id(leg, order.number, order.title)
            self.board.connected(leg, order.number, order.title)
        call = Call(self, leg)
        self.board.dial_begins(None, leg, extension)
        self.board.rings(None, leg, early=phone.mood == "answers")
        call.ringing[extension] = leg
        answered, failed = self._ordered(call, order)
        call.on_answer, call.on_fail = answered, failed
        call.timers.append(self.board.later(order.timeout_s, lambda: failed(3, 19)))
        if phone.mood == "busy":
            call.timers.append(self.board.later(phone.after_s, lambda: failed(5, 17)))
        elif phone.mood == "answers" or (phone.mood == "manual" and self.takes_orders_s):
            call.timers.append(self.board.later(phone.after_s or self.takes_orders_s, answered))

    def _ordered(self, call: Call, order: Order) -> tuple[Callable[[], None], Callable[[int, int], None]]:
        board, leg = self.board, call.source

        def answered() -> None:
            call.clear_timers()
            call.ringing.clear()
            board.state(leg, UP)
            board.dial_ends(None, leg, "ANSWER")
            board.device(leg.device, "INUSE")
            self._told(order, leg, 4)
            leg.exten, leg.application, leg.data = order.exten, "Dial", f"PJSIP/{order.exten}@trunk"
            self.record(leg)
            leg.priority = 2
            call.dial_out(order.exten)

        def failed(reason: int, cause: int) -> None:
            call.ringing.clear()
            self._told(order, None, reason)
            board.hang_up(leg, cause, "480" if cause == 19 else "")
            board.cdr(leg, None, "NO ANSWER", "AppDial2", "s")
            call.over()

        return answered, failed

    def _told(self, order: Order, leg: Channel | None, reason: int) -> None:
        if self.mute:
            return
        fields = [("ActionID", order.action_id), ("Response", "Success" if leg is not None else "Failure")]
        fields += [("Channel", leg.name if leg is not None else order.channel), ("Context", order.context)]
        fields += [("Exten", order.exten), ("Reason", str(reason)), ("Uniqueid", order.channel_id or "<unknown>")]
        fields += [("CallerIDNum", order.number or "<unknown>"), ("CallerIDName", order.title or "<unknown>")]
        self.board.tell("OriginateResponse", fields)

    # ---- what people do by themselves

    def react(self, call: Call, extension: str, number: str = "") -> None:
        """Let a phone that rings do what it always does; '' = the number outside."""
        who = self.phone(extension) if extension else self.people.get(number, self.anyone)
        if who.mood == "answers":
            answer = (lambda: call.answer(extension)) if extension else call.answered_outside
            call.timers.append(self.board.later(who.after_s, answer))
        elif who.mood == "busy":
            call.timers.append(self.board.later(who.after_s, lambda: call.busy(extension)))

    def talks(self, call: Call) -> None:
        """Let a talk end by itself where those who talk are such."""
        extension = call.source.device.rpartition("/")[2]
        target = call.target.device.rpartition("/")[2] if call.target is not None else ""
        known = [self.phones.get(each) for each in (extension, target)]
        lasts = max([each.talk_s for each in known if each is not None] + [self.anyone.talk_s])
        if lasts:
            call.timers.append(self.board.later(lasts, lambda: call.hang_up("caller")))

    def answer(self, key: str, extension: str) -> None:
        """Let somebody answer: a phone, or (extension '') whoever is called outside."""
        call = self.call(key)
        if extension == "":
            call.answered_outside()
        elif call.on_answer is not None and call.ringing.get(extension) is call.source:
            call.on_answer()
        else:
            call.answer(extension)

    # ---- recordings

    def record(self, channel: Channel) -> None:
        """Record a call to a file named after it."""
        folder = self.recordings or Path("/var/spool/asterisk/monitor")
        name = f"{channel.exten}-{time.strftime('%Y%m%d-%H%M%S')}-{channel.uniqueid}.wav"
        channel.variables["MIXMONITOR_FILENAME"] = str(folder / time.strftime("%Y/%m/%d") / name)
        self.board.tell("MixMonitorStart", channel.snapshot())

    def recorded(self, call: Call) -> None:
        """Write the recording of a call that is over, if anybody talked: a tone as long as the talk."""
        file = call.source.variables.get("MIXMONITOR_FILENAME")
        if self.recordings is None or file is None or call.target is None or call.source.answered is None:
            return
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        seconds = min(max(time.time() - call.source.answered, 1.0), MOST_RECORDED_S)
        pitch = 2 * pi * self.random.choice((220, 262, 330, 392)) / RATE
        samples = array("h", (int(6_000 * sin(pitch * at)) for at in range(int(seconds * RATE))))
        with wave.open(str(path), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(RATE)
            sound.writeframes(samples.tobytes())

    def restart(self) -> None:
        """Lose every call without a word."""
        for call in list(self.calls.values()):
            call.clear_timers()
        self.calls.clear()
        self.board.start()
