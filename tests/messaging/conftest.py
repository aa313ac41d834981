"""The page of messages over a generated clinic."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from identsync.clinic.source import ClinicSource
from identsync.integrations.messaging.page_drafts import DRAFTS
from identsync.store import Store

from . import messages_seed as seed
from .messages_desk import Desk


@pytest.fixture(scope="session")
def clinic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("messages") / "clinic.db"
    engine = create_engine(f"sqlite:///{path}")
    seed.clinic(engine)
    engine.dispose()
    return path


@pytest.fixture
def desk(store: Store, clinic_file: Path) -> Iterator[Desk]:
    engine = create_engine(f"sqlite:///{clinic_file}")
    DRAFTS.forget()
    yield Desk(store, ClinicSource(engine), seed.patients(engine))
    engine.dispose()
