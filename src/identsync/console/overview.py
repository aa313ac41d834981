"""Обзор: every task by branch, in words and colour; what failed stands first, with its cause and what to do."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

from sqlalchemy import Connection, and_, func, select

from identsync.console.branches import Names, Row, alive, at_home, causes_of, counts_of_rows, grouped
from identsync.console.crew import Crew, crews
from identsync.console.states import (
    LEFT,
    LEFT_SHOWN_MS,
    OVERDUE_MS,
    OWN,
    STUBBORN,
    LastRun,
    counts_of,
    is_left,
    state_of,
    stuck_of,
    trouble_of,
)
from identsync.engine.integration import Alarm, Integration, Page, PageContext, Status, Task
from identsync.errors import AskPerson
from identsync.integrations import tasks_of
from identsync.store import slots
from identsync.store.clients import computers, is_outgrown
from identsync.store.slots import SlotView
from identsync.store.tables import run_log, task_slot

SEAT = "seat"
ANYWHERE = -1  # no scope: the title of a kind in a branch that this client knows no task of
FEW = 12  # so many tasks in all are shown at once, more are folded by branch
BRANCHES_MS = 60_000  # how long the clinic's list of branches is kept
SIGN_MS = 15_000  # how often the page is drawn anew for the clients' signs of life alone


def _(sentence: str) -> str:
    return sentence


class Overview:
    """The page; keeps the clinic's branches for a minute and the tasks' titles for good."""

    def __init__(
        self, tasks: Sequence[Task], poke: Callable[[str, int], None], pages: Sequence[tuple[Page, Any]] = (),
        rooms: Sequence[tuple[Integration, Any]] = (), stuck: Callable[[], Exception | None] | None = None,
    ) -> None:  # fmt: skip
        self._alarming = [(page, settings) for page, settings in pages if page.alarm is not None]
        self._titles = {(task.kind, task.scope): task.title for task in tasks if task.title}
        self._titles |= {(task.kind, ANYWHERE): task.title for task in tasks if task.title} | OWN
        self._protos = {task.kind: task.proto for task in tasks}
        self._poke = poke
        self._rooms = rooms
        self._stuck = stuck
        self._wanted: frozenset[tuple[str, int]] | None = None
        self._branches: Mapping[int, Any] = {}
        self._branches_at = -float("inf")

    def page(self) -> Page:
        """Return the page for the menu."""
        actions = {"run": self._run, "pause": self._pause, "resume": self._resume}
        return Page("overview", _("Обзор"), "overview.html", self._view, version, actions, self._attention)

    def branches(self, context: PageContext) -> Mapping[int, Any]:
        """Return the clinic's branches by id; the last known ones where the clinic's database does not answer."""
        if time.monotonic() - self._branches_at > BRANCHES_MS / 1000:
            self._branches_at = time.monotonic()
            try:
                self._branches = {branch.id: branch for branch in context.clinic.branches()}
                if self._rooms:
                    known = tasks_of(self._rooms, list(self._branches.values()))
                    self._wanted = frozenset((task.kind, task.scope) for task in known) | OWN.keys()
            except Exception:
                return self._branches
        return self._branches

    def title(self, kind: str, scope: int) -> str:
        """Return what people call a task; its kind where no room of this client has it."""
        return self._titles.get((kind, scope)) or self._titles.get((kind, ANYWHERE)) or kind

    def _view(self, context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
        with context.store.read() as connection:
            views = slots.overview(connection)
            runs = _last_runs(connection)
            found = crews(connection, context.now_ms)
            names = _names(connection, found.values())
            outgrown = is_outgrown(connection) or any(map(self._is_outgrown, views))
        branches = self.branches(context)
        rows = [
            self._row(slot, runs.get((slot.kind, slot.scope)), context.now_ms, outgrown=outgrown)
            for slot in views
            if outgrown or not self._is_left(slot, context.now_ms - LEFT_SHOWN_MS)
        ]
        groups = grouped(rows, found, branches)
        few = sum(len(group.rows) for group in groups) <= FEW
        opened, standing = query.get("branch", ""), query.get("crew", "")
        return {
            "groups": groups,
            "shown": [group for group in groups if standing in ("", group.standing)],
            "standings": Counter(group.standing for group in groups),
            "opened_by": lambda group: few != (opened == str(group.scope)),
            "causes": causes_of(groups),
            "counts": counts_of_rows(rows),
            "alive": alive(found.values()),
            "called": names,
            "home": at_home(found, branches),
            "outgrown": outgrown,
            "alarms": self._alarms(context),
            "stuck": stuck_of(error) if self._stuck and (error := self._stuck()) else None,
        }

    def _alarms(self, context: PageContext) -> list[tuple[Page, Alarm]]:
        """Return what the rooms' pages say here, each with its page."""
        told = [(page, page.alarm(replace(context, settings=its))) for page, its in self._alarming if page.alarm]
        return [(page, alarm) for page, alarm in told if alarm is not None]

    def _is_left(self, slot: SlotView, now_ms: int) -> bool:
        return is_left(slot.kind, slot.scope, slot.eligible_ms, self._wanted, now_ms)

    def _row(self, slot: SlotView, last: LastRun | None, now_ms: int, *, outgrown: bool) -> Row:
        left = not outgrown and self._is_left(slot, now_ms)  # newer programs may know tasks that this one cannot name
        state = LEFT if left else state_of(slot, last, now_ms)
        trouble, detail = trouble_of(slot, last, state, outgrown=self._is_outgrown(slot))
        return Row(slot, self.title(slot.kind, slot.scope), state, last, trouble, detail)

    def _attention(self, context: PageContext) -> int:
        """Return how many tasks wait for a person; nobody waits for those that the settings do not name any more."""
        self.branches(context)
        slot = task_slot.c
        with context.store.read() as connection:
            overdue = connection.execute(_overdue(context.now_ms, slot.kind, slot.scope)).all()
            newer = is_outgrown(connection)
        wanted = None if newer else self._wanted
        return _waiting(context) + sum(wanted is None or (kind, scope) in wanted for kind, scope in overdue)

    def _is_outgrown(self, slot: SlotView) -> bool:
        """Say whether this program knows the task, and is too old for it."""
        return slot.min_proto > self._protos.get(slot.kind, slot.min_proto)

    def _run(self, context: PageContext, form: Mapping[str, str]) -> str:
        kind, scopes = _slots(form)
        with context.store.write() as connection:
            due = [scope for scope in scopes if slots.run_now(connection, kind, scope)]
        for scope in due:
            self._poke(kind, scope)
        if not due:
            raise AskPerson(
                _("Задача уже выполняется или стоит на паузе"), hint=_("Снимите паузу или дождитесь конца.")
            )
        return _("Запустится сейчас")

    def _pause(self, context: PageContext, form: Mapping[str, str]) -> str:
        self._set_paused(context, form, paused=True)
        return _("На паузе: не запустится ни у одного клиента, пока паузу не снять")

    def _resume(self, context: PageContext, form: Mapping[str, str]) -> str:
        self._set_paused(context, form, paused=False)
        return _("Пауза снята")

    def _set_paused(self, context: PageContext, form: Mapping[str, str], *, paused: bool) -> None:
        kind, scopes = _slots(form)
        with context.store.write() as connection:
            known = [scope for scope in scopes if slots.pause(connection, kind, scope, paused)]
        for scope in known:
            self._poke(kind, scope)
        if not known:
            raise AskPerson(_("Такой задачи уже нет"), hint=_("Обновите страницу."))


