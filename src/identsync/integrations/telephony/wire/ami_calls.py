"""What Asterisk tells, as calls: pure, without a clock and without I/O.

Every channel is a leg of a trail, and a trail is one call, whatever Asterisk does on the way: legs that are dialled at
the same time or one after another, queues, Local pairs, transfers, pick-ups. A call that loses its Linkedid to another
(Asterisk gives everybody in a bridge the oldest) keeps its key as long as somebody outside takes part in it. Talk is
two ends in one bridge, never an answered dial: an announcement answers, too. ``Cdr`` is not read: an answered call of a
ring group has one that says NO ANSWER (facts: telephony.md).
"""

from collections import OrderedDict

from identsync.integrations.telephony.call import Call
from identsync.integrations.telephony.wire.ami import Event, Message
from identsync.integrations.telephony.wire.ami_leg import UP, Leg, dialled, is_number, phone_of
from identsync.integrations.telephony.wire.ami_trail import Trail

MOST_LEGS = 20_000  # at once; beyond that the oldest is taken for lost
REMEMBERED = 1_000  # legs that are gone: what is told of them later is no new leg
_DEST = b"Dest"


class Calls:
    """All calls of one PBX: ``take`` its events, ``drain`` what has changed."""

    def __init__(self, inside: int) -> None:
        self._inside = inside
        self._legs: dict[str, Leg] = {}
        self._links: dict[str, Trail] = {}
        self._bridges: dict[str, list[Leg]] = {}
        self._changed: dict[str, Trail] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._ordered: dict[str, str] = {}  # numbers by the Uniqueid of the call that will be made to them
        self._present: set[str] | None = None  # legs that a list of channels names, while it is coming
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

    def __len__(self) -> int:
        """How many legs there are."""
        return len(self._legs)

    def __contains__(self, leg_id: str) -> bool:
        """Whether a leg of this Uniqueid is alive."""
        return leg_id in self._legs

    def take(self, message: Message, now_ms: int) -> None:
        """Take one event in; others than ours are nothing."""
        if message.event is not None and (handler := self._takes.get(message.event)) is not None:
            handler(message, now_ms)

    def drain(self) -> list[Call]:
        """Return the calls that are not as they were told last, and forget those that are over."""
        changed, self._changed = self._changed, {}
        told = []
        for trail in changed.values():
            if not trail.is_settled and trail.ended_ms is None:
                continue
            call = trail.call()
            if call != trail.told:
                trail.told = call
                told.append(call)
        return told

    def ongoing(self) -> list[Call]:
        """Return every call that goes on, as it is."""
        trails = {id(trail): trail for trail in self._links.values() if trail.legs}
        for trail in trails.values():
            trail.told = trail.call()
            trail.is_settled = True
            self._changed.pop(trail.key, None)
        return [trail.told for trail in trails.values() if trail.told is not None]

    def expect_list(self) -> None:
        """A list of all channels is coming: what it does not name is gone."""
        self._present = set()

    def list_complete(self, count: int, now_ms: int) -> bool:
        """Take away what the list did not name; False, and nothing is taken away, where it came incomplete."""
        present, self._present = self._present, None
        if present is None or len(present) < count:
            return False
        for leg in [leg for leg in self._legs.values() if leg.id not in present]:
            self._remove(leg, "", now_ms)
        for trail in {id(trail): trail for trail in self._links.values()}.values():
            self._found(trail)
        return True

    def trail_of(self, leg_id: str) -> Trail | None:
        """Return the trail of a leg that is alive."""
        leg = self._legs.get(leg_id)
        return leg.trail if leg is not None else None

    def unrecorded(self) -> list[tuple[str, str]]:
        """Return (Uniqueid, channel) of the legs of calls of which no recording is known."""
        return [(leg.id, leg.name) for leg in self._legs.values() if not leg.trail.recordings]

    @property
    def waiting(self) -> int:
        """How many calls have changed since ``drain``."""
        return len(self._changed)

    def order(self, leg_id: str, number: str) -> None:
        """Note whom a call that we are ordering is for; '' = it is no longer being ordered."""
        if number:
            self._ordered[leg_id] = number
        else:
            self._ordered.pop(leg_id, None)

    def recorded(self, trail: Trail, reference: str) -> None:
        """Note where the recording of a call lies, even when it is over by now."""
        trail.recorded(reference)
        self._changed[trail.key] = trail

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

    # ---- inside

    def _leg(self, message: Message, now_ms: int, prefix: bytes = b"", *, is_new: bool = False) -> Leg:
        """Return the leg an event is about, made where it is not known; it may have changed its Linkedid or name."""
        leg_id = message.get(prefix + b"Uniqueid")
        link = message.get(prefix + b"Linkedid") or leg_id
        leg = self._legs.get(leg_id)
        if leg is None:
            leg = self._made(leg_id, link, now_ms)
            leg.name = message.get(prefix + b"Channel")
        elif leg.link != link:
            self._linked(leg, link, now_ms)
        elif is_new:
            leg.name = message.get(prefix + b"Channel")
        self._changed[leg.trail.key] = leg.trail
        return leg

    def _known(self, message: Message, now_ms: int) -> Leg | None:
        """Return the leg an event is about where it is known."""
        return self._leg(message, now_ms) if message.get(b"Uniqueid") in self._legs else None

    def _alive(self, message: Message, now_ms: int) -> Leg | None:
        """Return the leg an event is about, made unless it is known to be gone."""
        leg_id = message.get(b"Uniqueid")
        return self._leg(message, now_ms) if leg_id and leg_id not in self._gone else None

    def _made(self, leg_id: str, link: str, now_ms: int) -> Leg:
        if len(self._legs) >= MOST_LEGS:
            self._remove(next(iter(self._legs.values())), "", now_ms)
        trail = self._links.get(link)
        if trail is None:
            trail = self._links[link] = Trail.of(link, now_ms)
            trail.phone = self._ordered.get(link, "")
        leg = self._legs[leg_id] = trail.legs[leg_id] = Leg(leg_id, link, trail, now_ms)
        self._gone.pop(leg_id, None)
        if self._present is not None:
            self._present.add(leg_id)
        return leg

    def _linked(self, leg: Leg, link: str, now_ms: int) -> None:
        """Follow a leg to another Linkedid: a call with somebody outside stays what it is."""
        leg.link = link
        old, new = leg.trail, self._links.get(link)
        if new is None:
            old.links.add(link)
            self._links[link] = old
        elif new is old:
            return
        elif not old.is_outside:
            self._move(leg, new, now_ms)
        elif not new.is_outside:
            new.heir = old

    def _move(self, leg: Leg, new: Trail, now_ms: int) -> None:
        old, leg.trail = leg.trail, new
        old.legs.pop(leg.id, None)
        new.legs[leg.id] = leg
        self._changed[new.key] = new
        if not old.legs:
            self._over(old, now_ms)

    def _talk(self, leg: Leg, now_ms: int, *, enters: bool) -> None:
        """Two ends in one bridge talk, and are one call; one that still rings there waits for an answer."""
        members = [each for each in self._bridges.get(leg.bridge, ()) if each.state == UP]
        if leg.state != UP or len({member.end for member in members}) < 2:
            return
        outside = next((member.trail for member in members if member.trail.is_outside), None)
        arrived = [leg] if enters else []
        for member in members:
            if outside is not None and not member.trail.is_outside:
                self._move(member, outside, now_ms)
                arrived.append(member)
        for member in sorted(members, key=lambda each: (each in arrived, not each.trail.is_with(each))):
            member.trail.talk(member, now_ms, enters=member in arrived)
            self._changed[member.trail.key] = member.trail

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

    def _is_in_bridge(self, leg: Leg, bridge: str) -> None:
        """Put a leg into a bridge, '' = into none."""
        if leg.bridge == bridge:
            return
        members = self._bridges.get(leg.bridge, [])
        if leg in members:
            members.remove(leg)
        if not members:
            self._bridges.pop(leg.bridge, None)
        leg.bridge = bridge
        if bridge:
            self._bridges.setdefault(bridge, []).append(leg)

    def _remove(self, leg: Leg, cause: str, now_ms: int) -> None:
        self._is_in_bridge(leg, "")
        del self._legs[leg.id]
        self._gone[leg.id] = None
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)
        trail = leg.trail
        trail.hung_up(leg, cause)
        if trail.caller is leg and trail.legs:
            trail.is_settled = True
        self._changed[trail.key] = trail
        if not trail.legs:
            self._over(trail, now_ms)

    def _over(self, trail: Trail, now_ms: int) -> None:
        """End a call; its Linkedids go to its heir, for whom Asterisk may still use them."""
        trail.ended_ms = max(now_ms, trail.start_ms)
        heir = trail.heir if trail.heir is not None and trail.heir.legs else None
        for link in trail.links:
            if heir is not None:
                self._links[link] = heir
                heir.links.add(link)
            else:
                self._links.pop(link, None)
        trail.caller = trail.heir = None
        self._changed[trail.key] = trail


def _milliseconds(duration: str) -> int:
    """Return '00:01:05' as milliseconds; 0 for anything else."""
    parts = duration.split(":")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        return 0
    hours, minutes, seconds = (int(part[:6]) for part in parts)
    return ((hours * 60 + minutes) * 60 + seconds) * 1000
