"""A mail as others read it: the standard library's older parser shares no code with what wrote it."""

import email
import email.policy
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import Message as Parsed
from email.utils import parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from identsync.integrations.messaging.message import Attachment, Kind, Message
from identsync.integrations.messaging.wire.mail import Letterhead, Unfit, address, compose, file_name, plain

TOKEN = "0123456789abcdef" * 2
AT = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
HEAD = Letterhead("clinic@example.ru", 'ООО "Стоматология, 32"', "desk@example.ru")
LONG = "https://clinic.ru/u/" + "x" * 300
TEXT = "Здравствуйте, Пётр!\n.точка в начале\nFrom кого-то\n" + "длинная строка " * 200 + "\nконец 🦷"


def message(**fields: object) -> Message:
    return Message(**({"token": TOKEN, "to": "ivan@mail.ru", "text": TEXT, "until_ms": 0} | fields))  # type: ignore[arg-type]


def parsed(raw: bytes) -> Parsed:
    return email.message_from_bytes(raw, policy=email.policy.compat32)


def header(mail: Parsed, name: str) -> str:
    return str(make_header(decode_header(mail[name].replace("\r\n", ""))))


def mailbox(mail: Parsed, name: str) -> tuple[str, str]:
    """The name and the address, decoded after the structure was taken apart, as RFC 2047 wants it."""
    words, found = parseaddr(mail[name].replace("\r\n", ""))
    return str(make_header(decode_header(words))), found


PLAN = message(
    name='Иванов, Пётр (сын) "Петруха" <x@y>',
    subject="План лечения  на 12 месяцев, со всеми приложениями и очень длинной темой; 50% и ещё emoji 🦷🦷🦷 и слово",
    html="<p>Здравствуйте, <b>Пётр</b>!</p>" + "<i>длинно</i>" * 300,
    attachments=(
        Attachment("План лечения.pdf", "application/pdf", bytes(range(256)) * 50),
        Attachment("снимок 🦷.jpg", "image/jpeg", b"\xff\xd8\r\n.\r\n\xff\xd9"),
        Attachment("заметка.txt", "text/plain", "Ёлка\n.\n".encode()),
    ),
)


def test_a_treatment_plan_arrives_as_it_was_meant() -> None:
    raw = compose(PLAN, HEAD, AT).raw
    mail = parsed(raw)
    text, page, pdf, photo, note = [part for part in mail.walk() if not part.is_multipart()]
    assert mailbox(mail, "From") == ('ООО "Стоматология, 32"', "clinic@example.ru")
    assert mailbox(mail, "To") == (PLAN.name, "ivan@mail.ru")
    assert header(mail, "Subject") == " ".join(PLAN.subject.split())
    assert mail["Date"] == "Sat, 28 Nov 2026 09:30:00 +0000"
    assert mail["Reply-To"] == "desk@example.ru"
    assert [part.get_content_type() for part in mail.walk() if part.is_multipart()] == [
        "multipart/mixed",
        "multipart/alternative",
    ]
    assert text.get_payload(decode=True).decode().replace("\r\n", "\n").rstrip("\n") == PLAN.text  # type: ignore[union-attr]
    assert page.get_payload(decode=True).decode().rstrip() == PLAN.html  # type: ignore[union-attr]
    assert [
        (each.get_filename(), each.get_content_type(), each.get_payload(decode=True)) for each in (pdf, photo, note)
    ] == [(each.name, each.media_type, each.content) for each in PLAN.attachments]


def test_todays_parser_reads_the_same_names_and_bodies() -> None:
    mail = email.message_from_bytes(compose(PLAN, HEAD, AT).raw, policy=email.policy.default)
    assert str(mail["subject"]) == " ".join(PLAN.subject.split())
    assert [each.get_filename() for each in mail.iter_attachments()] == [each.name for each in PLAN.attachments]
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n").rstrip("\n") == PLAN.text
    assert not [part for part in mail.walk() if part.defects]


def test_on_the_wire_there_is_nothing_but_seven_bit_lines_of_a_mails_length() -> None:
    raw = compose(PLAN, HEAD, AT).raw
    assert raw.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 78


def test_the_same_attempt_is_the_same_mail() -> None:
    mail = compose(PLAN, HEAD, AT)
    assert mail == compose(PLAN, HEAD, AT)
    assert parsed(mail.raw)["Message-ID"] == f"<{TOKEN}@example.ru>"
    later = compose(PLAN, HEAD, datetime(2027, 1, 1, tzinfo=UTC))
    assert parsed(later.raw)["Message-ID"] == f"<{TOKEN}@example.ru>"


def test_a_text_alone_is_a_plain_mail_without_parts() -> None:
    mail = parsed(compose(message(text="Hello", subject="Visit at 10:30"), HEAD, AT).raw)
    assert (mail.get_content_type(), mail["Subject"], mail.get_payload()) == (
        "text/plain",
        "Visit at 10:30",
        "Hello\r\n",
    )


def test_the_domain_of_the_message_id_is_the_channels_whatever_the_message_says() -> None:
    mail = compose(message(sender="other@elsewhere.ru"), HEAD, AT)
    assert (mail.sender, parsed(mail.raw)["Message-ID"]) == ("other@elsewhere.ru", f"<{TOKEN}@example.ru>")


