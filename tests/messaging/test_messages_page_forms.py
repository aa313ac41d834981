"""Page "Сообщения": writing one, templates, rules, consents, mailings."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from identsync.errors import IdentsyncError
from identsync.integrations.messaging import bulk as mailing
from identsync.integrations.messaging import consent, quiet, rules
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.page_drafts import DRAFTS
from identsync.store.tables import (
    message,
    message_campaign,
    message_file,
    message_rule,
    message_template,
    outbox,
)

from . import messages_seed as seed
from .messages_desk import Desk

PDF = b"%PDF-1.4 plan of treatment" * 4_000  # more than one piece


# -- writing one -----------------------------------------------------------------------------------------------------


def test_a_patient_is_found_by_telephone_and_by_name_and_nothing_of_it_is_in_an_address(desk: Desk) -> None:
    patient, phone, _email, _name = desk.people[0]
    surname, name = (desk.clinic.patient_name(patient) or "").split()[:2]
    for wanted in (
        "".join(c for c in phone if c.isdigit())[-5:],
        phone,
        surname.lower(),
        f"{name[:3]} {surname[:4]}".upper(),
    ):
        desk.do("find", {"place": "find", "q": wanted})
        assert patient in {each.id for each in desk.view(tab="write")["looked_for"]["found"]}, wanted
    desk.do("find", {"place": "find", "q": "%%"})
    assert desk.view(tab="write")["looked_for"]["found"] == []


def test_drafts_belong_to_one_person(desk: Desk) -> None:
    desk.do("find", {"place": "find", "q": "А"}, "Борис")
    assert desk.view("Анна", tab="write")["looked_for"]["q"] == ""


def test_what_is_typed_is_counted_as_the_core_counts_it(desk: Desk) -> None:
    from identsync.core.texts import measure

    place = f"write/{desk.people[0][0]}"
    for text in ("Привет", "я" * 71, "a" * 160, "a" * 159 + "€", "{имя} в скобках"):
        desk.do("tell", {"place": place, "medium": "sms", "text": text})
        preview = desk.view(tab="write", patient=desk.people[0][0])["preview"]
        assert (preview.alphabet, preview.units, preview.parts) == measure(text)
        assert preview.text == text
        assert preview.kopecks == 460 * preview.parts


def test_a_template_fills_the_text_with_the_patients_own_data_once(desk: Desk) -> None:
    patient, _phone, _email, name = desk.people[0]
    place = f"write/{patient}"
    desk.do("tell", {"place": place, "medium": "sms", "text": "", "template": "1"})
    filled = desk.view(tab="write", patient=patient)["draft"].get("text")
    assert filled.startswith(f"{name}, ждём вас")
    assert "{" not in filled
    desk.do("tell", {"place": place, "medium": "sms", "text": "своё", "template": "1"})
    assert desk.view(tab="write", patient=patient)["draft"].get("text") == "своё"


def test_an_advertising_template_makes_it_advertising_until_its_text_is_gone(desk: Desk) -> None:
    patient = desk.people[6][0]
    form = {"place": f"write/{patient}", "medium": "sms", "text": "", "template": "2"}
    desk.do("tell", form)
    shown = desk.view(tab="write", patient=patient)
    assert (shown["kind"], shown["reach"].objection) == ("ad", "нет согласия на рекламу")
    desk.do("tell", form | {"kind": "ad", "template": "", "text": "всё ещё реклама"})
    assert desk.view(tab="write", patient=patient)["kind"] == "ad"
    desk.do("tell", form | {"kind": "ad", "template": "", "text": ""})
    assert desk.view(tab="write", patient=patient)["kind"] == "service"


def drawn(desk: Desk, place: str) -> dict[str, str]:
    """What the page's form says of itself, as it was drawn."""
    return {"place": place, "token": DRAFTS.of(desk.context(), place).token}


