"""Legs and trails: which channel is part of which call, and how calls grow together.

Asterisk gives everybody in a bridge the oldest Linkedid. A call that loses its own to another keeps its key here as
long as somebody outside takes part in it. Talk is two ends in one bridge, never an answered dial: an announcement
answers, too.
"""

from collections import OrderedDict

from identsync.integrations.telephony.call import Call
from identsync.integrations.telephony.wire.ami import Message
from identsync.integrations.telephony.wire.ami_leg import UP, Leg
from identsync.integrations.telephony.wire.ami_trail import Trail

MOST_LEGS = 20_000  # at once; beyond that the oldest is taken for lost
REMEMBERED = 1_000  # legs that are gone: what is told of them later is no new leg


class Trails:
    """The legs and trails of one PBX, and which of them have changed since they were told."""

    def __init__(self) -> None:
        self._legs: dict[str, Leg] = {}
        self._links: dict[str, Trail] = {}
        self._bridges: dict[str, list[Leg]] = {}
        self._changed: dict[str, Trail] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._ordered: dict[str, str] = {}  # numbers by the Uniqueid of the call that will be made to them
        self._present: set[str] | None = None  # legs that are there while a list of channels is coming

    def __len__(self) -> int:
        """How many legs there are."""
        return len(self._legs)

    def __contains__(self, leg_id: str) -> bool:
        """Whether a leg of this Uniqueid is alive."""
        return leg_id in self._legs

    @property
    def waiting(self) -> int:
        """How many calls have changed since ``drain``."""
        return len(self._changed)

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

    def trail_of(self, leg_id: str) -> Trail | None:
        """Return the trail of a leg that is alive."""
        leg = self._legs.get(leg_id)
        return leg.trail if leg is not None else None

    def unrecorded(self) -> list[tuple[str, str]]:
        """Return (Uniqueid, channel) of the legs of calls of which no recording is known."""
        return [(leg.id, leg.name) for leg in self._legs.values() if not leg.trail.recordings]

    def recorded(self, trail: Trail, reference: str) -> None:
        """Note where the recording of a call lies, even when it is over by now."""
        trail.recorded(reference)
        self._changed[trail.key] = trail

    def order(self, leg_id: str, number: str) -> None:
        """Note whom a call that we are ordering is for; '' = it is no longer being ordered."""
        if number:
            self._ordered[leg_id] = number
        else:
            self._ordered.pop(leg_id, None)

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
