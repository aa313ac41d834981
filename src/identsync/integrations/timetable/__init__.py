"""Room timetable: free time on the sites where patients look for it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from identsync.engine.integration import Integration, Page, Task
from identsync.integrations.timetable.settings import Destination

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.errors import Problem


def _tasks(settings: Mapping[str, Destination], branches: Sequence["Branch"]) -> Sequence[Task]:
    from identsync.integrations.timetable.task import tasks

    return tasks(settings, branches)


def _pages() -> Sequence[Page]:
    from identsync.integrations.timetable.page import PAGES

    return PAGES


async def _check(settings: Mapping[str, Destination], context: Any) -> Sequence["Problem"]:
    from identsync.integrations.timetable.check import check

    return await check(settings, context)


INTEGRATION = Integration(
    name="timetable",
    title="Расписание",
    settings=Destination,
    tasks=_tasks,
    modules=("Маркетинг",),
    pages=_pages,
    check=_check,
)
