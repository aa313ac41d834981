"""The mailbox on a real Dovecot, a bounce by a real OpenSMTPD: read once, nothing lost, nothing deleted or "read"."""

import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from identsync import errors
from identsync.flows.sending import Accepted, Fate, Receipt
from identsync.integrations.messaging.message import Message, Reply
from identsync.integrations.messaging.settings import Channel
from identsync.integrations.messaging.wire import email as wire
from identsync.integrations.messaging.wire import mailbox
from messaging.mail_daemons import Inbox, dovecot, needs_dovecot, needs_opensmtpd, opensmtpd
from messaging.mail_servers import Authority, authority, says, scripted, smtp
from messaging.test_email_bounces import TOKEN, letter, status

SECRET = "correct horse"
USER = "clinic@example.ru"
MARK = {b"$identsync"}
BOUNCE = status(Action="failed", Status="5.1.1")
ANSWER = letter(In_Reply_To=f"<{TOKEN}@example.ru>")


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", SECRET.replace(" ", "_"))


@pytest_asyncio.fixture
async def inbox(ca: Authority) -> AsyncIterator[Inbox]:
    async with dovecot(ca, SECRET.replace(" ", "_")) as running:
        yield running


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return authority(tmp_path)


@dataclass
class Desk:
    """What was written down, and what goes wrong with writing."""

    receipts: list[Receipt] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    fault: Exception | None = None

    async def keep(self, receipts: Sequence[Receipt]) -> None:
        if self.fault:
            raise self.fault
        self.receipts += receipts

    async def reply(self, replies: Sequence[Reply]) -> None:
        if self.fault:
            raise self.fault
        self.replies += replies

    async def listen(self, settings: Channel, context: ssl.SSLContext | None = None) -> None:
        await wire.open(settings, permit, self.keep, self.reply, context=context).listen(0)


async def permit() -> None:
    return None


def channel(imap: int, **fields: Any) -> Channel:
    given = {"host": "127.0.0.1", "port": 1, "tls": "off", "sender": USER, "user": USER, "timeout": 5_000}
    given |= {"password": "env:MAIL_PASSWORD", "bounce_host": "127.0.0.1", "bounce_port": imap}
    return Channel(kind="email", **(given | fields))


@needs_dovecot
async def test_bounces_and_answers_are_read_once_and_the_mailbox_looks_as_before(inbox: Inbox) -> None:
    inbox.put(USER, letter("Счёт за воду"), BOUNCE, ANSWER, letter("Ещё письмо"))
    desk = Desk()
    await desk.listen(channel(inbox.plain))
    assert [(each.fate, each.token) for each in desk.receipts] == [(Fate.FAILED, TOKEN)]
    assert [(each.sender, each.text) for each in desk.replies] == [("ivan@mail.ru", "Да, приду")]
    assert inbox.flags(USER) == dict.fromkeys((1, 2, 3, 4), MARK)  # none is \\Seen, none has gone
    await desk.listen(channel(inbox.plain))
    assert (len(desk.receipts), len(desk.replies)) == (1, 1)
    inbox.put(USER, BOUNCE)
    await desk.listen(channel(inbox.plain))
    assert len(desk.receipts) == 2


@needs_dovecot
async def test_what_could_not_be_written_down_is_read_again(inbox: Inbox) -> None:
    inbox.put(USER, BOUNCE, ANSWER)
    desk = Desk(fault=errors.StaleFence("another client"))
    with pytest.raises(errors.StaleFence):
        await desk.listen(channel(inbox.plain))
    assert inbox.flags(USER) == {1: set(), 2: set()}
    desk.fault = None
    await desk.listen(channel(inbox.plain))
    assert (len(desk.receipts), len(desk.replies)) == (1, 1)


@needs_dovecot
async def test_a_mailbox_that_was_rebuilt_is_looked_through_without_a_cursor(inbox: Inbox) -> None:
    """UIDVALIDITY changes: the marks are with the mails, and an answer that comes again has its old key."""
    inbox.put(USER, ANSWER, BOUNCE)
    desk = Desk()
    await desk.listen(channel(inbox.plain))
    before = inbox.validity(USER)
    inbox.rebuild(USER)
    assert inbox.validity(USER) != before
    inbox.put(USER, ANSWER)
    await desk.listen(channel(inbox.plain))
    assert len(desk.receipts) == 1
    assert desk.replies[0].key == desk.replies[1].key


