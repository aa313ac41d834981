"""Where a patient is reached: the quick way to read a number says what the library says."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identsync.integrations.messaging import phone
from identsync.integrations.messaging.phone import number
from identsync.integrations.messaging.reach import mailbox
from identsync.integrations.messaging.reasons import BAD_EMAIL, BAD_PHONE, LANDLINE, NO_EMAIL, NO_PHONE


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("8 (945) 000-79-19", "+79450007919"),
        ("+7\u00a0945 000 79 19", "+79450007919"),
        ("9450007919", "+79450007919"),
        ("8945 000 79 20 доб. 12", "+79450007920"),
        ("мама 8 945 000 79 19", "+79450007919"),
        ("8 495 123 45 67, 8 945 000 79 19", "+79450007919"),
        ("+380 67 123 45 67", "+380671234567"),
        ("8916123456", BAD_PHONE),
        ("123-45-67", BAD_PHONE),
        ("+89161234567", BAD_PHONE),
        ("+8 495 123-45-67", BAD_PHONE),
        ("+84951234567", BAD_PHONE),
        ("+8 (495) 123 45 67, +8 945 000 79 19 8 945 000 79 18", "+79450007918"),
        ("+861391234567", BAD_PHONE),
        ("+86 139 1234 5678", "+8613912345678"),
        ("8 495 123 45 67", LANDLINE),
        ("  ", NO_PHONE),
        (None, NO_PHONE),
        ("нет", BAD_PHONE),
    ],
)
def test_number(text: str | None, found: str) -> None:
    assert "".join(number(text)) == found


@given(st.from_regex(r"(\+?7|8)?[ -]?\(?9\d{2}\)?[ -]?\d{3}[ -]?\d{2}[ -]?\d{2}", fullmatch=True))
def test_the_quick_way_is_the_library_s(text: str) -> None:
    quick = phone._MOBILE.fullmatch(text.translate(phone._SPACE))
    try:
        parsed = phonenumbers.parse(text, "RU")
    except phonenumbers.NumberParseException:
        assert quick is None or not text.isascii()
        return
    if quick is not None:
        assert phonenumbers.is_valid_number(parsed)
        assert "+7" + quick[1] == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def test_every_code_of_three_digits_that_the_quick_way_knows_is_a_mobile_one() -> None:
    for code in range(900, 1000):
        for tail in ("0000000", "0500000", "9999999", "1234567"):
            if phone._MOBILE.fullmatch(f"8{code}{tail}"):
                parsed = phonenumbers.parse(f"+7{code}{tail}")
                assert phonenumbers.number_type(parsed) == phonenumbers.PhoneNumberType.MOBILE, (code, tail)


@given(st.text(max_size=60))
def test_nothing_raises(text: str) -> None:
    number(text)
    mailbox(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" Anna@Example.COM ", "Anna@example.com"),
        ("анна@почта.рф", "анна@почта.рф"),
        ("anna@example", BAD_EMAIL),
        ("anna@@example.com", BAD_EMAIL),
        ("a@b.ru, c@d.ru", BAD_EMAIL),
        ("a@b..ru", BAD_EMAIL),
        ("a@b.ru\nBcc: x@y.ru", BAD_EMAIL),
        ("", NO_EMAIL),
    ],
)
def test_mailbox(text: str, found: str) -> None:
    assert "".join(mailbox(text)) == found
