"""SMPP against an independent server (PyPI smpp34, in Rust) and against a scripted one that does wrong on purpose."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import smpp34

from identsync import errors
from identsync.flows.sending import Accepted, Fate, Lost, NotTaken, Receipt, Refused, Verdict
from identsync.integrations.messaging.message import Message, Reply
from identsync.integrations.messaging.settings import Channel
from identsync.integrations.messaging.wire import smpp, smpp_session
from identsync.integrations.messaging.wire.smpp_pdu import RESPONSE, Command, Frames, Pdu, Status, pack, read_short

TOKEN = "0" * 32
LONG = "Уважаемая Анна Ильинична! " * 8
TO = "+79450000001"
UNTIL = 4_000_000_000_000


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SMPP", "secret")
    monkeypatch.setattr(smpp, "BACKOFF_S", 0.001)


def message(text: str = "Ждём вас завтра", to: str = TO) -> Message:
    return Message(token=TOKEN, to=to, text=text, until_ms=UNTIL, sender="Clinic")


@dataclass
class Heard:
    """What the gateway hands over; ``broken`` = it cannot be written down now."""

    receipts: list[Receipt] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    broken: bool = False
    error: Exception | None = None

    async def keep(self, receipts: Any) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        if self.broken:
            raise errors.Unavailable("the database is away", sent=False)
        self.receipts += receipts

    async def reply(self, replies: Any) -> None:
        self.replies += replies


async def no_wait() -> None:
    return None


def gateway(port: int, heard: Heard, **how: Any) -> Any:
    usual = {"host": "127.0.0.1", "port": port, "user": "clinic", "password": "env:TEST_SMPP", "timeout": 1_000}
    return smpp.open(Channel(kind="smpp", **(usual | how)), no_wait, heard.keep, heard.reply)  # type: ignore[arg-type]


# -- an independent server


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def with_rust(
    work: Callable[[Any, list[Any], Callable[[], Any]], Awaitable[None]], heard: Heard, **how: Any
) -> None:
    """Run ``work(gateway, submitted, esme)`` against smpp34's server, which accepts everything."""
    port = free_port()
    server = smpp34.Server("127.0.0.1", port)
    await server.start()
    submitted: list[Any] = []
    bound: list[Any] = []

    async def serve() -> None:
        while True:
            event = await server.next()
            if isinstance(event, smpp34.SubmitSmEvent):
                submitted.append(event)
                event.accept(f"id{len(submitted)}")
            elif isinstance(event, smpp34.Esme):
                bound.append(event)

    serving = asyncio.ensure_future(serve())
    try:
        async with gateway(port, heard, **how) as opened:
            await work(opened, submitted, lambda: bound[-1])
    finally:
        serving.cancel()
        await server.stop()


async def test_a_short_message_is_one_pdu_with_all_it_needs() -> None:
    async def work(opened: Any, submitted: list[Any], _esme: Any) -> None:
        assert await opened.submit(message()) == Accepted("id1", 1)
        [pdu] = submitted
        assert (pdu.source_addr, pdu.source_addr_ton, pdu.destination_addr) == ("Clinic", 5, "79450000001")
        assert (pdu.data_coding, pdu.short_message.decode("utf-16-be")) == (8, "Ждём вас завтра")
        assert pdu.registered_delivery == 1

    await with_rust(work, Heard())


@pytest.mark.parametrize("concat", ["udh", "sar", "payload"])
async def test_a_long_message_can_be_put_together_again(concat: str) -> None:
    async def work(opened: Any, submitted: list[Any], _esme: Any) -> None:
        verdict = await opened.submit(message(LONG))
        assert isinstance(verdict, Accepted)
        assert joined(submitted, concat) == LONG
        asked = [i + 1 for i, pdu in enumerate(submitted) if pdu.registered_delivery]
        assert [verdict.provider_id] == [f"id{number}" for number in asked]
        assert verdict.parts == len(submitted)

    await with_rust(work, Heard(), concat=concat)