@needs_dovecot
async def test_a_server_without_keywords_is_remembered_by_this_process(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dovecot keeps keywords, so they are taken from what it says of itself."""
    real = mailbox.IMAPClient.select_folder

    def without(self: Any, folder: str) -> Any:
        return real(self, folder) | {b"PERMANENTFLAGS": (b"\\Seen",)}

    monkeypatch.setattr(mailbox.IMAPClient, "select_folder", without)
    inbox.put(USER, BOUNCE, ANSWER)
    desk = Desk()
    await desk.listen(channel(inbox.plain))
    await desk.listen(channel(inbox.plain))
    assert (len(desk.receipts), len(desk.replies)) == (1, 1)
    assert inbox.flags(USER) == {1: set(), 2: set()}


@needs_dovecot
async def test_many_mails_go_in_portions_and_a_large_one_is_cut(inbox: Inbox) -> None:
    large = BOUNCE.replace(b"--b--", b"--b\nContent-Type: text/plain\n\n" + b"x" * 70 * 20_000 + b"\n--b--")
    inbox.put(USER, *[letter(f"{number}") for number in range(120)], large)
    desk = Desk()
    await desk.listen(channel(inbox.plain))
    assert len(desk.receipts) == 1
    assert len(inbox.flags(USER)) == 121
    assert set(map(frozenset, inbox.flags(USER).values())) == {frozenset(MARK)}


@needs_dovecot
@pytest.mark.parametrize("tls", ["on", "start"])
async def test_the_mailbox_is_read_over_tls_and_only_with_a_certificate_one_may_trust(
    tls: str, inbox: Inbox, ca: Authority
) -> None:
    settings = channel(inbox.encrypted if tls == "on" else inbox.plain, tls=tls)
    inbox.put(USER, BOUNCE)
    desk = Desk()
    with pytest.raises(errors.Unavailable) as caught:
        await desk.listen(settings)
    assert "TLS" in str(caught.value)
    await desk.listen(settings, ca.client)
    assert len(desk.receipts) == 1


@needs_dovecot
async def test_a_wrong_password_asks_a_person(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", "wrong")
    with pytest.raises(errors.Refused) as caught:
        await Desk().listen(channel(inbox.plain))
    assert caught.value.hint
    assert "wrong" not in f"{caught.value}{caught.value.raw}"


@needs_dovecot
async def test_the_probe_tries_both_servers(inbox: Inbox) -> None:
    async with smtp() as server:
        good = channel(inbox.plain, port=server.port, user=None, password=None)
        assert await wire.probe(good) is None
        server.fail("EHLO", says("550 5.7.1 go away"))
        server.fail("HELO", says("550 5.7.1 go away"))
        problem = await wire.probe(good)
        assert problem is not None
        assert "550 5.7.1 go away" in problem.what


@pytest.mark.parametrize("greeting", [None, b"* BYE busy\r\n", b"hello\r\n"])
async def test_a_mailbox_that_does_not_answer_is_tried_later(greeting: bytes | None) -> None:
    async with scripted(greeting, []) as port:
        with pytest.raises(errors.Unavailable) as caught:
            await Desk().listen(channel(port, timeout=1_000))
    assert not caught.value.sent


@needs_dovecot
@needs_opensmtpd
@pytest.mark.xdist_group("opensmtpd")
async def test_a_real_bounce_from_the_first_byte_to_the_receipt(inbox: Inbox, tmp_path: Path) -> None:
    """OpenSMTPD takes the mail, the next server refuses it, OpenSMTPD writes a bounce, that lies in the mailbox."""
    token = "ab" * 16
    async with smtp() as home, smtp() as elsewhere, opensmtpd(tmp_path, home.port, elsewhere.port) as port:
        elsewhere.fail("RCPT", says("552 5.2.2 <ivan@mail.test>: over quota"))
        settings = channel(inbox.plain, port=port)
        post = wire.open(channel(inbox.plain, port=port, user=None, password=None), permit, Desk().keep, Desk().reply)
        async with post:
            verdict = await post.submit(Message(token=token, to="ivan@mail.test", text="Привет", until_ms=0))
            assert verdict == Accepted(f"<{token}@example.ru>")
        await home.arrived.wait()
        inbox.put(USER, home.mails[0].content or b"")  # type: ignore[arg-type]
    desk = Desk()
    await desk.listen(settings)
    (receipt,) = desk.receipts
    assert (receipt.fate, receipt.token) == (Fate.FAILED, token)
    assert receipt.reason == "почтовый ящик получателя переполнен"
    assert "552 5.2.2" in receipt.answer
    assert "ivan" not in receipt.answer
