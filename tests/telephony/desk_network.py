"""A small clinic, its store, and the room's tasks run by real engines against stand-ins in their own processes."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, select

from identsync.clinic.source import ClinicSource
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.engine.integration import Outcome, Role
from identsync.engine.loop import Engine
from identsync.engine.state import Policy
from identsync.integrations.telephony import INTEGRATION, dialing
from identsync.integrations.telephony.dialing import Seat
from identsync.integrations.telephony.settings import Line
from identsync.store import Store, open_store
from identsync.store.tables import outbox, phone_line

from .calls import rows

CLINIC = GeneratorSettings(branches=1, doctors=3, days=5, seed=5, first_day=time.time_ns() // 86_400_000_000_000)
PATIENCE_S = 30.0


class Network:
    """The clinic and its store; ``client`` is a running client of it."""

    def __init__(self, url: str, clinic_file: Path) -> None:
        self.url = url
        self.store: Store = open_store(url)
        self._clinic_engine = create_engine(f"sqlite:///{clinic_file}")
        self.clinic = ClinicSource(self._clinic_engine)
        self.settings: dict[str, Line] = {}

    def close(self) -> None:
        self.store.close()
        self._clinic_engine.dispose()

    @asynccontextmanager
    async def client(self, role: Role = Role.ADMINISTRATOR) -> AsyncIterator[Engine]:
        store = open_store(self.url)
        tasks = INTEGRATION.tasks(self.settings, self.clinic.branches())
        policy = Policy(seat_lease_ms=3_000)
        engine = Engine(store=store, clinic=self.clinic, tasks=tasks, role=role, branch=1, policy=policy)
        await engine.start()
        try:
            yield engine
        finally:
            await engine.stop(3)
            store.close()

    async def once(self, kind: str) -> Outcome:
        tasks = INTEGRATION.tasks(self.settings, self.clinic.branches())
        engine = Engine(store=self.store, clinic=self.clinic, tasks=tasks, role=Role.ADMINISTRATOR, branch=1)
        outcome = await engine.run_once(kind, 0)
        await engine.stop(5)
        assert isinstance(outcome, Outcome), outcome
        return outcome

    def read(self, fn: Callable[[Connection], Any]) -> Any:
        with self.store.read() as connection:
            return fn(connection)

    def calls(self) -> list[Any]:
        found: list[Any] = self.read(rows)
        return found

    def line(self, name: str = "pbx") -> Any:
        return self.read(lambda c: c.execute(select(phone_line).where(phone_line.c.line == name)).first())

    def orders(self) -> list[Any]:
        found: list[Any] = self.read(lambda c: c.execute(select(outbox).order_by(outbox.c.id)).all())
        return found

    def click(self, nonce: str = "n1", to: str = "8 916 000-00-02", extension: str = "101", **more: Any) -> int:
        now = time.time_ns() // 1_000_000
        with self.store.write() as connection:
            seat = Seat("pbx", extension)
            return dialing.order(connection, self.settings, seat, to, nonce, "Анна (REG-1)", now, **more)

    async def until(self, what: Callable[[], Any]) -> Any:
        """Look until something is true and return it; the time limit is far from any usual time."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := await asyncio.to_thread(what)):
            assert time.monotonic() < deadline, "it did not happen"
            await asyncio.sleep(0.02)
        return found


@pytest.fixture(scope="module")
def clinic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("telephony") / "clinic.db"
    engine = create_engine(f"sqlite:///{path}")
    generate(engine, CLINIC)
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def network(request: pytest.FixtureRequest, clone: Callable[[str], str], clinic_file: Path) -> Iterator[Network]:
    network = Network(clone(str(request.param)), clinic_file)
    yield network
    network.close()


def patient_with_phone(network: Network) -> Mapping[str, Any]:
    """A patient whose number is nobody else's."""
    asked = (
        "SELECT min(patient_id) AS id, phone_key FROM clinic_patient WHERE phone_key IS NOT NULL GROUP BY phone_key "
        "HAVING count(*) = 1"
    )
    with network._clinic_engine.connect() as connection:
        row = connection.exec_driver_sql(asked).first()
    assert row is not None
    return dict(row._mapping)
