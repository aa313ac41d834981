"""identsync: the integration engine that runs inside the clients of a dental clinic's program.

``from identsync import Client, Role`` is all a host program needs; the names are imported when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from identsync.client import Client
    from identsync.engine.integration import Integration, Outcome, Role, Status, Task
    from identsync.errors import IdentsyncError
    from identsync.settings import Settings

__version__ = "0.1.0"
__all__ = ["Client", "IdentsyncError", "Integration", "Outcome", "Role", "Settings", "Status", "Task", "__version__"]

_HOMES = {
    "Client": "identsync.client",
    "IdentsyncError": "identsync.errors",
    "Integration": "identsync.engine.integration",
    "Outcome": "identsync.engine.integration",
    "Role": "identsync.engine.integration",
    "Settings": "identsync.settings",
    "Status": "identsync.engine.integration",
    "Task": "identsync.engine.integration",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'identsync' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
