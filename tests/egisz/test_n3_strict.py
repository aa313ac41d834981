"""The stand-in refuses what N3 refuses by its sheet, and takes N3's own samples as they are."""

import http.client
from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from identsync.demo.n3.desk import LPU, TOKEN
from identsync.demo.n3.process import N3Process
from identsync.integrations.egisz.wire import build
from identsync.integrations.egisz.wire.contract import Endpoint, Message

from . import n3_desk
from .n3_desk import case, child, contract, document, patient, visit

n3_process, cloud = n3_desk.n3_process, n3_desk.cloud
SENDER = build.Sender(TOKEN, LPU, 1)
PERSON = "http://schemas.datacontract.org/2004/07/N3.EMK.Dto"
TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"

Change = Callable[[Any], None]


def posted(cloud: N3Process, service: str, operation: str, body: bytes, action: str | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=30)
    contract_of = "IPixService" if service == "PixService" else "IEmkService"
    headers = {
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": action or f'"http://tempuri.org/{contract_of}/{operation}"',
    }
    try:
        connection.request("POST", f"/emk/{service}.svc", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def sent(cloud: N3Process, message: Message, change: Change | None = None) -> tuple[int, str]:
    """Send one of our requests, changed."""
    root = etree.fromstring(message.body())
    if change is not None:
        change(root)
    return posted(cloud, message.endpoint.removesuffix(".svc"), message.operation, etree.tostring(root))


def pix(make: Callable[[], Any] = patient) -> Message:
    return contract().message(Endpoint.PIX, "AddPatient", build.patient(SENDER, make()))


@pytest.fixture
def emk(cloud: N3Process) -> Message:
    """AddCase of a child that is known."""
    one = child()
    status, _said = sent(cloud, contract().message(Endpoint.PIX, "AddPatient", build.patient(SENDER, one)))
    assert status == 200
    return contract().message(Endpoint.EMK, "AddCase", build.case(SENDER, case(one)))


def found(root: Any, name: str) -> Any:
    return root.xpath(f"//*[local-name()='{name}']")[0]


def gone(name: str) -> Change:
    def change(root: Any) -> None:
        node = found(root, name)
        node.getparent().remove(node)

    return change


def renamed(name: str, to: str) -> Change:
    def change(root: Any) -> None:
        node = found(root, name)
        node.tag = f"{{{etree.QName(node).namespace}}}{to}"

    return change


def moved_last(name: str) -> Change:
    def change(root: Any) -> None:
        node = found(root, name)
        node.getparent().append(node)

    return change


def moved_first(name: str) -> Change:
    def change(root: Any) -> None:
        node = found(root, name)
        node.getparent().insert(0, node)

    return change


def said(name: str, text: str) -> Change:
    def change(root: Any) -> None:
        found(root, name).text = text

    return change


def foreign(name: str) -> Change:
    def change(root: Any) -> None:
        node = found(root, name)
        node.tag = f"{{http://tempuri.org/}}{etree.QName(node).localname}"

    return change


def retyped(name: str, to: str | None) -> Change:
    def change(root: Any) -> None:
        node = found(root, name)
        del node.attrib[TYPE]
        if to is not None:
            node.set(TYPE, to)

    return change


CASE_NEEDS = (
    *(
        "OpenDate",
        "CloseDate",
        "HistoryNumber",
        "IdCaseMis",
        "IdPaymentType",
        "Confidentiality",
        "DoctorConfidentiality",
    ),
    *("CuratorConfidentiality", "IdCaseResult", "Comment", "DoctorInCharge", "Authenticator", "Author", "IdPatientMis"),
    *("IdCaseType", "CaseVisitType", "Steps", "IdStepMis", "IdVisitPlace", "IdVisitPurpose", "IdSpeciality"),
    *("IdPosition", "FamilyName", "GivenName", "IdPersonMis", "IdRelationType", "UnderlyingDocument", "MkbCode"),
)
PATIENT_NEEDS = (
    *("IdPatientMIS", "FamilyName", "GivenName", "BirthDate", "Sex", "DocN", "IdDocumentType", "ProviderName"),
    *("IdAddressType", "StringAddress", "ContactValue", "IdContactType", "DocS"),
)


@pytest.mark.parametrize("name", CASE_NEEDS)
def test_a_case_without_what_it_needs_is_refused(cloud: N3Process, emk: Message, name: str) -> None:
    status, answer = sent(cloud, emk, gone(name))
    assert status == 500
    assert "RequestFault" in answer
    assert cloud.cases() == []


@pytest.mark.parametrize("name", PATIENT_NEEDS)
def test_a_patient_without_what_it_needs_is_refused(cloud: N3Process, name: str) -> None:
    status, answer = sent(cloud, pix(), gone(name))
    if name == "DocS":  # only a passport needs it, and СНИЛС stands first
        assert (status, "необходимо указать серию" in answer) == (500, True)
    assert (status, "RequestFault" in answer) == (500, True)
    assert cloud.patients() == []


@pytest.mark.parametrize(
    "change",
    [
        moved_last("OpenDate"),
        moved_last("IdCaseMis"),
        moved_first("MedRecords"),
        moved_first("IdPatientMis"),
        foreign("HistoryNumber"),
        foreign("IdCaseType"),
        renamed("IdPatientMis", "IdPatientMIS"),
        renamed("IdLpu", "idLPU"),
        renamed("caseDto", "createCaseDto"),
        retyped("caseDto", None),
        retyped("MedRecord", None),
    ],
)
def test_what_is_out_of_order_or_misspelled_is_not_there(cloud: N3Process, emk: Message, change: Change) -> None:
    status, answer = sent(cloud, emk, change)
    assert (status, "RequestFault" in answer) == (500, True)
    assert cloud.cases() == []


def test_what_is_passed_over_in_silence_is_counted(cloud: N3Process) -> None:
    status, _answer = sent(cloud, pix(), moved_first("MiddleName"))
    assert status == 500  # the names before it in the alphabet were passed over, too
    assert set(cloud.books()["passed"]) > {"FamilyName"}
    cloud.clear()
    status, _answer = sent(cloud, pix(), moved_last("MiddleName"))
    assert status == 200
    assert "MiddleName" not in cloud.patients()[0]["content"]
    assert cloud.books()["passed"] == ["MiddleName"]


@pytest.mark.parametrize(
    "change",
    [
        said("IdCaseResult", "256"),
        said("IdCaseResult", "-1"),
        said("IdCaseResult", "один"),
        said("IdSpeciality", "65536"),
        said("OpenDate", "26.11.2026"),
        said("OpenDate", "2026-13-01T00:00:00"),
        said("CloseDate", ""),
        retyped("caseDto", "n1:CaseStat"),
        retyped("caseDto", "q:CaseAmb"),
        retyped("MedRecord", "n1:CaseAmb"),
    ],
)
def test_a_value_of_a_wrong_type_ends_the_reading(cloud: N3Process, emk: Message, change: Change) -> None:
    status, answer = sent(cloud, emk, change)
    assert (status, "DeserializationFailed" in answer) == (500, True)
    assert cloud.cases() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (said("DocN", "112-233-445 95"), "Для поля DocN разделители недопустимы"),
        (said("Sex", "7"), "Значение 7 не соответствует справочнику (OID справочника 1.2.643.5.1.13.2.1.1.156)"),
        (said("guid", "x"), "Неправильный идентификатор системы"),
        (said("idLPU", "x"), "Неверный идентификатор ЛПУ"),
    ],
)
def test_what_is_wrong_is_told_in_the_words_of_the_documentation(cloud: N3Process, change: Change, words: str) -> None:
    status, answer = sent(cloud, pix(), change)
    assert (status, words in answer) == (500, True)


