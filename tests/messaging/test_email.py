"""SMTP against real servers: what each step's failure means, and that a mail in doubt is never called unsent."""

import asyncio
import email
import re
import ssl
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from identsync import errors
from identsync.flows.sending import Accepted, Lost, NotTaken, Receipt, Refused, Verdict
from identsync.integrations.messaging.message import Attachment, Message, Missing, Reply, Sent
from identsync.integrations.messaging.settings import Channel
from identsync.integrations.messaging.wire import email as wire
from messaging.mail_servers import Authority, Fault, authority, drops, hangs, knows, says, scripted, smtp

SECRET = "correct horse"
tokens = (f"{number:032x}" for number in count(1))


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", SECRET)


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return authority(tmp_path)


def channel(port: int, **fields: Any) -> Channel:
    given = {"host": "127.0.0.1", "port": port, "tls": "off", "sender": "clinic@example.ru", "timeout": 5_000}
    return Channel(kind="email", **(given | fields))


def message(**fields: Any) -> Message:
    return Message(**({"token": next(tokens), "to": "ivan@mail.ru", "text": "Привет", "until_ms": 0} | fields))


async def permit() -> None:
    return None


async def no_receipts(receipts: Sequence[Receipt]) -> None:
    raise AssertionError(receipts)


async def no_replies(replies: Sequence[Reply]) -> None:
    raise AssertionError(replies)


def gateway(settings: Channel, context: ssl.SSLContext | None = None) -> wire.Post:
    return wire.open(settings, permit, no_receipts, no_replies, context=context)


async def one(settings: Channel, context: ssl.SSLContext | None = None, **fields: Any) -> Verdict:
    async with gateway(settings, context) as post:
        return await post.submit(message(**fields))


async def test_a_mail_arrives_byte_for_byte_and_its_message_id_is_its_name() -> None:
    content = b".\r\n..\r\n" + bytes(range(256)) * 400
    given = message(text=".\n..\n.конец", attachments=(Attachment("План лечения.pdf", "application/pdf", content),))
    async with smtp() as server, gateway(channel(server.port)) as post:
        verdict = await post.submit(given)
    (mail,) = server.mails
    assert verdict == Accepted(f"<{given.token}@example.ru>")
    assert (mail.mail_from, mail.rcpt_tos) == ("clinic@example.ru", ["ivan@mail.ru"])
    parsed = email.message_from_bytes(mail.content or b"")  # type: ignore[arg-type]
    text, pdf = [part.get_payload(decode=True) for part in parsed.walk() if not part.is_multipart()]
    assert parsed["Message-ID"] == verdict.provider_id
    assert (text, pdf) == (".\r\n..\r\n.конец\r\n".encode(), content)


async def test_a_line_with_a_dot_alone_does_not_end_a_mail() -> None:
    async with smtp() as server:
        assert isinstance(await one(channel(server.port), text="one\n.\n..two\n.three"), Accepted)
    (mail,) = server.mails
    assert email.message_from_bytes(mail.content or b"").get_payload() == "one\r\n.\r\n..two\r\n.three\r\n"  # type: ignore[arg-type]


async def test_several_mails_share_a_connection_and_as_many_go_at_once_as_the_window_says() -> None:
    async with smtp() as server, gateway(channel(server.port, window=3)) as post:
        for _each in range(5):
            assert isinstance(await post.submit(message()), Accepted)
        assert server.connections == 1
        verdicts = await asyncio.gather(*(post.submit(message()) for _each in range(30)))
    assert {type(each) for each in verdicts} == {Accepted}
    assert (server.connections, len(server.mails)) == (3, 35)
    assert len({email.message_from_bytes(each.content)["Message-ID"] for each in server.mails}) == 35  # type: ignore[arg-type]


async def test_nothing_connects_before_the_first_mail_and_nothing_can_be_asked_about_mail() -> None:
    async with smtp() as server, gateway(channel(server.port)) as post:
        assert await post.balance() is None
        assert list(await post.status([Sent("<x@example.ru>", next(tokens), "ivan@mail.ru")])) == []
        assert list(await post.find([Missing(next(tokens), "ivan@mail.ru", "", 0)])) == []
        await post.listen(0)
    assert server.connections == 0


