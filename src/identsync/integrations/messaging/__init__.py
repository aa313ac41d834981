"""Room messaging: SMS and e-mail, one or thousands, none sent twice."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from identsync.engine.integration import Integration, Page, Task
from identsync.integrations.messaging.settings import Channel

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.errors import Problem


def _tasks(settings: Mapping[str, Channel], branches: Sequence["Branch"]) -> Sequence[Task]:
    from identsync.integrations.messaging.task import tasks

    return tasks(settings, branches)


def _pages() -> Sequence[Page]:
    from identsync.integrations.messaging.page import PAGES

    return PAGES


async def _check(settings: Mapping[str, Channel], context: Any) -> Sequence["Problem"]:
    from identsync.integrations.messaging.check import check

    return await check(settings, context)


INTEGRATION = Integration(
    name="messaging",
    title="Сообщения",
    settings=Channel,
    tasks=_tasks,
    modules=("CRM",),
    pages=_pages,
    check=_check,
)
