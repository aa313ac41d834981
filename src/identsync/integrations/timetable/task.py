"""What runs when due: free and busy time of the next days goes to one site, where it differs from what it has."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import orjson

from identsync.core.board import Boards
from identsync.core.columns import Columns, digest
from identsync.core.payload import TimetableBody
from identsync.engine.integration import Outcome, Task
from identsync.flows.mirror import Brake, Confirmed, Item, Patience, Rejected, Verdict, mirror
from identsync.integrations.timetable import wire
from identsync.integrations.timetable.kept import gone, packed
from identsync.integrations.timetable.settings import Destination
from identsync.integrations.timetable.snapshot import WHOLE, Part, Snapshot, read
from identsync.language import _
from identsync.spans import HOUR_MS
from identsync.values import secret

if TYPE_CHECKING:
    from identsync.clinic.source import Branch, ClinicSource
    from identsync.engine.run import Run
    from identsync.flows.http import Http

DEADLINE_MS = 600_000
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


async def _run(run: "Run", name: str, site: Destination) -> Outcome:
    from identsync.flows.http import Http

    key = secret(site.key)
    now = run.now_ms()
    snapshot, desired = await run.clinic_read(lambda clinic: _read(clinic, site, now))
    brake = Brake(site.shrink / 100, FLOOR)
    patience = Patience(min(60_000, site.interval), HOUR_MS)
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
