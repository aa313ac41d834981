"""Which events the clinic asks for: of some doctors, in a window of days, with no more words than are allowed.

An event's identity is (scope, doctor, what it is of, id): an appointment that goes to another doctor, or a doctor whose
home changes, is a deletion and a creation under another name. The 64-bit key of it is no secret; the name that other
sides see is an HMAC under the network's key, so nobody can try out which appointment it is. Everything that people see
is in the digest, with the policy and the words of the destination: a change of either rewrites all.
"""

import hmac
import re
import struct
from base64 import b32hexencode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from unicodedata import normalize
from zoneinfo import ZoneInfo

import orjson

from identsync.clinic.clock import DAY, minute_now, zone_table
from identsync.clinic.source import FIELDS
from identsync.core.columns import Columns, digest
from identsync.core.events import APPOINTMENT, BUSY, MARGIN, RESERVE, SHIFT, Events
from identsync.integrations.calendar.event import Event
from identsync.integrations.calendar.text import clean

if TYPE_CHECKING:
    from array import array

    from identsync.clinic.source import Branch, ClinicSource, Doctor

MAPPING = 1
"""The version of what stands below: a new one rewrites every event."""
_ONE_WORD = 2  # since when a first name is told only where it is one word: what was told before is rewritten
_WORD = r"[^\W\d_]+(?:[-\u2010\u2011'\u2019][^\W\d_]+)*"
_FIRST_NAME = re.compile(rf"({_WORD})(?:\s+[^\W\d_]+(?:ич|вна|чна))?", re.IGNORECASE)  # and a patronymic perhaps
SUMMARY, DESCRIPTION, LOCATION = 200, 2000, 200
"""Characters of each at most; Google takes 1,024 of a summary and 8,192 of a description."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a destination's settings ask for; no branches or doctors means all of them.

    The window is ``back_days`` before today and ``days`` from today on, by the clock of each branch. ``what``: an event
    an appointment, or one a run of busy time. ``show`` is of clinic.source.FIELDS: ``first_name`` is the patient's name
    alone, where it is a single word (a patronymic may follow), ``initials`` the first letters of surname, name and
    patronymic ("И. П. С."), both together "Пётр И."; ``service`` stands behind it, ``room`` is the place, ``comment``
    the description. Busy runs show nothing.
    """

    branches: Collection[int] = frozenset()
    doctors: Collection[int] = frozenset()
    back_days: int = 7
    days: int = 60
    what: Literal["appointments", "busy"] = "appointments"
    reserves: bool = True
    shifts: bool = False
    show: Sequence[str] = ()
    busy_text: str = "Занято"
    reserve_text: str = "Резерв"
    shift_text: str = "Смена"

    @property
    def fields(self) -> tuple[str, ...]:
        """What has to be read beside numbers, in the order in which it is read."""
        return tuple(name for name in FIELDS if name in self.show) if self.what == "appointments" else ()

    def words(self) -> int:
        """Give a signed 64-bit number that stands for the policy and the words."""
        texts = (self.busy_text, self.reserve_text, self.shift_text)
        more = (_ONE_WORD,) if "first_name" in self.fields else ()
        return digest(orjson.dumps([MAPPING, self.fields, *map(clean, texts), *more]))


def homes(staff: Iterable["Doctor"], wish: Wish) -> dict[int, int]:
    """Give the home branch of each doctor: the smallest of those where he works and which are wished for."""
    found: dict[int, int] = {}
    for doctor in staff:
        if (not wish.branches or doctor.branch_id in wish.branches) and (not wish.doctors or doctor.id in wish.doctors):
            found[doctor.id] = min(found.get(doctor.id, doctor.branch_id), doctor.branch_id)
    return found


def name_of(key: bytes, scope: int, doctor: int, what: int, id_: int) -> str:
    """Give the name of an event: 32 characters of base32hex, 160 bits of an HMAC under the network's ``key``."""
    identity = struct.pack("<4q", scope, doctor, what, id_)
    return b32hexencode(hmac.digest(key, identity, "sha256")[:20]).decode().lower()


def when(ms: int, zone: str) -> str:
    """Give a moment (epoch ms UTC) as people of ``zone`` say it: ``27.11 10:30``."""
    return f"{datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)):%d.%m %H:%M}"


