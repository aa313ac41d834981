"""``identsync check`` of the geocoders: what is wrong with each, in words that say what to do."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine

from identsync.clinic.source import ClinicSource
from identsync.demo.clinic.generate import GeneratorSettings, generate
from identsync.demo.geocoder.process import GeocoderProcess
from identsync.engine.integration import PageContext
from identsync.errors import Problem
from identsync.integrations.geocoding.check import check
from identsync.integrations.geocoding.settings import Provider

from .wires_calls import KINDS, PAID, provider


def checked(settings: Provider, clinic: Any = None) -> list[Problem]:
    context = PageContext(store=None, clinic=clinic, settings={"one": settings}, user="", now_ms=0)
    return asyncio.run(check({"one": settings}, context))


@pytest.mark.parametrize("kind", KINDS)
def test_all_is_well_where_a_provider_answers(geocoders: GeocoderProcess, kind: str) -> None:
    assert checked(provider(geocoders, kind)) == []


@pytest.mark.parametrize("kind", PAID)
def test_a_wrong_key_is_told_without_the_key(geocoders: GeocoderProcess, kind: str) -> None:
    [problem] = checked(provider(geocoders, kind, key="env:TEST_WRONG"))
    assert problem.where == "geocoding.one"
    assert "не принял ключ" in problem.what
    assert problem.hint
    assert "not-the-key" not in f"{problem}"


def test_money_that_will_soon_be_gone_is_told(geocoders: GeocoderProcess) -> None:
    geocoders.options(balance=1_250)
    [problem] = checked(provider(geocoders, "dadata"))
    assert "12 ₽" in problem.what


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_there_is_told(geocoders: GeocoderProcess, kind: str) -> None:
    [problem] = checked(provider(geocoders, kind, url="http://127.0.0.1:9"))
    assert "нет связи" in problem.what


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_of_another_service_is_told(geocoders: GeocoderProcess, kind: str) -> None:
    other = "photon" if kind == "nominatim" else "nominatim"
    [problem] = checked(provider(geocoders, kind, url=geocoders.url(other)))
    assert problem.hint


def test_every_provider_is_tried(geocoders: GeocoderProcess) -> None:
    settings = {kind: provider(geocoders, kind, url="http://127.0.0.1:9") for kind in KINDS}
    context = PageContext(store=None, clinic=None, settings=settings, user="", now_ms=0)
    problems = asyncio.run(check(settings, context))
    assert [problem.where for problem in problems] == [f"geocoding.{kind}" for kind in KINDS]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClinicSource]:
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('check') / 'clinic.db'}")
    generate(engine, GeneratorSettings(branches=1, doctors=1, days=5, patients=20))
    yield ClinicSource(engine)
    engine.dispose()


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_branch_is_asked_for(geocoders: GeocoderProcess, kind: str, clinic: ClinicSource) -> None:
    geocoders.forget()
    assert checked(provider(geocoders, kind), clinic) == []
    [branch] = clinic.branches()
    [heard] = geocoders.asked()
    assert branch.address.split()[1].strip(",") in heard["text"]


def test_a_branch_that_is_not_on_the_map_is_told(geocoders: GeocoderProcess, clinic: ClinicSource) -> None:
    """As where the service holds another region's map."""
    with GeocoderProcess(seed=77) as elsewhere:
        [problem] = checked(provider(elsewhere, "nominatim"), clinic)
    assert "филиал не найден" in problem.what
    assert "карта вашего региона" in problem.hint
