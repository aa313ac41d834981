"""A line to N3, against its strict stand-in over real SOAP: patients, cases open and closed, documents."""

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from identsync.demo.n3.desk import LPU, TOKEN
from identsync.demo.n3.process import N3Process
from identsync.integrations.egisz.case import Diagnosis, Fate, Patient
from identsync.integrations.egisz.wire.contract import Endpoint
from identsync.integrations.egisz.wire.n3 import N3

from . import n3_desk
from .n3_desk import EGOR, NINE, case, child, document, foreigner, line, patient, visit

n3_process, cloud = n3_desk.n3_process, n3_desk.cloud


async def known(n3: N3, one: Patient | None = None) -> Patient:
    """A patient that N3 has."""
    one = one or patient()
    assert (await n3.add_patient(one)).fate is Fate.TAKEN
    return one


async def test_a_service_tells_its_version(cloud: N3Process) -> None:
    cloud.options(version="6.0.0")
    async with line(cloud) as n3:
        for endpoint in Endpoint:
            reply = await n3.version(endpoint)
            assert (reply.fate, reply.words) == (Fate.TAKEN, "DatabaseVersion 3.1, ServiceVersion 6.0.0")


@pytest.mark.parametrize("edition", ["2016", "EMK", "EMK5", "2026"])
@pytest.mark.parametrize("make", [patient, child, foreigner])
async def test_patients_and_their_cases_are_taken_whole(cloud: N3Process, edition: str, make: type[Patient]) -> None:
    cloud.options(edition=edition)
    one = make()
    two = case(one, visits=(visit(1), visit(2, EGOR)), diagnoses=(
        *case(one).diagnoses, Diagnosis(code="K04", made=NINE, doctor=EGOR, main=False),
    ), closed=NINE + timedelta(days=2))  # fmt: skip
    async with line(cloud, edition) as n3:
        await known(n3, one)
        assert (await n3.add_case(two)).fate is Fate.TAKEN
    books = cloud.books()
    assert (books["patients"], books["cases"], books["passed"]) == (1, 1, [])
    [stored] = cloud.cases()
    assert [each["Doctor"]["Person"]["IdPersonMis"] for each in stored["content"]["Steps"]] == ["staff-7", "staff-8"]
    assert [each["$type"] for each in stored["content"]["MedRecords"]] == ["ClinicMainDiagnosis", "Diagnosis"]
    assert ("Guardian" in stored["content"]) is (make is child)
    assert stored["state"] == "closed"


async def test_a_patient_that_is_there_is_brought_up_to_date(cloud: N3Process) -> None:
    async with line(cloud) as n3:
        one = await known(n3)
        renamed = replace(one, person=replace(one.person, surname="Орлова"))
        assert (await n3.add_patient(renamed)).fate is Fate.THERE
        assert cloud.patients()[0]["content"]["FamilyName"] == "Лапина"
        assert (await n3.update_patient(renamed)).fate is Fate.TAKEN
    [stored] = cloud.patients()
    assert stored["content"]["FamilyName"] == "Орлова"
    assert stored["operations"] == ["AddPatient", "UpdatePatient"]


async def test_an_update_of_nobody_is_refused(cloud: N3Process) -> None:
    async with line(cloud) as n3:
        assert (await n3.update_patient(patient())).fate is Fate.REFUSED
        assert (await n3.update_case(case(await known(n3)))).fate is Fate.REFUSED
        assert (await n3.cancel_case("patient-0", "case-0")).fate is Fate.REFUSED


async def test_a_case_before_its_patient_is_refused_in_words(cloud: N3Process) -> None:
    async with line(cloud) as n3:
        reply = await n3.add_case(case(patient()))
    assert reply.fate is Fate.REFUSED
    assert [(each.code, each.field, each.words) for each in reply.complaints] == [
        ("21", "IdPatientMis", "Пациент не найден")
    ]


async def test_a_case_that_is_there_is_replaced_by_an_update(cloud: N3Process) -> None:
    async with line(cloud) as n3:
        one = case(await known(n3))
        assert (await n3.add_case(one)).fate is Fate.TAKEN
        changed = replace(one, conclusion="Другое")
        assert (await n3.add_case(changed)).fate is Fate.THERE
        assert (await n3.update_case(changed)).fate is Fate.TAKEN
    [stored] = cloud.cases()
    assert stored["content"]["Comment"] == "Другое"
    assert stored["operations"] == ["AddCase", "UpdateCase"]


async def test_an_open_case_gets_its_visits_and_is_closed(cloud: N3Process) -> None:
    async with line(cloud) as n3:
        one = case(await known(n3), closed=None, visits=(), conclusion="")
        assert (await n3.create_case(one)).fate is Fate.TAKEN
        assert (await n3.create_case(one)).fate is Fate.THERE
        assert (await n3.add_step(one, visit(1))).fate is Fate.TAKEN
        assert (await n3.add_step(one, visit(2, EGOR))).fate is Fate.TAKEN
        again = await n3.add_step(one, visit(2, EGOR))
        assert (again.fate, again.complaints[0].code) == (Fate.REFUSED, "33")
        closed = replace(one, closed=NINE + timedelta(days=2), conclusion="Готово")
        assert (await n3.close_case(closed)).fate is Fate.TAKEN
        late = await n3.add_step(one, visit(3))
        assert (late.fate, late.complaints[0].code) == (Fate.REFUSED, "24")
        assert (await n3.close_case(closed)).fate is Fate.REFUSED
    [stored] = cloud.cases()
    assert [each["IdStepMis"] for each in stored["content"]["Steps"]] == ["step-1", "step-2"]
    assert stored["state"] == "closed"


