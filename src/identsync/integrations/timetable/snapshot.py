"""What a site is to have now: free and busy time of the next days, in the bodies it is sent in."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from identsync.clinic.clock import minute_now
from identsync.core.board import Boards
from identsync.core.columns import Columns, digest
from identsync.integrations.timetable import wire
from identsync.integrations.timetable.settings import Destination
from identsync.language import _

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, ClinicSource

DAY = 1440
WHOLE = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One body: a run of seats of some boards, from the ``first`` on; ``key`` tells it from the others of its site."""

    key: int
    label: str
    boards: Boards
    first: int
    seats: Sequence[tuple[int, int]]

    @property
    def last(self) -> int:
        """The seat behind its last one."""
        return self.first + len(self.seats)

    def ids(self) -> tuple[set[int], set[int]]:
        """Return its branches and its doctors."""
        branches, doctors = zip(*self.seats, strict=True)
        return set(branches), set(doctors)

    def cut(self) -> Boards:
        """Return boards of these seats alone."""
        whole = len(self.seats) * self.boards.days == len(self.boards)
        return self.boards if whole else self.boards.select(*self.ids())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the clinic says now: bodies, names, cells in all; doctors, then branches left out for want of a name."""

    parts: tuple[Part, ...]
    names: wire.Names
    working: int
    busy: int
    nameless: tuple[int, ...]
    unnamed: tuple[int, ...]

    def desired(self, site: Destination) -> Columns:
        """Return key and digest of every body."""
        return Columns.from_rows([(part.key, self._digest(part, site.url)) for part in self.parts])

    def _digest(self, part: Part, url: str) -> int:
        salt = self.names.salt(part.boards, *part.ids(), url)
        return part.boards.digest(part.first, part.last, salt)


def read(clinic: "ClinicSource", site: Destination, now_ms: int) -> Snapshot:
    """Read what ``site`` is to have at ``now_ms``: ``days`` days from each branch's today, doctors that have a name.

    A body of several branches has one window: it begins with the day of the branch where the date is earliest and ends
    with the last day of the branch where it is latest.
    """
    with clinic.snapshot() as source:
        branches = [branch for branch in source.branches() if not site.branches or branch.id in site.branches]
        names, nameless = _names(source, branches, site)
        named = [branch for branch in branches if branch.id in names.branches]
        unnamed = tuple(branch.id for branch in branches if branch.id not in names.branches)
        windows = [
            source.boards(first_day, days, wire.GRID, ids).select(ids, names.doctors.keys())
            for first_day, days, ids in _windows(named, site, now_ms)
        ]
    parts = [part for boards in windows for part in _parts(boards, names, site)]
    counts = [boards.counts() for boards in windows]
    working, busy = sum(count[0] for count in counts), sum(count[1] for count in counts)
    return Snapshot(tuple(parts), names, working, busy, nameless, unnamed)


def _names(
    clinic: "ClinicSource", branches: Sequence["Branch"], site: Destination
) -> tuple[wire.Names, tuple[int, ...]]:
    ids = {branch.id for branch in branches}
    doctors: dict[int, str] = {}
    for doctor in clinic.staff(ids if site.branches else None):
        if doctor.branch_id in ids and (not site.doctors or doctor.id in site.doctors):
            doctors[doctor.id] = doctors.get(doctor.id) or wire.spelled(doctor.name)
    named = {id_: name for id_, name in doctors.items() if name}
    shown = {branch.id: wire.spelled(branch.name) for branch in branches}
    zones = {branch.id: branch.zone for branch in branches}
    names = wire.Names(named, {id_: name for id_, name in shown.items() if name}, zones)
    return names, tuple(sorted(doctors.keys() - named.keys()))


def _windows(branches: Sequence["Branch"], site: Destination, now_ms: int) -> Iterator[tuple[int, int, list[int]]]:
    """Give (first day, days, branches); the date differs between the zones of a large country."""
    today: dict[int, list[int]] = {}
    for branch in branches:
        today.setdefault(minute_now(branch.zone, now_ms) // DAY, []).append(branch.id)
    if site.split == "whole" and today:
        first, last = min(today), max(today)
        yield first, site.days + last - first, [branch.id for branch in branches]
    else:
        for first, ids in sorted(today.items()):
            yield first, site.days, ids


def _parts(boards: Boards, names: wire.Names, site: Destination) -> Iterator[Part]:
    seats = boards.seats
    if site.split == "whole":
        if seats:
            yield Part(WHOLE, _("Все врачи одним телом"), boards, 0, seats)
        return
    first = 0
    for last in range(1, len(seats) + 1):
        if last == len(seats) or seats[last][0] != seats[first][0]:
            part = Part(seats[first][0], names.branches[seats[first][0]], boards, first, seats[first:last])
            yield from _by_size(part, names, site) if site.split == "doctors" else (part,)
            first = last


def _by_size(part: Part, names: wire.Names, site: Destination) -> Iterator[Part]:
    """Halve a branch's body until it fits; a single doctor stays whole, fit or not."""
    if len(part.seats) == 1 or wire.body(part.cut(), names).length() <= site.max_bytes:
        yield part
        return
    middle = (part.first + part.last) // 2 - part.first
    for first, seats in ((part.first, part.seats[:middle]), (part.first + middle, part.seats[middle:])):
        (branch, one), (_branch, other) = seats[0], seats[-1]
        key = digest(array("q", (branch, one, other)), wire.MAPPING)
        label = _("{branch}, врачи {first}–{last}", branch=names.branches[branch], first=one, last=other)
        yield from _by_size(Part(key, label, part.boards, first, seats), names, site)
