"""What a mail in the mailbox says: bounces as servers write them, answers, and all that is neither."""

from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.flows.sending import Fate, Receipt
from identsync.integrations.messaging.message import Reply
from identsync.integrations.messaging.wire.bounces import Ours, judge, may_concern
from identsync.integrations.messaging.wire.mail_answer import cause, masked

TOKEN, OTHER = "0123456789abcdef" * 2, "f" * 32
OURS = Ours("clinic@example.ru")
AT = 1_800_000_000_000
RETURNED = f"From: clinic@example.ru\r\nTo: ivan@mail.ru\r\nMessage-ID: <{TOKEN}@example.ru>\r\nSubject: x\r\n\r\n"


def part(media: str, text: str) -> str:
    return f"--b\nContent-Type: {media}\n\n{text}\n"


def status(returned: str | None = RETURNED, text: str = "Sorry.", envelope: str = "", **fields: str) -> bytes:
    """A report as RFC 3464 has it; ``returned`` None = nothing came back with it."""
    told = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in fields.items())
    head = (
        "Return-Path: <>\nFrom: MAILER-DAEMON@mx.test\nTo: clinic@example.ru\nMessage-ID: <1@mx.test>\n"
        "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
    )
    report = f"Reporting-MTA: dns; mx.test\n{envelope}\nFinal-Recipient: rfc822; ivan@mail.ru\n{told}"
    parts = part("text/plain; charset=utf-8", text) + part("message/delivery-status", report)
    back = part("text/rfc822-headers", returned.replace("\r\n", "\n")) if returned is not None else ""
    return f"{head}{parts}{back}--b--\n".encode()


def letter(text: str = "Да, приду", page: str = "", **headers: str) -> bytes:
    mail = EmailMessage()
    given = {"From": "Иван <ivan@mail.ru>", "To": "clinic@example.ru", "Message-ID": "<7@mail.ru>", "Subject": "Re: x"}
    for name, value in (given | {key.replace("_", "-"): value for key, value in headers.items()}).items():
        mail[name] = value
    mail.set_content(text) if text else mail.set_content(page, subtype="html")
    return mail.as_bytes()


def said(raw: bytes) -> Receipt | Reply | None:
    """Judge by the headers first, as the mailbox does."""
    return judge(raw, AT, OURS) if may_concern(raw.partition(b"\n\n")[0] + b"\n\n", OURS) else None


def test_a_failed_delivery_is_a_receipt_with_the_servers_words_and_without_the_address() -> None:
    receipt = said(status(Action="failed", Status="5.1.1", Diagnostic_Code="smtp; 550 5.1.1 <ivan@mail.ru> unknown"))
    answer = "smtp; 550 5.1.1 <…@mail.ru> unknown 5.1.1"
    assert receipt == Receipt(Fate.FAILED, token=TOKEN, at_ms=AT, reason="такого адреса нет", answer=answer)


def test_the_text_wins_over_a_status_that_says_less() -> None:
    raw = status(text="ivan@mail.ru: 552 5.2.2 quota exceeded", Action="failed", Status="5.3.0")
    receipt = said(raw)
    assert isinstance(receipt, Receipt)
    assert receipt.reason == "почтовый ящик получателя переполнен"
    assert "552 5.2.2 quota exceeded" in receipt.answer
    assert "ivan" not in receipt.answer


def test_a_whole_mail_that_was_returned_is_known_by_its_message_id() -> None:
    whole = RETURNED.replace("\r\n", "\n") + "Привет"
    raw = status(None, Action="failed", Status="5.0.0").replace(
        b"--b--", part("message/rfc822", whole).encode() + b"--b--"
    )
    receipt = said(raw)
    assert isinstance(receipt, Receipt)
    assert (receipt.fate, receipt.token) == (Fate.FAILED, TOKEN)


def test_a_report_that_returns_nothing_is_known_by_the_envelope_id() -> None:
    raw = status(None, envelope=f"Original-Envelope-Id: {TOKEN}\n", Action="failed", Status="5.1.1")
    receipt = said(raw)
    assert isinstance(receipt, Receipt)
    assert receipt.token == TOKEN


def test_an_exim_bounce_that_is_plain_text() -> None:
    text = f"""This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ivan@mail.ru
    SMTP error from remote mail server after RCPT TO:<ivan@mail.ru>:
    550 5.1.1 user unknown

------ This is a copy of the message, including all the headers. ------

Message-ID: <{TOKEN}@example.ru>
Subject: x
"""
    raw = letter(text, From="Mail Delivery System <Mailer-Daemon@mx.test>", X_Failed_Recipients="ivan@mail.ru")
    receipt = said(raw)
    assert isinstance(receipt, Receipt)
    assert (receipt.token, receipt.reason) == (TOKEN, "такого адреса нет")


def test_what_a_colleagues_own_mail_came_to_is_not_ours_even_if_it_answered_ours() -> None:
    theirs = f"From: clinic@example.ru\r\nMessage-ID: <desk-1@example.ru>\r\nReferences: <{TOKEN}@example.ru>\r\n\r\n"
    assert said(status(theirs, Action="failed", Status="5.1.1")) is None
    foreign = f"Message-ID: <{TOKEN}@elsewhere.ru>\r\n\r\n"
    assert said(status(foreign, Action="failed", Status="5.1.1")) is None


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_late_and_delivered_are_no_failures(action: str) -> None:
    assert said(status(Action=action, Status="4.4.7")) is None


