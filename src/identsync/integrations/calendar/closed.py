"""Branches that were closed: no client runs their tasks, so one of the others takes over what they left.

A branch is closed where neither the clinic's branches nor its staff know it, or the settings do not choose it, and
nobody may still work there: its task has not run for an hour, or none of its doctors has a calendar that is kept. What
it wrote is not wanted by its heir, whose run takes it back; the calendars stay, so that a branch that was missing by
mistake is filled again.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import Connection, and_, or_, select, update

from identsync.flows.mirror import inherit
from identsync.integrations.calendar.chosen import GONE, serves, stream_of
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.spans import HOUR_MS
from identsync.store.tables import calendar_link, mirror_stream, task_slot

if TYPE_CHECKING:
    from identsync.clinic.source import ClinicSource
    from identsync.engine.run import Run

QUIET_MS = HOUR_MS


def heir(destination: CalendarDestination, branches: Collection[int]) -> int | None:
    """Return which of the clinic's branches takes over what closed ones leave; None where it has none."""
    chosen = [branch for branch in branches if serves(destination, branch)]
    return min(chosen or branches, default=None)


async def take_over(run: "Run", name: str, destination: CalendarDestination) -> None:
    """Take over what closed branches have left, where this run's branch is the one to do so."""
    long_ago = run.now_ms() - QUIET_MS - destination.interval
    silent = await run.read(lambda connection: _silent(connection, name, run.scope, long_ago))
    if not silent:
        return
    branches, known = await run.clinic_read(_known)
    closed = {branch for branch in silent if branch not in known or not serves(destination, branch)}
    if closed and heir(destination, branches) == run.scope:
        await run.write(lambda connection: _inherit(connection, name, closed, run.scope, run.now_ms()))


def _silent(connection: Connection, name: str, own: int, long_ago_ms: int) -> set[int]:
    """Return the other branches that have written something, or are to, and where nobody seems to work."""
    stream, slot, link = mirror_stream.c, task_slot.c, calendar_link.c
    kept = select(link.doctor_id).where(link.destination == name, link.scope == stream.scope, link.state.not_in(GONE))
    quiet = or_(slot.finished_ms.is_(None), slot.finished_ms < long_ago_ms, ~kept.exists())
    same = and_(slot.kind == stream.stream, slot.scope == stream.scope)
    written = select(stream.scope).outerjoin_from(mirror_stream, task_slot, same)
    written = written.where(stream.stream == stream_of(name), stream.scope != own, quiet)
    leaving = select(link.scope).where(link.destination == name, link.state == "leaving", link.scope != own)
    return {*connection.execute(written).scalars(), *connection.execute(leaving).scalars()}


def _known(clinic: "ClinicSource") -> tuple[set[int], set[int]]:
    """Return the clinic's branches, and these with all that its staff names."""
    branches = {branch.id for branch in clinic.branches()}
    return branches, branches | {doctor.branch_id for doctor in clinic.staff()}


def _inherit(connection: Connection, name: str, closed: Collection[int], heir: int, now_ms: int) -> None:
    link = calendar_link.c
    for scope in closed:
        inherit(connection, stream_of(name), scope, heir, now_ms)
        of_scope = link.destination == name, link.scope == scope
        connection.execute(update(calendar_link).where(*of_scope).values(scope=heir, changed_ms=now_ms))
