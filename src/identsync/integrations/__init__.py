"""The rooms: one folder per integration; loaded by name, and only where the settings speak of them."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from identsync.engine.integration import Integration, Task

if TYPE_CHECKING:
    from identsync.clinic.source import Branch

ROOMS = ("timetable", "leads", "calendar", "messaging", "geocoding", "telephony", "egisz")


def load(name: str) -> Integration:
    """Return the integration of a room; KeyError where there is no such room."""
    if name not in ROOMS:
        raise KeyError(name)
    return cast("Integration", import_module(f"identsync.integrations.{name}").INTEGRATION)


def loaded(rooms: Mapping[str, Any]) -> list[tuple[Integration, Any]]:
    """Return the integrations that the settings' ``rooms`` use, each with its tables."""
    return [(load(name), table) for name, table in rooms.items() if table]


def tasks_of(
    rooms: Sequence[tuple[Integration, Any]], branches: "Sequence[Branch]", branch: int | None = None
) -> Iterator[Task]:
    """Yield the tasks of the rooms; with ``branch`` only its own and those of the whole network."""
    for integration, settings in rooms:
        for task in integration.tasks(settings, branches):
            if branch is None or task.scope in {0, branch}:
                yield task
