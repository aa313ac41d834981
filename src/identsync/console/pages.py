"""The console's menu: Обзор, the pages of the rooms in their order, Журнал."""

from collections.abc import Callable, Sequence
from typing import Any

from identsync.console.journal import Journal
from identsync.console.overview import Overview
from identsync.console.site import Entry
from identsync.engine.integration import Page, Task


def entries(
    rooms: Sequence[tuple[Sequence[Page], Any]], tasks: Sequence[Task], poke: Callable[[str, int], None]
) -> list[Entry]:
    """Return the menu; each room's pages come with its settings."""
    rooms_pages = [Entry(page, settings) for pages, settings in rooms for page in pages]
    overview = Overview(tasks, poke, [(entry.page, entry.settings) for entry in rooms_pages])
    return [Entry(overview.page()), *rooms_pages, Entry(Journal(overview).page())]
