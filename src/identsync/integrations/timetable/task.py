"""What runs when due: free and busy time of the next days goes to one site, where it differs from what it has."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from identsync.clinic.clock import minute_now
from identsync.core.board import Boards
from identsync.core.columns import Columns, digest
from identsync.core.payload import TimetableBody
from identsync.engine import pages
from identsync.engine.integration import Outcome, Task
from identsync.errors import IdentsyncError, Problem
from identsync.flows.mirror import Brake, Confirmed, Item, Patience, Rejected, Verdict, mirror
from identsync.integrations.timetable import wire
from identsync.integrations.timetable.kept import gone, packed
from identsync.integrations.timetable.settings import Destination
from identsync.language import _
from identsync.values import secret

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, ClinicSource
    from identsync.engine.run import Run
    from identsync.flows.http import Http

DAY = 1440
DEADLINE_MS = 600_000
WHOLE = 0
FLOOR = 100  # cells: a clinic that opens these days may well change by more than a third


def tasks(settings: Mapping[str, Destination], branches: Sequence["Branch"]) -> list[Task]:
    """Return one task per site; its scope is its branch where it has exactly one, else 0 = the network."""
    return [_task(name, site, scope_of(site, branches)) for name, site in settings.items()]


def scope_of(site: Destination, branches: Sequence["Branch"]) -> int:
    """Return the branch of a site that shows one branch, else 0."""
    ids = site.branches or [branch.id for branch in branches]
    return ids[0] if len(ids) == 1 else WHOLE


def stream_of(name: str) -> str:
    """Return the stream, and the task's kind, of a site."""
    return f"timetable/{name}"


def _task(name: str, site: Destination, scope: int) -> Task:
    title = f"{_('Расписание')}: {site.title or name}"
    deadline = max(DEADLINE_MS, 4 * site.timeout)
    return Task(stream_of(name), scope, site.interval, site.lease, deadline, partial(_run, name=name, site=site), title)


# -- what the clinic says --------------------------------------------------------------------------------------------


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


# -- to the site -----------------------------------------------------------------------------------------------------


async def _run(run: "Run", name: str, site: Destination) -> Outcome:
    from identsync.flows.http import Http

    key = secret(site.key)
    now = run.now_ms()
    snapshot, desired = await run.clinic_read(lambda clinic: _read(clinic, site, now))
    brake = Brake(site.shrink / 100, FLOOR)
    patience = Patience(min(60_000, site.interval), 3_600_000)
    async with Http() as http:
        delivery = _Delivery(http, site, key, snapshot, desired)
        outcome = await mirror(
            run,
            stream_of(name),
            desired,
            weight=weights(snapshot, site),
            make=delivery.make,
            deliver=delivery.deliver,
            remove=None if site.split == "whole" else delivery.remove,
            brake=brake,
            patience=patience,
            refresh_ms=site.refresh,
        )
    return _remarked(outcome, snapshot)


def weights(snapshot: Snapshot, site: Destination) -> dict[str, int]:
    """Name what the brake watches: working and busy cells, of this choice of branches, doctors and days."""
    choice = digest(orjson.dumps([sorted(site.branches), sorted(site.doctors), site.days])) & 0xFFFFFF
    return {f"w{choice:06x}": snapshot.working, f"b{choice:06x}": snapshot.busy}


def _read(clinic: "ClinicSource", site: Destination, now_ms: int) -> tuple[Snapshot, Columns]:
    snapshot = read(clinic, site, now_ms)
    return snapshot, snapshot.desired(site)


def _remarked(outcome: Outcome, snapshot: Snapshot) -> Outcome:
    remarks = [outcome.note]
    if snapshot.nameless:
        remarks.append(_("без имени и потому не отправлены врачи: {ids}", ids=_some(snapshot.nameless)))
    if snapshot.unnamed:
        remarks.append(_("без названия и потому не отправлены филиалы: {ids}", ids=_some(snapshot.unnamed)))
    return replace(outcome, note="; ".join(filter(None, remarks)))


