"""Ghosts: events that we wrote into a calendar of our own making and that our books know nothing of.

Books that were restored from a backup have forgotten what was written after it. What is still wanted of that is met
again by its name when it is written; a visit that was cancelled since would stand in the doctor's calendar for ever.
Only calendars that we made, and that no other destination writes to, are cleared of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from identsync.integrations.calendar.books import Link, bare
from identsync.integrations.calendar.event import Name
from identsync.integrations.calendar.keeping import Kept
from identsync.integrations.calendar.wanted import Wanted
from identsync.store.tables import mirror_item

if TYPE_CHECKING:
    from identsync.engine.run import Run


@dataclass(slots=True)
class Ghosts:
    """What tells ghosts in one run; ``others`` are the calendars of other destinations (books.others)."""

    run: "Run"
    wanted: Wanted
    others: Mapping[str, str]
    _elsewhere: set[str] | None = field(default=None, init=False)
    _keys: dict[int, list[int]] = field(default_factory=dict, init=False)  # what is wanted, by doctor

    def may_be_in(self, link: Link) -> bool:
        """Say whether a calendar is ours alone; where nothing at all is wanted, nothing is believed."""
        return link.own and bare(link.address) not in self.others and len(self.wanted.columns) > 0

    async def of(self, doctor: int, found: Mapping[Name, str | None]) -> dict[Name, str | None]:
        """Return which of these, of a doctor's calendar, nobody wants and no other branch has written, with etags."""
        if self._elsewhere is None:
            self._elsewhere = await self.run.read(self._of_other_branches)
            self._keys = self.wanted.by_doctor()
        known = {event.name for event in self.wanted.events(self._keys.get(doctor, ())).values()} | self._elsewhere
        return {name: etag for name, etag in found.items() if name.name not in known}

    def _of_other_branches(self, connection: Connection) -> set[str]:
        """Read the names that other branches answer for: a doctor whose home has moved has events of both."""
        item = mirror_item.c
        rows = select(item.payload).where(item.stream == self.run.kind, item.scope != self.run.scope)
        return {Kept.unpack(packed).name.name for packed in connection.execute(rows).scalars() if packed is not None}
