"""Who leads, who is alive, who takes over next: the same answers as the engine's own."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, update

from identsync.console.branches import Names
from identsync.console.crew import Crew, Standing, crew_of, crews
from identsync.engine.integration import Role
from identsync.engine.seat import patience, rank_of
from identsync.store import Present, SeatReply, Store, clients, slots
from identsync.store.slots import SeatView
from identsync.store.tables import client, presence, run_log, task_slot

NOW, LEASE, CAP = 1_700_000_000_000, 30_000, 960_000
A, B, C, D = "aaaa", "bbbb", "cccc", "dddd"


def seat(*present: Present, holder: str | None = A, renewed_ms: int = NOW - 5_000, lease: int = LEASE) -> SeatView:
    return SeatView(3, 5, holder, NOW - 3_600_000, renewed_ms + lease, present, renewed_ms)


def seen(who: str, role: Role, ago_ms: int = 5_000) -> Present:
    return Present(who, role, NOW - ago_ms)


def crew(*present: Present, **more: Any) -> Crew:
    return crew_of(seat(*present, **more), NOW)


def test_the_next_is_an_administrator_before_a_director_then_by_id_and_each_has_a_bound() -> None:
    found = crew(
        seen(A, Role.ADMINISTRATOR), seen(B, Role.DIRECTOR), seen(D, Role.ADMINISTRATOR), seen(C, Role.ADMINISTRATOR)
    )
    assert found.standing is Standing.LED
    assert [(one.client, one.rank, one.within_ms) for one in found.members] == [
        (A, 0, 0),
        (C, 1, 33_750),  # a look every lease, an eighth late
        (D, 2, 67_500),
        (B, 3, 217_500),  # an administrator's presence lasts six leases
    ]


def test_a_director_alone_stands_in_and_takes_over_without_waiting_for_anybody() -> None:
    found = crew(seen(A, Role.DIRECTOR), seen(B, Role.DIRECTOR), seen(C, Role.ADMINISTRATOR, 400_000))
    assert found.standing is Standing.STAND_IN
    assert [(one.client, one.rank) for one in found.members] == [(A, 0), (B, 1), (C, None)]
    assert found.heirs[0].within_ms == 33_750


def test_a_holder_that_fell_silent_leaves_a_vacant_seat_with_an_instant_by_which_it_is_taken() -> None:
    found = crew(seen(A, Role.ADMINISTRATOR, 40_000), seen(B, Role.ADMINISTRATOR), holder=None, renewed_ms=NOW - 31_000)
    assert (found.standing, found.holder, found.by_ms) == (Standing.VACANT, None, NOW - 31_000 + 33_750)


@pytest.mark.parametrize("present", [(), (seen(A, Role.ADMINISTRATOR, 600_000),)])
def test_nobody_alive_is_said_so(present: tuple[Present, ...]) -> None:
    found = crew(*present, holder=None, renewed_ms=NOW - 600_000)
    assert (found.standing, found.alive, len(found.silent)) == (Standing.EMPTY, 0, len(present))


PRESENT = st.builds(Present, st.text("abcdef", min_size=1, max_size=2), st.integers(0, 1), st.integers(0, 1_500_000))


@given(st.lists(PRESENT, unique_by=lambda one: one.client, max_size=12), st.integers(0, 12))
def test_the_line_is_the_engines_line(listed: list[Present], pick: int) -> None:
    present = tuple(Present(one.client, one.role, NOW - one.seen_ms) for one in listed)
    holder = present[pick].client if pick < len(present) else None
    reply = SeatReply(False, 5, NOW + 25_000, NOW, present, (), holder)
    found = crew_of(seat(*present, holder=holder), NOW)
    cap = patience(LEASE, len(present), CAP)
    ranks = {one.client: rank_of(reply, one.client, one.role, LEASE, cap) for one in found.members}
    assert [ranks[one.client] for one in found.heirs] == [one.rank for one in found.heirs]
    assert [one.rank for one in found.heirs] == list(range(1, len(found.heirs) + 1))


def row(store: Store, holder: str | None, since_ms: int, now: int) -> None:
    base = {"kind": "seat", "scope": 3, "fence": 5, "eligible_ms": now + 25_000, "stamp_ms": now - 5_000}
    with store.write() as connection:
        connection.execute(insert(task_slot), [base | {"holder": holder, "started_ms": since_ms}])


def ran(store: Store, who: str, role: Role, fence: int, started_ms: int, scope: int = 3) -> None:
    values = {"kind": "room/site", "scope": scope, "fence": fence, "holder": who, "role": int(role)}
    times = {"due_ms": started_ms, "started_ms": started_ms, "outcome": "ok"}
    with store.write() as connection:
        connection.execute(insert(run_log), [values | times])


def test_a_fresh_change_of_hands_names_who_led_before_and_a_stand_in_since_when_it_is_one(store: Store) -> None:
    now = store.now_ms()
    row(store, B, now - 120_000, now)
    ran(store, B, Role.DIRECTOR, 9, now - 100_000)
    ran(store, A, Role.ADMINISTRATOR, 8, now - 200_000)
    ran(store, C, Role.ADMINISTRATOR, 7, now - 260_000)
    ran(store, D, Role.ADMINISTRATOR, 7, now - 150_000, scope=4)
    with store.write() as connection:
        people = [(A, 0, now - 190_000), (B, 1, now - 4_000)]
        connection.execute(
            insert(presence),
            [{"scope": 3, "client": who, "role": role, "seen_ms": seen_ms} for who, role, seen_ms in people],
        )
    with store.read() as connection:
        found = crews(connection, now)[3]
    assert found.standing is Standing.STAND_IN
    assert found.former == Present(A, 0, now - 200_000)
    assert found.administrator_ms == now - 190_000
    with store.write() as connection:
        connection.execute(update(task_slot).values(started_ms=now - 3_600_000))
    with store.read() as connection:
        assert crews(connection, now)[3].former is None  # old news


def test_clients_of_one_computer_are_told_apart() -> None:
    called = Names({A: "РЕГ-1", B: "РЕГ-1", C: "КАБ-2"}, [A, B, C, D])
    assert [called(who) for who in (A, B, C, D + "1234")] == ["РЕГ-1 aaaa", "РЕГ-1 bbbb", "КАБ-2", "dddd12"]


def test_clients_are_known_by_their_computer_until_they_are_long_gone(store: Store) -> None:
    with store.write() as connection:
        clients.introduce(connection, A)
        clients.introduce(connection, B, "Регистратура-2" + "!" * 90)
        connection.execute(insert(presence), [{"scope": 3, "client": B, "role": 0, "seen_ms": store.now_ms()}])
    with store.read() as connection:
        found = clients.computers(connection, [A, B, C])
    assert set(found) == {A, B}
    assert found[B].startswith("Регистратура-2!")
    assert len(found[B]) == clients.NAME
    with store.write() as connection:
        connection.execute(update(client).values(started_ms=client.c.started_ms - 100 * 86_400_000))
        slots.trim_clients(connection, 90)
        assert set(clients.computers(connection, [A, B])) == {B}