@pytest.mark.parametrize("fault", [None, drops, says("421 4.3.2 shutting down"), says("502 what?")])
async def test_a_connection_that_the_server_closed_between_mails_puts_nothing_in_doubt(fault: Fault | None) -> None:
    async with smtp() as server, gateway(channel(server.port)) as post:
        assert isinstance(await post.submit(message()), Accepted)
        if fault is None:
            await server.close_idle()
        else:
            server.fail("RSET", fault)
        assert isinstance(await post.submit(message()), Accepted)
    assert (server.connections, len(server.mails)) == (2, 2)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("fault", [drops, says("450 4.2.0 greylisted"), says("421 bye"), says("what?"), says("150 hm")])
async def test_before_the_content_whatever_is_not_final_may_be_tried_again(step: str, fault: Fault) -> None:
    async with smtp() as server, gateway(channel(server.port)) as post:
        server.fail(step, fault)
        assert isinstance(await post.submit(message()), NotTaken)
        assert server.mails == []
        assert isinstance(await post.submit(message()), Accepted)  # and the gateway is none the worse
    assert len(server.mails) == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_says_nothing_before_the_content_has_not_taken_it(step: str) -> None:
    async with smtp() as server:
        server.fail(step, hangs)
        assert isinstance(await one(channel(server.port, timeout=1_000)), NotTaken)
    assert server.mails == []


@pytest.mark.parametrize("fault", [drops, hangs, says("what?"), says("354 more?"), says("299 hm")])
@pytest.mark.parametrize("step", ["AFTER", "CONTENT"])
async def test_after_the_content_without_an_answer_nobody_knows(step: str, fault: Fault) -> None:
    async with smtp() as server, gateway(channel(server.port, timeout=1_000)) as post:
        server.fail(step, fault)
        assert isinstance(await post.submit(message()), Lost)
        assert len(server.mails) == (step == "AFTER")
        assert isinstance(await post.submit(message()), Accepted)


@pytest.mark.parametrize(
    ("step", "answer", "verdict"),
    [
        ("RCPT", "550 5.1.1 <ivan@mail.ru> who?", Refused("такого адреса нет", "550 5.1.1 <…@mail.ru> who?")),
        ("RCPT", "550 who?", Refused("такого адреса нет", "550 who?")),
        ("RCPT", "552 5.2.2 over quota", Refused("почтовый ящик получателя переполнен", "552 5.2.2 over quota")),
        ("DATA", "554 no", Refused("сервер не принял письмо", "554 no")),
        ("MAIL", "552 5.3.4 too big", Refused("письмо слишком велико для сервера", "552 5.3.4 too big")),
        ("CONTENT", "552 too big", Refused("письмо слишком велико для сервера", "552 too big")),
        (
            "CONTENT",
            "554 5.7.1 spam",
            Refused("сервер не принял письмо: счёл его нежелательным или запрещённым", "554 5.7.1 spam"),
        ),
        ("CONTENT", "451 4.3.0 later", NotTaken("сервер просит попробовать позже", answer="451 4.3.0 later")),
        ("CONTENT", "421 4.3.2 bye", NotTaken("сервер просит попробовать позже", answer="421 4.3.2 bye")),
    ],
)  # fmt: skip
async def test_a_clear_no_is_a_clear_no(step: str, answer: str, verdict: Verdict) -> None:
    async with smtp() as server, gateway(channel(server.port)) as post:
        server.fail(step, says(answer))
        assert await post.submit(message()) == verdict
        assert isinstance(await post.submit(message()), Accepted)


@pytest.mark.parametrize(
    ("step", "answer"),
    [("MAIL", "553 5.7.1 sender not owned by user"), ("MAIL", "530 5.7.0 authentication required"),
     ("RCPT", "554 5.7.1 Relay access denied"), ("RCPT", "530 log in first")],
)  # fmt: skip
async def test_a_server_that_will_not_send_for_us_stops_the_channel_not_the_mail(step: str, answer: str) -> None:
    async with smtp() as server:
        server.fail(step, says(answer))
        with pytest.raises(errors.Refused) as caught:
            await one(channel(server.port))
    assert caught.value.raw == answer
    assert caught.value.hint


async def test_a_sender_of_the_messages_own_that_is_refused_is_the_messages_fault() -> None:
    async with smtp() as server:
        server.fail("MAIL", says("553 5.7.1 not yours"))
        assert isinstance(await one(channel(server.port), sender="else@example.ru"), Refused)


