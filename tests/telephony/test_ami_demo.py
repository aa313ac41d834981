"""The demo's PBX is a PBX: it says what a real Asterisk has said, in that order, and refuses what Asterisk refuses."""

import asyncio
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from identsync.demo.pbx.house import House, Order, Phone
from identsync.demo.pbx.peer import KEY, USER
from identsync.demo.pbx.process import PbxProcess

from .ami_stream import blocks, transcript


@pytest.fixture(scope="module")
def pbx() -> Iterator[PbxProcess]:
    with PbxProcess() as process:
        yield process


# Device states come from a thread of their own: where they stand among the others is luck on a real Asterisk, too.
LEFT_OUT = ("DeviceStateChange", "CoreShowChannel", "CoreShowChannelsComplete")


def told(stream: bytes) -> list[tuple[str, list[str]]]:
    found = []
    for fields in blocks(stream):
        if fields[0][0] == "Event" and fields[0][1] not in (
            "DeviceStateChange",
            "CoreShowChannel",
            "CoreShowChannelsComplete",
        ):
            found.append((fields[0][1], [key for key, _value in fields]))
    return found


class Heard:
    """A house without sockets, and all it says."""

    def __init__(self) -> None:
        self.house = House()
        self.stream = b""
        self.house.board.hear.append(self._hear)

    def _hear(self, _kind: str, data: bytes) -> None:
        self.stream += data


def ordered(channel_id: str, extension: str = "101", title: str = "Zvonok") -> Order:
    return Order(
        channel=f"PJSIP/{extension}",
        context="outgoing",
        exten="79161234567",
        number="79161234567" if title else "",
        title=title,
        timeout_s=3,
        channel_id=channel_id,
        action_id="c2c",
    )


async def test_an_answered_ring_group_is_played_as_a_real_asterisk_played_it() -> None:
    heard = Heard()
    call = heard.house.incoming("sipp", "74951234567", ["101", "102"], name="sipp")
    call.answer("101")
    call.hang_up("caller")
    assert told(heard.stream) == told(transcript("pjsip", "A:"))


async def test_a_missed_call_is_played_as_a_real_asterisk_played_it() -> None:
    heard = Heard()
    heard.house.record = lambda _channel: None  # type: ignore[method-assign]  that one was not recorded
    heard.house.incoming("sipp", "74950000000", ["102"], name="sipp").hang_up("timeout")
    assert told(heard.stream) == told(transcript("pjsip", "B:"))


async def test_a_call_in_one_click_is_played_as_a_real_asterisk_played_it() -> None:
    heard = Heard()
    heard.house.phones["101"] = Phone(mood="answers", name="Registratura", after_s=3_600)
    heard.house.order(ordered("ident-c2c-1"))
    heard.house.answer("ident-c2c-1", "101")
    heard.house.answer("ident-c2c-1", "")
    real = told(transcript("pjsip", "C:"))
    ours = told(heard.stream)
    assert ours == real[: len(ours)]
    assert ours[-1][0] == "BridgeEnter"


async def test_an_order_that_nobody_takes_is_played_as_a_real_asterisk_played_it() -> None:
    heard = Heard()
    heard.house.order(ordered("ident-c2c-2", "102", ""))
    call = heard.house.calls["ident-c2c-2"]
    assert call.on_fail is not None
    call.on_fail(3, 19)
    heard.house.order(ordered("ident-c2c-3", "999", ""))
    assert told(heard.stream) == told(transcript("pjsip", "D:"))
    call.clear_timers()


# ---- as strict as Asterisk


