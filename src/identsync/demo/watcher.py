"""Looks at both sides while the demo runs and tells what has happened since the last look."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from identsync.demo.cases import Teller
from identsync.demo.crowd import Crowd
from identsync.demo.stage import LANDING, Stage
from identsync.demo.story import Story
from identsync.language import _
from identsync.store import slots
from identsync.store.tables import lead, run_log

FAILED = frozenset({"failed", "late", "ask", "later"})
GOOD = frozenset({"ok", "partial"})


@dataclass(slots=True)
class Watcher:
    """Remembers what was told; ``look`` is cheap and is called a few times a second."""

    stage: Stage
    crowd: Crowd
    story: Story
    leads: int = 0
    told: set[tuple[str, int, int]] = field(default_factory=set)
    seats: dict[int, str] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    cases: Teller = field(default_factory=Teller)

    def look(self) -> None:
        """Tell of new holders, ended runs and leads."""
        with self.stage.store.read() as connection:
            self._seats(connection)
            self._runs(connection)
            self._leads(connection)

    def _seats(self, connection: Connection) -> None:
        for seat in slots.seats(connection):
            member = self.crowd.find(seat.holder)
            if member is None or self.seats.get(seat.scope) == member.client:
                continue
            self.seats[seat.scope] = member.client
            place = _("филиал {id}", id=seat.scope) if seat.scope else _("вся сеть")
            self.story.tell(_("{place}: задачи ведёт {name}", place=place, name=member.name))

    def _runs(self, connection: Connection) -> None:
        r = run_log.c
        newest = select(r.kind, r.scope, r.fence, r.holder, r.outcome, r.counts, r.note, r.started_ms, r.finished_ms)
        newest = newest.where(r.finished_ms.is_not(None)).order_by(r.started_ms.desc()).limit(50)
        for row in reversed(connection.execute(newest).all()):
            key = (row.kind, row.scope, row.fence)
            if key in self.told:
                continue
            self.told.add(key)
            self.outcomes[row.outcome] += 1
            self._tell_run(connection, row)

    def _tell_run(self, connection: Connection, row: "object") -> None:
        member = self.crowd.find(getattr(row, "holder", None))
        who = member.name if member else _("ушедшая программа")
        kind, outcome = str(getattr(row, "kind", "")), str(getattr(row, "outcome", ""))
        if outcome in GOOD:
            if kind.startswith("timetable/"):
                self.story.tell(_("{who}: расписание на {site} отправлено и принято", who=who, site=kind.split("/")[1]))
            if kind.startswith("calendar/"):
                self._tell_events(who, json.loads(getattr(row, "counts", None) or "{}"))
            if kind.startswith("egisz/"):
                counts = json.loads(getattr(row, "counts", None) or "{}")
                for sentence in self.cases.told(connection, kind, counts):
                    self.story.tell(f"{who}: {sentence}")
            if kind.endswith(".send") and (sent := json.loads(getattr(row, "counts", None) or "{}").get("accepted")):
                self.story.tell(_("{who}: напоминаний отправлено: {sent}", who=who, sent=sent))
            return
        words = {"who": who, "kind": kind, "outcome": outcome, "note": getattr(row, "note", None) or ""}
        self.story.tell(_("{who}: {kind} - {outcome} {note}", **words))

    def _tell_events(self, who: str, counts: Mapping[str, int]) -> None:
        written, removed = counts.get("confirmed", 0), counts.get("removed", 0)
        if written and removed:
            words = {"who": who, "written": written, "removed": removed}
            self.story.tell(_("{who}: в календари врачей записано событий: {written}, убрано: {removed}", **words))
        elif written:
            self.story.tell(_("{who}: в календари врачей записано событий: {written}", who=who, written=written))
        elif removed:
            self.story.tell(_("{who}: из календарей врачей убрано событий: {removed}", who=who, removed=removed))

    def _leads(self, connection: Connection) -> None:
        count = connection.execute(select(func.count()).select_from(lead)).scalar_one()
        if count > self.leads:
            words = {"count": count - self.leads, "site": LANDING, "total": count}
            self.story.tell(_("С сайта {site} пришло заявок: {count}, всего {total}", **words))
        self.leads = count
