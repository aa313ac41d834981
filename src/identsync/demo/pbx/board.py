"""The switchboard: channels, bridges and the events that tell of them. Used by one event loop."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable

from identsync.demo.pbx.channel import CAUSES, RINGING, UP, Bridge, Channel, Fields, spelled

Hear = Callable[[str, bytes], None]
"""Called with the class of an event and its bytes."""


class Board:
    """Everything that goes on in the PBX; ``hear`` are the sessions that are told."""

    def __init__(self) -> None:
        self.hear: list[Hear] = []
        self.channels: dict[str, Channel] = {}
        self.counts: Counter[str] = Counter()
        self.cdrs: list[dict[str, str]] = []
        self.folder = ""  # where recordings go; '' = nowhere
        self.start()

    def start(self) -> None:
        """Start afresh: no channel is left, and ids begin anew."""
        self.epoch = max(int(time.time()), getattr(self, "epoch", 0) + 1)
        self.numbers = self.names = 0
        self.channels.clear()

    # ---- channels

    def new(self, device: str, state: int, link: str = "", uniqueid: str = "", **known: str) -> Channel:
        """Make a channel and tell of it."""
        uniqueid = uniqueid or f"{self.epoch}.{self.numbers}"
        self.numbers += 1
        name = f"{device}-{self.names:08x}"
        self.names += 1
        channel = self.channels[name] = Channel(name, uniqueid, link or uniqueid, state)
        for key, value in known.items():
            setattr(channel, key, value)
        self.tell("Newchannel", channel.snapshot())
        return channel

    def find(self, text: str) -> Channel | None:
        """Find a channel by its name or its Uniqueid."""
        found = self.channels.get(text)
        return found or next((each for each in self.channels.values() if each.uniqueid == text), None)

    def state(self, channel: Channel, state: int) -> None:
        """Put a channel into a state."""
        channel.state = state
        if state == UP and channel.answered is None:
            channel.answered = time.time()
        self.tell("Newstate", channel.snapshot())

    def call_id(self, channel: Channel, number: str, title: str) -> None:
        """Give a channel a caller's number and name."""
        channel.number, channel.title = number, title
        presented = ("CID-CallingPres", "0 (Presentation Allowed, Not Screened)")
        self.tell("NewCallerid", [*channel.snapshot(), presented])

    def connected(self, channel: Channel, number: str, title: str) -> None:
        """Tell a channel whom it is connected to."""
        channel.connected, channel.connected_title = number, title
        self.tell("NewConnectedLine", channel.snapshot())

    def request_hang_up(self, channel: Channel, cause: int = 16, *, soft: bool = False) -> None:
        """Tell that somebody has put down his phone, or (soft) that the dial plan hangs up."""
        event = "SoftHangupRequest" if soft else "HangupRequest"
        self.tell(event, [*channel.snapshot(), ("Cause", str(cause))])

    def hang_up(self, channel: Channel, cause: int = 16, technical: str = "") -> None:
        """Take a channel away."""
        if self.channels.pop(channel.name, None) is None:
            return
        fields = [*channel.snapshot(), ("Cause", str(cause)), ("Cause-txt", CAUSES[cause])]
        self.tell("Hangup", [*fields, ("TechCause", technical)] if technical else fields)
        self.device(channel.device, "NOT_INUSE")

    # ---- dialling

    def dial_begins(self, source: Channel | None, target: Channel, text: str) -> None:
        """Tell that a leg is being called."""
        self.tell("DialBegin", [*_dial(source, target), ("DialString", text)])

    def rings(self, source: Channel | None, target: Channel, *, early: bool = False) -> None:
        """Tell that a phone rings; ``early``: the dial says so before the channel, as for Originate."""
        if early:
            self.tell("DialState", [*_dial(source, target), ("DialStatus", "RINGING")])
        self.state(target, RINGING)
        if not early:
            self.tell("DialState", [*_dial(source, target), ("DialStatus", "RINGING")])
        self.device(target.device, "RINGING")

    def dial_ends(self, source: Channel | None, target: Channel, status: str) -> None:
        """Tell how a dial ended: ANSWER, NOANSWER, BUSY, CANCEL, CHANUNAVAIL, CONGESTION."""
        if status == "ANSWER" and source is not None:
            target.exten = ""
        self.tell("DialEnd", [*_dial(source, target), ("DialStatus", status)])

    # ---- bridges

    def bridge(self, *channels: Channel, technology: str = "simple_bridge") -> Bridge:
        """Connect channels."""
        made = Bridge(str(uuid.uuid4()), technology)
        self.tell("BridgeCreate", made.snapshot())
        for channel in channels:
            self.enter(made, channel)
        return made

    def enter(self, bridge: Bridge, channel: Channel) -> None:
        """Let a channel in; everybody inside gets the oldest Linkedid."""
        bridge.channels.append(channel)
        channel.bridge = bridge
        oldest = min((each.linkedid for each in bridge.channels), key=self._age)
        for each in bridge.channels:
            each.linkedid = oldest
        self.tell("BridgeEnter", [*bridge.snapshot(), *channel.snapshot()])

    def leave(self, channel: Channel) -> None:
        """Take a channel out of its bridge, and the bridge away after the last one."""
        bridge = channel.bridge
        if bridge is None:
            return
        bridge.channels.remove(channel)
        channel.bridge = None
        self.tell("BridgeLeave", [*bridge.snapshot(), *channel.snapshot()])
        if not bridge.channels:
            self.tell("BridgeDestroy", bridge.snapshot())

    def _age(self, linkedid: str) -> float:
        born = (each.born for each in self.channels.values() if each.uniqueid == linkedid)
        return next(born, 0.0)

    # ---- the rest

    def device(self, device: str, state: str) -> None:
        """Tell the state of a phone or a trunk."""
        self.tell("DeviceStateChange", [("Device", device), ("State", state)])

    def cdr(self, source: Channel, target: Channel | None, status: str, application: str, exten: str) -> None:
        """Write a record of a dial, as Asterisk does: one for each, so that a ring group has many."""
        answered = source.answered if status == "ANSWERED" else None
        now = time.time()
        fields = [
            ("AccountCode", ""),
            ("Source", source.number),
            ("Destination", exten),
            ("DestinationContext", source.context),
            ("CallerID", f'"{source.title}" <{source.number}>'),
            ("Channel", source.name),
            ("DestinationChannel", target.name if target is not None else ""),
            ("LastApplication", application),
            ("LastData", ""),
            ("StartTime", _clock(source.born)),
            ("AnswerTime", _clock(answered) if answered is not None else ""),
            ("EndTime", _clock(now)),
            ("Duration", str(int(now - source.born))),
            ("BillableSeconds", str(int(now - answered)) if answered is not None else "0"),
            ("Disposition", status),
            ("AMAFlags", "DOCUMENTATION"),
            ("UniqueID", source.uniqueid),
            ("UserField", ""),
            ("Linkedid", source.linkedid),
        ]
        self.cdrs.append(dict(fields))
        self.tell("Cdr", fields, "cdr")

    def tell(self, event: str, fields: Fields, kind: str = "call") -> None:
        """Tell every session that wants events of this class."""
        self.counts[event] += 1
        self.raw(kind, spelled(("Event", event), [("Privilege", f"{kind},all"), *fields]))

    def raw(self, kind: str, data: bytes) -> None:
        """Send bytes as they are."""
        for hear in list(self.hear):
            hear(kind, data)

    def later(self, seconds: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        """Do something after a while."""
        return asyncio.get_running_loop().call_later(seconds, action)


def _dial(source: Channel | None, target: Channel) -> Fields:
    return [*(source.snapshot() if source is not None else ()), *target.snapshot("Dest")]


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
