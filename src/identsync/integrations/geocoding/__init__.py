"""Room geocoding: where patients live, on a map."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from identsync.engine.integration import Integration, Page, Task
from identsync.integrations.geocoding.settings import Provider

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.errors import Problem


def _tasks(settings: Mapping[str, Provider], branches: Sequence["Branch"]) -> Sequence[Task]:
    from identsync.integrations.geocoding.task import tasks

    return tasks(settings, branches)


def _pages() -> Sequence[Page]:
    from identsync.integrations.geocoding.page import PAGES

    return PAGES


async def _check(settings: Mapping[str, Provider], context: Any) -> Sequence["Problem"]:
    from identsync.integrations.geocoding.check import check

    return await check(settings, context)


INTEGRATION = Integration(
    name="geocoding",
    title="Карта",
    settings=Provider,
    tasks=_tasks,
    pages=_pages,
    check=_check,
)
