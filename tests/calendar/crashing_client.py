"""One client that runs the calendars of a clinic, run after run, until it is killed: ``crashing_client.py SETTINGS``.

SETTINGS is JSON: ``store`` and ``clinic`` (URLs), ``url`` of the calendar server; its password is in TEST_CALENDAR. It
says a line when it begins.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from calendar_network import Network
from servers import USER
from sqlalchemy import create_engine

from identsync.clinic.source import ClinicSource
from identsync.integrations.calendar.settings import CalendarDestination
from identsync.store import open_store


def network_of(settings: dict[str, Any]) -> Network:
    """Open what the settings name."""
    engine = create_engine(settings["clinic"])
    destination = CalendarDestination(
        kind="caldav", url=settings["url"], user=USER, password="env:TEST_CALENDAR", rate=1000.0, days=3, back_days=1,
        timeout=5_000,
    )  # fmt: skip
    return Network(open_store(settings["store"]), ClinicSource(engine), engine, destination)


async def main() -> None:
    """Run until killed."""
    network = network_of(json.loads(sys.argv[1]))
    print("begins", flush=True)
    while True:
        network.forget_patience()
        await network.go()


if __name__ == "__main__":
    asyncio.run(main())
