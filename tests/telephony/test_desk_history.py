"""The history: what is found by number, patient, employee, days and outcome; and what failed clicks left."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from identsync.engine.integration import Role
from identsync.store.tables import outbox, phone_call

from . import desk_seed as seed
from .desk import PAGE, Desk, calls_clinic, desk_of_a_day

desk = desk_of_a_day
__all__ = ["calls_clinic", "desk"]


def shown(desk: Desk, **query: object) -> list[dict[str, Any]]:
    return list(desk.view(tab="history", **query)["rows"])


def keys(rows: list[dict[str, Any]]) -> set[str | None]:
    return {row["phone_key"] for row in rows}


def test_every_call_newest_first_with_its_state_in_words_and_its_patients_name(desk: Desk) -> None:
    view = desk.view(tab="history")
    starts = [row["start_ms"] for row in view["rows"]]
    assert starts == sorted(starts, reverse=True)
    assert len(starts) == len(desk.rows(phone_call))
    assert {row["shown"].title for row in view["rows"]} == {"принят", "пропущен", "дозвонились", "не дозвонились"}
    patient = desk.people[20][0]
    assert view["people"][patient] == desk.clinic.patient_name(patient)


@pytest.mark.parametrize(
    ("kind", "titles"),
    [
        ("in", {"принят", "пропущен"}),
        ("missed", {"пропущен"}),
        ("out", {"дозвонились", "не дозвонились"}),
        ("unreached", {"не дозвонились"}),
        ("recorded", {"принят"}),
    ],
)
def test_kinds(desk: Desk, kind: str, titles: set[str]) -> None:
    assert {row["shown"].title for row in shown(desk, kind=kind)} == titles


def test_a_call_told_of_by_two_pbxs_stands_once(desk: Desk) -> None:
    before = len(shown(desk))
    call = desk.ring(desk.people[40][1], "a")
    twin = replace(call, key="b")
    desk.tell(twin, "uis")
    assert len(shown(desk)) == before + 1


def test_last_digits_a_whole_number_and_a_patient_find_the_same_calls(desk: Desk) -> None:
    patient, phone, _surname = desk.people[0]
    wanted = {phone[-10:]}
    for text in (phone[-4:], f"8 ({phone[2:5]}) {phone[5:]}", phone):
        desk.do("search", q=text)
        rows = shown(desk)
        assert keys(rows) == wanted, text
        assert len(rows) == 3
    desk.do("search", q="")
    assert keys(shown(desk, patient=patient)) == wanted
    assert keys(shown(desk, like=rows[0]["id"])) == wanted
    assert len(keys(shown(desk))) > 10


def test_a_name_finds_patients_and_a_familys_calls_are_each_ones(desk: Desk) -> None:
    phone, ids = seed.family(desk.engine)
    desk.hang_up(desk.ring(phone, "f"))
    for patient in ids:
        assert keys(shown(desk, patient=patient)) == {phone[-10:]}
    desk.do("search", q=desk.people[5][2])
    assert desk.people[5][0] in {each.id for each in desk.view(tab="history")["search"].found}
    assert desk.view("Борис", tab="history")["search"].found is None


def test_an_employee_and_days_can_be_asked_for(desk: Desk) -> None:
    view = desk.view(tab="history", ext="102")
    assert {row["extension"] for row in view["rows"]} == {"102"}
    assert ("102", "Борис Лебедев") in view["at_phones"]
    tomorrow = datetime.fromtimestamp(desk.now_ms / 1000, UTC) + timedelta(days=2)
    assert shown(desk, **{"from": tomorrow.strftime("%Y-%m-%d")}) == []
    assert len(shown(desk, to=tomorrow.strftime("%Y-%m-%d"))) == len(desk.rows(phone_call))


@pytest.mark.parametrize(
    "query",
    [
        {"kind": "nonsense", "from": "2026-13-40", "to": "x", "ext": "1' OR 1=1", "show": "-1"},
        {"call": "9" * 30, "patient": "abc", "like": ""},
    ],
)
def test_what_makes_no_sense_is_left_out(desk: Desk, query: dict[str, str]) -> None:
    view = desk.view(tab="history", **query)
    assert len(view["rows"]) > 20
    assert view["one"] is None


def test_a_call_that_is_not_there_finds_nothing_like_it(desk: Desk) -> None:
    assert shown(desk, like=999_999) == []


def test_one_call_in_detail_knows_its_people_and_recordings(desk: Desk) -> None:
    row = shown(desk, kind="recorded")[0]
    one = desk.view(tab="history", call=row["id"])["one"]
    assert one["records"] == 1
    assert one["callers"][0]["id"] == row["patient_id"]
    assert one["talked_ms"] == row["ended_ms"] - row["answered_ms"]


def test_a_doctors_console_offers_no_recordings(desk: Desk) -> None:
    context = replace(desk.context(), role=Role.DOCTOR)
    assert PAGE.view(context, {"tab": "history"})["may_listen"] is False
    assert desk.view(tab="history")["may_listen"] is True


def test_clicks_that_became_no_call_are_told_of(desk: Desk) -> None:
    desk.do("dial", to=seed.STRANGER, nonce="n1", extension="101", line="pbx")
    assert desk.view(tab="history")["clicks"] == []
    with desk.store.write() as connection:
        connection.execute(update(outbox).values(state="unknown", token="a" * 32))
    (click,) = desk.view(tab="history")["clicks"]
    assert (click["e164"], click["said"]) == (seed.STRANGER, "неизвестно, состоялся ли звонок: посмотрите на АТС")
    desk.ring(seed.STRANGER, direction="out", token="a" * 32)
    assert desk.view(tab="history")["clicks"] == []
