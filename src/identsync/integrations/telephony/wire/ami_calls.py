"""What Asterisk tells, as calls: pure, without a clock and without I/O.

Every channel is a leg of a trail, and a trail is one call, whatever Asterisk does on the way: legs that are dialled at
the same time or one after another, queues, Local pairs, transfers, pick-ups. ``Cdr`` is not read: an answered call of
a ring group has one that says NO ANSWER (facts: telephony.md).
"""

from identsync.integrations.telephony.wire.ami import Event, Message
from identsync.integrations.telephony.wire.ami_leg import UP, dialled, is_number, phone_of
from identsync.integrations.telephony.wire.ami_trail import Trail
from identsync.integrations.telephony.wire.ami_trails import Trails
from identsync.spans import DAY_MS

_DEST = b"Dest"
LONGEST_MS = 7 * DAY_MS  # of a channel: beyond that its PBX says nonsense


class Calls(Trails):
    """All calls of one PBX: ``take`` its events, ``drain`` what has changed."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        self._inside = inside
        self._rows = 0  # of the list of channels that is coming
        self._takes = {
            Event.NEWCHANNEL: self._new,
            Event.NEWSTATE: self._state,
            Event.NEW_CALLER: self._caller,
            Event.RENAME: self._renamed,
            Event.DIAL_BEGIN: self._dials,
            Event.DIAL_END: self._dial_ended,
            Event.BRIDGE_ENTER: self._enters,
            Event.BRIDGE_LEAVE: self._leaves,
            Event.HANGUP_REQUEST: self._puts_down,
            Event.HANGUP: self._hung_up,
            Event.ORIGINATED: self._originated,
            Event.CHANNEL: self._listed,
        }

    def take(self, message: Message, now_ms: int) -> None:
        """Take one event in; others than ours are nothing."""
        if message.event is not None and (handler := self._takes.get(message.event)) is not None:
            handler(message, now_ms)

    def expect_list(self) -> None:
        """A list of all channels is coming: what it does not name is gone."""
        self._present, self._rows = set(), 0

    def list_complete(self, count: int, now_ms: int) -> bool:
        """Take away what the list did not name; False, and nothing is taken away, where it came incomplete."""
        present, self._present = self._present, None
        if present is None or self._rows < count:
            return False
        for leg in [leg for leg in self._legs.values() if leg.id not in present]:
            self._remove(leg, "", now_ms)
        for trail in {id(trail): trail for trail in self._links.values()}.values():
            self._found(trail)
        return True

    # ---- the events

    def _new(self, message: Message, now_ms: int) -> None:
        if not message.get(b"Uniqueid"):
            return
        leg = self._leg(message, now_ms, is_new=True)
        leg.state = message.get(b"ChannelState")
        leg.number, leg.title = message.get(b"CallerIDNum"), message.get(b"CallerIDName")
        leg.exten = message.get(b"Exten")
        trail = leg.trail
        if trail.caller is None:
            trail.caller = leg
            trail.judge(self._inside)
        if leg.state == UP:
            trail.is_settled = True

    def _state(self, message: Message, now_ms: int) -> None:
        leg = self._known(message, now_ms)
        if leg is None:
            return
        leg.state = message.get(b"ChannelState")
        if leg.state == UP:
            leg.trail.is_settled = True
            self._talk(leg, now_ms, enters=False)

    def _caller(self, message: Message, now_ms: int) -> None:
        leg = self._known(message, now_ms)
        if leg is None:
            return
        leg.number = message.get(b"CallerIDNum")
        trail = leg.trail
        if leg is not trail.caller:
            return
        if trail.token:
            leg.title = message.get(b"CallerIDName")
        trail.judge(self._inside)

    def _renamed(self, message: Message, now_ms: int) -> None:
        leg = self._known(message, now_ms)
        name = message.get(b"Newname")
        if leg is None or not name:
            return
        leg.name = name
        extension = phone_of(name, "", self._inside)
        if extension and (leg.employee is None or leg.employee.extension != extension):
            leg.employee = leg.trail.known(extension, leg)  # picked up at another phone

    def _dials(self, message: Message, now_ms: int) -> None:
        target = message.get(b"DestUniqueid")
        if not target or target in self._gone:
            return
        caller = self._known(message, now_ms) if message.get(b"Uniqueid") else None
        leg = self._leg(message, now_ms, _DEST)
        leg.is_dialled = True
        if not leg.number:
            leg.number, leg.title = message.get(b"DestCallerIDNum"), message.get(b"DestCallerIDName")
        if caller is not None:
            caller.exten = message.get(b"Exten") or caller.exten
        trail = leg.trail
        if leg is trail.caller:  # ordered from the PBX: Originate
            trail.judge(self._inside)
            return
        called = dialled(message.get(b"DialString"), self._inside)
        extension = phone_of(leg.name, "", self._inside) or called.extension
        if called.number and not phone_of(leg.name, "", self._inside):
            trail.called(leg, called.number)
            trail.is_settled = True
        elif extension:
            leg.employee = trail.known(extension, leg)
            trail.ring(leg.employee)

    def _dial_ended(self, message: Message, _now_ms: int) -> None:
        leg = self._legs.get(message.get(b"DestUniqueid"))
        if leg is not None:
            leg.trail.dial_ended(message.get(b"DialStatus"))

    def _enters(self, message: Message, now_ms: int) -> None:
        if message.get(b"BridgeTechnology") == "holding_bridge":
            return  # parked, or waiting to music
        leg = self._alive(message, now_ms)
        if leg is None:
            return
        self._is_in_bridge(leg, message.get(b"BridgeUniqueid"))
        leg.state = message.get(b"ChannelState")
        self._talk(leg, now_ms, enters=True)

    def _leaves(self, message: Message, now_ms: int) -> None:
        leg = self._known(message, now_ms)
        if leg is not None and leg.bridge == message.get(b"BridgeUniqueid"):
            self._is_in_bridge(leg, "")

    def _puts_down(self, message: Message, now_ms: int) -> None:
        leg = self._known(message, now_ms)
        if leg is not None:
            leg.trail.gave_up(leg)

    def _hung_up(self, message: Message, now_ms: int) -> None:
        leg = self._legs.get(message.get(b"Uniqueid"))
        if leg is not None:
            self._remove(leg, message.get(b"Cause"), now_ms)

    def _originated(self, message: Message, _now_ms: int) -> None:
        leg = self._legs.get(message.get(b"Uniqueid"))
        if leg is None or not leg.trail.token:
            return
        number = message.get(b"Exten")
        if is_number(number, self._inside):
            leg.trail.phone = number
            self._changed[leg.trail.key] = leg.trail

    def _listed(self, message: Message, now_ms: int) -> None:
        leg_id = message.get(b"Uniqueid")
        if self._present is None or not leg_id:
            return
        self._present.add(leg_id)
        self._rows += 1
        is_known = leg_id in self._legs
        started = now_ms - _milliseconds(message.get(b"Duration"))
        leg = self._leg(message, now_ms if is_known else started, is_new=True)
        leg.state = message.get(b"ChannelState")
        leg.exten = message.get(b"Exten") or leg.exten
        self._is_in_bridge(leg, message.get(b"BridgeId"))
        if is_known:
            return
        trail = leg.trail
        trail.start_ms = min(trail.start_ms, started)
        leg.number, leg.title = message.get(b"CallerIDNum"), message.get(b"CallerIDName")
        leg.is_dialled = message.get(b"Application") == "AppDial"
        if trail.caller is None and not leg.is_dialled:
            trail.caller = leg

    def _found(self, trail: Trail) -> None:
        """Complete a call with what a list has told of its legs."""
        legs = sorted(trail.legs.values(), key=lambda leg: (leg.id != trail.key, leg.at_ms))
        if not legs:
            return
        trail.caller = trail.caller or legs[0]
        if trail.told is None:
            trail.judge(self._inside)
        for leg in legs:
            extension = phone_of(leg.name, leg.number, self._inside)
            if leg.employee is None and leg is not trail.caller and extension:
                leg.employee = trail.known(extension, leg)
                trail.ring(leg.employee)
        for leg in legs:
            self._talk(leg, max(each.at_ms for each in legs), enters=False)
        self._changed[trail.key] = trail


def _milliseconds(duration: str) -> int:
    """Return '00:01:05' as milliseconds, a week at most; 0 for anything else."""
    parts = duration.split(":")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        return 0
    hours, minutes, seconds = (int(part[:6]) for part in parts)
    return min(((hours * 60 + minutes) * 60 + seconds) * 1000, LONGEST_MS)
