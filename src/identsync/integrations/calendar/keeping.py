"""What is done with one event, whatever the other side answers: created, changed, adopted, repaired, deleted.

An answer may be lost at any place. So nothing here trusts what was meant to happen: a refused precondition is followed
by a look, what lies there is compared by what people see, and only what differs is written again, under the etag just
read. Each function ends in a verdict of flows.mirror and writes to one calendar only.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import orjson

from identsync.flows.mirror import Confirmed, Later, Rejected, Verdict
from identsync.integrations.calendar.event import (
    NO_ETAG,
    Calendar,
    Changes,
    Conflict,
    Event,
    Found,
    Missing,
    Name,
    NoCalendar,
    Unwanted,
    Written,
)
from identsync.language import keyed as _
from identsync.spans import DAY_MS

TURNS = 5  # writes of one event in one run: more means that somebody else writes there at the same moment
GENERATIONS = 5  # names tried for an event whose name the server does not take back
REPAIRS = 3  # of one event in a day; then it is left as the other person wants it until the day is over
_HEX = re.compile("[0-9a-f]+")  # other programs name their events so; of ours one in four thousand million does
FEW = 5  # events: a calendar that lists nothing although it should hold more is asked a second time


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an event that is, or may be, there: whose it is, its name, its etag, when it was repaired.

    ``etag`` None: not known, or it may not be there at all.
    """

    doctor: int
    name: Name
    start_ms: int
    etag: str | None = None
    repairs: tuple[int, ...] = ()  # epoch ms, the newest last
    at_ms: int = 0  # when it was last written, or was about to be

    def pack(self) -> bytes:
        """Return it as the mirror keeps it."""
        name = self.name
        return orjson.dumps(
            [self.doctor, name.name, name.generation, self.start_ms, self.etag, self.repairs, self.at_ms]
        )

    @classmethod
    def unpack(cls, packed: bytes) -> "Kept":
        """Read what pack() made."""
        doctor, name, generation, start_ms, etag, repairs, at_ms = orjson.loads(packed)
        return cls(doctor, Name(name, generation), start_ms, etag, tuple(repairs), at_ms)


# -- one event -------------------------------------------------------------------------------------------------------


async def put(calendar: Calendar, event: Event, kept: Kept) -> Verdict:
    """Bring one event to how it shall look; one request where nothing else happened meanwhile."""
    first = kept.name.generation
    for _turn in range(TURNS + GENERATIONS):
        answer = await calendar.put(kept.name, event, kept.etag)
        if isinstance(answer, Written):
            return _there(kept, answer.etag)
        if isinstance(answer, Missing):
            if kept.etag is None:  # nothing to be missing but the calendar
                raise NoCalendar(_("календаря больше нет"))
            kept = replace(kept, etag=None)  # somebody deleted it
            continue
        found = await calendar.get(kept.name)
        if found is None and kept.etag is not None:
            kept = replace(kept, etag=None)
        elif found is None or _buried(found, answer):
            if kept.name.generation >= first + GENERATIONS - 1:
                return Rejected(_reason(answer))
            kept = replace(kept, name=_next(kept.name), etag=None)  # a deleted name is not taken back
        elif found.event == event and not found.cancelled:
            return _there(kept, found.etag)  # our own write, whose answer was lost
        elif isinstance(answer, Unwanted):
            return Rejected(_reason(answer))
        else:
            kept = replace(kept, etag=found.etag or await _etag(calendar, kept.name))
    return Later(_("это событие одновременно меняет кто-то ещё"))


async def remove(calendar: Calendar, kept: Kept, *, doubtful: bool) -> Verdict:
    """Delete one event; gone is gone, whoever did it. ``doubtful``: a later generation of it may be there as well."""
    verdict = await _remove(calendar, kept)
    if not doubtful or not isinstance(verdict, Confirmed):
        return verdict
    first = kept.name.generation
    later = [replace(kept.name, generation=each) for each in range(first + 1, first + GENERATIONS)]
    for name, found in (await calendar.fetch(later)).items():
        if not found.cancelled:
            verdict = await _remove(calendar, replace(kept, name=name, etag=found.etag))
            if not isinstance(verdict, Confirmed):
                break
    return verdict


async def _remove(calendar: Calendar, kept: Kept) -> Verdict:
    for _turn in range(TURNS):
        answer = await calendar.remove(kept.name, kept.etag)
        if isinstance(answer, Unwanted):
            return Rejected(answer.reason)
        found = await calendar.get(kept.name) if isinstance(answer, Conflict) else None
        if found is None:
            return Confirmed()
        kept = replace(kept, etag=found.etag)  # edited by hand: the clinic has the last word
    return Later(_("это событие одновременно меняет кто-то ещё"))


async def _etag(calendar: Calendar, name: Name) -> str | None:
    """Ask for the etag that an event was read without; None where it is not there any more."""
    found = (await calendar.fetch([name])).get(name)
    return None if found is None else found.etag or NO_ETAG


def _there(kept: Kept, etag: str | None) -> Verdict:
    return Confirmed(payload=replace(kept, etag=etag).pack())


def _buried(found: Found, answer: object) -> bool:
    """Say whether a tombstone (Google) cannot be revived: it has no etag, or the attempt was refused."""
    return found.cancelled and (found.etag is None or isinstance(answer, Unwanted))


def _next(name: Name) -> Name:
    return replace(name, generation=name.generation + 1)


def _reason(answer: object) -> str:
    return answer.reason if isinstance(answer, Unwanted) else _("сервер не принимает это событие и не отдаёт его")


