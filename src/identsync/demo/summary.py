"""The end of a demo in numbers, counted from both sides: the engine's journal and tables, the others' own books."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from identsync.demo import calls, cases, messages, places
from identsync.demo.calendars import compared
from identsync.demo.checker import Grid, JournalRow, Verdict, check
from identsync.demo.crowd import Crowd, Member
from identsync.demo.stage import AGGREGATOR, LANDING, Stage
from identsync.demo.watcher import FAILED
from identsync.engine.integration import Role, Task
from identsync.language import _
from identsync.store.limiter import phase_ms
from identsync.store.tables import lead, run_log

AGAIN = ("left", "later", "unknown")
"""What a run leaves to be tried again."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What ``identsync demo --json`` prints; see README for each number."""

    seconds: float
    clients: int
    killed: int
    runs: int
    double_runs: int
    missed_runs: int
    leads_made: int
    leads_received: int
    leads_doubled: int
    timetables_confirmed: int
    calendar_events_wanted: int
    calendar_events_confirmed: int
    calendar_events_doubled: int
    messages_sent: int
    messages_doubled: int
    messages_unknown: int
    addresses_asked: int
    addresses_again: int
    addresses_found: int
    calls_made: int
    calls_known: int
    calls_doubled: int
    cases_taken: int
    cases_doubled: int
    errors: int

    @property
    def faultless(self) -> bool:
        """True where nothing was lost, doubled, missed or failed."""
        lost = self.leads_made - self.leads_received
        behind = self.calendar_events_wanted - self.calendar_events_confirmed
        doubled = self.double_runs or self.leads_doubled or self.calendar_events_doubled or self.messages_doubled
        doubled = doubled or self.calls_doubled or self.cases_doubled
        return not (doubled or self.missed_runs or self.errors or lost or behind)


def summed_up(stage: Stage, crowd: Crowd, *, since_ms: int, until_ms: int) -> tuple[Summary, list[str]]:
    """Return the numbers, and a sentence for each fault behind them."""
    with stage.store.read() as connection:
        rows, confirmed = journal(connection)
        received = [row[0] for row in connection.execute(select(lead.c.external_id).where(lead.c.site == LANDING))]
    absent = absences(crowd.members, since_ms, until_ms)
    verdict = check(rows, grids(stage.tasks, crowd), since_ms=since_ms, until_ms=until_ms, absent=absent)
    made = {entry["id"] for entry in stage.landing.leads()}
    accepted = sum(int(site.books()["timetables_confirmed"]) for site in (stage.aggregator, stage.landing))
    events = compared(stage, staffed(crowd.members))
    sms, where, rung = messages.compared(stage), places.compared(stage), calls.compared(stage)
    sent = cases.compared(stage)
    wrong = [*_errors(rows, crowd), *_refusals(stage), *events.faults, *sms.faults]
    if confirmed > accepted:
        wrong.append(_("движок считает принятыми {ours} расписаний, сайты - {theirs}", ours=confirmed, theirs=accepted))
    summary = Summary(
        seconds=round((until_ms - since_ms) / 1000, 1),
        clients=len({member.part for member in crowd.members}),
        killed=crowd.killed,
        runs=verdict.runs,
        double_runs=verdict.double_runs,
        missed_runs=len(verdict.missed),
        leads_made=len(made),
        leads_received=len(made.intersection(received)),
        leads_doubled=len(received) - len(set(received)),
        timetables_confirmed=min(confirmed, accepted),
        calendar_events_wanted=events.wanted,
        calendar_events_confirmed=events.confirmed,
        calendar_events_doubled=events.doubled,
        messages_sent=sms.taken,
        messages_doubled=sms.doubled,
        messages_unknown=sms.unknown,
        addresses_asked=where.asked,
        addresses_again=where.again,
        addresses_found=where.found,
        calls_made=rung.made,
        calls_known=rung.known,
        calls_doubled=rung.doubled,
        cases_taken=sent.taken,
        cases_doubled=sent.doubled,
        errors=len(wrong) + len(verdict.fences),
    )
    return summary, [*wrong, *_told(verdict, since_ms)]


