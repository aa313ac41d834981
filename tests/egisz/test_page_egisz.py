"""The page ЕГИСЗ: every state in words, what is missing as lines, what a person may decide, on both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from identsync.errors import IdentsyncError
from identsync.integrations.egisz import page_fields
from identsync.integrations.egisz.rules_table import Where
from identsync.store import Store
from identsync.store.tables import egisz_item

from . import egisz_desk
from .egisz_desk import PAGE, Desk, at_desk

egisz_clinic = egisz_desk.egisz_clinic
STATES = (
    "missing", "signing", "ready", "later", "unknown", "rejected", "warned", "taken", "registered", "cancelled", "gone",
)  # fmt: skip


@pytest.fixture
def desk(dialect: str, filled: Callable[..., Any], egisz_clinic: Path) -> Iterator[Desk]:
    def fill(store: Store) -> dict[str, int]:
        with at_desk(store, egisz_clinic) as desk:
            desk.weeks()
            return desk.made

    store, made = filled(dialect, "weeks of cases", fill)
    with at_desk(store, egisz_clinic) as desk:
        desk.made = dict(made)
        yield desk


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("state", STATES)
def test_every_state_and_its_case_in_detail_can_be_drawn(desk: Desk, state: str, language: str) -> None:
    assert desk.row(state).own_id not in desk.drawn(language, state=state)
    assert desk.row(state).own_id in desk.drawn(language, state=state, item=desk.made[state])


def test_the_contract_and_the_books_can_be_drawn(desk: Desk) -> None:
    assert "1.0.5.26" in desk.drawn(tab="service")


def test_a_registration_is_claimed_only_with_a_number(desk: Desk) -> None:
    assert "10.26.11.000123" not in desk.drawn(state="taken")
    assert "зарегистрирован" not in desk.drawn(state="taken", item=desk.made["taken"]).replace(
        "Зарегистрировано ли в РЭМД, он не сообщает", ""
    )
    desk.decide("number", "taken", number="10.26.11.000777")
    assert desk.row("taken").number == "10.26.11.000777"


def test_what_several_cases_lack_is_one_line(desk: Desk) -> None:
    assert "нет СНИЛС" in desk.drawn(state="missing")


def test_a_refused_case_goes_again_where_a_person_says_so(desk: Desk) -> None:
    before = desk.version()
    desk.decide("resend", "rejected")
    assert desk.row("rejected").state in ("ready", "later")
    assert desk.version() != before


def test_what_may_have_arrived_at_n3_still_may_when_it_is_sent_again(desk: Desk) -> None:
    with desk.store.write() as connection:
        here = egisz_item.c.id == desk.made["rejected"]
        connection.execute(update(egisz_item).where(here).values(tried=55))
    desk.decide("resend", "rejected")
    assert desk.row("rejected").tried == 55  # or a case that is cancelled meanwhile would stay at N3 for ever


def test_a_document_nobody_is_sure_of_is_decided_by_a_person_once(desk: Desk) -> None:
    row = desk.row("unknown")
    desk.do("arrived", id=row.id, seen=row.changed_ms)
    assert desk.row("unknown").state == "taken"
    with pytest.raises(IdentsyncError):
        desk.do("not_arrived", user="Борис", id=row.id, seen=row.changed_ms)


def test_what_changed_while_somebody_looked_is_not_decided(desk: Desk) -> None:
    row = desk.row("rejected")
    with pytest.raises(IdentsyncError):
        desk.do("resend", id=row.id, seen=row.changed_ms - 1)
    with pytest.raises(IdentsyncError):
        desk.do("resend", id=99_999, seen=1)


def test_the_file_for_support_tells_no_name(desk: Desk) -> None:
    answer = PAGE.data["export"](desk.context(), {"item": str(desk.made["rejected"])})
    text = answer.body.decode()
    assert "AddCase" in text
    name = desk.clinic.patient_name(desk.row("rejected").patient_id)
    assert name
    assert name.split()[0] not in text


def test_the_menu_counts_what_waits_for_a_person(desk: Desk) -> None:
    assert PAGE.attention is not None
    assert PAGE.attention(desk.context()) >= len({"missing", "rejected", "gone", "unknown"})
    desk.settings = {}
    assert PAGE.attention(desk.context()) == 0, "an organisation that is no longer in the settings rings for nobody"


def test_a_case_that_is_still_open_is_not_called_ended(desk: Desk) -> None:
    with desk.writing() as register:
        open_ = register.item("taken", 1, is_open=1, steps="{}", key=9_999)
    page = desk.drawn(state="taken", item=open_)
    assert "в клинике ещё открыт, у N3 открыт" in page
    assert "<dt>Начат</dt>" in page
    assert "<dt>Завершён</dt>" not in page


def test_what_only_a_person_has_said_is_not_said_of_n3(desk: Desk) -> None:
    desk.decide("arrived", "unknown")
    page = desk.drawn(state="taken", item=desk.made["unknown"])
    assert "ответа N3 нет" in page
    assert "Записано, что дошёл" in page
    assert "Впервые принят N3" not in page
    assert "Первый ответ N3" in desk.drawn(state="warned", item=desk.made["warned"])


def test_fields_of_n3_are_called_as_a_clinic_calls_them(desk: Desk) -> None:
    page = desk.drawn(state="rejected", item=desk.made["rejected"])
    assert "Поле: должность врача" in page
    assert page_fields.of("caseDto.Steps.StepAmb[2].Doctor.Person.Birthdate") == ("дата рождения", Where.EMPLOYEE)
    assert page_fields.of("patient.Documents.DocumentDto.DocN") == ("номер документа", Where.PATIENT)
    assert page_fields.of("SomethingNew") == page_fields.of("") == ("", None)
