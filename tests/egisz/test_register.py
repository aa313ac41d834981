"""The register: what the clinic says against what N3 has, state by state."""

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from identsync.integrations.egisz import register
from identsync.integrations.egisz.register import Held, Wish, planned, vanished
from identsync.integrations.egisz.rules_table import Missing
from identsync.store import Store
from identsync.store.tables import egisz_item

WISH = Wish(key=7, own_id="own", branch=1, doctor=2, patient=3, at_ms=1_000, digest=10)
LACKING = replace(WISH, digest=None, missing=(Missing("case.diagnosis", "own"),))
UNSIGNED = replace(WISH, digest=None, missing=(Missing("document.doctor_sign", "own"),))
CANCELLED = replace(WISH, digest=None)
ROW = Held(
    id=1, key=7, own_id="own", state="taken", wanted=10, sent=10, tried=None, branch=1, doctor=2, patient=3,
    at_ms=1_000, missing="[]", complaints="[]", attempts=0, retry_ms=None, changed_ms=5,
)  # fmt: skip
OTHER = replace(WISH, digest=11)
OPEN = replace(WISH, digest=12, is_open=True)
MOVED = replace(WISH, patient=4)
STEPS = '{"frame":1,"steps":{}}'


@pytest.mark.parametrize(
    ("row", "wish", "state"),
    [
        ({}, WISH, "taken"),
        ({"state": "warned"}, WISH, "warned"),
        ({}, OTHER, "ready"),
        ({}, LACKING, "missing"),
        ({}, UNSIGNED, "signing"),
        ({"state": "missing", "wanted": None}, WISH, "taken"),
        ({"state": "missing", "wanted": None, "complaints": '[{"code":"8"}]'}, WISH, "warned"),
        ({"state": "gone", "wanted": None}, WISH, "taken"),
        ({"state": "rejected", "sent": None}, WISH, "rejected"),
        ({"state": "rejected", "sent": None}, OTHER, "ready"),
        ({"state": "later", "sent": None, "retry_ms": 9}, OTHER, "later"),
        ({"state": "unknown", "sent": None, "tried": 10}, WISH, "unknown"),
        ({"state": "unknown", "sent": None, "tried": 10}, OTHER, "unknown"),
        ({"state": "unknown", "sent": None, "tried": 10}, replace(OTHER, is_once=True), "unknown"),
        ({}, replace(OTHER, is_once=True), "taken"),
        ({}, CANCELLED, "cancelling"),
        ({"state": "unknown", "sent": None, "tried": 10}, CANCELLED, "cancelling"),
        ({"state": "rejected", "wanted": None}, CANCELLED, "rejected"),
        ({"state": "ready", "sent": None}, CANCELLED, "cancelled"),
        ({"state": "cancelled", "wanted": None, "sent": None}, CANCELLED, "cancelled"),
        ({"state": "cancelled", "wanted": None, "sent": None}, WISH, "ready"),
        ({"state": "cancelling", "wanted": None}, WISH, "taken"),
        ({}, OPEN, "taken"),  # opened again: N3 has it closed
        ({"steps": STEPS}, OPEN, "ready"),
        ({"sent": None, "tried": 10, "state": "unknown"}, OPEN, "unknown"),
        ({}, MOVED, "cancelling"),
        ({"sent": None, "tried": 10, "state": "unknown"}, MOVED, "cancelling"),
        ({"sent": None, "state": "rejected"}, MOVED, "rejected"),
        ({"state": "gone", "wanted": None}, replace(OTHER, is_once=True), "taken"),
        ({"state": "gone", "wanted": None, "sent": None, "tried": 10}, replace(OTHER, is_once=True), "unknown"),
    ],
)
def test_what_becomes_of_a_row(row: dict[str, object], wish: Wish, state: str) -> None:
    plan = planned({7: replace(ROW, **row)}, [wish])  # type: ignore[arg-type]
    assert plan.states == {state: 1}


def test_what_was_taken_back_before_it_was_known_leaves_no_row() -> None:
    assert planned({}, [CANCELLED]).added == []
    assert [each["state"] for each in planned({}, [WISH, replace(LACKING, key=8)]).added] == ["ready", "missing"]


def test_nothing_is_written_where_nothing_differs() -> None:
    plan = planned({7: ROW}, [WISH])
    assert (plan.added, plan.changed) == ([], [])


def test_what_a_person_asks_n3_to_cancel_is_not_gone_again() -> None:
    rows = {
        1: replace(ROW, key=1), 2: replace(ROW, key=2, state="cancelling", wanted=None),
        3: replace(ROW, key=3, state="gone", wanted=None), 4: replace(ROW, key=4, at_ms=10), 5: replace(ROW, key=5),
    }  # fmt: skip
    assert [row.key for row in vanished(rows, {5}, since_ms=500)] == [1]


def test_a_decision_made_meanwhile_stands(store: Store) -> None:
    with store.write() as connection:
        plan = planned({}, [WISH])
        register.write(connection, "clinic", "case", plan, 5)
        rows = register.held(connection, "clinic", "case")
        later = planned(rows, [OTHER])
        connection.execute(update(egisz_item).values(state="cancelling", wanted=None, changed_ms=6))
        register.write(connection, "clinic", "case", later, 7)
        assert connection.execute(select(egisz_item.c.state)).scalars().all() == ["cancelling"]
