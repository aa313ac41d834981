"""Page "Сообщения": what it says of each message, and what people may do, on SQLite and PostgreSQL."""

import base64
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, select, update

from identsync.clinic.source import ClinicSource
from identsync.engine.integration import PageContext
from identsync.errors import IdentsyncError
from identsync.flows import outbox_book
from identsync.integrations.messaging import consent, page_words, quiet, rules, task
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.page import PAGES
from identsync.integrations.messaging.page_drafts import DRAFTS
from identsync.store import Store
from identsync.store.tables import (
    message,
    message_campaign,
    message_channel,
    message_file,
    message_reply,
    message_rule,
    message_template,
    outbox,
    outbox_event,
)

from . import messages_seed as seed

PAGE = PAGES[0]
PDF = b"%PDF-1.4 plan of treatment" * 4_000  # more than one piece


class Desk:
    """The page as an administrator uses it, over a day of messages."""

    def __init__(self, store: Store, clinic: ClinicSource, people: list[Any]) -> None:
        self.store, self.clinic, self.people = store, clinic, people
        self.now_ms = store.now_ms()
        with store.write() as connection:
            self.made = seed.day(connection, people, self.now_ms)

    def context(self, user: str = "Анна") -> PageContext:
        return PageContext(self.store, self.clinic, seed.CHANNELS, user, self.now_ms)

    def view(self, user: str = "Анна", **query: object) -> dict[str, Any]:
        return PAGE.view(self.context(user), {name: str(value) for name, value in query.items()})

    def do(self, action: str, form: dict[str, Any], user: str = "Анна") -> str | None:
        return PAGE.actions[action](self.context(user), {name: str(value) for name, value in form.items()})

    def row(self, number: int) -> Any:
        with self.store.read() as connection:
            return connection.execute(select(outbox).where(outbox.c.id == number)).one()

    def count(self, table: Any) -> int:
        with self.store.read() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    def version(self) -> str:
        return PAGE.version(self.context())

    def attention(self) -> int:
        assert PAGE.attention is not None
        return PAGE.attention(self.context())

    def write(self, table: Any, **values: Any) -> None:
        with self.store.write() as connection:
            connection.execute(update(table).values(**values))

    def with_mail(self) -> Any:
        return next(person for person in self.people if person[2])


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
    assert page_words.ABSENT == task.UNKNOWN_THERE


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


def test_a_message_is_planned_once_however_often_the_button_is_pressed(desk: Desk) -> None:
    patient, before = desk.people[0][0], desk.count(outbox)
    form = {"place": f"write/{patient}", "medium": "sms", "text": "Позвоните нам, пожалуйста"}
    token = DRAFTS.of(desk.context(), form["place"]).token
    desk.do("send", form)
    DRAFTS.of(desk.context(), form["place"]).token = token  # the second press carries the first one's form
    desk.do("send", form)
    assert desk.count(outbox) == before + 1
    newest = desk.view()["rows"][0]
    assert (newest["patient_id"], newest["text"], newest["purpose"]) == (patient, form["text"], "single")
    assert desk.view(tab="write", patient=patient)["draft"].get("text") == ""


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


def test_a_draft_of_a_mailing_keeps_its_audience(desk: Desk) -> None:
    audience = {"age_from": "30", "age_to": "60", "branch-2": "on", "doctor-1": "on", "without_booking": "on"}
    desk.do("bulk_save", bulk(desk, **audience) | {"do": "save"})
    number = desk.view(tab="bulk")["lines"][0]["campaign"].id
    fields = desk.view(tab="bulk", campaign=number)["draft"].fields
    assert {name: fields[name] for name in audience} == audience
    assert fields["visited_to"] == "2030-01-01"


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
    assert line["excluded"] == [("нет телефона", 1)]