async def asked(pbx: PbxProcess, *actions: str, login: bool = True) -> list[dict[str, str]]:
    """Send actions as they are, after a login, until the PBX closes; return what it answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", pbx.ami)
    if login:
        actions = (f"Action: Login\r\nUsername: {USER}\r\nSecret: {KEY}\r\nEvents: off\r\n\r\n", *actions)
    writer.write("".join(actions).encode() + b"Action: Logoff\r\n\r\n")
    async with asyncio.timeout(30):
        stream = await reader.read()
    writer.close()
    banner, _line, rest = stream.partition(b"\r\n")
    assert banner == b"Asterisk Call Manager/9.0.0"
    return [dict(fields) for fields in blocks(rest)][1 if login else 0 : -1]


async def test_an_action_before_the_login_is_refused(pbx: PbxProcess) -> None:
    (answer,) = await asked(pbx, "Action: CoreShowChannels\r\nActionID: 1\r\n\r\n", login=False)
    assert answer == {"Response": "Error", "ActionID": "1", "Message": "Permission denied"}


async def test_a_wrong_password_ends_the_connection(pbx: PbxProcess) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", pbx.ami)
    writer.write(b"Action: Login\r\nUsername: identsync\r\nSecret: wrong\r\n\r\n")
    async with asyncio.timeout(30):
        stream = await reader.read()
    writer.close()
    assert b"Message: Authentication failed\r\n" in stream


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("ActionID: 1", "Missing action in request"),
        ("Action: Command\r\nCommand: core stop now", "Invalid/unknown command: Command. Use Action: ListCommands"),
        ("Action: Originate\r\nExten: 1", "Channel not specified"),
        ("Action: Originate\r\nChannel: 101\r\nExten: 1", "Invalid channel"),
        ("Action: Hangup\r\nChannel: PJSIP/999", "No such channel"),
        ("Action: Getvar\r\nChannel: PJSIP/999\r\nVariable: X", "No such channel"),
    ],
)
async def test_what_asterisk_refuses_is_refused(pbx: PbxProcess, action: str, message: str) -> None:
    (answer,) = await asked(pbx, f"{action}\r\n\r\n")
    assert answer["Response"] == "Error"
    assert answer["Message"].startswith(message)


async def test_a_line_break_that_got_in_is_an_action_of_its_own(pbx: PbxProcess) -> None:
    """That is why our encoder refuses it: the PBX takes lines as they come."""
    injected = 'CallerID: "x\r\n\r\nAction: Originate\r\nChannel: PJSIP/102\r\nExten: 1" <1>'
    answers = await asked(pbx, f"Action: Originate\r\nChannel: PJSIP/101\r\nExten: 2\r\n{injected}\r\n\r\n")
    assert [each["Response"] for each in answers] == ["Success", "Success"]
    assert [each["channel"] for each in await asyncio.to_thread(pbx.orders)] == ["PJSIP/101", "PJSIP/102"]
    await asyncio.to_thread(pbx.behave)


async def test_a_channel_id_that_is_in_use_makes_no_second_call(pbx: PbxProcess) -> None:
    action = "Action: Originate\r\nChannel: PJSIP/101\r\nExten: 2\r\nChannelId: same\r\n\r\n"
    await asked(pbx, action, action)
    books = await asyncio.to_thread(pbx.books)
    assert (len(books["calls"]), books["channels"]) == (1, 1)
    await asyncio.to_thread(pbx.hang_up, "same", "employee")


async def test_people_call_by_themselves_and_stop_when_told(pbx: PbxProcess) -> None:
    life = {"every_s": 0.02, "ring_s": 0.02, "talk_s": 0.05, "answered": 1.0}
    await asyncio.to_thread(pbx.behave)
    await asyncio.to_thread(pbx.alive, numbers=["79160000001", "79160000002"], **life)

    def counted() -> dict[str, int]:
        counts: dict[str, int] = pbx.books()["counts"]
        return counts

    async with asyncio.timeout(30):
        while (await asyncio.to_thread(counted)).get("BridgeDestroy", 0) < 3:
            pass
    assert {each["Source"] for each in await asyncio.to_thread(pbx.cdrs)} <= {"79160000001", "79160000002"}
    await asked(pbx, "Action: Originate\r\nChannel: PJSIP/101\r\nExten: 79161234567\r\nChannelId: own\r\n\r\n")
    async with asyncio.timeout(30):
        while "own" not in {
            each["UniqueID"] for each in await asyncio.to_thread(pbx.cdrs) if each["Disposition"] == "ANSWERED"
        }:
            pass
    await asyncio.to_thread(pbx.behave)
    assert (await asyncio.to_thread(pbx.books))["channels"] == 0


def test_a_talk_is_recorded_to_the_folder_and_a_missed_call_is_not(tmp_path: Path) -> None:
    with PbxProcess("--recordings", str(tmp_path)) as pbx:
        missed = pbx.call("79160000001", ["101"])
        pbx.hang_up(missed)
        key = pbx.call("79160000002", ["101"])
        pbx.answer(key, "101")
        pbx.hang_up(key)
        pbx.books()
    (file,) = tmp_path.rglob("*.wav")
    assert key in file.name
    with wave.open(str(file)) as sound:
        assert sound.getnframes() >= sound.getframerate()
