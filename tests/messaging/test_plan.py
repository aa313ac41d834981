"""Reminders are planned once, at the right time, and who gets none is listed with the reason."""

import asyncio
import time
from dataclasses import replace

import pytest

from identsync.clinic.clock import minute_now, to_ms
from identsync.engine.integration import Outcome, Role, Status
from identsync.engine.loop import Engine
from identsync.integrations.messaging import consent, reasons
from identsync.integrations.messaging.message import Kind, Medium
from identsync.integrations.messaging.quiet import Policy, save_policy
from identsync.integrations.messaging.rules import ALL, Filter, Mistaken, Rule, Template, save_rule, save_template
from identsync.integrations.messaging.settings import Channel
from identsync.integrations.messaging.task import tasks
from identsync.integrations.messaging.whether import Go

from .small_clinic import ANNA, BELOV, ERSHOVA, MOSCOW, OLEG, OMSK, SmallClinic, at, small_clinic

clinic = small_clinic


def test_a_visit_gets_its_reminder_once(clinic: SmallClinic) -> None:
    rule = clinic.rule()
    clinic.book(100, at(12, day=1))
    assert clinic.plan().counts == {"planned": 1, "skipped": 0}
    assert clinic.plan().counts == {"planned": 0, "skipped": 0}
    (row,) = clinic.rows()
    assert (row.state, row.due_ms, row.until_ms) == ("planned", to_ms(MOSCOW, at(12)), to_ms(MOSCOW, at(12, day=1)))
    assert (row.stream, row.scope, row.address) == ("messaging/sms", 0, "+79450000001")
    assert (row.purpose, row.patient_id, row.rule_id, row.appointment_id) == ("reminder", ANNA, rule, 100)
    assert (row.appointment_start, row.branch_id, row.made_by) == (at(12, day=1), 1, "")