def version(context: PageContext) -> str:
    """Return what changes with a run's begin and end, a pause, a seat that changes hands, a client that comes or goes.

    It changes every quarter of a minute besides: the clients' last signs of life are on the page.
    """
    columns = task_slot.c
    held = func.sum(func.coalesce(func.length(columns.holder), 0))
    with context.store.read() as connection:
        row = connection.execute(
            select(
                func.count(),
                func.sum(columns.fence),
                func.sum(columns.paused),
                func.max(columns.finished_ms),
                held,
                func.sum(columns.attempt),
            ).where(columns.kind != SEAT)
        ).one()
        seated = connection.execute(
            select(func.sum(columns.fence), func.count(columns.holder)).where(columns.kind == SEAT)
        ).one()
        overdue = connection.execute(_overdue(context.now_ms, func.count())).scalar_one()
        marks = "".join(crew.mark for crew in crews(connection, context.now_ms, told=False).values())
    parts = (*row, *seated, overdue, crc32(marks.encode()), context.now_ms // SIGN_MS)
    return "-".join(str(part or 0) for part in parts)


def _waiting(context: PageContext) -> int:
    """Return how many of the tasks that are not overdue wait for a person."""
    waiting = [status.value for status in (Status.ASK, Status.FAILED, Status.LATE)]
    slot, log = task_slot.c, run_log.c
    same = and_(log.kind == slot.kind, log.scope == slot.scope, log.fence == slot.fence)
    fresh = slot.eligible_ms > context.now_ms - OVERDUE_MS
    stubborn = and_(log.outcome == Status.LATER.value, slot.attempt >= STUBBORN)
    wanting = (
        select(func.count())
        .select_from(task_slot.join(run_log, same))
        .where(slot.paused == 0, slot.kind != SEAT, fresh, log.outcome.in_(waiting) | stubborn)
    )
    with context.store.read() as connection:
        return int(connection.execute(wanting).scalar_one())


def _overdue(now_ms: int, *columns: Any) -> Any:
    slot = task_slot.c
    return select(*columns).where(slot.kind != SEAT, slot.paused == 0, slot.eligible_ms <= now_ms - OVERDUE_MS)


def _names(connection: Connection, found: Collection[Crew]) -> Names:
    present = [one.client for crew in found for one in crew.members]
    former = [crew.former.client for crew in found if crew.former]
    return Names(computers(connection, [*present, *former]), present)


def _last_runs(connection: Connection) -> dict[tuple[str, int], LastRun]:
    """Return for every slot its newest run; for a running one the run before, whose outcome still stands."""
    slot, log = task_slot.c, run_log.c
    near = and_(log.kind == slot.kind, log.scope == slot.scope, log.fence.between(slot.fence - 1, slot.fence))
    columns = [log.kind, log.scope, log.outcome, log.started_ms, log.finished_ms, log.counts, log.note]
    rows = connection.execute(select(*columns).select_from(task_slot.join(run_log, near)).order_by(log.fence))
    runs: dict[tuple[str, int], LastRun] = {}
    for kind, scope, outcome, started, finished, counts, note in rows:
        if outcome == "running" and (kind, scope) in runs:
            continue
        runs[kind, scope] = LastRun(outcome, started, finished, counts_of(counts), note or "")
    return runs


def _slots(form: Mapping[str, str]) -> tuple[str, list[int]]:
    """Return the task's kind and the scopes a button names, '5' or '5,6,7'."""
    try:
        return form["kind"], [int(scope) for scope in form["scope"].split(",")]
    except (KeyError, ValueError):
        raise AskPerson(_("Страница прислала непонятное"), hint=_("Обновите страницу.")) from None