@dataclass(slots=True)
class Wanted:
    """The events of one scope, as the clinic has them now; only those that are asked for become objects.

    ``columns`` (key, digest) are for the mirror, ``zone`` is the home branch's. Rows that make no event were
    ``ignored``, those that came twice are ``repeated`` (see core.events).
    """

    columns: Columns
    doctors: tuple[int, ...]
    zone: str
    ignored: int
    repeated: int
    _wish: Wish
    _scope: int
    _key: bytes = field(repr=False)
    _rows: Events = field(repr=False)

    def events(self, keys: Iterable[int]) -> dict[int, Event]:
        """Give the events of these keys; KeyError for one that is not wanted."""
        return {key: self._event(key) for key in keys}

    def start(self, key: int) -> int:
        """Give the UTC minute (since 1970) in which an event starts; KeyError for one that is not wanted."""
        return self._rows.start(key)

    def doctor(self, key: int) -> int:
        """Give the doctor of an event; KeyError for one that is not wanted."""
        return self._rows.doctor(key)

    def by_doctor(self) -> dict[int, list[int]]:
        """Give the keys of each doctor's events, of one without any too."""
        keys: dict[int, list[int]] = {doctor: [] for doctor in self.doctors}
        for key in self.columns.keys:
            keys[self._rows.doctor(key)].append(key)
        return keys

    def order(self, key: int, now_ms: int) -> int:
        """Rank events for delivery: what comes next first, what is over last, the longest ago at the very end."""
        ahead = self._rows.start(key) - now_ms // 60_000 + DAY
        return ahead if ahead >= 0 else 2**40 - ahead

    def coming(self, now_ms: int) -> dict[int, int]:
        """Count by doctor the events that are not over yet; doctors without any are left out."""
        return self._rows.counts(now_ms // 60_000)

    def _event(self, key: int) -> Event:
        if (row := self._rows.get(key)) is None:
            raise KeyError(key)
        what, _branch, doctor, id_, start, minutes, changed_ms = row
        name = name_of(self._key, self._scope, doctor, what, id_)
        summary, description, location = _texts(self._wish, what, self._rows.texts(key))
        begin, end = start * 60_000, (start + minutes) * 60_000
        return Event(name, begin, end, summary, description, location, what == SHIFT, changed_ms)


def read(clinic: "ClinicSource", wish: Wish, scope: int, key: bytes, doctors: Collection[int], now_ms: int) -> Wanted:
    """Read what the calendars of ``doctors``, at home in branch ``scope``, shall hold at ``now_ms``.

    They are followed into all branches that are wished for, whether or not they are on the staff there. ``key`` is the
    network's. Raises what the clinic's source raises.
    """
    with clinic.snapshot() as source:
        branches = {one.id: one for one in source.branches() if not wish.branches or one.id in wish.branches}
        windows = {id_: _window(branch, wish, now_ms) for id_, branch in branches.items()}
        rows = Events(scope, doctors, windows, wish.what == "busy")
        if windows and doctors:
            first = min(day for day, _days, _zone in windows.values())
            last = max(day + days for day, days, _zone in windows.values())
            source.events(
                rows,
                doctors,
                windows.keys(),
                (first * DAY, last * DAY),
                kinds=(APPOINTMENT, RESERVE) if wish.reserves else (APPOINTMENT,),
                shifts=wish.shifts,
                fields=wish.fields,
            )
    zone = branches[scope].zone if scope in branches else "UTC"
    columns = rows.columns(wish.words())
    return Wanted(columns, tuple(sorted(doctors)), zone, rows.ignored, rows.repeated, wish, scope, key, rows)


def _window(branch: "Branch", wish: Wish, now_ms: int) -> tuple[int, int, "array[int]"]:
    first = minute_now(branch.zone, now_ms) // DAY - wish.back_days
    days = wish.back_days + wish.days
    return first, days, zone_table(branch.zone, first - MARGIN, days + 2 * MARGIN)


# -- words -----------------------------------------------------------------------------------------------------------


def _texts(wish: Wish, what: int, values: Sequence[str | None]) -> tuple[str, str, str]:
    """Give summary, description and location."""
    told = _told(wish.fields, values)
    plain = {APPOINTMENT: wish.busy_text, BUSY: wish.busy_text, RESERVE: wish.reserve_text, SHIFT: wish.shift_text}
    about = (_patient(told) if what == APPOINTMENT else "", told.get("service", ""))
    summary = " · ".join(filter(None, about)) or clean(plain[what])
    return _cut(summary, SUMMARY), _cut(told.get("comment", ""), DESCRIPTION), _cut(told.get("room", ""), LOCATION)


def _cut(text: str, longest: int) -> str:
    return text[:longest].strip()


def _told(fields: Sequence[str], values: Sequence[str | None]) -> Mapping[str, str]:
    """Name the texts of a row: initials are three of them."""
    names: list[str] = []
    for name in fields:
        names += ["surname", "name", "patronymic"] if name == "initials" else [name]
    return {name: clean(value or "") for name, value in zip(names, values, strict=False)}


def _patient(told: Mapping[str, str]) -> str:
    letters = [told.get(part, "")[:1].upper() for part in ("surname", "name", "patronymic")]
    initials = [f"{letter}." for letter in letters if letter.isalpha()]
    # Some write all names into one field, and in Russian records the surname comes first.
    if named := _FIRST_NAME.fullmatch(normalize("NFC", told.get("first_name", ""))):
        first_name = named[1]
        return f"{first_name} {letters[0]}." if letters[0].isalpha() else first_name
    return " ".join(initials)
