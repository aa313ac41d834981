"""Ready or not: every rule, in the words and the place that a person gets; what is allowed stays allowed."""

import re
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from identsync.console.i18n import catalog
from identsync.integrations.egisz import rules as ready
from identsync.integrations.egisz import rules_text
from identsync.integrations.egisz.case import Case, Paper
from identsync.integrations.egisz.rules_table import CODES, RULES, WHERE, Missing, gathered, line, words

from .rules_cases import (
    BOOKS,
    CARIES,
    CASE,
    CMS,
    DAY,
    DOCTOR,
    DOCUMENT,
    FILLING,
    IVAN,
    MOTHER,
    NO_BOOKS,
    NOW,
    OTHER,
    PASSPORT,
    PATIENT,
    SETTINGS,
    VISIT,
    case,
    codes,
    diagnosis,
    doctor,
    lines,
    patient,
    rules,
    service,
    visit,
)

HOUR = timedelta(hours=1)
CHILD = date(2016, 12, 1)
FOREIGN = Paper(kind=10, number="AB123456", issuer="Republic of Elsewhere")
UNBORN = IVAN.born - timedelta(days=1)  # type: ignore[operator]

SPOILT: dict[str, tuple[Case, str, str]] = {
    "no surname": (patient({"surname": " "}), "patient.surname", "p-1"),
    "a dash for a surname": (patient({"surname": "-"}), "patient.surname", "p-1"),
    "no patronymic in short": (patient({"patronymic": "б/о"}), "patient.filler", "p-1"),
    "a code of zero": (codes(payment=0), "visit.code.payment.unknown", "c-1"),
    "no name": (patient({"name": ""}), "patient.name", "p-1"),
    "no key": (patient({"id": ""}), "patient.id", ""),
    "digit in a name": (patient({"surname": "Сидоров2"}), "patient.signs", "p-1"),
    "a married name in brackets": (doctor({"surname": "Громова (Ким)"}), "doctor.signs", "d-1"),
    "Latin letter that looks Russian": (doctor({"name": "Aннa"}), "doctor.mixed", "d-1"),
    "initial for a name": (doctor({"name": "А."}), "doctor.initial", "d-1"),
    "two initials": (patient({"name": "И. Л.", "patronymic": ""}), "patient.initial", "p-1"),
    "a dash for a patronymic": (patient({"patronymic": "-"}), "patient.filler", "p-1"),
    "a word for no patronymic": (patient({"patronymic": "Нет"}), "patient.filler", "p-1"),
    "no sex": (patient({"sex": None}), "patient.sex", "p-1"),
    "a sex nobody has": (patient({"sex": 0}), "patient.sex.unknown", "p-1"),
    "no day of birth": (patient({"born": None}), "patient.born", "p-1"),
    "born tomorrow": (patient({"born": NOW.date() + timedelta(days=2)}), "patient.born.wrong", "p-1"),
    "born in another age": (doctor({"born": date(1890, 1, 1)}), "doctor.born.wrong", "d-1"),
    "no СНИЛС": (patient({"snils": ""}), "patient.snils", "p-1"),
    "СНИЛС too short": (patient({"snils": "112-233-445"}), "patient.snils.shape", "p-1"),
    "СНИЛС mistyped": (doctor({"snils": "112-233-454 95"}), "doctor.snils.check", "d-1"),
    "doctor without СНИЛС": (doctor({"snils": ""}), "doctor.snils", "d-1"),
    "control character": (patient(address="дом\x00 5"), "patient.text", "p-1"),
    "kind of paper": (patient(papers=(replace(PASSPORT, kind=None),)), "patient.paper.kind", "p-1"),
    "unknown paper": (patient(papers=(replace(FOREIGN, kind=99),)), "patient.paper.kind.unknown", "p-1"),
    "paper without number": (patient(papers=(replace(PASSPORT, number=""),)), "patient.paper.number", "p-1"),
    "separators": (patient(papers=(replace(PASSPORT, number="12-3456"),)), "patient.paper.number.signs", "p-1"),
    "series with blanks": (patient(papers=(replace(FOREIGN, series="A B"),)), "patient.paper.series.signs", "p-1"),
    "passport of five digits": (patient(papers=(replace(PASSPORT, number="12345"),)), "patient.paper.passport", "p-1"),
    "passport without series": (patient(papers=(replace(PASSPORT, series=""),)), "patient.paper.passport", "p-1"),
    "СНИЛС as a paper": (
        patient(papers=(Paper(kind=223, number="11223344500", issuer="ПФР"),)), "patient.paper.snils", "p-1"
    ),
    "no issuer": (patient(papers=(replace(PASSPORT, issuer=""),)), "patient.paper.issuer", "p-1"),
    "issued before birth": (patient(papers=(replace(FOREIGN, issued=UNBORN),)), "patient.paper.issued", "p-1"),
    "passport of a child": (
        patient(papers=(replace(PASSPORT, issued=date(1990, 1, 1)),)), "patient.paper.issued", "p-1"
    ),
    "child alone": (patient({"born": CHILD}, papers=()), "patient.guardian", "p-1"),
    "guardian's surname": (
        patient(guardian=replace(MOTHER, person=replace(MOTHER.person, surname=""))), "guardian.surname", "p-1"
    ),
    "guardian's birth": (
        patient(guardian=replace(MOTHER, person=replace(MOTHER.person, born=None))), "guardian.born", "p-1"
    ),
    "guardian's relation": (patient(guardian=replace(MOTHER, relation=None)), "guardian.relation", "p-1"),
    "unknown relation": (patient(guardian=replace(MOTHER, relation=77)), "guardian.relation.unknown", "p-1"),
    "guardian's paper": (patient(guardian=replace(MOTHER, paper="")), "guardian.paper", "p-1"),
    "position": (doctor(position=None), "doctor.position", "d-1"),
    "unknown position": (doctor(position=9), "doctor.position.unknown", "d-1"),
    "speciality": (doctor(speciality=None), "doctor.speciality", "d-1"),
    "unknown speciality": (doctor(speciality=9), "doctor.speciality.unknown", "d-1"),
    "no key of the case": (case(id=""), "case.id", ""),
    "no number": (case(number=" "), "case.number", "c-1"),
    "not opened": (case(opened=None), "case.opened", "c-1"),
    "first or not": (case(first=None), "case.first", "c-1"),
    "no conclusion": (case(conclusion=""), "case.conclusion", "c-1"),
    "conclusion with a control": (case(conclusion="Всё\x0bхорошо"), "case.text", "c-1"),
    "no visits": (case(visits=()), "case.visits", "c-1"),
    "one visit twice": (case(visits=(VISIT, VISIT)), "case.visits.same", "c-1"),
    "no diagnosis": (case(diagnoses=()), "case.diagnosis", "c-1"),
    "no main diagnosis": (diagnosis(main=False), "case.diagnosis.main", "c-1"),
    "two main": (case(diagnoses=(CARIES, replace(CARIES, code="K04.0"))), "case.diagnosis.several", "c-1"),
    "diagnosis without code": (diagnosis(code=""), "diagnosis.code", "c-1"),
    "Russian К": (diagnosis(code="К02.1"), "diagnosis.cyrillic", "c-1"),
    "no code at all": (diagnosis(code="caries"), "diagnosis.shape", "c-1"),
    "small letter": (diagnosis(code="k02.1"), "diagnosis.shape", "c-1"),
    "not in the book": (diagnosis(code="K99.9"), "diagnosis.unknown", "c-1"),
    "undated diagnosis": (diagnosis(made=None), "diagnosis.made", "c-1"),
    "diagnosis after the end": (diagnosis(made=DAY + 2 * HOUR), "diagnosis.time", "c-1"),
    "diagnosis text": (diagnosis(comment="\ud83d"), "diagnosis.text", "c-1"),
    "no key of the visit": (visit(id=""), "visit.id", ""),
    "visit that goes on": (visit(end=None), "visit.end", "v-1"),
    "visit backwards": (visit(start=DAY + HOUR / 2, end=DAY), "visit.order", "v-1"),
    "visit before the case": (visit(start=DAY - HOUR), "visit.outside", "v-1"),
    "visit after the case": (visit(end=DAY + 2 * HOUR), "visit.outside", "v-1"),
    "visit's comment": (visit(comment="\x1f"), "visit.text", "v-1"),
    "service's name": (service(name="Пломба\x00"), "visit.text", "v-1"),
    "service without code": (service(code=""), "service.code", "v-1"),
    "Russian А": (service(code="А16.07.002"), "service.cyrillic", "v-1"),
    "not of the nomenclature": (service(code="A16.7.2"), "service.shape", "v-1"),
    "service not in the book": (service(code="A16.07.902"), "service.unknown", "v-1"),
    "service backwards": (service(end=DAY - HOUR), "service.order", "v-1"),
    "service outside": (service(end=DAY + 3 * HOUR), "service.outside", "v-1"),
    "none of a service": (service(quantity=0), "service.quantity", "v-1"),
    "no payment": (codes(payment=None), "code.payment", "payment"),
    "no result at the end": (codes(result=None), "code.result", "result"),
    "code chosen in the visit": (codes(payment=9), "visit.code.payment.unknown", "c-1"),
    "code of two bytes": (codes(outcome=300), "visit.code.outcome.wide", "c-1"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILT)
def test_one_fault_is_one_line(name: str) -> None:
    spoilt, rule, who = SPOILT[name]
    assert lines(spoilt) == [(rule, who)]


READY: dict[str, Case] = {
    "as it is": CASE,
    "no patronymic": patient({"patronymic": ""}),
    "names with apostrophe, hyphen and blank": patient({"surname": "Д'Артаньян Ван-дер", "name": "Мария Анна"}),
    "Latin name": patient({"surname": "O’Neil", "name": "Jürgen", "patronymic": ""}),
    "one letter": patient({"surname": "О"}),
    "foreigner without СНИЛС": patient({"snils": ""}, papers=(FOREIGN,)),
    "old СНИЛС without check number": patient({"snils": "001-001-998 99"}),
    "СНИЛС with all its separators": patient({"snils": "112\u2011233\u2013445\u00a095"}),
    "no papers at all": patient(papers=()),
    "birth certificate of two alphabets": patient(
        papers=(Paper(kind=3, number="654321", series="II-АН", issuer="ЗАГС", issued=IVAN.born),)
    ),
    "child with mother": patient({"born": CHILD}, papers=(), guardian=MOTHER),
    "fifteen today": patient({"born": date(2011, 11, 20)}, papers=()),
    "born on the day": patient({"born": DAY.date()}, papers=(), guardian=MOTHER),
    "doctor whose birth and sex nobody wrote": doctor({"born": None, "sex": None}),
    "two doctors": case(
        visits=(VISIT, replace(VISIT, id="v-2", doctor=OTHER, services=(replace(FILLING, doctor=OTHER),)))
    ),
    "open case": case(closed=None, conclusion="", diagnoses=(), visits=(), codes=replace(CASE.codes, result=None)),
    "closed by its day alone": case(
        opened=DAY.replace(hour=0), closed=DAY.replace(hour=0), diagnoses=(replace(CARIES, made=DAY),)
    ),
    "a guardian younger than her father": patient(guardian=MOTHER),
    "issued today": patient(papers=(replace(FOREIGN, issued=NOW.date()),)),
    "a service as long as the case": service(end=DAY + HOUR),
    "repeated visit": case(first=False),
    "no optional code": codes(aid=None, purpose=None, outcome=None, role=None),
    "two diagnoses, one main": case(diagnoses=(CARIES, replace(CARIES, code="K04.0", main=False))),
    "old diagnosis": diagnosis(made=DAY - timedelta(days=900)),
    "a zone of another branch": visit(start=DAY.astimezone(NOW.tzinfo), end=(DAY + HOUR).astimezone(NOW.tzinfo)),
    "texts of lines and emoji": visit(comment="Жалоб нет.\r\n\tОсмотр\u2028😀"),
}


@pytest.mark.parametrize("name", READY)
def test_what_is_allowed_is_ready(name: str) -> None:
    assert lines(READY[name]) == []


def test_a_case_with_twelve_faults_has_twelve_lines_each_with_its_place() -> None:
    mother = replace(MOTHER, person=replace(MOTHER.person, sex=None), relation=None)
    spoilt = Case(
        id="c-7", number="", opened=DAY, closed=DAY + HOUR, codes=replace(CASE.codes, payment=None), conclusion="",
        patient=replace(PATIENT, person=replace(IVAN, snils="1", born=CHILD), papers=(), guardian=mother),
        doctor=replace(DOCTOR, position=None, person=replace(DOCTOR.person, snils="", name="А.")),
        visits=(replace(VISIT, end=None, services=(replace(FILLING, code="А16.07.002"),)),),
        diagnoses=(replace(CARIES, code="К02.1"),), first=None,
    )  # fmt: skip
    found = rules().missing(replace(spoilt, visits=(replace(spoilt.visits[0], doctor=OTHER),)))
    assert [one.rule for one in found] == [
        "patient.snils.shape", "guardian.sex", "guardian.relation", "case.number", "case.first", "case.conclusion",
        "visit.end", "code.payment", "diagnosis.cyrillic", "service.cyrillic", "doctor.initial", "doctor.snils",
        "doctor.position",
    ]  # fmt: skip
    found = [one for one in found if one.rule != "doctor.initial"]
    assert len(found) == 12
    assert {one.where for one in found} <= set(WHERE)
    told = catalog("ru")
    told_lines = [words(one, told) for one in found]
    assert len(set(told_lines)) == 12
    assert not any(re.search(r"[{}]", said) for said in told_lines)


def test_nothing_of_a_person_is_in_a_line() -> None:
    spoilt = patient({"surname": "Сидоров2", "snils": "112-233-454 95"}, papers=(replace(PASSPORT, number="77-88"),))
    shown = repr(rules().missing(spoilt))
    for secret in ("Сидоров", "112", "77-88", "Иван", "5004"):
        assert secret not in shown


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("Сидоров№", "№"),
        ("Си\u200bдоров", "U+200B"),
        ("Сергеи\u0306", "U+0306"),
        ("А\x00", "U+0000"),
        ("Ёлкин-Ким", ""),
    ],
)
def test_a_sign_that_nobody_sees_is_told_by_its_number(name: str, sign: str) -> None:
    assert rules_text.strange(name) == sign


