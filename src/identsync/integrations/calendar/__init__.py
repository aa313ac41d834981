"""Room calendar: every doctor's schedule on any device."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from identsync.engine.integration import Integration, Page, Task
from identsync.integrations.calendar.settings import CalendarDestination

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.errors import Problem


def _tasks(settings: Mapping[str, CalendarDestination], branches: Sequence["Branch"]) -> Sequence[Task]:
    from identsync.integrations.calendar.task import tasks

    return tasks(settings, branches)


def _pages() -> Sequence[Page]:
    from identsync.integrations.calendar.page import PAGES

    return PAGES


async def _check(settings: Mapping[str, CalendarDestination], context: Any) -> Sequence["Problem"]:
    from identsync.integrations.calendar.check import check

    return await check(settings, context)


INTEGRATION = Integration(
    name="calendar",
    title="Календари",
    settings=CalendarDestination,
    tasks=_tasks,
    pages=_pages,
    check=_check,
)