def journal(connection: Connection) -> tuple[list[JournalRow], int]:
    """Return every run of the journal, and how many timetables those runs saw confirmed."""
    r = run_log.c
    names = (r.kind, r.scope, r.fence, r.holder, r.started_ms, r.finished_ms, r.outcome)
    found = connection.execute(select(*names, r.counts)).all()
    counts = [json.loads(row.counts or "{}") for row in found]
    rows = [
        JournalRow(*row[:-1], again=any(count.get(name) for name in AGAIN))
        for row, count in zip(found, counts, strict=True)
    ]
    timetables = (count for row, count in zip(found, counts, strict=True) if row.kind.startswith("timetable/"))
    return rows, sum(int(count.get("confirmed", 0)) for count in timetables)


def staffed(members: Sequence[Member]) -> set[int]:
    """Return the branches whose tasks some client of the cast may run."""
    return {member.part.branch for member in members if member.part.role is not Role.DOCTOR}


def grids(tasks: Sequence[Task], crowd: Crowd) -> dict[tuple[str, int], Grid]:
    """Return when each task was due, of those that some client of the cast may run."""
    scopes = {0, *staffed(crowd.members)}
    return {
        (task.kind, task.scope): Grid(phase_ms(task.kind, task.scope, task.interval_ms), task.interval_ms)
        for task in tasks
        if task.scope in scopes and not task.live  # a live one works on over its grid
    }


def absences(members: Sequence[Member], since_ms: int, until_ms: int) -> dict[int, list[tuple[int, int]]]:
    """Return, by scope, the times without a living client that may run its tasks; scope 0 needs any of them."""
    able = [member for member in members if member.part.role is not Role.DOCTOR]
    spans = {0: _gaps(able, since_ms, until_ms)}
    for branch in {member.part.branch for member in able}:
        spans[branch] = _gaps([member for member in able if member.part.branch == branch], since_ms, until_ms)
    return spans


def _gaps(members: Sequence[Member], since_ms: int, until_ms: int) -> list[tuple[int, int]]:
    alive = sorted((m.ready_ms, m.ended_ms or until_ms) for m in members if m.ready_ms is not None)
    gaps, reached = [], since_ms
    for start, end in alive:
        if start > reached:
            gaps.append((reached, start))
        reached = max(reached, end)
    return [*gaps, (reached, until_ms)] if reached < until_ms else gaps


def _errors(rows: Sequence[JournalRow], crowd: Crowd) -> Iterator[str]:
    for row in rows:
        if row.outcome in FAILED:
            yield _("{kind}, филиал {scope}: {outcome}", kind=row.kind, scope=row.scope, outcome=row.outcome)
    for member in crowd.crashes():
        yield _("{name} завершилась с ошибкой {code}", name=member.name, code=member.process.returncode)


def _refusals(stage: Stage) -> Iterator[str]:
    for name, site in ((AGGREGATOR, stage.aggregator), (LANDING, stage.landing)):
        for what, count in site.books()["counts"].items():
            method, _space, status = what.rpartition(" ")
            if method in {"PostTimeTable", "GetTickets"} and status != "200":
                yield _("{site} отказал: {what}, раз: {count}", site=name, what=what, count=count)


def _told(verdict: Verdict, since_ms: int) -> Iterator[str]:
    sentences = {
        _("дважды за один интервал: {kind}, филиал {scope}, на {second}-й секунде"): verdict.double,
        _("пропущен интервал: {kind}, филиал {scope}, на {second}-й секунде"): verdict.missed,
    }
    for sentence, faults in sentences.items():
        for kind, scope, at_ms in faults:
            yield sentence.format(kind=kind, scope=scope, second=round((at_ms - since_ms) / 1000))
    for kind, scope, fence in (*verdict.overlapping, *verdict.fences):
        yield _("наложение: {kind}, филиал {scope}, ограждение {fence}", kind=kind, scope=scope, fence=fence)