def joined(submitted: list[Any], concat: str) -> str:
    """Put a message together as a telephone does."""
    if concat == "payload":
        [pdu] = submitted
        return next(t.value for t in pdu.tlvs if t.tag == smpp34.TLV_MESSAGE_PAYLOAD).decode("utf-16-be")
    parts: dict[int, bytes] = {}
    for pdu in submitted:
        if concat == "udh":
            assert pdu.esm_class & 0x40
            head, body = pdu.short_message[:6], pdu.short_message[6:]
            assert (head[:3], head[4]) == (b"\x05\x00\x03", len(submitted))
            parts[head[5]] = body
        else:
            parts[next(t.value[0] for t in pdu.tlvs if t.tag == smpp34.TLV_SAR_SEGMENT_SEQNUM)] = pdu.short_message
    return b"".join(parts[number] for number in sorted(parts)).decode("utf-16-be")


async def test_receipts_and_replies_are_written_down_before_they_are_acknowledged() -> None:
    heard = Heard()

    async def work(opened: Any, submitted: list[Any], esme: Any) -> None:
        await opened.submit(message())
        text = b"id:id1 sub:001 dlvrd:001 submit date:2611280300 done date:2611280301 stat:DELIVRD err:000 text:"
        heard.broken = True
        refused = await esme().deliver_sm("Clinic", text, source_addr="79450000001", esm_class=4)
        assert not refused.is_success
        heard.broken = False
        taken = await esme().deliver_sm("Clinic", text, source_addr="79450000001", esm_class=4)
        assert taken.is_success
        assert [(r.fate, r.provider_id, r.to) for r in heard.receipts] == [(Fate.DELIVERED, "id1", TO)]
        await esme().deliver_sm("Clinic", "Спасибо".encode("utf-16-be"), source_addr="79450000001", data_coding=8)
        await opened.listen(10)
        assert [(reply.sender, reply.text) for reply in heard.replies] == [("79450000001", "Спасибо")]

    await with_rust(work, heard)


async def test_many_at_once_each_has_its_own_answer() -> None:
    async def work(opened: Any, submitted: list[Any], _esme: Any) -> None:
        verdicts = await asyncio.gather(*(opened.submit(message(f"номер {n}")) for n in range(300)))
        said = {f"id{i + 1}": pdu.short_message.decode("utf-16-be") for i, pdu in enumerate(submitted)}
        assert [said[v.provider_id] for v in verdicts] == [f"номер {n}" for n in range(300)]

    await with_rust(work, Heard())


# -- a server that does as it is told


Script = Callable[[Pdu], "bytes | None"]