async def test_a_cancelled_case_can_be_made_again(cloud: N3Process) -> None:
    async with line(cloud) as n3:
        one = case(await known(n3))
        await n3.add_case(one)
        assert (await n3.cancel_case(one.patient.person.id, one.id)).fate is Fate.TAKEN
        assert cloud.cases()[0]["state"] == "cancelled"
        assert (await n3.update_case(one)).fate is Fate.REFUSED
        assert (await n3.add_case(one)).fate is Fate.TAKEN
    assert cloud.cases()[0]["state"] == "closed"


async def test_a_document_arrives_byte_for_byte(cloud: N3Process) -> None:
    one = document(content=bytes(range(256)) * 40, doctor_sign=b"\x00d", clinic_sign=b"\xffc")
    async with line(cloud) as n3:
        holder = await known(n3)
        assert (await n3.add_document(holder, one)).fate is Fate.TAKEN
        assert (await n3.add_document(patient(), document())).fate is Fate.REFUSED
        assert (await n3.add_document(holder, document(case_id="no-such-case"))).fate is Fate.REFUSED
    [stored] = cloud.documents()
    [attached] = stored["content"]["Attachments"]
    assert base64.b64decode(attached["Data"]) == one.content
    assert base64.b64decode(attached["OrganizationSign"]) == b"\xffc"
    assert base64.b64decode(attached["PersonalSigns"][0]["Sign"]) == b"\x00d"
    assert (stored["content"]["IdMedDocumentType"], stored["state"]) == (198, "")


async def test_a_wide_kind_of_document_is_taken_where_the_contract_is_wide(cloud: N3Process) -> None:
    cloud.options(edition="2026")
    async with line(cloud, "2026") as n3:
        one = await known(n3)
        closed = case(one)
        await n3.add_case(closed)
        assert (await n3.add_document(one, document(kind=372, case_id=closed.id))).fate is Fate.TAKEN
    assert cloud.documents()[0]["content"]["IdMedDocumentType"] == 372


@pytest.mark.parametrize(("again", "fate"), [("version", Fate.TAKEN), ("refuse", Fate.REFUSED)])
async def test_a_repeated_document_is_what_the_service_makes_of_it(cloud: N3Process, again: str, fate: Fate) -> None:
    cloud.options(again=again)
    async with line(cloud) as n3:
        one, same = await known(n3), document()
        await n3.add_document(one, same)
        assert (await n3.add_document(one, same)).fate is fate


async def test_a_wrong_token_is_refused_and_shown_to_nobody(cloud: N3Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_N3", "wrong-token-of-ours")
    async with line(cloud) as n3:
        reply = await n3.add_patient(patient())
    assert reply.fate is Fate.REFUSED
    assert reply.complaints[0].words == "Неправильный идентификатор системы"
    assert "wrong-token-of-ours" not in repr(reply)


async def test_a_wrong_organisation_is_refused(cloud: N3Process) -> None:
    async with line(cloud, lpu="somebody-else") as n3:
        assert (await n3.add_patient(patient())).complaints[0].words == "Неверный идентификатор ЛПУ"
        assert (await n3.add_case(case(patient()))).complaints[0].words == "Неверный идентификатор ЛПУ"


async def test_addressing_goes_only_where_it_is_asked_for(cloud: N3Process) -> None:
    async with line(cloud) as n3:
        await known(n3)
    async with line(cloud, addressing=True) as n3:
        await known(n3)
    plain, addressed = cloud.requests()
    assert "Header" not in plain
    assert f"To>{cloud.url}/PixService.svc<" in addressed


async def test_every_complaint_of_a_case_is_told(cloud: N3Process) -> None:
    async with line(cloud) as n3:
        one = case(await known(n3), conclusion="", number="", diagnoses=())
        reply = await n3.add_case(one)
    fields = {each.field for each in reply.complaints}
    assert {"caseDto.Comment", "caseDto.HistoryNumber", "caseDto.MedRecords"} <= fields
    assert {each.code for each in reply.complaints} == {"11"}


async def test_two_clients_with_one_case_make_one_case(cloud: N3Process) -> None:
    async with line(cloud) as first, line(cloud) as second:
        one = case(await known(first))
        replies = await asyncio.gather(*(each.add_case(one) for each in (first, second, first, second)))
    assert sorted(each.fate for each in replies) == [Fate.TAKEN, *[Fate.THERE] * 3]
    assert len(cloud.cases()) == 1


async def test_what_is_kept_of_an_exchange_tells_nobody(cloud: N3Process, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with line(cloud) as n3:
        one = await known(n3)
        reply = await n3.add_case(case(one, number=""))
    told = f"{reply!r}{caplog.text}"
    assert "AddCase" in reply.request
    assert "RequestFault" in reply.answer
    assert LPU in reply.request
    assert [each for each in (TOKEN, "Лапина", "Громова", "11223344595") if each in told] == []