# -- a whole calendar, looked at again -------------------------------------------------------------------------------


@dataclass(slots=True)
class Look:
    """What a look at a calendar has shown: what to keep instead, what to deliver again, what is nobody's."""

    token: str | None
    keep: dict[int, Kept] = field(default_factory=dict)
    doubt: set[int] = field(default_factory=set)
    strays: list[Name] = field(default_factory=list)  # ours, but of a generation that was given up
    ghosts: dict[Name, str | None] = field(default_factory=dict)  # ours by all signs, and nowhere in these books: etags
    edited: int = 0  # events that differ from ours by somebody's hand and are to be repaired
    stubborn: int = 0  # edited too often in a day: left alone
    foreign: int = 0
    whole: bool = False  # everything there was looked at, not only what has changed


@dataclass(frozen=True, slots=True)
class Last:
    """The last look: its token, and when it was taken (epoch ms)."""

    token: str | None = None
    at_ms: int = 0


async def look(
    calendar: Calendar, last: Last, mine: Mapping[int, Kept], wanted: Mapping[int, Event], now_ms: int,
    *, own: bool = False,
) -> Look:  # fmt: skip
    """Compare what lies in a calendar with what is kept, by key, and with the events that were confirmed as ``wanted``.

    What is kept and not wanted is on its way already, to be changed or removed: only its etag is noted. A whole listing
    that is suddenly empty is believed only when a second one says the same, and one that lacks some is not believed
    before they are asked for by name. What came and went since the last look no server need tell (Xandikos does not),
    so what was written since and is not in its answer is asked for by name too. In a calendar that is our ``own`` what
    bears a name of ours and is not kept is read, to tell ghosts (books that were restored know less than was written)
    from what other people have put there.
    """
    changes = await calendar.changes(last.token)
    if changes.whole and not changes.there and len(mine) > FEW:
        changes = await calendar.changes(None)
    seen = _Seen(Look(changes.token, foreign=changes.foreign, whole=changes.whole), mine, wanted, now_ms, own)
    suspects = seen.sort(changes)
    if not changes.whole:
        suspects += seen.unheard_of(changes, last.at_ms)
    names = [*(mine[key].name for key in suspects), *seen.unknown]
    found = await calendar.fetch(names) if names else {}
    seen.compare(found, suspects)
    seen.tell_ghosts(found)
    return seen.look


@dataclass(slots=True)
class _Seen:
    look: Look
    mine: Mapping[int, Kept]
    wanted: Mapping[int, Event]
    now_ms: int
    own: bool
    unknown: list[Name] = field(default_factory=list)

    def sort(self, changes: Changes) -> list[int]:
        """Settle what is gone and what is nobody's; return the keys whose etag is not the one that is kept."""
        by_name = {kept.name.name: key for key, kept in self.mine.items()}
        suspects: list[int] = []
        for name, etag in changes.there.items():
            key = by_name.get(name.name)
            if key is None and self.own and not _HEX.fullmatch(name.name):
                self.unknown.append(name)
            elif key is None:
                self.look.foreign += 1
            elif name != self.mine[key].name:
                self.look.strays.append(name)
            elif etag is None or etag != self.mine[key].etag:
                suspects.append(key)
        for key in self._gone(changes, by_name):
            if changes.whole and changes.there:
                suspects.append(key)
            else:
                self._differs(key, None)
        return suspects

    def unheard_of(self, changes: Changes, since_ms: int) -> list[int]:
        """Return the keys of what was written since, and of which the server says nothing."""
        told = {*changes.there, *changes.gone}
        return [key for key, kept in self.mine.items() if kept.at_ms >= since_ms and kept.name not in told]

    def _gone(self, changes: Changes, by_name: Mapping[str, int]) -> Collection[int]:
        if changes.whole:
            keys = [key for key, kept in self.mine.items() if kept.name not in changes.there]
        else:
            known = (by_name.get(name.name) for name in changes.gone if name not in changes.there)
            keys = [key for key in known if key is not None]
        return [key for key in keys if self.mine[key].etag is not None or key in self.wanted]  # others never were there

    def compare(self, found: Mapping[Name, Found], suspects: Collection[int]) -> None:
        """Tell which of the suspects differ from what is wanted."""
        for key in suspects:
            there = found.get(self.mine[key].name)
            if there is None:
                self._differs(key, None)
            elif key in self.wanted and there.event == self.wanted[key] and not there.cancelled:
                self.look.keep[key] = replace(self.mine[key], etag=there.etag)
            else:
                self._differs(key, there.etag)

    def tell_ghosts(self, found: Mapping[Name, Found]) -> None:
        """Tell what we wrote, by its name within as without, from what is somebody else's."""
        for name in self.unknown:
            there = found.get(name)
            if there is not None and there.event is not None and there.event.name == name.name:
                self.look.ghosts[name] = there.etag
            elif there is None or not there.cancelled:
                self.look.foreign += 1

    def _differs(self, key: int, etag: str | None) -> None:
        kept = self.mine[key]
        repairs = tuple(at for at in kept.repairs if at > self.now_ms - DAY_MS)
        if key not in self.wanted:
            self.look.keep[key] = replace(kept, etag=etag)
        elif len(repairs) >= REPAIRS:
            self.look.stubborn += 1
            self.look.token = None  # it must be met again, when the day is over
        else:
            self.look.edited += 1
            self.look.keep[key] = replace(kept, etag=etag, repairs=(*repairs, self.now_ms))
            self.look.doubt.add(key)
