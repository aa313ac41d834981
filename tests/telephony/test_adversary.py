"""What a hostile or broken PBX, network, clock or desk would do to the room; each case was found by trying it."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, select

from identsync.demo.pbx.peer import KEY, USER
from identsync.demo.pbx.process import PbxProcess
from identsync.engine.integration import PageContext
from identsync.errors import AskPerson
from identsync.integrations.telephony import call, dialing, page_corner
from identsync.integrations.telephony.dialing import Seat
from identsync.integrations.telephony.settings import Line
from identsync.integrations.telephony.wire import ami_calls
from identsync.store import Store, open_store
from identsync.store.tables import outbox, phone_seat

from . import desk_network
from .calls import LINE, MINUTE, NOW, answered, entries, missed, over, ringing, rows, talking, tell
from .desk_network import Network

clinic_file, network = desk_network.clinic_file, desk_network.network
HOUR = 60 * MINUTE


@pytest.fixture
def pbx() -> Iterator[PbxProcess]:
    """A PBX with one phone."""
    with PbxProcess() as started:
        started.phones(**{"101": {}})
        yield started


# -- links -----------------------------------------------------------------------------------------------------------


def test_a_pbx_that_begins_its_numbers_anew_loses_no_call(store: Store) -> None:
    """Its clock stood still over a restart, so that Asterisk gives a new call the Uniqueid of an old one."""
    first, second = answered("1.0", at=NOW), ringing("1.0", "89160000002", NOW + HOUR)
    with store.write() as connection:
        for told in (first, second, over(second)):
            tell(connection, told, now=NOW + 2 * HOUR)
        found = [(row.e164, row.state, row.start_ms) for row in rows(connection)]
        assert found == [("+79160000001", "answered", NOW), ("+79160000002", "missed", NOW + HOUR)]
        assert [entry.e164 for entry in entries(connection)] == ["+79160000002"]
        tell(connection, first, over(second), now=NOW + 3 * HOUR)  # told again, since that was not certain
        assert [(row.e164, row.state, row.start_ms) for row in rows(connection)] == found


def test_both_calls_of_one_link_may_come_at_once_and_in_any_order(store: Store) -> None:
    first, second = answered("1.0", at=NOW), missed("1.0", "89160000002", NOW + HOUR)
    with store.write() as connection:
        tell(connection, second, first, now=NOW + 2 * HOUR)
        assert [row.e164 for row in rows(connection)] == ["+79160000001", "+79160000002"]


def test_a_call_that_is_told_again_with_another_beginning_stays_one(store: Store) -> None:
    told = talking(ringing("1.0"))
    with store.write() as connection:
        tell(connection, told)
        tell(connection, replace(over(told, HOUR), start_ms=NOW + 3_000))  # seen again in a list of channels
        assert len(rows(connection)) == 1


@pytest.mark.parametrize("token", ["x" * 400, "не наш", "c2c-1", "A" * 32])
def test_a_channel_named_like_ours_by_somebody_else_deafens_nothing(store: Store, token: str) -> None:
    with store.write() as connection:
        tell(connection, answered(token=token))
        (row,) = rows(connection)
    assert row.state == "answered"
    assert row.token is None


# -- clocks ----------------------------------------------------------------------------------------------------------


async def test_a_computer_whose_clock_is_wrong_shows_the_card_all_the_same(
    network: Network, pbx: PbxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asterisk tells no moments: a call that began an hour ago by the desk's clock would ring on no console."""
    wrong = SimpleNamespace(time_ns=lambda: time.time_ns() - HOUR * 1_000_000)
    monkeypatch.setattr(call, "time", wrong)
    monkeypatch.setenv("IDENTSYNC_TEST_PBX", KEY)
    password = "env:IDENTSYNC_TEST_PBX"
    network.settings = {
        "pbx": Line(kind="asterisk", host="127.0.0.1", port=pbx.ami, user=USER, password=password, area="495")
    }
    async with network.client():
        await network.until(lambda: network.line() is not None and network.line().listening_ms)
        began = network.store.now_ms()
        pbx.call("79160000001", ["101"])
        await network.until(network.calls)
        context = PageContext(network.store, network.clinic, network.settings, "Анна", network.store.now_ms())
        assert [card["e164"] for card in page_corner.view(context, {})["cards"]] == ["+79160000001"]
    assert abs(network.calls()[0].start_ms - began) < HOUR // 2


def test_a_channel_that_has_lasted_for_ages_began_a_week_ago() -> None:
    assert ami_calls._milliseconds("999999:00:00") == 7 * 24 * HOUR


# -- two desks -------------------------------------------------------------------------------------------------------


def test_two_consoles_of_one_phone_ring_it_once(store: Store, another: Callable[[], Store]) -> None:
    """A director's and an administrator's console on one computer, clicked at the same moment."""
    seat = Seat("pbx", "101")
    with store.write() as connection:
        place = {"computer": "REG-1", "user": "", "line": seat.line, "extension": seat.extension, "changed_ms": NOW}
        connection.execute(insert(phone_seat).values(place))
    start, ends = threading.Barrier(2), []

    def click(mine: Store, nonce: str) -> None:
        start.wait()
        try:
            with mine.write() as connection:
                dialing.order(connection, {"pbx": LINE}, seat, "89160000002", nonce, "REG-1", mine.now_ms())
                time.sleep(0.05)  # the other one looks meanwhile
        except AskPerson:
            ends.append("busy")
        else:
            ends.append("ordered")

    desks = [threading.Thread(target=click, args=(mine, nonce)) for mine, nonce in ((store, "a"), (another(), "b"))]
    for desk in desks:
        desk.start()
    for desk in desks:
        desk.join()
    assert sorted(ends) == ["busy", "ordered"]
    with store.read() as connection:
        assert len(connection.execute(select(outbox.c.id)).all()) == 1


@pytest.fixture
def another(store: Store) -> Any:
    """Another program's store on the same database."""
    made = []

    def make() -> Store:
        made.append(open_store(store.engine.url.render_as_string(hide_password=False)))
        return made[-1]

    yield make
    for each in made:
        each.close()
