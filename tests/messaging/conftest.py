"""The page of messages over a generated clinic."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from identsync.clinic.source import ClinicSource
from identsync.demo.gateway.desk import KEY
from identsync.demo.gateway.process import GatewayProcess
from identsync.integrations.messaging import resting
from identsync.integrations.messaging.page_drafts import DRAFTS
from identsync.store import Store

from . import messages_seed as seed
from .messages_desk import Desk


@pytest.fixture(autouse=True)
def nobody_rests() -> None:
    resting.forget()


@pytest.fixture(scope="session")
def clinic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("messages") / "clinic.db"
    engine = create_engine(f"sqlite:///{path}")
    seed.clinic(engine)
    engine.dispose()
    return path


@pytest.fixture
def desk(dialect: str, filled: Callable[..., Any], clinic_file: Path) -> Iterator[Desk]:
    engine = create_engine(f"sqlite:///{clinic_file}")
    people = seed.patients(engine)

    def fill(store: Store) -> tuple[int, Any]:
        now_ms = store.now_ms()
        with store.write() as connection:
            return now_ms, seed.day(connection, people, now_ms)

    store, day = filled(dialect, "a day of messages", fill)
    DRAFTS.forget()
    yield Desk(store, ClinicSource(engine), people, day)
    engine.dispose()


@pytest.fixture(scope="session")
def gateway_process() -> Iterator[GatewayProcess]:
    with GatewayProcess() as process:
        yield process


@pytest.fixture
def gateways(gateway_process: GatewayProcess, monkeypatch: pytest.MonkeyPatch) -> GatewayProcess:
    """The five gateways as if they had just begun: behaving, with money; their key is in TEST_SMS."""
    gateway_process.reset()
    monkeypatch.setenv("TEST_SMS", KEY)
    monkeypatch.setenv("TEST_WRONG", "not-the-key")
    return gateway_process