def test_a_doctor_who_did_everything_is_told_of_once() -> None:
    spoilt = doctor({"snils": ""})
    assert lines(spoilt) == [("doctor.snils", "d-1")]
    judged = rules()
    assert judged.missing(spoilt) == judged.missing(replace(spoilt, id="c-2"))


def test_before_the_books_have_come_codes_are_not_judged_and_shapes_are() -> None:
    spoilt = codes(payment=9)
    assert lines(spoilt) == [("visit.code.payment.unknown", "c-1")]
    assert lines(spoilt, NO_BOOKS) == []
    assert lines(diagnosis(code="K99.9"), NO_BOOKS) == []
    assert lines(diagnosis(code="K9"), NO_BOOKS) == [("diagnosis.shape", "c-1")]
    assert "1.2.643.2.69.1.1.1.32" in NO_BOOKS.lacking("case")
    assert BOOKS.lacking("case") == BOOKS.lacking("document") == []


def test_without_the_book_of_papers_any_but_the_russian_passport_may_be_a_foreigners() -> None:
    assert lines(patient({"snils": ""}, papers=(FOREIGN,)), NO_BOOKS) == []
    assert lines(patient({"snils": ""}), NO_BOOKS) == [("patient.snils", "p-1")]
    birth = Paper(kind=3, number="654321", issuer="ЗАГС")
    assert lines(patient({"snils": ""}, papers=(birth,))) == [("patient.snils", "p-1")]


