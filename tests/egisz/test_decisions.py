"""What people decide on the register, as the task carries it out; and how long it is known who decided what."""

from collections.abc import Callable

import pytest
from sqlalchemy import delete, func, select, update

from identsync.clinic.contract_cases import clinic_case
from identsync.engine.integration import PageContext, Status
from identsync.errors import IdentsyncError
from identsync.integrations.egisz import decisions, exchange
from identsync.integrations.egisz.decisions import Changed
from identsync.integrations.egisz.page import PAGES
from identsync.store import Store
from identsync.store.tables import egisz_exchange, task_slot

from . import egisz_house, n3_desk
from .egisz_house import CASES, House
from .sending_desk import NAME

n3_process, cloud, make = n3_desk.n3_process, n3_desk.cloud, egisz_house.make


@pytest.mark.parametrize("taken", [True, False])
def test_a_person_takes_back_a_case_that_vanished_and_may_never_have_arrived(
    make: Callable[..., House], taken: bool
) -> None:
    house = make()
    house.cloud.fault("lose", operation="AddCase", taken=taken)
    house.send()
    [lost] = [key for key, row in house.items().items() if row.state == "unknown"]
    with house.engine.begin() as connection:
        connection.execute(delete(clinic_case).where(clinic_case.c.case_id == lost))
    house.hurry()
    house.send()
    row = house.items()[lost]
    assert (row.state, row.sent, row.taken_ms) == ("gone", None, None)
    with house.store.write() as connection:
        decisions.cancel(connection, row.id, row.changed_ms, "Анна", house.store.now_ms())
    house.send()
    assert house.items()[lost].state == "cancelled"
    assert [each["state"] for each in house.cloud.cases() if each["id"] == row.own_id] == (
        ["cancelled"] if taken else []
    )


def test_what_never_left_and_vanished_asks_nobody(make: Callable[..., House]) -> None:
    house = make()
    house.cloud.fault("refuse", operation="AddCase", code="77")
    house.send()
    [refused] = [key for key, row in house.items().items() if row.state == "rejected"]
    with house.engine.begin() as connection:
        connection.execute(delete(clinic_case).where(clinic_case.c.case_id == refused))
    house.send()
    row = house.items()[refused]
    assert row.state == "cancelled"
    with pytest.raises(Changed), house.store.write() as connection:
        decisions.cancel(connection, row.id, row.changed_ms, "Анна", house.store.now_ms())


def test_requests_are_forgotten_after_90_days_and_decisions_never(make: Callable[..., House]) -> None:
    house = make()
    house.cloud.fault("refuse", operation="AddCase", code="77")
    house.send()
    [row] = [row for row in house.items().values() if row.state == "rejected"]
    now = house.store.now_ms()
    with house.store.write() as connection:
        decisions.resend(connection, row.id, row.changed_ms, "Анна", now)
        assert exchange.forget(connection, now + exchange.KEPT_MS + 1) == 2 * CASES
        kept = connection.execute(select(egisz_exchange)).one()
    assert (kept.item_id, kept.operation, kept.words, kept.at_ms) == (row.id, "resend", "Анна", now)


def test_a_contract_that_a_person_wants_read_anew_is_read_by_the_next_look(make: Callable[..., House]) -> None:
    house = make()
    assert house.look().status is Status.OK
    house.cloud.options(edition="2026")
    assert (house.look().status, house.send().status) == (Status.ASK, Status.ASK)
    kind = f"egisz/{NAME}.books"
    put_off(house.store)
    PAGES[0].actions["reread"](context(house), {"org": NAME})
    assert granted(house.store, kind)
    assert (house.look().status, house.send().status) == (Status.OK, Status.OK)
    assert house.states() == {"taken": CASES}


@pytest.mark.parametrize(("decision", "is_order"), [("resend", True), ("number", False)])
def test_what_a_person_orders_is_due_at_once(make: Callable[..., House], decision: str, is_order: bool) -> None:
    house = make()
    house.cloud.fault("refuse", operation="AddCase", code="77")
    house.send()
    state = "rejected" if decision == "resend" else "taken"
    row = next(row for row in house.items().values() if row.state == state)
    put_off(house.store)
    PAGES[0].actions[decision](context(house), {"id": str(row.id), "seen": str(row.changed_ms), "number": "7"})
    assert granted(house.store, f"egisz/{NAME}") is is_order


def test_a_decision_on_a_row_that_is_no_longer_there_is_refused(make: Callable[..., House]) -> None:
    with pytest.raises(IdentsyncError):
        PAGES[0].actions["resend"](context(make()), {"id": "999", "seen": "1"})


def context(house: House) -> PageContext:
    return PageContext(house.store, house.clinic, {NAME: house.settings}, "Анна", house.store.now_ms())


def put_off(store: Store) -> None:
    with store.write() as connection:
        connection.execute(update(task_slot).values(eligible_ms=2**50))


def granted(store: Store, kind: str) -> bool:
    """Tell whether an engine would run this task now."""
    with store.read() as connection:
        due = select(func.count()).where(task_slot.c.kind == kind, task_slot.c.scope == 0)
        return bool(connection.execute(due.where(task_slot.c.eligible_ms <= store.now_ms())).scalar())
