"""The overview of a program that newer ones have left behind says so, and what to do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from seed import now_ms, seed, tasks, town
from sqlalchemy import update

from identsync.console.overview import Overview
from identsync.console.states import NOBODY_TROUBLE, OUTGROWN_TROUBLE
from identsync.console.troubles import BY_ERROR
from identsync.engine.integration import PageContext
from identsync.errors import NoSecret
from identsync.store import Store, open_store
from identsync.store.clients import introduce
from identsync.store.tables import client, run_log, task_slot


@pytest.fixture
def place(clone: Callable[[str], str]) -> Any:
    store = open_store(clone("sqlite"))
    seed(store, town(3), failing=0)
    yield store
    store.close()


def drawn(place: Store, proto: int = 1) -> dict[str, Any]:
    known = [replace(task, proto=proto) for task in tasks()]
    page = Overview(known, lambda *_: None).page()
    return page.view(PageContext(place, town(3), None, "Ира", now_ms()), {})


def test_a_program_that_knows_all_there_is_is_not_told_to_be_updated(place: Store) -> None:
    assert not drawn(place)["outgrown"]


def test_a_task_that_newer_programs_have_taken_over_asks_for_an_update_not_for_another_administrator(
    place: Store,
) -> None:
    with place.write() as connection:
        overdue = task_slot.c.eligible_ms - 3_600_000
        connection.execute(update(task_slot).values(min_proto=2, eligible_ms=overdue, holder=None, paused=0))
    shown, known = drawn(place), drawn(place, proto=2)
    assert (shown["outgrown"], known["outgrown"]) == (True, False)
    assert {row.trouble for group in shown["groups"] for row in group.rows} >= {OUTGROWN_TROUBLE}
    assert OUTGROWN_TROUBLE not in {row.trouble for group in known["groups"] for row in group.rows}
    assert NOBODY_TROUBLE in {row.trouble for group in known["groups"] for row in group.rows}


def test_a_task_that_no_computer_can_do_tells_what_is_missing_not_that_nobody_is_there(place: Store) -> None:
    note = "NoSecret: РЕГИСТРАТУРА: secret:key: такой секрет не записан"
    with place.write() as connection:
        overdue = task_slot.c.eligible_ms - 3_600_000
        connection.execute(update(task_slot).values(eligible_ms=overdue, holder=None, paused=0))
        connection.execute(update(run_log).values(outcome="ask", note=note))
    rows = [row for group in drawn(place)["groups"] for row in group.rows]
    lacking = [row for row in rows if row.trouble == BY_ERROR[NoSecret]]
    assert lacking
    assert {row.detail for row in lacking} == {"РЕГИСТРАТУРА: secret:key: такой секрет не записан"}


def test_a_newer_program_in_the_network_is_enough(place: Store) -> None:
    with place.write() as connection:
        introduce(connection, "new")
        connection.execute(update(client).where(client.c.client == "new").values(revision="9999"))
    assert drawn(place)["outgrown"]