@pytest.mark.parametrize(
    "change", [said("MkbCode", "кариес"), said("IdServiceType", "ПЛОМБА"), said("CloseDate", "2020-01-01")]
)
def test_codes_and_dates_that_cannot_be_are_refused(cloud: N3Process, emk: Message, change: Change) -> None:
    assert sent(cloud, emk, change)[0] == 500


def test_the_codes_of_a_book_can_be_set(cloud: N3Process, emk: Message) -> None:
    cloud.codes(IdCaseResult=[5, 6])
    status, answer = sent(cloud, emk)
    assert (status, "1.2.643.5.1.13.2.1.1.688" in answer) == (500, True)
    assert sent(cloud, emk, said("IdCaseResult", "5"))[0] == 200


def test_a_step_and_a_document_without_what_they_need_are_refused(cloud: N3Process, emk: Message) -> None:
    assert sent(cloud, emk)[0] == 200
    [stored] = cloud.cases()
    for name in (
        "Data",
        "Sign",
        "OrganizationSign",
        "MimeType",
        "CreationDate",
        "Header",
        "IdDocumentMis",
        "IdMedDocumentType",
    ):
        fields = build.document(SENDER, stored["patient"], document())
        assert sent(cloud, contract().message(Endpoint.EMK, "AddMedRecord", fields), gone(name))[0] == 500
    opened = case(child(), closed=None)
    step = contract().message(Endpoint.EMK, "AddStepToCase", build.step(SENDER, opened, visit()))
    assert sent(cloud, step)[0] == 500
    assert cloud.documents() == []


def test_what_is_no_soap_of_ours_is_no_request(cloud: N3Process) -> None:
    assert posted(cloud, "PixService", "AddPatient", b"<html")[0] == 400
    assert posted(cloud, "PixService", "AddPatient", b"<a/>")[0] == 400
    assert "ActionNotSupported" in posted(cloud, "PixService", "", pix().body(), '"http://tempuri.org/AddPatient"')[1]
    assert "ActionNotSupported" in posted(cloud, "EMKService", "AddPatient", pix().body())[1]


SAMPLE_PATIENT = f"""
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
 <AddPatient xmlns="http://tempuri.org/"><guid>{TOKEN}</guid><idLPU>{LPU}</idLPU>
  <patient xmlns:d="http://schemas.datacontract.org/2004/07/EMKService.Data.Dto">
   <d:BirthDate>1978-03-30</d:BirthDate>
   <d:Documents><d:DocumentDto><d:DocN>11223344595</d:DocN><d:IdDocumentType>223</d:IdDocumentType>
    <d:ProviderName>ПФР</d:ProviderName></d:DocumentDto></d:Documents>
   <d:FamilyName>Лапина</d:FamilyName><d:GivenName>Дарья</d:GivenName>
   <d:IdPatientMIS>5b1c</d:IdPatientMIS><d:MiddleName>Олеговна</d:MiddleName><d:Sex>2</d:Sex>
  </patient></AddPatient></s:Body></s:Envelope>""".encode()


def test_a_sample_with_a_birthday_without_a_time_is_taken(cloud: N3Process) -> None:
    assert posted(cloud, "PixService", "AddPatient", SAMPLE_PATIENT)[0] == 200
    assert cloud.patients()[0]["content"]["BirthDate"] == "1978-03-30"
    status, answer = posted(cloud, "PixService", "AddPatient", SAMPLE_PATIENT)
    assert (status, "ErrorCode>23<" in answer) == (500, True)
    assert "AddPatientResponse" not in answer
