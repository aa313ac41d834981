"""One call as a person would tell it, played as a real Asterisk 20 plays it: the order of events is a real one."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from identsync.demo.pbx.channel import DOWN, RING, UP, Bridge, Channel

if TYPE_CHECKING:
    from identsync.demo.pbx.house import House

TRUNK = "PJSIP/trunk"


class Call:
    """``source`` began it, ``target`` has been reached; until then phones are ``ringing``."""

    def __init__(self, house: "House", source: Channel) -> None:
        self.house, self.board = house, house.board
        self.source = source
        self.key = source.linkedid
        self.target: Channel | None = None
        self.ringing: dict[str, Channel] = {}
        self.timers: list[asyncio.TimerHandle] = []
        self.others: list[Channel] = []  # phones that rang while another was picked up
        self.on_answer: Callable[[], None] | None = None  # of an ordered call, while the employee's phone rings
        self.on_fail: Callable[[int, int], None] | None = None
        self.parked = False
        house.calls[self.key] = self

    @property
    def talking(self) -> bool:
        """Whether two people hear each other."""
        return self.target is not None and self.target.bridge is not None

    def clear_timers(self) -> None:
        """Forget what was to happen by itself."""
        for timer in self.timers:
            timer.cancel()
        self.timers.clear()

    # ---- ringing

    def ring(self, extensions: list[str], ring_s: float = 0.0) -> None:
        """Call phones inside, all at once; ``ring_s`` 0 = for ever."""
        legs = {each: self._leg(each) for each in extensions if self.house.phone(each).mood != "dead"}
        for extension, leg in legs.items():
            self.board.dial_begins(self.source, leg, extension)
        if len(legs) == 1 and not self.house.phone(next(iter(legs))).name:
            self.board.connected(self.source, self.source.exten, "")
        for number, (extension, leg) in enumerate(legs.items()):
            self.ringing[extension] = leg
            self.board.rings(self.source, leg)
            if number == 0:
                self.board.device(self.source.device, "INUSE")
        for extension in extensions:
            self.house.react(self, extension)
        if not self.ringing:
            self._unreachable()
        elif ring_s:
            self.timers.append(self.board.later(ring_s, lambda: self.hang_up("timeout")))

    def _leg(self, extension: str) -> Channel:
        phone, source = self.house.phone(extension), self.source
        known = {"number": extension, "title": phone.name} if phone.name else {}
        leg = self.board.new(f"PJSIP/{extension}", DOWN, source.linkedid, **known)
        leg.exten = source.exten
        if not phone.name:
            self.board.call_id(leg, source.exten, "")
        self.board.connected(leg, source.number, source.title)
        return leg

    def _unreachable(self) -> None:
        self.board.request_hang_up(self.source, 20, soft=True)
        self.board.hang_up(self.source, 20)
        self.board.cdr(self.source, None, "FAILED", "Dial", self.source.exten)
        self.over()

    def answer(self, extension: str) -> None:
        """Let a phone be picked up; the others stop ringing."""
        leg, source, board = self.ringing.pop(extension), self.source, self.board
        self.clear_timers()
        board.state(leg, UP)
        board.connected(source, leg.number, leg.title)
        others = list(self.ringing.values())
        for other in others:
            board.dial_ends(source, other, "CANCEL")
        board.device(leg.device, "INUSE")
        for other in others:
            board.hang_up(other, 26)
        board.dial_ends(source, leg, "ANSWER")
        if source.state != UP:
            board.state(source, UP)
        board.bridge(leg, source)
        self.target, self.others = leg, others
        self.ringing.clear()
        self.house.talks(self)

    # ---- the number outside

    def dial_out(self, number: str, ring_s: float = 0.0) -> None:
        """Call a number outside through the trunk."""
        board, source = self.board, self.source
        trunk = board.new(TRUNK, DOWN, source.linkedid, context="incoming")
        trunk.exten = number
        board.call_id(trunk, number, source.title)
        board.connected(trunk, source.number, source.title)
        board.dial_begins(source, trunk, f"{number}@trunk")
        self.ringing[""] = trunk
        board.rings(source, trunk)
        self.house.react(self, "", number)
        if ring_s:
            self.timers.append(board.later(ring_s, lambda: self.hang_up("timeout")))

    def answered_outside(self) -> None:
        """Let whoever is called outside answer."""
        trunk, board = self.ringing.pop(""), self.board
        self.clear_timers()
        board.state(trunk, UP)
        board.device(TRUNK, "INUSE")
        board.dial_ends(self.source, trunk, "ANSWER")
        if self.source.state != UP:
            board.state(self.source, UP)
        board.bridge(trunk, self.source)
        self.target = trunk
        self.house.talks(self)

    # ---- the end

    def hang_up(self, by: str) -> None:
        """End it: ``by`` caller, employee, timeout, busy, failed."""
        self.clear_timers()
        if self.talking:
            self._end_talk(by)
        elif self.on_fail is not None and self.source in self.ringing.values():
            self.on_fail(1 if by == "employee" else 5, 21)
        elif self.parked:
            self.board.request_hang_up(self.source)
            self.board.leave(self.source)
            self.board.hang_up(self.source)
        else:
            self._give_up(by)
        self.over()

    def _end_talk(self, by: str) -> None:
        board, source, target = self.board, self.source, self.target
        assert target is not None
        is_first = (by == "caller") == self.house.is_outside(source)
        first, second = (source, target) if is_first else (target, source)
        board.request_hang_up(first)
        board.leave(first)
        board.leave(second)
        board.hang_up(target)
        board.request_hang_up(source, soft=True)
        board.hang_up(source)
        board.cdr(source, target, "ANSWERED", "Dial", source.exten)
        for other in self.others:
            board.cdr(source, other, "NO ANSWER", "Dial", source.exten)

    def _give_up(self, by: str) -> None:
        status, cause = {
            "caller": ("CANCEL", 0),
            "employee": ("CANCEL", 0),
            "timeout": ("NOANSWER", 0),
            "busy": ("BUSY", 17),
            "failed": ("CONGESTION", 38),
        }[by]
        board, source = self.board, self.source
        if status == "CANCEL":
            board.request_hang_up(source, 0)
        legs, self.ringing = list(self.ringing.values()), {}
        for leg in legs:
            board.dial_ends(source, leg, status)
        if status != "CANCEL":
            board.request_hang_up(source, soft=True)
        for leg in legs:
            board.hang_up(leg, cause)
        board.hang_up(source)
        for leg in legs:
            board.cdr(source, leg, "BUSY" if status == "BUSY" else "NO ANSWER", "Dial", source.exten)
        board.cdr(source, None, "NO ANSWER", "Hangup", source.exten)

    def busy(self, extension: str) -> None:
        """Let one of the phones, or the number outside, be busy; after the last one the call is over."""
        leg = self.ringing.get(extension)
        if leg is None:
            return
        if len(self.ringing) == 1:
            self.hang_up("busy")
            return
        del self.ringing[extension]
        self.board.dial_ends(self.source, leg, "BUSY")
        self.board.hang_up(leg, 17)

    def over(self) -> None:
        """Forget it."""
        self.clear_timers()
        self.house.calls.pop(self.key, None)
        self.house.recorded(self)

    # ---- transfers

    def blind(self, extension: str, ring_s: float = 0.0) -> None:
        """Hand the caller on without a word."""
        desk, board, source = self._desk(), self.board, self.source
        told = [("Result", "Success"), *_named("Transferer", desk), *_named("Transferee", source)]
        board.tell("BlindTransfer", [*told, ("IsExternal", "Yes"), ("Context", "outgoing"), ("Extension", extension)])
        board.leave(desk)
        board.leave(source)
        board.hang_up(desk)
        self.target = None
        source.exten, source.priority = extension, 1
        self.ring([extension], ring_s)

    def consult(self, extension: str) -> "Call":
        """Let the employee call a colleague on a second line; returns that call."""
        desk = self._desk()
        known = {"number": desk.number, "title": desk.title}
        second = self.board.new(desk.device, RING, **known, exten=extension, application="Dial")
        asked = Call(self.house, second)
        asked.ring([extension])
        return asked

    def complete(self, asked: "Call") -> None:
        """Connect the caller with the colleague who was asked; the employee goes."""
        desk, board, source, colleague = self._desk(), self.board, self.source, asked.target
        if colleague is None or source.bridge is None:
            raise ValueError("nobody has answered")
        bridge: Bridge = source.bridge
        told = [("Result", "Success"), *_named("OrigTransferer", desk), *_named("SecondTransferer", asked.source)]
        board.tell("AttendedTransfer", [*told, ("IsExternal", "No"), ("DestType", "Bridge")])
        board.leave(asked.source)
        board.leave(colleague)
        board.enter(bridge, colleague)
        board.leave(desk)
        board.hang_up(asked.source)
        board.hang_up(desk)
        self.target = colleague
        asked.clear_timers()
        self.house.calls.pop(asked.key, None)

    def park(self) -> None:
        """Park the caller: he hears music until somebody takes him."""
        desk, board = self._desk(), self.board
        board.leave(desk)
        board.leave(self.source)
        lot = Bridge(f"park-{self.key}", "holding_bridge", "parking")
        board.enter(lot, self.source)
        board.hang_up(desk)
        self.target, self.parked = None, True

    def take(self, extension: str) -> None:
        """Let a phone take the parked caller."""
        phone = self.house.phone(extension)
        leg = self.board.new(f"PJSIP/{extension}", RING, number=extension, title=phone.name, exten="701")
        self.board.state(leg, UP)
        self.board.leave(self.source)
        self.board.bridge(leg, self.source)
        self.target, self.parked = leg, False

    def _desk(self) -> Channel:
        if self.target is None or self.target.bridge is None:
            raise ValueError("nobody talks")
        return self.target


def _named(prefix: str, channel: Channel) -> list[tuple[str, str]]:
    return channel.snapshot(prefix)
