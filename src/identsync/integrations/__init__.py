"""The rooms: one folder per integration; loaded by name, and only where the settings speak of them."""

from importlib import import_module
from typing import cast

from identsync.engine.integration import Integration

ROOMS = ("timetable", "leads", "calendar", "messaging", "geocoding", "telephony", "egisz")


def load(name: str) -> Integration:
    """Return the integration of a room; KeyError where there is no such room."""
    if name not in ROOMS:
        raise KeyError(name)
    return cast("Integration", import_module(f"identsync.integrations.{name}").INTEGRATION)