@pytest.mark.parametrize(
    ("own", "channels", "shown", "click"),
    [
        (
            "https://clinic.ru/u/" + "x" * 300,
            "",
            "<https://clinic.ru/u/" + "x" * 300 + ">",
            "List-Unsubscribe=One-Click",
        ),
        ("", "https://clinic.ru/opt-out", "<https://clinic.ru/opt-out>", None),
        ("", "mailto:stop@clinic.ru", f"<mailto:stop@clinic.ru?subject=unsubscribe%20{TOKEN}>", None),
        ("mailto:stop@clinic.ru?subject=x", "", "<mailto:stop@clinic.ru?subject=x>", None),
        ("", "", None, None),
    ],
)
def test_one_click_is_offered_only_where_the_link_tells_who_clicked(
    own: str, channels: str, shown: str | None, click: str | None
) -> None:
    mail = parsed(compose(message(unsubscribe=own), Letterhead("a@b.ru", unsubscribe=channels), AT).raw)
    assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (shown, click)


def test_a_service_mail_says_that_a_machine_wrote_it_and_an_advertisement_does_not() -> None:
    assert parsed(compose(message(), HEAD, AT).raw)["Auto-Submitted"] == "auto-generated"
    assert parsed(compose(message(kind=Kind.AD), HEAD, AT).raw)["Auto-Submitted"] is None


EVIL = "Пётр\r\nBcc: all@evil.ru\r\n\r\nтело\x0b\x0c\x85\u2028\u2029\x00 \ud83e"


def test_nothing_that_people_write_becomes_a_header_or_a_body() -> None:
    attached = (Attachment(f"{EVIL}.pdf", f"application/pdf\r\n{EVIL}", b"x"),)
    evil = message(name=EVIL, subject=EVIL, text=EVIL, html=EVIL, attachments=attached)
    raw = compose(evil, Letterhead("a@b.ru", EVIL), AT).raw
    tame = compose(
        message(name="x", subject="x", text="x", html="x", attachments=(Attachment("x", "", b"x"),)), HEAD, AT
    ).raw
    mail = parsed(raw)
    assert set(mail.keys()) <= set(parsed(tame).keys())
    assert [part.get_content_type() for part in mail.walk()] == [
        part.get_content_type() for part in parsed(tame).walk()
    ]
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", raw)


@pytest.mark.parametrize(
    "bad",
    [
        "", "ivan", "@mail.ru", "ivan@", "ivan@mail.ru\r\nBcc: x@y.ru", "a b@mail.ru", "a@b@mail.ru", "<ivan@mail.ru>",
        "ivan@mail.ru>", "ivan..x@mail.ru", ".ivan@mail.ru", '"a b"@mail.ru', "иван@mail.ru", "ivаn@mail.ru",
        "ivan@mаil.ru", "ivan@mail..ru", "ivan@-mail.ru", "ivan@mail.ru SIZE=1", "a" * 65 + "@mail.ru",
        "ivan@" + "a" * 64 + ".ru",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(bad: str) -> None:
    with pytest.raises(Unfit):
        address(bad)


def test_domains_of_all_alphabets_go_as_punycode() -> None:
    assert address(" Ivan.Petrov+x@Почта.РФ ") == "Ivan.Petrov+x@xn--80a1acny.xn--p1ai"
    assert address("ivan@Mail.RU") == "ivan@mail.ru"


@pytest.mark.parametrize(
    "bad", ["http://clinic.ru", "javascript:x", "https://a b", "https://a>\r\nBcc: x", "https://к.рф"]
)
def test_an_opt_out_link_that_is_none_stops_the_mail(bad: str) -> None:
    with pytest.raises(Unfit):
        compose(message(unsubscribe=bad), HEAD, AT)


def test_a_line_is_one_line_without_anything_invisible() -> None:
    assert plain(" a\r\n\tb\0c\x1bd\x85e\u2028f\u2029g  h\ud83e ") == "a b c d e f g h\ufffd"


WORDS = st.text(st.characters(codec="utf-8"), max_size=200)


@given(WORDS, WORDS, WORDS)
@example("=?utf-8?q?x?=", "=?utf-8?q?x?=", "a=?b")
@example("a" * 300, "a " * 300, "b" * 300)
@example("\u0301" * 90, "🦷" * 90, "é" * 90)
def test_any_name_subject_and_file_name_come_back(name: str, subject: str, file: str) -> None:
    attached = (Attachment(file, "application/pdf", b""),)
    raw = compose(message(name=name, subject=subject, attachments=attached, text=""), HEAD, AT).raw
    mail = parsed(raw)
    assert mailbox(mail, "To") == (plain(name), "ivan@mail.ru")
    assert header(mail, "Subject") == plain(subject)
    assert [part.get_filename() for part in mail.walk() if part.get_filename()] == [file_name(file)]
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@given(st.text(max_size=400), st.text(max_size=400))
def test_any_text_and_page_come_back(text: str, page: str) -> None:
    mail = parsed(compose(message(text=text, html=f"<p>{page}"), HEAD, AT).raw)
    whole = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    for read, written in zip(whole, (text, f"<p>{page}"), strict=True):
        assert isinstance(read, bytes)
        kept = written.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
        assert read.decode().replace("\r\n", "\n").rstrip("\n") == kept.rstrip("\n")