def test_the_task_plans_under_a_real_engine(clinic: SmallClinic) -> None:
    clinic.write(save_policy, 0, Policy(0, 0), by="", now_ms=1)
    clinic.rule()
    clinic.book(100, minute_now(MOSCOW, time.time_ns() // 1_000_000) + 1440 + 60)

    async def once(kind: str, scope: int) -> Outcome:
        every = tasks({"sms": Channel(kind="smsru", password="env:X")}, clinic.source.branches())
        engine = Engine(store=clinic.store, clinic=clinic.source, tasks=every, role=Role.ADMINISTRATOR, branch=1)
        outcome = await engine.run_once(kind, scope)
        await engine.stop(5)
        assert isinstance(outcome, Outcome)
        return outcome

    assert asyncio.run(once("messaging/reminders.plan", 1)).counts == {"planned": 1, "skipped": 0}
    assert asyncio.run(once("messaging/reminders.plan", 1)).counts == {"planned": 0, "skipped": 0}
    assert asyncio.run(once("messaging/bulk.plan", 0)).status is Status.OK
    assert len(clinic.rows()) == 1


def test_the_branch_s_clock_counts_and_only_its_own_visits(clinic: SmallClinic) -> None:
    clinic.rule()
    clinic.book(100, at(16, day=1), branch=2)
    assert clinic.plan(1).counts["planned"] == 0
    assert clinic.plan(2).counts["planned"] == 1
    assert clinic.rows()[0].due_ms == to_ms(OMSK, at(16))
    clinic.book(101, at(16, 30, day=1))
    assert clinic.plan(0).counts["planned"] == 1


def test_what_is_due_later_is_planned_later(clinic: SmallClinic) -> None:
    clinic.rule()
    clinic.book(100, at(12, day=3))
    assert clinic.plan().counts["planned"] == 0
    clinic.now = at(12, day=1)
    assert clinic.plan().counts["planned"] == 1


@pytest.mark.parametrize(
    ("before", "visit", "due"),
    [
        (1440, at(22, day=1), at(9, day=1)),  # due at 22:00: in the morning, with half a day left
        (120, at(9, 30, day=1), at(20)),  # due at 7:30: after nine is too late, so the evening before
        (120, at(11, day=1), at(9, day=1)),
        (60, at(12), at(11)),
        (90, at(11), at(10)),  # due at 9:30, now is 10:00: too late for a rule of ninety minutes
    ],
)
def test_when_a_reminder_goes(clinic: SmallClinic, before: int, visit: int, due: int) -> None:
    clinic.rule(before)
    clinic.book(100, visit)
    clinic.plan()
    (row,) = clinic.rows()
    if visit - at(10) == 60:
        assert (row.state, row.reason) == ("skipped", reasons.TOO_LATE)
    else:
        assert (row.state, row.due_ms) == ("planned", to_ms(MOSCOW, due))


@pytest.mark.parametrize(("hours", "state"), [(11, "skipped"), (12, "planned"), (23, "planned")])
def test_who_books_late_gets_a_late_reminder_where_half_the_time_is_left(
    clinic: SmallClinic, hours: int, state: str
) -> None:
    clinic.rule(1440)
    clinic.book(100, at(10 + hours))
    clinic.plan()
    (row,) = clinic.rows()
    assert (row.state, row.reason) == (state, None if state == "planned" else reasons.TOO_LATE)
    assert row.due_ms <= to_ms(MOSCOW, at(10))


def test_a_branch_without_quiet_hours(clinic: SmallClinic) -> None:
    clinic.write(save_policy, 1, Policy(0, 0), by="Вера", now_ms=1)
    clinic.rule(120)
    clinic.book(100, at(7, day=1))
    clinic.plan()
    assert clinic.rows()[0].due_ms == to_ms(MOSCOW, at(5, day=1))


def test_who_gets_none_is_listed_once_it_is_time(clinic: SmallClinic) -> None:
    clinic.rule()
    clinic.repatient(OLEG, phone="8916123456")
    clinic.patient(3)
    clinic.patient(4, phone="8 495 123 45 67")
    clinic.patient(5, phone="8 945 000 00 05")
    clinic.patient(6, phone="8 945 000 00 06")
    clinic.write(consent.record, 5, Medium.SMS, Kind.SERVICE, given=False, source="", by="", now_ms=1)
    clinic.write(consent.stop, Medium.SMS, "89450000006", source="СТОП", now_ms=1)
    for patient in (OLEG, 3, 4, 5, 6):
        clinic.book(100 + patient, at(10, patient, day=1), patient)
    clinic.book(200, at(15, day=1), 3)  # due at three: somebody may still find his number
    assert clinic.plan().counts == {"planned": 0, "skipped": 5}
    assert sorted(reason or "" for _state, reason in clinic.states()) == sorted(
        [reasons.BAD_PHONE, reasons.NO_PHONE, reasons.LANDLINE, reasons.REFUSED, reasons.STOPPED]
    )
    clinic.repatient(3, phone="8 945 000 00 03")
    assert clinic.plan().counts == {"planned": 2, "skipped": 0}  # the first one's time has come, and is not over
    assert [row.reason for row in clinic.rows() if row.patient_id == 3] == [None, None]


def test_a_policy_that_asks_for_consents(clinic: SmallClinic) -> None:
    clinic.write(save_policy, 0, Policy(service_consent=True), by="Вера", now_ms=1)
    clinic.rule()
    clinic.book(100, at(10, 5, day=1))
    clinic.book(101, at(10, 5, day=1), OLEG)
    clinic.write(consent.record, OLEG, Medium.SMS, Kind.SERVICE, given=True, source="анкета", by="", now_ms=1)
    assert clinic.plan().counts == {"planned": 1, "skipped": 1}
    assert {row.patient_id: row.reason for row in clinic.rows()} == {ANNA: reasons.NO_CONSENT, OLEG: None}


@pytest.mark.parametrize(
    ("only", "planned"),
    [
        (ALL, 2),
        (Filter(branches=[1]), 1),
        (Filter(branches=[3]), 0),
        (Filter(doctors=[BELOV]), 1),
        (Filter(doctors=[ERSHOVA, BELOV]), 2),
        (Filter(services=["ОСМОТР "]), 1),
        (Filter(services=["Удаление"], doctors=[ERSHOVA]), 0),
    ],
)
def test_which_visits_a_rule_is_for(clinic: SmallClinic, only: Filter, planned: int) -> None:
    clinic.rule(filter=only)
    clinic.book(100, at(12, day=1), service="Осмотр")
    clinic.book(101, at(12, day=1), OLEG, branch=2)
    clinic.book(102, at(12, 30, day=1), None, kind=1)
    assert clinic.plan(0).counts["planned"] == planned


def test_two_rules_and_two_media(clinic: SmallClinic) -> None:
    mail = clinic.template(medium=Medium.EMAIL, subject="Запись {дата}")
    clinic.rule(1440)
    clinic.rule(180)
    clinic.rule(1440, mail)
    clinic.rule(1440)  # the same time and medium again: one reminder is enough
    clinic.book(100, at(12, day=1))
    assert clinic.plan().counts["planned"] == 3
    assert sorted((row.medium, row.address) for row in clinic.rows()) == [
        ("email", "Anna@example.com"),
        ("sms", "+79450000001"),
        ("sms", "+79450000001"),
    ]


def test_a_moved_visit_gets_another_reminder_and_the_old_one_is_not_sent(clinic: SmallClinic) -> None:
    clinic.rule()
    clinic.book(100, at(12, day=1))
    clinic.plan()
    clinic.move(100, at(15, day=1))
    assert clinic.plan().counts["planned"] == 1
    clinic.now = at(12)
    (old,) = clinic.send()
    assert old.reason == reasons.MOVED
    clinic.now = at(15)
    (new,) = clinic.send()
    assert new.text == "Анна, ждём вас 1 декабря в 15:00."
    assert clinic.plan().counts == {"planned": 0, "skipped": 0}


@pytest.mark.parametrize(
    "what", ["moved away and back", "cancelled by mistake", "the rule was off", "the text was off"]
)
@pytest.mark.parametrize("back", [at(12, 5), at(23)])
def test_what_kept_a_reminder_from_going_may_be_over(clinic: SmallClinic, what: str, back: int) -> None:
    text = clinic.template()
    rule = clinic.rule(template=text)
    clinic.book(100, at(12, day=1))
    clinic.plan()
    clinic.now = at(12)
    given = {"id": text, "name": "x", "medium": Medium.SMS, "kind": Kind.SERVICE, "text": "Ждём в {время}"}
    off = Rule(id=rule, name="x", template_id=text, before_minutes=1440, on=False)
    match what:
        case "moved away and back":
            clinic.move(100, at(12, 30, day=1))
        case "cancelled by mistake":
            clinic.cancel(100)
        case "the rule was off":
            clinic.write(save_rule, off, by="", now_ms=1)
        case "the text was off":
            clinic.write(save_template, Template(on=False, **given), by="", now_ms=1)  # type: ignore[arg-type]
    assert [isinstance(each, Go) for each in clinic.send()] == [False]
    clinic.now = back
    clinic.move(100, at(12, day=1))
    if what == "cancelled by mistake":
        clinic.book(100, at(12, day=1))
    clinic.write(save_rule, replace(off, on=True), by="", now_ms=1)
    clinic.write(save_template, Template(**given), by="", now_ms=1)  # type: ignore[arg-type]
    clinic.plan()
    texts = [each.text for each in clinic.send() if isinstance(each, Go)]
    assert texts == (["Ждём в 12:00"] if back == at(12, 5) else [])
    clinic.plan()
    assert clinic.due() == []


def test_a_new_rule_reminds_nobody_of_what_the_old_one_has_reminded_of(clinic: SmallClinic) -> None:
    old = clinic.rule()
    clinic.book(100, at(11, day=1))
    clinic.book(101, at(14, day=1), OLEG)
    clinic.plan()
    clinic.now = at(12)
    clinic.send()
    off = Rule(id=old, name="x", template_id=1, before_minutes=1440, on=False)
    clinic.write(save_rule, off, by="", now_ms=1)
    clinic.rule(template=clinic.template("Иначе"))
    clinic.plan()
    assert [row.patient_id for row in clinic.rows() if row.rule_id != old] == [OLEG]
    clinic.now = at(14)
    assert [(getattr(each, "reason", ""), getattr(each, "text", "")) for each in clinic.decide()] == [
        (reasons.RULE_OFF, ""),
        ("", "Иначе"),
    ]


def test_rules_that_are_off_plan_nothing(clinic: SmallClinic) -> None:
    rule = clinic.rule(on=False)
    clinic.book(100, at(12, day=1))
    assert clinic.plan().status is Status.OK
    assert clinic.rows() == []
    assert rule > 0


def test_many_visits_are_planned_in_portions(clinic: SmallClinic) -> None:
    clinic.rule()
    for key in range(100, 1300):
        clinic.book(key, at(12, day=1) + key % 60, 1 + key % 2)
    assert clinic.plan().counts["planned"] == 1200
    assert clinic.plan().counts["planned"] == 0


def test_what_is_wrong_with_a_rule_or_template_is_said_at_once(clinic: SmallClinic) -> None:
    with pytest.raises(Mistaken) as failure:
        clinic.write(save_rule, Rule(name=" ", template_id=99, before_minutes=0), by="", now_ms=1)
    assert [one.field for one in failure.value.mistakes] == ["name", "template_id", "before_minutes"]
    with pytest.raises(Mistaken):
        clinic.template("{диагноз}")


def test_a_template_s_version_rises_when_it_says_something_else(clinic: SmallClinic) -> None:
    number = clinic.template("раз")
    given = {"id": number, "name": "другое имя", "medium": Medium.SMS, "kind": Kind.SERVICE}
    clinic.write(save_template, Template(text="раз", **given), by="Вера", now_ms=2)  # type: ignore[arg-type]
    clinic.write(save_template, Template(text="два", **given), by="Вера", now_ms=3)  # type: ignore[arg-type]
    from identsync.integrations.messaging.rules import templates

    saved = clinic.read(templates)[number]
    assert (saved.version, saved.text, saved.name) == (2, "два", "другое имя")
