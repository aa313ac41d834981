"""A run's looks at calendars: what people have edited, what is there without our knowing, which calendars are gone.

A look writes nothing but what it takes away; what differs is noted, and delivered by the same run.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from identsync.core.columns import Columns
from identsync.flows.mirror import Confirmed, Verdict, confirmed, doubt, keep, kept
from identsync.integrations.calendar import books, keeping
from identsync.integrations.calendar.books import Link
from identsync.integrations.calendar.chosen import GONE
from identsync.integrations.calendar.desks import Desk, Desks, Reception
from identsync.integrations.calendar.event import Calendar, Conflict, NoCalendar, Unwanted
from identsync.integrations.calendar.ghosts import Ghosts
from identsync.integrations.calendar.introducing import Books
from identsync.integrations.calendar.keeping import Kept, Look
from identsync.integrations.calendar.wanted import Wanted
from identsync.language import kept as kept_words
from identsync.language import keyed as _
from identsync.spans import DAY_MS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from identsync.engine.run import Run

WHOLE_MS = DAY_MS  # a day: its first look at a calendar trusts no token


@dataclass(slots=True)
class Looks:
    """What one run sees in the calendars of its branch; ``repaired`` counts what people had edited."""

    here: Reception
    found: Books
    wanted: Wanted
    desks: Desks
    ghosts: Ghosts = field(init=False)
    repaired: int = 0

    def __post_init__(self) -> None:
        self.ghosts = Ghosts(self.run, self.wanted, self.found.others)

    @property
    def run(self) -> "Run":
        """The run that looks."""
        return self.here.run

    async def look_again(self) -> None:
        """Compare the calendars that are due for it with what lies there; what differs is delivered by this run."""
        doctors = self.found.written(self._is_due)
        due = [desk for doctor in doctors if (desk := await self.desks.of(doctor)) and desk.still is None]
        if not due:
            return
        mine, settled = await self._mine()
        gate = asyncio.Semaphore(self.here.destination.parallel)
        try:
            async with asyncio.TaskGroup() as looks:  # where one ends the run, no other may outlive it
                for desk in due:
                    looks.create_task(self._look(desk, mine.get(desk.link.doctor, {}), settled, gate))
        except ExceptionGroup as errors:  # no except*: some Pythons 3.11 put what it raises into a group again
            raise errors.exceptions[0] from None

    def _is_due(self, link: Link) -> bool:
        if link.state in GONE:  # what people have edited there is of no interest any more
            return False
        return link.looked_ms is None or link.looked_ms + self.here.destination.repair <= self.run.now_ms()

    async def _mine(self) -> tuple[dict[int, dict[int, Kept]], set[int]]:
        """Return what is kept by doctor and key, and the keys that are there as they are wanted now."""

        def both(connection: "Connection") -> tuple[dict[int, bytes], Columns]:
            at = self.run.kind, self.run.scope
            return kept(connection, *at), confirmed(connection, *at)

        packed, there = await self.run.read(both)
        changes = there.difference(self.wanted.columns)
        settled = set(there.keys) - set(changes.changed) - set(changes.removed)
        mine: dict[int, dict[int, Kept]] = {}
        for key, payload in packed.items():
            one = Kept.unpack(payload)
            mine.setdefault(one.doctor, {})[key] = one
        return mine, settled

    async def _look(
        self, desk: Desk, mine: Mapping[int, Kept], settled: Collection[int], gate: asyncio.Semaphore
    ) -> None:
        async with gate:
            await self.desks.obey()
            wanted = self.wanted.events([key for key in mine if key in settled])
            look: Look | None = None

            async def work(calendar: Calendar) -> Verdict:
                nonlocal look
                now = self.run.now_ms()
                own = self.ghosts.may_be_in(desk.link)
                seen = await keeping.look(calendar, _last(desk.link, now), mine, wanted, now, own=own)
                ghosts = await self.ghosts.of(desk.link.doctor, seen.ghosts) if seen.ghosts else {}
                for name, etag in {**dict.fromkeys(seen.strays), **ghosts}.items():
                    if isinstance(await calendar.remove(name, etag), Conflict | Unwanted):
                        seen.token = None  # it must be met again
                look = seen
                return Confirmed()

            try:
                await desk.do(work)
            except NoCalendar:
                await self._replace(desk, mine)
            if look is not None:
                await self._note(desk, look)

    async def _note(self, desk: Desk, look: Look) -> None:
        """Write down what a look has shown, in one transaction with the token that will not show it again."""
        self.repaired += look.edited
        link = replace(
            desk.link, token=look.token, looked_ms=self.run.now_ms(), repaired=desk.link.repaired + look.edited,
            strange=look.foreign if look.whole else max(desk.link.strange, look.foreign),
        )  # fmt: skip

        def note(connection: "Connection") -> None:
            at = self.run.kind, self.run.scope
            keep(connection, *at, {key: one.pack() for key, one in look.keep.items()})
            doubt(connection, *at, look.doubt)
            books.change_link(connection, self.here.name, desk.link, link, self.run.now_ms())

        await self.run.write(note)
        desk.link = link

    async def _replace(self, desk: Desk, mine: Mapping[int, Kept]) -> None:
        """Forget a calendar that somebody has deleted: one that we made is made anew, in the next run."""
        link = replace(desk.link, token=None, looked_ms=None)
        if link.own:
            link = replace(link, address="")
            desk.still = _("календарь удалили; создаём новый")
        else:
            words = _("календаря больше нет: подключите другой")
            link = replace(link, state="refused", problem=kept_words(words, books.PROBLEM))
            desk.still = words

        def forget(connection: "Connection") -> None:
            at = self.run.kind, self.run.scope
            keep(connection, *at, {key: replace(one, etag=None).pack() for key, one in mine.items()})
            doubt(connection, *at, list(mine))
            books.change_link(connection, self.here.name, desk.link, link, self.run.now_ms())

        await self.run.write(forget)
        desk.link = link


def _last(link: Link, now_ms: int) -> keeping.Last:
    """Return the last look that still counts; one that is to be done again, or a day's first, is one at everything.

    DAViCal forgets a token after a week and tells all there is as news, of what was deleted nothing: and a server that
    was restored from a backup has never heard of it.
    """
    if link.looked_ms is None:
        return keeping.Last()
    today = link.looked_ms // WHOLE_MS == now_ms // WHOLE_MS
    return keeping.Last(link.token if today else None, link.looked_ms)