def test_a_wrong_usual_code_is_one_line_of_the_settings_for_all_cases() -> None:
    first, second = (
        rules(payment=9).missing(replace(codes(payment=9), id=name)) for name in ("c-1", "c-2")
    )  # fmt: skip
    assert first == second
    assert (first[0].rule, first[0].who, first[0].where) == ("code.payment.unknown", "payment", "settings")


def test_the_age_that_needs_a_guardian_is_a_setting() -> None:
    nearly = patient({"born": date(2011, 11, 21)}, papers=())
    assert lines(nearly) == [("patient.guardian", "p-1")]
    assert lines(nearly, guardian_age=0) == []
    assert lines(patient({"born": date(2009, 1, 1)}, papers=()), guardian_age=18) == [("patient.guardian", "p-1")]


def test_a_patient_is_no_guardian_of_his_own_and_a_guardian_is_older() -> None:
    child = {"born": CHILD}
    alone = replace(MOTHER, person=replace(MOTHER.person, id="p-1"))
    assert lines(patient(child, papers=(), guardian=alone)) == [("guardian.self", "p-1")]
    young = replace(MOTHER, person=replace(MOTHER.person, born=CHILD))
    assert lines(patient(child, papers=(), guardian=young)) == [("guardian.younger", "p-1")]


