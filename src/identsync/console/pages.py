"""The console's menu: Обзор, the pages of the rooms in their order, Журнал."""

from collections.abc import Callable, Sequence
from typing import Any

from identsync.console.journal import Journal
from identsync.console.overview import Overview
from identsync.console.site import Entry
from identsync.engine.integration import Integration, Task


def entries(
    rooms: Sequence[tuple[Integration, Any]], tasks: Sequence[Task], poke: Callable[[str, int], None],
    stuck: Callable[[], Exception | None] | None = None,
) -> list[Entry]:  # fmt: skip
    """Return the menu; each room's pages come with its settings."""
    rooms_pages = [Entry(page, settings) for integration, settings in rooms for page in integration.pages()]
    overview = Overview(tasks, poke, [(entry.page, entry.settings) for entry in rooms_pages], rooms, stuck)
    return [Entry(overview.page()), *rooms_pages, Entry(Journal(overview).page())]
