"""Обзор: every task by branch, in words and colour; what failed stands first, with its cause and what to do."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, func, select

from identsync.console.states import OVERDUE_MS, RANK, STUBBORN, LastRun, State, counts_of, state_of, trouble_of
from identsync.console.troubles import Trouble
from identsync.engine.integration import Page, PageContext, Role, Status, Task
from identsync.errors import AskPerson
from identsync.store import slots
from identsync.store.slots import SeatView, SlotView
from identsync.store.tables import run_log, task_slot

SEAT = "seat"
ANYWHERE = -1  # no scope: the title of a kind in a branch that this client knows no task of
FEW = 12  # so many tasks in all are shown at once, more are folded by branch
BRANCHES_MS = 60_000  # how long the clinic's list of branches is kept


def _(sentence: str) -> str:
    return sentence


@dataclass(frozen=True, slots=True)
class Row:
    """A task of one scope as the page shows it."""

    slot: SlotView
    title: str
    state: State
    last: LastRun | None
    trouble: Trouble | None
    detail: str

    @property
    def id(self) -> str:
        """The row's id on the page."""
        return f"task-{self.slot.scope}-{self.slot.kind.replace('/', '-')}"


@dataclass(slots=True)
class Group:
    """A branch (scope 0: the network) with its tasks, its seat and who is there."""

    scope: int
    name: str
    zone: str | None
    seat: SeatView | None
    rows: list[Row] = field(default_factory=list)

    @property
    def worst(self) -> str:
        """The colour of the worst task."""
        return min((row.state.kind for row in self.rows), key=RANK.__getitem__, default="idle")

    @property
    def noticeable(self) -> list[Row]:
        """The tasks that are shown of a branch that is not opened."""
        return [row for row in self.rows if row.state.kind in ("bad", "warn") or row.slot.paused]

    @property
    def alive(self) -> dict[str, int]:
        """How many clients are present, by role."""
        present = self.seat.present if self.seat else ()
        return {
            "administrators": sum(one.role == Role.ADMINISTRATOR for one in present),
            "directors": sum(one.role == Role.DIRECTOR for one in present),
        }

    @property
    def last_ms(self) -> int | None:
        """When anything of the branch last ended well."""
        return max((row.slot.last_ok_ms for row in self.rows if row.slot.last_ok_ms), default=None)

    @property
    def next_ms(self) -> int | None:
        """When the next task of the branch is due."""
        return min((row.slot.eligible_ms for row in self.rows if not row.slot.paused), default=None)


@dataclass(slots=True)
class Cause:
    """One thing that needs a person, and every branch where it stands."""

    row: Row
    places: list[tuple[Group, Row]] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The card's id on the page; it stays while the first branch of the cause stays."""
        return f"cause-{self.row.id}"

    @property
    def scopes(self) -> str:
        """The branches' ids as an action takes them."""
        return ",".join(str(row.slot.scope) for _group, row in self.places)


