"""Page "Сообщения": what it says of each message, and what people decide on one."""

from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, select

from identsync.clinic.source import ClinicSource
from identsync.errors import IdentsyncError
from identsync.flows import outbox_book
from identsync.integrations.messaging import page_log, page_words
from identsync.store.tables import (
    message_campaign,
    message_channel,
    message_reply,
    message_rule,
    message_stop,
    message_template,
    outbox,
    outbox_event,
)

from .messages_desk import PAGE, Desk

# -- the log ---------------------------------------------------------------------------------------------------------


def test_every_message_is_in_the_log_newest_first_with_its_state_in_words_and_its_patients_name(desk: Desk) -> None:
    shown = desk.view()
    ids = [row["id"] for row in shown["rows"]]
    assert ids == sorted((number for some in desk.made.values() for number in some), reverse=True)
    assert {row["shown"].title for row in shown["rows"]} == {
        "ждёт", "запланировано", "отправляется", "принято оператором", "доставлено", "не доставлено", "срок вышел",
        "неизвестно", "не отправлено", "отменено",
    }  # fmt: skip
    person = desk.people[0][0]
    assert shown["people"][person] == desk.clinic.patient_name(person)


@pytest.mark.parametrize("recent", [1, 4, 9])
def test_what_is_rare_is_found_behind_the_newest_messages_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, recent: int
) -> None:
    asked = [{"state": state} for state in page_log.GROUPS] + [{"channel": "smsc"}, {"channel": "smsc", "state": "way"}]
    whole = [[row["id"] for row in desk.view(**query)["rows"]] for query in asked]
    assert any(whole)
    monkeypatch.setattr(page_log, "RECENT", recent)
    for query, ids in zip(asked, whole, strict=True):
        assert [row["id"] for row in desk.view(**query)["rows"]] == ids
        assert [row["id"] for row in desk.view(**query, show=2)["rows"]] == ids[:2]


def test_what_waits_says_why_and_what_is_only_planned_does_not_look_like_it(desk: Desk) -> None:
    waiting, planned = sorted(
        (row for row in desk.view(state="ahead")["rows"] if row["state"] == "planned"), key=lambda row: row["id"]
    )
    assert (waiting["shown"].title, waiting["reason"]) == ("ждёт", "ночью не отправляем")
    assert planned["shown"].title == "запланировано"


@pytest.mark.parametrize(
    ("query", "states"),
    [
        ({"state": "failed"}, {"failed", "expired"}),
        ({"state": "way"}, {"submitting", "accepted"}),
        ({"state": "nonsense", "show": "-1", "message": "9" * 30, "day": "2026-13-40"}, None),
        ({"channel": "reserve"}, {"unknown", "accepted"}),
        ({"lot": 77}, {"held"}),
    ],
)
def test_filters(desk: Desk, query: dict[str, str], states: set[str] | None) -> None:
    shown = desk.view(**query)
    found = {row["state"] for row in shown["rows"]}
    assert found == (states or set(desk.made))
    assert shown["one"] is None


def test_a_day_and_a_patient_can_be_asked_for(desk: Desk) -> None:
    patient = desk.people[3][0]
    assert [row["patient_id"] for row in desk.view(patient=patient)["rows"]] == [patient]
    assert desk.view(day="2001-01-01")["rows"] == []


def test_why_was_nothing_sent_lists_reasons_by_how_often_and_each_can_be_opened(desk: Desk) -> None:
    reasons = desk.view(state="skipped")["reasons"]
    assert reasons[0] == ("нет телефона", 3)
    assert sum(count for _reason, count in reasons) == len(desk.made["skipped"])
    rows = desk.view(state="skipped", why="нет телефона")["rows"]
    assert {row["reason"] for row in rows} == {"нет телефона"}
    assert len(rows) == 3


def test_one_message_in_detail_has_its_text_cause_answer_and_who_decided(desk: Desk) -> None:
    one = desk.view(message=desk.made["failed"][0])["one"]
    assert (one["reason"], one["answer"], one["kopecks"]) == ("номер не обслуживается", "err 6", 920)
    assert "ждём вас" in one["text"]
    assert (one["rule"], one["template"]) == ("За сутки", "Напоминание за день")
    cancelled = desk.view(message=desk.made["cancelled"][0])["one"]
    assert [(event["state"], event["by"]) for event in cancelled["history"]] == [("cancelled", "Борис")]


