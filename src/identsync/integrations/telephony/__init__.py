"""Room telephony: who is calling, in one glance; call back in one click."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from identsync.engine.integration import Integration, Page, Task
from identsync.integrations.telephony.settings import Line

if TYPE_CHECKING:
    from identsync.clinic.source import Branch
    from identsync.errors import Problem


def _tasks(settings: Mapping[str, Line], branches: Sequence["Branch"]) -> Sequence[Task]:
    from identsync.integrations.telephony.task import tasks

    return tasks(settings, branches)


def _pages() -> Sequence[Page]:
    from identsync.integrations.telephony.page import PAGES

    return PAGES


async def _check(settings: Mapping[str, Line], context: Any) -> Sequence["Problem"]:
    from identsync.integrations.telephony.task import check

    return await check(settings, context)


INTEGRATION = Integration(
    name="telephony",
    title="Телефония",
    settings=Line,
    tasks=_tasks,
    modules=("Маркетинг",),
    pages=_pages,
    check=_check,
)