def _some(ids: Sequence[int]) -> str:
    return ", ".join(map(str, ids[:10]))


class _Delivery:
    """Makes bodies of a snapshot and sends them, one after the other."""

    def __init__(self, http: "Http", site: Destination, key: str, snapshot: Snapshot, desired: Columns) -> None:
        self._http = http
        self._site = site
        self._key = key
        self._snapshot = snapshot
        self._desired = desired
        self._parts = {part.key: part for part in snapshot.parts}
        self._present = {seat for part in snapshot.parts for seat in part.seats}

    async def make(self, keys: Sequence[int]) -> list[Item]:
        """Give the items of these parts; their payload is what the page compares with later."""
        return [self._item(self._parts[key]) for key in keys]

    def _item(self, part: Part) -> Item:
        names, boards = self._snapshot.names, part.cut()
        kept = packed(boards, names.doctors, names.branches)
        return Item(part.key, self._desired.get(part.key) or 0, part.label, kept)

    async def deliver(self, item: Item) -> Verdict:
        """Send one body, and in it who was in it before and has gone, if they fit."""
        boards, names = self._parts[item.key].cut(), self._snapshot.names
        content = wire.body(boards, names, gone(item.known, self._present))
        if self._excess(content):
            content = wire.body(boards, names)
        if length := self._excess(content):
            return Rejected(_too_large(self._site, length))
        return await self._post(content)

    async def remove(self, item: Item) -> Verdict:
        """Say of a body that is no more who was in it and has no time; nothing where the other bodies have them all."""
        left = gone(item.known, self._present)
        if not left.doctors:
            return Confirmed("")
        return await self._post(wire.body(Boards([], 0, 1, wire.GRID), self._snapshot.names, left))

    def _excess(self, content: TimetableBody) -> int:
        """Return how long a body is that the site would not take, 0 for others."""
        length = content.length() if self._site.max_bytes else 0
        return length if length > self._site.max_bytes else 0

    async def _post(self, content: TimetableBody) -> Verdict:
        site = self._site
        return await wire.post(self._http, site.url, self._key, content, gzip=site.gzip, deadline=site.timeout / 1000)


def _too_large(site: Destination, length: int) -> str:
    words = _("тело {n} байт, а предел сайта {limit}", n=length, limit=site.max_bytes)
    advice = {
        "whole": _('отправляйте по филиалам: split = "branch"'),
        "branch": _('делите и по врачам: split = "doctors", или уменьшите days'),
        "doctors": _("уменьшите days: не умещается и один врач"),
    }
    return f"{words}; {advice[site.split]}"


# -- identsync check -------------------------------------------------------------------------------------------------


async def check(settings: Mapping[str, Destination], context: Any) -> list[Problem]:
    """Knock at every site with a body that is no timetable; returns what is wrong with each, never raises.

    No site can take such a body for an empty timetable; one that knows the key complains of the body.
    """
    from identsync.flows.http import Http

    problems = []
    async with Http() as http:
        for name, site in settings.items():
            problem = await _try(http, f"timetable.{name}", site, context)
            if problem is not None:
                problems.append(problem)
    return problems


def _knock() -> Iterator[memoryview]:
    yield memoryview(b"identsync check")


async def _try(http: "Http", where: str, site: Destination, context: Any) -> Problem | None:
    try:
        missing = pages.unknown_branches(context, site.branches)
        key = secret(site.key)
        headers = {wire.KEY_HEADER: key}
        answer = await http.post_chunks(
            f"{site.url}/{wire.METHOD}", headers, _knock, content_type="text/plain; charset=utf-8", deadline=15
        )
    except IdentsyncError as error:
        return Problem(where, f"{error} {error.raw[:200]}".strip(), error.hint)
    if answer.status in {404, 405, 410}:
        return Problem(where, _("по этому адресу нет службы ({status})", status=answer.status), _("проверьте url"))
    if missing:
        ids = ", ".join(map(str, missing))
        return Problem(where, _("таких филиалов нет: {ids}", ids=ids), _("исправьте branches"))
    return None
