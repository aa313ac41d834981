"""Right before a message goes out everything it rests on is read again."""

import pytest
from sqlalchemy import update

from identsync.clinic.clock import to_ms
from identsync.clinic.contract import clinic_appointment
from identsync.integrations.messaging import consent, reasons
from identsync.integrations.messaging.message import Attachment, Kind, Medium
from identsync.integrations.messaging.quiet import Policy, save_policy
from identsync.integrations.messaging.rules import Filter, Rule, Template, save_rule, save_template
from identsync.integrations.messaging.single import Letter, send
from identsync.integrations.messaging.whether import Go
from identsync.store.tables import message_template

from .small_clinic import ANNA, BELOV, ERSHOVA, MOSCOW, OLEG, OMSK, SmallClinic, at, small_clinic

clinic = small_clinic


@pytest.fixture
def planned(clinic: SmallClinic) -> SmallClinic:
    """A reminder for tomorrow noon, due now."""
    clinic.rule(template=clinic.template("{имя}, {врач}: {день_недели} {дата} {время}, {филиал}, {адрес_филиала}"))
    clinic.book(100, at(12, day=1))
    clinic.plan()
    clinic.now = at(12)
    return clinic


def letter(clinic: SmallClinic, **more: object) -> int | None:
    given = {"token": "t", "medium": Medium.SMS, "text": "Ваши {снимки} готовы", "patient_id": ANNA} | more
    made: int | None = clinic.write(send, Letter(**given), by="Вера", now_ms=clinic.now_ms())  # type: ignore[arg-type]
    return made


def test_it_goes_as_it_reads_now(planned: SmallClinic) -> None:
    planned.repatient(ANNA, name="Аня", phone="8 945 000 00 09")
    (go,) = planned.decide()
    assert isinstance(go, Go)
    assert (go.to, go.name, go.kind) == ("+79450000009", "Аня", Kind.SERVICE)
    assert go.text == "Аня, Ершова А. И.: вторник 1 декабря 12:00, Садовая, Садовая, 12"


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("cancelled", reasons.CANCELLED),
        ("moved", reasons.MOVED),
        ("begun", reasons.PAST),
        ("another patient", reasons.CANCELLED),
        ("no number", reasons.NO_PHONE),
        ("bad number", reasons.BAD_PHONE),
        ("refused", reasons.REFUSED),
        ("stopped", reasons.STOPPED),
        ("rule off", reasons.RULE_OFF),
        ("template off", reasons.NO_TEMPLATE),
        ("bad template", reasons.BAD_TEXT),
        ("asks for consent", reasons.NO_CONSENT),
    ],
)
def test_what_keeps_it_from_going(planned: SmallClinic, what: str, reason: str) -> None:
    clinic = planned
    match what:
        case "cancelled":
            clinic.cancel(100)
        case "moved":
            clinic.move(100, at(12, 15, day=1))
        case "begun":
            clinic.now = at(12, day=1)
        case "another patient":
            clinic.cancel(100)
            clinic.book(100, at(12, day=1), OLEG)
        case "no number":
            clinic.repatient(ANNA, phone=None)
        case "bad number":
            clinic.repatient(ANNA, phone="12345")
        case "refused":
            clinic.write(consent.record, ANNA, Medium.SMS, Kind.SERVICE, given=False, source="", by="", now_ms=1)
        case "stopped":
            clinic.write(consent.stop, Medium.SMS, "89450000001", source="", now_ms=1)
        case "rule off":
            rule = Rule(id=1, name="x", template_id=1, before_minutes=1440, on=False)
            clinic.write(save_rule, rule, by="", now_ms=1)
        case "template off":
            text = Template(id=1, name="x", medium=Medium.SMS, kind=Kind.SERVICE, text="x", on=False)
            clinic.write(save_template, text, by="", now_ms=1)
        case "bad template":
            with clinic.store.write() as connection:
                connection.execute(update(message_template).values(text=" ж" * 600))
        case "asks for consent":
            clinic.write(save_policy, 1, Policy(service_consent=True), by="", now_ms=1)
    (decided,) = clinic.decide()
    assert getattr(decided, "reason", "") == reason


def test_quiet_hours_make_it_wait_unless_it_would_be_too_late(planned: SmallClinic) -> None:
    planned.now = at(22)
    (wait,) = planned.decide()
    assert (wait.reason, wait.until_ms) == (reasons.QUIET, to_ms(MOSCOW, at(9, day=1)))
    planned.write(save_policy, 1, Policy(21 * 60, 13 * 60), by="", now_ms=1)
    (skip,) = planned.decide()
    assert skip.reason == reasons.QUIET
    assert not hasattr(skip, "until_ms")


def test_so_many_a_day_also_within_one_batch(clinic: SmallClinic) -> None:
    clinic.write(save_policy, 0, Policy(per_day=2), by="", now_ms=1)
    clinic.rule()
    for number in range(4):
        clinic.book(100 + number, at(11 + number, day=1))
    clinic.plan()
    clinic.now = at(12)
    assert [isinstance(each, Go) for each in clinic.send()] == [True, True]
    clinic.now = at(14)
    assert [each.reason for each in clinic.decide()] == [reasons.LIMIT, reasons.LIMIT]
    waits = [(each.until_ms, each.row.until_ms) for each in clinic.decide()]
    assert waits == [(to_ms(MOSCOW, at(9, day=1)), to_ms(MOSCOW, at(hour, day=1))) for hour in (13, 14)]
    clinic.now = at(9, day=1)
    assert [isinstance(each, Go) for each in clinic.decide()] == [True, True]
    clinic.write(save_policy, 1, Policy(per_day=0), by="", now_ms=1)
    assert len(clinic.decide()) == 2