@pytest.mark.parametrize("typed", [False, True])
def test_a_message_is_planned_once_however_often_the_button_is_pressed(desk: Desk, typed: bool) -> None:
    """Its answer may be lost, or the same draft stand in another window: the page is as it was drawn."""
    patient, before = desk.people[0][0], desk.count(outbox)
    form = drawn(desk, f"write/{patient}") | {"medium": "sms", "text": "Позвоните нам, пожалуйста"}
    said = desk.do("send", form)
    if typed:
        desk.do("tell", form)
    assert desk.do("send", form) == said
    assert desk.count(outbox) == before + 1
    newest = desk.view()["rows"][0]
    assert (newest["patient_id"], newest["text"], newest["purpose"]) == (patient, form["text"], "single")
    assert desk.view(tab="write", patient=patient)["draft"].get("text") == ""
    desk.do("send", form | {"text": "И ещё"})  # written into a page that was not drawn anew
    desk.do("send", form | drawn(desk, form["place"]))  # the same again, because a person wants it
    assert desk.count(outbox) == before + 3


def test_a_plan_that_was_sent_is_not_sent_again_without_its_file(desk: Desk) -> None:
    patient = desk.with_mail()[0]
    form = drawn(desk, f"write/{patient}") | {"medium": "email", "text": "Ваш план", "subject": "План лечения"}
    attach(desk, form["place"], "план.pdf", PDF)
    desk.do("confirm", {"place": form["place"], "source": "бумажное согласие"})
    before = desk.count(outbox)
    assert desk.do("send", form) == desk.do("send", form)
    assert desk.count(outbox) == before + 1


