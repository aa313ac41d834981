"""The first fill of a branch's calendars: the whole task against Radicale, beside a bare client that only sends.

Both make the same calendars and put the same events, each calendar in order and eight side by side, over connections
that are kept. The task also reads the clinic and its books, looks at each new calendar, asks the limiter for permits,
and writes down every event before and after. Radicale does most of the work: what counts is the ratio in one run.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from shutil import copy
from typing import Any
from urllib.parse import quote

from benchmarks.harness import OURS, Result, measure

sys.path += [str(Path(__file__).parents[1] / "tests" / where) for where in ("", "calendar")]

DOCTORS, PARALLEL = 30, 8
PASSWORD_AT = "IDENTSYNC_BENCHMARK_CALENDAR"


def run(*, quick: bool) -> Iterator[Result]:
    """Fill 30 calendars; fewer days with ``quick``."""
    from servers import running_radicale

    with running_radicale() as server, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        stage = _Stage(Path(folder), server.url.rstrip("/"), days=1 if quick else 9)
        ours, bare = stage.contenders()
        case = f"{DOCTORS} calendars, {stage.events} events, {PARALLEL} side by side, Radicale"
        works = {OURS: ours, "floor: a bare httpx client": bare}
        yield from measure("fill", case, works, items=stage.events, runs=1 if quick else 3, slow=300)


class _Stage:
    """A clinic's file, and an engine's database with its tables, of which each turn has copies of its own."""

    def __init__(self, folder: Path, url: str, days: int) -> None:
        import time

        from calendar_network import generated
        from servers import PASSWORD

        from identsync.store import open_store

        os.environ[PASSWORD_AT] = PASSWORD
        self.folder, self.url, self.days = folder, url, days
        self.numbers = count()
        generated(
            folder / "clinic.db", time.time_ns() // 86_400_000_000_000, branches=1, doctors=DOCTORS, days=days + 3
        )
        store = open_store(f"sqlite:///{folder / 'empty.db'}")
        store.migrate()
        store.close()
        self.bodies = self._bodies()
        self.events = sum(map(len, self.bodies))

    def contenders(self) -> tuple[Any, Any]:
        """Return the two ways of filling, each into calendars that are not there yet."""
        return (lambda: asyncio.run(self._ours())), (lambda: asyncio.run(self._bare()))

    def network(self) -> Any:
        """Open a network of its own: another key, so other calendars and names."""
        from calendar_network import Network
        from servers import USER
        from sqlalchemy import create_engine

        from identsync.clinic.source import ClinicSource
        from identsync.integrations.calendar.settings import CalendarDestination
        from identsync.store import open_store

        copied = self.folder / f"engine{next(self.numbers)}.db"
        copy(self.folder / "empty.db", copied)
        engine = create_engine(f"sqlite:///{self.folder / 'clinic.db'}")
        destination = CalendarDestination(
            kind="caldav", url=self.url, user=USER, password=f"env:{PASSWORD_AT}", rate=1000.0, parallel=PARALLEL,
            days=self.days, back_days=1,
        )  # fmt: skip
        return Network(open_store(f"sqlite:///{copied}"), ClinicSource(engine), engine, destination)

    async def _ours(self) -> None:
        network = self.network()
        outcome = await network.go()
        if outcome.counts["confirmed"] != self.events:
            raise RuntimeError(f"not filled: {outcome}")
        network.store.close()
        network.engine.dispose()

    def _bodies(self) -> list[list[tuple[str, bytes]]]:
        """Return, by calendar, the resources that the bare client puts."""
        from identsync.integrations.calendar.chosen import wish_of
        from identsync.integrations.calendar.event import Name
        from identsync.integrations.calendar.wanted import read
        from identsync.integrations.calendar.wire.ical import dump

        network = self.network()
        doctors = range(1, DOCTORS + 1)
        found = read(network.clinic, wish_of(network.destination), 1, bytes(32), doctors, network.now_ms())
        bodies: dict[int, list[tuple[str, bytes]]] = {}
        for key, event in found.events(found.columns.keys).items():
            name = Name(event.name)
            bodies.setdefault(found.doctor(key), []).append((f"{name}.ics", dump(name, event)))
        network.store.close()
        network.engine.dispose()
        return list(bodies.values())

    async def _bare(self) -> None:
        import httpx
        from servers import PASSWORD, USER

        home, turn = f"{self.url}/{quote(USER)}", next(self.numbers)
        limits = httpx.Limits(max_connections=2 * PARALLEL, max_keepalive_connections=2 * PARALLEL)
        gate = asyncio.Semaphore(PARALLEL)
        async with httpx.AsyncClient(auth=(USER, PASSWORD), limits=limits, timeout=120) as client:

            async def one(number: int, bodies: Sequence[tuple[str, bytes]]) -> None:
                async with gate:
                    calendar = f"{home}/bare-{turn}-{number}/"
                    (await client.request("MKCALENDAR", calendar)).raise_for_status()
                    headers = {"Content-Type": "text/calendar; charset=utf-8", "If-None-Match": "*"}
                    for resource, body in bodies:
                        (await client.put(calendar + resource, content=body, headers=headers)).raise_for_status()

            await asyncio.gather(*(one(number, bodies) for number, bodies in enumerate(self.bodies)))
