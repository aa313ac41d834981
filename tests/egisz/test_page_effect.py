"""What a person does on the page reaches the strict counterparty, and what is given to support tells of nobody."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from identsync.clinic.contract import clinic_patient
from identsync.clinic.contract_cases import clinic_case, clinic_case_visit, clinic_identity, clinic_signed
from identsync.engine.integration import PageContext, Status
from identsync.integrations.egisz.page import PAGES

from . import egisz_house, n3_desk
from .egisz_house import CASES, House
from .sending_desk import NAME

n3_process, cloud, make = n3_desk.n3_process, n3_desk.cloud, egisz_house.make
PAGE = PAGES[0]
SIGN = b"\x30\x82\x01\x0a" + b"\x01" * 40


def context(house: House, user: str = "Анна") -> PageContext:
    return PageContext(house.store, house.clinic, {NAME: house.settings}, user, house.store.now_ms())


def do(house: House, action: str, row: Any, **more: str) -> str | None:
    return PAGE.actions[action](context(house), {"id": str(row.id), "seen": str(row.changed_ms), **more})


def only(house: House, state: str, what: str = "case") -> Any:
    [row] = [row for row in house.items(what).values() if row.state == state]
    return row


def support(house: House, item: int) -> str:
    return bytes(PAGE.data["export"](context(house), {"item": str(item)}).body).decode()


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_a_new_case_that_was_refused_is_sent_again_and_is_there(make: Callable[..., House], database: str) -> None:
    house = make(database=database)
    house.cloud.fault("refuse", operation="AddCase", code="77")
    house.send()
    row = only(house, "rejected")
    house.send()
    assert len(house.cloud.cases()) == CASES - 1
    do(house, "resend", row)
    house.send()
    assert house.theirs(row.key)["operations"] == ["AddCase"]
    assert house.states() == {"taken": CASES}


def test_a_change_that_was_refused_is_sent_again_as_a_change(make: Callable[..., House]) -> None:
    house = make()
    house.send()
    house.change(7, conclusion="Назначен повторный осмотр")
    house.cloud.fault("refuse", operation="UpdateCase", code="77")
    house.send()
    do(house, "resend", only(house, "rejected"))
    house.send()
    theirs = house.theirs(7)
    assert theirs["operations"] == ["AddCase", "UpdateCase"]
    assert theirs["content"]["Comment"] == "Назначен повторный осмотр"


def test_a_case_that_is_gone_is_cancelled_at_n3_only_when_a_person_says_so(make: Callable[..., House]) -> None:
    house = make()
    house.send()
    with house.engine.begin() as connection:
        for table in (clinic_case_visit, clinic_case):
            connection.execute(delete(table).where(table.c.case_id == 5))
    house.send()
    house.send()
    row = only(house, "gone")
    assert house.theirs(5)["state"] == "closed"
    do(house, "cancel", row)
    house.send()
    assert (house.theirs(5)["state"], house.theirs(5)["operations"]) == ("cancelled", ["AddCase", "CancelCase"])
    assert house.items()[5].state == "cancelled"


def signed(house: House) -> None:
    """Have a document whose answer is lost."""
    with house.engine.begin() as connection:
        doctor, patient = connection.execute(select(clinic_case.c.doctor_id, clinic_case.c.patient_id).limit(1)).one()
        values = {"document_id": "doc-1", "branch_id": 1, "doctor_id": doctor, "patient_id": patient, "kind": 198}
        values |= {"header": "Протокол", "created_minute": house.store.now_ms() // 60_000 - 3_000}
        bytes_ = {"content": b"<Clinical/>", "doctor_sign": SIGN, "clinic_sign": SIGN + b"2"}
        connection.execute(insert(clinic_signed).values(**values, **bytes_))
    house.cloud.fault("lose", operation="AddMedRecord")
    house.send()
    house.hurry()
    house.send()


@pytest.mark.parametrize(("decision", "times"), [("arrived", 1), ("not_arrived", 2)])
def test_a_document_nobody_was_sure_of_goes_again_only_where_it_has_not_arrived(
    make: Callable[..., House], decision: str, times: int
) -> None:
    house = make(route="document")
    signed(house)
    [there] = house.cloud.documents()
    assert there["operations"] == ["AddMedRecord"]
    do(house, decision, only(house, "unknown", "document"))
    house.send()
    [there] = house.cloud.documents()
    assert there["operations"] == ["AddMedRecord"] * times
    assert house.states("document") == {"taken": 1}


def test_a_contract_read_anew_lets_the_cases_go(make: Callable[..., House]) -> None:
    house = make()
    house.look()
    house.cloud.options(edition="2026")
    assert house.look().status is Status.ASK
    assert PAGE.view(context(house), {})["drifted"] == 1
    PAGE.actions["reread"](context(house), {"org": NAME})
    assert house.send().status is Status.OK
    assert PAGE.view(context(house), {})["drifted"] == 0
    assert house.states() == {"taken": CASES}


def test_the_file_for_support_has_the_exchange_and_nothing_of_a_person(make: Callable[..., House]) -> None:
    house = make()
    with house.engine.begin() as connection:
        connection.execute(delete(clinic_case).where(clinic_case.c.case_id != 1))
    [patient] = patients(house)
    told = _of(house, patient)
    body = FAULT.format(said=" ".join(told.values()), token=n3_desk.TOKEN)
    for operation, what in (("AddPatient", "patient"), ("AddCase", "case")):
        house.cloud.fault("say", operation=operation, body=body)
        house.send()
        refused = only(house, "rejected", what)
        text = support(house, refused.id)
        assert f"{operation}: refused" in text
        assert "complaint: 15" in text
        assert n3_desk.TOKEN not in text
        assert house.settings.token not in text
        assert [name for name, value in told.items() if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text)] == []
        do(house, "resend", refused)
    house.send()
    assert house.states() == {"taken": 1}


FAULT = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode>
<faultstring>{said} {token}</faultstring><detail><RequestFault
xmlns="http://schemas.datacontract.org/2004/07/N3.EMK.Dto.Common"><PropertyName>patient.FamilyName</PropertyName>
<Message>{said} {token}</Message><ErrorCode>15</ErrorCode></RequestFault></detail></s:Fault></s:Body></s:Envelope>"""


def patients(house: House) -> list[int]:
    """Return the patients of the clinic's cases."""
    with house.engine.connect() as connection:
        return list(connection.execute(select(clinic_case.c.patient_id)).scalars())


def _of(house: House, patient: int) -> dict[str, str]:
    """Return what identifies a patient."""
    with house.engine.connect() as connection:
        p, i = clinic_patient.c, clinic_identity.c
        card = select(p.surname, p.name, p.patronymic, p.phone, p.address).where(p.patient_id == patient)
        paper = select(i.snils, i.paper_number, i.guardian_surname, i.guardian_snils).where(i.patient_id == patient)
        rows = [connection.execute(each).mappings().first() or {} for each in (card, paper)]
    return {name: value for row in rows for name, value in row.items() if value}