def test_rows_of_other_rooms_are_not_messages(desk: Desk) -> None:
    with desk.store.write() as connection:
        draft = outbox_book.Draft(key="call", due_ms=0, until_ms=1)
        other = outbox_book.plan(connection, "telephony/calls", 0, [draft], desk.now_ms)["call"]
    assert other not in {row["id"] for row in desk.view()["rows"]}
    assert desk.view(message=other)["one"] is None


def test_a_clinic_that_keeps_silent_leaves_numbers_instead_of_names(desk: Desk, tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'nothing' / 'clinic.db'}")
    desk.clinic = ClinicSource(engine)
    for tab in ("log", "unknown", "replies", "channels"):
        shown = desk.view(tab=tab)
        assert shown.get("silent", True) is True, tab
    engine.dispose()


# -- what only a person can decide -----------------------------------------------------------------------------------


def test_the_unknown_say_what_is_known_of_them(desk: Desk) -> None:
    rows = {row["id"]: row for row in desk.view(tab="unknown")["rows"]}
    assert sorted(rows) == desk.made["unknown"]
    there = [row for row in rows.values() if row["absent"]]
    assert [(row["channel"], row["answer"]) for row in there] == [("reserve", "HTTP 200: not found")]


@pytest.mark.parametrize(("decision", "state"), [("again", "planned"), ("leave", "failed"), ("was sent", "accepted")])
def test_a_person_decides_on_an_unknown_one_and_stands_in_its_history(desk: Desk, decision: str, state: str) -> None:
    number = desk.made["unknown"][0]
    before = desk.version(), desk.attention()
    desk.do("decide", {"id": number, "seen": desk.row(number).changed_ms, "decision": decision})
    assert desk.row(number).state == state
    assert desk.version() != before[0]
    assert desk.attention() == before[1] - 1
    assert desk.view(message=number)["one"]["history"][0]["by"] == "Анна"
    if decision == "again":
        assert desk.row(number).until_ms > desk.now_ms


def test_who_decides_second_is_told_who_was_first_and_changes_nothing(desk: Desk) -> None:
    number = desk.made["unknown"][0]
    seen = desk.row(number).changed_ms
    desk.do("decide", {"id": number, "seen": seen, "decision": "leave"}, "Борис")
    with pytest.raises(IdentsyncError, match="Борис"):
        desk.do("decide", {"id": number, "seen": seen, "decision": "again"})
    assert desk.row(number).state == "failed"


def test_a_message_that_the_gateway_found_meanwhile_is_not_sent_again(desk: Desk) -> None:
    number = desk.made["unknown"][0]
    seen = desk.row(number).changed_ms
    desk.write(outbox, changed_ms=outbox.c.changed_ms + 1)
    with pytest.raises(IdentsyncError, match="изменилось"):
        desk.do("decide", {"id": number, "seen": seen, "decision": "again"})
    assert desk.row(number).state == "unknown"


def test_many_are_decided_at_once_and_those_that_changed_are_left_alone(desk: Desk) -> None:
    first, second, third = desk.made["unknown"]
    ticked = {f"id-{number}": desk.row(number).changed_ms for number in (first, second, third)}
    desk.do("decide", {"id": second, "seen": ticked[f"id-{second}"], "decision": "was sent"}, "Борис")
    with pytest.raises(IdentsyncError, match=r"Решено не всё.*: 1"):
        desk.do("decide_many", ticked | {"decision": "leave"})
    assert [desk.row(number).state for number in (first, second, third)] == ["failed", "accepted", "failed"]
    with pytest.raises(IdentsyncError, match="Ничего не отмечено"):
        desk.do("decide_many", {"decision": "leave"})


def test_reasons_that_come_from_the_outbox_have_their_english() -> None:
    assert {outbox_book.DIED, outbox_book.TOO_LATE} < set(page_words.ELSEWHERE)


# -- replies ---------------------------------------------------------------------------------------------------------


def test_replies_wait_the_oldest_first_with_their_patients_and_stop_is_marked(desk: Desk) -> None:
    question, stop, stranger = desk.view(tab="replies")["rows"]
    assert [patient for patient, _name in question["patients"]] == [desk.people[0][0]]
    assert (stop["says_stop"], stop["stopped"], question["says_stop"]) == (True, True, False)
    assert list(stranger["patients"]) == []


