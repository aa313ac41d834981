"""A session with a PBX over a real socket: what is heard, what is ordered, and what happens when things break."""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from identsync import errors
from identsync.demo.pbx.peer import KEY
from identsync.demo.pbx.process import PbxProcess
from identsync.engine.loops import new_loop
from identsync.flows.sending import Accepted, Lost, Refused
from identsync.integrations.telephony.call import Command, Direction, Reason, State
from identsync.integrations.telephony.wire import ami_dial, ami_session, asterisk
from identsync.integrations.telephony.wire import ami_words as words
from messaging.mail_servers import authority

from .ami_stream import event
from .ami_street import REAL, SECRET, DemoStreet, Listening, RealStreet, command, done, line, permit


@pytest.fixture(scope="module")
def process() -> Iterator[PbxProcess]:
    with PbxProcess() as pbx:
        yield pbx


@pytest.fixture
def pbx(process: PbxProcess, monkeypatch: pytest.MonkeyPatch) -> PbxProcess:
    """The demo's PBX, behaving, with nothing going on; its key is in SECRET."""
    process.behave()
    monkeypatch.setenv(SECRET, KEY)
    return process


@pytest.fixture(
    params=[
        "demo",
        pytest.param(
            "asterisk",
            marks=pytest.mark.skipif(REAL not in os.environ, reason=f"a real Asterisk: {REAL}=host:port:user:secret"),
        ),
    ]
)
def street(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> DemoStreet | RealStreet:
    if request.param == "demo":
        return DemoStreet(request.getfixturevalue("pbx"))
    monkeypatch.setenv(SECRET, "")  # put back after the test
    return RealStreet(os.environ[REAL])


# ---- the same on the demo's PBX and on a real Asterisk


async def test_somebody_calls_and_is_answered(street: DemoStreet | RealStreet) -> None:
    async with Listening(street.line) as listening:
        await street.calls("79031112233", answered=True)
        await listening.ear.until(lambda ear: [call for call in ear.calls.values() if call.ended_ms])
        (call,) = listening.ear.calls.values()
    assert (call.direction, call.state, call.phone) == (Direction.IN, State.ANSWERED, "79031112233")
    assert [each.extension for each in call.talked] == ["101"]
    states = [each.state for each in listening.ear.told]
    assert states == sorted(states, key=[State.RINGING, State.TALKING, State.ANSWERED].index)
    assert states[0] is State.RINGING


async def test_somebody_calls_in_vain(street: DemoStreet | RealStreet) -> None:
    async with Listening(street.line) as listening:
        await street.calls("79035556677", answered=False)
        await listening.ear.until(lambda ear: [call for call in ear.calls.values() if call.ended_ms])
        (call,) = listening.ear.calls.values()
    assert (call.direction, call.state, call.phone) == (Direction.IN, State.MISSED, "79035556677")
    assert (call.reason, [each.extension for each in call.rang]) == (Reason.NO_ANSWER, ["102"])


async def test_a_call_in_one_click_is_joined_to_its_order_by_the_token(street: DemoStreet | RealStreet) -> None:
    await street.behave()
    order = command()
    async with Listening(street.line) as listening:
        verdict = await listening.exchange.dial(order)
        assert isinstance(verdict, Accepted)
        call = await listening.ear.call(verdict.provider_id, lambda call: call.ended_ms)
    assert (call.token, call.direction, call.state) == (order.token, Direction.OUT, State.ANSWERED)
    assert (call.phone, [each.extension for each in call.talked]) == ("79161234567", ["101"])
    assert {each.phone for each in listening.ear.told} == {"79161234567"}


async def test_a_phone_that_is_not_there_and_one_that_nobody_takes(street: DemoStreet | RealStreet) -> None:
    await street.behave()
    async with Listening(street.line) as listening:
        assert await listening.exchange.dial(command("999")) == Refused(words.NO_PHONE, "Reason: 0")
        assert await listening.exchange.dial(command("102")) == Refused(words.NOBODY, "Reason: 3")


async def test_a_wrong_password_asks_a_person(street: DemoStreet | RealStreet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "wrong")
    exchange = asterisk.open(street.line, permit)
    with pytest.raises(errors.Refused) as caught:
        await exchange.check()
    assert "manager.conf" in caught.value.hint
    with pytest.raises(errors.Refused):
        await exchange.listen(Listening(street.line).ear)


async def test_a_good_account_passes_the_check(street: DemoStreet | RealStreet) -> None:
    await asterisk.open(street.line, permit).check()


def test_the_products_own_event_loop_hears_and_dials_too(pbx: PbxProcess) -> None:
    """It is uvloop or winloop where they are: their transports are none of asyncio's classes."""
    street = DemoStreet(pbx)

    async def morning() -> None:
        await street.behave()
        async with Listening(street.line) as listening:
            assert isinstance(await listening.exchange.dial(command()), Accepted)
            await listening.ear.until(lambda ear: [call for call in ear.calls.values() if call.ended_ms])
            await done(pbx.restart)
            assert isinstance(await listening.ended(), errors.Unavailable)
            await listening.again()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(morning())


# ---- what is heard


async def test_a_ring_group_of_twenty_is_one_call(pbx: PbxProcess) -> None:
    phones = [str(number) for number in range(101, 121)]
    await done(pbx.phones, **{each: {"name": f"Desk {each}"} for each in phones})
    async with Listening(line(pbx.ami)) as listening:
        key = await done(pbx.call, "79161234567", phones)
        await done(pbx.answer, key, "107")
        await done(pbx.hang_up, key)
        call = await listening.ear.call(key, lambda call: call.ended_ms)
    assert len(listening.ear.calls) == 1
    assert (call.state, len(call.rang)) == (State.ANSWERED, 20)
    assert [(each.extension, each.name) for each in call.talked] == [("107", "Desk 107")]
    dispositions = [each["Disposition"] for each in await done(pbx.cdrs)]
    assert sorted(dispositions) == ["ANSWERED", *["NO ANSWER"] * 19]


async def test_a_morning_of_queues_transfers_parking_and_calls_by_hand(pbx: PbxProcess) -> None:
    await done(pbx.phones, **{"103": {"name": "Doctor"}})
    async with Listening(line(pbx.ami)) as listening:
        queued = await done(pbx.call, "79160000001", ["101", "102"], queue=True)
        await listening.ear.call(queued, lambda call: call.rang)
        assert listening.ear.calls[queued].state is State.RINGING, "music is no talk"
        await done(pbx.answer, queued, "102")
        await done(pbx.transfer, queued, "103")
        await done(pbx.answer, queued, "103")
        asked = await done(pbx.consult, queued, "101")
        await done(pbx.answer, asked, "101")
        await done(pbx.complete, queued, asked)
        await done(pbx.park, queued)
        await done(pbx.take, queued, "102")
        await done(pbx.hang_up, queued)
        call = await listening.ear.call(queued, lambda call: call.ended_ms)
        assert [each.extension for each in call.talked] == ["103", "101", "102"]
        by_hand = await done(pbx.outgoing, "101", "89161234567")
        await done(pbx.hang_up, by_hand, "busy")
        call = await listening.ear.call(by_hand, lambda call: call.ended_ms)
        assert (call.direction, call.state, call.reason) == (Direction.OUT, State.MISSED, Reason.BUSY)
    outside = [call for call in listening.ear.calls.values() if call.direction is not Direction.INSIDE]
    assert len(outside) == 2
    assert listening.ear.open == set()


async def test_a_hidden_caller_who_gives_up(pbx: PbxProcess) -> None:
    async with Listening(line(pbx.ami)) as listening:
        key = await done(pbx.call, "", ["101"])
        await listening.ear.call(key, lambda call: call.state is State.RINGING)
        await done(pbx.hang_up, key, "caller")
        call = await listening.ear.call(key, lambda call: call.ended_ms)
    assert (call.phone, call.state, call.reason) == ("", State.MISSED, Reason.CANCELLED)


async def test_a_burst_of_ten_thousand_events_is_every_call_once(pbx: PbxProcess) -> None:
    async with Listening(line(pbx.ami)) as listening:
        await done(pbx.burst, 400, ["101", "102"])
        await listening.ear.until(lambda ear: len(ear.calls) == 400 and not ear.open)
    counts = (await done(pbx.books))["counts"]
    assert sum(count for name, count in counts.items() if not name.startswith("action")) >= 10_000
    assert {call.state for call in listening.ear.calls.values()} == {State.ANSWERED}
    assert len({call.phone for call in listening.ear.calls.values()}) == 400


async def test_while_writing_down_takes_long_no_more_is_read_and_nothing_is_lost(
    pbx: PbxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asterisk, "MOST_WAITING", 20)
    async with Listening(line(pbx.ami)) as listening:
        listening.ear.free.clear()
        for _turn in range(5):
            await done(pbx.burst, 100, ["101"])
        assert len(listening.ear.calls) == 0
        listening.ear.free.set()
        await listening.ear.until(lambda ear: len(ear.calls) == 500 and not ear.open)
    assert {call.state for call in listening.ear.calls.values()} == {State.ANSWERED}


async def test_garbage_line_breaks_and_foreign_bytes_on_the_line_cost_nothing_else(pbx: PbxProcess) -> None:
    garbage = (
        b"\r\n\r\n\xff\xfe\x00Event: \r\n\r\nEvent: Newchannel\r\nChannel\r\n\r\n: \r\n\r\nResponse: Success\r\n\r\n"
    )
    injected = event(
        "Newchannel", Uniqueid="6.6", CallerIDName="x\r\nLinkedid: 1.1", CallerIDNum="79160000009", Channel="SIP/t-1"
    )
    async with Listening(line(pbx.ami)) as listening:
        await done(pbx.raw, garbage + injected + event("Hangup", Uniqueid="6.6"))
        key = await done(pbx.call, "79161234567", ["101"], name=b"\xcf\xf0\xe8")
        await done(pbx.raw, garbage + b"Event: Newchannel\r\nX: " + b"x" * 300_000 + b"\r\n\r\n")
        await done(pbx.answer, key, "101")
        await done(pbx.hang_up, key)
        await listening.ear.call(key, lambda call: call.state is State.ANSWERED)
    assert all(call.ended_ms is not None for call in listening.ear.calls.values())


# ---- the connection


async def test_calls_that_go_on_are_told_at_first(pbx: PbxProcess) -> None:
    talking = await done(pbx.call, "79160000001", ["101"])
    await done(pbx.answer, talking, "101")
    ringing = await done(pbx.call, "79160000002", ["102"])
    async with Listening(line(pbx.ami)) as listening:
        assert listening.ear.open == {talking, ringing}
        assert listening.ear.calls[talking].state is State.TALKING
        assert [each.extension for each in listening.ear.calls[talking].talked] == ["101"]
        assert listening.ear.calls[ringing].state is State.RINGING
        assert [each.extension for each in listening.ear.calls[ringing].rang] == ["102"]
        assert {call.phone for call in listening.ear.calls.values()} == {"79160000001", "79160000002"}


async def test_what_happened_while_the_connection_was_away_is_found_out(pbx: PbxProcess) -> None:
    async with Listening(line(pbx.ami)) as listening:
        ends = await done(pbx.call, "79160000001", ["101"])
        goes_on = await done(pbx.call, "79160000002", ["102"])
        await listening.ear.until(lambda ear: ear.open == {ends, goes_on})
        await done(pbx.cut)
        ended = await listening.ended()
        assert isinstance(ended, errors.Unavailable)
        await done(pbx.hang_up, ends)
        await done(pbx.answer, goes_on, "102")
        new = await done(pbx.call, "79160000003", ["101"])
        await listening.again()
        assert listening.ear.open == {goes_on, new}
        assert listening.ear.calls[ends].state is State.MISSED
        assert listening.ear.calls[goes_on].state is State.TALKING


async def test_the_pbx_restarts_in_the_middle_of_a_call(pbx: PbxProcess) -> None:
    async with Listening(line(pbx.ami)) as listening:
        key = await done(pbx.call, "79160000001", ["101"])
        await done(pbx.answer, key, "101")
        await listening.ear.call(key, lambda call: call.state is State.TALKING)
        await done(pbx.restart)
        assert isinstance(await listening.ended(), errors.Unavailable)
        await listening.again()
        call = await listening.ear.call(key, lambda call: call.ended_ms)
        assert (call.state, listening.ear.open) == (State.ANSWERED, set())
        new = await done(pbx.call, "79160000002", ["101"])
        await listening.ear.call(new, lambda call: call.state is State.RINGING)


async def test_nothing_is_lost_or_doubled_over_many_breaks(pbx: PbxProcess) -> None:
    async with Listening(line(pbx.ami)) as listening:
        keys = []
        for number in range(30):
            key = await done(pbx.call, f"7916000{number:04}", ["101", "102"])
            keys.append(key)
            await listening.ear.call(key, lambda call: call.state is State.RINGING)
            await done(pbx.answer, key, "101")
            await (done(pbx.cut) if number % 3 else done(pbx.restart))
            await listening.ended()
            await listening.again()
            if number % 3:
                await done(pbx.hang_up, key)
            await listening.ear.call(key, lambda call: call.ended_ms)
        outside = {key for key, call in listening.ear.calls.items() if call.direction is Direction.IN}
        assert outside == set(keys)
        assert listening.ear.open == set()


async def test_a_pbx_that_falls_silent_is_noticed(pbx: PbxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ami_session, "PING_S", 0.05)
    monkeypatch.setattr(ami_session, "DEAD_S", 0.5)
    async with Listening(line(pbx.ami)) as listening:
        await done(pbx.account, frozen=True)
        ended = await listening.ended()
        assert isinstance(ended, errors.Unavailable)
        assert str(ended) == "АТС замолчала"
        await done(pbx.account)
        await listening.again()


async def test_a_pbx_that_says_it_has_started_is_asked_for_everything(pbx: PbxProcess) -> None:
    async with Listening(line(pbx.ami)) as listening:
        await done(pbx.raw, event("FullyBooted", Privilege="system,all"))
        await listening.ear.synchronised(2)


async def test_a_list_that_is_shorter_than_it_says_ends_no_call(pbx: PbxProcess) -> None:
    async with Listening(line(pbx.ami)) as listening:
        key = await done(pbx.call, "79160000001", ["101"])
        await listening.ear.call(key, lambda call: call.state is State.RINGING)
        await done(pbx.account, short_list=True)
        await done(pbx.raw, event("FullyBooted", Privilege="system,all"))
        await listening.ear.synchronised(2)
        assert listening.ear.open == {key}


async def test_a_call_that_could_not_be_written_down_is_told_again(pbx: PbxProcess) -> None:
    async with Listening(line(pbx.ami)) as listening:
        key = await done(pbx.call, "79160000001", ["101"])
        await listening.ear.call(key, lambda call: call.rang)
        listening.ear.fails = 1
        await done(pbx.hang_up, key)
        assert isinstance(await listening.ended(), OSError)
        await listening.again()
        assert listening.ear.calls[key].state is State.MISSED


@pytest.mark.parametrize(
    ("account", "error", "words_of_it"),
    [
        ({"banner": "Asterisk Call Manager/1.4\r\n"}, errors.Unexpected, "старый"),
        ({"banner": "SSH-2.0-OpenSSH_9.2\r\n"}, errors.Unexpected, "не AMI"),
        ({"write": ["call"]}, errors.Refused, "Originate"),
        ({"write": ["originate", "call"]}, errors.Refused, "CoreShowChannels"),
    ],
)
async def test_what_is_wrong_with_the_pbx_is_said(
    pbx: PbxProcess, account: dict[str, object], error: type[Exception], words_of_it: str
) -> None:
    await done(pbx.account, **account)
    with pytest.raises(error, match=words_of_it):
        await asterisk.open(line(pbx.ami), permit).check()


async def test_nobody_at_the_port_is_certainly_not_begun(pbx: PbxProcess, unused_tcp_port: int) -> None:
    exchange = asterisk.open(line(unused_tcp_port), permit)
    with pytest.raises(errors.Unavailable) as caught:
        await exchange.check()
    assert not caught.value.sent
    with pytest.raises(errors.Unavailable) as caught:
        await exchange.dial(command())
    assert not caught.value.sent


async def test_a_pbx_that_closes_before_a_word_is_starting_and_not_another_service(pbx: PbxProcess) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        with pytest.raises(errors.Unavailable) as caught:
            await asterisk.open(line(server.sockets[0].getsockname()[1]), permit).check()
    assert not caught.value.sent


async def test_a_pbx_behind_tls_is_heard_where_its_certificate_is_trusted(
    pbx: PbxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = authority(tmp_path)
    server = await asyncio.start_server(partial(forwarded, pbx.ami), "127.0.0.1", 0, ssl=ca.server)
    async with server:
        settings = line(server.sockets[0].getsockname()[1], tls=True)
        with pytest.raises(errors.Unavailable, match="сертификат"):
            await asterisk.open(settings, permit).check()
        monkeypatch.setenv("SSL_CERT_FILE", str(ca.pem))
        async with Listening(settings) as listening:
            key = await done(pbx.call, "79160000001", ["101"])
            await listening.ear.call(key, lambda call: call.rang)


async def forwarded(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass everything on to a port without TLS, and back."""
    inner, outer = await asyncio.open_connection("127.0.0.1", port)

    async def passed(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                target.write(data)
        target.close()

    await asyncio.gather(passed(reader, outer), passed(inner, writer))


async def test_the_password_is_not_shown_on_the_line_where_the_pbx_knows_how(pbx: PbxProcess) -> None:
    await asterisk.open(line(pbx.ami), permit).check()
    logins = [asked for asked in await done(pbx.ask, "GET", "asked") if asked["action"] == "Login"]
    assert [set(asked) for asked in logins] == [{"action", "actionid", "authtype", "username", "key", "events"}]
    await done(pbx.account, challenge=False)
    await asterisk.open(line(pbx.ami), permit).check()
    logins = [asked for asked in await done(pbx.ask, "GET", "asked") if asked["action"] == "Login"]
    assert "secret" in logins[-1]


# ---- calls in one click


async def test_one_order_is_one_call_with_the_extensions_own_number(pbx: PbxProcess) -> None:
    order = command()
    async with Listening(line(pbx.ami)) as listening:
        dialling = asyncio.create_task(listening.exchange.dial(order))
        key = f"ident-{order.token}"
        await listening.ear.call(key, lambda call: call.rang)
        again = await listening.exchange.dial(order)
        assert again == Lost(words.GOING_ON)
        await done(pbx.answer, key, "101")
        assert await dialling == Accepted(key)
        assert await listening.exchange.dial(order) == Lost(words.GOING_ON)
        await done(pbx.answer, key)
        await listening.ear.call(key, lambda call: call.state is State.TALKING)
    (made,) = await done(pbx.orders)
    assert made["channel_id"] == key
    assert (made["channel"], made["exten"], made["context"]) == ("PJSIP/101", "79161234567", "from-internal")
    assert (made["number"], made["title"]) == ("101", "79161234567")


async def test_a_busy_phone(pbx: PbxProcess) -> None:
    await done(pbx.phones, **{"101": {"mood": "busy"}})
    async with Listening(line(pbx.ami)) as listening:
        assert await listening.exchange.dial(command()) == Refused(words.BUSY, "Reason: 5")


async def test_an_order_whose_answer_was_lost_may_be_ringing(pbx: PbxProcess) -> None:
    await done(pbx.account, lose=True)
    async with Listening(line(pbx.ami)) as listening:
        assert await listening.exchange.dial(command()) == Lost(words.NO_ANSWER)
    assert len(await done(pbx.orders)) == 1


async def test_an_order_whose_truth_never_comes_may_be_ringing(
    pbx: PbxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ami_dial, "LATE_S", 0.0)
    await done(pbx.account, mute=True)
    async with Listening(line(pbx.ami, ring=100)) as listening:
        await done(pbx.phones, **{"101": {"mood": "dead"}})
        assert await listening.exchange.dial(command()) == Lost(words.NO_ANSWER)


async def test_an_account_that_may_not_dial_asks_a_person(pbx: PbxProcess) -> None:
    async with Listening(line(pbx.ami)) as listening:
        await done(pbx.account, write=["call", "reporting"])
        with pytest.raises(errors.Refused, match="Originate"):
            await listening.exchange.dial(command())
    assert await done(pbx.orders) == []


@pytest.mark.parametrize(
    ("extension", "to", "reason"),
    [
        ("101&PJSIP/102", "+79161234567", words.BAD_EXTENSION),
        ("101\r\nAction: Originate", "+79161234567", words.BAD_EXTENSION),
        ("101@trunk/sip", "+79161234567", words.BAD_EXTENSION),
        ("", "+79161234567", words.BAD_EXTENSION),
        ("101", "+7916123\r\nX: 1", words.BAD_NUMBER),
        ("101", "*72", words.BAD_NUMBER),
        ("101", "", words.BAD_NUMBER),
    ],
)
async def test_nothing_but_a_phone_and_a_number_reaches_the_pbx(
    pbx: PbxProcess, extension: str, to: str, reason: str
) -> None:
    async with Listening(line(pbx.ami)) as listening:
        assert await listening.exchange.dial(Command("a" * 32, extension, to)) == Refused(reason)
    assert await done(pbx.orders) == []


async def test_a_line_break_in_a_setting_is_refused_too(pbx: PbxProcess) -> None:
    settings = line(pbx.ami, context="from-internal\r\nX: 1", number="1\n2")
    async with Listening(settings) as listening:
        assert await listening.exchange.dial(command()) == Refused(words.NOT_TAKEN)
    assert await done(pbx.orders) == []


async def test_the_log_has_no_number_and_no_password(pbx: PbxProcess, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with Listening(line(pbx.ami)) as listening:
            await done(pbx.phones, **{"101": {"mood": "answers"}})
            await listening.exchange.dial(command())
    assert "79161234567" not in caplog.text
    assert KEY not in caplog.text
