"""Campaigns: whom they are for, what they cost, portions a day, pause and stop."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import update

from identsync.flows.outbox import Changed
from identsync.integrations.messaging import bulk, consent, portions, reasons
from identsync.integrations.messaging.bulk import Audience, Campaign
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.rules import Mistaken, templates
from identsync.integrations.messaging.template import WARNING
from identsync.integrations.messaging.whether import Go
from identsync.spans import DAY_MS
from identsync.store.tables import outbox

from .small_clinic import ANNA, BELOV, DAY, OLEG, SmallClinic, at, small_clinic

__all__ = ["small_clinic"]


@pytest.fixture
def clinic(small_clinic: SmallClinic) -> SmallClinic:
    for number in range(3, 13):
        small_clinic.patient(number, name=f"Пациент{number}", phone=f"8 945 000 00 {number:02d}")
    return small_clinic


def save(clinic: SmallClinic, template: int | None = None, **more: Any) -> int:
    template = template or clinic.template("{имя}, мы переехали")
    made: int = clinic.write(bulk.save, Campaign(name="Переезд", template_id=template, **more), by="Вера", now_ms=1)
    return made


def start(clinic: SmallClinic, **more: Any) -> int:
    number = save(clinic, **more)
    clinic.write(bulk.start, number, now_ms=clinic.now_ms())
    return number


def reckon(clinic: SmallClinic, audience: Audience, template: int | None = None) -> bulk.Reckoning:
    template = template or clinic.template("{имя}, мы переехали")
    with clinic.store.read() as connection:
        chosen = templates(connection)[template]
        return bulk.preview(clinic.source, connection, chosen, audience, clinic.now_ms(), 450)


def test_preview_counts_and_says_who_is_left_out(clinic: SmallClinic) -> None:
    clinic.repatient(3, phone=None)
    clinic.repatient(4, phone="8 945 000 00 05")
    clinic.write(consent.record, 6, Medium.SMS, Kind.SERVICE, given=False, source="", by="", now_ms=1)
    seen = reckon(clinic, Audience())
    assert (seen.found, seen.messages, seen.parts, seen.kopecks) == (12, 9, 9, 4050)
    assert seen.excluded == {reasons.NO_PHONE: 1, reasons.SAME_ADDRESS: 1, reasons.REFUSED: 1}
    assert seen.example is not None
    assert seen.example.text == "Анна, мы переехали"
    assert clinic.rows() == []


def test_advertising_asks_for_consent_age_and_the_warning(clinic: SmallClinic) -> None:
    with pytest.raises(Mistaken):
        clinic.template("Скидка!", kind=Kind.AD)
    template = clinic.template(f"Скидка! {WARNING}", kind=Kind.AD)
    for patient in (ANNA, OLEG, 3):
        clinic.write(consent.record, patient, Medium.SMS, Kind.AD, given=True, source="анкета", by="", now_ms=1)
    clinic.repatient(OLEG, born=DAY - 17 * 365)
    clinic.repatient(3, born=DAY - 19 * 366)
    seen = reckon(clinic, Audience(), template)
    assert (seen.messages, seen.excluded) == (2, {reasons.NO_AD_CONSENT: 9, reasons.MINOR: 1})


@pytest.mark.parametrize(
    ("audience", "found"),
    [
        (Audience(visited_from=DAY - 10), [5]),
        (Audience(visited_from=DAY - 400, visited_to=DAY - 300), [3]),
        (Audience(visited_to=DAY - 1), [3, 5]),
        (Audience(age_from=30, age_to=30), [6]),
        (Audience(branches=[2]), [7]),
        (Audience(doctors=[BELOV]), [5]),
        (Audience(without_booking=True, branches=[1], visited_to=DAY), [3]),
    ],
)
def test_whom_a_campaign_is_for(clinic: SmallClinic, audience: Audience, found: list[int]) -> None:
    clinic.repatient(3, last_visit=DAY - 365)
    clinic.repatient(5, last_visit=DAY - 800)
    clinic.book(100, at(12, day=-3), 5, branch=2)
    clinic.book(101, at(12, day=3), 5)
    clinic.book(102, at(12, day=3), 8)
    clinic.repatient(6, born=DAY - 30 * 365 - 100)
    clinic.repatient(7, branch_id=2)
    number = start(clinic, audience=audience)
    clinic.release()
    assert [row.patient_id for row in clinic.rows()] == found
    assert clinic.read(bulk.campaign, number).state == "running"


def test_each_patient_s_own_text_is_counted(clinic: SmallClinic) -> None:
    before = reckon(clinic, bulk.EVERYBODY)
    assert before.parts == before.messages == 12
    for patient in (ANNA, 5):
        clinic.repatient(patient, name="Ж" * 60)
    after = reckon(clinic, bulk.EVERYBODY)
    assert (after.messages, after.parts, after.kopecks) == (12, 14, 14 * 450)
    assert after.example is not None
    assert after.example.text.startswith("ЖЖЖ")


def test_a_campaign_goes_out_in_portions(clinic: SmallClinic) -> None:
    number = start(clinic, per_day=5)
    assert clinic.release().counts == {"filled": 12, "left_out": 0, "released": 5}
    assert clinic.release().counts == {"filled": 0, "left_out": 0, "released": 0}
    assert [isinstance(each, Go) for each in clinic.send()] == [True] * 5
    clinic.now = at(18)
    assert clinic.release().counts["released"] == 0
    clinic.now = at(8, day=1)
    assert clinic.release().counts["released"] == 0  # people sleep
    clinic.now = at(9, day=1)
    assert clinic.release().counts["released"] == 5
    clinic.send()
    clinic.now = at(9, day=2)
    assert clinic.release().counts["released"] == 2
    assert clinic.read(bulk.progress, [number])[number] == {"submitting": 10, "planned": 2}
    assert len({row.address for row in clinic.rows()}) == 12


def test_small_portions_of_a_large_campaign_are_good_until_the_last(
    clinic: SmallClinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portions, "GOOD_FOR_MS", 2 * DAY_MS)
    start(clinic, per_day=1)
    for day in range(12):
        clinic.now = at(10, day=day)
        assert clinic.release().counts["released"] == 1
        (go,) = clinic.send()
        assert go.row.until_ms > clinic.now_ms()


def test_who_cannot_get_it_takes_no_place_in_the_portion(clinic: SmallClinic) -> None:
    start(clinic, per_day=5)
    clinic.release()
    clinic.repatient(ANNA, phone=None)
    clinic.repatient(OLEG, phone="8 495 123 45 67")
    assert sum(isinstance(each, Go) for each in clinic.send()) == 3
    assert clinic.release().counts["released"] == 2


def test_pause_resume_and_stop(clinic: SmallClinic) -> None:
    number = start(clinic, per_day=5)
    clinic.release()
    assert clinic.write(bulk.pause, number, now_ms=clinic.now_ms() + 1) == 5
    assert clinic.due() == []
    assert clinic.release().counts["released"] == 0
    with pytest.raises(Changed):
        clinic.write(bulk.pause, number, now_ms=clinic.now_ms() + 2)
    clinic.write(bulk.resume, number, now_ms=clinic.now_ms() + 2)
    assert clinic.release().counts["released"] == 5
    clinic.send()
    assert clinic.write(bulk.stop, number, now_ms=clinic.now_ms() + 3) == 7
    assert clinic.read(bulk.progress, [number])[number] == {"submitting": 5, "cancelled": 7}
    with pytest.raises(Changed):
        clinic.write(bulk.resume, number, now_ms=clinic.now_ms() + 4)
    assert clinic.release().counts["released"] == 0


def test_a_row_already_in_hand_waits_while_its_campaign_is_paused(clinic: SmallClinic) -> None:
    number = start(clinic)
    clinic.release()
    rows = clinic.due()
    clinic.write(bulk.pause, number, now_ms=clinic.now_ms() + 1)
    clinic.due = lambda medium=Medium.SMS: rows  # type: ignore[method-assign]
    assert {each.reason for each in clinic.decide()} == {reasons.PAUSED}
    clinic.write(bulk.stop, number, now_ms=clinic.now_ms() + 2)
    assert {each.reason for each in clinic.decide()} == {reasons.BULK_STOPPED}


@pytest.mark.parametrize(("click", "after"), [(bulk.pause, "held"), (bulk.stop, "cancelled")])
def test_a_click_on_a_large_campaign_is_short_and_the_planner_does_the_rest(
    clinic: SmallClinic, monkeypatch: pytest.MonkeyPatch, click: Any, after: str
) -> None:
    """What a sender may have decided on already is held with the click; all that it reads later is asked about."""
    number = start(clinic)
    clinic.release()
    first = [row.id for row in clinic.due()][:5]
    monkeypatch.setattr(bulk, "AT_ONCE", 5)
    assert clinic.write(click, number, now_ms=clinic.now_ms() + 1) == 5
    assert {row.id for row in clinic.rows() if row.state == after} == set(first)
    assert not any(isinstance(each, Go) for each in clinic.decide())
    clinic.release()
    assert clinic.read(bulk.progress, [number])[number] == {after: 12}


def test_what_is_still_to_be_held_goes_on_where_a_person_resumes_meanwhile(
    clinic: SmallClinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = start(clinic)
    clinic.release()
    monkeypatch.setattr(bulk, "AT_ONCE", 5)
    clinic.write(bulk.pause, number, now_ms=clinic.now_ms() + 1)
    halted = clinic.read(bulk.halted)
    clinic.write(bulk.resume, number, now_ms=clinic.now_ms() + 2)
    monkeypatch.setattr(bulk, "halted", lambda _: halted)  # the planner had looked before
    clinic.release()
    assert clinic.read(bulk.progress, [number])[number] == {"planned": 12}


def test_what_a_stopped_campaign_was_still_being_filled_with_is_cancelled(clinic: SmallClinic) -> None:
    number = start(clinic)
    clinic.release()
    clinic.write(bulk.stop, number, now_ms=clinic.now_ms() + 1)
    clinic.write(lambda connection: connection.execute(update(outbox).values(state="held")))
    clinic.release()
    assert clinic.read(bulk.progress, [number])[number] == {"cancelled": 12}


def test_all_at_once_and_done(clinic: SmallClinic) -> None:
    number = start(clinic)
    assert clinic.release().counts["released"] == 12
    clinic.repatient(ANNA, phone=None)
    for row in range(2, 13):
        clinic.write(consent.record, row, Medium.SMS, Kind.SERVICE, given=False, source="", by="", now_ms=1)
    clinic.send()
    clinic.release()
    assert clinic.read(bulk.campaign, number).state == "done"
    assert Counter(reason for state, reason in clinic.states() if state == "skipped") == {
        reasons.NO_PHONE: 1,
        reasons.REFUSED: 11,
    }


def test_what_only_a_visit_knows_cannot_be_started_or_saved(clinic: SmallClinic) -> None:
    with pytest.raises(Mistaken):
        save(clinic, template=clinic.template("{имя}, {время}"))
    with pytest.raises(Mistaken):
        save(clinic, per_day=-1)
    text = clinic.template("мы переехали")
    draft = save(clinic, text)
    clinic.write(bulk.save, Campaign(id=draft, name="Другая", template_id=text, per_day=3), by="Вера", now_ms=2)
    (only,) = clinic.read(bulk.campaigns)
    assert (only.name, only.per_day, only.state, only.made_by) == ("Другая", 3, "draft", "Вера")
    clinic.write(bulk.start, draft, now_ms=3)
    with pytest.raises(Changed):
        clinic.write(bulk.start, draft, now_ms=4)
    with pytest.raises(Changed):
        clinic.write(bulk.save, Campaign(id=draft, name="x", template_id=text), by="", now_ms=5)
