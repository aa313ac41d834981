"""Clinics for the tests: an empty database of either kind, and a small generated network in it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine

from identsync.clinic.source import ClinicSource
from identsync.demo.clinic.generate import GeneratorSettings, generate


@pytest.fixture
def small() -> GeneratorSettings:
    """The network of most tests: three branches of four doctors, twelve days from day 20,600."""
    return GeneratorSettings(branches=3, doctors=4, days=12, seed=7, first_day=20_600)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on an empty database."""
    engine = create_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def network(engine: Engine, small: GeneratorSettings) -> Engine:
    """An engine on a database with that network."""
    generate(engine, small)
    return engine


@pytest.fixture
def source(network: Engine) -> ClinicSource:
    """The source that reads it."""
    return ClinicSource(network)