def test_a_message_may_wait_for_its_time_on_the_branchs_clock(desk: Desk) -> None:
    patient = desk.people[0][0]
    shown = desk.view(tab="write", patient=patient)
    minute = quiet.minute_now(shown["zone"], desk.now_ms) + 60 * 24
    at = (seed.EPOCH + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M")
    form = {"place": f"write/{patient}", "medium": "sms", "text": "Завтра", "at": at}
    desk.do("send", form)
    assert 0 <= desk.now_ms + seed.DAY - desk.row(desk.view()["rows"][0]["id"]).due_ms < 60_000
    for wrong in ("2001-01-01T10:00", "2999-01-01T10:00", "вчера"):
        with pytest.raises(IdentsyncError):
            desk.do("send", form | {"at": wrong})


def test_nothing_goes_to_who_refused_or_cannot_be_reached_and_the_page_says_so_before(desk: Desk) -> None:
    patient, before = desk.people[0][0], desk.count(outbox)
    with desk.store.write() as connection:
        consent.record(
            connection, patient, Medium.SMS, Kind.SERVICE, given=False, source="x", by="x", now_ms=desk.now_ms
        )
    assert desk.view(tab="write", patient=patient)["reach"].objection == "отказался от сообщений"
    with pytest.raises(IdentsyncError, match="отказался"):
        desk.do("send", {"place": f"write/{patient}", "medium": "sms", "text": "Здравствуйте"})
    assert desk.count(outbox) == before


def test_mistakes_keep_the_draft_and_are_all_there(desk: Desk) -> None:
    patient = desk.with_mail()[0]
    form = {"place": f"write/{patient}", "medium": "email", "text": " ", "subject": ""}
    with pytest.raises(IdentsyncError, match="исправьте"):
        desk.do("send", form)
    draft = desk.view(tab="write", patient=patient)["draft"]
    assert {mistake.what for mistake in draft.mistakes} == {"текст пуст", "у письма нет темы"}


def attach(desk: Desk, place: str, name: str, content: bytes, size: int | None = None) -> None:
    for at in range(0, len(content), 42_000):
        piece = base64.urlsafe_b64encode(content[at : at + 42_000]).decode()
        desk.do("attach", {"place": place, "name": name, "size": size or len(content), "at": at, "piece": piece})


def test_a_treatment_plan_goes_by_mail_to_a_confirmed_address_only(desk: Desk) -> None:
    patient = desk.with_mail()[0]
    form = {"place": f"write/{patient}", "medium": "email", "text": "Ваш план", "subject": "План лечения"}
    attach(desk, form["place"], r"C:\plans\план.pdf", PDF)
    with pytest.raises(IdentsyncError, match="не подтверждён"):
        desk.do("send", form)
    desk.do("confirm", {"place": form["place"], "source": "бумажное согласие"})
    desk.do("send", form)
    with desk.store.read() as connection:
        file = connection.execute(select(message_file)).one()
        row = connection.execute(select(message).where(message.c.outbox_id == file.outbox_id)).one()
    assert (row.purpose, row.patient_id) == ("plan", patient)
    assert (file.name.rpartition("\\")[2], file.media_type, file.content) == ("план.pdf", "application/pdf", PDF)
    assert desk.view(message=file.outbox_id)["one"]["files"][0]["size"] == len(PDF)


def test_files_that_are_too_large_of_a_strange_kind_or_torn_are_refused(desk: Desk) -> None:
    place = f"write/{desk.with_mail()[0]}"
    with pytest.raises(IdentsyncError, match="15 МБ"):
        attach(desk, place, "план.pdf", b"x", size=16 * 1024 * 1024)
    with pytest.raises(IdentsyncError, match="не отправить"):
        attach(desk, place, "план.exe", b"MZ")
    with pytest.raises(IdentsyncError, match="не весь"):
        desk.do("attach", {"place": place, "name": "план.pdf", "size": 90_000, "at": 42_000, "piece": "eA=="})
    with pytest.raises(IdentsyncError, match="не весь"):
        desk.do("attach", {"place": place, "name": "план.pdf", "size": 2, "at": 0, "piece": "*"})
    attach(desk, place, "план.pdf", PDF)
    desk.do("detach", {"place": place, "file": 0})
    assert DRAFTS.of(desk.context(), place).files == []


# -- templates, rules, policy ----------------------------------------------------------------------------------------


def test_a_template_shows_all_its_mistakes_while_it_is_written_and_is_saved_without_them(desk: Desk) -> None:
    form = {"place": "text/new-1", "name": "Весна", "medium": "sms", "kind": "ad", "text": "{имя}, {услуга} {скидка} {"}
    desk.do("tell_plain", form)
    shown = desk.view(tab="texts", template="new-1")
    assert len(shown["mistakes"]) == 4
    before = desk.count(message_template)
    with pytest.raises(IdentsyncError, match="исправьте"):
        desk.do("text_save", form)
    good = "{имя}, скидка. Имеются противопоказания, необходима консультация специалиста"
    assert desk.view(tab="texts", template="new-1")["draft"].get("text") == form["text"]
    desk.do("text_save", form | {"text": good})
    assert desk.count(message_template) == before + 1
    with desk.store.read() as connection:
        saved = list(rules.templates(connection).values())[-1]
    assert (saved.text, saved.kind, saved.changed_by) == (good, Kind.AD, "Анна")


def test_a_template_that_a_colleague_changed_is_not_overwritten(desk: Desk) -> None:
    seen = desk.view(tab="texts", template=1)["draft"].fields
    theirs = desk.view("Борис", tab="texts", template=1)["draft"].fields
    desk.do("text_save", theirs | {"place": "text/1", "text": "{имя}, ждём"}, "Борис")
    with pytest.raises(IdentsyncError, match="Борис"):
        desk.do("text_save", seen | {"place": "text/1", "text": "иначе"})
    with desk.store.read() as connection:
        assert rules.templates(connection)[1].text == "{имя}, ждём"
        assert rules.templates(connection)[1].version == 2


def test_templates_and_rules_are_switched_off_and_on(desk: Desk) -> None:
    for switch, table in (("text_switch", message_template), ("rule_switch", message_rule)):
        for on, state in ((0, "off"), (1, "on")):
            desk.do(switch, {"id": 1, "on": on})
            with desk.store.read() as connection:
                assert connection.execute(select(table.c.state).where(table.c.id == 1)).scalar() == state


def test_a_rule_is_made_with_branches_doctors_and_services(desk: Desk) -> None:
    form = {"place": "rule/new-1", "name": "За три часа", "template": 1, "before": 3, "unit": "hours", "branch-2": "on"}
    desk.do("rule_save", form | {"doctor-1": "on", "services": " Чистка \n\nОсмотр"})
    with desk.store.read() as connection:
        rule = rules.rules(connection)[-1]
    assert (rule.name, rule.before_minutes) == ("За три часа", 180)
    assert (rule.filter.branches, rule.filter.doctors, rule.filter.services) == ([2], [1], ["Чистка", "Осмотр"])
    draft = desk.view(tab="rules", rule=rule.id)["draft"]
    assert (draft.get("before"), draft.get("unit"), draft.get("branch-2")) == ("3", "hours", "on")


def test_a_rule_says_all_that_is_wrong_with_it(desk: Desk) -> None:
    with pytest.raises(IdentsyncError, match="исправьте"):
        desk.do("rule_save", {"place": "rule/new-1", "name": "", "template": 2, "before": 0, "unit": "days"})
    assert len(desk.view(tab="rules", rule="new-1")["mistakes"]) == 3


def test_quiet_hours_and_the_days_limit_are_the_networks_or_a_branchs(desk: Desk) -> None:
    form = {"branch": 2, "quiet_from": "20:30", "quiet_until": "10:00", "per_day": 1, "service_consent": "on"}
    desk.do("policy", form)
    with desk.store.read() as connection:
        assert quiet.policy(connection, 2) == quiet.Policy(1230, 600, 1, True)
        assert quiet.policy(connection, 1) == quiet.Policy()
    for wrong in ({"quiet_from": "25:00"}, {"per_day": "много"}, {"per_day": "5000"}):
        with pytest.raises(IdentsyncError, match="Тихие часы"):
            desk.do("policy", form | wrong)


# -- consents --------------------------------------------------------------------------------------------------------


def test_a_consent_and_a_refusal_are_recorded_with_their_source(desk: Desk) -> None:
    patient = desk.people[5][0]
    form = {
        "patient": patient,
        "medium": "both",
        "kind": "ad",
        "given": 1,
        "source": "форма на сайте",
        "version": "№ 3",
    }
    desk.do("record", form)
    desk.do("record", form | {"medium": "sms", "given": 0, "source": "по телефону"})
    shown = desk.view(tab="consents", patient=patient)
    assert (shown["standing"]["sms", "ad"].given, shown["standing"]["email", "ad"].given) == (False, True)
    newest = shown["said"][0]
    assert (newest.source, newest.by, newest.text_version) == ("по телефону", "Анна", "№ 3")
    for wrong in ({"patient": "x"}, {"source": ""}, {"medium": "pigeon"}, {"kind": "spam"}):
        with pytest.raises(IdentsyncError):
            desk.do("record", form | wrong)


# -- bulk -------------------------------------------------------------------------------------------------------------


def bulk(desk: Desk, **more: str) -> dict[str, Any]:
    form = {"place": "bulk/new-1", "name": "Давно не были", "template": seed.INVITATION, "visited_to": "2030-01-01"}
    return form | more


def test_a_mailing_is_counted_before_anything_is_written(desk: Desk) -> None:
    before = desk.count(outbox), desk.count(message_campaign)
    desk.do("bulk_save", bulk(desk) | {"do": "reckon"})
    shown = desk.view(tab="bulk", campaign="new-1")
    sums = shown["reckoned"][1]
    assert (desk.count(outbox), desk.count(message_campaign)) == before
    assert sums.found == sums.messages + sum(sums.excluded.values())
    assert sums.messages > 0
    assert sums.kopecks == sums.parts * 460
    assert shown["is_stale"] is False
    desk.do("tell_plain", bulk(desk, age_from="18"))
    assert desk.view(tab="bulk", campaign="new-1")["is_stale"] is True
    desk.do("tell_plain", bulk(desk, name="Другое имя"))
    assert desk.view(tab="bulk", campaign="new-1")["is_stale"] is False


def test_a_mailing_is_started_paused_resumed_and_stopped_and_a_colleague_is_not_overruled(desk: Desk) -> None:
    desk.do("bulk_save", bulk(desk, per_day="5") | {"do": "start"})
    (line,) = desk.view(tab="bulk", campaign="new-1")["lines"]
    number = line["campaign"].id
    assert (line["state"].name, line["campaign"].per_day, line["campaign"].made_by) == ("running", 5, "Анна")
    for how, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        before = desk.version()
        desk.now_ms += 1
        desk.do("bulk_move", {"id": number, "how": how})
        assert desk.view(tab="bulk")["lines"][0]["state"].name == state
        assert desk.version() != before
    with pytest.raises(IdentsyncError, match="другой сотрудник"):
        desk.do("bulk_move", {"id": number, "how": "pause"})


@pytest.mark.parametrize("typed", [False, True])
def test_a_mailing_starts_once_however_often_the_button_is_pressed(desk: Desk, typed: bool) -> None:
    before = desk.count(message_campaign)
    said = desk.do("bulk_save", bulk(desk) | {"do": "start"})
    if typed:
        desk.do("tell_plain", bulk(desk))  # from a page that was not drawn anew
    assert desk.do("bulk_save", bulk(desk) | {"do": "start"}) == said
    assert desk.count(message_campaign) == before + 1


def test_a_mailing_that_was_saved_as_a_draft_starts_by_the_same_form(desk: Desk) -> None:
    for how in ("save", "start", "start"):
        desk.do("bulk_save", bulk(desk) | {"do": how})
    assert [line["state"].name for line in desk.view(tab="bulk")["lines"]] == ["running"]


def test_a_draft_of_a_mailing_that_was_saved_is_saved_again_as_the_same(desk: Desk) -> None:
    before = desk.count(message_campaign)
    for name in ("Раз", "Два"):
        desk.do("bulk_save", bulk(desk, name=name) | {"do": "save"})
    assert desk.count(message_campaign) == before + 1
    assert desk.view(tab="bulk")["lines"][0]["campaign"].name == "Два"


def test_a_click_that_meets_the_sender_in_the_database_needs_no_second_click(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.do("bulk_save", bulk(desk) | {"do": "start"})
    number = desk.view(tab="bulk", campaign="new-1")["lines"][0]["campaign"].id
    pause, tied = mailing.pause, [True]

    def tied_once(*told: Any, **more: Any) -> int:
        held = pause(*told, **more)
        if tied.pop():
            tied.append(False)
            raise DBAPIError("UPDATE", {}, TiedError())
        return held

    monkeypatch.setattr(mailing, "pause", tied_once)
    assert desk.do("bulk_move", {"id": number, "how": "pause"}) == "Рассылка на паузе"
    assert desk.view(tab="bulk")["lines"][0]["state"].name == "paused"


class TiedError(Exception):
    """The database undid a transaction to break a deadlock."""

    sqlstate = "40P01"


def test_a_draft_of_a_mailing_keeps_its_audience(desk: Desk) -> None:
    audience = {"age_from": "30", "age_to": "60", "branch-2": "on", "doctor-1": "on", "without_booking": "on"}
    desk.do("bulk_save", bulk(desk, **audience) | {"do": "save"})
    number = desk.view(tab="bulk")["lines"][0]["campaign"].id
    fields = desk.view(tab="bulk", campaign=number)["draft"].fields
    assert {name: fields[name] for name in audience} == audience
    assert fields["visited_to"] == "2030-01-01"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("per_day", "1e3"),
        ("per_day", "-5"),
        ("age_from", "17.5"),
        ("age_to", "шестьдесят"),
        ("visited_from", "1.1.2026"),
    ],
)
@pytest.mark.parametrize("how", ["save", "start", "reckon"])
def test_a_limit_that_cannot_be_read_is_not_taken_for_none(desk: Desk, field: str, text: str, how: str) -> None:
    before = desk.count(message_campaign)
    with pytest.raises(IdentsyncError, match="исправьте"):
        desk.do("bulk_save", bulk(desk, **{field: text}) | {"do": how})
    assert [mistake.field for mistake in desk.view(tab="bulk", campaign="new-1")["draft"].mistakes] == [field]
    assert desk.count(message_campaign) == before
    desk.do("bulk_save", bulk(desk, **{field: ""}) | {"do": how})


