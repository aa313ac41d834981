"""Room egisz: cases of service to ЕГИСЗ through N3.Health."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from identsync.engine.integration import Integration, Page, Task
from identsync.integrations.egisz.settings import Organisation

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.errors import Problem


def _tasks(settings: Mapping[str, Organisation], branches: Sequence["Branch"]) -> Sequence[Task]:
    from identsync.integrations.egisz.task import tasks

    return tasks(settings, branches)


def _pages() -> Sequence[Page]:
    from identsync.integrations.egisz.page import PAGES

    return PAGES


async def _check(settings: Mapping[str, Organisation], context: Any) -> Sequence["Problem"]:
    from identsync.integrations.egisz.check import check

    return await check(settings, context)


INTEGRATION = Integration(
    name="egisz",
    title="ЕГИСЗ",
    settings=Organisation,
    modules=("Амбулаторная карта", "ЕГИСЗ"),
    tasks=_tasks,
    pages=_pages,
    check=_check,
)
