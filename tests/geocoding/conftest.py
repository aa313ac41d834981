"""A generated clinic and the geocoders' stand-in of its towns."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.demo.geocoder.desk import KEY, SECRET
from identsync.demo.geocoder.process import GeocoderProcess

SEED = 1


@pytest.fixture(scope="session")
def town_clinic(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a network of two branches in two towns, a hundred and twenty patients."""
    url = f"sqlite:///{tmp_path_factory.mktemp('geocoding') / 'clinic.db'}"
    engine = create_engine(url)
    generate(engine, GeneratorSettings(branches=2, doctors=1, days=1, patients=60, seed=SEED))
    engine.dispose()
    return url


@pytest.fixture(scope="module")  # its minute of connections begins with each module
def geocoder_process() -> Iterator[GeocoderProcess]:
    with GeocoderProcess(seed=SEED) as process:
        yield process


@pytest.fixture
def geocoders(geocoder_process: GeocoderProcess, monkeypatch: pytest.MonkeyPatch) -> GeocoderProcess:
    """The four providers, behaving, with money; nothing was asked yet."""
    geocoder_process.behave()
    geocoder_process.new_day()
    geocoder_process.forget()
    usual = {"balance": 500_000, "price": 20, "quota": 0, "rate": 0, "connections": 60}
    geocoder_process.options(structured=True, guessing=True, **usual)
    monkeypatch.setenv("TEST_GEOCODER", KEY)
    monkeypatch.setenv("TEST_GEOCODER_SECRET", SECRET)
    monkeypatch.setenv("TEST_WRONG", "not-the-key-at-all")
    return geocoder_process