def test_a_mailing_without_name_or_template_says_so(desk: Desk) -> None:
    with pytest.raises(IdentsyncError, match="исправьте"):
        desk.do("bulk_save", bulk(desk, name="", template="") | {"do": "save"})
    assert len(desk.view(tab="bulk", campaign="new-1")["draft"].mistakes) == 2
    with pytest.raises(IdentsyncError, match="Выберите шаблон"):
        desk.do("bulk_save", bulk(desk, template="") | {"do": "reckon"})


def test_the_bar_of_a_mailing_adds_up(desk: Desk) -> None:
    desk.do("bulk_save", bulk(desk) | {"do": "start"})
    (line,) = desk.view(tab="bulk")["lines"]
    states = ["delivered", "accepted", "unknown", "failed", "expired", "cancelled", "planned", "held", "skipped"]
    numbers = [number for some in desk.made.values() for number in some][: len(states)]
    with desk.store.write() as connection:
        for number, state in zip(numbers, states, strict=True):
            values = {
                "state": state,
                "lot": line["campaign"].id,
                "reason": "нет телефона" if state == "skipped" else None,
            }
            connection.execute(update(outbox).where(outbox.c.id == number).values(values))
    (line,) = desk.view(tab="bulk")["lines"]
    assert (line["all"], line["went"], line["ahead"]) == (8, 5, 2)
    assert sum(count for _kind, count, _word in line["parts"]) == 8
    assert line["left_out"] == 1
