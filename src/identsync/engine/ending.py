"""How a run ended, in the journal's words: what a task raised becomes a status and a remark without personal data."""

import asyncio
import traceback
from dataclasses import replace
from typing import Any

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from identsync.engine.integration import Outcome, Status
from identsync.engine.run import Run
from identsync.errors import AskPerson, IdentsyncError, Later, NotHere, StaleFence
from identsync.language import _
from identsync.store.clients import here

_NOTE = 400


async def ending(run: Run, log: Any) -> Outcome:
    """Return the outcome of the task's function with the counts of ``Run.progress``; raises CancelledError only."""
    try:
        returned: object = await run.task.run(run)
        outcome = returned if isinstance(returned, Outcome) else _no_outcome(returned)
    except asyncio.CancelledError:
        raise
    except Exception as error:
        outcome = of_error(error)
        _report(error, outcome, log)
    return with_counts(outcome, run.counts)


def _no_outcome(returned: object) -> Outcome:
    return Outcome(Status.FAILED, note=f"the task returned {type(returned).__name__}, not an Outcome")


def of_error(error: Exception) -> Outcome:
    """Return the outcome that an exception stands for (the table of identsync.errors).

    Only our own sentences are kept: another library's message may quote data.
    """
    if isinstance(error, ImportError):  # a module's name is nobody's data
        error = NotHere(_("не загружается {name}", name=error.name or "?"))
    note = _note(error)
    match error:
        case IdentsyncError(elsewhere=True):
            return Outcome(Status.ASK, note=note, elsewhere=True)
        case AskPerson():
            return Outcome(Status.ASK, note=note)
        case Later():
            return Outcome(Status.LATER, note=note, retry_ms=error.after_ms)
        case StaleFence():
            return Outcome(Status.LOST, note=note)
        case OperationalError() | InterfaceError():
            return Outcome(Status.LATER, note=_("база данных не ответила: {why}", why=note))
        case DBAPIError() if error.connection_invalidated:
            return Outcome(Status.LATER, note=_("база данных не ответила: {why}", why=note))
    return Outcome(Status.FAILED, note=note)


def _note(error: Exception) -> str:
    """Return the error's name and its own sentence, with the computer where only that one has to be looked at."""
    if not isinstance(error, IdentsyncError):
        return type(error).__name__
    place = f"{here()}: " if error.elsewhere else ""
    return f"{type(error).__name__}: {place}{error}"[:_NOTE]


def with_counts(outcome: Outcome, counts: dict[str, int]) -> Outcome:
    """Return the outcome with the run's progress; the outcome's own counts win."""
    return replace(outcome, counts={**counts, **outcome.counts}) if counts else outcome


def where(error: BaseException) -> list[str]:
    """Return the frames of an exception as 'file:line function', without values and without its message."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename.rpartition('identsync/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def _report(error: Exception, outcome: Outcome, log: Any) -> None:
    if outcome.status is Status.FAILED or isinstance(error, ImportError):
        log.error("a task failed", error=type(error).__name__, frames=where(error))
    else:
        log.warning("a task ended early", outcome=str(outcome.status), why=outcome.note)