def test_a_case_of_tomorrow_waits_and_one_before_birth_is_wrong() -> None:
    later = DAY + timedelta(days=30)
    moved = replace(
        CASE, opened=later, closed=later + HOUR, visits=(replace(VISIT, start=later, end=later + HOUR, services=()),)
    )
    assert lines(moved) == [("case.future", "c-1"), ("visit.future", "v-1")]
    early = patient({"born": DAY.date() + timedelta(days=1)}, papers=())
    assert ("case.unborn", "c-1") in lines(early)
    assert lines(case(closed=DAY - HOUR))[0] == ("case.order", "c-1")


def test_a_new_edition_of_the_kinds_of_visit_is_told() -> None:
    books = ready.Books([replace(BOOKS.of(("1.2.643.5.1.13.13.11.1007",)), codes={"7": "x"})])  # type: ignore[type-var]
    assert ("case.first.unknown", "c-1") in lines(CASE, books)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"id": ""}, "document.id"),
        ({"kind": None}, "document.kind"),
        ({"kind": 119}, "document.kind.unknown"),
        ({"header": ""}, "document.header"),
        ({"header": "\x01"}, "document.text"),
        ({"created": NOW + HOUR}, "document.created"),
        ({"content": b""}, "document.content"),
        ({"content": b"%PDF-1.7"}, "document.content.shape"),
        ({"doctor_sign": b""}, "document.doctor_sign"),
        ({"clinic_sign": b""}, "document.clinic_sign"),
        ({"doctor_sign": b"MIIB"}, "document.sign.shape"),
        ({"clinic_sign": CMS + DOCUMENT.content}, "document.sign.shape"),
        ({"clinic_sign": CMS}, "document.sign.same"),
        ({"doctor": replace(DOCTOR, position=None)}, "doctor.position"),
    ],
)
def test_a_document_is_looked_at_without_a_byte_changed(change: dict[str, Any], rule: str) -> None:
    assert rules().missing_document(DOCUMENT, PATIENT) == []
    assert [one.rule for one in rules().missing_document(replace(DOCUMENT, **change), PATIENT)] == [rule]


