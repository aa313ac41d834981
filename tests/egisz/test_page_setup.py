"""What holds up every case at once is on the page: an organisation N3 knows otherwise, views that give too little."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, create_engine

from identsync.clinic.contract_cases import clinic_case, clinic_identity
from identsync.clinic.source import ClinicSource
from identsync.integrations.egisz import contracts, reference
from identsync.integrations.egisz.reference import Book
from identsync.store import Store

from . import egisz_desk
from .egisz_desk import PAGE, Desk, at_desk

egisz_clinic = egisz_desk.egisz_clinic
NAME = "ООО «Стоматология «Жемчуг»"


@pytest.fixture
def desk(store: Store, egisz_clinic: Path) -> Iterator[Desk]:
    with at_desk(store, egisz_clinic) as desk:
        yield desk


def named(desk: Desk, name: str) -> Mapping[str, Any]:
    return desk.settings | {"dental": msgspec.structs.replace(desk.settings["dental"], frmo_name=name)}


def told(desk: Desk, codes: Mapping[str, str], version: str = "1") -> None:
    """Let N3's book of organisations have come."""
    with desk.store.write() as connection:
        contracts.keep(connection, "dental", [Book(reference.ORGANISATION[0], version, desk.now_ms, codes)])


def test_a_name_that_n3_has_otherwise_is_told_with_n3s_own_and_where_to_mend_it(desk: Desk) -> None:
    desk.settings = named(desk, NAME.lower())
    assert "ещё не сверена" in desk.drawn(tab="service")
    before = PAGE.attention and PAGE.attention(desk.context())
    told(desk, {desk.settings["dental"].lpu.upper(): NAME})
    page = desk.drawn(tab="service")
    assert f"не такое, как в справочнике N3: {NAME}" in page
    assert "[egisz.dental]" in page
    assert 'id="egisz-organisation"' in desk.drawn()
    assert PAGE.attention
    assert PAGE.attention(desk.context()) == (before or 0) + 1
    desk.settings = named(desk, NAME)
    assert 'id="egisz-organisation"' not in desk.drawn()
    assert "организация сверена" in desk.drawn(tab="service")


def test_a_number_that_n3_has_not_is_told_until_a_new_version_of_the_book_has_it(desk: Desk) -> None:
    told(desk, {"another": NAME})
    assert "организации с таким номером (lpu) нет" in desk.drawn(tab="service")
    told(desk, {desk.settings["dental"].lpu: NAME}, "2")
    assert "Название не сверяется" in desk.drawn(tab="service")


@pytest.fixture
def clinic(egisz_clinic: Path, tmp_path: Path) -> Iterator[Engine]:
    path = tmp_path / "clinic.db"
    path.write_bytes(egisz_clinic.read_bytes())
    engine = create_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()


def test_views_that_give_too_little_are_told_as_check_tells_them(desk: Desk, clinic: Engine) -> None:
    desk.clinic = ClinicSource(clinic)
    assert 'id="egisz-clinic"' not in desk.drawn()
    with clinic.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {clinic_case.name} DROP COLUMN conclusion")
        clinic_identity.drop(connection)
    desk.now_ms += 3_600_000
    page = desk.drawn(tab="service")
    assert all(problem.where in page and problem.what in page for problem in desk.clinic.case_problems())
    assert "clinic_case.conclusion" in page
    assert "no such view" in desk.drawn("en", tab="service")
    assert 'id="egisz-clinic"' in desk.drawn()


def test_a_clinic_that_does_not_answer_leaves_the_page_as_it_is(desk: Desk, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/none/clinic.db")
    desk.clinic = ClinicSource(engine)
    assert 'id="n3-silent"' in desk.drawn()
    assert 'id="books-dental"' in desk.drawn(tab="service")
    engine.dispose()


def test_without_an_organisation_nothing_is_asked_of_the_clinic(desk: Desk) -> None:
    desk.settings = {}
    page = desk.drawn()
    assert 'id="egisz-none"' in page
    assert 'id="egisz-clinic"' not in page