def test_a_report_on_our_mail_that_nobody_can_read_goes_to_a_person() -> None:
    text = f"Письмо не доставлено, подробности у администратора.\n\nMessage-ID: <{TOKEN}@example.ru>\n"
    reply = said(letter(text, From="postmaster@mx.test"))
    assert isinstance(reply, Reply)
    assert reply.sender == "postmaster@mx.test"
    assert "не доставлено" in reply.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated", "Return_Path": "<>"},
        {"Precedence": "auto_reply"},
        {"X_Autoreply": "yes"},
    ],
)
def test_an_automatic_reply_is_neither_bounce_nor_answer(headers: dict[str, str]) -> None:
    away = letter("Я в отпуске до 12 января", In_Reply_To=f"<{TOKEN}@example.ru>", **headers)
    assert said(away) is None


def test_a_read_receipt_is_no_answer() -> None:
    raw = status(Disposition="manual-action; displayed").replace(b"delivery-status", b"disposition-notification")
    raw = raw.replace(b"Return-Path: <>\n", b"").replace(b"MAILER-DAEMON@", b"ivan@")
    answered = b"In-Reply-To: <" + TOKEN.encode() + b"@example.ru>\n" + raw
    assert said(answered) is None


def test_an_answer_is_what_was_written_above_the_quote() -> None:
    text = "Не смогу, перенесите.\n\nСпасибо\n\nсб, 28 нояб. 2026 г. в 12:30, Клиника <x@y.ru> пишет:\n> Ждём вас"
    for name in ("In_Reply_To", "References"):
        reply = said(letter(text, **{name: f"<a@b> <{TOKEN}@example.ru>"}))
        assert isinstance(reply, Reply)
        assert (reply.sender, reply.text, reply.at_ms) == ("ivan@mail.ru", "Не смогу, перенесите.\n\nСпасибо", AT)
        assert reply.token == TOKEN
    page = "<style>p{}</style><p>Стоп &amp; всё</p><blockquote>Ждём вас</blockquote>"
    reply = said(letter("", page, In_Reply_To=f"<{TOKEN}@example.ru>"))
    assert isinstance(reply, Reply)
    assert reply.text == "Стоп & всё"


def test_the_same_answer_has_the_same_key_wherever_it_is_found_again() -> None:
    first = said(letter(In_Reply_To=f"<{TOKEN}@example.ru>"))
    again = judge(letter("другой текст", In_Reply_To=f"<{TOKEN}@example.ru>"), AT + 1, OURS)
    other = said(letter(In_Reply_To=f"<{TOKEN}@example.ru>", Message_ID="<8@mail.ru>"))
    assert isinstance(first, Reply)
    assert isinstance(again, Reply)
    assert isinstance(other, Reply)
    assert first.key == again.key != other.key


def test_the_opt_out_mail_says_so() -> None:
    reply = said(letter("", "<p></p>", Subject=f"unsubscribe {TOKEN}"))
    assert isinstance(reply, Reply)
    assert (reply.sender, reply.text, reply.token) == ("ivan@mail.ru", "unsubscribe", TOKEN)


@pytest.mark.parametrize(
    "raw",
    [
        letter(),
        letter(In_Reply_To=f"<{OTHER}@elsewhere.ru>"),
        letter(In_Reply_To=f"<{TOKEN}@example.ru>", From="clinic@example.ru"),
        letter(f"I saw <{TOKEN}@example.ru> somewhere"),
        b"",
        b"\xff\xfe\x00",
    ],
)
def test_all_other_mail_is_left_alone(raw: bytes) -> None:
    assert said(raw) is None


@given(st.binary(max_size=2_000), st.sampled_from([b"", RETURNED.encode()]))
def test_no_mail_breaks_the_reader(body: bytes, tail: bytes) -> None:
    head = b"From: MAILER-DAEMON@x\nContent-Type: multipart/report; boundary=b; report-type=delivery-status\n"
    for raw in (body, head + b"\n--b\n" + body, head + body + tail, b"In-Reply-To: " + tail[40:] + body):
        may_concern(raw, OURS)
        judge(raw, AT, OURS)


@given(st.text(max_size=300))
def test_no_mailbox_gets_through_the_mask(text: str) -> None:
    shown = masked(f"550 {text} <ivan.petrov+x@mail.ru> +7 (916) 123-45-67 unknown")
    assert "ivan" not in shown
    assert "916" not in shown
    assert shown.startswith("550")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("5.3.0 552 5.2.2 full", 0, "почтовый ящик получателя переполнен"),
        ("host not found 5.1.2", 0, "почтовый сервер получателя не найден или не отвечает"),
        ("retry time over 5.4.7", 0, "почтовый сервер получателя не найден или не отвечает"),
        ("5.2.3 too long", 0, "письмо слишком велико для сервера"),
        ("disabled 5.2.1", 0, "такого адреса нет"),
        ("from 10.5.7.1 no", 0, "сервер не принял письмо"),
        ("no", 551, "такого адреса нет"),
    ],
)
def test_the_cause_in_words(text: str, code: int, words: str) -> None:
    assert cause(text, code) == words
