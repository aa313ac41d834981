"""What a demo is asked to show, and who plays in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from identsync.engine.integration import Role

SEAT_LEASE = "2s"
TASK_LEASE = "2s"
TIMETABLE_INTERVAL = "8s"
LEADS_INTERVAL = "5s"
CALENDAR_INTERVAL = "8s"
MESSAGES_INTERVAL = "8s"
PLACES_INTERVAL = "60s"
CASES_INTERVAL = "20s"
SMS = "sms"
"""The SMS channel's name in the settings."""
CALENDAR_DAYS = 7
"""Of each doctor: a client that starts has them written within a few seconds."""
USER = "demo"
"""Who looks at the demo's page."""
LINE = "pbx"
"""The PBX's name in the settings."""
ORGANISATION = "clinic"
"""The organisation's name in the settings."""
CALL_EVERY_S = 12.0
LEADS_PER_MINUTE = 20.0
LIFE_EVERY_S = 1.5
START_S = 60.0
"""How long the first clients may take to start, and to write the calendars for the first time."""
DRAIN_S = 20.0
"""How long the last leads and events may take to arrive."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of ``identsync demo``; ``kill_every`` and ``seconds`` None = never, ``folder`` None = temporary."""

    branches: int = 3
    doctors: int = 5
    clients: int = 3
    kill_every: float | None = None
    seconds: float | None = None
    folder: Path | None = None
    port: int = 8765
    seed: int = 1
    postgresql: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One client of the cast: its number, role and branch."""

    number: int
    role: Role
    branch: int


def cast(clients: int, branches: int) -> Iterator[Part]:
    """Yield the parts: an administrator for each branch first, then a director and a doctor each, and so on."""
    for number in range(clients):
        yield Part(number + 1, Role(number // branches % len(Role)), number % branches + 1)