async def test_a_mail_larger_than_the_server_takes_is_not_even_begun() -> None:
    async with smtp(data_size_limit=10_000) as server, gateway(channel(server.port)) as post:
        big = message(attachments=(Attachment("x.pdf", "application/pdf", b"x" * 20_000),))
        assert await post.submit(big) == Refused("письмо слишком велико для сервера")
        assert "MAIL" not in server.commands
        assert isinstance(await post.submit(message()), Accepted)


@pytest.mark.parametrize("to", ["иван@mail.ru", "ivan@mаil.ru", "ivan@mail.ru\r\nRCPT TO:<x@y.ru>", "ivan"])
async def test_a_bad_address_never_reaches_the_server(to: str) -> None:
    async with smtp() as server:
        assert isinstance(await one(channel(server.port), to=to), Refused)
    assert server.connections == 0


async def test_what_the_permit_says_comes_before_the_first_byte() -> None:
    async def closed() -> None:
        raise errors.Limited("slower", after_ms=1_000)

    async with smtp() as server, wire.open(channel(server.port), closed, no_receipts, no_replies) as post:
        with pytest.raises(errors.Limited):
            await post.submit(message())
    assert server.connections == 0


async def test_a_cancelled_mail_takes_its_connection_with_it() -> None:
    async with smtp() as server, gateway(channel(server.port)) as post:
        reached: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def stuck(one: Any) -> str | None:
            reached.set_result(one)
            return await hangs(one)

        server.fail("AFTER", stuck)
        going = asyncio.ensure_future(post.submit(message()))
        connection = await reached
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        await connection.gone.wait()
        assert isinstance(await post.submit(message()), Accepted)
    assert (server.connections, len(server.mails)) == (2, 2)


async def test_a_slow_line_may_take_longer_than_the_patience_for_an_answer() -> None:
    """The time-out of a second begins anew as long as the mail still moves."""
    size, got = 24_000_000, 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal got
        writer.write(b"220 hi\r\n")
        for answer in (b"250 mx", b"250 ok", b"250 ok", b"354 go"):
            await reader.readline()
            writer.write(answer + b"\r\n")
        last = b""
        while not last.endswith(b"\r\n.\r\n"):
            piece = await reader.read(1_500_000)
            got, last = got + len(piece), (last + piece)[-5:]
            await asyncio.sleep(0.1)  # the line's speed, not a wait for something
        writer.write(b"250 taken\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, limit=1_000_000)
    attached = (Attachment("x.bin", "application/octet-stream", bytes(size)),)
    verdict = await one(channel(server.sockets[0].getsockname()[1], timeout=1_000), attachments=attached)
    server.close()
    assert isinstance(verdict, Accepted)
    assert got > size


EHLO = (b"EHLO", b"250-mx\r\n250 AUTH PLAIN\r\n")


@pytest.mark.parametrize(
    ("greeting", "answers"),
    [
        (None, []),
        (b"554 no service for you\r\n", []),
        (b"421 busy\r\n", []),
        (b"hello\r\n", []),
        (b"220 mx\r\n", [(b"EHLO", None)]),
        (b"220 mx\r\n", [(b"EHLO", b"421 no\r\n")]),
        (b"220 mx\r\n", [(b"EHLO", b"502 no\r\n"), (b"HELO", b"502 no\r\n")]),
        (b"220 mx\r\n", [EHLO, (b"AUTH", None)]),
        (b"220 mx\r\n", [EHLO, (b"AUTH", b"454 4.7.0 later\r\n")]),
        (b"220 mx\r\n", [EHLO, (b"AUTH", b"421 later\r\n")]),
    ],
)  # fmt: skip
async def test_a_server_that_does_not_let_us_begin_has_certainly_sent_nothing(
    greeting: bytes | None, answers: list[tuple[bytes, bytes | None]]
) -> None:
    async with scripted(greeting, answers) as port:
        settings = channel(port, user="clinic@example.ru", password="env:MAIL_PASSWORD", timeout=2_000)
        with pytest.raises(errors.Unavailable) as caught:
            await one(settings)
    assert not caught.value.sent


async def test_no_server_at_all() -> None:
    async with scripted(None, []) as port:
        pass
    with pytest.raises(errors.Unavailable) as caught:
        await one(channel(port))
    assert not caught.value.sent


@pytest.mark.parametrize("tls", ["on", "start"])
async def test_encrypted_and_logged_in(tls: str, ca: Authority) -> None:
    asked: dict[str, Any] = {"auth_required": True, "authenticator": knows(SECRET)}
    asked |= {"tls": ca.server, "auth_require_tls": False} if tls == "on" else {"tls_context": ca.server}
    async with smtp(**asked) as server:
        settings = channel(server.port, tls=tls, user="clinic@example.ru", password="env:MAIL_PASSWORD")
        assert isinstance(await one(settings, ca.client), Accepted)
        assert await wire.probe(settings, context=ca.client) is None
    assert len(server.mails) == 1


@pytest.mark.parametrize("tls", ["on", "start"])
async def test_a_certificate_that_the_system_does_not_trust_is_not_talked_to(tls: str, ca: Authority) -> None:
    async with smtp(**({"tls": ca.server} if tls == "on" else {"tls_context": ca.server})) as server:
        with pytest.raises(errors.Unavailable) as caught:
            await one(channel(server.port, tls=tls))
        assert "TLS" in str(caught.value)
        assert not caught.value.sent
        problem = await wire.probe(channel(server.port, tls=tls))
        assert problem is not None
        assert "TLS" in problem.what
    assert server.mails == []


async def test_the_systems_store_is_what_ssl_cert_file_names(ca: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.pem))
    async with smtp(tls=ca.server) as server:
        assert isinstance(await one(channel(server.port, tls="on")), Accepted)