def test_a_pdf_or_two_byte_letters_are_documents_too() -> None:
    pdf = replace(DOCUMENT, content=b"%PDF-1.7", media_type="application/pdf")
    wide = replace(DOCUMENT, content="<a/>".encode("utf-16"))
    assert rules().missing_document(pdf, PATIENT) == rules().missing_document(wide, PATIENT) == []


def test_the_organisation_is_named_letter_by_letter_as_in_the_book() -> None:
    told = rules().of_organisation()
    assert told == []
    [named] = rules(frmo_name="ООО «Учебная стоматология»").of_organisation()
    assert named.rule == "organisation.name"
    theirs = dict(named.fields)["name"]
    assert rules(frmo_name=theirs, lpu=SETTINGS.lpu.upper()).of_organisation() == []
    assert [one.rule for one in rules(lpu="another").of_organisation()] == ["organisation.lpu"]
    assert rules(NO_BOOKS, lpu="another").of_organisation() == []


def test_the_same_lack_of_many_is_one_line_with_the_way_to_mend_it() -> None:
    judged = rules()
    doctors = [replace(DOCTOR, person=replace(DOCTOR.person, id=f"d-{n}", snils="")) for n in range(14)]
    found = {f"c-{n}": judged.missing(case(id=f"c-{n}", doctor=doctors[n % 14])) for n in range(30)}
    found["c-x"] = judged.missing(case(id="c-x", number=""))
    first, second = gathered(found)
    assert (first.missing.rule, len(first.who), len(first.cases)) == ("doctor.snils", 14, 30)
    assert (second.missing.rule, second.who, second.cases) == ("case.number", ("c-x",), ("c-x",))
    assert line(first, catalog("ru")) == "у 14 врачей нет СНИЛС"
    assert line(second, catalog("ru")) == "в 1 случае нет номера карты или талона"
    assert line(first, catalog("en")) == "14 doctors: no СНИЛС"


