"""Requests to N3: a clinic's record to bytes, beside zeep's own serialisation of ready objects and lxml alone."""

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from lxml import etree

from benchmarks.harness import OURS, Result, Work, measure
from identsync.demo.n3 import wsdl
from identsync.integrations.egisz.case import (
    Case,
    Codes,
    Diagnosis,
    Doctor,
    Document,
    Paper,
    Patient,
    Person,
    Service,
    Visit,
)
from identsync.integrations.egisz.wire import build, masking
from identsync.integrations.egisz.wire.contract import Contract, Endpoint, Message

SENDER = build.Sender("token", "lpu", 1)
NINE = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
BINDINGS = {Endpoint.PIX: "BasicHttpBinding_IPixService", Endpoint.EMK: "BasicHttpBinding_IEmkService"}
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"


def run(*, quick: bool) -> Iterator[Result]:
    """Measure a patient, a case of three visits, a document of 200 KB."""
    many = 20 if quick else 500
    contract = Contract(pix=wsdl.single("PixService", "EMK5"), emk=wsdl.single("EMKService", "EMK5"))
    yield from compared(contract, Endpoint.PIX, "AddPatient", lambda: build.patient(SENDER, PATIENT), many)
    yield from compared(contract, Endpoint.EMK, "AddCase", lambda: build.case(SENDER, CASE), many)
    yield from compared(
        contract, Endpoint.EMK, "AddMedRecord", lambda: build.document(SENDER, "patient-1", DOCUMENT), many
    )


def compared(contract: Contract, endpoint: Endpoint, operation: str, fields: Any, many: int) -> Iterator[Result]:
    """Compare one operation; ours starts from the clinic's record, the others from what is ready for them."""
    message = contract.message(endpoint, operation, fields())
    size = len(message.body())

    def ours() -> None:
        for _each in range(many):
            contract.message(endpoint, operation, fields()).body()

    def with_journal() -> None:
        for _each in range(many):
            made = contract.message(endpoint, operation, fields())
            masking.Secrets(made.envelope)
            masking.request_of(made.envelope)
            made.body()

    contenders: dict[str, Work] = {
        OURS: ours,
        "and what people see of it": with_journal,
        "zeep, ready objects": _zeep(contract, message, many),
        "lxml, ready elements": _lxml(message, many),
    }
    yield from measure("n3", f"{many} x {operation}, {size:,} bytes", contenders, items=many, size=size * many)


def _zeep(contract: Contract, message: Message, many: int) -> Work:
    from zeep import Client

    client = Client(io.BytesIO(contract.wsdl[message.endpoint]))
    name = "{http://tempuri.org/}" + BINDINGS[message.endpoint]
    element = client.wsdl.bindings[name].get(message.operation).input.body
    read = element.parse(etree.fromstring(message.body())[-1][0], client.wsdl.types)
    arguments = {each: read[each] for each in read if read[each] is not None}
    service = client.create_service(name, "http://n3.example/")

    def work() -> None:
        for _each in range(many):
            envelope = client.create_message(service, message.operation, **arguments)
            etree.tostring(envelope, encoding="utf-8", xml_declaration=True)

    return work


def _lxml(message: Message, many: int) -> Work:
    """Make the same tree of names and texts that stand ready: the least that anybody who uses lxml pays."""
    nodes = list(message.envelope.iter())
    places = {node: at for at, node in enumerate(nodes)}
    plan = [(places[node.getparent()], node.tag, node.text, dict(node.attrib)) for node in nodes[1:]]

    def work() -> None:
        for _each in range(many):
            made = [etree.Element(f"{SOAP}Envelope", nsmap=message.envelope.nsmap)]
            for parent, tag, text, attributes in plan:
                node = etree.SubElement(made[parent], tag, attributes)
                node.text = text
                made.append(node)
            etree.tostring(made[0], encoding="utf-8", xml_declaration=True)

    return work


DOCTOR = Doctor(
    person=Person(id="staff-7", surname="Громова", name="Вера", patronymic="Ильинична", snils="112-233-445 95"),
    position=73,
    speciality=171,
)
PATIENT = Patient(
    person=Person(
        id="patient-1", surname="Лапина", name="Дарья", sex=2, born=date(1978, 3, 30), snils="112-233-445 95"
    ),
    papers=(Paper(kind=14, number="654321", series="4509", issuer="ОВД", issued=date(2005, 5, 6)),),
    address="г. Магадан, ул. Лесная, 5-12",
    phone="+79160000002",
)


def _visit(number: int) -> Visit:
    start = NINE + timedelta(days=number)
    done = Service(code="A16.07.002.001", name="Пломба", start=start, end=start, doctor=DOCTOR)
    return Visit(id=f"step-{number}", start=start, end=start, doctor=DOCTOR, services=(done, done))


CASE = Case(
    id="case-1", number="1077", opened=NINE, closed=NINE + timedelta(days=3), patient=PATIENT, doctor=DOCTOR,
    codes=Codes(aid=1, payment=3, confidentiality=1, result=1, case=2, place=1, visit_purpose=1, role=3, disease=1),
    visits=tuple(_visit(number) for number in range(3)),
    diagnoses=(Diagnosis(code="K02.1", made=NINE, doctor=DOCTOR),), conclusion="Лечение завершено", first=True,
)  # fmt: skip
DOCUMENT = Document(
    id="doc-1", kind=198, header="Протокол консультации", created=NINE, doctor=DOCTOR, content=b"<x/>" * 50_000,
    doctor_sign=b"s" * 3_000, clinic_sign=b"s" * 3_000,
)  # fmt: skip
