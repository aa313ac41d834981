"""A small clinic, the strict site in its own process, and the room's task run by a real engine."""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, select, text

from identsync.clinic.source import ClinicSource
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.demo.site.process import SiteProcess
from identsync.engine.integration import Outcome, PageContext, Role
from identsync.engine.loop import Engine
from identsync.integrations.leads import INTEGRATION
from identsync.integrations.leads.page import PAGES
from identsync.integrations.leads.settings import LeadsSite
from identsync.store import Store, open_store
from identsync.store.tables import intake_reject, lead, run_log

CLINIC = GeneratorSettings(branches=1, doctors=3, days=5, seed=5, first_day=time.time_ns() // 86_400_000_000_000)


@pytest.fixture(scope="session")
def site_process() -> Iterator[SiteProcess]:
    with SiteProcess(seed=3) as process:
        yield process


@pytest.fixture
def site(site_process: SiteProcess, monkeypatch: pytest.MonkeyPatch) -> SiteProcess:
    """The site as if it had just begun."""
    site_process.reset()
    monkeypatch.setenv("TEST_SITE_KEY", site_process.key)
    return site_process


class Desk:
    """The clinic, its store, and the page as an administrator uses it."""

    def __init__(self, url: str, clinic_file: Path, settings: Mapping[str, LeadsSite]) -> None:
        self.store: Store = open_store(url)
        self.clinic_engine = create_engine(f"sqlite:///{clinic_file}")
        self.clinic = ClinicSource(self.clinic_engine)
        self.settings = settings

    def go(self, kind: str = "leads/site") -> Outcome:
        return asyncio.run(self._go(kind))

    async def _go(self, kind: str) -> Outcome:
        tasks = INTEGRATION.tasks(self.settings, self.clinic.branches())
        engine = Engine(store=self.store, clinic=self.clinic, tasks=tasks, role=Role.ADMINISTRATOR, branch=1)
        outcome = await engine.run_once(kind, 0)
        await engine.stop(5)
        assert isinstance(outcome, Outcome), outcome
        return outcome

    def context(self, user: str = "Анна") -> PageContext:
        return PageContext(self.store, self.clinic, self.settings, user, time.time_ns() // 1_000_000)

    def view(self, **query: str) -> dict[str, Any]:
        return PAGES[0].view(self.context(), query)

    def do(self, action: str, user: str = "Анна", **form: object) -> str | None:
        return PAGES[0].actions[action](self.context(user), {key: str(value) for key, value in form.items()})

    def leads(self) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(select(lead).order_by(lead.c.id)))

    def rejects(self) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(select(intake_reject)))

    def notes(self) -> list[str]:
        with self.store.read() as connection:
            return [note or "" for note in connection.execute(select(run_log.c.note)).scalars()]

    def patient(self) -> Any:
        with self.clinic_engine.connect() as connection:
            asked = (
                "SELECT min(patient_id), min(phone) FROM clinic_patient WHERE phone_key IS NOT NULL GROUP BY phone_key"
            )
            return connection.execute(text(f"{asked} HAVING count(*) = 1")).first()


@pytest.fixture(scope="session")
def clinic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("leads") / "clinic.db"
    engine = create_engine(f"sqlite:///{path}")
    generate(engine, CLINIC)
    engine.dispose()
    return path


@pytest.fixture
def desk(clone: Callable[[str], str], tmp_path: Path, clinic_file: Path, site: SiteProcess) -> Iterator[Desk]:
    path = tmp_path / "clinic.db"
    shutil.copy(clinic_file, path)
    settings = {"site": LeadsSite(url=site.url, key="env:TEST_SITE_KEY", title="Лендинг")}
    desk = Desk(clone("sqlite"), path, settings)
    yield desk
    desk.store.close()
    desk.clinic_engine.dispose()