def test_a_reply_is_done_once_and_may_wait_again(desk: Desk) -> None:
    number, before = desk.view(tab="replies")["rows"][0]["id"], desk.attention()
    version = desk.version()
    desk.do("done", {"id": number}, "Борис")
    assert (desk.attention(), desk.version() == version) == (before - 1, False)
    with pytest.raises(IdentsyncError, match="Борис"):
        desk.do("done", {"id": number})
    assert number in {row["id"] for row in desk.view(tab="replies", state="done")["rows"]}
    desk.do("reopen", {"id": number})
    assert desk.attention() == before


def test_stop_of_an_answer_from_another_address_stops_the_patient_s_own(desk: Desk) -> None:
    patient, _phone, own, *_rest = desk.with_mail()
    reply = {
        "channel": "mail",
        "key": "9",
        "sender": "work@elsewhere.example",
        "patient_id": patient,
        "text": "хватит вам",
    }
    with desk.store.write() as connection:
        connection.execute(insert(message_reply).values(**reply, at_ms=1, received_ms=1))
    row = desk.view(tab="replies")["rows"][0]
    assert [number for number, _name in row["patients"]] == [patient]
    desk.do("stop", {"id": row["id"]})
    with desk.store.read() as connection:
        stopped = set(connection.execute(select(message_stop.c.address)).scalars())
    assert {"work@elsewhere.example", own.lower()} <= stopped


def test_a_person_may_read_a_reply_as_stop_and_lift_it_later(desk: Desk) -> None:
    question = desk.view(tab="replies")["rows"][0]
    desk.do("stop", {"id": question["id"]})
    assert desk.view(tab="replies")["rows"][0]["stopped"] is True
    stops = desk.view(tab="consents")["stops"]
    assert question["address"] in {stop.address for stop in stops}
    desk.do("lift", {"medium": "sms", "address": question["address"]})
    assert desk.view(tab="replies")["rows"][0]["stopped"] is False


# -- channels --------------------------------------------------------------------------------------------------------


def test_channels_tell_their_money_trouble_and_failures(desk: Desk) -> None:
    lines = {line["name"]: line for line in desk.view(tab="channels")["lines"]}
    assert [lines[name]["low"] for name in ("smsc", "reserve", "mail")] == [False, True, False]
    assert lines["mail"]["problem"] == "логин или пароль не подошли"
    assert lines["smsc"]["kopecks"] == 1_234_550


def test_attention_counts_the_unknown_open_replies_and_channels_that_rest(desk: Desk) -> None:
    assert desk.attention() == 3 + 3 + 1
    desk.write(message_channel, problem=None)
    assert desk.attention() == 3 + 3


# -- the whole -------------------------------------------------------------------------------------------------------


def test_every_mark_of_change_draws_the_page_anew(desk: Desk) -> None:
    for table, values in (
        (message_template, {"changed_ms": desk.now_ms + 1}),
        (message_rule, {"changed_ms": desk.now_ms + 1}),
        (message_channel, {"problem": "x"}),
        (message_reply, {"state": "done"}),
        (outbox, {"changed_ms": desk.now_ms + 5}),
    ):
        before = desk.version()
        desk.write(table, **values)
        assert desk.version() != before, table.name
    before = desk.version()
    desk.do("lift", {"medium": "sms", "address": desk.people[1][1]})
    assert desk.version() != before
    form = {"branch": 0, "quiet_from": "20:30", "quiet_until": "10:00", "per_day": 1}
    before = desk.version()
    desk.do("policy", form)
    assert desk.version() != before


def test_every_action_and_part_is_reachable_with_rubbish(desk: Desk) -> None:
    for tab in ("log", "unknown", "replies", "write", "texts", "rules", "consents", "channels", "nonsense"):
        desk.view(tab=tab, message="x", patient="x", template="x", rule="x", campaign="x", state="x")
    for name in PAGE.actions:
        before = desk.count(outbox), desk.count(outbox_event), desk.count(message_campaign)
        with suppress(IdentsyncError):
            desk.do(name, {"id": "x", "place": "x", "seen": "x"})
        assert (desk.count(outbox), desk.count(outbox_event), desk.count(message_campaign)) == before, name
