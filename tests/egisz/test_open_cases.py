"""Cases that stay open: made at N3, grown step by step, closed; nothing twice, and in the end what the clinic has."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select, update

from identsync.clinic.contract_cases import clinic_case, clinic_case_diagnosis, clinic_case_visit
from identsync.engine.integration import Status
from identsync.integrations.egisz import deadline
from identsync.store.tables import egisz_item

from . import egisz_house, n3_desk
from .egisz_house import CASES, House

n3_process, cloud, make = n3_desk.n3_process, n3_desk.cloud, egisz_house.make


@pytest.fixture
def house(make: Callable[..., House]) -> House:
    """Case 1 is open, with two visits or one, and N3 knows of it."""
    house = make(open_cases=True)
    house.open(1)
    assert house.send().status is Status.OK
    return house


def steps(house: House, number: int = 1) -> list[str]:
    return [each["IdStepMis"] for each in house.theirs(number)["content"].get("Steps", [])]


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def test_a_case_is_created_grows_and_is_closed(make: Callable[..., House], database: str) -> None:
    house = make(database=database, open_cases=True)
    house.open(1)
    house.send()
    theirs = house.theirs(1)
    assert (theirs["state"], theirs["operations"], house.states()) == ("open", ["CreateCase"], {"taken": CASES})
    assert not {"CloseDate", "Comment", "IdCaseResult"} & theirs["content"].keys()
    had = steps(house)
    house.visit(1, 901)
    house.visit(1, 902)
    house.send()
    assert (house.theirs(1)["operations"][1:], steps(house)) == (["AddStepToCase"] * 2, [*had, "901", "902"])
    before = house.cloud.books()["counts"]
    house.send()
    assert house.cloud.books()["counts"] == before
    house.visit(1, 903)
    house.close_case(1)
    house.send()
    theirs = house.theirs(1)
    assert theirs["operations"] == ["CreateCase", "AddStepToCase", "AddStepToCase", "CloseCase"]
    assert (theirs["state"], theirs["content"]["Comment"], house.items()[1].steps) == (
        "closed",
        "Лечение завершено",
        None,
    )
    assert steps(house) == [*had, "901", "902", "903"]
    house.change(1, conclusion="Ещё одно слово")
    house.send()
    assert house.theirs(1)["operations"][-1] == "UpdateCase"


def test_without_the_setting_an_open_case_waits_and_goes_whole(make: Callable[..., House]) -> None:
    house = make()
    house.open(1)
    house.send()
    assert 1 not in house.items()
    house.close_case(1)
    house.send()
    assert house.theirs(1)["operations"] == ["AddCase"]


def test_a_visit_that_goes_on_waits_until_it_is_over(house: House) -> None:
    had = steps(house)
    house.visit(1, 901, lasts=None)
    house.send()
    assert (steps(house), house.items()[1].state) == (had, "taken")
    with house.engine.begin() as connection:
        mine = clinic_case_visit.c.visit_id == 901
        connection.execute(
            update(clinic_case_visit).where(mine).values(end_minute=clinic_case_visit.c.start_minute + 9)
        )
    house.send()
    assert steps(house) == [*had, "901"]


def test_what_changes_in_an_open_case_is_an_update_and_so_is_a_visit_taken_out(house: House) -> None:
    house.visit(1, 901)
    house.send()
    house.change(1, number="Карта-77")
    house.send()
    assert house.theirs(1)["content"]["HistoryNumber"] == "Карта-77"
    with house.engine.begin() as connection:
        connection.execute(delete(clinic_case_visit).where(clinic_case_visit.c.visit_id == 901))
    house.send()
    assert house.theirs(1)["operations"] == ["CreateCase", "AddStepToCase", "UpdateCase", "UpdateCase"]
    assert (house.theirs(1)["state"], "901" in steps(house)) == ("open", False)


def test_a_visit_changed_as_the_case_closes_is_right_after_closing(house: House) -> None:
    house.visit(1, 901)
    house.send()
    with house.engine.begin() as connection:
        mine = clinic_case_visit.c.visit_id == 901
        connection.execute(update(clinic_case_visit).where(mine).values(comment="переписано"))
    house.close_case(1)
    house.send()
    assert house.theirs(1)["operations"][-2:] == ["CloseCase", "UpdateCase"]
    [step] = [each for each in house.theirs(1)["content"]["Steps"] if each["IdStepMis"] == "901"]
    assert step["Comment"] == "переписано"


def test_an_open_case_needs_no_result_yet_and_a_closed_one_does(make: Callable[..., House]) -> None:
    house = make(open_cases=True)
    house.open(1)
    with house.engine.begin() as connection:
        for table in (clinic_case_diagnosis, clinic_case_visit):
            connection.execute(delete(table).where(table.c.case_id == 1))
    house.send()
    assert (house.items()[1].state, house.theirs(1)["state"]) == ("taken", "open")
    house.close_case(1, conclusion="")
    house.send()
    assert (house.items()[1].state, house.theirs(1)["state"]) == ("missing", "open")


def test_an_open_case_that_is_cancelled_is_taken_back_and_can_begin_again(house: House) -> None:
    house.change(1, is_cancelled=1)
    house.send()
    assert (house.theirs(1)["state"], house.items()[1].steps) == ("cancelled", None)
    house.change(1, is_cancelled=0)
    house.send()
    assert (house.theirs(1)["state"], house.theirs(1)["operations"][-1]) == ("open", "CreateCase")


def test_a_case_opened_again_waits_until_it_is_closed(house: House) -> None:
    house.close_case(1)
    house.send()
    house.open(1)
    house.visit(1, 901)
    house.send()
    assert (house.theirs(1)["operations"][-1], house.items()[1].state) == ("CloseCase", "taken")
    house.close_case(1, "Теперь всё")
    house.send()
    theirs = house.theirs(1)
    assert (theirs["operations"][-1], theirs["content"]["Comment"]) == ("UpdateCase", "Теперь всё")
    assert "901" in steps(house)


def test_a_case_that_never_went_and_is_opened_again_is_not_late_and_goes_when_it_is_closed(
    make: Callable[..., House],
) -> None:
    house = make()
    house.change(1, number=None)
    house.send()
    assert house.items()[1].state == "missing"
    house.open(1)
    house.send()
    assert (house.items()[1].state, house.items()[1].missing) == ("cancelled", "[]")
    late = house.store.now_ms() + 30 * 86_400_000
    with house.store.read() as connection:
        assert deadline.overdue(connection, {"clinic": house.settings}, {"clinic": "UTC"}, late).count == 0
    house.change(1, number="Т-1")
    house.close_case(1)
    house.send()
    assert house.items()[1].state == "taken"


def test_a_case_whose_lost_whole_never_arrived_is_created_when_it_is_opened_again(make: Callable[..., House]) -> None:
    house = make(open_cases=True)
    house.cloud.fault("lose", operation="AddCase", taken=False)
    house.send()
    [lost] = [key for key, row in house.items().items() if row.state == "unknown"]
    house.open(lost)
    house.hurry()
    house.send()
    assert (house.theirs(lost)["state"], house.items()[lost].state) == ("open", "taken")


def test_open_cases_are_of_the_route_of_cases(house: House) -> None:
    mistaken = msgspec.structs.replace(house.settings, route="document")
    assert [(list(each.mistakes()) != []) for each in (house.settings, mistaken)] == [False, True]


def test_what_is_open_at_n3_is_closed_though_the_setting_is_off_by_then(house: House) -> None:
    house.settle(open_cases=False)
    house.send()
    assert house.theirs(1)["operations"] == ["CreateCase"]
    house.close_case(1)
    house.send()
    assert (house.theirs(1)["operations"], house.theirs(1)["state"]) == (["CreateCase", "CloseCase"], "closed")


@pytest.mark.parametrize("taken", [True, False])
def test_a_lost_create_is_sent_again_under_its_key(make: Callable[..., House], taken: bool) -> None:
    house = make(open_cases=True)
    house.open(1)
    house.cloud.fault("lose", operation="CreateCase", taken=taken)
    house.send()
    assert house.items()[1].state == "unknown"
    house.hurry()
    house.send()
    assert (house.items()[1].state, house.theirs(1)["state"]) == ("taken", "open")
    assert house.theirs(1)["operations"] == (["CreateCase", "UpdateCase"] if taken else ["CreateCase"])


@pytest.mark.parametrize("taken", [True, False])
def test_a_case_closed_in_the_clinic_before_its_lost_create_was_cleared_up(
    make: Callable[..., House], taken: bool
) -> None:
    house = make(open_cases=True)
    house.open(1)
    house.cloud.fault("lose", operation="CreateCase", taken=taken)
    house.send()
    house.close_case(1)
    house.hurry()
    house.send()
    assert (house.items()[1].state, house.theirs(1)["state"]) == ("taken", "closed")
    assert house.theirs(1)["operations"] == (["CreateCase", "CloseCase", "UpdateCase"] if taken else ["AddCase"])


@pytest.mark.parametrize("taken", [True, False])
def test_a_lost_step_is_made_right_by_the_whole_and_stands_once(house: House, taken: bool) -> None:
    house.visit(1, 901)
    house.visit(1, 902)
    house.cloud.fault("lose", operation="AddStepToCase", taken=taken)
    house.send()
    assert house.items()[1].state == "unknown"
    house.hurry()
    house.send()
    assert house.theirs(1)["operations"][-1] == "UpdateCase"
    assert sorted(steps(house))[-2:] == ["901", "902"]
    assert len(set(steps(house))) == len(steps(house))


@pytest.mark.parametrize("taken", [True, False])
def test_a_lost_close_is_sent_again_and_made_right(house: House, taken: bool) -> None:
    house.visit(1, 901)
    house.close_case(1)
    house.cloud.fault("lose", operation="CloseCase", taken=taken)
    house.send()
    assert house.items()[1].state == "unknown"
    house.change(1, conclusion="Исправлено тем временем")
    house.hurry()
    house.send()
    theirs = house.theirs(1)
    assert (theirs["state"], theirs["content"]["Comment"]) == ("closed", "Исправлено тем временем")
    assert (house.items()[1].state, "901" in steps(house)) == ("taken", True)


def test_steps_that_were_taken_before_n3_refused_one_do_not_go_again(house: House) -> None:
    house.visit(1, 901)
    house.visit(1, 902)
    house.cloud.fault("refuse", operation="AddStepToCase", skip=1, code="77")
    house.send()
    assert house.items()[1].state == "rejected"
    house.visit(1, 903)
    house.send()
    assert house.items()[1].state == "taken"
    assert house.theirs(1)["operations"] == ["CreateCase"] + ["AddStepToCase"] * 3


def test_an_open_case_that_n3_has_lost_is_made_again(house: House) -> None:
    house.cloud.clear()
    with house.store.write() as connection:
        connection.execute(update(egisz_item).where(egisz_item.c.what == "patient").values(sent=1))
    house.visit(1, 901)
    house.send()
    assert house.theirs(1)["operations"] == ["CreateCase"]
    assert "901" in steps(house)


def test_an_open_case_is_not_late_and_one_that_n3_has_still_open_is(house: House) -> None:
    def late() -> int:
        zones, later = {"clinic": "UTC"}, house.store.now_ms() + 30 * 86_400_000
        with house.store.read() as connection:
            return deadline.overdue(connection, {"clinic": house.settings}, zones, later).count

    assert late() == 0
    house.close_case(1)
    house.cloud.fault("refuse", operation="CloseCase", code="77")
    house.send()
    assert (house.items()[1].state, late()) == ("rejected", 1)


def test_a_case_opened_long_ago_and_closed_now_is_sent(make: Callable[..., House]) -> None:
    house = make(days=30)
    with house.engine.begin() as connection:
        opened = connection.execute(select(clinic_case.c.opened_minute).where(clinic_case.c.case_id == 1)).scalar_one()
    house.change(1, opened_minute=opened - 200 * 1_440)
    house.send()
    assert house.items()[1].state == "taken"


def test_a_case_that_is_another_patients_after_all_is_taken_back_first(make: Callable[..., House]) -> None:
    house = make()
    house.send()
    other = house.items()[2].patient_id
    house.change(1, patient_id=other)
    house.send()
    assert house.theirs(1)["state"] == "cancelled"
    house.send()
    theirs: dict[str, Any] = {
        each["patient"]: each for each in house.cloud.cases() if each["id"] == house.items()[1].own_id
    }
    assert sorted(each["state"] for each in theirs.values()) == ["cancelled", "closed"]
    assert theirs[house.items("patient")[other].own_id]["state"] == "closed"