def test_what_a_person_wrote_goes_as_written_and_at_night_if_he_says_so(clinic: SmallClinic) -> None:
    clinic.now = at(23)
    assert letter(clinic) is not None
    assert letter(clinic) is None  # the same form again
    (wait,) = clinic.decide()
    assert wait.reason == reasons.QUIET
    letter(clinic, token="u", urgent=True, patient_id=None, address="8 945 000 00 77")
    first, second = sorted(clinic.decide(), key=lambda each: each.row.id)
    assert not isinstance(first, Go)
    assert (second.to, second.text) == ("+79450000077", "Ваши {снимки} готовы")


def test_a_person_s_message_heeds_a_stop_too(clinic: SmallClinic) -> None:
    letter(clinic, urgent=True)
    clinic.write(consent.stop, Medium.SMS, "89450000001", source="", now_ms=1)
    assert [each.reason for each in clinic.decide()] == [reasons.STOPPED]


def test_a_treatment_plan_goes_to_a_confirmed_address_only(clinic: SmallClinic) -> None:
    plan = Attachment("План лечения.pdf", "application/pdf", b"%PDF-")
    letter(clinic, medium=Medium.EMAIL, purpose="plan", subject="План лечения", files=[plan])
    (skip,) = clinic.decide(Medium.EMAIL)
    assert skip.reason == reasons.NOT_CONFIRMED
    clinic.write(consent.confirm, ANNA, "anna@example.com", source="паспорт", by="Вера", now_ms=1)
    (go,) = clinic.decide(Medium.EMAIL)
    assert (go.to, go.subject) == ("Anna@example.com", "План лечения")
    clinic.repatient(ANNA, email="other@example.com")
    (skip,) = clinic.decide(Medium.EMAIL)
    assert skip.reason == reasons.NOT_CONFIRMED


def test_a_mail_that_names_the_service_needs_a_confirmed_address(clinic: SmallClinic) -> None:
    clinic.rule(template=clinic.template("{услуга} {время}", medium=Medium.EMAIL, subject="Запись"))
    clinic.book(100, at(10, 5, day=1), service="Осмотр")
    clinic.plan()
    clinic.now = at(10, 5)
    (skip,) = clinic.decide(Medium.EMAIL)
    assert skip.reason == reasons.NOT_CONFIRMED
    clinic.write(consent.confirm, ANNA, "ANNA@example.com", source="паспорт", by="Вера", now_ms=1)
    (go,) = clinic.decide(Medium.EMAIL)
    assert go.text == "Осмотр 10:05"


def test_a_visit_in_another_branch_is_told_of_that_branch(clinic: SmallClinic) -> None:
    clinic.rule(template=clinic.template("{время}, {филиал}, {телефон_филиала|перезвоним}"))
    clinic.book(100, at(12, day=1))
    clinic.plan()
    clinic.change(update(clinic_appointment).values(branch_id=2, doctor_id=BELOV))
    clinic.now = at(12)
    (go,) = clinic.decide()
    assert go.text == "12:00, Ленина, перезвоним"
    clinic.now = at(9, day=1)  # noon in Omsk, and in Moscow three hours are left
    assert [each.reason for each in clinic.decide()] == [reasons.PAST]


def test_quiet_hours_are_those_of_the_branch_where_the_visit_is_now(clinic: SmallClinic) -> None:
    clinic.rule()
    clinic.book(100, at(19, day=1))
    clinic.plan()
    clinic.change(update(clinic_appointment).values(branch_id=2, doctor_id=BELOV))
    clinic.now = at(19)  # ten in the evening in Omsk
    (wait,) = clinic.decide()
    assert (wait.reason, wait.until_ms) == (reasons.QUIET, to_ms(OMSK, at(9, day=1)))


@pytest.mark.parametrize("changed", ["the branch", "the doctor", "the service", "the rule"])
def test_a_rule_speaks_of_its_own_visits_only_also_when_that_has_changed(clinic: SmallClinic, changed: str) -> None:
    ours = Filter(branches=[1], doctors=[ERSHOVA], services=["Осмотр"])
    rule = clinic.rule(template=clinic.template("Ждём на Садовой"), filter=ours)
    clinic.rule(template=clinic.template("Ждём на Ленина"), filter=Filter(branches=[2]))
    clinic.book(100, at(12, day=1), service="осмотр")
    clinic.plan()
    clinic.plan(2)
    clinic.now = at(12)
    (go,) = clinic.decide()
    assert go.text == "Ждём на Садовой"
    match changed:
        case "the branch":
            clinic.change(update(clinic_appointment).values(branch_id=2, doctor_id=BELOV))
        case "the doctor":
            clinic.change(update(clinic_appointment).values(doctor_id=BELOV))
        case "the service":
            clinic.change(update(clinic_appointment).values(service="Удаление"))
        case "the rule":
            other = Rule(id=rule, name="x", template_id=1, before_minutes=1440, filter=Filter(doctors=[BELOV]))
            clinic.write(save_rule, other, by="", now_ms=1)
    clinic.plan(2)
    said = [(getattr(each, "reason", ""), getattr(each, "text", "")) for each in clinic.decide()]
    late = [("", "Ждём на Ленина")] if changed == "the branch" else []
    assert said == [(reasons.NOT_OF_RULE, ""), *late]
