"""A line attended by real engines: calls come in, clicks go out, history fills what nobody heard."""

import asyncio
from collections.abc import Iterator

import pytest

from identsync.demo.cloudpbx.process import CloudProcess
from identsync.demo.pbx.peer import KEY
from identsync.demo.pbx.process import PbxProcess
from identsync.engine.integration import Role, Status
from identsync.errors import AskPerson
from identsync.integrations.telephony import dialing

from . import attending_client, clouds_desk, desk_network
from .calls import entries
from .clouds_desk import line
from .desk_network import Network, patient_with_phone

cloud_process, clouds = clouds_desk.cloud_process, clouds_desk.clouds


@pytest.fixture
def pbx(monkeypatch: pytest.MonkeyPatch) -> Iterator[PbxProcess]:
    monkeypatch.setenv("TEST_AMI", KEY)
    with PbxProcess() as process:
        yield process


clinic_file, network = desk_network.clinic_file, desk_network.network


async def test_a_call_comes_in_is_taken_and_ends(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "uis", lease=5_000)}
    patient = patient_with_phone(network)
    async with network.client():
        number = clouds.begin("uis", phone="7" + str(patient["phone_key"]))
        await network.until(lambda: [row.state for row in network.calls()] == ["ringing"])
        clouds.answer(number)
        await network.until(lambda: [row.state for row in network.calls()] == ["talking"])
        clouds.end(number)
        await network.until(lambda: [row.state for row in network.calls()] == ["answered"])
        assert network.line().listening_ms is not None
    (row,) = network.calls()
    assert (row.patient_id, row.patients) == (patient["id"], 1)


async def test_the_next_client_goes_on_where_the_first_ended(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "uis", lease=5_000)}
    async with network.client():
        clouds.begin("uis")
        await network.until(network.calls)
    clouds.begin("uis", phone="79160000009")
    async with network.client():
        await network.until(lambda: len(network.calls()) == 2)
    assert [row.state for row in network.calls()] == ["ringing", "ringing"]


async def test_a_doctors_client_never_attends_a_line(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "uis")}
    async with network.client(Role.DOCTOR) as engine:
        assert engine.tasks == ()
    assert clouds.asked("list.calls") == 0


async def test_a_click_rings_the_phone_and_its_call_tells_how_it_ended(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "uis", lease=5_000)}
    async with network.client():
        network.click("one")
        network.click("one")  # a double click
        await network.until(clouds.dialled)
        await network.until(lambda: network.orders()[0].state == "accepted")
        (row,) = await network.until(network.calls)
        assert row.token == network.orders()[0].token
        with pytest.raises(AskPerson):
            network.click("two")  # the phone is calling
        number = clouds.dialled()[0]["call"]
        clouds.answer(number)
        await network.until(lambda: network.calls()[0].state == "talking")
        clouds.end(number)
        await network.until(lambda: network.orders()[0].state == "delivered")
        network.click("three", to="+79160000003")
        await network.until(lambda: len(clouds.dialled()) == 2)
    assert [each["to"].lstrip("+") for each in clouds.dialled()] == ["79160000002", "79160000003"]


async def test_while_my_phone_rings_the_order_says_so_and_not_that_it_was_taken(
    network: Network, pbx: PbxProcess
) -> None:
    network.settings = {"pbx": attending_client.line(pbx.ami)}
    pbx.phones(**{"101": {}})
    async with network.client():
        await network.until(lambda: network.line() and network.line().listening_ms)
        network.click()
        (row,) = await network.until(network.calls)
        assert (row.state, network.orders()[0].state) == ("ringing", "submitting")
        pbx.answer(pbx.orders()[0]["channel_id"], "101")
        await network.until(lambda: network.orders()[0].state == "accepted")


async def test_a_click_whose_answer_is_lost_is_not_dialled_again_and_its_call_settles_it(
    network: Network, clouds: CloudProcess
) -> None:
    network.settings = {"pbx": line(clouds, "uis", lease=5_000)}
    clouds.fault("lose", path="start.employee_call")
    async with network.client():
        network.click()
        await network.until(lambda: network.orders()[0].state in ("accepted", "unknown"))
        await network.until(lambda: network.orders()[0].state == "accepted")  # the call was seen, with our token
    assert len(clouds.dialled()) == 1


async def test_a_click_that_waits_for_a_phone_holds_up_no_other(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "uis", lease=5_000, timeout=20_000)}
    clouds.fault("hang", path="start.employee_call")
    async with network.client():
        network.click("one", extension="101")
        await network.until(clouds.dialled)
        network.click("two", extension="102")
        await network.until(lambda: len(clouds.dialled()) == 2)


async def test_a_click_that_nobody_could_dial_in_time_is_not_dialled_later(
    network: Network, clouds: CloudProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.settings = {"pbx": line(clouds, "uis", lease=5_000)}
    monkeypatch.setattr(dialing, "GOOD_MS", -1)
    network.click()
    async with network.client():
        await network.until(lambda: network.orders()[0].state == "skipped")
    assert clouds.dialled() == []


async def test_a_wrong_key_is_told_and_not_tried_again_at_once(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "uis", password="env:TEST_WRONG")}
    outcome = await network.once("telephony/pbx")
    assert outcome.status is Status.ASK
    assert (outcome.retry_ms or 0) >= 60_000
    assert network.line().problem
    assert network.line().listening_ms is None


async def test_what_nobody_heard_comes_with_the_history_once(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "uis", first_days=1)}
    for minutes in (5, 10, 15):
        clouds.finished("uis", ago=60.0 * minutes, phone=f"7916000000{minutes % 10}", recorded=True)
    clouds.finished("uis", ago=120.0, talk=None, phone="79160000008")
    first = await network.once("telephony/pbx.history")
    again = await network.once("telephony/pbx.history")
    assert (first.counts["new"], again.counts["new"]) == (4, 0)
    assert [row.state for row in network.calls()] == ["answered", "answered", "answered", "missed"]
    assert [row.phone_key for row in network.read(lambda c: entries(c, still_open=True))] == ["9160000008"]


async def test_a_call_that_was_heard_and_comes_with_the_history_is_one(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "ident", first_days=1)}
    async with network.client():
        number = clouds.begin("ident", ago=30, answered_ago=20)
        await network.until(network.calls)
        clouds.end(number, recorded=True)
        await network.until(lambda: network.calls()[0].ended_ms is not None)
    await network.once("telephony/pbx.history")
    (row,) = network.calls()
    assert (row.state, row.mark is None) == ("answered", False)
    assert row.recordings != "[]"


async def test_a_client_that_ends_leaves_its_line_at_once(network: Network, clouds: CloudProcess) -> None:
    network.settings = {"pbx": line(clouds, "uis")}
    async with network.client() as engine:
        await network.until(network.line)
        async with asyncio.timeout(3):
            await engine.stop(60)  # it would have a minute