def test_a_line_of_the_settings_has_no_number_and_its_label_is_translated() -> None:
    judged = rules()
    found = {f"c-{n}": judged.missing(replace(codes(payment=None), id=f"c-{n}")) for n in range(3)}
    [one] = gathered(found)
    assert line(one, catalog("ru")) == "не указан код: источник оплаты (payment)"
    assert line(one, catalog("en")) == "no code: source of payment (payment)"
    assert (one.missing.where, len(one.cases)) == ("settings", 3)


def test_a_code_chosen_in_the_visit_names_no_key_of_the_settings() -> None:
    [unknown] = rules().missing(codes(payment=9))
    assert unknown.fields == (("label", "источник оплаты"), ("code", "9"), ("oid", "1.2.643.2.69.1.1.1.32"))
    [wide] = rules().missing(codes(outcome=256))
    assert words(wide, catalog("ru")) == "код больше 255: результат обращения (256)"


def test_a_child_born_this_morning_in_the_east_is_born() -> None:
    evening = NOW.replace(hour=12)
    there = evening.date() + timedelta(days=1)
    child = patient({"born": there}, papers=(), guardian=MOTHER).patient
    assert rules(now=evening).of_patient(child) == ()
    assert [one.rule for one in rules(now=NOW.replace(hour=9)).of_patient(child)] == ["patient.born.wrong"]


def test_a_blank_that_nobody_sees_is_shown() -> None:
    [one] = rules().missing(diagnosis(code="K02.1 "))
    assert words(one, catalog("ru")) == "не похоже на код МКБ-10: K02.1␣"


def test_different_codes_of_one_rule_are_different_lines() -> None:
    found = {"c-1": [Missing("doctor.position.unknown", "d-1", (("code", "9"), ("oid", "1")))],
             "c-2": [Missing("doctor.position.unknown", "d-2", (("code", "8"), ("oid", "1")))]}  # fmt: skip
    assert len(gathered(found)) == 2


def test_every_rule_says_where_and_can_be_filled() -> None:
    places = re.compile(r"\{(\w+)\}")
    names = {"sign", "code", "oid", "age", "name", "label", "key"}
    for rule in RULES.values():
        assert rule.place in WHERE, rule.key
        assert set(places.findall(rule.what)) <= names, rule.key
    assert set(CODES) == set(CASE.codes.__dataclass_fields__)


def test_one_case_alone() -> None:
    assert ready.missing(case(number=""), BOOKS, SETTINGS, NOW) == [Missing("case.number", "c-1")]
