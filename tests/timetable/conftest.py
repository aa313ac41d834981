"""A small network, the strict site in its own process, and runs of the real task under the real limiter."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import create_engine, select, text, update

from identsync.clinic.source import ClinicSource
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.demo.site.process import SiteProcess
from identsync.engine.clock import monotonic_ms
from identsync.engine.integration import Outcome, Task
from identsync.engine.permits import Channels
from identsync.engine.run import Run
from identsync.engine.worker import Worker
from identsync.integrations.timetable import INTEGRATION
from identsync.integrations.timetable.settings import Destination
from identsync.store import Fence, Store, open_store
from identsync.store.tables import mirror_item, mirror_stream, task_slot

SETTINGS = GeneratorSettings(branches=3, doctors=4, days=40, seed=5, first_day=time.time_ns() // 86_400_000_000_000 - 2)


@pytest.fixture(scope="session")
def network_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "clinic.db"
    engine = create_engine(f"sqlite:///{path}")
    generate(engine, SETTINGS)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def site_process() -> Iterator[SiteProcess]:
    with SiteProcess("--lead-rate", "0", seed=1) as site:
        yield site


@pytest.fixture
def site(site_process: SiteProcess, monkeypatch: pytest.MonkeyPatch) -> SiteProcess:
    """The strict site, behaving; what it was posted before counts as past."""
    monkeypatch.setenv("TEST_SITE_KEY", site_process.key)
    site_process.behave()
    site_process.options(max_bytes=0, gzip=True)
    return site_process


@dataclass
class Network:
    """One client's view: its store, the clinic, and what it has run."""

    store: Store
    clinic: ClinicSource
    engine: Any
    outcomes: list[Outcome] = field(default_factory=list)

    def sql(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def items(self, scope: int = 0) -> list[Any]:
        with self.store.read() as connection:
            rows = select(mirror_item).where(mirror_item.c.scope == scope).order_by(mirror_item.c.key)
            return list(connection.execute(rows))

    def streams(self) -> dict[str, Any]:
        with self.store.read() as connection:
            return {row.stream: row for row in connection.execute(select(mirror_stream))}

    def task(self, site: Destination, name: str = "site") -> Task:
        (task,) = INTEGRATION.tasks({name: site}, self.clinic.branches())
        return task

    def go(self, site: Destination, name: str = "site") -> Outcome:
        """Run the task of a site once, now, as an engine would."""
        with ThreadPoolExecutor(1) as apart:  # a browser's test has a loop running in its own thread
            return apart.submit(asyncio.run, self.once(self.task(site, name))).result()

    async def once(self, task: Task, after_claim: Callable[[Fence], None] | None = None) -> Outcome:
        limiter = self.store.limiter()
        holder = secrets.token_hex(8)
        with self.store.write() as connection:
            connection.execute(update(task_slot).where(task_slot.c.kind == task.kind).values(eligible_ms=0))
        claim = limiter.claim(
            task.kind, task.scope, holder=holder, role=0, lease_ms=60_000, interval_ms=task.interval_ms,
            request=secrets.token_hex(8), presence_ttl_ms=60_000,
        )  # fmt: skip
        assert claim.granted, claim
        fence = Fence.of(task.kind, task.scope, claim, holder)
        if after_claim:
            after_claim(fence)
        worker = Worker()
        run = Run(
            task, fence, store=self.store, clinic=self.clinic, worker=worker, channels=Channels(no_permits),
            clock_offset_ms=claim.now_ms - monotonic_ms(), log=structlog.get_logger(),
        )  # fmt: skip
        try:
            outcome = await task.run(run)
        finally:
            worker.close()
        limiter.finish(fence, interval_ms=task.interval_ms, outcome=outcome.status, counts=outcome.counts, note="")
        self.outcomes.append(outcome)
        return outcome


async def no_permits(_: Any) -> int:
    raise AssertionError("the timetable asks for no permits")


@pytest.fixture
def network(network_file: Path, clone: Callable[[str], str], tmp_path: Path) -> Iterator[Network]:
    path = tmp_path / "clinic.db"
    path.write_bytes(network_file.read_bytes())
    engine = create_engine(f"sqlite:///{path}")
    store = open_store(clone("sqlite"))
    yield Network(store, ClinicSource(engine), engine)
    store.close()
    engine.dispose()


def destination(site: SiteProcess, **keys: Any) -> Destination:
    return Destination(url=site.url, key="env:TEST_SITE_KEY", **keys)
