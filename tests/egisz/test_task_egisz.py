"""Cases of a generated clinic on their way to N3, as an engine runs it, against the strict stand-in."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from identsync.clinic.contract import clinic_patient
from identsync.clinic.contract_cases import (
    clinic_case,
    clinic_case_diagnosis,
    clinic_case_service,
    clinic_case_visit,
    clinic_signed,
)
from identsync.demo.n3_terms.process import TermsProcess
from identsync.engine.integration import Status
from identsync.errors import Unavailable
from identsync.flows import writing
from identsync.integrations.egisz import decisions
from identsync.integrations.egisz.shelf import Items
from identsync.store.tables import egisz_contract, egisz_exchange, egisz_item

from . import egisz_house, n3_desk
from .egisz_house import CASES, House

n3_process, cloud, make = n3_desk.n3_process, n3_desk.cloud, egisz_house.make


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_patients_go_first_then_cases_and_nothing_goes_twice(make: Callable[..., House], database: str) -> None:
    house = make(database=database)
    outcome = house.send()
    assert (outcome.status, outcome.counts["confirmed"]) == (Status.OK, CASES), outcome
    assert house.states() == {"taken": CASES}
    assert all(each["operations"] == ["AddCase"] for each in house.cloud.cases())
    before = house.cloud.books()["counts"]
    house.send()
    assert house.cloud.books()["counts"] == before
    with house.store.read() as connection:
        exchanges = connection.execute(select(egisz_exchange)).all()
    assert Counter(row.operation for row in exchanges) == {"AddPatient": CASES, "AddCase": CASES}
    assert not any(n3_desk.TOKEN in row.request for row in exchanges)


def test_what_lacks_something_stays_at_home_with_its_lines(make: Callable[..., House]) -> None:
    house = make(faulty=0.5)
    house.send()
    lacking = {key: json.loads(row.missing) for key, row in house.items().items() if row.state == "missing"}
    assert len(lacking) > 3
    assert all(lines and all(line["rule"] for line in lines) for lines in lacking.values())
    assert len(house.cloud.cases()) == CASES - len(lacking)


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_a_change_is_an_update_and_a_cancelled_case_is_cancelled(make: Callable[..., House], database: str) -> None:
    house = make(database=database)
    house.send()
    house.change(1, conclusion="Повторный осмотр через год")
    house.change(2, is_cancelled=1)
    house.send()
    assert house.theirs(1)["operations"] == ["AddCase", "UpdateCase"]
    assert (house.theirs(2)["state"], house.items()[2].state) == ("cancelled", "cancelled")
    house.change(2, is_cancelled=0)
    house.send()
    assert (house.theirs(2)["state"], house.items()[2].state) == ("closed", "taken")


def test_a_case_that_vanished_is_shown_and_left_alone(make: Callable[..., House]) -> None:
    house = make()
    house.send()
    with house.engine.begin() as connection:
        connection.execute(delete(clinic_case).where(clinic_case.c.case_id == 5))
    house.send()
    assert (house.items()[5].state, house.theirs(5)["state"]) == ("gone", "closed")


def test_a_case_that_is_another_organisations_after_all_waits_for_a_person(make: Callable[..., House]) -> None:
    """It would stand at N3 twice, of two legal entities, and nobody would know."""
    house = make(branches=(1,))
    house.send()
    number = next(iter(house.items()))
    house.change(number, branch_id=2)
    house.send()
    assert (house.items()[number].state, house.theirs(number)["state"]) == ("gone", "closed")
    house.change(number, branch_id=1)
    house.send()
    assert house.items()[number].state == "taken"


def test_a_sudden_emptiness_asks_a_person_and_changes_nothing(make: Callable[..., House]) -> None:
    house = make()
    house.send()
    with house.engine.begin() as connection:
        connection.execute(update(clinic_case).values(is_cancelled=1))
    assert house.send().status is Status.ASK
    assert all(each["state"] == "closed" for each in house.cloud.cases())


@pytest.mark.parametrize("kind", ["lose", "cut", "html", "half", "bomb", "extra", "fail"])
def test_a_lost_answer_is_sent_again_by_the_same_key_and_made_right(make: Callable[..., House], kind: str) -> None:
    house = make()
    house.cloud.fault(kind, operation="AddCase", times=2, taken=True)
    house.send()
    assert house.states() == {"unknown": 2, "taken": CASES - 2}
    [lost, _other] = [key for key, row in house.items().items() if row.state == "unknown"]
    house.change(lost, conclusion="Исправлено тем временем")
    house.hurry()
    house.send()
    assert house.states() == {"taken": CASES}
    assert house.theirs(lost)["operations"] == ["AddCase", "UpdateCase"]
    assert len(house.cloud.cases()) == CASES


def test_a_warning_is_taken_and_never_sent_again(make: Callable[..., House]) -> None:
    house = make()
    house.cloud.fault("warn", operation="AddCase", times=1)
    house.send()
    assert house.states() == {"warned": 1, "taken": CASES - 1}
    [warned] = [row for row in house.items().values() if row.state == "warned"]
    assert json.loads(warned.complaints)
    house.send()
    assert house.states() == {"warned": 1, "taken": CASES - 1}
    assert all(each["operations"] == ["AddCase"] for each in house.cloud.cases())


def test_a_deadlock_loses_nothing_that_n3_has_said(make: Callable[..., House], monkeypatch: pytest.MonkeyPatch) -> None:
    """The transaction that writes it down is undone, once at every step."""
    house = make()
    save, undone = Items.save, []

    def undone_once(items: Items, connection: Any, book: Any, rows: Sequence[Any], *rest: Any) -> Any:
        saved = save(items, connection, book, rows, *rest)
        if rows not in undone:
            undone.append(rows)
            raise Unavailable("the database did not answer (again, 40001)")
        return saved

    monkeypatch.setattr(Items, "save", undone_once)
    monkeypatch.setattr(writing, "PAUSES_S", (0.0,))
    house.cloud.fault("warn", operation="AddCase", times=1)
    house.cloud.fault("refuse", operation="AddCase", times=1, code="77")
    assert house.send().status is Status.PARTIAL
    assert house.states() == {"taken": CASES - 2, "warned": 1, "rejected": 1}
    told = [json.loads(row.complaints) for row in house.items().values() if row.state in ("warned", "rejected")]
    assert all(told)
    with house.store.read() as connection:
        asked = connection.execute(select(egisz_exchange.c.operation)).scalars()
        assert Counter(asked) == {"AddPatient": CASES, "AddCase": CASES}
    house.send()
    assert all(each["operations"] == ["AddCase"] for each in house.cloud.cases())


def test_a_cancelled_case_that_may_never_have_arrived(make: Callable[..., House]) -> None:
    house = make()
    house.cloud.fault("lose", operation="AddCase", times=1, taken=False)
    house.cloud.fault("lose", operation="AddCase", times=1, taken=True)
    house.send()
    lost = [key for key, row in house.items().items() if row.state == "unknown"]
    assert len(lost) == 2
    for key in lost:
        house.change(key, is_cancelled=1)
    house.hurry()
    house.send()
    assert [house.items()[key].state for key in lost] == ["cancelled", "cancelled"]
    assert Counter(each["state"] for each in house.cloud.cases()) == {"closed": CASES - 2, "cancelled": 1}


def test_a_patient_who_changed_after_sending_is_updated_without_the_case(make: Callable[..., House]) -> None:
    house = make()
    house.send()
    patient = house.items()[1].patient_id
    with house.engine.begin() as connection:
        card = clinic_patient.c.patient_id == patient
        connection.execute(update(clinic_patient).where(card).values(surname="Орлова"))
    house.send()
    [theirs] = [each for each in house.cloud.patients() if each["content"]["FamilyName"] == "Орлова"]
    assert theirs["operations"] == ["AddPatient", "UpdatePatient"]
    assert house.theirs(1)["operations"] == ["AddCase"]


def test_a_case_that_n3_has_lost_is_added_again(make: Callable[..., House]) -> None:
    house = make()
    house.send()
    house.cloud.clear()
    with house.store.write() as connection:
        connection.execute(update(egisz_item).where(egisz_item.c.what == "patient").values(sent=1))
    house.change(1, conclusion="Другое")
    house.send()
    assert (house.theirs(1)["operations"], house.items()[1].state) == (["AddCase"], "taken")


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_what_waits_for_longer_than_the_clinic_is_asked_for_goes_when_it_is_mended(
    make: Callable[..., House], database: str
) -> None:
    """N3 is down, or a card lacks something, for longer than ``days``; a person sends again what is old."""
    house = make(database=database)
    house.change(1, number=None)
    house.change(2, number=None)
    house.cloud.fault("refuse", operation="AddCase", code="77")
    house.send()
    [refused] = [row for row in house.items().values() if row.state == "rejected"]
    earlier(house, [1, 2, refused.key], 40 * 1_440)
    house.settle(days=30)
    house.change(1, number="Т-1")
    with house.engine.begin() as connection:
        connection.execute(delete(clinic_case).where(clinic_case.c.case_id == 2))
    with house.store.write() as connection:
        decisions.resend(connection, refused.id, refused.changed_ms, "Анна", house.store.now_ms())
    outcome = house.send()
    assert house.states() == {"taken": CASES - 1, "cancelled": 1}, outcome
    assert all(each["operations"] == ["AddCase"] for each in house.cloud.cases())


def earlier(house: House, numbers: Sequence[int], minutes: int) -> None:
    """Let what the clinic has written down of these cases be of so much earlier, and the register with it."""
    with house.engine.begin() as connection:
        for table in (clinic_case, clinic_case_visit, clinic_case_service, clinic_case_diagnosis):
            of_time = [column for column in table.c if column.name.endswith("_minute")]
            theirs = update(table).where(table.c.case_id.in_(numbers))
            connection.execute(theirs.values({column: column - minutes for column in of_time}))
    with house.store.write() as connection:
        cases = update(egisz_item).where(egisz_item.c.what == "case", egisz_item.c.key.in_(numbers))
        connection.execute(cases.values(at_ms=egisz_item.c.at_ms - minutes * 60_000))


def test_a_patient_that_n3_has_lost_is_told_of_again(make: Callable[..., House]) -> None:
    """A stand is set back: its patients are gone, and every further case of theirs was refused for good."""
    house = make()
    house.send()
    house.cloud.clear()
    house.change(1, conclusion="Другое")
    house.send()
    assert house.states() == {"taken": CASES}
    assert [each["operations"] for each in house.cloud.patients()] == [["AddPatient"]]


def test_what_is_again_as_n3_has_it_tells_nothing_of_the_refusal(make: Callable[..., House]) -> None:
    house = make()
    house.send()
    with house.engine.connect() as connection:
        before = connection.execute(select(clinic_case.c.conclusion).where(clinic_case.c.case_id == 1)).scalar()
    house.cloud.fault("refuse", operation="UpdateCase", code="77")
    house.change(1, conclusion="Другое")
    house.send()
    assert house.items()[1].state == "rejected"
    house.change(1, conclusion=before)
    house.send()
    assert (house.items()[1].state, house.items()[1].complaints) == ("taken", "[]")


def test_what_n3_refuses_waits_for_other_data(make: Callable[..., House]) -> None:
    house = make()
    house.cloud.fault("refuse", operation="AddCase", times=1, code="77")
    house.send()
    [refused] = [key for key, row in house.items().items() if row.state == "rejected"]
    assert json.loads(house.items()[refused].complaints)[0]["code"] == "77"
    house.send()
    assert house.items()[refused].state == "rejected"
    house.change(refused, conclusion="Исправлено")
    house.send()
    assert house.states() == {"taken": CASES}


def test_a_wrong_token_stops_the_run_and_spoils_no_case(
    make: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make()
    monkeypatch.setenv("TEST_N3", "11112222-0000-0000-0000-000000000000")
    assert house.send().status is Status.ASK
    assert "rejected" not in house.states("patient")
    monkeypatch.setenv("TEST_N3", n3_desk.TOKEN)
    house.hurry()
    house.send()
    assert house.states() == {"taken": CASES}


@pytest.mark.parametrize(("operation", "what"), [("AddPatient", "patient"), ("AddCase", "case")])
def test_a_service_that_is_not_there_for_an_hour_spoils_no_case(
    make: Callable[..., House], operation: str, what: str
) -> None:
    house = make()
    house.cloud.fault("fail", operation=operation, status=404, times=None)
    assert house.send().status is Status.ASK
    assert "rejected" not in house.states(what)
    house.cloud.behave()
    house.hurry()
    house.send()
    assert house.states() == {"taken": CASES}


def test_a_document_goes_once_and_a_lost_answer_waits_for_a_person(make: Callable[..., House]) -> None:
    house = make(route="document")
    created = house.store.now_ms() // 60_000 - 3_000
    sign = b"\x30\x82\x01\x0a" + b"\x01" * 40
    with house.engine.begin() as connection:
        usual = {"branch_id": 1, "doctor_id": connection.execute(select(clinic_case.c.doctor_id)).scalars().first(),
                 "patient_id": connection.execute(select(clinic_case.c.patient_id)).scalars().first(),
                 "kind": 198, "header": "Протокол", "created_minute": created, "content": b"<Clinical/>"}  # fmt: skip
        for number, signs in enumerate(((sign, sign + b"2"), (sign, sign + b"2"), (None, None))):
            both = {"doctor_sign": signs[0], "clinic_sign": signs[1]}
            connection.execute(insert(clinic_signed).values(document_id=f"doc-{number}", **usual, **both))
    house.cloud.fault("lose", operation="AddMedRecord", times=1)
    for _each in range(3):
        house.send()
        house.hurry()
    assert house.states("document") == {"unknown": 1, "taken": 1, "signing": 1}
    assert all(each["operations"] == ["AddMedRecord"] for each in house.cloud.documents())


def test_another_contract_stops_sending_until_it_is_read_anew(make: Callable[..., House]) -> None:
    house = make()
    house.look()
    house.cloud.options(edition="2026")
    assert house.look().status is Status.ASK
    assert house.send().status is Status.ASK
    assert not house.cloud.cases()
    with house.store.write() as connection:
        connection.execute(delete(egisz_contract))
    assert house.send().status is Status.OK


def test_books_are_fetched_once_and_judge_the_codes(make: Callable[..., House]) -> None:
    with TermsProcess() as service:
        house = make(terms=service.url)
        assert house.look().status in (Status.OK, Status.PARTIAL)
        with house.engine.begin() as connection:
            connection.execute(
                update(clinic_case_diagnosis).where(clinic_case_diagnosis.c.case_id == 1).values(code="A00.0")
            )
        house.send()
        assert [each["rule"] for each in json.loads(house.items()[1].missing)] == ["diagnosis.unknown"]


@pytest.mark.parametrize(("kind", "was"), [("lose", "unknown"), ("refuse", "rejected")])
def test_a_card_that_no_case_needs_waits_for_nothing_until_one_does(
    kind: str, was: str, make: Callable[..., House]
) -> None:
    house = make()
    house.cloud.fault(
        kind, operation="AddPatient", taken=kind == "lose", **({"code": "77"} if kind == "refuse" else {})
    )
    house.send()
    [patient] = [key for key, row in house.items("patient").items() if row.state == was]
    mine = [key for key, row in house.items().items() if row.patient_id == patient]
    other = next(row.patient_id for row in house.items().values() if row.patient_id != patient)
    for case in mine:
        house.change(case, patient_id=other)
    for _run in range(2):
        house.hurry()
        house.send()
    assert house.items("patient")[patient].state == "cancelled"
    assert {house.items()[case].state for case in mine} == {"taken"}
    house.change(mine[0], patient_id=patient)
    for _run in range(3):
        house.hurry()
        house.send()
    assert house.items("patient")[patient].state == "taken"
    assert len([each for each in house.cloud.patients() if each["id"] == house.items("patient")[patient].own_id]) == 1