async def with_script(
    script: Script, work: Callable[[Any], Awaitable[Any]], heard: Heard | None = None, **how: Any
) -> Any:
    """Run ``work(gateway)`` against a server: ``script`` gives the octets for each PDU, None = it hangs up."""

    served = asyncio.Semaphore(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames()
        try:
            while data := await reader.read(65_536):
                for pdu in frames.feed(data):
                    answer = script(pdu)
                    if answer is None:
                        return
                    writer.write(answer)
        except ConnectionError:
            pass  # the client has gone
        finally:
            writer.close()
            served.release()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with gateway(port, heard or Heard(), **how) as opened:
            return await work(opened)
    finally:
        server.close()
        await served.acquire()
        await server.wait_closed()


def polite(pdu: Pdu, body: bytes = b"id\0", status: int = 0) -> bytes:
    return pack(pdu.command | RESPONSE, pdu.sequence, body, status)


def on_submit(*answers: Callable[[Pdu], bytes | None]) -> Script:
    """Answer the first submits so, the others well."""
    left = list(answers)

    def script(pdu: Pdu) -> bytes | None:
        if pdu.command == Command.SUBMIT_SM and left:
            return left.pop(0)(pdu)
        return polite(pdu)

    return script


async def submitted(script: Script, one: Message | None = None) -> Verdict:
    verdict: Verdict = await with_script(script, lambda opened: opened.submit(one or message()))
    return verdict


def says(status: int) -> Callable[[Pdu], bytes]:
    return lambda pdu: polite(pdu, b"", status)


async def test_a_message_says_until_when_it_is_good() -> None:
    seen: list[str] = []

    def script(pdu: Pdu) -> bytes:
        if pdu.command == Command.SUBMIT_SM:
            seen.append(read_short(pdu.body).validity)
        return polite(pdu)

    await submitted(script)
    assert seen == ["961002070640000+"]


async def test_throttled_is_tried_again_and_only_that_part() -> None:
    assert await submitted(on_submit(says(Status.THROTTLED), says(Status.QUEUE_FULL))) == Accepted("id", 1)
    assert isinstance(await submitted(on_submit(says(Status.THROTTLED)), message(LONG)), Accepted)
    assert isinstance(await submitted(on_submit(*[says(Status.THROTTLED)] * 9)), NotTaken)


@pytest.mark.parametrize("status", [Status.ADDRESS, Status.SUBMIT_FAILED, Status.REJECTED, 0x400])
async def test_refused_is_refused_for_good(status: int) -> None:
    assert isinstance(await submitted(on_submit(says(status))), Refused)


@pytest.mark.parametrize(
    "answer", [lambda pdu: None, lambda pdu: b"", lambda pdu: b"\xff" * 40, lambda pdu: polite(pdu)[:-1]]
)
async def test_no_answer_that_can_be_read_is_lost(answer: Callable[[Pdu], bytes | None]) -> None:
    assert isinstance(await submitted(on_submit(answer)), Lost)


async def test_parts_that_end_differently_are_lost_not_sent_again() -> None:
    assert isinstance(await submitted(on_submit(polite, says(Status.SUBMIT_FAILED)), message(LONG)), Lost)


@pytest.mark.parametrize("status", [Status.BIND_FAILED, Status.PASSWORD, Status.SYSTEM_ID])
async def test_a_wrong_password_stops_the_channel(status: int) -> None:
    with pytest.raises(errors.Refused) as caught:
        await with_script(says(status), lambda opened: opened.submit(message()))
    assert "secret" not in f"{caught.value} {caught.value.hint}"


async def test_a_server_that_is_busy_or_away_has_certainly_taken_nothing() -> None:
    with pytest.raises(errors.Unavailable) as caught:
        await with_script(says(Status.ALREADY_BOUND), lambda opened: opened.submit(message()))
    assert not caught.value.sent
    with pytest.raises(errors.Unavailable) as caught:
        async with gateway(free_port(), Heard()):
            pass
    assert not caught.value.sent


async def test_a_connection_that_broke_between_messages_is_made_anew() -> None:
    async def work(opened: Any) -> None:
        assert isinstance(await opened.submit(message()), Lost)
        await asyncio.wait_for(opened._session._closed, 5)
        assert isinstance(await opened.submit(message()), Accepted)

    await with_script(on_submit(lambda pdu: None), work)


@pytest.mark.parametrize(
    ("stat", "fate"),
    [("DELIVRD", Fate.DELIVERED), ("EXPIRED", Fate.EXPIRED), ("UNDELIV", Fate.FAILED), ("REJECTD", Fate.FAILED),
     ("DELETED", Fate.FAILED), ("ACCEPTD", Fate.ACCEPTED)],
)  # fmt: skip
async def test_every_state_of_a_receipt(stat: str, fate: Fate) -> None:
    heard = Heard()
    text = f"id:77 sub:001 dlvrd:000 stat:{stat} err:001 text:x".encode()
    body = b"\0\x01\x0179450000001\0\x05\0Clinic\0\x04\0\0\0\0\0\0\0\0" + bytes((len(text),)) + text

    def script(pdu: Pdu) -> bytes:
        return polite(pdu) + (pack(Command.DELIVER_SM, 9, body) if pdu.command == Command.SUBMIT_SM else b"")

    async def work(opened: Any) -> None:
        await opened.submit(message())
        await opened.listen(20)

    await with_script(script, work, heard)
    assert [(r.fate, r.provider_id, r.to) for r in heard.receipts] == [(fate, "77", TO)]


async def test_no_more_is_on_its_way_than_the_window_says() -> None:
    """Parts of long messages count, each of them."""
    waiting: list[Pdu] = []
    most = 0

    def script(pdu: Pdu) -> bytes:
        nonlocal most
        if pdu.command != Command.SUBMIT_SM:
            return polite(pdu)
        waiting.append(pdu)
        most = max(most, len(waiting))
        if len(waiting) < 4:
            return b""
        answers = b"".join(polite(each) for each in waiting)
        waiting.clear()
        return answers

    async def work(opened: Any) -> None:
        long = LONG[: 67 * 2]
        verdicts = await asyncio.gather(*(opened.submit(message(long)) for _each in range(8)))
        assert {type(each) for each in verdicts} == {Accepted}

    await with_script(script, work, window=4)
    assert most == 4


async def test_an_answer_that_comes_too_late_ends_the_doubt() -> None:
    heard, asked = Heard(), []

    def script(pdu: Pdu) -> bytes:
        if pdu.command != Command.SUBMIT_SM:
            return polite(pdu)
        asked.append(pdu)
        return b"" if len(asked) == 1 else polite(asked[0], b"late\0") + polite(pdu)

    async def work(opened: Any) -> None:
        assert isinstance(await opened.submit(message()), Lost)
        assert isinstance(await opened.submit(message()), Accepted)

    await with_script(script, work, heard)
    assert heard.receipts == [Receipt(Fate.ACCEPTED, "late", TOKEN)]


async def test_what_cannot_be_written_down_disturbs_no_message_and_is_told() -> None:
    """A database that is away for a moment must not make messages unknown."""
    heard = Heard(error=RuntimeError("any error at all"))
    receipt = b"\0\x01\x0179450000001\0\x05\0Clinic\0\x04\0\0\0\0\0\0\0\0\x17id:77 sub:001 stat:UNKN"
    said: list[Pdu] = []
    asked: list[Pdu] = []

    def script(pdu: Pdu) -> bytes:
        if pdu.command == Command.DELIVER_SM | RESPONSE:
            said.append(pdu)
            return b"".join(polite(each) for each in asked)
        if pdu.command == Command.SUBMIT_SM:
            asked.append(pdu)
            return pack(Command.DELIVER_SM, 9, receipt)
        return polite(pdu)

    async def work(opened: Any) -> None:
        assert isinstance(await opened.submit(message()), Accepted)
        with pytest.raises(RuntimeError, match="any error"):
            await opened.listen(10)
        await opened.listen(10)

    await with_script(script, work, heard)
    assert [pdu.status for pdu in said] == [Status.TRY_LATER]


@pytest.mark.parametrize("status", [Status.SYSTEM_ERROR, Status.BIND_STATE])
async def test_trouble_of_the_other_side_fails_no_message(status: int) -> None:
    assert isinstance(await submitted(on_submit(says(status))), NotTaken)


@pytest.mark.parametrize("sender", ["Клиника", "S" * 21])
async def test_a_sender_that_smpp_cannot_say_is_for_a_person_not_a_refused_message(sender: str) -> None:
    one = Message(token=TOKEN, to=TO, text="x", until_ms=UNTIL, sender=sender)
    with pytest.raises(errors.AskPerson):
        await submitted(polite, one)


async def test_the_other_sides_heartbeat_is_answered_and_strange_requests_refused() -> None:
    said: list[Pdu] = []

    def script(pdu: Pdu) -> bytes:
        if pdu.command == Command.SUBMIT_SM:
            odd = pack(0x103, 5) + pack(Command.ALERT_NOTIFICATION, 6) + pack(Command.SUBMIT_SM | RESPONSE, 99)
            return pack(Command.ENQUIRE_LINK, 4) + odd + polite(pdu)
        said.append(pdu)
        return polite(pdu) if pdu.command < RESPONSE else b""

    await submitted(script)
    told = [(pdu.command, pdu.sequence, pdu.status) for pdu in said[1:3]]
    assert told == [
        (Command.ENQUIRE_LINK | RESPONSE, 4, Status.OK),
        (Command.GENERIC_NACK, 5, Status.INVALID_COMMAND),
    ]


async def test_a_connection_that_says_nothing_is_asked_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smpp_session, "HEARTBEAT_S", 0.0)
    asked = asyncio.Event()

    def script(pdu: Pdu) -> bytes:
        if pdu.command == Command.ENQUIRE_LINK:
            asked.set()
            return b""
        return polite(pdu)

    async def work(opened: Any) -> None:
        await asked.wait()
        await asyncio.wait_for(opened._session._closed, 10)

    await with_script(script, work)


async def test_octets_in_any_pieces_are_the_same_pdus() -> None:
    stream = b"".join(pack(Command.ENQUIRE_LINK, n, b"x" * n) for n in range(20))
    for size in (1, 3, 15, 16, 17, 400):
        frames = Frames()
        found = [pdu for at in range(0, len(stream), size) for pdu in frames.feed(stream[at : at + size])]
        assert [(pdu.sequence, pdu.body) for pdu in found] == [(n, b"x" * n) for n in range(20)]