class Overview:
    """The page; keeps the clinic's branches for a minute and the tasks' titles for good."""

    def __init__(self, tasks: Sequence[Task], poke: Callable[[str, int], None]) -> None:
        self._titles = {(task.kind, task.scope): task.title for task in tasks if task.title}
        self._titles |= {(task.kind, ANYWHERE): task.title for task in tasks if task.title}
        self._poke = poke
        self._branches: Mapping[int, Any] = {}
        self._branches_at = -float("inf")

    def page(self) -> Page:
        """Return the page for the menu."""
        actions = {"run": self._run, "pause": self._pause, "resume": self._resume}
        return Page("overview", _("Обзор"), "overview.html", self._view, version, actions, attention)

    def branches(self, context: PageContext) -> Mapping[int, Any]:
        """Return the clinic's branches by id; the last known ones where the clinic's database does not answer."""
        if time.monotonic() - self._branches_at > BRANCHES_MS / 1000:
            self._branches_at = time.monotonic()
            try:
                self._branches = {branch.id: branch for branch in context.clinic.branches()}
            except Exception:
                return self._branches
        return self._branches

    def title(self, kind: str, scope: int) -> str:
        """Return what people call a task; its kind where no room of this client has it."""
        return self._titles.get((kind, scope)) or self._titles.get((kind, ANYWHERE)) or kind

    def _view(self, context: PageContext, query: Mapping[str, str]) -> dict[str, Any]:
        with context.store.read() as connection:
            views = slots.overview(connection)
            seats = {seat.scope: seat for seat in slots.seats(connection)}
            runs = _last_runs(connection)
        rows = [self._row(slot, runs.get((slot.kind, slot.scope)), context.now_ms) for slot in views]
        groups = self._groups(rows, seats, self.branches(context))
        few = sum(len(group.rows) for group in groups) <= FEW
        opened = query.get("branch", "")
        return {
            "groups": groups,
            "opened_by": lambda group: few != (opened == str(group.scope)),
            "causes": _causes(groups),
            "counts": _counts(rows),
            "alive": _alive(seats.values()),
        }

    def _row(self, slot: SlotView, last: LastRun | None, now_ms: int) -> Row:
        state = state_of(slot, last, now_ms)
        trouble, detail = trouble_of(slot, last, state)
        return Row(slot, self.title(slot.kind, slot.scope), state, last, trouble, detail)

    def _groups(self, rows: Sequence[Row], seats: Mapping[int, SeatView], branches: Mapping[int, Any]) -> list[Group]:
        groups: dict[int, Group] = {}
        for row in rows:
            scope = row.slot.scope
            if scope not in groups:
                branch = branches.get(scope)
                groups[scope] = Group(
                    scope, branch.name if branch else "", branch.zone if branch else None, seats.get(scope)
                )
            groups[scope].rows.append(row)
        for group in groups.values():
            group.rows.sort(key=lambda row: (RANK[row.state.kind], row.title))
        return sorted(
            groups.values(), key=lambda group: (group.scope != 0, min(RANK[group.worst], 2), group.name, group.scope)
        )

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


def _causes(groups: Sequence[Group]) -> list[Cause]:
    """Return what needs a person, the same trouble of the same task in many branches as one cause."""
    causes: dict[tuple[str, str, str], Cause] = {}
    for group in groups:
        for row in group.rows:
            if row.state.attention:
                why = row.trouble.title if row.trouble else row.detail
                causes.setdefault((row.slot.kind, row.state.words, why), Cause(row)).places.append((group, row))
    return sorted(causes.values(), key=lambda cause: -len(cause.places))


def _alive(seats: Iterable[SeatView]) -> dict[Role, int]:
    """Return how many clients are present in the network, by role."""
    present = {(one.client, one.role) for seat in seats for one in seat.present}
    return {role: sum(of == role for _client, of in present) for role in (Role.ADMINISTRATOR, Role.DIRECTOR)}


def version(context: PageContext) -> str:
    """Return what changes whenever a run begins or ends, a task is paused, or a seat changes hands."""
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
        overdue = connection.execute(_overdue(context.now_ms)).scalar_one()
    return "-".join(str(part or 0) for part in (*row, *seated, overdue))


def attention(context: PageContext) -> int:
    """Return how many tasks wait for a person."""
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
        return int(connection.execute(wanting).scalar_one()) + int(
            connection.execute(_overdue(context.now_ms)).scalar_one()
        )


def _overdue(now_ms: int) -> Any:
    slot = task_slot.c
    return select(func.count()).where(slot.kind != SEAT, slot.paused == 0, slot.eligible_ms <= now_ms - OVERDUE_MS)


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


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    counts = dict.fromkeys(RANK, 0)
    for row in rows:
        counts[row.state.kind] += 1
    return counts | {"all": len(rows), "paused": sum(row.slot.paused for row in rows)}


def _slots(form: Mapping[str, str]) -> tuple[str, list[int]]:
    """Return the task's kind and the scopes a button names, '5' or '5,6,7'."""
    try:
        return form["kind"], [int(scope) for scope in form["scope"].split(",")]
    except (KeyError, ValueError):
        raise AskPerson(_("Страница прислала непонятное"), hint=_("Обновите страницу.")) from None
