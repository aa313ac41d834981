"""Signed documents on their way to N3: each goes once, whatever becomes of its answer, until a person decides."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from identsync.clinic.contract_cases import clinic_case, clinic_signed
from identsync.engine.integration import Status
from identsync.integrations.egisz import decisions
from identsync.store.tables import egisz_item

from . import egisz_house, mortal_client, n3_desk
from .egisz_house import House
from .mortal_client import STEPS, Died, Mortal

n3_process, cloud, make, mortal = n3_desk.n3_process, n3_desk.cloud, egisz_house.make, mortal_client.mortal
SIGN = b"\x30\x82\x01\x0a" + b"\x01" * 40


@pytest.fixture
def house(make: Callable[..., House]) -> House:
    """Six documents of one patient, all signed; he is at N3."""
    house = make(route="document")
    created = house.store.now_ms() // 60_000 - 3_000
    with house.engine.begin() as connection:
        case = connection.execute(select(clinic_case).limit(1)).one()
        usual = {"branch_id": 1, "doctor_id": case.doctor_id, "patient_id": case.patient_id, "kind": 198,
                 "header": "Протокол", "created_minute": created}  # fmt: skip
        usual |= {"doctor_sign": SIGN, "clinic_sign": SIGN + b"2"}
        for number in range(6):
            content = f"<Clinical n='{number}'/>".encode()
            connection.execute(insert(clinic_signed).values(document_id=f"doc-{number}", content=content, **usual))
    return house


def sent(house: House) -> list[int]:
    """Tell how often N3 took each document."""
    return sorted(len(each["operations"]) for each in house.cloud.documents())


def only(house: House, state: str) -> Any:
    [found] = [row for row in house.items("document").values() if row.state == state]
    return found


def decided(house: House, decide: Callable[..., None], row: Any) -> None:
    with house.store.write() as connection:
        decide(connection, row.id, row.changed_ms, "Анна", house.store.now_ms())


def again(house: House) -> None:
    for _each in range(3):
        house.hurry()
        house.send()


@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize("kind", ["lose", "half", "html", "extra", "fail"])
def test_a_lost_answer_waits_for_a_person_who_has_looked(house: House, kind: str, taken: bool) -> None:
    house.cloud.fault(kind, operation="AddMedRecord", taken=taken)
    again(house)
    assert house.states("document") == {"unknown": 1, "taken": 5}
    assert sent(house) == [1] * (6 if taken else 5)
    lost = only(house, "unknown")
    decided(house, decisions.arrived if taken else decisions.not_arrived, lost)
    again(house)
    assert (house.states("document"), sent(house)) == ({"taken": 6}, [1] * 6)


def test_a_document_that_a_person_took_for_lost_and_n3_has(house: House) -> None:
    house.cloud.options(again="refuse")
    house.cloud.fault("lose", operation="AddMedRecord", taken=True)
    house.send()
    decided(house, decisions.not_arrived, only(house, "unknown"))
    house.send()
    refused = only(house, "rejected")
    assert "уже существует" in refused.complaints
    decided(house, decisions.arrived, refused)
    again(house)
    assert (house.states("document"), sent(house)) == ({"taken": 6}, [1] * 6)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("left", [1, 3])
def test_a_client_that_dies_sends_nothing_twice_and_the_next_one_nothing_of_its(
    house: House, mortal: Mortal, step: str, left: int
) -> None:
    mortal.die(step, left)
    with pytest.raises(Died):
        house.send()
    again(house)
    states = house.states("document")
    assert states.keys() <= {"taken", "unknown"}
    assert set(sent(house)) <= {1}
    for row in [row for row in house.items("document").values() if row.state == "unknown"]:
        there = row.own_id in {each["id"] for each in house.cloud.documents()}
        decided(house, decisions.arrived if there else decisions.not_arrived, row)
    again(house)
    assert (house.states("document"), sent(house)) == ({"taken": 6}, [1] * 6)


def test_what_n3_puts_off_goes_later_and_once(house: House) -> None:
    house.cloud.fault("say", operation="AddMedRecord", status=503, after=1)
    assert house.send().status is Status.LATER
    assert "unknown" not in house.states("document")
    again(house)
    assert (house.states("document"), sent(house)) == ({"taken": 6}, [1] * 6)


def test_three_lost_answers_in_a_row_end_the_run_and_the_others_stay_at_home(
    make: Callable[..., House], house: House
) -> None:
    house.settle(at_once=1)
    house.cloud.fault("lose", operation="AddMedRecord", times=3, taken=False)
    assert house.send().status is Status.LATER
    states = house.states("document")
    assert (states["unknown"], states["ready"] + states["later"], sent(house)) == (3, 3, [])
    again(house)
    assert (house.states("document"), sent(house)) == ({"unknown": 3, "taken": 3}, [1] * 3)


def test_a_document_written_anew_after_it_went_stays_as_it_went(house: House) -> None:
    house.cloud.fault("lose", operation="AddMedRecord", taken=True)
    house.send()
    with house.engine.begin() as connection:
        connection.execute(update(clinic_signed).values(content=b"<Other/>"))
    again(house)
    assert (house.states("document"), sent(house)) == ({"unknown": 1, "taken": 5}, [1] * 6)
    assert all(each["content"]["Attachments"][0]["Data"] != "PE90aGVyLz4=" for each in house.cloud.documents())


def test_a_document_whose_patient_n3_has_lost_goes_with_him(house: House) -> None:
    house.cloud.fault("refuse", operation="AddMedRecord", code="77")
    house.send()
    row = only(house, "rejected")
    house.cloud.clear()
    decided(house, decisions.resend, row)
    again(house)
    assert (house.states("document"), sent(house)) == ({"taken": 6}, [1])
    assert [each["operations"] for each in house.cloud.patients()] == [["AddPatient"]]


def test_documents_that_were_gone_from_the_clinic_and_are_back_are_what_they_were(house: House) -> None:
    house.cloud.fault("lose", operation="AddMedRecord", taken=True)
    house.send()
    with house.engine.begin() as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(clinic_signed))]
        some = [row for row in rows if row["document_id"] != "doc-0"]
        connection.execute(delete(clinic_signed).where(clinic_signed.c.document_id != "doc-0"))
    house.send()
    assert house.states("document")["gone"] == 5
    with house.engine.begin() as connection:
        connection.execute(insert(clinic_signed), [row | {"content": b"<Other/>"} for row in some])
    again(house)
    assert (house.states("document"), sent(house)) == ({"unknown": 1, "taken": 5}, [1] * 6)
    with house.store.read() as connection:
        assert set(connection.execute(select(egisz_item.c.missing)).scalars()) == {"[]"}