async def test_a_wrong_password_asks_a_person_and_is_told_by_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "wrong")
    async with smtp(auth_require_tls=False, authenticator=knows(SECRET)) as server:
        settings = channel(server.port, user="clinic@example.ru", password="env:MAIL_PASSWORD")
        with pytest.raises(errors.Refused) as caught:
            await one(settings)
        problem = await wire.probe(settings)
    assert problem is not None
    assert "535" in problem.what
    assert "пароль" in problem.hint
    assert server.commands.count("AUTH") == 2  # once each: a locked account is a bad answer to a typing error
    assert not re.search("wrong|clinic@", f"{caught.value}{caught.value.raw}{problem.what}")


@pytest.mark.parametrize("fields", [{"tls": "start"}, {"user": "x", "password": "env:MAIL_PASSWORD"}])
async def test_a_server_that_cannot_do_what_the_settings_want_asks_a_person(fields: dict[str, Any]) -> None:
    async with smtp() as server:
        with pytest.raises(errors.Refused) as caught:
            await one(channel(server.port, **fields))
    assert "tls" in caught.value.hint


async def test_under_every_fault_nothing_is_doubled_and_nothing_that_arrived_is_called_unsent() -> None:
    """A server's own word after it has taken a mail is not tried here: a "450" from it is a lie nobody can see."""
    steps = {"AFTER": (drops, says("what?"))} | dict.fromkeys(
        ("RSET", "MAIL", "RCPT", "DATA", "CONTENT"),
        (drops, says("450 later"), says("550 no"), says("?"), says("421 bye")),
    )
    ended: dict[str, Verdict] = {}
    async with smtp() as server, gateway(channel(server.port, window=4)) as post:

        async def send(step: str, fault: Fault) -> None:
            server.fail(step, fault)
            given = message(sender="other@example.ru")
            ended[f"<{given.token}@example.ru>"] = await post.submit(given)

        for _round in range(20):
            await asyncio.gather(*(send(step, fault) for step, faults in steps.items() for fault in faults))
    there = [email.message_from_bytes(each.content)["Message-ID"] for each in server.mails]  # type: ignore[arg-type]
    accepted = {name for name, verdict in ended.items() if isinstance(verdict, Accepted)}
    doubtful = {name for name, verdict in ended.items() if isinstance(verdict, Lost)}
    assert len(there) == len(set(there))
    assert accepted <= set(there) <= accepted | doubtful
    assert {type(each) for each in ended.values()} == {Accepted, Refused, NotTaken, Lost}


def test_a_post_is_a_gateway(ca: Authority) -> None:
    from identsync.integrations.messaging.message import Gateway, Open

    opener: Open = wire.open
    given: Gateway = opener(channel(1), permit, no_receipts, no_replies)
    assert given.window == 2
    assert isinstance(given, wire.Post)
