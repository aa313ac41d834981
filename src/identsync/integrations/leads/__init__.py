"""Room leads: requests from sites and landings, at the desk at once."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from identsync.engine.integration import Integration, Page, Task
from identsync.integrations.leads.settings import LeadsSite

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.errors import Problem


def _tasks(settings: Mapping[str, LeadsSite], branches: Sequence["Branch"]) -> Sequence[Task]:
    from identsync.integrations.leads.task import tasks

    return tasks(settings, branches)


def _pages() -> Sequence[Page]:
    from identsync.integrations.leads.page import PAGES

    return PAGES


async def _check(settings: Mapping[str, LeadsSite], context: Any) -> Sequence["Problem"]:
    from identsync.integrations.leads.task import check

    return await check(settings, context)


INTEGRATION = Integration(
    name="leads",
    title="Заявки",
    settings=LeadsSite,
    tasks=_tasks,
    modules=("Маркетинг",),
    pages=_pages,
    check=_check,
)
