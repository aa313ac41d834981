"""Requests: in the order and of the types of the contract, as zeep itself writes them; what does not fit is told."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from identsync.demo.n3 import wsdl
from identsync.demo.n3.reader import Reader
from identsync.demo.n3.types import EDITIONS
from identsync.integrations.egisz.case import (
    Case,
    Codes,
    Diagnosis,
    Doctor,
    Document,
    Guardian,
    Paper,
    Patient,
    Person,
    Service,
    Visit,
)
from identsync.integrations.egisz.wire import build
from identsync.integrations.egisz.wire.contract import Contract, Endpoint, Message
from identsync.integrations.egisz.wire.contract_forms import Of, Unfit

from . import n3_desk, n3_oracle
from .n3_desk import EGOR, NINE, VERA, case, child, contract, document, foreigner, patient, visit

SENDER = build.Sender("a-token", "an-lpu", 1)
ZEEP = {each: n3_oracle.client(wsdl.single(each.removesuffix(".svc"), "EMK5")) for each in Endpoint}
VALID = {each: n3_oracle.Validator(wsdl.single(each.removesuffix(".svc"), "EMK5")) for each in Endpoint}

PIX = {"AddPatient": build.patient, "UpdatePatient": build.patient}
CASES = {"AddCase": build.case, "CreateCase": build.opened, "UpdateCase": build.case, "CloseCase": build.case}


def of_patient(one: Patient, operation: str = "AddPatient") -> Message:
    return contract().message(Endpoint.PIX, operation, PIX[operation](SENDER, one))


def of_case(one: Case, operation: str = "AddCase", by: Contract | None = None) -> Message:
    return (by or contract()).message(Endpoint.EMK, operation, CASES[operation](SENDER, one))


def of_document(one: Document, edition: str = "EMK5") -> Message:
    return contract(edition).message(Endpoint.EMK, "AddMedRecord", build.document(SENDER, "patient-1", one))


def judged(message: Message) -> None:
    """Both judges: the schema's validator and zeep's own serialisation."""
    body = message.body()
    assert VALID[message.endpoint].complaints(body) == []
    assert n3_oracle.canonical(n3_oracle.by_zeep(ZEEP[message.endpoint], message)) == n3_oracle.canonical(body)


@pytest.mark.parametrize("operation", PIX)
@pytest.mark.parametrize("make", [patient, child, foreigner])
def test_patients_are_valid_and_as_zeep_writes_them(operation: str, make: Callable[[], Patient]) -> None:
    judged(of_patient(make(), operation))


@pytest.mark.parametrize("operation", CASES)
@pytest.mark.parametrize("make", [patient, child, foreigner])
def test_cases_are_valid_and_as_zeep_writes_them(operation: str, make: Callable[[], Patient]) -> None:
    caries = Diagnosis(code="K04.5", made=NINE, doctor=EGOR, main=False)
    two = case(make(), visits=(visit(1), visit(2, EGOR)), diagnoses=(*case(patient()).diagnoses, caries))
    judged(of_case(two, operation))


def test_the_other_operations_are_valid_and_as_zeep_writes_them() -> None:
    one = case(patient())
    judged(contract().message(Endpoint.EMK, "AddStepToCase", build.step(SENDER, one, visit(3))))
    judged(contract().message(Endpoint.EMK, "CancelCase", build.cancelled(SENDER, "patient-1", "case-1")))
    judged(of_document(document(case_id="case-1")))
    for endpoint in Endpoint:
        judged(contract().message(endpoint, "GetVersion", {}))


def test_requests_are_valid_by_the_services_own_description() -> None:
    real = n3_desk.real_contract()
    if real is None:
        pytest.skip("N3's WSDLs are not public: put them into shared/contracts/n3health beside the project")
    pix, emk = (n3_oracle.Validator(real.wsdl[each]) for each in (Endpoint.PIX, Endpoint.EMK))
    for make in (patient, child, foreigner):
        one = make()
        assert pix.complaints(real.message(Endpoint.PIX, "AddPatient", build.patient(SENDER, one)).body()) == []
        for operation in CASES:
            assert emk.complaints(of_case(case(one), operation, real).body()) == []
    told = real.message(Endpoint.EMK, "AddMedRecord", build.document(SENDER, "patient-1", document()))
    assert emk.complaints(told.body()) == []


# Any characters that XML can carry; what a clinic types is not ours to like.
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=12)
BYTE = st.none() | st.integers(0, 255)
DAY = st.none() | st.dates(date(1900, 1, 1), date(2030, 1, 1))
ZONE = st.sampled_from((UTC, timezone(timedelta(hours=3)), timezone(timedelta(hours=-3, minutes=-30))))
MOMENT = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=ZONE)  # noqa: DTZ001  bounds have no zone
PERSON = st.builds(
    Person,
    id=TEXT,
    surname=TEXT,
    name=TEXT,
    patronymic=TEXT,
    sex=BYTE,
    born=DAY,
    snils=st.sampled_from(("", "112-233-445 95")),
)
DOCTOR = st.builds(Doctor, person=PERSON, position=st.none() | st.integers(0, 65_535), speciality=BYTE)
# Not one of which nothing is known: zeep reads an empty element of a list as none.
PAPER = st.builds(Paper, kind=BYTE, number=TEXT, series=TEXT, issuer=TEXT, issued=DAY).filter(
    lambda paper: any((paper.kind is not None, paper.number, paper.series, paper.issuer, paper.issued))
)
GUARDIAN = st.none() | st.builds(Guardian, person=PERSON, relation=BYTE, paper=TEXT)
PATIENT = st.builds(
    Patient, person=PERSON, papers=st.lists(PAPER, max_size=2).map(tuple), address=TEXT, phone=TEXT, guardian=GUARDIAN
)
SERVICE = st.builds(Service, code=TEXT, name=TEXT, start=MOMENT, end=MOMENT, doctor=DOCTOR, quantity=st.integers(1, 32))
VISIT = st.builds(
    Visit, id=TEXT, start=MOMENT, end=st.none() | MOMENT, doctor=DOCTOR, comment=TEXT,
    services=st.lists(SERVICE, max_size=2).map(tuple),
)  # fmt: skip
DIAGNOSIS = st.builds(Diagnosis, code=TEXT, made=st.none() | MOMENT, doctor=DOCTOR, main=st.booleans(), comment=TEXT)
CODED = st.builds(Codes, **dict.fromkeys(Codes.__dataclass_fields__, BYTE))
CASE = st.builds(
    Case, id=TEXT, number=TEXT, opened=st.none() | MOMENT, closed=st.none() | MOMENT, patient=PATIENT, doctor=DOCTOR,
    codes=CODED, visits=st.lists(VISIT, max_size=2).map(tuple), diagnoses=st.lists(DIAGNOSIS, max_size=2).map(tuple),
    conclusion=TEXT, first=st.none() | st.booleans(),
)  # fmt: skip


@given(CASE, st.sampled_from(sorted(CASES)))
def test_any_case_is_valid_and_as_zeep_writes_it(one: Case, operation: str) -> None:
    judged(of_case(one, operation))


@given(PATIENT)
def test_any_patient_is_valid_and_as_zeep_writes_him(one: Patient) -> None:
    judged(of_patient(one))


@given(CASE, st.sampled_from(EDITIONS))
def test_any_case_is_read_without_a_field_passed_over(one: Case, edition: str) -> None:
    reader = Reader(edition)
    operation = etree.fromstring(of_case(one, by=contract(edition)).body())[-1][0]
    _name, told = reader.read("EMKService", operation)
    assert reader.passed == []
    found = told["caseDto"]
    assert found.get("Comment", "") == one.conclusion
    assert len(found.get("Steps", ())) == len(one.visits)
    assert [each["$type"] == "ClinicMainDiagnosis" for each in found.get("MedRecords", ())] == [
        each.main for each in one.diagnoses
    ]


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=200), st.binary(min_size=1, max_size=200), st.binary(min_size=1, max_size=200))
def test_a_document_and_its_signatures_are_the_very_bytes(content: bytes, doctor: bytes, clinic: bytes) -> None:
    message = of_document(document(content=content, doctor_sign=doctor, clinic_sign=clinic))
    root = etree.fromstring(message.body())
    for name, given_bytes in (("Data", content), ("Sign", doctor), ("OrganizationSign", clinic)):
        found = root.xpath(f"//*[local-name()='{name}']/text()")
        assert base64.b64decode("".join(found), validate=True) == given_bytes  # type: ignore[arg-type]


def names(message: Message) -> set[str]:
    return {etree.QName(each).localname for each in message.envelope.iter()}


def one_text(message: Message, name: str) -> Any:
    [found] = message.envelope.xpath(f"//*[local-name()='{name}']")  # type: ignore[union-attr,misc]
    return found.text  # type: ignore[union-attr]


def test_each_service_has_its_own_spelling() -> None:
    to_pix, to_emk = names(of_patient(patient())), names(of_case(case(child())))
    assert {"idLPU", "IdPatientMIS", "BirthDate"} <= to_pix
    assert not to_pix & {"idLpu", "IdLpu", "IdPatientMis", "Birthdate"}
    assert {"IdLpu", "IdPatientMis", "Birthdate"} <= to_emk
    assert not to_emk & {"idLPU", "IdPatientMIS", "BirthDate"}
    keys = names(contract().message(Endpoint.EMK, "CancelCase", build.cancelled(SENDER, "p", "c")))
    assert {"idLpu", "idPatientMis", "idCaseMis"} <= keys


def test_a_birthday_is_a_whole_moment_and_no_zone_moves_it() -> None:
    assert one_text(of_patient(patient()), "BirthDate") == "1978-03-30T00:00:00"


def test_a_moment_keeps_the_zone_of_its_branch() -> None:
    assert one_text(of_case(case(patient())), "OpenDate") == "2026-11-26T09:00:00+11:00"


def test_an_open_case_says_nothing_of_its_end() -> None:
    message = of_case(case(patient(), closed=None), "CreateCase")
    assert not names(message) & {"CloseDate", "IdCaseResult"}
    assert "Лечение завершено" not in message.body().decode()


def test_snils_goes_as_digits_once() -> None:
    body = of_patient(patient(papers=(Paper(kind=223, number="11223344595", issuer="ПФР"),))).body().decode()
    assert body.count("11223344595") == 1


def test_what_is_not_written_down_is_left_out() -> None:
    assert not names(of_patient(foreigner())) & {"MiddleName", "ContactPerson", "DocS", "IsVip"}


def test_no_addressing_unless_asked_for() -> None:
    message = of_case(case(patient()))
    assert [etree.QName(each).localname for each in message.envelope] == ["Body"]
    contract().addressed(message, "http://n3.example/emk/EMKService.svc")
    assert [etree.QName(each).localname for each in message.envelope] == ["Header", "Body"]
    assert one_text(message, "To") == "http://n3.example/emk/EMKService.svc"


def test_a_document_of_no_case_has_no_case() -> None:
    assert "idCaseMis" not in names(of_document(document()))


@pytest.mark.parametrize(("edition", "has"), [("EMK5", True), ("2026", False)])
def test_the_level_of_a_document_goes_where_the_contract_has_it(edition: str, has: bool) -> None:
    assert ("confidentiality" in names(of_document(document(), edition))) is has


def test_a_wide_kind_of_document_goes_where_the_contract_is_wide() -> None:
    assert one_text(of_document(document(kind=316), "2026"), "IdMedDocumentType") == "316"
    with pytest.raises(Unfit) as caught:
        of_document(document(kind=316), "EMK5")
    assert caught.value.field == "medRecord.IdMedDocumentType"
    assert str(caught.value) == "medRecord.IdMedDocumentType: число не помещается в unsignedByte"


def test_a_document_does_not_lose_its_kind_where_the_contract_has_none() -> None:
    with pytest.raises(Unfit, match=r"medRecord\.IdMedDocumentType"):
        of_document(document(), "EMK")
    assert "IdMedDocumentType" not in names(of_document(document(kind=None), "EMK"))


def test_an_operation_that_is_not_there_is_not_sent() -> None:
    with pytest.raises(Unfit, match="AddMedRecord"):
        of_document(document(), "2016")


@pytest.mark.parametrize("bad", ["Лапи\x00на", "Лапина\x0b", "Лапина\ud800", "Лапина\ufffe"])
def test_a_character_that_xml_cannot_carry_is_told_by_its_field(bad: str) -> None:
    one = patient()
    with pytest.raises(Unfit) as caught:
        of_patient(replace(one, person=replace(one.person, surname=bad)))
    assert caught.value.field == "patient.FamilyName"
    assert "Лапи" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"codes": replace(n3_desk.CODES, place=256)}, "caseDto.Steps.StepAmb.IdVisitPlace"),
        ({"codes": replace(n3_desk.CODES, result=-1)}, "caseDto.IdCaseResult"),
        ({"doctor": replace(VERA, position=65_536)}, "caseDto.DoctorInCharge.IdPosition"),
        ({"codes": replace(n3_desk.CODES, role=True)}, "caseDto.Authenticator.IdRole"),
        ({"opened": "2026-11-26"}, "caseDto.OpenDate"),
        ({"conclusion": b"bytes"}, "caseDto.Comment"),
    ],
)
def test_a_value_that_does_not_fit_is_told_by_its_field(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Unfit) as caught:
        of_case(case(patient(), **change))
    assert caught.value.field == field


def test_a_field_and_a_type_that_the_contract_does_not_have_are_told() -> None:
    with pytest.raises(Unfit, match=r"caseDto\.IdCaseMIS: в контракте"):
        contract().message(Endpoint.EMK, "AddCase", {"caseDto": Of("CaseAmb", {"IdCaseMIS": "1"})})
    with pytest.raises(Unfit, match="CaseStat"):
        contract().message(Endpoint.EMK, "AddCase", {"caseDto": Of("CaseStat", {"IdCaseMis": "1"})})


def test_a_drifted_order_is_followed() -> None:
    emk = wsdl.single("EMKService", "EMK5").decode()
    first = emk.index('<xs:element name="OpenDate"')
    second = emk.index('<xs:element name="CloseDate"')
    third = emk.index('<xs:element name="HistoryNumber"')
    moved = emk[:first] + emk[second:third] + emk[first:second] + emk[third:]
    drifted = Contract(pix=wsdl.single("PixService", "EMK5"), emk=moved.encode())
    body = of_case(case(patient()), by=drifted).body().decode()
    assert 0 < body.index("CloseDate>") < body.index("OpenDate>")


def test_a_new_field_that_must_be_there_is_told_before_anything_is_sent() -> None:
    emk = wsdl.single("EMKService", "EMK5").decode()
    new = '<xs:element name="IdRoom" type="xs:int" minOccurs="1"/><xs:element name="IdStepMis"'
    drifted = Contract(
        pix=wsdl.single("PixService", "EMK5"), emk=emk.replace('<xs:element name="IdStepMis"', new).encode()
    )
    assert "StepAmb: новое поле IdRoom, мы его не передаём" in drifted.differences()
    with pytest.raises(Unfit) as caught:
        of_case(case(patient()), by=drifted)
    assert caught.value.field == "caseDto.Steps.StepAmb.IdRoom"


def test_a_sender_shows_no_token() -> None:
    assert "a-token" not in repr(SENDER)
