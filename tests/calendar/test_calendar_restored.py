"""Books that were restored from a backup: what was written after it and is wanted no more goes, and nothing else."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from calendar_network import Network, visit
from calendar_world import HOUR, World
from calendar_world import NAME as WORLD_NAME
from servers import foreign
from sqlalchemy import delete, insert, select
from test_calendar_storm import (  # noqa: F401  with the fixtures of both wires
    OnCalDav,
    OnGoogle,
    Outside,
    _in_step,
    _slug,
    network,
    storm_clinic,
    there,
)

from identsync.engine.integration import Status
from identsync.integrations.calendar import books
from identsync.store.tables import calendar_link, mirror_item, mirror_stream

TODAY = time.time_ns() // 86_400_000_000_000
KEPT = (mirror_item, mirror_stream, calendar_link)
HEX = "0123456789abcdef" * 2
LIKE_OURS = "vacation00000000000000000000000v"


def backed_up(connection: Any) -> dict[Any, list[dict[str, Any]]]:
    return {table: [dict(row._mapping) for row in connection.execute(select(table))] for table in KEPT}


def restored(connection: Any, backup: dict[Any, list[dict[str, Any]]]) -> None:
    for table, rows in backup.items():
        connection.execute(delete(table))
        if rows:
            connection.execute(insert(table), rows)


def book(here: Network, *numbers: int) -> None:
    for number in numbers:
        visit(here.sql, 900_000 + number, 1, 1, (TODAY + 1) * 1440 + 1240 + number)


def cancel(here: Network, number: int) -> None:
    here.sql("DELETE FROM clinic_appointment WHERE appointment_id=:id", id=900_000 + number)


async def test_what_was_written_after_the_backup_and_is_cancelled_goes(network: Network, there: Outside):  # noqa: F811
    await network.go()
    with network.store.read() as connection:
        backup = backed_up(connection)
    book(network, 1, 2, 3)
    await network.go()
    with network.store.write() as connection:
        restored(connection, backup)
    cancel(network, 1)
    cancel(network, 2)
    link = network.links()[1]
    if isinstance(there, OnCalDav):
        there.process.person("put", _slug(link), f"{HEX}.ics", body=foreign(HEX).decode())
        there.process.person("put", _slug(link), f"{LIKE_OURS}.ics", body=foreign("hers").decode())
    if isinstance(there, OnGoogle):
        times = {key: {"dateTime": f"2026-11-30T1{hour}:00:00Z"} for key, hour in (("start", 0), ("end", 1))}
        there.process.add(link.address, {"summary": "Отпуск", **times})
    strangers = there.strangers()
    network.forget_patience()
    outcome = await network.go()
    assert outcome.status is Status.OK, outcome
    assert _in_step(network, there), "the third is wanted and stays, once"
    assert (there.strangers(), there.touched()) == (strangers, 0)
    assert network.links()[1].strange == sum(strangers.values())


@pytest.fixture
def world() -> Iterator[World]:
    """Doctor 1 works in two branches, whose home is the first; doctor 3 in the second."""
    world = World()
    for branch in (1, 2):
        world.sql("INSERT INTO clinic_branch VALUES (:id, '', 'Europe/Moscow', NULL, NULL)", id=branch)
    for branch, doctor in (1, 1), (2, 1), (2, 3):
        world.sql("INSERT INTO clinic_staff VALUES (:b, :d, 'N', '')", b=branch, d=doctor)
    for number in range(5):
        visit(world.sql, 10 + number, 1, 1, TODAY * 1440 + 600 + number * 40)
        visit(world.sql, 30 + number, 2, 3, TODAY * 1440 + 600 + number * 40)
    yield world
    world.close()


def ghostly(world: World) -> None:
    """Doctor 1 has an event that the restored books know nothing of, and whose visit is cancelled."""
    world.go(1)
    with world.engine.connect() as connection:
        backup = backed_up(connection)
    visit(world.sql, 77, 1, 1, TODAY * 1440 + 900)
    world.go(1)
    world.sql("DELETE FROM clinic_appointment WHERE appointment_id=77")
    with world.engine.begin() as connection:
        restored(connection, backup)


def test_a_ghost_goes_with_the_etag_it_was_read_with(world: World):
    ghostly(world)
    world.now += HOUR + 1
    world.go(1)
    link = world.links()[1]
    assert world.there(link) == world.wanted(link)
    assert len(world.there(link)) == 5


def test_a_ghost_that_somebody_changes_meanwhile_is_met_again(world: World):
    ghostly(world)
    world.now += HOUR + 1
    world.faults = {2: "edited meanwhile"}
    world.go(1)
    link = world.links()[1]
    assert len(world.there(link)) == 6
    world.now += HOUR + 1
    world.go(1)
    assert world.there(link) == world.wanted(link)


@pytest.mark.parametrize("why", ["somebody else's calendar", "another destination writes there", "nothing is wanted"])
def test_what_may_be_anothers_stays(world: World, why: str):
    ghostly(world)
    link = world.links()[1]
    with world.engine.begin() as connection:
        if why.startswith("somebody"):
            books.set_link(connection, WORLD_NAME, 1, {"own": 0})
        elif why.startswith("another"):
            books.put_link(connection, "other", link, world.now)
    if why.startswith("nothing"):
        world.sql("DELETE FROM clinic_appointment")
    world.now += HOUR + 1
    world.go(1)
    assert len(world.there(link)) == 6


def test_what_another_branch_answers_for_is_no_ghost(world: World):
    """His home moves: what the old branch has written is the old branch's to take back, after the new one's look."""
    world.go(1)
    world.go(2)
    world.sql("DELETE FROM clinic_staff WHERE branch_id=1 AND doctor_id=1")
    before = len(world.requests)
    world.go(2)
    assert "remove" not in {verb for _at, verb, _name in world.requests[before:]}
    world.go(1)
    world.now += HOUR + 1
    world.go(2)
    link = world.links()[1]
    assert world.there(link) == world.wanted(link)
